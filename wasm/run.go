//go:build cgo

package wasm

// #include "guest.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"runtime/cgo"
	"strings"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// slot is the place of one running call.
type slot struct {
	call    C.ipvm_call
	stopped atomic.Int32 // 1: the call ends at its next tick
	lower   lowerer
}

// stop ends the call in the slot. Any goroutine may call it.
func (s *slot) stop() { s.stopped.Store(1) }

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
		return failed(task.Failf(task.KindNotFound, "%s", m.notFound(call.Func))), nil
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
	defer func() { m.e.slots <- s }()
	return m.run(ctx, s, i, call)
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

// run lowers the arguments, calls and lifts the result.
func (m *Module) run(ctx context.Context, s *slot, i int, call Call) (Result, error) {
	fn := &m.s.face.Funcs[i]
	if f := s.arguments(fn, call.Params); f != nil {
		return failed(f), nil
	}
	log := &guestLog{to: call.Log}
	l, err := m.place(call.Limits.Memory)
	if err != nil {
		return Result{}, err
	}
	m.enter(ctx, s, l, i, call, log)
	defer s.free()
	return m.result(ctx, s, fn, call, log)
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

// enter makes the one call into C.
func (m *Module) enter(ctx context.Context, s *slot, l *loaded, i int, call Call, log *guestLog) {
	count := max(m.s.mem.count, 1)
	share := min(call.Limits.Memory, MaxMemory) / uint64(count)
	s.call = C.ipvm_call{
		gas: C.uint64_t(call.Limits.Gas), memory: C.int64_t(share), memories: C.int64_t(count),
		table_elements: MaxTableElements, tables: MaxTables, instances: MaxInstances,
		time: C.uint64_t(call.Limits.Time), max_result: MaxValueBytes,
		nargs: C.uint32_t(len(call.Params)),
	}
	if m.s.face.Funcs[i].Result != nil {
		s.call.nresults = 1
	}
	if call.Log != nil && len(m.s.binds) > 0 {
		h := cgo.NewHandle(log)
		defer h.Delete()
		s.call.handle = C.uint64_t(h)
	}
	s.stopped.Store(0)
	if m.e.stopping.Load() { // Close sets it before it looks at the slots
		s.stop()
	}
	if ctx.Done() != nil {
		ended := make(chan struct{})
		cancel := context.AfterFunc(ctx, func() {
			s.stop()
			close(ended)
		})
		defer func() {
			if !cancel() {
				<-ended // else it would stop the slot's next call
			}
		}()
	}
	m.e.running()
	defer m.e.active.Add(-1)
	in := s.lower.buf
	C.ipvm_run(&l.c, l.exports[i], &s.call, (*C.int32_t)(unsafe.Pointer(&s.stopped)), (*C.uint8_t)(unsafe.Pointer(unsafe.SliceData(in))), C.size_t(len(in)))
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

// result says what the call came to. The order matters: what we did ourselves
// first, then gas (RULES 11), then what the engine says.
func (m *Module) result(ctx context.Context, s *slot, fn *wit.Func, call Call, log *guestLog) (Result, error) {
	c := &s.call
	res := Result{Gas: call.Limits.Gas - uint64(c.gas_left), Time: time.Duration(c.nanos)}
	fail := func(f *task.Failure) (Result, error) {
		res.Outcome.Failure = f
		return res, nil
	}
	switch c.why {
	case C.IPVM_WHY_STOPPED, C.IPVM_WHY_TIMEOUT:
		res.Gas = 0
		switch {
		case c.why == C.IPVM_WHY_TIMEOUT:
			return fail(task.Failf(task.KindTimeout, "the time limit of %s was reached", call.Limits.Time))
		case ctx.Err() == nil:
			return Result{}, ErrClosed
		}
		return fail(cancelled(ctx))
	case C.IPVM_WHY_HOST:
		return Result{}, fmt.Errorf("host function: %w", log.failure(s.text()))
	case C.IPVM_WHY_INTERNAL:
		return Result{}, fmt.Errorf("call of %s: arguments did not reach the engine", fn.Name)
	}
	switch {
	case c.gas_left == 0:
		return fail(task.Failf(task.KindOutOfGas, "the gas limit of %d was reached", call.Limits.Gas))
	case c.has_error != 0:
		f, err := m.failure(int(c.stage), s.text(), call.Limits)
		if err != nil {
			return Result{}, err
		}
		res.StackExhausted = f.Trap == TrapStackOverflow
		return fail(f)
	case c.why == C.IPVM_WHY_TOO_LARGE:
		return fail(tooLargeResult())
	case fn.Result == nil:
		return res, nil
	}
	v, err := liftAll(fn.Result, s.data())
	var fault *wit.Fault
	switch {
	case errors.As(err, &fault):
		return fail(task.Failf(task.KindType, "result: %s", fault))
	case err != nil:
		return Result{}, fmt.Errorf("result of %s: %w", fn.Name, err)
	}
	res.Outcome = outcome(fn.Result, v)
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
	}
	return nil, fmt.Errorf("WebAssembly engine: %s", cut(cause, 300))
}

func tooLargeResult() *task.Failure {
	return task.Failf(task.KindType, "result: larger than a call can return: about 3 MiB of list<u8>")
}

// outcome takes a function's own result apart: ok and error are the task's.
func outcome(t *wit.Type, v ipld.Value) task.Outcome {
	if t.Kind != wit.Result {
		return task.Outcome{Value: v}
	}
	e, _ := v.Sole()
	if e.Key == "ok" {
		return task.Outcome{Value: e.Value}
	}
	return task.Outcome{Failure: &task.Failure{Kind: task.KindGuest, Value: e.Value, Message: "the function returned an error"}}
}
