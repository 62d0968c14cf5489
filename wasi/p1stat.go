package wasi

import (
	"encoding/binary"
	"math"
)

// device is the number of the only file system.
const device = 1

// putStat writes a filestat. A nil node is a stream, which has none of what a
// filestat tells.
func (c call1) putStat(ptr uint32, n *node) errno {
	if n == nil {
		n = &node{atim: Instant, mtim: Instant, ctim: Instant}
	}
	fields := [...]uint64{device, n.ino, uint64(n.kind), uint64(n.links), n.size(), n.atim, n.mtim, n.ctim}
	var b [64]byte
	for i, f := range fields {
		binary.LittleEndian.PutUint64(b[i*8:], f)
	}
	s := b[:]
	if c.old { // the kind and a narrower number of links share one word
		binary.LittleEndian.PutUint32(b[20:], uint32(n.links))
		s = append(s[:24], s[32:]...)
	}
	to, e := c.mem.span(ptr, uint32(len(s)))
	copy(to, s)
	return e
}

func fdFilestatGet(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), rightFilestatGet)
	if e != success {
		return e
	}
	return c.putStat(c.u32(1), d.node)
}

func fdFilestatSetSize(c call1) errno {
	d, e := c.p1.file(c.u32(0), rightSetSize)
	switch {
	case e != success:
		return e
	case c.u64(1) > math.MaxInt64:
		return errInval
	}
	return c.fs.resize(d.node, c.u64(1))
}

func fdFilestatSetTimes(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), rightSetTimes)
	switch {
	case e != success:
		return e
	case d.node == nil:
		return errInval
	}
	return c.setTimes(d.node, c.u64(1), c.u64(2), c.u32(3))
}

// setTimes sets the times that flags tell, to those given or to now.
func (c call1) setTimes(n *node, atim, mtim uint64, flags uint32) errno {
	const given, now, shift = 1, 2, 2
	times := [2]*uint64{&atim, &mtim}
	if flags >= 1<<(2*shift) {
		return errInval
	}
	for i := range times {
		switch flags >> (i * shift) & (given | now) {
		case 0:
			times[i] = nil
		case now:
			*times[i] = c.clock.wall()
		case given | now:
			return errInval
		}
	}
	c.fs.setTimes(n, times[0], times[1])
	return success
}

func fdFdstatGet(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), 0)
	if e != success {
		return e
	}
	b, e := c.mem.span(c.u32(1), 24)
	if e != success {
		return e
	}
	clear(b)
	if d.node != nil {
		b[0] = byte(d.node.kind)
	}
	binary.LittleEndian.PutUint16(b[2:], uint16(d.flags))
	binary.LittleEndian.PutUint64(b[8:], uint64(d.base))
	binary.LittleEndian.PutUint64(b[16:], uint64(d.inheriting))
	return success
}

func fdFdstatSetFlags(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), rightSetFlags)
	switch {
	case e != success:
		return e
	case c.u32(1) > uint32(allFdFlags):
		return errInval
	}
	d.flags = fdFlags(c.u32(1))
	return success
}

// fdFdstatSetRights takes rights away for good.
func fdFdstatSetRights(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), 0)
	if e != success {
		return e
	}
	base, inheriting := rights(c.u64(1)), rights(c.u64(2))
	if base&^d.base != 0 || inheriting&^d.inheriting != 0 {
		return errNotCapable
	}
	d.base, d.inheriting = base, inheriting
	return success
}

// fdAdvise takes any advice that there is, and needs none.
func fdAdvise(c call1) errno {
	const last = 5
	_, e := c.p1.file(c.u32(0), rightAdvise)
	switch {
	case e != success:
		return e
	case c.u32(3) > last:
		return errInval
	}
	return success
}

// fdAllocate makes a file at least so long that it holds the given part.
func fdAllocate(c call1) errno {
	d, e := c.p1.file(c.u32(0), rightAllocate)
	off, length := c.u64(1), c.u64(2)
	switch {
	case e != success:
		return e
	case length == 0 || off > math.MaxInt64 || length > math.MaxInt64:
		return errInval
	case off+length <= d.node.size():
		return success
	}
	return c.fs.resize(d.node, off+length)
}

func fdSync(c call1) errno     { return c.sync(rightSync) }
func fdDatasync(c call1) errno { return c.sync(rightDatasync) }

// sync has nothing to do: what is written is written.
func (c call1) sync(need rights) errno {
	d, e := c.p1.lookup(c.u32(0), need)
	if e == success && d.node == nil {
		return errInval
	}
	return e
}
