//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/wasm/component"
)

// What one instance may take of the pool; guest.c has the same numbers.
const (
	poolInstances = 16
	poolMemories  = 2
	poolTables    = 4
)

// program is a module that is run core module by core module.
type program struct {
	*component.Program
	hosts []hostFunc // behind each of Program.Hosts
	// measured tells that all its memories can be measured, once that many steps
	// are made.
	measured bool
	owners   int
	layout   layout
}

// layout is what the C side needs of a program, which is the same on every
// engine: items that refer to names in one string.
type layout struct {
	items   []C.ipvm_item
	names   strings.Builder
	steps   []C.ipvm_step
	hosts   []C.ipvm_host
	targets []C.ipvm_target
	peaks   []C.uint32_t
	init    C.int32_t
}

// makeProgram makes s of p.
func (e *Engine) makeProgram(s *shared, p *component.Program) error {
	hosts, failure := bindProgram(p)
	if failure != nil {
		return &Refused{failure}
	}
	s.prog = &program{Program: p, hosts: hosts}
	s.prog.lay()
	s.mem = p.Memories()
	s.imports = p.Imports
	s.present(p.Interface())
	l, err := e.loadProgram(s)
	if err != nil {
		return err
	}
	if l.program.engine == e.pool {
		s.pooled = l
	} else {
		s.onDemand = l
	}
	return s.prog.verify(l)
}

// loadProgram puts the modules of s onto the pool if they fit, else on demand.
func (e *Engine) loadProgram(s *shared) (*loaded, error) {
	p := s.prog
	modules := make(cores, len(p.Modules))
	defer modules.drop()
	pooled := e.pool != nil && fitsPool(p.Program)
	for i, m := range p.Modules {
		err := e.obtain(e.unitOf(s, i, m.Code), func(src *source) (err error) {
			if pooled {
				if modules[i], err = src.loadCore(e.pool); err == nil {
					return nil
				}
				e.cfg.Logger.Debug("module does not fit the instance pool", "module", s.link.String(), "why", err)
				pooled = false
				if err := modules[:i].move(e.demand); err != nil {
					return err
				}
			}
			modules[i], err = src.loadCore(e.demand)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	if pooled {
		return p.place(e.pool, modules), nil
	}
	return p.place(e.demand, modules), nil
}

// cores are core modules on one engine.
type cores []*C.wasmtime_module_t

func (c cores) drop() {
	for _, m := range c {
		if m != nil {
			C.wasmtime_module_delete(m)
		}
	}
}

// copied returns the modules on another engine.
func (c cores) copied(engine *C.wasm_engine_t) (cores, error) {
	out := make(cores, len(c))
	for i, m := range c {
		var buf C.ipvm_buf
		var vec C.wasm_byte_vec_t
		if C.ipvm_serialize_core(m, &vec, &buf) != 0 {
			out.drop()
			return nil, errors.New(lastCause(text(&buf)))
		}
		src := &source{vec: vec}
		var err error
		out[i], err = src.loadCore(engine)
		src.close()
		if err != nil {
			out.drop()
			return nil, err
		}
	}
	return out, nil
}

// move puts the modules onto another engine.
func (c cores) move(engine *C.wasm_engine_t) error {
	moved, err := c.copied(engine)
	if err != nil {
		return err
	}
	c.drop()
	copy(c, moved)
	return nil
}

func fitsPool(p *component.Program) bool {
	instances, memories, tables := p.Footprint()
	return instances <= poolInstances && memories <= poolMemories && tables <= poolTables
}

// loadCore puts a core module onto engine.
func (s *source) loadCore(engine *C.wasm_engine_t) (m *C.wasmtime_module_t, err error) {
	err = s.with(
		func(path *C.char, buf *C.ipvm_buf) C.int { return C.ipvm_load_core_file(engine, path, &m, buf) },
		func(data *C.uint8_t, n C.size_t, buf *C.ipvm_buf) C.int {
			return C.ipvm_load_core(engine, data, n, &m, buf)
		},
	)
	return m, err
}

// lay prepares what the C side is given.
func (p *program) lay() {
	l := &p.layout
	for _, s := range p.Steps {
		l.steps = append(l.steps, C.ipvm_step{module: C.uint32_t(s.Module), imports: C.uint32_t(len(l.items)), nimports: C.uint32_t(len(s.Imports))})
		for _, item := range s.Imports {
			l.add(&item)
		}
	}
	for _, h := range p.Hosts {
		l.hosts = append(l.hosts, C.ipvm_host{memory: l.add(h.Memory), realloc: l.add(h.Realloc)})
	}
	for _, f := range p.Funcs {
		l.targets = append(l.targets, C.ipvm_target{
			_func: C.uint32_t(l.add(&f.Core)), memory: l.add(f.Memory), realloc: l.add(f.Realloc), post: l.add(f.PostReturn),
			nparams: C.uint32_t(len(f.Core.Type.Params)), nresults: C.uint32_t(len(f.Core.Type.Results)),
			once: C.bool(once(&f)),
		})
	}
	l.init = l.add(p.Initialize)
	p.measured = true
	for i, s := range p.Steps {
		m := p.Modules[s.Module]
		if len(m.Memories) == 0 {
			continue
		}
		p.owners = i + 1
		if name, ok := exportedMemory(m); ok {
			l.peaks = append(l.peaks, C.uint32_t(l.add(&component.Item{Host: -1, Step: i, Name: name})))
		} else {
			p.measured = false
		}
	}
}

// exportedMemory names a memory that m exports. A module has one memory at
// most, so that it is its own unless m imports one.
func exportedMemory(m *component.Module) (string, bool) {
	for _, e := range m.Exports {
		if e.Sort == component.SortMemory {
			return e.Name, true
		}
	}
	return "", false
}

// add adds an item, and returns its number; -1 for none.
func (l *layout) add(x *component.Item) C.int32_t {
	if x == nil {
		return -1
	}
	l.items = append(l.items, C.ipvm_item{
		host: C.int32_t(x.Host), step: C.uint32_t(max(x.Step, 0)), name: C.uint32_t(l.names.Len()), name_len: C.uint32_t(len(x.Name)),
	})
	l.names.WriteString(x.Name)
	return C.int32_t(len(l.items) - 1)
}

// place makes a program of modules, which it takes.
func (p *program) place(engine *C.wasm_engine_t, modules cores) *loaded {
	l := &p.layout
	c := C.ipvm_program_new(engine, C.size_t(len(modules)), C.size_t(len(l.steps)), C.size_t(len(l.items)), C.size_t(len(l.hosts)),
		C.size_t(len(l.targets)), C.size_t(len(l.peaks)), C.size_t(l.names.Len()))
	copy(unsafe.Slice(c.modules, len(modules)), modules)
	clear(modules)
	copy(unsafe.Slice(c.steps, len(l.steps)), l.steps)
	copy(unsafe.Slice(c.items, len(l.items)), l.items)
	copy(unsafe.Slice(c.hosts, len(l.hosts)), l.hosts)
	copy(unsafe.Slice(c.targets, len(l.targets)), l.targets)
	copy(unsafe.Slice(c.peaks, len(l.peaks)), l.peaks)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(c.names)), l.names.Len()), l.names.String())
	c.initialize = l.init
	for i, h := range p.Hosts {
		t := h.Type
		unsafe.Slice(c.hosts, len(p.Hosts))[i]._type = C.ipvm_functype(cstr(t.Params), C.size_t(len(t.Params)), cstr(t.Results), C.size_t(len(t.Results)))
	}
	return &loaded{program: c}
}

