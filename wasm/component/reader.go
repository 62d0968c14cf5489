package component

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Header is what a module claims to be by its first eight bytes.
type Header int

// The headers.
const (
	NotWasm Header = iota
	CoreModule
	Component
	OtherVersion
)

// HeaderOf reads the header of code.
func HeaderOf(code []byte) Header {
	if len(code) < 8 || string(code[:4]) != "\x00asm" {
		return NotWasm
	}
	switch string(code[4:8]) {
	case "\x01\x00\x00\x00":
		return CoreModule
	case "\x0d\x00\x01\x00":
		return Component
	}
	return OtherVersion
}

// errBytes reports bytes that are not what their place in the format asks for.
var errBytes = errors.New("bytes out of place")

// ErrFeature reports a feature of WebAssembly that does not run here.
var ErrFeature = errors.New("it uses a feature that is off")

// reader takes bytes, LEB128 numbers and names from a buffer; bad once
// anything is amiss, and from then on it gives zeros.
type reader struct {
	buf []byte
	bad bool
	off string // the feature that does not run here, by which it is bad
}

func (r *reader) byte() byte {
	if len(r.buf) == 0 {
		r.bad = true
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *reader) u32() uint32 {
	var u uint64
	for shift := 0; shift < 35; shift += 7 {
		b := r.byte()
		u |= uint64(b&0x7f) << shift
		if b < 0x80 {
			if u > 1<<32-1 {
				break
			}
			return uint32(u)
		}
	}
	r.fail()
	return 0
}

func (r *reader) fail() {
	r.bad = true
	r.buf = nil
}

// feature notes that what is read uses a feature that does not run here.
func (r *reader) feature(what string) {
	if !r.bad {
		r.off = what
	}
	r.fail()
}

// take returns the next n bytes.
func (r *reader) take(n uint32) []byte {
	if uint64(n) > uint64(len(r.buf)) {
		r.fail()
		return nil
	}
	b := r.buf[:n]
	r.buf = r.buf[n:]
	return b
}

// name takes a length and text.
func (r *reader) name() string {
	b := r.take(r.u32())
	if !utf8.Valid(b) {
		r.fail()
		return ""
	}
	return string(b)
}

// count takes the length of a vector. Each of its items takes a byte at least.
func (r *reader) count() int {
	n := r.u32()
	if uint64(n) > uint64(len(r.buf)) {
		r.fail()
		return 0
	}
	return int(n)
}

// section takes the next section: its number and its content.
func (r *reader) section() (id byte, body reader) {
	id = r.byte()
	return id, reader{buf: r.take(r.u32())}
}

// end tells whether everything was read and all was well.
func (r *reader) end() error {
	if r.off != "" {
		return fmt.Errorf("%w: %s", ErrFeature, r.off)
	}
	if r.bad || len(r.buf) > 0 {
		return errBytes
	}
	return nil
}
