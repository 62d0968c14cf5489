package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// wait is one step that waits for tasks of other workflows. It holds no worker
// while it does.
type wait struct {
	promises []workflow.Edge
	wake     func()      // called when all is known that has to be
	names    []named     // under which it hears of them
	timer    *time.Timer // while the step is parked
	secret   bool        // why a task failed is not shown, but only how

	mu    sync.Mutex
	wants map[task.ID]wants // by the ID in the promise
	came  map[task.ID]came  // likewise
	over  bool              // the step can go on, or never will
}

// came is what a task came to, and whether only others say so.
type came struct {
	task.Outcome
	foreign bool
}

// wants is how a task must end: on each of two branches, that some promise asks
// for it.
type wants struct{ ok, failure bool }

func newWait(promises []workflow.Edge, wake func()) *wait {
	w := &wait{promises: promises, wake: wake, wants: make(map[task.ID]wants), came: make(map[task.ID]came)}
	for _, e := range promises {
		of := w.wants[e.Promise.Task]
		of.ok = of.ok || e.Promise.Branch == task.AwaitOK
		of.failure = of.failure || e.Promise.Branch == task.AwaitError
		w.wants[e.Promise.Task] = of
	}
	return w
}

// take notes what the task came to that promises name as id. The step need not
// wait any more when everything came, or something on the other branch.
func (w *wait) take(id task.ID, out came) {
	w.mu.Lock()
	if _, known := w.came[id]; known {
		w.mu.Unlock()
		return
	}
	w.came[id] = out
	of := w.wants[id]
	wake := !w.over && (len(w.came) == len(w.wants) || of.failure && out.OK() || of.ok && !out.OK())
	w.over = w.over || wake
	w.mu.Unlock()
	if wake {
		w.wake()
	}
}

// ready tells whether the step can go on, or never will.
func (w *wait) ready() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.over
}

// goesOn tells whether all that the step awaits came, on the right branches.
func (w *wait) goesOn() bool {
	_, failure := w.blocked(0)
	return failure == nil
}

// certain tells whether what came is what the tasks come to for everyone, by
// this node's own word.
func (w *wait) certain() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, out := range w.came {
		if out.foreign || !certain(out.Outcome) {
			return false
		}
	}
	return true
}

// outcome is what the task came to that promises name as id.
func (w *wait) outcome(id task.ID) (task.Outcome, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out, ok := w.came[id]
	return out.Outcome, ok
}

// blocked is the first promise for which the step can not run by now, and why;
// nil when it can.
func (w *wait) blocked(limit time.Duration) (task.ID, *task.Failure) {
	for _, e := range w.promises {
		id := e.Promise.Task
		out, came := w.outcome(id)
		switch {
		case came && !e.Promise.Meets(out) && out.OK():
			return id, task.Failf(task.KindBranchMismatch, "expected the error of the task %s, which went well", id)
		case came && !e.Promise.Meets(out):
			why := out.Failure.String()
			if w.secret {
				why = string(out.Failure.Kind)
			}
			return id, task.Failf(task.KindBranchMismatch, "expected the result of the task %s, which failed (%s)", id, why)
		}
	}
	for _, e := range w.promises {
		if id := e.Promise.Task; !w.has(id) {
			return id, task.Failf(task.KindUpstream, "the task %s of another workflow did not end on this node within %v", id, limit)
		}
	}
	return task.ID{}, nil
}

func (w *wait) has(id task.ID) bool {
	_, ok := w.outcome(id)
	return ok
}

// waits are the steps that wait for tasks of other workflows, by every ID under
// which what they wait for may end.
type waits struct {
	mu sync.Mutex
	// of counts the entries of by: who ends a task that nobody waits for need not
	// lock.
	of atomic.Int64
	by map[task.ID]map[waiting]struct{}
}

// waiting is one step that waits, for what its promises name as id.
type waiting struct {
	*wait
	id task.ID
}

// named is a task that promises name as id, under one of its names.
type named struct{ name, id task.ID }

// enter makes w hear of the task name as of the one that its promises name as
// id.
func (ws *waits) enter(w *wait, name, id task.ID) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	if ws.by == nil {
		ws.by = make(map[task.ID]map[waiting]struct{})
	}
	if ws.by[name] == nil {
		ws.by[name] = make(map[waiting]struct{})
	}
	ws.by[name][waiting{w, id}] = struct{}{}
	ws.of.Add(1)
	w.names = append(w.names, named{name, id})
}

