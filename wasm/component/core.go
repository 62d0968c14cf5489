package component

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Names that core modules give to what this package looks for.
const (
	nameMemory     = "memory"
	nameRealloc    = "cabi_realloc"
	nameInitialize = "_initialize"
	nameStart      = "_start"
	postReturn     = "cabi_post_"
	rootModule     = "$root"
	dropPrefix     = "[resource-drop]"
	typeSection    = "component-type" // alone, or with a suffix that tells several apart
	encodingName   = "wit-component-encoding"
)

// ReadCore reads a core module as a program of one step. What it exports is
// told, in this order of preference, by a component type embedded in a custom
// section, as wit-bindgen makes it; by _start, as a program of WASI has it; or
// by the core types of its functions, as far as these are numbers.
func ReadCore(code []byte) (*Program, error) {
	m, err := ReadModule(code)
	if err != nil {
		return nil, err
	}
	p := &Program{Modules: []*Module{m}}
	c := core{m: m, p: p, budget: newEvaluator(len(code)), known: make(map[string]*wit.Func)}
	if err := c.embedded(); err != nil {
		return nil, err
	}
	if err := c.imports(); err != nil {
		return nil, err
	}
	switch start, isCommand := m.Func(nameStart); {
	case len(c.worlds) > 0:
		err = c.lifted()
	case isCommand && start == abi.Signature{}:
		p.Funcs = []Func{{Func: Command(nameStart), Kind: FuncCommand, Core: c.export(nameStart)}}
	default:
		err = c.plain()
	}
	if t, ok := m.Func(nameInitialize); ok && t == (abi.Signature{}) {
		item := c.export(nameInitialize)
		p.Initialize = &item
	}
	if err == nil {
		err = p.Interface().Check()
	}
	return p, err
}

// core reads one core module.
type core struct {
	m        *Module
	p        *Program
	worlds   []*world
	encoding abi.Encoding
	budget   *evaluator           // spends only
	known    map[string]*wit.Func // that the worlds export
}

func (c *core) export(name string) Item {
	e, _ := c.m.Export(name)
	return Item{Host: -1, Name: name, Sort: e.Sort, Type: e.Type}
}

// optional is the export called name, nil where there is none of that sort.
func (c *core) optional(name string, sort Sort) *Item {
	if e, ok := c.m.Export(name); !ok || e.Sort != sort {
		return nil
	}
	item := c.export(name)
	return &item
}

// embedded reads the component types in custom sections.
func (c *core) embedded() error {
	for _, s := range c.m.Customs {
		if name, _, _ := strings.Cut(s.Name, ":"); name != typeSection {
			continue
		}
		w, encoding, err := readWorld(s.Data)
		if err != nil {
			return fmt.Errorf("custom section %q: %w", s.Name, err)
		}
		if len(c.worlds) > 0 && encoding != c.encoding {
			return errors.New("component types with two encodings of text")
		}
		c.encoding = encoding
		c.worlds = append(c.worlds, w)
	}
	return nil
}

// readWorld reads a component type as wit-component encodes it: a component
// that exports the type of a component that exports the world.
func readWorld(data []byte) (*world, abi.Encoding, error) {
	if HeaderOf(data) != Component {
		return nil, 0, errors.New("not an encoded component type")
	}
	s := &scope{e: newEvaluator(len(data))}
	r := reader{buf: data[8:]}
	encoding := abi.UTF8
	for len(r.buf) > 0 && !r.bad {
		id, body := r.section()
		if id == 0 {
			if body.name() == encodingName && len(body.buf) == 2 {
				encoding = abi.Encoding(body.buf[1])
			}
			continue
		}
		if err := s.section(id, &body); err != nil {
			return nil, 0, err
		}
	}
	if r.bad || encoding > abi.Latin1OrUTF16 || len(s.exports.exports) != 1 {
		return nil, 0, errBytes
	}
	outer, ok := s.exports.exports[0].of.(*world)
	if !ok || len(outer.exports) != 1 {
		return nil, 0, errBytes
	}
	w, ok := outer.exports[0].of.(*world)
	if !ok {
		return nil, 0, errBytes
	}
	return w, encoding, nil
}

// imports finds what each import of the module stands for.
func (c *core) imports() error {
	step := Step{}
	for _, i := range c.m.Imports {
		if i.Sort != SortFunc {
			return fmt.Errorf("the module imports %s.%s, which is no function", i.Module, i.Name)
		}
		h, err := c.host(i)
		if err != nil {
			return err
		}
		step.Imports = append(step.Imports, Item{Host: len(c.p.Hosts), Step: -1, Sort: SortFunc, Type: i.Type})
		c.p.Hosts = append(c.p.Hosts, h)
	}
	c.p.Steps = []Step{step}
	return nil
}

