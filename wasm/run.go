//go:build cgo

package wasm

// #include <stdlib.h>
// #include "guest.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime/cgo"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// slot is the place of one running call. What C needs of it is in C memory,
// which it keeps between the parts of a call.
type slot struct {
	call *C.ipvm_call
	mu   sync.Mutex
	ctx  context.Context // of the call that runs; nil between calls

	lower lowerer
	flat  [C.IPVM_FLAT]uint64
	prog  programCall // of a program, while it runs
}

func newSlot() *slot { return &slot{call: (*C.ipvm_call)(C.calloc(1, C.sizeof_ipvm_call))} }

func (s *slot) stopped() *int32 { return (*int32)(unsafe.Pointer(&s.call.stop)) }

// stop ends the call in the slot at its next tick. Any goroutine may call it.
func (s *slot) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil {
		atomic.StoreInt32(s.stopped(), 1)
	}
}

// look stops the call if its context has ended.
func (s *slot) look() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx != nil && s.ctx.Err() != nil {
		atomic.StoreInt32(s.stopped(), 1)
	}
}

func (s *slot) unwatch() {
	s.mu.Lock()
	s.ctx = nil
	s.mu.Unlock()
}

func (s *slot) watch(ctx context.Context) {
	s.mu.Lock()
	s.ctx = ctx
	s.mu.Unlock()
}

// end frees the slot.
func (s *slot) end() {
	s.free()
	C.free(unsafe.Pointer(s.call))
	s.call = nil
}

// keepBuffer is how large an argument buffer may be to be used again.
const keepBuffer = 1 << 20

// Run calls one function in a fresh instance, within the limits. When more
// calls run than the engine takes, it waits for its turn; neither that nor
// compilation counts against the time limit.
//
// When ctx ends the outcome is a cancellation. The error is for what is neither
// the module's nor the caller's fault.
func (m *Module) Run(ctx context.Context, call Call) (Result, error) {
	if err := m.hold(); err != nil {
		return Result{}, err
	}
	defer m.e.work.Done()
	defer m.e.release(m.s)
	if call.Limits.Memory == 0 || call.Limits.Time <= 0 {
		return Result{}, errors.New("a call without limits of memory and time")
	}
	i, ok := m.s.index[call.Func]
	if !ok {
		return failed(task.Failf(task.KindType, "%s", m.notFound(call.Func))), nil
	}
	if call.Limits.Gas == 0 {
		return failed(task.Failf(task.KindOutOfGas, "the gas limit is 0")), nil
	}
	if ctx.Err() != nil {
		return failed(cancelled(ctx)), nil
	}
	s, err := acquire(ctx, m.e, m.e.slots)
	if err != nil {
		if ctx.Err() != nil {
			return failed(cancelled(ctx)), nil
		}
		return Result{}, err
	}
	defer m.e.giveBack(s)
	return m.run(ctx, s, i, call)
}

// giveBack lets s be used by others, once the memory of its call is cleared. Where that
// takes longer than a small call, nobody waits for it who has a result already. The
// caller is counted in work.
func (e *Engine) giveBack(s *slot) {
	if s.call.rest == nil {
		e.slots <- s
		return
	}
	e.work.Go(func() {
		C.ipvm_clear(s.call)
		e.slots <- s
	})
}

// hold keeps the module and the engine while a call runs.
func (m *Module) hold() error {
	m.e.mu.Lock()
	defer m.e.mu.Unlock()
	if m.e.closed || m.closed.Load() {
		return ErrClosed
	}
	m.s.refs++
	m.e.work.Add(1)
	return nil
}

func (m *Module) notFound(name string) string {
	if _, err := m.s.face.Find(name); err != nil {
		return err.Error()
	}
	return fmt.Sprintf("no function is exactly %q", cut(name, 64))
}

func failed(f *task.Failure) Result { return Result{Outcome: task.Outcome{Failure: f}} }

func cancelled(ctx context.Context) *task.Failure {
	return task.Failf(task.KindCancelled, "given up: %v", context.Cause(ctx))
}

// run calls function number i by the module's way.
func (m *Module) run(ctx context.Context, s *slot, i int, call Call) (Result, error) {
	l, err := m.place(call.Limits.Memory)
	if err != nil {
		return Result{}, err
	}
	defer s.free()
	if m.s.prog != nil {
		return m.runProgram(ctx, s, l, i, call)
	}
	return m.runModelled(ctx, s, l, i, call)
}

