//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Module is a module made ready. It is safe for concurrent use, and holds
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
	size    int // of the code, in bytes
	face    wit.Interface
	index   map[string]int
	imports []string
	mem     component.Memories
	prog    *program // how to run it; nil for a component that the engine runs
	why     string   // why prog is nil
	binds   []binding
	pooled  *loaded // nil where the pool is none or too small for it

	ctx    context.Context // of making it: ends when nobody waits for it
	cancel context.CancelFunc
	small  int          // bytes of code that may still be compiled in this process
	bytes  atomic.Int64 // of machine code

	mu       sync.Mutex
	onDemand *loaded // made when first needed
}

// Load makes the module in code ready, which link must address and which
// must not change until Load returns, or longer when ctx ends first. It
// compiles when no machine code is cached; concurrent Loads of one link
// compile once. When ctx ends, Load returns, and a compilation that nobody else
// waits for is ended where it has a process of its own; another one goes on for
// the next who asks.
//
// The error is a [*Refused] when the module is at fault, or asks too much of
// the compiler. A module that did is refused without another attempt for some
// minutes.
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
	for {
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
		if s.err == nil {
			return &Module{e: e, s: s}, nil
		}
		e.release(s)
		if !errors.Is(s.err, context.Canceled) { // as those who waited before us were
			return nil, s.err
		}
	}
}

// refuse looks at what needs no engine.
func (e *Engine) refuse(code []byte) *task.Failure {
	if f := headerFailure(code); f != nil {
		return f
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
	if no, ok := e.spared[link]; ok && time.Now().Before(no.until) {
		return nil, no.err
	}
	if s, ok := e.modules[link]; ok && !s.abandoned() {
		if s.refs++; s.refs == 1 {
			e.idle = slices.DeleteFunc(e.idle, func(i *shared) bool { return i == s })
		}
		return s, nil
	}
	s := &shared{link: link, size: len(code), small: smallCode, refs: 2, ready: make(chan struct{})} // the caller and the maker
	s.ctx, s.cancel = context.WithCancel(e.ctx)
	e.modules[link] = s
	e.work.Add(1)
	go func() {
		defer e.work.Done()
		s.err = e.make(s, code)
		s.cancel()
		e.spare(s)
		e.mu.Lock()
		defer e.mu.Unlock()
		close(s.ready) // nobody who has it may find that the maker still holds it
		e.letGo(s)
	}()
	return s, nil
}

// abandoned tells whether everybody gave up before s was made.
func (s *shared) abandoned() bool { return s.made() && errors.Is(s.err, context.Canceled) }

func (s *shared) made() bool {
	select {
	case <-s.ready:
		return true
	default:
		return false
	}
}

// spare remembers for a while that s cost too much.
func (e *Engine) spare(s *shared) {
	var costly *costlyError
	if !errors.As(s.err, &costly) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.spared) >= maxSpared {
		clear(e.spared)
	}
	e.spared[s.link] = spared{s.err, time.Now().Add(spareTime)}
}

// release takes one reference back. Unused modules stay for a while; those
// that could not be made go at once, and those that nobody waits for are not
// made any more.
func (e *Engine) release(s *shared) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.letGo(s)
}

// letGo is release for who holds mu.
func (e *Engine) letGo(s *shared) {
	s.refs--
	if s.refs == 1 && !s.made() {
		s.cancel()
	}
	if s.refs > 0 || e.modules[s.link] != s {
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
	e.trim()
}

// trim unloads unused modules, oldest first, until what is left is within
// bounds.
func (e *Engine) trim() {
	var bytes int64
	for _, s := range e.idle {
		bytes += s.bytes.Load()
	}
	for len(e.idle) > e.cfg.IdleModules || bytes > e.cfg.IdleBytes {
		old := e.idle[0]
		e.idle = e.idle[1:]
		bytes -= old.bytes.Load()
		delete(e.modules, old.link)
		old.unload()
	}
}

// make loads s from the cache, or compiles it.
func (e *Engine) make(s *shared, code []byte) error {
	p, err := readProgram(code)
	if err == nil && e.modelOnly {
		err = errTest
	}
	if err != nil {
		err = e.makeModelled(s, code, err)
	} else {
		err = e.makeProgram(s, p)
	}
	if err != nil && e.ctx.Err() != nil {
		return ErrClosed
	}
	return err
}

// errTest leaves a program to the engine's component model.
var errTest = errors.New("a test asked for it")

// present makes the interface of s ready to be asked for.
func (s *shared) present(face wit.Interface) {
	s.face = face
	s.index = make(map[string]int, len(face.Funcs))
	for i, f := range face.Funcs {
		s.index[f.Name] = i
	}
}

// loaded is a module on one of the two engines: a program, or a component of
// the engine's component model.
type loaded struct {
	program *C.ipvm_program
	model   C.ipvm_loaded
	exports []*C.wasmtime_component_export_index_t
}

// demanded returns s on the engine without a pool.
func (s *shared) demanded(e *Engine) (*loaded, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.onDemand != nil {
		return s.onDemand, nil
	}
	var l *loaded
	var err error
	if s.prog != nil {
		l, err = s.prog.again(s.pooled, e.demand)
	} else {
		l, err = s.modelledAgain(e.demand)
	}
	s.onDemand = l
	s.bytes.Add(s.bytes.Load()) // a copy
	return l, err
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
	if l.program != nil {
		C.ipvm_program_delete(l.program)
		l.program = nil
	}
	for _, x := range l.exports {
		if x != nil {
			C.wasmtime_component_export_index_delete(x)
		}
	}
	l.exports = nil
	C.ipvm_unload(&l.model)
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
	if m.s.mem.HasMax && m.s.mem.Count > 1 { // each gets an equal share of a limit
		return m.s.mem.Largest * uint64(m.s.mem.Count), true
	}
	return m.s.mem.Max, m.s.mem.HasMax
}

// Path tells how the module's functions are called, and why so.
func (m *Module) Path() (Path, string) {
	if m.s.prog != nil {
		return PathDirect, ""
	}
	return PathModel, m.s.why
}

// CodeBytes is the size of the module's machine code.
func (m *Module) CodeBytes() int64 { return m.s.bytes.Load() }

// Close gives the module back. Calls that run go on.
func (m *Module) Close() error {
	if !m.closed.Swap(true) {
		m.e.release(m.s)
	}
	return nil
}
