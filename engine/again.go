package engine

import (
	"context"
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// Verdict is what running the task of a receipt again says of the receipt.
type Verdict string

// The verdicts.
const (
	Same      Verdict = "same"
	Different Verdict = "different"
	Forged    Verdict = "forged" // its signature does not hold, and nothing ran
	// Unclear tells that it can not be said here and now: something is missing, or
	// what the task comes to depends on more than the task.
	Unclear Verdict = "unclear"
)

// Again is what came of running the task of a receipt again.
type Again struct {
	Verdict Verdict
	// Why says what is different or unclear.
	Why string
	// Now is what it came to, where that is Different; its executor is empty.
	Now receipt.Receipt
	// Kept is the receipt of Now that was kept as evidence, if one was.
	Kept ipld.Link

	blocks  []ipld.Block // of Now's output
	message string       // of its failure
}

func unclear(format string, args ...any) Again {
	return Again{Verdict: Unclear, Why: fmt.Sprintf(format, args...)}
}

// Rerun runs the task of a receipt again, under the limits of the receipt and in
// fresh memory, and compares: the outcome, and the gas where it is counted by the
// same schedule. Nothing is recalled, fetched or kept. Blocks come from block,
// whose error wraps [store.ErrNotFound] where there is none. A task that asks for
// more than most, or takes longer, is unclear.
func Rerun(ctx context.Context, w *wasm.Engine, block func(ipld.Link) ([]byte, error), r *receipt.Signed, most task.Limits) (Again, error) {
	return rerun(ctx, &Engine{Config: Config{Wasm: w}}, block, r, most)
}

// rerun is [Rerun] by an engine, of which nothing is used but what calls functions.
func rerun(ctx context.Context, e *Engine, block func(ipld.Link) ([]byte, error), r *receipt.Signed, most task.Limits) (Again, error) {
	if err := r.Verify(); err != nil {
		return Again{Verdict: Forged, Why: fmt.Sprintf("its signature does not hold: %v", err)}, nil
	}
	limits := task.Limits{Gas: r.Limits.Gas, Memory: r.Limits.Memory, Time: most.Time}
	switch {
	case !r.Remembered():
		return unclear("an outcome of kind %s is of its moment, and never remembered", r.Out.Failure.Kind), nil
	case limits.Gas > most.Gas:
		return unclear("it ran with %d gas, and %d is the most here (max-gas)", limits.Gas, most.Gas), nil
	case limits.Memory > receipt.RoundMemory(most.Memory):
		return unclear("it ran with %d bytes of memory, and %d are the most here (max-memory)", limits.Memory, most.Memory), nil
	}
	sp := space{Memory: onlyBlocks{block: block}}
	c, why, err := calledBy(sp, r.Task)
	if err != nil || why != "" {
		return unclear("%s", why), err
	}
	if c, why, err = e.loaded(ctx, sp, c); err != nil || why != "" {
		return unclear("%s", why), err
	}
	c.subject = quarantine.Subject{Task: c.id, Module: c.module, Func: c.fun.Name}
	if failure := e.Quarantine.Refuses(c.subject); failure != nil {
		return unclear("%s", failure.Message), nil
	}
	result, _, err := e.call(ctx, sp, c, limits)
	if err != nil {
		return Again{}, err
	}
	return compareRuns(ctx, r, result, limits)
}

// onlyBlocks is a memory of which nothing but blocks is asked.
type onlyBlocks struct {
	Memory
	block func(ipld.Link) ([]byte, error)
}

func (m onlyBlocks) Block(l ipld.Link) ([]byte, error) { return m.block(l) }

// calledBy is the call that a task makes, as far as its block tells, or why there
// is none.
func calledBy(m Memory, id task.ID) (call, string, error) {
	data, err := m.Block(id.Link)
	if missing(err) {
		return call{}, "its task is not here: " + err.Error(), nil
	}
	if err != nil {
		return call{}, "", err
	}
	t, err := task.Parse(data)
	if err != nil {
		return call{}, "its task is none: " + err.Error(), nil
	}
	if t.Command != task.CommandRun {
		return call{}, "its task is no call of a function but " + string(t.Command), nil
	}
	asked, err := t.Call()
	if err != nil {
		return call{}, "its task is none: " + err.Error(), nil
	}
	c := call{id: id}
	var ok bool
	promises, err := task.Promises(asked.Params)
	if c.module, ok = asked.Module.AsLink(); !ok || err != nil || len(promises) > 0 {
		return call{}, "its task is as a document has it, before what it waits for was known", nil
	}
	c.fun.Name = asked.Func
	c.params = task.Unescape(asked.Params).Elems()
	return c, "", nil
}

// loaded is c with the type of its function, or why there is none.
func (e *Engine) loaded(ctx context.Context, sp space, c call) (call, string, error) {
	module, failure, err := e.load(ctx, e.content(ctx, sp), c.module)
	if err != nil {
		return c, "", err
	}
	if failure != nil {
		return c, failure.Message, nil
	}
	defer module.Close()
	for _, f := range module.Interface().Funcs {
		if f.Name == c.fun.Name {
			c.fun = f
			return c, "", nil
		}
	}
	return c, fmt.Sprintf("the module has no function named exactly %q", c.fun.Name), nil
}

// compareRuns holds what came of a run against the receipt of another one.
func compareRuns(ctx context.Context, r *receipt.Signed, result wasm.Result, limits task.Limits) (Again, error) {
	if f := result.Outcome.Failure; f != nil {
		switch f.Kind {
		case task.KindCancelled:
			return Again{}, context.Cause(ctx)
		case task.KindTimeout:
			return unclear("it took longer than %v, and a receipt does not tell how long it may", limits.Time), nil
		case task.KindNotFound, task.KindLost, task.KindUnsupported:
			return unclear("%s", f.Message), nil
		}
	}
	now, out, blocks, err := claim(r.Task, result, limits)
	if err != nil {
		return Again{}, err
	}
	what := "the outcome"
	same, schedule := now.SameOut(&r.Receipt), now.Schedule == r.Schedule
	switch {
	case same && (!schedule || now.Gas == r.Gas):
		return Again{Verdict: Same}, nil
	case !schedule && (outOfGas(&now) || outOfGas(&r.Receipt)):
		return unclear("it ran out of gas counted by the schedule %s, and here it is %s", r.Schedule, now.Schedule), nil
	case !now.Remembered() && now.Out.Failure.Kind == task.KindTrap:
		return unclear("it trapped now for want of what this process has (%s)", now.Out.Failure.Trap), nil
	case same:
		what = "the gas that it used"
	}
	a := Again{Verdict: Different, Why: what, Now: now, blocks: blocks}
	if !out.OK() {
		a.message = out.Failure.Message
	}
	return a, nil
}

func outOfGas(r *receipt.Receipt) bool {
	return !r.Out.OK() && r.Out.Failure.Kind == task.KindOutOfGas
}

// Rerun is the function [Rerun] in the queue of e, with the time that the task may
// take. Where the receipt turns out to be wrong, keep is given what e came to,
// signed by e: the evidence by which the wrong one counts no more, if it is e's
// own. Nil keeps nothing.
func (e *Engine) Rerun(ctx context.Context, block func(ipld.Link) ([]byte, error), keep func(store.Batch) error, r *receipt.Signed, limit time.Duration) (Again, error) {
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return Again{}, err
	}
	defer leave()
	most := e.most()
	done, err := e.workers.borrow(ctx, min(r.Limits.Memory, most.Memory))
	if err != nil {
		return Again{}, err
	}
	defer done()
	most.Time = min(limit, most.Time)
	a, err := rerun(ctx, e, block, r, most)
	if err != nil || a.Verdict != Different || keep == nil || !a.Now.Remembered() {
		return a, err
	}
	b, signed, err := e.testify(a)
	if err == nil {
		err = keep(b)
	}
	if err != nil {
		return a, fmt.Errorf("keep what the task came to: %w", err)
	}
	a.Kept = signed.Link()
	return a, nil
}

// testify signs what a run came to.
func (e *Engine) testify(a Again) (store.Batch, *receipt.Signed, error) {
	now := a.Now
	now.Executor = e.Key.DID()
	signed, err := receipt.Issue(e.Key, now)
	if err != nil {
		return store.Batch{}, nil, err
	}
	notes, err := Note{Receipt: signed.Link(), Message: a.message}.about(now.Task)
	return store.Batch{Blocks: a.blocks, Receipts: []*receipt.Signed{signed}, Notes: notes}, signed, err
}