// host is the host function behind the import i.
func (c *core) host(i Import) (Host, error) {
	for _, w := range c.worlds {
		if err := c.budget.spend(len(w.imports) / 16); err != nil {
			return Host{}, err
		}
	}
	f, declared := c.declared(i)
	name, isDrop := strings.CutPrefix(i.Name, dropPrefix)
	switch {
	case declared:
		if err := c.budget.spendOn(&f); err != nil {
			return Host{}, err
		}
		across, err := abi.Lowered(f, c.encoding)
		if err != nil {
			return Host{}, fmt.Errorf("import %s.%s: %w", i.Module, i.Name, err)
		}
		h := Host{
			Interface: i.Module, Name: i.Name, Type: i.Type, Func: across,
			Memory: c.optional(nameMemory, SortMemory), Realloc: c.optional(nameRealloc, SortFunc),
		}
		if i.Module == rootModule {
			h.Interface = ""
		}
		if across.Core != i.Type {
			return h, fmt.Errorf("import %s.%s is of type %s instead of %s", i.Module, i.Name, i.Type, across.Core)
		}
		return h, h.check()
	case isDrop && len(c.worlds) > 0 && i.Type == abi.Signature{Params: "i"}:
		return Host{Kind: HostDrop, Name: name, Type: i.Type}, nil
	}
	return Host{Kind: HostRaw, Interface: i.Module, Name: i.Name, Type: i.Type, Memory: c.optional(nameMemory, SortMemory)}, nil
}

// declared finds the import i in the worlds.
func (c *core) declared(i Import) (wit.Func, bool) {
	for _, w := range c.worlds {
		for _, n := range w.imports {
			f, ok := n.of.(*function)
			if iface, isIface := n.of.(*instance); isIface && n.name == i.Module {
				var x entity
				x, _ = iface.find(i.Name)
				f, ok = x.of.(*function)
			} else if i.Module != rootModule || n.name != i.Name {
				continue
			}
			if !ok {
				continue
			}
			t := f.typ
			t.Name = i.Name
			return t, checkType(t) == nil
		}
	}
	return wit.Func{}, false
}

// lifted lists what the worlds export.
func (c *core) lifted() error {
	for _, w := range c.worlds {
		for _, n := range w.imports {
			if n.sort != sortType && !slices.Contains(c.p.Imports, n.name) {
				c.p.Imports = append(c.p.Imports, n.name)
			}
		}
		for _, n := range w.exports {
			if i, ok := n.of.(*instance); ok {
				for _, f := range i.exports {
					if err := c.lift(n.name+"#"+f.name, f.entity); err != nil {
						return err
					}
				}
				continue
			}
			if err := c.lift(n.name, n.entity); err != nil {
				return err
			}
		}
	}
	return nil
}

func (c *core) lift(name string, x entity) error {
	f, ok := x.of.(*function)
	if !ok {
		return nil
	}
	if _, ok := c.m.Func(name); !ok {
		return fmt.Errorf("the component type declares %q, which the module does not export", name)
	}
	t := f.typ
	t.Name = name
	if err := c.budget.spendOn(&t); err != nil {
		return err
	}
	if known, ok := c.known[name]; ok { // where several types were embedded, each may declare it
		if !sameFunc(known, &t) {
			return fmt.Errorf("the component types declare %q with two types", name)
		}
		return nil
	}
	c.known[name] = &t
	return c.p.addLifted(Func{
		Func: t, Core: c.export(name), Encoding: c.encoding,
		Memory: c.optional(nameMemory, SortMemory), Realloc: c.optional(nameRealloc, SortFunc),
		PostReturn: c.optional(postReturn+name, SortFunc),
	})
}

// numbers are the types of core values in a plain function.
var numbers = map[byte]*wit.Type{'i': {Kind: wit.S32}, 'I': {Kind: wit.S64}, 'f': {Kind: wit.F32}, 'F': {Kind: wit.F64}}

// plain lists the functions of a module that says no more of its types than
// WebAssembly does. Parameters are called p0, p1 and so on; several results
// are a tuple. A function of something else than numbers, or of too many, is
// left out.
func (c *core) plain() error {
	for _, e := range c.m.Exports {
		if e.Sort != SortFunc || hidden[e.Name] || strings.HasPrefix(e.Name, "cabi_") {
			continue
		}
		f, ok := plainFunc(e)
		if !ok {
			c.p.Left = append(c.p.Left, e.Name)
			continue
		}
		across, err := abi.Plain(f)
		if err != nil {
			c.p.Left = append(c.p.Left, e.Name)
			continue
		}
		if err := checkType(f); err != nil {
			return err
		}
		c.p.Funcs = append(c.p.Funcs, Func{Func: f, Core: c.export(e.Name), ABI: across})
	}
	return nil
}

// hidden are exports of plain modules that are not for callers.
var hidden = map[string]bool{nameInitialize: true, "__wasm_call_ctors": true}

// plainFunc is the type of an exported function of numbers, and whether e is one.
func plainFunc(e Export) (wit.Func, bool) {
	f := wit.Func{Name: e.Name}
	for i := range len(e.Type.Params) {
		t := numbers[e.Type.Params[i]]
		f.Params = append(f.Params, wit.Field{Name: fmt.Sprintf("p%d", i), Type: t})
		if t == nil {
			return f, false
		}
	}
	results := make([]*wit.Type, len(e.Type.Results))
	for i := range results {
		if results[i] = numbers[e.Type.Results[i]]; results[i] == nil {
			return f, false
		}
	}
	switch len(results) {
	case 0:
	case 1:
		f.Result = results[0]
	default:
		f.Result = &wit.Type{Kind: wit.Tuple, Items: results}
	}
	return f, true
}
