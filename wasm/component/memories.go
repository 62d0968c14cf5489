package component

// MaxMemories is how many linear memories are counted one by one.
const MaxMemories = 16

// Memories is what the linear memories of a module come to, as far as its
// bytes tell before it runs.
type Memories struct {
	// Count is how many an instance makes, when Exact; else at most that many
	// are allowed.
	Count int
	Exact bool
	// Max is the sum of the declared maxima in bytes and Largest the largest
	// of them, when HasMax.
	Max, Largest uint64
	HasMax       bool
}

// none is what nothing comes to.
var none = Memories{Exact: true, HasMax: true}

// Memories is what the memories of p come to.
func (p *Program) Memories() Memories {
	total := none
	for _, s := range p.Steps {
		total.add(p.Modules[s.Module].memories())
	}
	return total.bounded()
}

// MemoriesOf reads just enough of a component's sections to count the memories
// that an instance of it makes. The error is [ErrFeature], or says that it is
// not well formed.
func MemoriesOf(code []byte) (Memories, error) {
	m, err := memoriesOf(code, nil)
	return m.bounded(), err
}

// bounded is m, or the bound where m is not exact.
func (m Memories) bounded() Memories {
	if !m.Exact || m.Count > MaxMemories {
		return Memories{Count: MaxMemories}
	}
	return m
}

// add counts what one more instance makes.
func (m *Memories) add(other Memories) {
	m.Exact = m.Exact && other.Exact
	m.HasMax = m.HasMax && other.HasMax
	m.Count = min(m.Count+other.Count, MaxMemories+1)
	m.Max = min(m.Max+other.Max, 1<<40)
	m.Largest = max(m.Largest, other.Largest)
}

func (m *Module) memories() Memories {
	out := none
	for _, mem := range m.Memories {
		size := mem.Max * PageSize
		out.add(Memories{Count: 1, Exact: true, Max: size, Largest: size, HasMax: mem.HasMax})
	}
	if !out.HasMax {
		out.Max, out.Largest = 0, 0
	}
	return out
}

// counter goes through the sections of a component that may be no [Program].
// What comes from elsewhere is unknown; that counts only when it is
// instantiated.
type counter struct {
	modules    []Memories // of the module index space
	components []Memories // of the component index space
	total      Memories
	outer      *counter
	depth      int
}

func memoriesOf(code []byte, outer *counter) (Memories, error) {
	c := counter{total: none, outer: outer}
	if outer != nil {
		c.depth = outer.depth + 1
	}
	if HeaderOf(code) != Component || c.depth > maxNesting {
		return c.total, errBytes
	}
	r := reader{buf: code[8:]}
	for len(r.buf) > 0 && !r.bad {
		id, body := r.section()
		if err := c.section(id, &body); err != nil {
			return c.total, err
		}
	}
	return c.total, r.end()
}

func (c *counter) section(id byte, r *reader) error {
	switch id {
	case 1:
		m, err := ReadModule(r.buf)
		if err == nil {
			c.modules = append(c.modules, m.memories())
		}
		return err
	case 4:
		m, err := memoriesOf(r.buf, c)
		c.components = append(c.components, m)
		return err
	case 2:
		r.each(c.coreInstance)
	case 5:
		r.each(c.instance)
	case 6:
		r.each(c.alias)
	case 10:
		r.each(func(r *reader) { r.externName(); c.externDesc(r) })
	case 11:
		r.each(c.export)
	default:
		return nil
	}
	return r.end()
}

// each reads a vector.
func (r *reader) each(item func(*reader)) {
	for n := r.u32(); n > 0 && !r.bad; n-- {
		item(r)
	}
}

// add counts what an instance of from[i] makes.
func (c *counter) add(r *reader, from []Memories, i uint32) {
	if !has(from, i) {
		r.fail()
		return
	}
	c.total.add(from[i])
}

// define adds what is not known to the index space of a sort, if it is one of
// the two that matter.
func (c *counter) define(sort, core byte) {
	switch {
	case sort == sortCore && core == sortModule:
		c.modules = append(c.modules, Memories{})
	case sort == sortComponent:
		c.components = append(c.components, Memories{})
	}
}

func (c *counter) coreInstance(r *reader) {
	switch r.byte() {
	case 0x00: // instantiate a module
		c.add(r, c.modules, r.u32())
		r.each(func(r *reader) { r.take(r.u32()); r.byte(); r.u32() })
	case 0x01: // of exports
		r.each(func(r *reader) { r.take(r.u32()); r.byte(); r.u32() })
	default:
		r.fail()
	}
}

func (c *counter) instance(r *reader) {
	switch r.byte() {
	case 0x00: // instantiate a component
		c.add(r, c.components, r.u32())
		r.each(func(r *reader) { r.take(r.u32()); r.sort(); r.u32() })
	case 0x01: // of exports
		r.each(func(r *reader) { r.externName(); r.sort(); r.u32() })
	default:
		r.fail()
	}
}

func (c *counter) alias(r *reader) {
	sort, core := r.sort()
	switch r.byte() {
	case 0x00, 0x01: // an export of an instance, of a core instance
		r.u32()
		r.take(r.u32())
	case 0x02: // of an enclosing component
		c.outerAlias(sort, core, r.u32(), r.u32())
		return
	default:
		r.fail()
	}
	c.define(sort, core)
}

// outerAlias defines what an enclosing component has by the index i.
func (c *counter) outerAlias(sort, core byte, count, i uint32) {
	from := c
	for ; count > 0 && from != nil; count-- {
		from = from.outer
	}
	switch {
	case from == nil:
		c.define(sort, core)
	case sort == sortCore && core == sortModule && has(from.modules, i):
		c.modules = append(c.modules, from.modules[i])
	case sort == sortComponent && has(from.components, i):
		c.components = append(c.components, from.components[i])
	default:
		c.define(sort, core)
	}
}

func (c *counter) export(r *reader) {
	r.externName()
	sort, core := r.sort()
	i := r.u32()
	if r.byte() == 0x01 {
		other := counter{} // an ascription defines nothing by itself
		other.externDesc(r)
	}
	switch { // an export is a new name for the same thing
	case sort == sortCore && core == sortModule && has(c.modules, i):
		c.modules = append(c.modules, c.modules[i])
	case sort == sortComponent && has(c.components, i):
		c.components = append(c.components, c.components[i])
	default:
		c.define(sort, core)
	}
}

func (c *counter) externDesc(r *reader) {
	sort, core := r.sort()
	switch sort {
	case 0x02: // a value
		r.feature("values that are imported or exported")
	case sortType: // equal to another or a resource
		if r.byte() == 0x00 {
			r.u32()
		}
	default:
		r.u32()
	}
	c.define(sort, core)
}

// sort reads a sort, and the core sort where it is one.
func (r *reader) sort() (sort, core byte) {
	if sort = r.byte(); sort == sortCore {
		core = r.byte()
	}
	return sort, core
}
