package ipvm

import (
	"context"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// function is one function of one module.
type function struct {
	module ipld.Link
	name   string
}

// UsualGas is the median of what the functions that w calls have used before,
// by label. Jobs whose function has no receipt have no entry.
func (n *Node) UsualGas(ctx context.Context, w *Workflow) (map[string]uint64, error) {
	backend := n.Backend()
	used := map[function][]uint64{}
	var failed error
	err := backend.Scan(ctx, func(r *receipt.Signed) bool {
		if !r.Out.OK() {
			return true
		}
		call, ok, err := n.Call(ctx, r.Task)
		if failed = err; err != nil {
			return false
		}
		if ok {
			module, _ := call.Module.AsLink()
			used[function{module, call.Func}] = append(used[function{module, call.Func}], r.Gas)
		}
		return true
	})
	if err != nil || failed != nil {
		return nil, firstError(err, failed)
	}
	usual := map[string]uint64{}
	for i := range w.Len() {
		s := w.Step(i)
		call, err := s.Task.Call()
		if err != nil {
			continue // not a function
		}
		module, _ := call.Module.AsLink()
		about, failure, err := backend.Module(ctx, module)
		if err != nil {
			return nil, err
		}
		if failure != nil {
			continue
		}
		f, err := about.Interface.Find(call.Func)
		if err != nil {
			continue
		}
		if gas := used[function{module, f.Name}]; len(gas) > 0 {
			slices.Sort(gas)
			usual[s.Label] = gas[len(gas)/2]
		}
	}
	return usual, nil
}

// Call returns the call that a task of the store makes. The bool is false for
// a task that is not in the store or calls no function.
func (n *Node) Call(ctx context.Context, id task.ID) (task.Call, bool, error) {
	data, err := n.Backend().Block(ctx, id.Link)
	if isMissing(err) {
		return task.Call{}, false, nil
	}
	if err != nil {
		return task.Call{}, false, err
	}
	t, err := task.Parse(data)
	if err != nil || t.Command != task.CommandRun {
		return task.Call{}, false, err
	}
	call, err := t.Call()
	return call, err == nil, err
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
