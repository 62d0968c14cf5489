//go:build unix

package wasm

import (
	"math"
	"syscall"
)

// processLimits are the process's limits of stack and address space in bytes,
// 0 for none.
func processLimits() (stack, address uint64) {
	return softLimit(syscall.RLIMIT_STACK), softLimit(syscall.RLIMIT_AS)
}

func softLimit(resource int) uint64 {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(resource, &l); err != nil || l.Cur >= math.MaxInt64 {
		return 0
	}
	return uint64(l.Cur)
}
