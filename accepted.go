package ipvm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
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
	b := behalf(w, RunOptions{Authority: o.Authority, Brings: o.Brings})
	o.Authority, o.Brings = b.Authority, b.Brings
	return n.Backend().Submit(ctx, w, o)
}

// accept is judge for a workflow that is submitted: of what was accepted before
// nothing is refused for want of room.
func (o *owner) accept(g *graph.Graph, opts runs.Options) (did.DID, error) {
	who, err := o.judge(g, opts)
	if err == nil {
		err = o.quota.admit(who)
	}
	return who, err
}

// judge tells on whose behalf an accepted workflow runs.
func (o *owner) judge(g *graph.Graph, opts runs.Options) (did.DID, error) {
	switch {
	case opts.Unsigned:
		return engine.Anyone, mayRunOpen(g)
	case opts.Offered != "":
		return opts.Offered, o.mayVisit(opts.Offered, g)
	case len(opts.Authority) == 0:
		return "", nil
	}
	permit, err := o.guard.Judge(opts.Authority, g)
	var performed *authority.Performed
	switch {
	case errors.As(err, &performed) && performed.Running != nil: // which is what is asked for
		return o.behalf(performed.Permit), nil
	case errors.As(err, &performed):
		return o.behalf(performed.Permit), fmt.Errorf("%w: %w", runs.ErrPerformed, o.denied(opts.Authority, err))
	case err != nil:
		return "", o.denied(opts.Authority, err)
	}
	return o.behalf(permit), nil
}

// behalf is on whose behalf a permit lets workflows run; empty is the owner.
func (o *owner) behalf(p *authority.Permit) did.DID {
	if p.Issuer() == o.key.DID() {
		return ""
	}
	return p.Issuer()
}

// perform runs an accepted workflow.
func (o *owner) perform(ctx context.Context, who did.DID, g *graph.Graph, opts engine.Options) (*engine.Report, error) {
	if who == engine.Anyone {
		opts.Permit = engine.Unsigned
		return o.Engine.Run(ctx, g, opts)
	}
	run := o.run
	if who != "" && len(opts.Authority) == 0 {
		run = func(ctx context.Context, g *graph.Graph, opts engine.Options) (*engine.Report, error) {
			return o.visit(ctx, who, g, opts)
		}
	}
	report, err := run(ctx, g, opts)
	if errors.Is(err, ErrDenied) {
		err = fmt.Errorf("%w: %w", runs.ErrRefused, err)
	}
	return report, err
}

// Submit accepts a workflow.
func (o *owner) Submit(ctx context.Context, g *graph.Graph, opts runs.Options) (runs.Run, error) {
	if !opts.Suspended && !o.serving.Load() {
		return runs.Run{}, ErrNoService
	}
	return o.runs.Submit(ctx, g, opts)
}

// RunOf returns how an accepted run stands.
func (o *owner) RunOf(ctx context.Context, id runs.ID) (runs.Run, error) {
	r, err := o.runs.Get(id)
	if err != nil {
		return r, err
	}
	if jobs, looked := o.runs.Found(ctx, r, r.Jobs); looked {
		r.Settled = len(jobs)
	}
	return r, nil
}

// Submission returns an accepted run with what it was submitted with.
func (o *owner) Submission(_ context.Context, id runs.ID) (runs.Submission, error) {
	return o.runs.Submission(id)
}

// JobsOf returns what its jobs came to.
func (o *owner) JobsOf(ctx context.Context, id runs.ID) ([]runs.Job, error) {
	jobs, err := o.runs.Jobs(id)
	if err != nil || len(jobs) > 0 {
		return jobs, err
	}
	r, err := o.runs.Get(id)
	if err != nil {
		return nil, err
	}
	jobs, _ = o.runs.Found(ctx, r, r.Jobs)
	return jobs, nil
}

// foundInList bounds for how many jobs of all runs in one list it is looked what they came
// to, where their records do not say.
const foundInList = 10_000

