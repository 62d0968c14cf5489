package wasi

// Instant is what the wall clock shows when a program starts:
// 2000-01-01T00:00:00Z, in nanoseconds since 1970-01-01T00:00:00Z. It is also
// the time stamp of every file that nobody has touched since.
const Instant = 946_684_800_000_000_000

// MonotonicInstant is what the monotonic clock shows when a program starts, in
// nanoseconds. It is not 0, because with that Go programs refuse to start.
const MonotonicInstant = 1

// Resolution is the resolution of every clock in nanoseconds.
const Resolution = 1

// maxSlept is as far as the monotonic clock goes. It keeps both clocks within a
// signed 64-bit number of nanoseconds.
const maxSlept = 1 << 62

// clock is the time of one program. It moves only when the program sleeps, by
// the time asked for, so that one that sleeps until some moment wakes at that
// moment, at once. One that waits for time to pass without sleeping waits until
// a limit of the engine ends it.
type clock struct {
	slept uint64 // nanoseconds
}

// wall is the time in nanoseconds since 1970.
func (c *clock) wall() uint64 { return Instant + c.slept }

// monotonic is the time in nanoseconds on the clock that is never set.
func (c *clock) monotonic() uint64 { return MonotonicInstant + c.slept }

// sleep moves the clocks by d nanoseconds, or as far as they go.
func (c *clock) sleep(d uint64) {
	c.slept += min(d, maxSlept-c.monotonic())
}
