//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Module is a component made ready. It is safe for concurrent use, and holds
// machine code until Close.
type Module struct {
	e      *Engine
	s      *shared
	closed atomic.Bool
}

// shared is what all Modules of one link have in common. Its fields are set
// before ready is closed and not changed afterwards, but for refs (under
// Engine.mu) and onDemand.
type shared struct {
	link    ipld.Link
	refs    int
	ready   chan struct{}
	err     error
	entry   string // name in the cache
	face    wit.Interface
	index   map[string]int
	imports []string
	binds   []binding
	mem     memories
	pooled  *loaded // nil where the pool is none or too small for it

	mu       sync.Mutex
	onDemand *loaded // made when first needed
}

// loaded is a component on one of the two engines.
type loaded struct {
	c       C.ipvm_loaded
	exports []*C.wasmtime_component_export_index_t
}

// Load makes the component in code ready, which link must address and which
// must not change until Load returns, or longer when ctx ends first. It
// compiles when no machine code is cached; concurrent Loads of one link
// compile once. Compilation can not be ended early: when ctx ends, Load
// returns and compilation goes on for the next one who asks.
//
// The error is a [*Refused] when the module is at fault.
func (e *Engine) Load(ctx context.Context, link ipld.Link, code []byte) (*Module, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if f := e.refuse(code); f != nil {
		return nil, &Refused{f}
	}
	if !link.Defined() {
		link = ipld.LinkOf(ipld.CodecRaw, code)
	}
	s, err := e.share(link, code)
	if err != nil {
		return nil, err
	}
	select {
	case <-s.ready:
	case <-ctx.Done():
		e.release(s)
		return nil, ctx.Err()
	}
	if s.err != nil {
		e.release(s)
		return nil, s.err
	}
	return &Module{e: e, s: s}, nil
}

// refuse looks at what needs no engine.
func (e *Engine) refuse(code []byte) *task.Failure {
	switch headerOf(code) {
	case notWasm:
		return task.Failf(task.KindMalformed, "not WebAssembly: it does not start with the magic number \\0asm")
	case coreModule:
		return task.Failf(task.KindUnsupported, "a core WebAssembly module, not a component: make a component of it (wasm-tools component new, or jco new)")
	case otherVersion:
		return task.Failf(task.KindUnsupported, "WebAssembly of version %x; components of version 0d000100 run here", code[4:8])
	}
	if len(code) > e.cfg.MaxModuleBytes {
		return task.Failf(task.KindUnsupported, "a module of %d bytes; this node takes up to %d", len(code), e.cfg.MaxModuleBytes)
	}
	return nil
}

// share returns what there is for link with one more reference, and starts to
// make it when there is nothing.
func (e *Engine) share(link ipld.Link, code []byte) (*shared, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, ErrClosed
	}
	if err := e.start(); err != nil {
		return nil, err
	}
	if s, ok := e.modules[link]; ok {
		if s.refs++; s.refs == 1 {
			e.idle = slices.DeleteFunc(e.idle, func(i *shared) bool { return i == s })
		}
		return s, nil
	}
	s := &shared{link: link, refs: 2, ready: make(chan struct{})} // the caller and the maker
	e.modules[link] = s
	e.work.Add(1)
	go func() {
		defer e.work.Done()
		s.err = e.make(s, code)
		close(s.ready)
		e.release(s)
	}()
	return s, nil
}

// release takes one reference back. Unused modules stay for a while; those
// that could not be made go at once.
func (e *Engine) release(s *shared) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if s.refs--; s.refs > 0 || e.modules[s.link] != s {
		return
	}
	if s.err != nil {
		delete(e.modules, s.link)
		s.unload()
		return
	}
	if e.closed {
		return // Close unloads it
	}
	e.idle = append(e.idle, s)
	for len(e.idle) > e.cfg.IdleModules {
		old := e.idle[0]
		e.idle = e.idle[1:]
		delete(e.modules, old.link)
		old.unload()
	}
}

