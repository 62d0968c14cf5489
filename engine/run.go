package engine

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync/atomic"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Options say how one workflow is to be run. The zero value works.
type Options struct {
	// Listen is told each event of the run, in order, by one goroutine. A slow
	// listener delays the events and the end of the run, not the jobs.
	Listen func(Event)
	// Authority is a container of UCAN tokens: the invocation that asks for the
	// run and its proofs. It is judged by the node that runs the workflow. Nil
	// means that the caller is the node's owner.
	Authority []byte
	// Permit is what came of that, and is asked before each task that calls a
	// function; nil allows all.
	Permit Permit
	// Priority is the run's among all those that wait for workers.
	Priority Priority
	// Brings are the files in the store that came with the workflow: on whoever's
	// behalf it runs, it can read them.
	Brings []ipld.Link
	// KeepGoing lets jobs that do not depend on a failed one start all the
	// same. The workflow still fails.
	KeepGoing bool
	// Recall runs nothing: jobs of which nothing is kept end as cancelled.
	Recall bool
}

// Permit tells whether a task may run now.
type Permit interface {
	// Issuer is on whose behalf the workflow runs.
	Issuer() did.DID
	// Allow is why the named function may not be called, which is a failure of
	// kind denied; nil when it may.
	Allow(module ipld.Link, name string) *task.Failure
}

// errNotJudged reports a run by an authority that came without a permit.
var errNotJudged = errors.New("nobody has judged by what authority the workflow is to run")

// errTime is why a run ends that used up the time its document allows.
var errTime = errors.New("the workflow's time limit was reached")

// Run drives g to its end and reports what came of it. Everything in the
// report is durable.
//
// A failed job is no error, nor is a cancelled context: both are in the
// report, and what was finished is kept. An error means that this node could
// not do its part, or does not grant the workflow what it may use.
func (e *Engine) Run(ctx context.Context, g *graph.Graph, o Options) (*Report, error) {
	ctx, leave, err := e.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	if len(o.Authority) > 0 && o.Permit == nil {
		return nil, errNotJudged
	}
	if why, _ := e.refuse(BoundOf(g, e.Policy)); why != "" {
		return nil, errors.New(why)
	}
	if why := e.refuseJobs(g); why != "" {
		return nil, errors.New(why)
	}
	if limit := g.Workflow().Config.Time; limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, limit, errTime)
		defer cancel()
	}
	spaces, err := e.spacesOf(g, e.guest(o))
	if err != nil {
		return nil, err
	}
	defer spaces.leave()
	seat, err := e.seat(o)
	if err != nil {
		return nil, err
	}
	defer seat.leave()
	r := &run{
		engine: e, graph: g, options: o, spaces: spaces, seat: seat,
		outcomes: make([]task.Outcome, g.Len()),
		report:   Report{Workflow: g.Link(), Jobs: make([]JobReport, g.Len())},
		done:     make(chan finished, e.Workers),
		over:     make([]atomic.Bool, g.Len()),
		strayed:  make([]bool, g.Len()),
		parked:   make(map[int]*wait),
		waited:   make(map[int]*wait),
		woken:    woken{some: make(chan struct{}, 1)},
	}
	if r.plan, err = plan.New(g, plan.Options{KeepGoing: o.KeepGoing}); err != nil {
		return nil, err
	}
	if !o.Recall {
		defer e.show(r)()
	}
	return r.drive(ctx)
}

// show makes the jobs of r known in its circle to who awaits them, until the func returned is
// called.
func (e *Engine) show(r *run) func() {
	e.mu.Lock()
	defer e.mu.Unlock()
	c := r.spaces.open.circle
	c.runs[r] = struct{}{}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(c.runs, r)
	}
}

