//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package supervise

import (
	"errors"
	"os"
	"syscall"
)

const supported = true

// keepFromChildren has a descriptor closed in the children of this process.
func keepFromChildren(fd int) { syscall.CloseOnExec(fd) }

// flock locks f, for this open file alone or with others who only look, and tells
// whether it is locked now.
func flock(f *os.File, alone bool) (bool, error) {
	how := syscall.LOCK_SH
	if alone {
		how = syscall.LOCK_EX
	}
	err := syscall.Flock(int(f.Fd()), how|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, nil
	}
	return false, err
}
