//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
)

// makeModelled makes s of a component that is no program in our eyes, with the
// engine's component model. A core module has no such second way. Nor has a
// component with several memories: where one of its parts calls another, the
// engine compiles a module between them that has both memories, and aborts the
// process since that feature is off.
func (e *Engine) makeModelled(s *shared, code []byte, why error) error {
	if component.HeaderOf(code) == component.CoreModule {
		return e.refuseCore(s, code, why)
	}
	s.why = why.Error()
	var err error
	if s.mem, err = component.MemoriesOf(code); err != nil {
		return &Refused{unreadable(err)}
	}
	if why != errTest && (!s.mem.Exact || s.mem.Count > 1) {
		return &Refused{task.Failf(task.KindUnsupported, "a component of a shape that does not run here: it makes several memories, and %v", why)}
	}
	e.cfg.Logger.Debug("component of unusual shape", "module", s.link.String(), "why", why)
	var first *loaded
	err = e.obtain(e.unitOf(s, -1, code), func(src *source) (err error) {
		first, err = e.placeModelled(s, src)
		return err
	})
	if err != nil {
		return err
	}
	return s.describe(first)
}

// refuseCore says why a core module can not be run: in the engine's words
// where it is invalid, else in ours.
func (e *Engine) refuseCore(s *shared, code []byte, why error) error {
	err := e.obtain(e.unitOf(s, 0, code), func(*source) error { return nil })
	if err == nil {
		err = &Refused{task.Failf(task.KindUnsupported, "a core module that does not run here: %v", why)}
	}
	return err
}

// placeModelled loads src onto the pool where it fits, else on demand.
func (e *Engine) placeModelled(s *shared, src *source) (*loaded, error) {
	if e.pool != nil {
		l, err := src.loadModelled(e.pool)
		if err == nil {
			s.pooled = l
			return l, nil
		}
		e.cfg.Logger.Debug("module does not fit the instance pool", "module", s.link.String(), "why", err)
	}
	l, err := src.loadModelled(e.demand)
	s.onDemand = l
	return l, err
}

// loadModelled puts a component onto engine.
func (s *source) loadModelled(engine *C.wasm_engine_t) (*loaded, error) {
	l := &loaded{model: C.ipvm_loaded{engine: engine}}
	err := s.with(
		func(path *C.char, buf *C.ipvm_buf) C.int { return C.ipvm_load_file(&l.model, path, buf) },
		func(data *C.uint8_t, n C.size_t, buf *C.ipvm_buf) C.int { return C.ipvm_load(&l.model, data, n, buf) },
	)
	if err != nil {
		return nil, err
	}
	return l, nil
}

// describe reads what the component imports and exports, and links it.
func (s *shared) describe(first *loaded) error {
	var buf C.ipvm_buf
	if C.ipvm_describe(&first.model, &buf) != 0 {
		C.ipvm_buf_free(&buf)
		return &Refused{task.Failf(task.KindUnsupported, "the types of the module are too large or too deep")}
	}
	c, err := parseComponent(unsafe.Slice((*byte)(unsafe.Pointer(buf.data)), int(buf.len)))
	C.ipvm_buf_free(&buf)
	if err != nil {
		return &Refused{task.Failf(task.KindUnsupported, "the types of the module: %v", err)}
	}
	for _, it := range c.imports {
		s.imports = append(s.imports, it.name)
	}
	binds, failure := c.bind(s.why)
	if failure != nil {
		return &Refused{failure}
	}
	s.binds = binds
	s.present(c.functions())
	return s.connect(first)
}

// connect gives l its host functions and looks its exports up.
func (s *shared) connect(l *loaded) error {
	for _, b := range s.binds {
		if err := l.offer(b); err != nil {
			return err
		}
	}
	l.exports = make([]*C.wasmtime_component_export_index_t, len(s.face.Funcs))
	for i, f := range s.face.Funcs {
		iface, fn := splitExport(f.Name)
		l.exports[i] = C.ipvm_export(&l.model, cstr(iface), C.size_t(len(iface)), cstr(fn), C.size_t(len(fn)))
		if l.exports[i] == nil {
			return fmt.Errorf("export %q is listed but not there", f.Name)
		}
	}
	return nil
}

func (l *loaded) offer(b binding) error {
	names := strings.Join(b.names, "")
	lens := make([]C.uint32_t, len(b.names)+1)
	hosts := make([]C.uint32_t, len(b.names)+1)
	for i := range b.names {
		lens[i], hosts[i] = C.uint32_t(len(b.names[i])), C.uint32_t(b.hosts[i])
	}
	var buf C.ipvm_buf
	rc := C.ipvm_link(&l.model, cstr(b.iface), C.size_t(len(b.iface)), cstr(names), &lens[0], &hosts[0], C.size_t(len(b.names)), &buf)
	if rc != 0 {
		return fmt.Errorf("offer %s: %s", b.iface, lastCause(text(&buf)))
	}
	return nil
}

// cstr is the text of s for C, which is told its length apart.
func cstr(s string) *C.char { return (*C.char)(unsafe.Pointer(unsafe.StringData(s))) }

// modelledAgain puts a component that is on the pool onto another engine.
func (s *shared) modelledAgain(engine *C.wasm_engine_t) (*loaded, error) {
	var buf C.ipvm_buf
	var vec C.wasm_byte_vec_t
	if C.ipvm_serialize(&s.pooled.model, &vec, &buf) != 0 {
		return nil, errors.New(lastCause(text(&buf)))
	}
	src := &source{vec: vec}
	defer src.close()
	l, err := src.loadModelled(engine)
	if err != nil {
		return nil, err
	}
	if err := s.connect(l); err != nil {
		l.unload()
		return nil, err
	}
	return l, nil
}
