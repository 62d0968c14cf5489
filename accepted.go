package ipvm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// ErrNoService reports that nothing stays to run what it accepts: the owner of
// the state directory does not serve.
var ErrNoService = rpc.ErrNoService

// Submit accepts w: when it returns, the workflow will be run to its end by the
// node of this state directory, whatever becomes of this process or that one. The
// error wraps [ErrNoService] if none serves.
func (n *Node) Submit(ctx context.Context, w *Workflow, o runs.Options) (runs.Run, error) {
	if o.Authority == nil {
		o.Authority = w.Workflow().Signature
	}
	return n.Backend().Submit(ctx, w, o)
}

// errSignedLater is why a signed workflow is not accepted.
var errSignedLater = errors.New("a signed workflow runs only while who submits it waits (ipvm run)")

// judge tells on whose behalf an accepted workflow runs.
func (o *owner) judge(_ *graph.Graph, authority []byte) (did.DID, error) {
	if len(authority) > 0 {
		return "", errSignedLater
	}
	return "", nil
}

// Submit accepts a workflow.
func (o *owner) Submit(ctx context.Context, g *graph.Graph, opts runs.Options) (runs.Run, error) {
	if !o.serving.Load() {
		return runs.Run{}, ErrNoService
	}
	return o.runs.Submit(ctx, g, opts)
}

// RunOf returns how the latest accepted run of a workflow stands.
func (o *owner) RunOf(_ context.Context, workflow ipld.Link) (runs.Run, error) {
	return o.runs.Get(workflow)
}

// JobsOf returns what its jobs came to.
func (o *owner) JobsOf(_ context.Context, workflow ipld.Link) ([]runs.Job, error) {
	return o.runs.Jobs(workflow)
}

// Runs calls yield with the latest run of each accepted workflow.
func (o *owner) Runs(_ context.Context, after ipld.Link, unfinished bool, yield func(runs.Run) bool) error {
	if !unfinished {
		return o.runs.List(after, yield)
	}
	open, err := o.runs.Unfinished()
	for _, r := range open {
		if r.Workflow.Key() > after.Key() && !yield(r) {
			break
		}
	}
	return err
}

// Watch tells the events of an accepted run.
func (o *owner) Watch(ctx context.Context, workflow ipld.Link, after runs.Position, yield func(runs.Event) bool) error {
	return o.runs.Watch(ctx, workflow, after, yield)
}

// Direct suspends, resumes or cancels an accepted run.
func (o *owner) Direct(ctx context.Context, workflow ipld.Link, what rpc.Direction) (runs.Run, error) {
	switch what {
	case rpc.Suspend:
		return o.runs.Suspend(ctx, workflow)
	case rpc.Cancel:
		return o.runs.Cancel(ctx, workflow)
	case rpc.Resume:
		if !o.serving.Load() {
			return runs.Run{}, ErrNoService
		}
		return o.runs.Resume(ctx, workflow)
	}
	return runs.Run{}, fmt.Errorf("a run can not be directed to %q", what)
}

// Submit has the owner accept a workflow.
func (s steady) Submit(ctx context.Context, g *graph.Graph, o runs.Options) (runs.Run, error) {
	return again(ctx, s.node, func(b rpc.Backend) (runs.Run, error) { return b.Submit(ctx, g, o) })
}

// RunOf returns how the latest accepted run of a workflow stands.
func (s steady) RunOf(ctx context.Context, workflow ipld.Link) (runs.Run, error) {
	return again(ctx, s.node, func(b rpc.Backend) (runs.Run, error) { return b.RunOf(ctx, workflow) })
}

// JobsOf returns what its jobs came to.
func (s steady) JobsOf(ctx context.Context, workflow ipld.Link) ([]runs.Job, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]runs.Job, error) { return b.JobsOf(ctx, workflow) })
}

// Direct suspends, resumes or cancels an accepted run.
func (s steady) Direct(ctx context.Context, workflow ipld.Link, what rpc.Direction) (runs.Run, error) {
	return again(ctx, s.node, func(b rpc.Backend) (runs.Run, error) { return b.Direct(ctx, workflow, what) })
}

// Runs lists accepted runs; those of the next owner go on where those of the one
// before ended.
func (s steady) Runs(ctx context.Context, after ipld.Link, unfinished bool, yield func(runs.Run) bool) error {
	_, err := again(ctx, s.node, func(b rpc.Backend) (struct{}, error) {
		return struct{}{}, b.Runs(ctx, after, unfinished, func(r runs.Run) bool {
			after = r.Workflow
			return yield(r)
		})
	})
	return err
}

// Watch tells the events of an accepted run; those of the next owner, in which it
// is another attempt, follow those of the one before.
func (s steady) Watch(ctx context.Context, workflow ipld.Link, after runs.Position, yield func(runs.Event) bool) error {
	_, err := again(ctx, s.node, func(b rpc.Backend) (struct{}, error) {
		return struct{}{}, b.Watch(ctx, workflow, after, func(ev runs.Event) bool {
			if ev.At.Seq > 0 {
				after = ev.At
			}
			return yield(ev)
		})
	})
	return err
}
