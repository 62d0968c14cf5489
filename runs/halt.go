package runs

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/task"
)

// errSuspend and errCancel are why a run was stopped.
var (
	errSuspend = errors.New("suspended")
	errCancel  = errors.New("cancelled")
)

// Cancel ends a run: what has not started does not, what is
// running is given up, and what was finished is kept. It is durable when Cancel
// returns. The error wraps [ErrUnknown], or [ErrState] if the run has ended.
func (k *Keeper) Cancel(ctx context.Context, id ID) (Run, error) {
	return k.halt(ctx, id, Cancelled, errCancel)
}

// Suspend puts a run aside until [Keeper.Resume]. What is running
// is given up. It is durable when Suspend returns. The error is as Cancel's.
func (k *Keeper) Suspend(ctx context.Context, id ID) (Run, error) {
	return k.halt(ctx, id, Suspended, errSuspend)
}

// halt keeps that a run is to be in the given state, with what has settled, then stops
// what drives it and waits for that.
func (k *Keeper) halt(ctx context.Context, id ID, state State, cause error) (Run, error) {
	found := k.recall(ctx, id)
	k.mu.Lock()
	l := k.active[id]
	r, err := k.load(id)
	switch {
	case err != nil:
	case k.closed:
		err = ErrClosed
	case r.State == HandedOver:
		err = fmt.Errorf("workflow %s: %w: it was handed over, and resuming takes it back", id.Workflow, ErrState)
	case r.State.Over():
		err = fmt.Errorf("workflow %s: %w: it has ended (%s)", id.Workflow, ErrState, r.State)
	case r.State == state:
	default:
		was := r.weight()
		var jobs []Job
		if jobs, err = k.settled(r, l, found); state == Cancelled {
			var missing error
			jobs, missing = k.withRest(r, jobs)
			err = errors.Join(err, missing)
			r.Ended = k.Now()
		}
		r.State, r.Settled = state, len(jobs)
		err = errors.Join(err, k.put(r, jobs, was))
	}
	k.mu.Unlock()
	if err == nil {
		err = k.Store.Sync(context.WithoutCancel(ctx))
	}
	if err != nil {
		return Run{}, err
	}
	fault.Point("runs.halted")
	if l == nil && r.State.Over() {
		k.forget(id)
	}
	if l == nil {
		return r.Run, nil
	}
	l.stop(cause)
	return l.wait(ctx)
}

// settled is what jobs of r have come to as far as is known: by l, which drives it, by
// its record, or by what was found in receipts. The caller holds mu.
func (k *Keeper) settled(r *record, l *live, found *recalled) ([]Job, error) {
	switch {
	case l != nil:
		return l.settled(), nil
	case r.Settled == 0 && found != nil && found.attempt == r.Attempt:
		r.Attempt++ // who watched the last one was told in another order
		return found.jobs, nil
	}
	return k.jobs(r)
}

// recalled is what jobs came to in an attempt that was cut short.
type recalled struct {
	attempt uint64
	jobs    []Job
}

// recall finds in receipts what the jobs of a run came to that nobody drives and whose
// record does not say, since the process that did was killed; nil if there is none.
func (k *Keeper) recall(ctx context.Context, id ID) *recalled {
	r := k.abandoned(id)
	if r == nil {
		return nil
	}
	g, err := k.document(r)
	var report *engine.Report
	if err == nil {
		report, err = k.Run(ctx, r.For, g, engine.Options{Recall: true, KeepGoing: r.KeepGoing, Authority: r.authority, Brings: r.brings})
	}
	if err != nil {
		k.Log.Warn("runs: how far a workflow had come is not known", "workflow", id.Workflow, "err", err)
		return nil
	}
	found := &recalled{attempt: r.Attempt}
	for i := range report.Jobs {
		if j := &report.Jobs[i]; j.Status == engine.JobOK || j.Receipt.Defined() {
			found.jobs = append(found.jobs, jobOf(j))
		}
	}
	return found
}

// abandoned is the record of a run that nobody drives and that says of none of its jobs what
// it came to; nil if it is no such run.
func (k *Keeper) abandoned(id ID) *record {
	k.mu.Lock()
	defer k.mu.Unlock()
	r, err := k.load(id)
	if err != nil || k.active[id] != nil || r.State != Running || r.Settled > 0 {
		return nil
	}
	return r
}

// Found is what jobs of r came to as far as receipts tell, where nobody drives r and its
// record does not say, since the process that did was killed. Unlike [Keeper.Suspend] it
// changes nothing. It tells whether it has looked: it does not for more than most jobs.
func (k *Keeper) Found(ctx context.Context, r Run, most int) (jobs []Job, looked bool) {
	if k.Known == nil || r.State != Running || r.Settled > 0 || r.Jobs > most {
		return nil, false
	}
	kept := k.abandoned(r.ID)
	if kept == nil {
		return nil, false
	}
	g, err := k.document(kept)
	var all []engine.Forecast
	if err == nil {
		all, err = k.Known(ctx, r.For, g)
	}
	if err != nil {
		k.Log.Warn("runs: how far a workflow had come is not known", "workflow", r.Workflow, "err", err)
	}
	for i := range all {
		if j := all[i].Remembered; j != nil {
			jobs = append(jobs, jobOf(j))
		}
	}
	return jobs, true
}

// Resume takes up a run that was suspended, cancelled or broken, or that failed;
// what has a receipt is not run again. The error wraps [ErrUnknown], or
// [ErrState] if the workflow went well or is in progress.
func (k *Keeper) Resume(ctx context.Context, id ID) (Run, error) {
	l, err := k.again(id, func(s State) bool { return s != OK })
	if err != nil {
		return Run{}, err
	}
	if l == nil {
		r, err := k.Get(id)
		if err == nil {
			err = fmt.Errorf("workflow %s: %w: it is %s", id.Workflow, ErrState, r.State)
		}
		return r, err
	}
	run := l.snapshot()
	if err := k.acknowledge(ctx, l); err != nil {
		return Run{}, err
	}
	k.start(l, nil)
	return run, nil
}

// withRest is jobs with those of r's workflow that have not settled, cancelled.
func (k *Keeper) withRest(r *record, jobs []Job) ([]Job, error) {
	if len(jobs) == r.Jobs {
		return jobs, nil
	}
	g, err := k.document(r)
	if err != nil {
		return jobs, err
	}
	settled := make(map[string]bool, len(jobs))
	for i := range jobs {
		settled[jobs[i].Label] = true
	}
	for i := range g.Len() {
		if label := g.Label(i); !settled[label] {
			jobs = append(jobs, Job{Label: label, Status: engine.JobCancelled, Kind: task.KindCancelled, Message: "not started", Secret: g.Step(i).Secret})
		}
	}
	return jobs, nil
}
