package component

import (
	"strings"

	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Read reads a component. The error is an [*Unrecognised] for one that this
// package does not see as a program, well formed or not.
func Read(code []byte) (*Program, error) {
	if HeaderOf(code) != Component {
		return nil, unrecognisedf("not a component")
	}
	e := newEvaluator(len(code))
	s := &scope{e: e}
	err := s.body(code[8:])
	if err == nil {
		err = e.finish(&s.exports)
	}
	if err == nil {
		err = e.p.Interface().Check()
	}
	if err != nil {
		if u, ok := err.(*Unrecognised); ok { //nolint:errorlint // made here
			return nil, u
		}
		return nil, unrecognisedf("%v", err)
	}
	return &e.p, nil
}

// body goes through the sections of a component.
func (s *scope) body(code []byte) error {
	if err := s.e.spend(8 + len(code)>>6); err != nil {
		return err
	}
	r := reader{buf: code}
	for len(r.buf) > 0 && !r.bad {
		id, body := r.section()
		if err := s.section(id, &body); err != nil {
			return err
		}
	}
	return r.end()
}

func (s *scope) section(id byte, r *reader) error {
	var item func(*reader) error
	switch id {
	case 0:
		if r.name(); r.bad {
			return errBytes
		}
		return nil
	case 1:
		number, err := s.e.module(r.buf)
		s.modules = append(s.modules, number)
		return err
	case 2:
		item = s.coreInstance
	case 4:
		if HeaderOf(r.buf) != Component {
			return errBytes
		}
		s.components = append(s.components, &definition{r.buf[8:], s})
		return s.e.spend(1)
	case 5:
		item = s.instance
	case 6:
		item = s.alias
	case 7:
		return s.typeSection(r)
	case 8:
		item = s.canon
	case 10:
		item = s.importItem
	case 11:
		item = s.exportItem
	default:
		return unrecognisedf("a section of kind %d", id)
	}
	for n := r.count(); n > 0; n-- {
		if err := s.e.spend(1); err != nil {
			return err
		}
		if err := item(r); err != nil {
			return err
		}
	}
	return r.end()
}

// module is the number of the core module in code, which is one however often
// the component around it is instantiated.
func (e *evaluator) module(code []byte) (int, error) {
	if err := e.spend(1); err != nil {
		return 0, err
	}
	if len(code) == 0 {
		return 0, errBytes
	}
	if number, ok := e.modules[&code[0]]; ok {
		return number, nil
	}
	m, err := ReadModule(code)
	if err != nil {
		return 0, err
	}
	e.modules[&code[0]] = len(e.p.Modules)
	e.p.Modules = append(e.p.Modules, m)
	return len(e.p.Modules) - 1, nil
}

func (s *scope) coreInstance(r *reader) error {
	switch r.byte() {
	case 0x00:
		return s.instantiateCore(r)
	case 0x01:
		bundle := make(map[string]Item)
		for n := r.count(); n > 0; n-- {
			name := r.name()
			item, err := s.coreItem(Sort(r.byte()), r.u32())
			if err != nil {
				return err
			}
			bundle[name] = item
		}
		s.cores = append(s.cores, &coreInstance{-1, bundle})
		return nil
	}
	return errBytes
}

func (s *scope) coreItem(sort Sort, i uint32) (Item, error) {
	var from []Item
	switch sort {
	case SortFunc:
		from = s.coreFuncs
	case SortTable:
		from = s.tables
	case SortMemory:
		from = s.memories
	case SortGlobal:
		from = s.globals
	}
	if !has(from, i) {
		return Item{}, errBytes
	}
	return from[i], nil
}

func (s *scope) instantiateCore(r *reader) error {
	number := r.u32()
	if !has(s.modules, number) {
		return errBytes
	}
	args := make(map[string]*coreInstance)
	for n := r.count(); n > 0; n-- {
		name := r.name()
		if r.byte() != 0x12 {
			return errBytes
		}
		i := at(s.cores, r.u32())
		if i == nil {
			return errBytes
		}
		args[name] = i
	}
	p := &s.e.p
	if len(p.Steps) == MaxSteps {
		return unrecognisedf("more than %d instances", MaxSteps)
	}
	step := Step{Module: s.modules[number]}
	for _, want := range p.Modules[step.Module].Imports {
		i, ok := args[want.Module]
		if !ok {
			return errBytes
		}
		item, ok := s.e.export(i, want.Name)
		if !ok || item.Sort != want.Sort || item.Type != want.Type {
			return errBytes
		}
		step.Imports = append(step.Imports, item)
	}
	s.cores = append(s.cores, &coreInstance{step: len(p.Steps)})
	p.Steps = append(p.Steps, step)
	return nil
}

func (s *scope) instance(r *reader) error {
	switch r.byte() {
	case 0x00:
		return s.instantiate(r)
	case 0x01:
		i := new(instance)
		var known distinct
		for n := r.count(); n > 0; n-- {
			name, err := r.newName(&known)
			if err != nil {
				return err
			}
			x, err := s.item(r)
			if err != nil {
				return err
			}
			i.exports = append(i.exports, named{name, x})
		}
		s.instances = append(s.instances, i)
		return nil
	}
	return errBytes
}

// instantiate goes through a component within this one.
func (s *scope) instantiate(r *reader) error {
	d := at(s.components, r.u32())
	if d == nil {
		return errBytes
	}
	inner, err := d.scope.inner()
	if err != nil {
		return err
	}
	inner.depth = max(inner.depth, s.depth+1)
	inner.given = new(instance)
	for n := r.count(); n > 0; n-- {
		name := r.name()
		x, err := s.item(r)
		if err != nil {
			return err
		}
		inner.given.exports = append(inner.given.exports, named{name, x})
	}
	if inner.depth > maxNesting {
		return unrecognisedf("nested more than %d deep", maxNesting)
	}
	if err := inner.body(d.body); err != nil {
		return err
	}
	s.instances = append(s.instances, &inner.exports)
	return nil
}

func (s *scope) importItem(r *reader) error {
	name, err := r.newName(&s.imported)
	if err != nil {
		return err
	}
	x, err := s.extern(r, name)
	if err != nil {
		return err
	}
	if s.given != nil {
		if err := s.e.spend(len(s.given.exports) / 16); err != nil {
			return err
		}
		if x, err = s.bind(name, x); err != nil {
			return err
		}
		s.define(x)
		return nil
	}
	p := &s.e.p
	switch t := x.of.(type) {
	case *function:
		t.name = name
		s.e.want("", named{name, x})
	case *instance:
		if err := s.e.spend(len(t.exports)); err != nil {
			return err
		}
		i := t.imported(name)
		for _, e := range i.exports {
			s.e.want(name, e)
		}
		x.of = i
	case *resource:
		s.e.want("", named{name, x})
	case *world:
		return unrecognisedf("it imports the component %q", name)
	}
	if x.sort != sortType { // else it names what is there already
		p.Imports = append(p.Imports, name)
	}
	s.define(x)
	return nil
}

// want notes one thing that is imported. Types that are no resources come with
// the functions that use them, and a resource is wanted of the interface that
// defines it, not of those that use it.
func (e *evaluator) want(iface string, n named) {
	p := &e.p
	switch t := n.of.(type) {
	case *function:
		f := t.typ
		f.Name = n.name
		p.Wants = append(p.Wants, Want{iface, n.name, &f})
	case *resource:
		if !e.seen[t] {
			e.seen[t] = true
			p.Wants = append(p.Wants, Want{iface, n.name, nil})
		}
	case *instance:
		p.Wants = append(p.Wants, Want{iface, n.name, &wit.Func{Name: n.name}})
	}
}

// bind is what the import called name, of the type that want has, was given.
func (s *scope) bind(name string, want entity) (entity, error) {
	x, ok := s.given.find(name)
	if !ok || x.sort != want.sort {
		return x, errBytes
	}
	f, isFunc := x.of.(*function)
	g, ok := want.of.(*function)
	if isFunc && (!ok || !sameFunc(&f.typ, &g.typ)) {
		return x, unrecognisedf("import %q is given something of another type", name)
	}
	return x, nil
}

// sameFunc compares types by their text. Where that is cut off nothing comes of
// a difference: a value crosses by the type of what is given, not of what was
// asked for.
func sameFunc(a, b *wit.Func) bool {
	x, y := *a, *b
	x.Name, y.Name = "", ""
	return x.String() == y.String()
}

// imported is an instance of the type i, from the host.
func (i *instance) imported(iface string) *instance {
	out := &instance{exports: make([]named, len(i.exports))}
	for k, e := range i.exports {
		if f, ok := e.of.(*function); ok {
			e.of = &function{typ: f.typ, iface: iface, name: e.name}
		}
		out.exports[k] = e
	}
	return out
}

func (s *scope) exportItem(r *reader) error {
	name, err := r.newName(&s.exported)
	if err != nil {
		return err
	}
	x, err := s.item(r)
	if err != nil {
		return err
	}
	switch r.byte() {
	case 0x00:
	case 0x01:
		want, err := s.extern(r, name)
		if err != nil {
			return err
		}
		f, isFunc := x.of.(*function)
		g, ok := want.of.(*function)
		if want.sort != x.sort || isFunc && (!ok || !sameFunc(&f.typ, &g.typ)) {
			return unrecognisedf("export %q is of another type than it says", name)
		}
	default:
		return errBytes
	}
	s.define(x)
	s.exports.exports = append(s.exports.exports, named{name, x})
	return nil
}

// canon reads one way across between the component model and core modules.
func (s *scope) canon(r *reader) error {
	switch op := r.byte(); op {
	case 0x00:
		return s.lift(r)
	case 0x01:
		return s.lower(r)
	case 0x03:
		res, ok := at(s.types, r.u32()).(*resource)
		if !ok {
			return errBytes
		}
		s.host(Host{Kind: HostDrop, Name: res.name, Type: abi.Signature{Params: "i"}})
		return nil
	default:
		return unrecognisedf("a canonical function of kind %#x", op)
	}
}

// host adds a host function and makes a core function of it.
func (s *scope) host(h Host) {
	s.coreFuncs = append(s.coreFuncs, Item{Host: len(s.e.p.Hosts), Step: -1, Sort: SortFunc, Type: h.Type})
	s.e.p.Hosts = append(s.e.p.Hosts, h)
}

func (s *scope) lift(r *reader) error {
	if r.byte() != 0x00 {
		return errBytes
	}
	core, err := s.coreItem(SortFunc, r.u32())
	if err != nil {
		return err
	}
	o, err := s.options(r)
	if err != nil {
		return err
	}
	t, ok := at(s.types, r.u32()).(*wit.Func)
	if !ok {
		return errBytes
	}
	if core.Host >= 0 {
		return unrecognisedf("an export is a host function")
	}
	s.funcs = append(s.funcs, &function{typ: *t, lift: &Func{
		Func: *t, Core: core, Memory: o.memory, Realloc: o.realloc, PostReturn: o.post,
		Encoding: o.encoding,
	}})
	return nil
}

func (s *scope) lower(r *reader) error {
	if r.byte() != 0x00 {
		return errBytes
	}
	f := at(s.funcs, r.u32())
	o, err := s.options(r)
	if err != nil {
		return err
	}
	switch {
	case f == nil || o.post != nil:
		return errBytes
	case f.lift != nil:
		return unrecognisedf("a component calls another within it")
	}
	t := f.typ
	t.Name = f.name
	if err := s.e.spendOn(&t); err != nil {
		return err
	}
	across, err := abi.Lowered(t, o.encoding)
	if err != nil {
		return err
	}
	h := Host{Interface: f.iface, Name: f.name, Type: across.Core, Func: across, Memory: o.memory, Realloc: o.realloc}
	if err := h.check(); err != nil {
		return err
	}
	s.host(h)
	return nil
}

// options are those of a canonical function.
type options struct {
	encoding              abi.Encoding
	memory, realloc, post *Item
}

func (s *scope) options(r *reader) (o options, err error) {
	item := func(sort Sort, to **Item) {
		x, e := s.coreItem(sort, r.u32())
		if *to != nil || e != nil {
			err = errBytes
		}
		*to = &x
	}
	for n := r.count(); n > 0 && err == nil; n-- {
		switch op := r.byte(); op {
		case 0x00, 0x01, 0x02:
			o.encoding = abi.Encoding(op)
		case 0x03:
			item(SortMemory, &o.memory)
		case 0x04:
			item(SortFunc, &o.realloc)
		case 0x05:
			item(SortFunc, &o.post)
		default:
			err = unrecognisedf("a canonical option of kind %#x", op)
		}
	}
	return o, err
}

// checkType tells whether a function's type is within the bounds of package
// wit, so that nothing of it is larger than it looks.
func checkType(f wit.Func) error {
	if err := (wit.Interface{Funcs: []wit.Func{f}}).Check(); err != nil {
		return unrecognisedf("%v", err)
	}
	return nil
}

// finish lists the functions that the outermost component exports.
func (e *evaluator) finish(exports *instance) error {
	add := func(name string, x entity) error {
		f, ok := x.of.(*function)
		if !ok {
			return nil
		}
		if f.lift == nil {
			return unrecognisedf("export %q is an import", name)
		}
		out := *f.lift
		out.Name = name
		if err := e.spendOn(&out.Func); err != nil {
			return err
		}
		return e.p.addLifted(out)
	}
	for _, x := range exports.exports {
		if _, isFunc := x.of.(*wit.Func); isFunc || x.sort == sortComponent {
			return unrecognisedf("export %q is a component, or a type of functions", x.name)
		}
		if i, ok := x.of.(*instance); ok {
			if err := e.spend(len(i.exports)); err != nil {
				return err
			}
			for _, inner := range i.exports {
				if err := add(x.name+"#"+inner.name, inner.entity); err != nil {
					return err
				}
			}
			continue
		}
		if err := add(x.name, x.entity); err != nil {
			return err
		}
	}
	return nil
}

// addLifted adds f, whose type is within the bounds of package wit and whose
// ways are not checked yet.
func (p *Program) addLifted(f Func) (err error) {
	if len(p.Funcs) >= wit.MaxFuncs {
		return unrecognisedf("more than %d functions", wit.MaxFuncs)
	}
	if hasHandle(f.Func) {
		return unrecognisedf("function %s passes handles", f.Name)
	}
	if f.ABI, err = abi.Lifted(f.Func, f.Encoding); err != nil {
		return unrecognisedf("function %s: %v", f.Name, err)
	}
	if err := f.check(); err != nil {
		return err
	}
	if isRun(f.Func) {
		f.Kind, f.Func = FuncCommand, Command(f.Name)
	}
	p.Funcs = append(p.Funcs, f)
	return nil
}

// isRun tells the main function of a program of WASI 0.2.
func isRun(f wit.Func) bool {
	iface, name, _ := strings.Cut(f.Name, "#")
	iface, _, _ = strings.Cut(iface, "@")
	return iface == "wasi:cli/run" && name == "run" && f.String() == f.Name+": func() -> result"
}

func hasHandle(f wit.Func) bool {
	for _, p := range f.Params {
		if p.Type.HasHandle() {
			return true
		}
	}
	return f.Result.HasHandle()
}