// make loads s from the cache, or compiles it.
func (e *Engine) make(s *shared, code []byte) error {
	select {
	case e.compiles <- struct{}{}:
	case <-e.done:
		return ErrClosed
	}
	defer func() { <-e.compiles }()
	if e.cache != nil {
		s.entry = e.cache.name(s.link, len(code))
	}
	src, err := e.cached(s.entry)
	if src == nil && err == nil {
		src, err = e.compile(s.entry, code)
	}
	if err != nil {
		return err
	}
	defer src.close()
	s.mem = scanMemories(code)
	first, err := e.both(s, src)
	if err != nil {
		return err
	}
	return s.describe(first)
}

// both loads src onto the pool where it fits, else on demand, and returns what
// was loaded.
func (e *Engine) both(s *shared, src *source) (*loaded, error) {
	if e.pool != nil {
		l, err := src.load(e.pool)
		if err == nil {
			s.pooled = l
			return l, nil
		}
		e.cfg.Logger.Debug("module does not fit the instance pool", "module", s.link.String(), "why", err)
	}
	l, err := src.load(e.demand)
	s.onDemand = l
	return l, err
}

// cached returns the entry called name as a source, nil when there is none.
// One that does not check, or that the engine refuses, is discarded.
func (e *Engine) cached(name string) (*source, error) {
	if e.cache == nil {
		return nil, nil
	}
	f, err := e.cache.open(name)
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			e.cfg.Logger.Warn("compiled code discarded", "entry", name, "why", err)
			e.cache.discard(name)
		}
		return nil, nil
	}
	src := &source{file: f}
	l, err := src.load(e.demand)
	if err != nil {
		src.close()
		e.cfg.Logger.Warn("compiled code discarded", "entry", name, "why", err)
		e.cache.discard(name)
		return nil, nil
	}
	l.unload()
	return src, nil
}

