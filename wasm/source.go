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
)

// unit is one piece of code that is compiled by itself: a component, or one
// core module of a program.
type unit struct {
	code  []byte
	core  bool
	entry string // name in the cache
}

// unitOf is the piece number part of the module behind link; part is -1 for
// all of a component.
func (e *Engine) unitOf(link ipld.Link, part int, code []byte) unit {
	u := unit{code: code, core: part >= 0}
	if e.cache != nil {
		u.entry = e.cache.name(link, part, len(code))
	}
	return u
}

// obtain gives load the machine code of u, from the cache or compiled. What is
// in the cache and does not load is discarded and made again.
func (e *Engine) obtain(u unit, load func(*source) error) error {
	if src := e.cached(u.entry); src != nil {
		defer src.close()
		err := load(src)
		if err == nil {
			return nil
		}
		e.cfg.Logger.Warn("compiled code discarded", "entry", u.entry, "why", err)
		e.cache.discard(u.entry)
	}
	src, err := e.compile(u)
	if err != nil {
		return err
	}
	defer src.close()
	return load(src)
}

// cached returns the entry called name as a source, nil when there is none.
// One that does not check is discarded.
func (e *Engine) cached(name string) *source {
	if e.cache == nil {
		return nil
	}
	f, err := e.cache.open(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			e.cfg.Logger.Warn("compiled code discarded", "entry", name, "why", err)
			e.cache.discard(name)
		}
		return nil
	}
	return &source{file: f}
}

// compile makes machine code and keeps it. The failure to keep it is not one
// of the module.
func (e *Engine) compile(u unit) (*source, error) {
	var vec C.wasm_byte_vec_t
	var buf C.ipvm_buf
	var rc C.int
	code, size := (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(u.code))), C.size_t(len(u.code))
	if u.core {
		rc = C.ipvm_compile_core(e.demand, code, size, &vec, &buf)
	} else {
		rc = C.ipvm_compile(e.demand, code, size, &vec, &buf)
	}
	runtime.KeepAlive(u.code)
	if rc != 0 {
		return nil, &Refused{invalid(text(&buf))}
	}
	src := &source{vec: vec}
	if e.cache == nil {
		return src, nil
	}
	artifact := unsafe.Slice((*byte)(unsafe.Pointer(vec.data)), int(vec.size))
	err := e.cache.put(u.entry, artifact)
	var f *os.File
	if err == nil {
		f, err = e.cache.open(u.entry)
	}
	if err != nil {
		e.cfg.Logger.Warn("compiled code not kept", "entry", u.entry, "why", err)
		return src, nil
	}
	src.close()
	return &source{file: f}, nil
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

// source is machine code: an open, checked file, or bytes of the engine.
type source struct {
	file *os.File
	vec  C.wasm_byte_vec_t
}

func (s *source) close() {
	if s.file != nil {
		s.file.Close()
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

// bytes are those of the file, without its MAC.
func (s *source) bytes() ([]byte, error) {
	info, err := s.file.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	if _, err := s.file.ReadAt(data, 0); err != nil {
		return nil, err
	}
	return data[:len(data)-macLen], nil
}
