//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
)

// unit is one piece of code that is compiled by itself: a component, or one
// core module of a program.
type unit struct {
	s     *shared // the module that it is a piece of
	code  []byte
	core  bool
	entry string // name in the cache
}

// unitOf is the piece number part of s; part is -1 for all of a component.
func (e *Engine) unitOf(s *shared, part int, code []byte) unit {
	u := unit{s: s, code: code, core: part >= 0}
	if e.cache != nil {
		u.entry = e.cache.name(s.link, part, len(code))
	}
	return u
}

// obtain gives load the machine code of u, from the cache or compiled. What is
// in the cache and does not load is discarded and made again. Of several
// processes with one cache that want it, one compiles.
func (e *Engine) obtain(u unit, load func(*source) error) error {
	if e.recall(u, load) {
		return nil
	}
	if e.cache != nil {
		unlock, err := e.cache.lock(u.s.ctx, u.entry, e.cfg.CompileTime)
		if err != nil {
			return err
		}
		defer unlock()
		if e.recall(u, load) {
			return nil
		}
	}
	src, err := e.compile(u)
	if err != nil {
		return err
	}
	defer src.close()
	return u.load(src, load)
}

// recall loads u from the cache, and tells whether that went well.
func (e *Engine) recall(u unit, load func(*source) error) bool {
	src := e.cached(u.entry)
	if src == nil {
		return false
	}
	defer src.close()
	err := u.load(src, load)
	if err != nil {
		e.cfg.Logger.Warn("compiled code discarded", "entry", u.entry, "why", err)
		e.cache.discard(u.entry)
	}
	return err == nil
}

// load gives src to load and counts what was loaded.
func (u unit) load(src *source, load func(*source) error) error {
	err := load(src)
	if err == nil {
		u.s.bytes.Add(src.size)
	}
	return err
}

// cached returns the entry called name as a source, nil when there is none.
// One that does not check is discarded.
func (e *Engine) cached(name string) *source {
	if e.cache == nil {
		return nil
	}
	f, size, err := e.cache.open(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			e.cfg.Logger.Warn("compiled code discarded", "entry", name, "why", err)
			e.cache.discard(name)
		}
		return nil
	}
	return &source{file: f, size: size}
}

// Cached tells whether the machine code of the module in code, which link
// addresses, is in the cache as a whole. It is not if there is none.
func (e *Engine) Cached(link ipld.Link, code []byte) (bool, error) {
	if err := e.Start(); err != nil || e.cache == nil {
		return false, err
	}
	s := &shared{link: link}
	units := []unit{e.unitOf(s, -1, code)}
	if p, err := readProgram(code); err == nil {
		units = nil
		for i, m := range p.Modules {
			units = append(units, e.unitOf(s, i, m.Code))
		}
	}
	for _, u := range units {
		src := e.cached(u.entry)
		if src == nil {
			return false, nil
		}
		src.close()
	}
	return len(units) > 0, nil
}

// Validate says why the engine would not compile the core modules in code: what is
// invalid in them, or the feature that is off. What else it makes of a component that
// is left to its own model only [Engine.Load] tells.
func (e *Engine) Validate(code []byte) (*task.Failure, error) {
	if f := e.refuse(code); f != nil {
		return f, nil
	}
	if err := e.Start(); err != nil {
		return nil, err
	}
	cores := [][]byte{code}
	if component.HeaderOf(code) != component.CoreModule {
		p, err := readProgram(code)
		if err != nil {
			return nil, nil //nolint:nilerror // for Load to say
		}
		cores = nil
		for _, m := range p.Modules {
			cores = append(cores, m.Code)
		}
	}
	for _, c := range cores {
		var buf C.ipvm_buf
		if C.ipvm_validate_core(e.demand, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(c))), C.size_t(len(c)), &buf) != 0 {
			return invalid(text(&buf)), nil
		}
	}
	return nil, nil
}

// keep makes src the entry of u. The failure to keep it is not one of the
// module.
func (e *Engine) keep(u unit, src *source) {
	if e.cache == nil {
		return
	}
	f, err := src.file, error(nil)
	if f == nil {
		code := machineCode(src.vec)
		src.size = int64(len(code))
		f, err = writeTemp(e.cache.dir, code)
	}
	if err == nil {
		if err = e.cache.keep(f, src.size, u.entry); err != nil && src.file == nil {
			f.Close()
		}
	}
	if err != nil {
		e.cfg.Logger.Warn("compiled code not kept", "entry", u.entry, "why", err)
		return
	}
	if err := e.cache.grown(src.size+sealLen, u.entry); err != nil {
		e.cfg.Logger.Warn("compiled code could not be kept below its bound", "why", err)
	}
	if src.file == nil {
		src.close()
		src.file = f
	}
}

// invalid is the failure of code that the engine does not compile.
func invalid(text string) *task.Failure {
	cause := lastCause(text)
	kind := task.KindMalformed
	if isFeatureOff(cause) {
		kind = task.KindUnsupported
	}
	return task.Failf(kind, "not a module that runs here: %s", cut(cause, 300))
}

// source is machine code, size bytes of it: the beginning of an open file, or
// bytes of the engine.
type source struct {
	file *os.File
	vec  C.wasm_byte_vec_t
	size int64
}

func (s *source) close() {
	if s.file != nil {
		s.file.Close()
		s.file = nil
	}
	if s.vec.data != nil {
		C.wasm_byte_vec_delete(&s.vec)
		s.vec = C.wasm_byte_vec_t{}
	}
}

// with gives the code to one of two loaders: by the path of a file, so that
// what is mapped is what was checked, or as bytes.
func (s *source) with(file func(*C.char, *C.ipvm_buf) C.int, mem func(*C.uint8_t, C.size_t, *C.ipvm_buf) C.int) error {
	var buf C.ipvm_buf
	var rc C.int
	switch path := s.path(); {
	case s.vec.data != nil:
		rc = mem((*C.uint8_t)(unsafe.Pointer(s.vec.data)), s.vec.size, &buf)
	case path != "":
		p := append([]byte(path), 0)
		rc = file((*C.char)(unsafe.Pointer(&p[0])), &buf)
	default:
		data, err := s.bytes()
		if err != nil {
			return err
		}
		rc = mem((*C.uint8_t)(unsafe.Pointer(&data[0])), C.size_t(len(data)), &buf)
	}
	if rc != 0 {
		return errors.New(lastCause(text(&buf)))
	}
	return nil
}

// path names the open file itself, where the system can.
func (s *source) path() string {
	if s.file == nil || runtime.GOOS != "linux" {
		return ""
	}
	path := fmt.Sprintf("/proc/self/fd/%d", s.file.Fd())
	if _, err := os.Stat(path); err != nil {
		return ""
	}
	return path
}

// bytes are those of the file, without what follows the code.
func (s *source) bytes() ([]byte, error) {
	data := make([]byte, s.size)
	_, err := s.file.ReadAt(data, 0)
	return data, err
}
