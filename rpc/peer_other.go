//go:build !linux && !darwin

package rpc

import (
	"errors"
	"fmt"
	"runtime"
)

// peerUID fails: a socket whose users can not be told apart is not served.
func peerUID(int) (int, error) {
	return -1, fmt.Errorf("users of a socket on %s: %w", runtime.GOOS, errors.ErrUnsupported)
}
