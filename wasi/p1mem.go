package wasi

import "encoding/binary"

// memory is a program's linear memory. What is asked of it outside is errFault.
type memory []byte

// span is n bytes at ptr.
func (m memory) span(ptr, n uint32) ([]byte, errno) {
	if uint64(ptr)+uint64(n) > uint64(len(m)) {
		return nil, errFault
	}
	return m[ptr : uint64(ptr)+uint64(n)], success
}

// put32 writes v at ptr.
func (m memory) put32(ptr, v uint32) errno {
	b, e := m.span(ptr, 4)
	if e == success {
		binary.LittleEndian.PutUint32(b, v)
	}
	return e
}

// put64 writes v at ptr.
func (m memory) put64(ptr uint32, v uint64) errno {
	b, e := m.span(ptr, 8)
	if e == success {
		binary.LittleEndian.PutUint64(b, v)
	}
	return e
}

// path is the text of length n at ptr. What is no path is left to the file
// system to refuse, but not before it has been copied, hence the bound.
func (m memory) path(ptr, n uint32) (string, errno) {
	b, e := m.span(ptr, n)
	switch {
	case e != success:
		return "", e
	case n > maxPath:
		return "", errNameLong
	}
	return string(b), success
}