// runModelled lowers the arguments, calls and lifts the result through the
// engine's component model.
func (m *Module) runModelled(ctx context.Context, s *slot, l *loaded, i int, call Call) (Result, error) {
	fn := &m.s.face.Funcs[i]
	if f := s.arguments(fn, call.Params); f != nil {
		return failed(f), nil
	}
	log := &guestLog{to: call.Log}
	var handle cgo.Handle
	if call.Log != nil && len(m.s.binds) > 0 {
		handle = cgo.NewHandle(log)
		defer handle.Delete()
	}
	m.enter(ctx, s, &call, handle)
	s.call.nargs = C.uint32_t(len(call.Params))
	s.call.nresults = 0
	if fn.Result != nil {
		s.call.nresults = 1
	}
	in := s.lower.buf
	C.ipvm_run(&l.model, l.exports[i], s.call, (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(in))), C.size_t(len(in)))
	m.leave(s)
	var host error
	if s.call.why == C.IPVM_WHY_HOST {
		host = log.failure(s.text())
	}
	res, end := m.ended(ctx, s, &call, host)
	if end != nil {
		return end.result(res)
	}
	if fn.Result == nil {
		return res, nil
	}
	v, err := liftAll(fn.Result, s.data())
	return res.lifted(fn, v, err)
}

// arguments writes params as fn takes them.
func (s *slot) arguments(fn *wit.Func, params []ipld.Value) *task.Failure {
	if len(params) != len(fn.Params) {
		return task.Failf(task.KindType, "%s takes %d arguments, %d given", fn.Name, len(fn.Params), len(params))
	}
	if cap(s.lower.buf) > keepBuffer {
		s.lower.buf = nil
	}
	s.lower.buf, s.lower.cost = s.lower.buf[:0], 0
	if len(params) > C.IPVM_FEW {
		s.lower.count(wireTuple, len(params))
	}
	for i, p := range params {
		err := s.lower.lower(fn.Params[i].Type, p)
		var fault *wit.Fault
		switch {
		case errors.As(err, &fault):
			fault.Param = fn.Params[i].Name
			return task.Failf(task.KindType, "%s", fault)
		case err != nil:
			return task.Failf(task.KindType, "parameter %s: %v", fn.Params[i].Name, err)
		}
	}
	return nil
}

// place chooses the engine for a memory limit. The pool has room for as many
// calls as there are slots, so that it is never full.
func (m *Module) place(memory uint64) (*loaded, error) {
	if m.s.pooled != nil && memory <= poolMemory {
		return m.s.pooled, nil
	}
	return m.s.demanded(m.e)
}

// enter prepares the slot for a call and has the engine's clock tick, which
// also looks at ctx. leave must follow the call.
func (m *Module) enter(ctx context.Context, s *slot, call *Call, handle cgo.Handle) {
	count := max(m.s.mem.Count, 1)
	share := min(call.Limits.Memory, MaxMemory) / uint64(count)
	c := s.call
	c.gas, c.time = C.uint64_t(call.Limits.Gas), C.uint64_t(call.Limits.Time)
	c.memory, c.memories = C.int64_t(share), C.int64_t(count)
	c.table_elements, c.tables, c.instances = MaxTableElements, MaxTables, MaxInstances
	c.max_result, c.handle = MaxValueBytes, C.uint64_t(handle)
	c.died = (*C.uint32_t)(call.Died)
	breakCall(c, call.Func)
	atomic.StoreInt32(s.stopped(), 0)
	s.watch(ctx)
	if m.e.stopping.Load() { // Close sets it before it looks at the slots
		s.stop()
	}
	m.e.running()
}

func (m *Module) leave(s *slot) {
	m.e.active.Add(-1)
	s.unwatch()
}

// data is what the call gave: the flat result, or an error text. It is good
// until free.
func (s *slot) data() []byte {
	n := int(s.call.out.len)
	if s.call.out.data == nil {
		return unsafe.Slice((*byte)(unsafe.Pointer(&s.call.small[0])), len(s.call.small))[:n]
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(s.call.out.data)), n)
}

func (s *slot) text() string { return string(s.data()) }

func (s *slot) free() {
	if s.call.out.data != nil {
		C.ipvm_buf_free(&s.call.out)
	}
}

// ending is how a call ended other than by returning: with a failure of the
// task, or with an error of this node.
type ending struct {
	failure *task.Failure
	err     error
}

// result is res with the ending.
func (e *ending) result(res Result) (Result, error) {
	if e.err != nil {
		return Result{}, e.err
	}
	res.Outcome.Failure = e.failure
	res.StackExhausted = e.failure.Trap == task.TrapStackOverflow
	return res, nil
}

// timedOut tells whether a call took its time limit or more. One instruction may
// take long, and nothing ends the call while it does.
func (s *slot) timedOut() bool { return s.call.nanos >= s.call.time }

// ended says what a call used and, if it did not return, how it ended. Whatever
// the guest came to after its time limit is a timeout.
func (m *Module) ended(ctx context.Context, s *slot, call *Call, host error) (Result, *ending) {
	res, end := m.cameTo(ctx, s, call, host)
	stopped := s.call.why == C.IPVM_WHY_STOPPED
	if !s.timedOut() || stopped || end != nil && end.err != nil {
		return res, end
	}
	res.Gas = 0
	return res, &ending{failure: task.Failf(task.KindTimeout, "the time limit of %s was reached", call.Limits.Time)}
}

