//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"context"
	"errors"
	"runtime/cgo"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// programCall is one call of a function of a program.
type programCall struct {
	m      *Module
	s      *slot
	l      *loaded
	target C.uint32_t
	called bool // the function was called with its arguments
	fn     *component.Func
	call   Call
	log    guestLog
	world  world
	callee callee
}

// forget lets go of everything, for the slot's next call.
func (p *programCall) forget() { *p = programCall{} }

// runProgram calls function number i of a program.
func (m *Module) runProgram(ctx context.Context, s *slot, l *loaded, i int, call Call) (Result, error) {
	p := &s.prog
	defer p.forget()
	p.m, p.s, p.l, p.target, p.fn, p.call = m, s, l, C.uint32_t(i), &m.s.prog.Funcs[i], call
	p.log.to, p.world.log, p.world.config.Seed = call.Log, &p.log, call.Seed
	if p.fn.Kind == component.FuncCommand {
		if f := p.command(); f != nil {
			return failed(f), nil
		}
	} else if len(call.Params) != len(p.fn.Params) {
		return failed(task.Failf(task.KindType, "%s takes %d arguments, %d given", p.fn.Name, len(p.fn.Params), len(call.Params))), nil
	}
	var handle cgo.Handle
	if len(m.s.prog.hosts) > 0 {
		p.callee = callee{prog: m.s.prog, guest: instance{s.call}, world: &p.world}
		handle = cgo.NewHandle(&p.callee)
		defer handle.Delete()
	}
	m.enter(ctx, s, &p.call, handle)
	v, err := p.run()
	m.leave(s)
	p.world.end()
	return p.result(ctx, v, err)
}

// run makes the instance, calls and ends it. The error is for what ended the
// call on our side of it: a [*wit.Fault] in the arguments, errEnded when the
// slot's call says more, or what is amiss with the result.
func (p *programCall) run() (ipld.Value, error) {
	t := p.l.program
	f := p.fn
	if once(f) {
		if err := p.lower(); err != nil {
			return ipld.Null, err
		}
		if C.ipvm_enter(t, p.target, p.s.call); p.over() {
			return ipld.Null, errEnded
		}
		return p.lift()
	}
	if C.ipvm_enter(t, p.target, p.s.call); p.over() {
		C.ipvm_leave(p.s.call, false)
		return ipld.Null, errEnded
	}
	if f.Kind == component.FuncLifted {
		if err := p.lower(); err != nil {
			C.ipvm_leave(p.s.call, false)
			return ipld.Null, err
		}
	}
	p.called = true
	if C.ipvm_invoke(p.s.call); p.over() {
		C.ipvm_leave(p.s.call, false)
		return ipld.Null, errEnded
	}
	v, err := p.lift()
	var fault *wit.Fault
	C.ipvm_leave(p.s.call, C.bool(err == nil || errors.As(err, &fault)))
	if p.over() {
		return ipld.Null, errEnded
	}
	return v, err
}

// once tells that f takes and gives numbers only, so that its instance is made,
// called and ended at once. What follows a call must not follow one whose
// result is none of its type, and so waits until that is known.
func once(f *component.Func) bool {
	return f.Kind == component.FuncLifted && !f.ABI.NeedsMemory && !f.ABI.NeedsRealloc && f.PostReturn == nil
}

// over tells whether the call has ended other than by returning.
func (p *programCall) over() bool {
	c := p.s.call
	return c.has_error != 0 || c.trap != 0 || c.why != C.IPVM_WHY_NONE
}

// lower gives the arguments to the guest.
func (p *programCall) lower() error {
	flat, err := p.fn.ABI.Lower(instance{p.s.call}, p.call.Params, p.s.flat[:0])
	for i, u := range flat {
		p.s.call.flat[i] = C.uint64_t(u)
	}
	return err
}

// lift reads the result. That of a command is whether it did well.
func (p *programCall) lift() (ipld.Value, error) {
	if p.fn.ABI == nil {
		return ipld.Null, nil
	}
	flat := p.s.flat[:len(p.fn.Core.Type.Results)]
	for i := range flat {
		flat[i] = uint64(p.s.call.flat[i])
	}
	return p.fn.ABI.Lift(instance{p.s.call}, flat)
}

// result says what the call came to.
func (p *programCall) result(ctx context.Context, v ipld.Value, err error) (Result, error) {
	var fault *wit.Fault
	if errors.As(err, &fault) && fault.Param != "" { // nothing was called
		return failed(task.Failf(task.KindType, "%s", fault)), nil
	}
	res, end := p.m.ended(ctx, p.s, &p.call, p.callee.err)
	if prog := p.m.s.prog; prog.measured && int(p.s.call.made) >= prog.owners { // what ended in its start can not be looked at
		res.Memory, res.HasMemory = uint64(p.s.call.peak), true
	}
	if p.fn.Kind == component.FuncCommand {
		var exit *wasi.Exit
		exited := errors.As(p.callee.err, &exit) && p.s.call.gas_left > 0 && !p.s.timedOut()
		if end != nil && !exited {
			if p.lastWords(); p.world.log.err != nil {
				return Result{}, p.world.log.err
			}
			return end.result(res)
		}
		return p.output(res, v, exit)
	}
	if end != nil {
		if f := p.mistaken(); f != nil {
			return failed(f), nil
		}
		return end.result(res)
	}
	if p.world.log.err != nil {
		return Result{}, p.world.log.err
	}
	return res.lifted(&p.fn.Func, v, err)
}

// mistaken is the fault in the arguments of a call that ended before the guest
// was given all of them: it weighs more than how the guest ended.
func (p *programCall) mistaken() *task.Failure {
	if p.called || p.fn.Kind != component.FuncLifted {
		return nil
	}
	if err := p.fn.ABI.Check(p.call.Params); err != nil {
		return task.Failf(task.KindType, "%s", err)
	}
	return nil
}