// run is one workflow on its way. Its fields belong to the goroutine in drive.
type run struct {
	engine   *Engine
	graph    *graph.Graph
	options  Options
	plan     *plan.Plan
	spaces   spaces
	holds    holds
	seat     *seat
	idle     atomic.Int32 // steps that wait for others and have no worker
	outcomes []task.Outcome
	report   Report
	queue    []int // offered by the plan, not yet started
	busy     int   // started, not yet settled
	done     chan finished
	failures []int // steps that failed, in the order of their ends
	exceeded bool  // a limit of the whole run
	gas      uint64
	disk     uint64            // counted only where the whole run has a limit
	why      string            // nothing starts any more, for people
	err      error             // why this node can not go on
	rewired  map[int][]waiter  // by the step whose outcome they take
	parked   map[int]*wait     // steps that wait for tasks of other workflows
	waited   map[int]*wait     // steps that did, and go on
	woken    woken             // of those parked
	strayed  []bool            // per step: its outcome is not that of its task as written
	over     []atomic.Bool     // per step: it has ended; others may look
	byID     map[task.ID][]int // steps, for others who look; nil until one does
}

// finished is what a step in progress hands back.
type finished struct {
	step    int
	lease   *lease
	report  JobReport
	gas     uint64 // see step
	disk    uint64
	strayed bool  // see run
	wait    *wait // the step is to wait; there is no report
	err     error
}

func (r *run) drive(ctx context.Context) (*Report, error) {
	began := r.engine.Now()
	kept := store.Batch{Blocks: append(r.graph.Blocks(), r.graph.Normal()), Aliases: instructions(r.graph)}
	if err := r.spaces.open.put(kept); err != nil {
		return nil, fmt.Errorf("keep the workflow: %w", err)
	}
	if err := r.bring(); err != nil {
		return nil, fmt.Errorf("keep what came with the workflow: %w", err)
	}
	defer r.holds.release()
	if err := r.hold(); err != nil {
		return nil, fmt.Errorf("hold what the workflow rests on: %w", err)
	}
	fault.Point("engine.begun")
	// Steps run in a context of their own, so that a node that can not go on
	// stops what is running.
	work, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	events := r.engine.tell(r.graph.Link(), r.options.Listen, r.spaces.sync)
	events.add(Event{Kind: WorkflowStarted, Jobs: r.graph.Len()})
	for r.offer(); r.busy > 0 || len(r.queue) > 0 || len(r.parked) > 0; r.offer() {
		r.turn(work, events)
		if r.err != nil {
			stop(r.err)
		}
	}
	r.finish(ctx)
	if r.err == nil {
		r.err = r.spaces.sync(context.WithoutCancel(ctx))
	}
	if r.err == nil {
		events.add(Event{Kind: WorkflowEnded, Status: r.report.Status})
	}
	if err := events.end(); r.err == nil {
		r.err = err
	}
	if r.err != nil {
		return nil, r.err
	}
	fault.Point("engine.ended")
	r.report.Time = r.engine.Now().Sub(began)
	return &r.report, nil
}

// offer takes what the plan has newly ready or newly ended.
func (r *run) offer() {
	r.queue = append(r.queue, r.plan.Ready()...)
}

// turn waits for the next thing to happen and does what follows from it. What
// has ended counts before anything new starts: after a failure nothing does.
func (r *run) turn(ctx context.Context, events *teller) {
	if len(r.queue) == 0 && len(r.parked) == 0 {
		r.settle(ctx, <-r.done, events)
		return
	}
	select {
	case f := <-r.done:
		r.settle(ctx, f, events)
		return
	default:
	}
	if len(r.queue) > 0 && r.idle.Load() < maxIdleSteps {
		r.seat.ask(r.need(r.queue[0]))
	}
	select {
	case f := <-r.done:
		r.settle(ctx, f, events)
	case <-r.woken.some:
		for _, i := range r.woken.all() {
			r.unpark(i, events)
		}
	case <-ctx.Done():
		r.cancel(events)
	case l := <-r.seat.given:
		if ctx.Err() != nil {
			r.seat.giveBack(l)
			r.cancel(events)
			return
		}
		r.start(ctx, l, events)
	}
}

// need is how much memory step i may take.
func (r *run) need(i int) uint64 {
	if r.options.Recall {
		return 0
	}
	return r.engine.Limits(r.graph.Step(i).Job.Limits).Memory
}

