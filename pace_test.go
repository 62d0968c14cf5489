package ipvm

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	t.Parallel()
	var p pace
	now := time.Unix(1_700_000_000, 0)
	count := func(asked int) (taken int) {
		for range asked {
			if p.take(now) {
				taken++
			}
		}
		return taken
	}
	for _, step := range []struct {
		passed time.Duration
		want   int
	}{{0, denialsAtOnce}, {0, 0}, {time.Second, denialsPerSecond}, {-time.Hour, 0}, {time.Hour - time.Second/2, 0}, {time.Second, denialsPerSecond / 2}, {time.Hour, denialsAtOnce}} {
		now = now.Add(step.passed)
		if got := count(2 * denialsAtOnce); got != step.want {
			t.Errorf("after %v: %d, want %d", step.passed, got, step.want)
		}
	}
}
