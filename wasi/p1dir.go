package wasi

import "encoding/binary"

// rootName is the name of the root's descriptor.
const rootName = "/"

func fdPrestatGet(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), 0)
	switch {
	case e != success:
		return e
	case !d.preopen:
		return errBadF
	}
	return c.mem.put64(c.u32(1), uint64(len(rootName))<<32) // after the tag 0, a directory
}

func fdPrestatDirName(c call1) errno {
	d, e := c.p1.lookup(c.u32(0), 0)
	switch {
	case e != success:
		return e
	case !d.preopen:
		return errBadF
	case c.u32(2) < uint32(len(rootName)):
		return errNameLong
	}
	to, e := c.mem.span(c.u32(1), uint32(len(rootName)))
	copy(to, rootName)
	return e
}

// fdReaddir writes entries of a directory from the one that the cookie counts
// to, until the buffer is full; the last one may be cut off. The entries are ".",
// ".." and then those by name that were there when a program last asked with
// cookie 0 and that have not been removed since.
func fdReaddir(c call1) errno {
	d, e := c.p1.dir(c.u32(0), rightReaddir)
	if e != success {
		return e
	}
	buf, e := c.mem.span(c.u32(1), c.u32(2))
	if e != success {
		return e
	}
	if _, e := c.mem.span(c.u32(4), 4); e != success {
		return e
	}
	cookie := c.u64(3)
	if cookie == 0 || d.names == nil {
		if e := d.remember(c.fs); e != success {
			return e
		}
	}
	used := 0
	for ; cookie < uint64(len(d.names)) && used < len(buf); cookie++ {
		if n := step(d.node, d.names[cookie]); n != nil {
			used += putDirent(buf[used:], cookie+1, n, d.names[cookie])
		}
	}
	return c.mem.put32(c.u32(4), uint32(used))
}

// remember takes the names of a directory as they are now.
func (d *descriptor1) remember(fs *fileSystem) errno {
	d.forget(fs)
	cost := int64(len(d.node.entries)+2) * 16
	if e := fs.charge(cost); e != success {
		return e
	}
	d.names, d.charged = append([]string{".", ".."}, d.node.list()...), cost
	return success
}

// forget gives back what remember took.
func (d *descriptor1) forget(fs *fileSystem) {
	fs.charge(-d.charged)
	d.names, d.charged = nil, 0
}

// putDirent writes as much of an entry as fits, and says how much.
func putDirent(to []byte, next uint64, n *node, name string) int {
	var b [24]byte
	binary.LittleEndian.PutUint64(b[:], next)
	binary.LittleEndian.PutUint64(b[8:], n.ino)
	binary.LittleEndian.PutUint32(b[16:], uint32(len(name)))
	b[20] = byte(n.kind)
	used := copy(to, b[:])
	return used + copy(to[used:], name)
}
