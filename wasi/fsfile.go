package wasi

import (
	"bytes"
	"math"
)

// read fills p from the bytes of a file at off, and says how far: less than p
// where the file ends.
func (n *node) read(p []byte, off uint64) int {
	if off >= uint64(len(n.data)) {
		return 0
	}
	return copy(p, n.data[off:])
}

// write puts p into a file at off. What lies between the end of the file and off
// becomes zeros. It writes all of p or, where the bound on bytes forbids it,
// nothing.
func (fs *fileSystem) write(n *node, p []byte, off uint64) errno {
	if len(p) == 0 {
		return success
	}
	end := off + uint64(len(p))
	if end < off || end > math.MaxInt64 {
		return errFBig
	}
	if e := fs.own(n, max(end, n.size())); e != success {
		return e
	}
	copy(n.data[off:], p)
	fs.touch(n)
	return success
}

// resize cuts a file or appends zeros to it.
func (fs *fileSystem) resize(n *node, size uint64) errno {
	if size > math.MaxInt64 {
		return errFBig
	}
	if size > n.size() {
		if e := fs.own(n, size); e != success {
			return e
		}
	} else {
		fs.cut(n, int(size))
	}
	fs.touch(n)
	return success
}

// own gives n bytes of its own, size of them, which is no less than there were.
func (fs *fileSystem) own(n *node, size uint64) errno {
	had := len(n.data)
	cost := int64(size)
	if !n.shared {
		cost -= int64(had)
	}
	if e := fs.charge(cost); e != success {
		return e
	}
	if n.shared {
		own := make([]byte, size)
		copy(own, n.data)
		n.data, n.shared = own, false
		return success
	}
	n.data = grown(n.data, int(size))
	clear(n.data[had:]) // what was cut off before may lie there
	return success
}

// grown is b with size bytes, no fewer than there were; its capacity doubles at least
// where there is not enough, so that many small writes copy little.
func grown(b []byte, size int) []byte {
	if size > cap(b) {
		b = append(make([]byte, 0, max(size, 2*cap(b))), b...)
	}
	return b[:size]
}

// cut shortens a file, and moves what is left if it would hold on to more
// than twice the memory that it needs.
func (fs *fileSystem) cut(n *node, size int) {
	if !n.shared {
		fs.charge(int64(size - len(n.data)))
	}
	n.data = n.data[:size]
	if !n.shared && size < cap(n.data)/2 {
		n.data = bytes.Clone(n.data)
	}
}

// setTimes sets the time stamps of n that are not nil, in nanoseconds since
// 1970.
func (fs *fileSystem) setTimes(n *node, atim, mtim *uint64) {
	if atim != nil {
		n.atim = *atim
	}
	if mtim != nil {
		n.mtim = *mtim
	}
	n.ctim = fs.clock.wall()
}
