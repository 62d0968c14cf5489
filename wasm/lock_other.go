//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package wasm

import (
	"errors"
	"os"
)

// flock has no lock to give.
func flock(*os.File) (bool, error) { return false, errors.ErrUnsupported }
