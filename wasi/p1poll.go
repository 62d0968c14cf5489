package wasi

import "encoding/binary"

// Sizes in memory, and what one call may wait for.
const (
	subscriptionSize    = 48
	oldSubscriptionSize = 56 // clocks had one more field
	eventSize           = 32
	maxSubscriptions    = 4096
)

// The kinds of subscriptions and their events.
const (
	eventClock = iota
	eventRead
	eventWrite
)

// subscription is something that a program waits for.
type subscription struct {
	userdata uint64
	kind     byte

	fd    uint32 // to be ready for reading or writing
	due   uint64 // on the monotonic clock
	fault errno  // why it cannot be waited for
	bytes uint64 // to be read
}

// pollOneoff waits until something subscribed to has happened. Descriptors are
// always ready, so a program waits for a clock only if it subscribes to clocks
// alone; the clocks then move on to the first that is due, at once.
func pollOneoff(c call1) errno {
	subs, e := c.subscriptions()
	if e != success {
		return e
	}
	out, e := c.mem.span(c.u32(1), c.u32(2)*eventSize)
	if e != success {
		return e
	}
	if _, e := c.mem.span(c.u32(3), 4); e != success {
		return e
	}
	first := uint64(maxSlept)
	for _, s := range subs {
		if s.kind == eventClock && s.fault == success {
			first = min(first, s.due)
		} else {
			first = 0
		}
	}
	c.clock.sleepUntil(first)
	count := uint32(0)
	for _, s := range subs {
		if s.kind != eventClock || s.fault != success || s.due <= c.clock.monotonic() {
			s.putEvent(out[count*eventSize:])
			count++
		}
	}
	return c.mem.put32(c.u32(3), count)
}

// subscriptions reads all before an event is written, which may lie over them.
func (c call1) subscriptions() ([]subscription, errno) {
	size, n := uint32(subscriptionSize), c.u32(2)
	if c.old {
		size = oldSubscriptionSize
	}
	if n == 0 || n > maxSubscriptions {
		return nil, errInval
	}
	in, e := c.mem.span(c.u32(0), n*size)
	if e != success {
		return nil, e
	}
	subs := make([]subscription, n)
	for i := range subs {
		b := in[uint32(i)*size:][:size]
		s := &subs[i]
		s.userdata, s.kind = binary.LittleEndian.Uint64(b), b[8]
		switch s.kind {
		case eventClock:
			s.due, s.fault = c.due(b[16+size-subscriptionSize:])
		case eventRead, eventWrite:
			s.fd = binary.LittleEndian.Uint32(b[16:])
			s.bytes, s.fault = c.ready(s.fd)
		default:
			return nil, errInval
		}
	}
	return subs, success
}

// due reads when a clock is due, on the monotonic clock.
func (c call1) due(b []byte) (uint64, errno) {
	id, timeout, flags := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint16(b[24:])
	now := c.clock.monotonic()
	switch {
	case flags > 1 || id > clockThread:
		return 0, errInval
	case id > clockMonotonic:
		return 0, errNotSup
	case flags == 0:
		return now + min(timeout, maxSlept-now), success
	case id == clockRealtime:
		timeout -= min(timeout, Instant-MonotonicInstant)
	}
	return min(timeout, maxSlept), success
}

// ready is how many bytes can be read from a descriptor that is polled.
func (c call1) ready(fd uint32) (uint64, errno) {
	d, e := c.p1.lookup(fd, rightPoll)
	switch {
	case e != success:
		return 0, e
	case d.in != nil:
		return uint64(len(d.in.rest)), success
	case d.node != nil && d.node.size() > d.pos:
		return d.node.size() - d.pos, success
	}
	return 0, success
}

func (s subscription) putEvent(b []byte) {
	clear(b[:eventSize])
	binary.LittleEndian.PutUint64(b, s.userdata)
	binary.LittleEndian.PutUint16(b[8:], uint16(s.fault))
	b[10] = s.kind
	if s.kind == eventRead {
		binary.LittleEndian.PutUint64(b[16:], s.bytes)
	}
}
