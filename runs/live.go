package runs

import (
	"context"
	"errors"
	"sync"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/store"
)

// live is a run that this process drives or is about to.
type live struct {
	hold   *store.Hold
	record *record // as it was when the attempt began
	// promised tells that the run went well before, durably: who asks for it again
	// need not wait for the disk.
	promised bool
	weight   uint64 // of what is kept of it now; guarded by the keeper's mu

	mu     sync.Mutex
	run    Run
	events []Event
	jobs   []Job         // those that have settled, in that order
	change chan struct{} // closed at the next event
	done   chan struct{} // closed at the end
	err    error         // why the end could not be kept; [ErrClosed] if there was none
	cancel context.CancelCauseFunc
	cause  error           // why it is to stop, where that came before cancel
	ctx    context.Context // of what drives it; nil before
}

func newLive(r *record) *live {
	l := &live{record: r, run: r.Run, change: make(chan struct{}), done: make(chan struct{})}
	l.add(Event{Kind: Started})
	return l
}

// setCancel gives l the means to be stopped.
func (l *live) setCancel(ctx context.Context, cancel context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ctx = ctx
	if l.cancel = cancel; l.cause != nil {
		cancel(l.cause)
	}
}

// stop makes what drives l end.
func (l *live) stop(cause error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cause = cause; l.cancel != nil {
		l.cancel(cause)
	}
}

// listen takes in an event of the engine.
func (l *live) listen(ev engine.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch ev.Kind {
	case engine.JobStarted:
		l.add(Event{Kind: JobStarted, Label: ev.Label})
	case engine.JobSettled:
		if ev.Job.Status == engine.JobCancelled && l.goesOn() {
			return
		}
		j := jobOf(ev.Job)
		l.jobs = append(l.jobs, j)
		l.run.Settled++
		l.add(Event{Kind: JobSettled, Label: ev.Label, Job: &j, Outcome: atHand(ev.Job)})
	}
}

// goesOn tells whether l is stopped for now only: it was suspended, or the node
// stops. What is given up then has not come to its end. The caller holds mu.
func (l *live) goesOn() bool {
	cause := context.Cause(l.ctx)
	return errors.Is(cause, errSuspend) || errors.Is(cause, ErrClosed)
}

// add puts down an event and wakes who watches. The caller holds mu, or is alone.
func (l *live) add(ev Event) {
	if ev.Kind == Started || ev.Kind == Ended {
		run := l.run
		ev.Run = &run
	}
	if seq := seqOf(ev.Kind, len(l.jobs)); seq > 0 {
		ev.At = Position{Attempt: l.run.Attempt, Seq: seq}
	}
	l.events = append(l.events, ev)
	close(l.change)
	l.change = make(chan struct{})
}

// seqOf is the number of an event within its attempt when so many jobs have
// settled, itself included; 0 for an event that has none.
func seqOf(kind EventKind, settled int) uint64 {
	switch kind {
	case Started:
		return 1
	case JobSettled:
		return uint64(settled) + 1
	case Ended:
		return uint64(settled) + 2
	}
	return 0
}

// close puts down the end of the run, which is kept unless err says otherwise.
// The jobs are all that settled, some of which may not have been told.
func (l *live) close(run Run, jobs []Job, err error) {
	l.mu.Lock()
	for i := len(l.jobs); i < len(jobs); i++ {
		l.jobs = jobs[:i+1]
		l.add(Event{Kind: JobSettled, Label: jobs[i].Label, Job: &jobs[i]})
	}
	l.run = run
	if err == nil && run.State.Over() {
		l.add(Event{Kind: Ended})
	}
	l.mu.Unlock()
	l.end(err)
}

// end tells who waits that nothing more will come.
func (l *live) end(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.err = err
	close(l.done)
}

// wait returns how the run stands when it has stopped.
func (l *live) wait(ctx context.Context) (Run, error) {
	select {
	case <-l.done:
	case <-ctx.Done():
		return Run{}, context.Cause(ctx)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run, l.err
}

func (l *live) snapshot() Run {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.run
}

func (l *live) settled() []Job {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.jobs[:len(l.jobs):len(l.jobs)]
}

// next returns the events from index i on, and channels for what comes next.
func (l *live) next(i int) (events []Event, change, done <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[i:len(l.events):len(l.events)], l.change, l.done
}

// Watch calls yield with the events of a run that come after a position, first those that there were, until the run stops, yield
// returns false or ctx ends. A position in another attempt counts as the beginning.
// A run that was suspended, or whose node stops, ends the events without
// [Ended]; so does the node's closing, whose error is [ErrClosed].
func (k *Keeper) Watch(ctx context.Context, id ID, after Position, yield func(Event) bool) error {
	k.mu.Lock()
	l := k.active[id]
	k.mu.Unlock()
	if l == nil {
		return k.replay(id, after, yield)
	}
	return l.watch(ctx, after, yield)
}

// Attempt is one attempt at a run, whose events are at hand also after its end.
// They take up to a kilobyte for each job until it is dropped.
type Attempt struct {
	keeper *Keeper
	id     ID
	live   *live // nil where another one drives it, or none
}

// SubmitAttempt is [Keeper.Submit] for who watches the run from its beginning.
func (k *Keeper) SubmitAttempt(ctx context.Context, g *graph.Graph, o Options) (Attempt, error) {
	run, l, err := k.submit(ctx, g, o)
	return Attempt{k, run.ID, l}, err
}

// Watch is [Keeper.Watch].
func (a Attempt) Watch(ctx context.Context, after Position, yield func(Event) bool) error {
	if a.live == nil {
		return a.keeper.Watch(ctx, a.id, after, yield)
	}
	return a.live.watch(ctx, after, yield)
}

func (l *live) watch(ctx context.Context, after Position, yield func(Event) bool) error {
	for i := l.index(after); ; {
		events, change, done := l.next(i)
		for _, ev := range events {
			if seen := ev.At.Seq > 0 && ev.At.Attempt == after.Attempt && ev.At.Seq <= after.Seq; !seen && !yield(ev) {
				return nil
			}
		}
		if i += len(events); len(events) > 0 {
			continue
		}
		select {
		case <-change:
		case <-done:
			if more, _, _ := l.next(i); len(more) > 0 {
				continue
			}
			_, err := l.wait(ctx)
			return err
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// index is where the events begin that come after a position.
func (l *live) index(after Position) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if after.Attempt != l.run.Attempt || after.Seq == 0 {
		return 0
	}
	for i, ev := range l.events {
		if ev.At.Seq >= after.Seq {
			return i + 1
		}
	}
	return len(l.events)
}

// replay is Watch for a run that nothing drives: its events are made from what
// was kept.
func (k *Keeper) replay(id ID, after Position, yield func(Event) bool) error {
	r, err := k.load(id)
	if err != nil {
		return err
	}
	jobs, err := k.jobs(r)
	if err != nil {
		return err
	}
	if after.Attempt != r.Attempt {
		after = Position{}
	}
	l := newLive(r)
	for i := range jobs {
		l.jobs = jobs[:i+1]
		l.add(Event{Kind: JobSettled, Label: jobs[i].Label, Job: &jobs[i]})
	}
	if r.State.Over() {
		l.add(Event{Kind: Ended})
	}
	for _, ev := range l.events[l.index(after):] {
		if !yield(ev) {
			return nil
		}
	}
	return nil
}
