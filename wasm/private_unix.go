//go:build unix

package wasm

import (
	"fmt"
	"os"
	"syscall"
)

// openPrivate opens a regular file that only we can write, and that is no
// symbolic link.
func openPrivate(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_CLOEXEC, 0)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		st, ok := info.Sys().(*syscall.Stat_t)
		if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 || !ok || int(st.Uid) != os.Geteuid() {
			err = fmt.Errorf("%s: %w: not a regular file that is ours alone", path, errEntry)
		}
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
