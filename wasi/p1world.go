package wasi

// The clocks of preview 1.
const (
	clockRealtime = iota
	clockMonotonic
	clockProcess
	clockThread
)

func clockResGet(c call1) errno {
	if c.u32(0) > clockThread {
		return errInval
	}
	return c.mem.put64(c.u32(1), Resolution)
}

// clockTimeGet tells the time, at any precision. Computing takes none, so the
// clocks of the processor stay at 0.
func clockTimeGet(c call1) errno {
	now := uint64(0)
	switch c.u32(0) {
	case clockRealtime:
		now = c.clock.wall()
	case clockMonotonic:
		now = c.clock.monotonic()
	case clockProcess, clockThread:
	default:
		return errInval
	}
	return c.mem.put64(c.u32(2), now)
}

func argsGet(c call1) errno         { return c.putStrings(c.Host.args) }
func argsSizesGet(c call1) errno    { return c.putSizes(c.Host.args) }
func environGet(c call1) errno      { return c.putStrings(c.env) }
func environSizesGet(c call1) errno { return c.putSizes(c.env) }

// putStrings writes pointers to strings at the first argument, and the strings,
// each with a NUL, at the second.
func (c call1) putStrings(list []string) errno {
	pointers, text := c.u32(0), c.u32(1)
	for i, s := range list {
		if e := c.mem.put32(pointers+uint32(i)*4, text); e != success {
			return e
		}
		b, e := c.mem.span(text, uint32(len(s))+1)
		if e != success {
			return e
		}
		b[copy(b, s)] = 0
		text += uint32(len(b))
	}
	return success
}

// putSizes writes how many strings there are, and how many bytes.
func (c call1) putSizes(list []string) errno {
	size := 0
	for _, s := range list {
		size += len(s) + 1
	}
	if e := c.mem.put32(c.u32(0), uint32(len(list))); e != success {
		return e
	}
	return c.mem.put32(c.u32(1), uint32(size))
}

func randomGet(c call1) errno {
	b, e := c.mem.span(c.u32(0), c.u32(1))
	c.fillRandom(b)
	return e
}

func procExit(_ *Host, _ []byte, args []uint64) (uint32, error) {
	return 0, &Exit{uint32(args[0])}
}

// procRaise knows no signals.
func procRaise(call1) errno { return errNoSys }

// schedYield comes back at once: nobody else waits.
func schedYield(call1) errno { return success }

// notSocket is the answer of all functions for sockets.
func notSocket(c call1) errno {
	if _, e := c.p1.lookup(c.u32(0), 0); e != success {
		return e
	}
	return errNotSock
}
