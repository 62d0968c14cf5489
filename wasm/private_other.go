//go:build !unix

package wasm

import (
	"fmt"
	"os"
)

// openPrivate opens a regular file. Permissions are the directory's.
func openPrivate(path string) (*os.File, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s: %w", path, errEntry)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}
