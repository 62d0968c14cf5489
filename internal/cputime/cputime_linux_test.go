package cputime

import (
	"runtime"
	"testing"
	"time"
)

// What waits takes no time of the processor, and what works does.
func TestOf(t *testing.T) {
	t.Parallel()
	const long = 50 * time.Millisecond
	if d := Of(func() { time.Sleep(long) }); d >= long {
		t.Errorf("sleeping takes %v", d)
	}
	work := func() {
		for n, end := 0, time.Now().Add(4*long); time.Now().Before(end); n++ {
			runtime.KeepAlive(n)
		}
	}
	if d := Of(work); d == 0 || d > 8*long {
		t.Errorf("working takes %v", d)
	}
}