// compile makes machine code and keeps it under name. The failure to keep it
// is not one of the module.
func (e *Engine) compile(name string, code []byte) (*source, error) {
	var vec C.wasm_byte_vec_t
	var buf C.ipvm_buf
	rc := C.ipvm_compile(e.demand, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(code))), C.size_t(len(code)), &vec, &buf)
	runtime.KeepAlive(code)
	if rc != 0 {
		return nil, &Refused{invalid(text(&buf))}
	}
	src := &source{vec: vec}
	if e.cache == nil {
		return src, nil
	}
	artifact := unsafe.Slice((*byte)(unsafe.Pointer(vec.data)), int(vec.size))
	err := e.cache.put(name, artifact)
	var f *os.File
	if err == nil {
		f, err = e.cache.open(name)
	}
	if err != nil {
		e.cfg.Logger.Warn("compiled code not kept", "entry", name, "why", err)
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
	return task.Failf(kind, "not a component that runs here: %s", cut(cause, 300))
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

// load puts the code onto engine. A file is mapped through its descriptor, so
// that what runs is what was checked.
func (s *source) load(engine *C.wasm_engine_t) (*loaded, error) {
	l := &loaded{c: C.ipvm_loaded{engine: engine}}
	var buf C.ipvm_buf
	var rc C.int
	switch path := s.path(); {
	case s.vec.data != nil:
		rc = C.ipvm_load(&l.c, (*C.uint8_t)(unsafe.Pointer(s.vec.data)), s.vec.size, &buf)
	case path != "":
		p := append([]byte(path), 0)
		rc = C.ipvm_load_file(&l.c, (*C.char)(unsafe.Pointer(&p[0])), &buf)
	default:
		return s.copied(engine)
	}
	if rc != 0 {
		return nil, errors.New(lastCause(text(&buf)))
	}
	return l, nil
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

// copied loads the file's bytes.
func (s *source) copied(engine *C.wasm_engine_t) (*loaded, error) {
	info, err := s.file.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, info.Size())
	if _, err := s.file.ReadAt(data, 0); err != nil {
		return nil, err
	}
	l := &loaded{c: C.ipvm_loaded{engine: engine}}
	var buf C.ipvm_buf
	if C.ipvm_load(&l.c, (*C.uint8_t)(unsafe.Pointer(&data[0])), C.size_t(len(data)-macLen), &buf) != 0 {
		return nil, errors.New(lastCause(text(&buf)))
	}
	return l, nil
}

// describe reads what the component imports and exports, and links it.
func (s *shared) describe(first *loaded) error {
	var buf C.ipvm_buf
	if C.ipvm_describe(&first.c, &buf) != 0 {
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
	binds, failure := c.bind()
	if failure != nil {
		return &Refused{failure}
	}
	s.binds = binds
	s.face = c.functions()
	s.index = make(map[string]int, len(s.face.Funcs))
	for i, f := range s.face.Funcs {
		s.index[f.Name] = i
	}
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
		l.exports[i] = C.ipvm_export(&l.c, cstr(iface), C.size_t(len(iface)), cstr(fn), C.size_t(len(fn)))
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
	rc := C.ipvm_link(&l.c, cstr(b.iface), C.size_t(len(b.iface)), cstr(names), &lens[0], &hosts[0], C.size_t(len(b.names)), &buf)
	if rc != 0 {
		return fmt.Errorf("offer %s: %s", b.iface, lastCause(text(&buf)))
	}
	return nil
}

// cstr is the text of s for C, which is told its length apart.
func cstr(s string) *C.char { return (*C.char)(unsafe.Pointer(unsafe.StringData(s))) }

// demanded returns s on the engine without a pool.
func (s *shared) demanded(e *Engine) (*loaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onDemand != nil {
		return s.onDemand, nil
	}
	var buf C.ipvm_buf
	var vec C.wasm_byte_vec_t
	if C.ipvm_serialize(&s.pooled.c, &vec, &buf) != 0 {
		return nil, errors.New(lastCause(text(&buf)))
	}
	src := &source{vec: vec}
	defer src.close()
	l, err := src.load(e.demand)
	if err != nil {
		return nil, err
	}
	if err := s.connect(l); err != nil {
		l.unload()
		return nil, err
	}
	s.onDemand = l
	return l, nil
}

func (s *shared) unload() {
	for _, l := range []*loaded{s.pooled, s.onDemand} {
		if l != nil {
			l.unload()
		}
	}
	s.pooled, s.onDemand = nil, nil
}

func (l *loaded) unload() {
	for _, x := range l.exports {
		if x != nil {
			C.wasmtime_component_export_index_delete(x)
		}
	}
	l.exports = nil
	C.ipvm_unload(&l.c)
}

// Interface is what the module exports. The caller must not change it.
func (m *Module) Interface() wit.Interface { return m.s.face }

// Imports names the interfaces that the module imports; all of them are
// offered. The caller must not change it.
func (m *Module) Imports() []string { return m.s.imports }

// MaxMemory is the sum of the module's own declared maxima of memory in bytes,
// and whether it declares them. A memory limit of at least that, rounded up
// as RULES 12 has it, changes no result.
func (m *Module) MaxMemory() (uint64, bool) {
	if m.s.mem.hasMax && m.s.mem.count > 1 { // each gets an equal share of a limit
		return m.s.mem.largest * uint64(m.s.mem.count), true
	}
	return m.s.mem.max, m.s.mem.hasMax
}

// Close gives the module back. Calls that run go on.
func (m *Module) Close() error {
	if !m.closed.Swap(true) {
		m.e.release(m.s)
	}
	return nil
}

// cut shortens s to about n bytes of printable text.
func cut(s string, n int) string {
	s = strings.ToValidUTF8(s, "�")
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "") + "…"
	}
	return s
}
