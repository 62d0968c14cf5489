package abi

import (
	"encoding/binary"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"

	fastutf8 "github.com/segmentio/asm/utf8"
)

// utf16Tag marks, in a length of latin1+utf16 text, text that is UTF-16.
const utf16Tag = 1 << 31

// text writes s in the guest's encoding.
func (l *lowerer) text(s string) (at, n uint32, err error) {
	switch l.encoding {
	case UTF16:
		return l.utf16(s)
	case Latin1OrUTF16:
		return l.compact(s)
	}
	if at, err = l.alloc(1, uint64(len(s))); err == nil {
		copy(l.place(at, uint32(len(s))), s)
	}
	return at, uint32(len(s)), err
}

// utf16 takes room for the most that s can need and gives back the rest.
func (l *lowerer) utf16(s string) (at, n uint32, err error) {
	size := uint32(2 * len(s))
	if at, err = l.alloc(2, 2*uint64(len(s))); err != nil {
		return 0, 0, err
	}
	n = putUTF16(l.place(at, size), s)
	if 2*n < size {
		at, err = l.realloc(at, size, 2, uint64(2*n))
	}
	return at, n, err
}

// compact writes s as Latin-1, or from the first character that Latin-1 does
// not have, all of it as UTF-16.
func (l *lowerer) compact(s string) (at, n uint32, err error) {
	size := uint32(len(s))
	if at, err = l.alloc(2, uint64(len(s))); err != nil {
		return 0, 0, err
	}
	b := l.place(at, size)
	for i, r := range s {
		if r > 0xff {
			return l.inflate(at, n, s, i)
		}
		b[n] = byte(r)
		n++
	}
	if n < size {
		at, err = l.realloc(at, size, 2, uint64(n))
	}
	return at, n, err
}

// inflate goes on as UTF-16 after done characters, at byte i of s.
func (l *lowerer) inflate(at, done uint32, s string, i int) (uint32, uint32, error) {
	worst := 2 * uint64(len(s))
	at, err := l.realloc(at, uint32(len(s)), 2, worst)
	if err != nil {
		return 0, 0, err
	}
	b := l.place(at, uint32(worst))
	for k := int(done) - 1; k >= 0; k-- {
		b[2*k], b[2*k+1] = b[k], 0
	}
	n := done + putUTF16(b[2*done:], s[i:])
	if worst > 2*uint64(n) {
		at, err = l.realloc(at, uint32(worst), 2, 2*uint64(n))
	}
	return at, n | utf16Tag, err
}

// putUTF16 writes s into b and returns how many units it took.
func putUTF16(b []byte, s string) (n uint32) {
	for _, r := range s {
		if hi, lo := utf16.EncodeRune(r); hi != utf8.RuneError {
			binary.LittleEndian.PutUint16(b[2*n:], uint16(hi))
			binary.LittleEndian.PutUint16(b[2*n+2:], uint16(lo))
			n += 2
			continue
		}
		binary.LittleEndian.PutUint16(b[2*n:], uint16(r))
		n++
	}
	return n
}

// text reads what a guest gave as address and length.
func (l *lifter) text(at, n uint32) (string, error) {
	size, align, wide := uint64(n), uint32(1), false
	switch {
	case l.f.encoding == UTF16:
		size, align, wide = 2*uint64(n), 2, true
	case l.f.encoding == Latin1OrUTF16:
		align = 2
		if wide = n&utf16Tag != 0; wide {
			size = 2 * uint64(n&^utf16Tag)
		}
	}
	if at%align != 0 {
		return "", &Error{"string pointer not aligned"}
	}
	if uint64(at)+size > uint64(len(l.mem)) {
		return "", &Error{"string pointer/length out of bounds of memory"}
	}
	if !l.count(int(size)) {
		return "", nil
	}
	b := l.mem[at:][:size]
	switch {
	case wide:
		return l.utf16(b)
	case l.f.encoding == Latin1OrUTF16:
		return l.latin1(b), nil
	case !fastutf8.Valid(b):
		return "", &Error{"invalid utf-8"}
	case l.measures:
		return "", nil
	}
	return string(b), nil
}

func (l *lifter) utf16(b []byte) (string, error) {
	var out []byte
	if !l.measures {
		out = make([]byte, 0, len(b))
	}
	for i := 0; i < len(b); i += 2 {
		r := rune(binary.LittleEndian.Uint16(b[i:]))
		if utf16.IsSurrogate(r) {
			if i += 2; i >= len(b) {
				return "", &Error{"unpaired surrogate found"}
			}
			if r = utf16.DecodeRune(r, rune(binary.LittleEndian.Uint16(b[i:]))); r == utf8.RuneError {
				return "", &Error{"unpaired surrogate found"}
			}
		}
		if !l.measures {
			out = utf8.AppendRune(out, r)
		}
	}
	return unsafe.String(unsafe.SliceData(out), len(out)), nil
}

func (l *lifter) latin1(b []byte) string {
	if l.measures {
		return ""
	}
	out := make([]byte, 0, len(b))
	for _, c := range b {
		out = utf8.AppendRune(out, rune(c))
	}
	return unsafe.String(unsafe.SliceData(out), len(out))
}

// validUTF8 is [utf8.ValidString], several times as fast for text that is not
// plain.
func validUTF8(s string) bool {
	return fastutf8.Valid(unsafe.Slice(unsafe.StringData(s), len(s)))
}