// cameTo is what a call came to but for its time limit. The order matters: what
// we did ourselves first, then gas (RULES 11), then what the engine says. host
// is why a host function ended the call, if one did.
func (m *Module) cameTo(ctx context.Context, s *slot, call *Call, host error) (Result, *ending) {
	c := s.call
	res := Result{Gas: call.Limits.Gas - uint64(c.gas_left), Time: time.Duration(c.nanos)}
	fail := func(f *task.Failure) (Result, *ending) { return res, &ending{failure: f} }
	var why error
	switch c.why {
	case C.IPVM_WHY_TIMEOUT: // ended says so
		return res, nil
	case C.IPVM_WHY_STOPPED:
		res.Gas = 0
		if ctx.Err() == nil {
			return res, &ending{err: ErrClosed}
		}
		return fail(cancelled(ctx))
	case C.IPVM_WHY_HOST:
		why = host
		if trouble, ok := why.(nodeError); ok { //nolint:errorlint // made here
			return res, &ending{err: fmt.Errorf("host function: %w", trouble.error)}
		}
	case C.IPVM_WHY_ABSENT: // its type looks like a function's to the engine
		return fail(task.Failf(task.KindType, "the export is a type of functions, and no function"))
	case C.IPVM_WHY_INTERNAL:
		return res, &ending{err: errors.New("a call did not reach its function in the engine")}
	}
	switch {
	case c.gas_left == 0:
		return fail(task.Failf(task.KindOutOfGas, "the gas limit of %d was reached", call.Limits.Gas))
	case why != nil:
		return fail(broke(why))
	case c.why == C.IPVM_WHY_LEAVE:
		return fail(trapped("cannot leave component instance"))
	case c.trap != 0:
		return fail(trapOf(int(c.trap - 1)))
	case c.has_error != 0:
		f, err := m.failure(int(c.stage), s.text(), call.Limits)
		return res, &ending{f, err}
	case c.why == C.IPVM_WHY_TOO_LARGE:
		return fail(tooLargeResult())
	}
	return res, nil
}

// lifted is res with the result v of fn, or with what err says of it.
func (res Result) lifted(fn *wit.Func, v ipld.Value, err error) (Result, error) {
	var fault *wit.Fault
	var breach *abi.Error
	switch {
	case err == nil:
		res.Outcome = outcome(fn.Result, v)
	case errors.As(err, &breach):
		res.Outcome.Failure = broke(breach)
	case errors.Is(err, abi.ErrTooLarge):
		res.Outcome.Failure = task.Failf(task.KindType, "result: larger than a call can return (%d MiB)", MaxValueBytes>>20)
	case errors.As(err, &fault):
		res.Outcome.Failure = task.Failf(task.KindType, "result: %s", fault)
	default:
		return Result{}, fmt.Errorf("result of %s: %w", fn.Name, err)
	}
	return res, nil
}

// failure says what an error text of the engine means.
func (m *Module) failure(stage int, text string, limits task.Limits) (*task.Failure, error) {
	cause := lastCause(text)
	switch {
	case strings.HasPrefix(cause, textTrap):
		return trapped(cause), nil
	case isHostTrouble(cause):
		return nil, fmt.Errorf("WebAssembly engine: %s", cut(cause, 300))
	case stage == C.IPVM_STAGE_CALL && strings.HasPrefix(cause, textHostcallFuel):
		return tooLargeResult(), nil
	case stage == C.IPVM_STAGE_CALL:
		return trapped(cause), nil
	case strings.Contains(cause, textMemoryMinimum):
		return task.Failf(task.KindOutOfMemory, "the module starts with more memory than the limit of %d bytes: %s", limits.Memory, cause), nil
	case strings.Contains(cause, textTableMinimum), strings.HasPrefix(cause, textCount):
		return task.Failf(task.KindUnsupported, "the module needs more than a guest may have here: %s", cause), nil
	case stage == C.IPVM_STAGE_INSTANTIATE && strings.Contains(cause, textIncompatible): // the direct path does not look at these before
		return task.Failf(task.KindMalformed, "a core module is given something of another type than it imports: %s", cut(cause, 300)), nil
	case stage == C.IPVM_STAGE_INSTANTIATE && trapCode(cause) == task.TrapABI: // what a start function gave a host function
		return trapped(cause), nil
	}
	return nil, fmt.Errorf("WebAssembly engine: %s", cut(cause, 300))
}

// tooLargeResult is the failure of a result that the engine's component model
// does not pass on.
func tooLargeResult() *task.Failure {
	return task.Failf(task.KindType, "result: larger than a component of unusual shape can return: about 3 MiB of list<u8>")
}

// outcome takes a function's own result apart: ok and error are the task's.
func outcome(t *wit.Type, v ipld.Value) task.Outcome {
	if t == nil || t.Kind != wit.Result {
		return task.Outcome{Value: v}
	}
	e, _ := v.Sole()
	if e.Key == "ok" {
		return task.Outcome{Value: e.Value}
	}
	return task.Outcome{Failure: guestError(e.Value)}
}

func guestError(v ipld.Value) *task.Failure {
	return &task.Failure{Kind: task.KindGuest, Value: v, Message: "the function returned an error"}
}