// leave makes w hear no more.
func (ws *waits) leave(w *wait) {
	ws.mu.Lock()
	defer ws.mu.Unlock()
	for _, n := range w.names {
		delete(ws.by[n.name], waiting{w, n.id})
		if len(ws.by[n.name]) == 0 {
			delete(ws.by, n.name)
		}
	}
	ws.of.Add(-int64(len(w.names)))
	w.names = nil
}

// ended tells who waits that the task with these IDs came to out.
func (ws *waits) ended(out came, ids ...task.ID) {
	if ws.of.Load() == 0 {
		return
	}
	ws.mu.Lock()
	var told []waiting
	for _, id := range ids {
		for w := range ws.by[id] {
			told = append(told, w)
		}
	}
	ws.mu.Unlock()
	for _, w := range told {
		w.take(w.id, out)
	}
}

// await looks for what the tasks of other workflows that s awaits came to, as far
// as its circle hears of them. What has not ended by now the wait that is returned
// hears of.
func (e *Engine) await(sp space, s *graph.Step, wake func()) (*wait, error) {
	w := newWait(s.Job.Outside, wake)
	w.secret = s.Secret
	return w, e.lookAll(sp, w)
}

// lookAll gives w what is known by now of the tasks that it has nothing of.
func (e *Engine) lookAll(sp space, w *wait) error {
	for _, p := range w.promises {
		id := p.Promise.Task
		if w.has(id) {
			continue
		}
		out, ok, err := e.look(sp, w, id)
		if err != nil {
			return err
		}
		if ok {
			w.take(id, out)
		}
	}
	return nil
}

// limited tells whether a limit ended the task, so that under a higher one it
// may come to something else.
func limited(out task.Outcome) bool {
	return !out.OK() && (out.Failure.Kind == task.KindOutOfGas || out.Failure.Kind == task.KindOutOfMemory)
}

// remembered is what the receipts in m of exactly id say that count: this node's
// own, else those of others that it trusts.
func (e *Engine) remembered(m Memory, id task.ID) (came, bool, error) {
	all, err := m.Receipts(id)
	if err != nil {
		return came{}, false, err
	}
	own, others := receipt.Evidence(nil), receipt.Evidence(nil)
	t := e.Trusts()
	for _, signed := range all {
		switch {
		case !signed.Remembered() || signed.Schedule != wasm.Schedule:
		case signed.Executor == e.Key.DID():
			own = append(own, signed)
		case t.hears(signed.Executor):
			others = append(others, signed)
		}
	}
	if len(own.Conflicts()) > 0 {
		own = nil
	}
	slices.SortStableFunc(own, compare)
	r, ok, err := e.firstWhole(m, own)
	if ok || err != nil {
		return came{r.outcome, false}, ok, err
	}
	slices.SortStableFunc(others, compare)
	for _, signed := range others {
		q := receipt.Question{Task: id, Call: calls(m, id), Limits: signed.Limits, Schedule: wasm.Schedule}
		if !slices.Contains(e.accepted(all, q), signed) {
			continue
		}
		if r, ok, err = e.firstWhole(m, receipt.Evidence{signed}); ok || err != nil {
			return came{r.outcome, true}, ok, err
		}
	}
	return came{}, false, nil
}

// calls is the call that a task makes, as far as m has it.
func calls(m Memory, id task.ID) (c task.Call) {
	if data, err := m.Block(id.Link); err == nil {
		if t, err := task.Parse(data); err == nil && t.Command == task.CommandRun {
			c, _ = t.Call()
		}
	}
	return c
}

