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

// scanner reads just enough of a component's sections to count the memories
// that an instance of it makes. What comes from elsewhere is unknown; that
// counts only when it is instantiated.
type scanner struct {
	modules    []memories // of the module index space
	components []memories // of the component index space
	total      memories
	depth      int
}

const maxNesting = 100

// scanMemories counts the memories of a component that the engine has already
// found valid. Where that can not be known beforehand it gives the bound
// MaxMemories instead.
func scanMemories(code []byte) memories {
	m, err := componentMemories(code, 0)
	if err != nil || !m.exact || m.count > MaxMemories {
		return memories{count: MaxMemories}
	}
	return m
}

func componentMemories(code []byte, depth int) (memories, error) {
	s := scanner{total: memories{exact: true, hasMax: true}, depth: depth}
	if headerOf(code) != wasmComponent || depth > maxNesting {
		return s.total, errScan
	}
	r := bytesReader{buf: code[8:]}
	for len(r.buf) > 0 {
		id, body, err := r.section()
		if err == nil {
			err = s.section(id, body)
		}
		if err != nil {
			return s.total, err
		}
	}
	return s.total, nil
}

func (s *scanner) section(id byte, body []byte) error {
	var m memories
	var err error
	r := bytesReader{buf: body}
	switch id {
	case 1:
		m, err = moduleMemories(body)
		s.modules = append(s.modules, m)
		return err
	case 4:
		m, err = componentMemories(body, s.depth+1)
		s.components = append(s.components, m)
		return err
	case 2:
		s.each(&r, s.coreInstance)
	case 5:
		s.each(&r, s.instance)
	case 6:
		s.each(&r, s.alias)
	case 10:
		s.each(&r, func(r *bytesReader) { r.externName(); s.externDesc(r) })
	case 11:
		s.each(&r, s.export)
	default:
		return nil
	}
	if r.bad || len(r.buf) > 0 {
		return errScan
	}
	return nil
}

// each reads vec(item).
func (s *scanner) each(r *bytesReader, item func(*bytesReader)) {
	for n := r.u32(); n > 0 && !r.bad; n-- {
		item(r)
	}
}

// add counts what an instance of from[i] makes.
func (s *scanner) add(r *bytesReader, from []memories, i uint32) {
	if uint64(i) >= uint64(len(from)) {
		r.bad = true
		return
	}
	m := from[i]
	s.total.exact = s.total.exact && m.exact
	s.total.hasMax = s.total.hasMax && m.hasMax
	s.total.count = min(s.total.count+m.count, MaxMemories+1)
	s.total.max = min(s.total.max+m.max, 1<<40)
	s.total.largest = max(s.total.largest, m.largest)
}

// define adds what is not known to the index space of a sort, if it is one of
// the two that matter.
func (s *scanner) define(sort, core byte) {
	switch {
	case sort == sortCore && core == sortModule:
		s.modules = append(s.modules, memories{})
	case sort == sortComponent:
		s.components = append(s.components, memories{})
	}
}

// Sorts of definitions in the component binary format.
const (
	sortCore      = 0x00
	sortModule    = 0x11 // of the core sorts
	sortComponent = 0x04
)

func (s *scanner) coreInstance(r *bytesReader) {
	switch r.byte() {
	case 0x00: // instantiate a module
		s.add(r, s.modules, r.u32())
		s.each(r, func(r *bytesReader) { r.skip(r.u32()); r.byte(); r.u32() })
	case 0x01: // of exports
		s.each(r, func(r *bytesReader) { r.skip(r.u32()); r.byte(); r.u32() })
	default:
		r.bad = true
	}
}

func (s *scanner) instance(r *bytesReader) {
	switch r.byte() {
	case 0x00: // instantiate a component
		s.add(r, s.components, r.u32())
		s.each(r, func(r *bytesReader) { r.skip(r.u32()); r.sort(); r.u32() })
	case 0x01: // of exports
		s.each(r, func(r *bytesReader) { r.externName(); r.sort(); r.u32() })
	default:
		r.bad = true
	}
}

func (s *scanner) alias(r *bytesReader) {
	sort, core := r.sort()
	switch r.byte() {
	case 0x00, 0x01: // an export of an instance, of a core instance
		r.u32()
		r.skip(r.u32())
	case 0x02: // of an enclosing component
		r.u32()
		r.u32()
	default:
		r.bad = true
	}
	s.define(sort, core)
}

func (s *scanner) export(r *bytesReader) {
	r.externName()
	sort, core := r.sort()
	i := r.u32()
	if r.byte() == 0x01 {
		other := scanner{} // an ascription defines nothing by itself
		other.externDesc(r)
	}
	switch { // an export is a new name for the same thing
	case sort == sortCore && core == sortModule && uint64(i) < uint64(len(s.modules)):
		s.modules = append(s.modules, s.modules[i])
	case sort == sortComponent && uint64(i) < uint64(len(s.components)):
		s.components = append(s.components, s.components[i])
	default:
		s.define(sort, core)
	}
}

func (s *scanner) externDesc(r *bytesReader) {
	sort, core := r.sort()
	switch sort {
	case 0x02: // a value: needs a feature that is off
		r.bad = true
	case 0x03: // a type, equal to another or a resource
		if r.byte() == 0x00 {
			r.u32()
		}
	default:
		r.u32()
	}
	s.define(sort, core)
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

func (r *bytesReader) skip(n uint32) {
	if uint64(n) > uint64(len(r.buf)) {
		r.bad = true
		r.buf = nil
		return
	}
	r.buf = r.buf[n:]
}

// sort reads a sort, and the core sort where it is one.
func (r *bytesReader) sort() (sort, core byte) {
	if sort = r.byte(); sort == sortCore {
		core = r.byte()
	}
	return sort, core
}

// externName skips the name of an import or export.
func (r *bytesReader) externName() {
	form := r.byte()
	r.skip(r.u32())
	switch form {
	case 0x00, 0x01:
	case 0x02: // with the suffix of a version
		r.skip(r.u32())
	default:
		r.bad = true
	}
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
