package wasi

import (
	"encoding/binary"
	"math"
)

// maxVectors is how many parts one reading or writing may have, as on most
// systems.
const maxVectors = 1024

// vectors is the parts of memory that one call reads into or writes from: pairs
// of a pointer and a length.
type vectors struct {
	mem   memory
	pairs []byte
}

// vectors takes n pairs at ptr, all of whose parts are inside the memory.
func (m memory) vectors(ptr, n uint32) (vectors, errno) {
	if n > maxVectors {
		return vectors{}, errInval
	}
	pairs, e := m.span(ptr, n*8)
	if e != success {
		return vectors{}, e
	}
	v, total := vectors{m, pairs}, uint64(0)
	for i := range v.count() {
		ptr, n := v.pair(i)
		if _, e := m.span(ptr, n); e != success {
			return vectors{}, e
		}
		total += uint64(n)
	}
	if total > math.MaxUint32 {
		return vectors{}, errInval
	}
	return v, success
}

func (v vectors) count() int { return len(v.pairs) / 8 }

func (v vectors) pair(i int) (ptr, n uint32) {
	p := v.pairs[i*8:]
	return binary.LittleEndian.Uint32(p), binary.LittleEndian.Uint32(p[4:])
}

// part is the i-th part. Reading may have overwritten the pairs themselves, so
// it is empty where it no longer lies inside the memory.
func (v vectors) part(i int) []byte {
	b, _ := v.mem.span(v.pair(i))
	return b
}

func fdRead(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), rightRead)
	if e != success {
		return e
	}
	v, e := c.mem.vectors(c.u32(1), c.u32(2))
	if e != success {
		return e
	}
	if _, e := c.mem.span(c.u32(3), 4); e != success {
		return e
	}
	n := uint32(0)
	if d.in != nil {
		n = v.fill(d.in.read)
	} else {
		n = v.fillFrom(d.node, d.pos)
		d.pos += uint64(n)
	}
	return c.mem.put32(c.u32(3), n)
}

func fdPread(c call1) errno {
	d, e := c.p1.file(c.u32(0), rightRead|rightSeek)
	switch {
	case e != success:
		return e
	case c.u64(3) > math.MaxInt64:
		return errInval
	}
	v, e := c.mem.vectors(c.u32(1), c.u32(2))
	if e != success {
		return e
	}
	if _, e := c.mem.span(c.u32(4), 4); e != success {
		return e
	}
	return c.mem.put32(c.u32(4), v.fillFrom(d.node, c.u64(3)))
}

// fill fills the parts in order until read gives less than a part.
func (v vectors) fill(read func([]byte) int) uint32 {
	total := 0
	for i := range v.count() {
		part := v.part(i)
		n := read(part)
		total += n
		if n < len(part) {
			break
		}
	}
	return uint32(total)
}

// fillFrom fills the parts in order with what a file has at off.
func (v vectors) fillFrom(n *node, off uint64) uint32 {
	return v.fill(func(p []byte) int {
		count := n.read(p, off)
		off += uint64(count)
		return count
	})
}

func fdWrite(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), rightWrite)
	if e != success {
		return e
	}
	v, e := c.mem.vectors(c.u32(1), c.u32(2))
	if e != success {
		return e
	}
	if _, e := c.mem.span(c.u32(3), 4); e != success {
		return e
	}
	n := uint32(0)
	switch {
	case d.out != nil:
		n, e = v.drain(d.out.write)
	case d.flags&fdAppend != 0:
		n, e = v.drainTo(c.fs, d.node, d.node.size())
		d.pos = d.node.size()
	default:
		n, e = v.drainTo(c.fs, d.node, d.pos)
		d.pos += uint64(n)
	}
	if e != success {
		return e
	}
	return c.mem.put32(c.u32(3), n)
}

// fdPwrite writes at the place it is told, also to a descriptor that appends.
func fdPwrite(c call1) errno {
	d, e := c.p1.file(c.u32(0), rightWrite|rightSeek)
	switch {
	case e != success:
		return e
	case c.u64(3) > math.MaxInt64:
		return errInval
	}
	v, e := c.mem.vectors(c.u32(1), c.u32(2))
	if e != success {
		return e
	}
	if _, e := c.mem.span(c.u32(4), 4); e != success {
		return e
	}
	n, e := v.drainTo(c.fs, d.node, c.u64(3))
	if e != success {
		return e
	}
	return c.mem.put32(c.u32(4), n)
}

// drain writes the parts in order. An error counts only if nothing was written
// before it.
func (v vectors) drain(write func([]byte) errno) (uint32, errno) {
	total := 0
	for i := range v.count() {
		part := v.part(i)
		if e := write(part); e != success {
			if total > 0 {
				break
			}
			return 0, e
		}
		total += len(part)
	}
	return uint32(total), success
}

// drainTo writes the parts in order into a file at off.
func (v vectors) drainTo(fs *fileSystem, n *node, off uint64) (uint32, errno) {
	return v.drain(func(p []byte) errno {
		e := fs.write(n, p, off)
		if e == success {
			off += uint64(len(p))
		}
		return e
	})
}

// seekBase is what an offset is counted from.
type seekBase uint32

const (
	fromStart seekBase = iota
	fromHere
	fromEnd
)

// seekBase reads a whence, which had another order in snapshot 0.
func (c call1) seekBase(i int) seekBase {
	b := seekBase(c.u32(i))
	if c.old && b <= fromEnd {
		b = (b + 1) % 3
	}
	return b
}

func fdSeek(c call1) errno {
	delta, whence := int64(c.u64(1)), c.seekBase(2)
	need := rightSeek
	if delta == 0 && whence == fromHere {
		need = rightTell
	}
	d, e := c.p1.file(c.u32(0), need)
	if e != success {
		return e
	}
	start := uint64(0)
	switch whence {
	case fromStart:
	case fromHere:
		start = d.pos
	case fromEnd:
		start = d.node.size()
	default:
		return errInval
	}
	// A position is at most MaxInt64, so the sum cannot wrap around unseen.
	pos := int64(start) + delta
	switch {
	case pos < 0 && delta > 0:
		return errOverflow
	case pos < 0:
		return errInval
	}
	if e := c.mem.put64(c.u32(3), uint64(pos)); e != success {
		return e
	}
	d.pos = uint64(pos)
	return success
}

func fdTell(c call1) errno {
	d, e := c.p1.file(c.u32(0), rightTell)
	if e != success {
		return e
	}
	return c.mem.put64(c.u32(1), d.pos)
}