// again puts a program that is on one engine onto another.
func (p *program) again(from *loaded, engine *C.wasm_engine_t) (*loaded, error) {
	modules, err := cores(unsafe.Slice(from.program.modules, len(p.Modules))).copied(engine)
	if err != nil {
		return nil, err
	}
	return p.place(engine, modules), nil
}

// verify holds the types of all that is called against what the engine says
// they are: a call is made without a look at types.
func (p *program) verify(l *loaded) error {
	types := make([]map[string]string, len(p.Modules))
	for i, m := range unsafe.Slice(l.program.modules, len(p.Modules)) {
		var err error
		if types[i], err = coreTypes(m); err != nil {
			return err
		}
	}
	check := func(x *component.Item) error {
		if x == nil || x.Sort != component.SortFunc || x.Host >= 0 {
			return nil
		}
		got := types[p.Steps[x.Step].Module][x.Name]
		if want := x.Type.Params + ":" + x.Type.Results; got != want {
			return fmt.Errorf("export %q is %q to the engine, %q to us", cut(x.Name, 64), got, want)
		}
		return nil
	}
	err := check(p.Initialize)
	for _, h := range p.Hosts {
		err = errors.Join(err, check(h.Realloc))
	}
	for _, f := range p.Funcs {
		err = errors.Join(err, check(&f.Core), check(f.Realloc), check(f.PostReturn))
	}
	return err
}

// coreTypes are the types of a module's exported functions in the engine's
// eyes, as "ii:i".
func coreTypes(m *C.wasmtime_module_t) (map[string]string, error) {
	buf := C.ipvm_buf{max: 64 << 20}
	C.ipvm_core_types(m, &buf)
	full := bool(buf.full)
	data := []byte(text(&buf))
	out := make(map[string]string)
	for r := (lifter{data}); len(r.buf) > 0; {
		name, err := r.name()
		if err != nil {
			return nil, err
		}
		if out[name], err = r.name(); err != nil {
			return nil, err
		}
	}
	if full {
		return nil, errors.New("the exports of a module do not fit")
	}
	return out, nil
}
