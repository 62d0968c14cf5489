package ipvm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// Explanation says why a task is remembered, or what stands nearest to it.
type Explanation struct {
	Task   task.ID
	Limits task.Limits
	// Hit is the receipt that answers; nil when none does.
	Hit *receipt.Signed
	// Trusted tells that it is another node's.
	Trusted bool
	// Passed are receipts about this very task that do not answer, and why.
	Passed []Passed
	// Nearest is the remembered task of the same function whose arguments
	// differ in the fewest places; undefined when there is none.
	Nearest task.ID
	// Differences are the places where Nearest differs.
	Differences []Difference
	// OtherModule tells that Nearest calls the function of the same name in
	// another module.
	OtherModule ipld.Link
}

// Passed is a receipt that was passed over.
type Passed struct {
	Receipt *receipt.Signed
	Why     string
}

// Difference is one place where the arguments of two calls differ.
type Difference struct {
	Path       string // /0/name, from the list of parameters
	Here, Else ipld.Value
}

// Explain tells why step i of w would be remembered or run. The forecast is
// that of Preview for this step.
func (n *Node) Explain(ctx context.Context, f engine.Forecast) (*Explanation, error) {
	e := &Explanation{Task: f.Task, Limits: f.Limits}
	own, err := n.DID(ctx)
	if err != nil {
		return nil, err
	}
	evidence, err := n.Backend().Receipts(ctx, f.Task)
	if err != nil {
		return nil, err
	}
	counts, why := map[did.DID]bool{own: true}, map[did.DID]string{}
	for _, r := range evidence {
		if _, known := counts[r.Executor]; known {
			continue
		}
		w, err := n.Backend().Word(ctx, r.Executor, f.Task)
		if err != nil {
			return nil, err
		}
		if counts[r.Executor] = w.Counts; w.Why != "" {
			why[r.Executor] = ": " + w.Why
		}
	}
	for _, r := range evidence {
		switch {
		case f.Remembered != nil && r.Link() == f.Remembered.Receipt:
			e.Hit, e.Trusted = r, r.Executor != own
		case !counts[r.Executor]:
			e.Passed = append(e.Passed, Passed{r, "it is signed by " + string(r.Executor) + ", whom this node does not trust" + why[r.Executor]})
		case contradicted(r, evidence, counts):
			e.Passed = append(e.Passed, Passed{r, "another receipt contradicts it that would count as well"})
		default:
			e.Passed = append(e.Passed, Passed{r, whyNot(r, f.Limits)})
		}
	}
	if e.Hit == nil && f.Call != nil {
		err = n.nearest(ctx, *f.Call, e)
	}
	return e, err
}

// contradicted tells whether r stands against a receipt of one who counts.
func contradicted(r *receipt.Signed, evidence receipt.Evidence, counts map[did.DID]bool) bool {
	for _, o := range evidence {
		if counts[o.Executor] && len(receipt.Evidence{o, r}.Conflicts()) > 0 {
			return true
		}
	}
	return false
}

// whyNot says why a receipt that could count does not answer under limits.
func whyNot(r *receipt.Signed, limits task.Limits) string {
	switch {
	case !r.Remembered():
		return fmt.Sprintf("an outcome of kind %s is never remembered", r.Out.Failure.Kind)
	case r.Schedule != wasm.Schedule:
		return fmt.Sprintf("its gas is counted by the schedule %s, now it is %s", r.Schedule, wasm.Schedule)
	case r.Limits.Memory != receipt.RoundMemory(limits.Memory):
		return fmt.Sprintf("it ran with a memory limit of %d bytes, now it is %d", r.Limits.Memory, limits.Memory)
	case !r.Out.OK() && r.Out.Failure.Kind == task.KindOutOfGas:
		return fmt.Sprintf("it ran out of %d gas, now the limit is %d", r.Limits.Gas, limits.Gas)
	case !r.Out.OK() && r.Out.Failure.Kind == task.KindTrap && limits.Gas < r.Limits.Gas:
		return fmt.Sprintf("it trapped under a limit of %d gas; under %d its gas may have run out before", r.Limits.Gas, limits.Gas)
	case r.Gas >= limits.Gas:
		return fmt.Sprintf("it used %d gas, which the limit of %d does not allow", r.Gas, limits.Gas)
	}
	return "its value is no longer whole in the store"
}

// nearest finds the remembered call that differs least from want.
func (n *Node) nearest(ctx context.Context, want task.Call, e *Explanation) error {
	var failed error
	err := n.Backend().Scan(ctx, func(r *receipt.Signed) bool {
		if !r.Remembered() || r.Task == e.Task {
			return true
		}
		call, ok, err := n.Call(ctx, r.Task)
		if failed = err; err != nil {
			return false
		}
		if !ok || call.Func != want.Func {
			return true
		}
		var other ipld.Link
		if !call.Module.Equal(want.Module) {
			other, _ = call.Module.AsLink()
		}
		diff := differences("", want.Params, call.Params, nil)
		better := !e.Nearest.Defined() || len(diff) < len(e.Differences) && other.Defined() == e.OtherModule.Defined()
		if better || e.OtherModule.Defined() && !other.Defined() {
			e.Nearest, e.Differences, e.OtherModule = r.Task, diff, other
		}
		return true
	})
	return firstError(err, failed)
}

// maxDifferences bounds the differences that are listed.
const maxDifferences = 64

// differences appends to all the places where a and b differ.
func differences(path string, a, b ipld.Value, all []Difference) []Difference {
	if len(all) >= maxDifferences || a.Equal(b) {
		return all
	}
	switch {
	case a.Kind() == ipld.KindList && b.Kind() == ipld.KindList && a.Len() == b.Len():
		for i, e := range a.Elems() {
			all = differences(fmt.Sprintf("%s/%d", path, i), e, b.Elems()[i], all)
		}
		return all
	case a.Kind() == ipld.KindMap && b.Kind() == ipld.KindMap && a.Len() == b.Len():
		for _, e := range a.Entries() {
			other, ok := b.Lookup(e.Key)
			if !ok {
				return append(all, Difference{path, a, b})
			}
			all = differences(path+"/"+e.Key, e.Value, other, all)
		}
		return all
	}
	return append(all, Difference{path, a, b})
}

// isMissing tells whether err means that a block is not in the store.
func isMissing(err error) bool { return errors.Is(err, store.ErrNotFound) }
