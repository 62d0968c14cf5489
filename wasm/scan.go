package wasm

import "errors"

// memories is what the linear memories of a component come to, as far as its
// bytes tell before it runs.
type memories struct {
	// count is how many the component makes, when exact; else at most that
	// many are allowed.
	count int
	exact bool
	// max is the sum of the declared maxima in bytes and largest the largest
	// of them, when hasMax.
	max, largest uint64
	hasMax       bool
}

const pageSize = 64 << 10

// Header kinds.
type header int

const (
	notWasm header = iota
	coreModule
	wasmComponent
	otherVersion
)

// headerOf tells what code claims to be by its first eight bytes.
func headerOf(code []byte) header {
	if len(code) < 8 || string(code[:4]) != "\x00asm" {
		return notWasm
	}
	switch string(code[4:8]) {
	case "\x01\x00\x00\x00":
		return coreModule
	case "\x0d\x00\x01\x00":
		return wasmComponent
	}
	return otherVersion
}

var errScan = errors.New("section does not end where it says")

// scanner reads just enough of a component's sections to count memories.
type scanner struct {
	modules []memories // of the module index space
	complex bool       // modules come from elsewhere, or components are nested
	total   memories
}

// scanMemories counts the memories of a component that the engine has already
// found valid. Where modules are imported, aliased or nested in components of
// their own, it gives the bound MaxMemories instead.
func scanMemories(code []byte) memories {
	s := scanner{total: memories{exact: true, hasMax: true}}
	if err := s.component(code); err != nil || s.complex || s.total.count > MaxMemories {
		return memories{count: MaxMemories}
	}
	return s.total
}

func (s *scanner) component(code []byte) error {
	if headerOf(code) != wasmComponent {
		return errScan
	}
	r := bytesReader{buf: code[8:]}
	for len(r.buf) > 0 && !s.complex {
		id, body, err := r.section()
		if err != nil {
			return err
		}
		switch id {
		case 1: // core module
			m, err := moduleMemories(body)
			if err != nil {
				return err
			}
			s.modules = append(s.modules, m)
		case 2: // core instances
			if err := s.instances(body); err != nil {
				return err
			}
		case 4: // component
			s.complex = true
		case 6: // aliases; a module reaches the index space only from an instance or from outside
			s.complex = s.complex || aliasesModule(body)
		case 10: // imports
			s.complex = s.complex || importsModule(body)
		}
	}
	return nil
}

// instances reads vec(core:instanceexpr).
func (s *scanner) instances(body []byte) error {
	r := bytesReader{buf: body}
	n := r.u32()
	for ; n > 0 && !r.bad; n-- {
		switch r.byte() {
		case 0x00: // instantiate a module
			i := r.u32()
			for args := r.u32(); args > 0 && !r.bad; args-- {
				r.skip(int(r.u32())) // name
				r.byte()             // sort: instance
				r.u32()
			}
			if r.bad || uint64(i) >= uint64(len(s.modules)) {
				return errScan
			}
			m := s.modules[i]
			s.total.count += m.count
			s.total.max += m.max
			s.total.largest = max(s.total.largest, m.largest)
			s.total.hasMax = s.total.hasMax && m.hasMax
		case 0x01: // inline exports
			for exports := r.u32(); exports > 0 && !r.bad; exports-- {
				r.skip(int(r.u32()))
				r.byte()
				r.u32()
			}
		default:
			return errScan
		}
	}
	if r.bad {
		return errScan
	}
	return nil
}

// aliasesModule tells whether one of vec(alias) names a core module or a
// component, or cannot be read.
func aliasesModule(body []byte) bool {
	r := bytesReader{buf: body}
	for n := r.u32(); n > 0 && !r.bad; n-- {
		sort := r.byte()
		if sort == 0x00 && r.byte() == 0x11 || sort == 0x04 {
			return true
		}
		switch r.byte() {
		case 0x00, 0x01: // export of a component or core instance
			r.u32()
			r.skip(int(r.u32()))
		case 0x02: // outer
			r.u32()
			r.u32()
		default:
			return true
		}
	}
	return r.bad
}

// importsModule tells whether one of vec(import) is a core module or a
// component, or cannot be read.
func importsModule(body []byte) bool {
	r := bytesReader{buf: body}
	for n := r.u32(); n > 0 && !r.bad; n-- {
		switch r.byte() { // the form of the name
		case 0x00, 0x01:
			r.skip(int(r.u32()))
		case 0x02:
			r.skip(int(r.u32()))
			r.skip(int(r.u32()))
		default:
			return true
		}
		switch r.byte() { // externdesc
		case 0x01, 0x05: // func, instance
			r.u32()
		case 0x03: // type bound
			if r.byte() == 0x00 {
				r.u32()
			}
		default:
			return true
		}
	}
	return r.bad
}

// moduleMemories reads the memories that a core module defines.
func moduleMemories(code []byte) (memories, error) {
	m := memories{exact: true, hasMax: true}
	if headerOf(code) != coreModule {
		return m, errScan
	}
	r := bytesReader{buf: code[8:]}
	for len(r.buf) > 0 {
		id, body, err := r.section()
		if err != nil {
			return m, err
		}
		if id != 5 {
			continue
		}
		b := bytesReader{buf: body}
		for n := b.u32(); n > 0 && !b.bad; n-- {
			flags := b.byte()
			b.u32() // minimum
			m.count++
			switch flags {
			case 0x00:
				m.hasMax = false
			case 0x01:
				size := uint64(b.u32()) * pageSize
				m.max += size
				m.largest = max(m.largest, size)
			default: // features that are off
				return m, errScan
			}
		}
		if b.bad {
			return m, errScan
		}
	}
	return m, nil
}

// bytesReader reads LEB128 numbers and lengths; bad once anything is amiss.
type bytesReader struct {
	buf []byte
	bad bool
}

func (r *bytesReader) byte() byte {
	if len(r.buf) == 0 {
		r.bad = true
		return 0
	}
	b := r.buf[0]
	r.buf = r.buf[1:]
	return b
}

func (r *bytesReader) u32() uint32 {
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
	r.bad = true
	return 0
}

func (r *bytesReader) skip(n int) {
	if n < 0 || n > len(r.buf) {
		r.bad = true
		r.buf = nil
		return
	}
	r.buf = r.buf[n:]
}

// section takes the next section: its number and its content.
func (r *bytesReader) section() (id byte, body []byte, err error) {
	id = r.byte()
	n := r.u32()
	if r.bad || uint64(n) > uint64(len(r.buf)) {
		return 0, nil, errScan
	}
	body = r.buf[:n]
	r.buf = r.buf[n:]
	return id, body, nil
}
