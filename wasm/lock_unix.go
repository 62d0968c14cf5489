//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package wasm

import (
	"errors"
	"os"
	"syscall"
)

// flock locks f for this open file, and tells whether it is locked now. The
// system takes the lock back when the file is closed, however that comes.
func flock(f *os.File) (bool, error) {
	err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, nil
	}
	return false, err
}
