package component

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/wasm/abi"
)

// Sort is what an import or export of a core module is.
type Sort byte

// The sorts of core definitions.
const (
	SortFunc   Sort = 0x00
	SortTable  Sort = 0x01
	SortMemory Sort = 0x02
	SortGlobal Sort = 0x03
)

// PageSize is the unit of memory sizes.
const PageSize = 64 << 10

// Import is one import of a core module.
type Import struct {
	Module, Name string
	Sort         Sort
	Type         abi.Signature // of a function
}

// Export is one export of a core module.
type Export struct {
	Name string
	Sort Sort
	Type abi.Signature // of a function
}

// Memory is the declaration of a linear memory, in pages.
type Memory struct {
	Min, Max uint64
	HasMax   bool
}

// Section is a custom section.
type Section struct {
	Name string
	Data []byte
}

// Module is what can be known of a core module without its code.
type Module struct {
	Code     []byte
	Imports  []Import
	Exports  []Export
	Memories []Memory // its own, not those it imports
	Tables   int      // its own
	Customs  []Section

	types   []abi.Signature
	funcs   []uint32 // type of each function, imports first
	exports map[string]int
}

// ReadModule reads a core module. It does not look at code, and does not
// validate: that is the engine's part.
func ReadModule(code []byte) (*Module, error) {
	if HeaderOf(code) != CoreModule {
		return nil, errBytes
	}
	m := &Module{Code: code, exports: make(map[string]int)}
	r := reader{buf: code[8:]}
	for len(r.buf) > 0 && !r.bad {
		id, body := r.section()
		if err := m.section(id, &body); err != nil {
			return nil, fmt.Errorf("section %d: %w", id, err)
		}
	}
	return m, r.end()
}

// Export returns the export called name.
func (m *Module) Export(name string) (Export, bool) {
	i, ok := m.exports[name]
	if !ok {
		return Export{}, false
	}
	return m.Exports[i], true
}

// Func returns the type of the exported function called name.
func (m *Module) Func(name string) (abi.Signature, bool) {
	e, ok := m.Export(name)
	return e.Type, ok && e.Sort == SortFunc
}

func (m *Module) section(id byte, r *reader) error {
	var item func(*reader)
	switch id {
	case 0:
		name := r.name()
		m.Customs = append(m.Customs, Section{name, r.buf})
		r.buf = nil
		return r.end()
	case 1:
		item = m.readType
	case 2:
		item = m.readImport
	case 3:
		item = func(r *reader) { m.funcs = append(m.funcs, r.u32()) }
	case 4:
		item = func(r *reader) { m.Tables++; r.table() }
	case 5:
		item = func(r *reader) { m.Memories = append(m.Memories, r.memory()) }
	case 7:
		item = m.readExport
	default:
		return nil
	}
	for n := r.count(); n > 0 && !r.bad; n-- {
		item(r)
	}
	return r.end()
}

func (m *Module) readType(r *reader) {
	if r.byte() != 0x60 {
		r.feature("a type that is none of functions")
		return
	}
	m.types = append(m.types, abi.Signature{Params: r.values(), Results: r.values()})
}

// values takes a vector of value types.
func (r *reader) values() string {
	out := make([]byte, r.count())
	for i := range out {
		switch r.byte() {
		case 0x7f:
			out[i] = 'i'
		case 0x7e:
			out[i] = 'I'
		case 0x7d:
			out[i] = 'f'
		case 0x7c:
			out[i] = 'F'
		case 0x7b:
			out[i] = 'v'
		case 0x70, 0x6f:
			out[i] = 'r'
		default:
			r.feature("values other than numbers, vectors and plain references")
		}
	}
	return string(out)
}

func (m *Module) readImport(r *reader) {
	i := Import{Module: r.name(), Name: r.name(), Sort: Sort(r.byte())}
	switch i.Sort {
	case SortFunc:
		t := r.u32()
		m.funcs = append(m.funcs, t)
		i.Type = m.typeAt(r, t)
	case SortTable:
		r.table()
	case SortMemory:
		r.memory()
	case SortGlobal:
		r.byte()
		r.byte()
	default:
		r.feature("tags, for exceptions")
	}
	m.Imports = append(m.Imports, i)
}

func (m *Module) typeAt(r *reader, i uint32) abi.Signature {
	if uint64(i) >= uint64(len(m.types)) {
		r.fail()
		return abi.Signature{}
	}
	return m.types[i]
}

func (m *Module) readExport(r *reader) {
	e := Export{Name: r.name(), Sort: Sort(r.byte())}
	i := r.u32()
	if e.Sort == SortFunc {
		if uint64(i) >= uint64(len(m.funcs)) {
			r.fail()
			return
		}
		e.Type = m.typeAt(r, m.funcs[i])
	}
	m.exports[e.Name] = len(m.Exports)
	m.Exports = append(m.Exports, e)
}

func (r *reader) table() {
	if b := r.byte(); b != 0x70 && b != 0x6f {
		r.feature("a table of typed references, or with initial values")
	}
	r.memory()
}

// memory takes limits.
func (r *reader) memory() Memory {
	m := Memory{}
	switch r.byte() {
	case 0x00:
		m.Min = uint64(r.u32())
	case 0x01:
		m.Min, m.Max, m.HasMax = uint64(r.u32()), uint64(r.u32()), true
	default:
		r.feature("a memory that is shared, has 64-bit addresses or pages of another size")
	}
	return m
}
