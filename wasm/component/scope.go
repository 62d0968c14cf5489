package component

import "github.com/ipvm-wg/go-ipvm/wit"

// Bounds of reading. Components nest, and one may be instantiated many times.
const (
	maxNesting = 50
	maxParts   = 4096 // of one type
	// What may be done for a component: so many definitions, and more for
	// each of its bytes, up to a most.
	leastWork = 1 << 16
	workEach  = 4
	mostWork  = 1 << 20
)

// evaluator makes a program by going through a component as if to run it.
type evaluator struct {
	p    Program
	work int                // what may still be done
	seen map[*resource]bool // imported so far
	// modules are the numbers of core modules by where their code is.
	modules map[*byte]int
}

// newEvaluator is for a component of size bytes.
func newEvaluator(size int) *evaluator {
	return &evaluator{work: min(leastWork+workEach*size, mostWork), seen: make(map[*resource]bool), modules: make(map[*byte]int)}
}

func (e *evaluator) spend(n int) error {
	if e.work -= n; e.work < 0 {
		return unrecognisedf("more definitions than are looked at")
	}
	return nil
}

// spendOn spends what the types of f come to when written out, if they are
// within the bounds of package wit.
func (e *evaluator) spendOn(f *wit.Func) error {
	if err := checkType(*f); err != nil {
		return err
	}
	n := extent(f.Result)
	for _, p := range f.Params {
		n += extent(p.Type)
	}
	return e.spend(n)
}

// extent is how many types and names t is made of, written out.
func extent(t *wit.Type) int {
	if t == nil {
		return 0
	}
	n := 1 + len(t.Names) + extent(t.Elem) + extent(t.Err)
	for _, f := range t.Fields {
		n += 1 + extent(f.Type)
	}
	for _, i := range t.Items {
		n += extent(i)
	}
	return n
}

// scope has the index spaces of one component, or of one type with
// declarations.
type scope struct {
	e     *evaluator
	outer *scope
	depth int
	// given is what the imports of a component within another are bound to;
	// nil for the outermost, whose imports come from the host.
	given *instance

	modules    []int // numbers of Program.Modules
	coreFuncs  []Item
	tables     []Item
	memories   []Item
	globals    []Item
	cores      []*coreInstance
	types      []any
	funcs      []*function
	instances  []*instance
	components []*definition
	exports    instance
	imported   distinct // names
	exported   distinct
}

// function is a function of the component model.
type function struct {
	typ wit.Func
	// lift is how the guest implements it; nil for an import.
	lift *Func
	// iface and name are what it is imported as.
	iface, name string
}

// definition is a component that has not been instantiated.
type definition struct {
	body  []byte
	scope *scope
}

// coreInstance is an instance of a core module, or a bundle of definitions.
type coreInstance struct {
	step   int // -1 for a bundle
	bundle map[string]Item
}

// at is s[i], or nothing where there is none.
func at[T any](s []T, i uint32) (none T) {
	if uint64(i) >= uint64(len(s)) {
		return none
	}
	return s[i]
}

// has tells whether i is an index of s.
func has[T any](s []T, i uint32) bool { return uint64(i) < uint64(len(s)) }

// inner is a scope within s.
func (s *scope) inner() (*scope, error) {
	if s.depth >= maxNesting {
		return nil, unrecognisedf("nested more than %d deep", maxNesting)
	}
	return &scope{e: s.e, outer: s, depth: s.depth + 1}, nil
}

// define adds what was imported, exported or aliased to its index space.
func (s *scope) define(x entity) {
	switch x.sort {
	case sortFunc:
		f, _ := x.of.(*function)
		s.funcs = append(s.funcs, f)
	case sortType:
		s.types = append(s.types, x.of)
	case sortComponent:
		d, _ := x.of.(*definition) // the type of one has an index, and no body
		s.components = append(s.components, d)
	case sortInstance:
		i, _ := x.of.(*instance)
		s.instances = append(s.instances, i)
	}
}

// entity is what has the index i among the things of a sort.
func (s *scope) entity(sort byte, i uint32) (entity, bool) {
	switch {
	case sort == sortFunc && has(s.funcs, i):
		return entity{sort, s.funcs[i]}, true
	case sort == sortType && has(s.types, i):
		return entity{sort, s.types[i]}, true
	case sort == sortComponent && has(s.components, i):
		return entity{sort, s.components[i]}, true
	case sort == sortInstance && has(s.instances, i):
		return entity{sort, s.instances[i]}, true
	}
	return entity{}, false
}

// item reads what is exported or passed on: a sort and an index.
func (s *scope) item(r *reader) (entity, error) {
	sort := r.byte()
	if sort == sortCore {
		return entity{}, unrecognisedf("a core module is passed on")
	}
	x, ok := s.entity(sort, r.u32())
	if !ok {
		return x, errBytes
	}
	return x, nil
}

// alias reads one alias and defines what it names.
func (s *scope) alias(r *reader) error {
	sort := r.byte()
	var core byte
	if sort == sortCore {
		core = r.byte()
	}
	switch r.byte() {
	case 0x00:
		i, name := at(s.instances, r.u32()), r.name()
		if i == nil {
			return errBytes
		}
		if err := s.e.spend(len(i.exports) / 16); err != nil {
			return err
		}
		x, ok := i.find(name)
		if !ok || x.sort != sort {
			return errBytes
		}
		s.define(x)
		return nil
	case 0x01:
		return s.coreAlias(Sort(core), at(s.cores, r.u32()), r.name())
	case 0x02:
		return s.outerAlias(sort, core, r.u32(), r.u32())
	}
	return errBytes
}

func (s *scope) coreAlias(sort Sort, i *coreInstance, name string) error {
	if i == nil {
		return errBytes
	}
	item, ok := s.e.export(i, name)
	if !ok || item.Sort != sort {
		return errBytes
	}
	s.defineCore(item)
	return nil
}

func (s *scope) defineCore(item Item) {
	switch item.Sort {
	case SortFunc:
		s.coreFuncs = append(s.coreFuncs, item)
	case SortTable:
		s.tables = append(s.tables, item)
	case SortMemory:
		s.memories = append(s.memories, item)
	case SortGlobal:
		s.globals = append(s.globals, item)
	}
}

// export is an export of a core instance.
func (e *evaluator) export(i *coreInstance, name string) (Item, bool) {
	if i.step < 0 {
		item, ok := i.bundle[name]
		return item, ok
	}
	x, ok := e.p.Modules[e.p.Steps[i.step].Module].Export(name)
	return Item{Host: -1, Step: i.step, Name: name, Sort: x.Sort, Type: x.Type}, ok
}

func (s *scope) outerAlias(sort, core byte, count, i uint32) error {
	from := s
	for ; count > 0; count-- {
		if from = from.outer; from == nil {
			return errBytes
		}
	}
	switch {
	case sort == sortCore && core == sortModule && has(from.modules, i):
		s.modules = append(s.modules, from.modules[i])
		return nil
	case sort == sortType || sort == sortComponent:
		x, ok := from.entity(sort, i)
		if !ok {
			return errBytes
		}
		s.define(x)
		return nil
	}
	return unrecognisedf("an alias of core types, or of what is not there")
}