// compare puts the receipt of a task first that counts before the other.
func compare(a, b *receipt.Signed) int {
	if x, y := limited(a.Out), limited(b.Out); x != y {
		if y {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(b.Limits.Memory, a.Limits.Memory), cmp.Compare(b.Limits.Gas, a.Limits.Gas))
}

// Standing is what a node knows of a task that another workflow awaits.
type Standing uint8

// The standings of a task.
const (
	Unknown Standing = iota // nothing here has ended it, and nothing runs it
	Running                 // a job of a workflow that runs here, which has not ended
	Settled                 // what it came to is remembered
)

// String is settled, running or unknown.
func (s Standing) String() string {
	switch s {
	case Settled:
		return "settled"
	case Running:
		return "running"
	}
	return "unknown"
}

// Standing tells for each of ids, which are Task IDs or instructions of
// Homestar, what this node knows of the task.
func (e *Engine) Standing(_ context.Context, ids []task.ID) ([]Standing, error) {
	return e.standing(e.public(), ids)
}

// Awaited is a task of another workflow that a job awaits.
type Awaited struct {
	Label    string // of the job
	Task     task.ID
	Standing Standing
	// Patience is how long the job waits for it.
	Patience time.Duration
}

// Awaits lists what the jobs of g await of other workflows, each task once for
// each job, in the order of steps.
func Awaits(ctx context.Context, k Knowledge, g *graph.Graph, p Policy) ([]Awaited, error) {
	var all []Awaited
	var ids []task.ID
	for i := range g.Len() {
		s := g.Step(i)
		seen := make(map[task.ID]bool, len(s.Job.Outside))
		for _, e := range s.Job.Outside {
			if id := e.Promise.Task; !seen[id] {
				seen[id] = true
				ids = append(ids, id)
				all = append(all, Awaited{Label: s.Label, Task: id, Patience: p.Limits(s.Job.Limits).Time})
			}
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	standings, err := k.Standing(ctx, ids)
	for i, s := range standings {
		all[i].Standing = s
	}
	return all, err
}

// will tells whether a job that has not ended is the task id. The caller holds
// the engine's mu.
func (r *run) will(id task.ID) bool {
	if r.byID == nil {
		r.byID = make(map[task.ID][]int, len(r.over))
		for i := range r.over {
			s := r.graph.Step(i)
			if s.Secret {
				continue
			}
			r.byID[s.ID] = append(r.byID[s.ID], i)
			if in := (task.ID{Link: s.Job.Instruction}); in.Defined() && in != s.ID {
				r.byID[in] = append(r.byID[in], i)
			}
		}
	}
	return slices.ContainsFunc(r.byID[id], func(i int) bool { return !r.over[i].Load() })
}

// instructions are the identifiers that a foreign dialect has for the jobs of g.
func instructions(g *graph.Graph) (all []store.Alias) {
	for i := range g.Len() {
		s := g.Step(i)
		if from := (task.ID{Link: s.Job.Instruction}); from.Defined() && from != s.ID && !s.Secret {
			all = append(all, store.Alias{From: from, To: s.ID})
		}
	}
	return all
}

// certain tells whether out is what a task comes to for everyone under the same
// limits.
func certain(out task.Outcome) bool { return (&receipt.Receipt{Out: out}).Remembered() }

// woken are the steps of a run that need to be looked at.
type woken struct {
	mu    sync.Mutex
	steps []int
	some  chan struct{} // holds one while there may be some
}

// noStep is added where only something else has changed that the run waits for.
const noStep = -1

func (w *woken) add(step int) {
	w.mu.Lock()
	w.steps = append(w.steps, step)
	w.mu.Unlock()
	select {
	case w.some <- struct{}{}:
	default:
	}
}

// all takes out what was added.
func (w *woken) all() []int {
	w.mu.Lock()
	defer w.mu.Unlock()
	steps := w.steps
	w.steps = nil
	return steps
}

// park lets step i, which has given back its worker, wait for what has not come.
// It goes on, or ends, when everything came, and when its time is up.
func (r *run) park(i int, w *wait, events *teller) {
	r.parked[i] = w
	switch {
	case r.plan.Stopped():
		r.drop()
		r.ended(events)
	case w.ready():
		r.unpark(i, events)
	default:
		w.timer = time.AfterFunc(r.patience(i), func() { r.woken.add(i) })
	}
}

// patience is how long step i waits for tasks of other workflows.
func (r *run) patience(i int) time.Duration {
	return r.engine.Limits(r.graph.Step(i).Job.Limits).Time
}

// unpark ends the waiting of step i, if it waits.
func (r *run) unpark(i int, events *teller) {
	w := r.parked[i]
	if w == nil {
		return
	}
	if !w.ready() { // its time is up, and what came into the store by itself was told to nobody
		if err := r.engine.lookAll(r.spaces.of(r.graph.Step(i)), w); err != nil && r.err == nil {
			r.err = fmt.Errorf("job %s: %w", r.graph.Label(i), err)
		}
	}
	r.release(i)
	id, failure := w.blocked(r.patience(i))
	if failure == nil {
		r.waited[i] = w
		r.queue = append(r.queue, i)
		return
	}
	s := r.graph.Step(i)
	r.record(i, JobReport{
		Label: s.Label, Task: s.ID, Written: s.ID,
		Status: JobUpstream, Upstream: id.String(), Outcome: task.Outcome{Failure: failure},
	}, events)
}

// release takes step i out of those that wait.
func (r *run) release(i int) {
	w := r.parked[i]
	delete(r.parked, i)
	if w.timer != nil {
		w.timer.Stop()
	}
	r.spaces.open.circle.waits.leave(w)
}
