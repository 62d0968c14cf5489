//go:build !linux

package cputime

import "time"

// Of calls f and returns how long that took, which is longer while the machine is busy.
func Of(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}