// start runs the first step of the queue in a goroutine, which is the worker that
// was lent.
func (r *run) start(ctx context.Context, l loan, events *teller) {
	i := r.queue[0]
	r.queue = r.queue[1:]
	r.busy++
	lent := &lease{seat: r.seat, idle: &r.idle, wake: func() { r.woken.add(noStep) }, loan: l, held: true, users: 1}
	ctx = context.WithValue(ctx, leaseKey{}, lent)
	s := &step{engine: r.engine, permit: r.options.Permit, recall: r.options.Recall, space: r.spaces.of(r.graph.Step(i)), step: r.graph.Step(i), outcome: r.outcome, outside: r.waited[i], strayed: r.awaitsStrayed(i), running: func() {
		events.add(Event{Kind: JobStarted, Label: r.graph.Label(i)})
	}}
	delete(r.waited, i)
	r.engine.pool.Go(func() {
		f := s.begin(ctx, func() { r.woken.add(i) })
		f.step, f.lease = i, lent
		if f.err == nil && f.wait == nil && r.graph.Workflow().Config.Disk > 0 && f.report.Outcome.OK() {
			f.disk, f.err = diskUse(s.space, f.report.Outcome.Value)
		}
		r.done <- f
	})
}

// awaitsStrayed tells whether a step that step i awaits ended otherwise than its
// task as written does for everyone.
func (r *run) awaitsStrayed(i int) bool {
	for _, d := range r.graph.Deps(i) {
		if d.Kind == plan.Await && r.strayed[d.From] {
			return true
		}
	}
	return false
}

// outcome is what the job with the given as-written ID came to. It is called
// by steps in progress, which only ask for what was settled before they began.
func (r *run) outcome(label string) task.Outcome {
	i, _ := r.graph.Find(label)
	return r.outcomes[i]
}

// settle takes in the outcome of a step that was in progress, and gives back its
// worker.
func (r *run) settle(ctx context.Context, f finished, events *teller) {
	r.busy--
	f.lease.end()
	if f.wait != nil {
		r.park(f.step, f.wait, events)
		return
	}
	r.strayed[f.step] = f.strayed
	f.err = showable(r.graph.Step(f.step), f.err)
	if f.err != nil && ctx.Err() == nil && r.err == nil {
		r.err = fmt.Errorf("job %s: %w", f.report.Label, f.err)
	}
	if f.err != nil {
		f.report.Status = JobCancelled
		f.report.Outcome.Failure = task.Failf(task.KindCancelled, "%v", f.err)
	}
	if c := f.report.Caught; f.err == nil && c != nil && c.Answer == AnswerRewire && !r.plan.Stopped() {
		r.rewire(f.step, f.report, events)
	} else {
		r.record(f.step, f.report, events)
	}
	r.gas += f.report.Gas
	r.report.Gas = addGas(r.report.Gas, f.gas)
	r.disk += f.disk
	config := r.graph.Workflow().Config
	switch {
	case r.exceeded:
	case config.Gas > 0 && r.gas > config.Gas:
		r.exceed(events, "the jobs used %s gas, and the workflow's config allows %d", r.sum(r.gas, config.Gas), config.Gas)
	case config.Disk > 0 && r.disk > config.Disk:
		r.exceed(events, "the results of the jobs take %s bytes of disk, and the workflow's config allows %d", r.sum(r.disk, config.Disk), config.Disk)
	}
}

// sum is what all jobs together used, for people, who could tell from it what
// secret ones did.
func (r *run) sum(used, allowed uint64) string {
	for i := range r.graph.Len() {
		if r.graph.Step(i).Secret {
			return fmt.Sprintf("more than %d", allowed)
		}
	}
	return strconv.FormatUint(used, 10)
}

// exceed ends the run, which went beyond a limit of the whole.
func (r *run) exceed(events *teller, format string, args ...any) {
	r.exceeded = true
	r.report.Reason = fmt.Sprintf(format, args...)
	r.why = ": " + r.report.Reason
	r.cancel(events)
}

// record keeps the report of step i and tells the plan and the listener, and
// likewise for the steps that the plan ends because of it.
func (r *run) record(i int, report JobReport, events *teller) {
	r.enter(i, report, events)
	var err error
	switch report.Status {
	case JobCancelled: // it has not failed, nor has what waits for it
		err = r.plan.Drop(i)
	case JobUpstream: // it was not begun
		r.failures = append(r.failures, i)
		err = r.plan.Block(i)
	default:
		if report.Status != JobOK {
			r.failures = append(r.failures, i)
		}
		err = r.plan.Settle(i, report.Status == JobOK)
	}
	if err != nil && r.err == nil {
		r.err = err
	}
	if r.plan.Stopped() {
		r.drop()
	}
	r.ended(events)
	r.deliver(i, events)
}