// Runs calls yield with accepted runs.
func (o *owner) Runs(ctx context.Context, q runs.Query, yield func(runs.Run) bool) error {
	left := foundInList
	return o.runs.List(q, func(r runs.Run) bool {
		if jobs, looked := o.runs.Found(ctx, r, left); looked {
			r.Settled, left = len(jobs), left-r.Jobs
		}
		return yield(r)
	})
}

// known tells which jobs of g are remembered to who.
func (o *owner) known(ctx context.Context, who did.DID, g *graph.Graph) ([]engine.Forecast, error) {
	opts := engine.Options{Recall: true}
	if who != "" {
		opts.Permit = onBehalf(who)
	}
	return o.Engine.Preview(ctx, g, opts)
}

// Watch tells the events of an accepted run.
func (o *owner) Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error {
	return o.runs.Watch(ctx, id, after, yield)
}

// Direct suspends, resumes or cancels an accepted run.
func (o *owner) Direct(ctx context.Context, id runs.ID, what rpc.Direction) (runs.Run, error) {
	switch what {
	case rpc.Suspend:
		return o.runs.Suspend(ctx, id)
	case rpc.Cancel:
		return o.runs.Cancel(ctx, id)
	case rpc.HandOver:
		return o.runs.HandOver(ctx, id)
	case rpc.Resume:
		if !o.serving.Load() {
			return runs.Run{}, ErrNoService
		}
		return o.runs.Resume(ctx, id)
	}
	return runs.Run{}, fmt.Errorf("a run can not be directed to %q", what)
}

// Submit has the owner accept a workflow.
func (s steady) Submit(ctx context.Context, g *graph.Graph, o runs.Options) (runs.Run, error) {
	return again(ctx, s.node, func(b rpc.Backend) (runs.Run, error) { return b.Submit(ctx, g, o) })
}

// RunOf returns how an accepted run stands.
func (s steady) RunOf(ctx context.Context, id runs.ID) (runs.Run, error) {
	return again(ctx, s.node, func(b rpc.Backend) (runs.Run, error) { return b.RunOf(ctx, id) })
}

// JobsOf returns what its jobs came to.
func (s steady) JobsOf(ctx context.Context, id runs.ID) ([]runs.Job, error) {
	return again(ctx, s.node, func(b rpc.Backend) ([]runs.Job, error) { return b.JobsOf(ctx, id) })
}

// Submission returns an accepted run with what it was submitted with.
func (s steady) Submission(ctx context.Context, id runs.ID) (runs.Submission, error) {
	return again(ctx, s.node, func(b rpc.Backend) (runs.Submission, error) { return b.Submission(ctx, id) })
}

// Direct suspends, resumes, cancels or hands over an accepted run.
func (s steady) Direct(ctx context.Context, id runs.ID, what rpc.Direction) (runs.Run, error) {
	return again(ctx, s.node, func(b rpc.Backend) (runs.Run, error) { return b.Direct(ctx, id, what) })
}

// Runs lists accepted runs; those of the next owner go on where those of the one
// before ended.
func (s steady) Runs(ctx context.Context, q runs.Query, yield func(runs.Run) bool) error {
	_, err := again(ctx, s.node, func(b rpc.Backend) (struct{}, error) {
		return struct{}{}, b.Runs(ctx, q, func(r runs.Run) bool {
			q.After = r.Place()
			return yield(r)
		})
	})
	return err
}

// Watch tells the events of an accepted run; those of the next owner, in which it
// is another attempt, follow those of the one before.
func (s steady) Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error {
	_, err := again(ctx, s.node, func(b rpc.Backend) (struct{}, error) {
		return struct{}{}, b.Watch(ctx, id, after, func(ev runs.Event) bool {
			if ev.At.Seq > 0 {
				after = ev.At
			}
			return yield(ev)
		})
	})
	return err
}
