//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package supervise

import "os"

const supported = false

// keepFromChildren does nothing: no process here inherits a descriptor.
func keepFromChildren(int) {}

// flock has no lock to give.
func flock(*os.File, bool) (bool, error) { return false, ErrUnsupported }