// enter puts down what step i came to.
func (r *run) enter(i int, report JobReport, events *teller) {
	r.outcomes[i] = report.Outcome
	r.strayed[i] = r.strayed[i] || report.Caught != nil || !certain(report.Outcome)
	r.over[i].Store(true)
	r.holds.settled(r.graph.Step(i).Secret, &report)
	if r.graph.Step(i).Secret {
		report = hide(report)
	}
	r.report.Jobs[i] = report
	if r.options.Listen != nil { // its own, since the end of the run adds to the report
		events.add(Event{Kind: JobSettled, Label: report.Label, Job: &report})
	}
}

// drop gives up the steps in the queue, and those that wait for other workflows.
func (r *run) drop() {
	r.seat.withdraw()
	for i := range r.parked {
		r.release(i)
		r.queue = append(r.queue, i)
	}
	for _, i := range r.queue {
		if err := r.plan.Drop(i); err != nil && r.err == nil {
			r.err = err
		}
	}
	r.queue = r.queue[:0]
}

// ended records the steps that the plan has ended without running them.
func (r *run) ended(events *teller) {
	for _, i := range r.plan.Settled() {
		s := r.graph.Step(i)
		if r.report.Jobs[i].Label != "" { // it was given up while it ran
			continue
		}
		report := JobReport{Label: s.Label, Task: s.ID, Written: s.ID}
		r.unrun(&report, i)
		r.enter(i, report, events)
		r.deliver(i, events)
	}
}

// unrun enters why step i did not run.
func (r *run) unrun(report *JobReport, i int) {
	fail := func(status JobStatus, kind task.Kind, format string, args ...any) {
		report.Status, report.Outcome.Failure = status, task.Failf(kind, format, args...)
	}
	switch r.plan.State(i) {
	case plan.Skipped:
		report.Status = JobSkipped
	case plan.Mismatch:
		cause := r.plan.Cause(i)
		report.Upstream = r.graph.Label(cause)
		if r.plan.State(cause) == plan.OK {
			fail(JobUpstream, task.KindBranchMismatch, "expected the error of %s, which went well", report.Upstream)
			r.failures = append(r.failures, i)
			return
		}
		fail(JobUpstream, task.KindBranchMismatch, "expected the result of %s, which failed", report.Upstream)
	case plan.Upstream:
		report.Upstream = r.graph.Label(r.plan.Cause(i))
		fail(JobUpstream, task.KindUpstream, "waits for a job that did not run because of %s", report.Upstream)
	default:
		fail(JobCancelled, task.KindCancelled, "not started%s", r.why)
	}
}

// judge enters which failures were handled, and the first that was not.
func (r *run) judge() {
	for _, i := range r.failures {
		j := &r.report.Jobs[i]
		j.Handled = r.plan.Handled(i)
		if !j.Handled && r.report.First == "" {
			r.report.First = j.Label
		}
	}
	// A step that awaits the failure of one that went well may have ended before
	// that, for another reason, which may be handled.
	for i := 0; r.report.First == "" && i < r.plan.Len(); i++ {
		if r.plan.Wrong(i) {
			r.report.First = r.graph.Label(i)
		}
	}
}

// cancel ends everything that has not started.
func (r *run) cancel(events *teller) {
	r.plan.Cancel()
	r.drop()
	r.ended(events)
}

// finish decides how the workflow ended.
func (r *run) finish(ctx context.Context) {
	r.judge()
	switch {
	case errors.Is(context.Cause(ctx), errTime):
		r.report.Status = StatusFailed
		r.report.Reason = fmt.Sprintf("the run took longer than the %v that the workflow's config allows", r.graph.Workflow().Config.Time)
	case r.report.First != "", r.exceeded:
		r.report.Status = StatusFailed
	case ctx.Err() != nil:
		r.report.Status = StatusCancelled
	default:
		r.report.Status = StatusOK
	}
}
