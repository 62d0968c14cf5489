package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// step is one pure task on its way from the graph to a receipt.
type step struct {
	engine  *Engine
	permit  Permit // nil allows all
	recall  bool   // nothing runs
	space   space
	step    *graph.Step
	outcome func(label string) task.Outcome
	outside *wait  // what the tasks of other workflows came to; nil where none is awaited
	strayed bool   // what it awaits is not what its task as written says, or only others say so
	running func() // called once if the function really runs here
	gas     uint64 // used by what ran here, or, where that is not known, the most it could use
}

// ran is what a run of a function came to, or what is remembered of one.
type ran struct {
	signed         *receipt.Signed
	outcome        task.Outcome // with the value unboxed and the text for people
	how            How          // it was recalled so, and nothing ran; else empty
	started, ended time.Time
	log            []LogLine
}

// errNotKept ends a step of which nothing is kept and which is not to run.
var errNotKept = errors.New("nothing is kept of what it came to")

// begin takes the step to its receipt, or to where it has to wait for tasks of
// other workflows; wake is called when it need not wait any more.
func (s *step) begin(ctx context.Context, wake func()) finished {
	w, err := s.look(wake)
	if w != nil && s.recall {
		s.space.circle.waits.leave(w)
		w, err = nil, errNotKept
	}
	report := s.report()
	if w == nil && err == nil {
		report, err = s.run(ctx)
	}
	if errors.Is(err, errNotKept) {
		report.Status, report.Outcome = JobCancelled, task.Outcome{Failure: task.Failf(task.KindCancelled, "%v", err)}
		err = nil
	}
	if w != nil || err != nil {
		return finished{report: report, gas: s.gas, wait: w, err: err}
	}
	return finished{report: report, gas: s.gas, strayed: s.strayed, err: err}
}

// look finds out what s awaits of other workflows. The wait is nil when s can
// go on.
func (s *step) look(wake func()) (*wait, error) {
	if s.outside == nil && len(s.step.Job.Outside) > 0 {
		w, err := s.engine.await(s.space, s.step, wake)
		if err == nil && !w.goesOn() {
			return w, nil
		}
		s.space.circle.waits.leave(w)
		if err != nil {
			return nil, err
		}
		s.outside = w
	}
	s.strayed = s.strayed || s.outside != nil && !s.outside.certain()
	return nil, nil
}

// report is what is known of the step from the outset.
func (s *step) report() JobReport {
	return JobReport{
		Label: s.step.Label, Task: s.step.ID, Written: s.step.ID,
		Limits: s.engine.Limits(s.step.Job.Limits),
	}
}

// run takes the step to its receipt. An error means that the node could not do
// its part, or that ctx ended.
func (s *step) run(ctx context.Context) (JobReport, error) {
	report := s.report()
	err := s.attempt(ctx, &report)
	if err == nil && report.Status == JobError && s.step.Job.Catch != nil {
		err = s.catch(ctx, &report)
	}
	return report, err
}

// attempt takes the step to the end that its own task comes to.
func (s *step) attempt(ctx context.Context, report *JobReport) error {
	c, failure, err := s.resolve(ctx)
	if err != nil {
		return err
	}
	if failure != nil && (s.recall || failure.Kind == task.KindDenied) { // nothing is kept of it: that one is denied is no outcome of the task
		report.Outcome, report.Status = task.Outcome{Failure: failure}, JobError
		return nil
	}
	if failure != nil {
		r, err := s.engine.attest(s.space, report.Written, nil, nil, wasm.Result{Outcome: task.Outcome{Failure: failure}}, report.Limits, nil)
		report.fill(r, Ran)
		if err != nil {
			return err
		}
		s.tell(report)
		return nil
	}
	report.Task = c.id
	if !s.strayed && !s.space.silent && c.id != report.Written {
		c.also = []store.Alias{{From: report.Written, To: c.id}}
	}
	r, how, err := s.settle(ctx, c, report.Limits)
	report.fill(r, how)
	if err == nil && how != Ran {
		err = s.space.circle.also(c.also)
	}
	if err == nil && how == Trusted {
		err = s.know(&c)
	}
	if err != nil {
		return err
	}
	s.tell(report)
	s.strayed = s.strayed || how == Trusted
	failure, err = overDisk(s.space, r.outcome, report.Limits.Disk)
	if failure != nil {
		report.Outcome, report.Status = task.Outcome{Failure: failure}, JobError
	}
	return err
}

// know keeps the task that the word of another answered, if it is not known yet, so
// that it can be told what that was about and be run here.
func (s *step) know(c *call) error {
	known, err := s.space.Has(c.id.Link)
	if known || err != nil {
		return err
	}
	return s.space.put(store.Batch{Blocks: append(c.blocks, c.block)})
}

// denied is why the function may not be called; nil when it may. It is asked
// before the module is looked at, which may have to be compiled.
func (s *step) denied(module ipld.Link, name string) *task.Failure {
	if s.permit == nil {
		return nil
	}
	return s.permit.Allow(module, name)
}

// tell tells who awaits the task as written what it came to. A secret is told to
// nobody.
func (s *step) tell(report *JobReport) {
	if s.strayed || s.space.silent {
		return
	}
	names := []task.ID{report.Written}
	if in := s.step.Job.Instruction; in.Defined() {
		names = append(names, task.ID{Link: in})
	}
	s.space.circle.waits.ended(came{report.Outcome, report.How == Trusted}, names...)
}

// fill enters what a run or a memory came to.
func (j *JobReport) fill(r ran, how How) {
	j.How, j.Outcome, j.Log = how, r.outcome, r.log
	j.Status = JobOK
	if !r.outcome.OK() {
		j.Status = JobError
	}
	if how == Ran {
		j.Started, j.Ended = r.started, r.ended
	}
	if r.signed == nil {
		return
	}
	j.Receipt = r.signed.Link()
	j.Gas, j.Memory, j.HasMemory = r.signed.Gas, r.signed.Memory, r.signed.HasMemory
}

// call is a resolved call, ready to be recalled or run.
type call struct {
	id     task.ID
	block  ipld.Block // of the resolved task
	blocks []ipld.Block
	module ipld.Link
	about  ModuleInfo
	fun    wit.Func
	params []ipld.Value  // canonical, compact
	named  []ipld.Link   // may be fetched, with what is below
	also   []store.Alias // that it is the task as written, where that is to be known
	// subject is c outside of the space that it runs in.
	subject quarantine.Subject
}

// names are the IDs under which what c comes to is kept.
func (c *call) names() []task.ID {
	names := []task.ID{c.id}
	for _, a := range c.also {
		names = append(names, a.From)
	}
	return names
}

// call is c as its task has it.
func (c *call) call() task.Call {
	return task.Call{Module: ipld.LinkValue(c.module), Func: c.fun.Name, Params: task.Escape(ipld.List(c.params...))}
}

// resolve brings the step's task into its resolved form: promises replaced by
// values, the exact export, canonical parameters. It loads no code for a
// module that this node has seen before.
func (s *step) resolve(ctx context.Context) (call, *task.Failure, error) {
	written, err := s.step.Task.Call()
	if err != nil {
		return call{}, nil, err
	}
	params, failure, err := s.reify(s.step.Job.Call.Params)
	if failure != nil || err != nil {
		return call{}, failure, err
	}
	c := call{named: s.named()}
	if failure, err = s.module(&c); failure != nil || err != nil {
		return call{}, failure, err
	}
	if failure = s.denied(c.module, s.step.Job.Call.Func); failure != nil {
		return call{}, failure, nil
	}
	if c.about, failure, err = s.engine.module(ctx, s.engine.content(ctx, s.space, c.named...), c.module); failure != nil || err != nil {
		return call{}, failure, err
	}
	return c, s.engine.canonical(&c, s.step.Task, written.Func, params), nil
}

// named are the links that the document names for s, which may be fetched. For a
// secret there are none: that it is asked for would tell that the job runs.
func (s *step) named() []ipld.Link {
	if s.step.Secret || s.engine.Fetcher == nil {
		return nil
	}
	return slices.Collect(ipld.Links(ipld.List(s.step.Job.Call.Module, s.step.Job.Call.Params)))
}

// module finds the module that is called: named in the document, or the result
// of another job, as a link or as bytes.
func (s *step) module(c *call) (*task.Failure, error) {
	v, failure, err := s.reify(s.step.Job.Call.Module)
	if failure != nil || err != nil {
		return failure, err
	}
	if code, ok := v.AsBytes(); ok {
		c.module, err = ipld.ImportFile([]byte(code), func(b ipld.Block) error {
			c.blocks = append(c.blocks, b)
			return nil
		})
		if err == nil { // it is loaded before anything else is kept
			err = s.space.put(store.Batch{Blocks: c.blocks})
		}
		return nil, err
	}
	var ok bool
	if c.module, ok = v.AsLink(); !ok {
		return task.Failf(task.KindType, "with: expected a module as bytes or a link, got %s", v.Kind()), nil
	}
	return nil, nil
}

// reify is params with each promise replaced by its value. What is substituted
// and what was literal both come back unescaped.
func (s *step) reify(params ipld.Value) (ipld.Value, *task.Failure, error) {
	var failure *task.Failure
	v, err := task.MapPromises(params, func(p task.Promise) (ipld.Value, error) {
		out, from := s.awaited(p)
		v, f := p.Resolve(out)
		if f != nil && failure == nil {
			failure = f
			failure.Message += fmt.Sprintf(" (from %s)", from)
		}
		return task.Escape(v), nil
	})
	if err != nil || failure != nil {
		return ipld.Null, failure, err
	}
	return task.Unescape(v), nil, nil
}

// awaited is what p waits for came to, and what that is, for people.
func (s *step) awaited(p task.Promise) (out task.Outcome, from string) {
	if p.Label != "" {
		return s.outcome(p.Label), "job " + p.Label
	}
	out, _ = s.outside.outcome(p.Task)
	return out, "task " + p.Task.String()
}

// canonical fills in c from the name and arguments of a call as written.
func (e *Engine) canonical(c *call, written task.Task, name string, params ipld.Value) *task.Failure {
	var err error
	if c.fun, err = c.about.Interface.Find(name); err != nil {
		return task.Failf(task.KindType, "%v", err)
	}
	canonical, err := c.fun.Canonical(Arguments(params))
	if err != nil {
		return task.Failf(task.KindType, "%v", err)
	}
	list, err := task.Compact(ipld.List(canonical...), func(b ipld.Block) error {
		c.blocks = append(c.blocks, b)
		return nil
	})
	if err != nil {
		return task.Failf(task.KindType, "%v", err)
	}
	c.params = list.Elems()
	if c.block, err = c.call().Task(written.Subject, written.Nonce).Block(); err != nil {
		return task.Failf(task.KindType, "%v", err)
	}
	c.id = task.ID{Link: c.block.Link}
	return nil
}

// settle recalls c or runs it, and tells who awaits it.
func (s *step) settle(ctx context.Context, c call, limits task.Limits) (ran, How, error) {
	r, how, err := s.recallOrRun(ctx, c, limits)
	if err == nil && !s.space.silent {
		s.space.circle.waits.ended(came{r.outcome, how == Trusted}, c.id)
	}
	return r, how, err
}

func (s *step) recallOrRun(ctx context.Context, c call, limits task.Limits) (ran, How, error) {
	c.subject = s.subject(&c)
	for {
		r, ok, err := s.engine.recall(s.space, &c, limits)
		if err != nil || ok {
			return r, r.how, err
		}
		if s.recall {
			return ran{}, "", errNotKept
		}
		if failure := s.engine.Quarantine.Refuses(c.subject); failure != nil {
			return ran{outcome: task.Outcome{Failure: failure}}, "", nil
		}
		r, leader, err := s.space.flights.do(ctx, c.id, func(ctx context.Context) (ran, error) {
			// A flight that has ended since we looked left its receipt.
			if r, ok, err := s.engine.recall(s.space, &c, limits); err != nil || ok {
				return r, err
			}
			s.running()
			r, err := s.engine.execute(ctx, s.space, c, limits)
			if err == nil && !s.space.silent { // also where who asked for it has left meanwhile
				s.space.circle.waits.ended(came{r.outcome, false}, c.names()...)
			}
			return r, err
		})
		switch {
		case leader && r.how != "":
			return r, r.how, err
		case leader:
			s.gas = addGas(s.gas, used(r, err, limits))
			return r, Ran, err
		case err != nil:
			return r, Ran, err
		}
	}
}

// subject is c as it may be known beside what it comes to: a secret under the task
// as written, which its document shows.
func (s *step) subject(c *call) quarantine.Subject {
	id := c.id
	if s.step.Secret {
		id = s.step.ID
	}
	return quarantine.Subject{Task: id, Module: c.module, Func: c.fun.Name, For: s.space.whose}
}

// used is what a run used; all that it was allowed where nobody knows.
func used(r ran, err error, limits task.Limits) uint64 {
	if err != nil || r.signed == nil {
		return limits.Gas
	}
	return r.signed.Gas
}

// execute calls the function and keeps what came of it.
func (e *Engine) execute(ctx context.Context, sp space, c call, limits task.Limits) (ran, error) {
	started := e.Now()
	result, log, err := e.call(ctx, sp, c, limits)
	if err != nil {
		return ran{}, err
	}
	// A call that came to its end before it was given up is kept all the same.
	if f := result.Outcome.Failure; f != nil && f.Kind == task.KindCancelled {
		return ran{}, cmp.Or(context.Cause(ctx), error(context.Canceled))
	}
	r, err := e.attest(sp, c.id, append(c.blocks, c.block), c.also, result, limits, log)
	r.started, r.ended = started, e.Now()
	return r, err
}

// call loads the module and the content of links, and calls the function.
func (e *Engine) call(ctx context.Context, sp space, c call, limits task.Limits) (wasm.Result, []LogLine, error) {
	fail := func(f *task.Failure) (wasm.Result, []LogLine, error) {
		return wasm.Result{Outcome: task.Outcome{Failure: f}}, nil, nil
	}
	// The blocks of large arguments must be there before their content is asked for.
	if len(c.blocks) > 0 {
		if err := sp.put(store.Batch{Blocks: c.blocks}); err != nil {
			return wasm.Result{}, nil, err
		}
	}
	from := e.content(ctx, sp, c.named...)
	params, err := c.fun.Content(c.params, from)
	if err != nil {
		if failure := contentFailure(err); failure != nil {
			return fail(failure)
		}
		return wasm.Result{}, nil, err
	}
	module, failure, err := e.load(ctx, from, c.module)
	if err != nil {
		return wasm.Result{}, nil, err
	}
	if failure != nil {
		return fail(failure)
	}
	defer module.Close()
	var lines logBuffer
	var result wasm.Result
	e.Quarantine.Watch(c.subject, func(died *uint32) bool {
		result, err = module.Run(ctx, wasm.Call{Func: c.fun.Name, Params: params, Seed: c.id.Seed(), Limits: limits, Log: lines.add, Died: died})
		return err == nil && certain(result.Outcome)
	})
	return result, lines.lines, err
}

// maxLog bounds the log that is kept of one call, in bytes.
const maxLog = 64 << 10

// logBuffer keeps what a function logs, up to a bound.
type logBuffer struct {
	lines []LogLine
	size  int
	full  bool
}

func (b *logBuffer) add(level, context, message string) {
	if b.full {
		return
	}
	if b.size += len(context) + len(message); b.size > maxLog {
		b.full = true
		b.lines = append(b.lines, LogLine{Level: "warn", Context: "ipvm", Message: "the rest of the log was dropped"})
		return
	}
	b.lines = append(b.lines, LogLine{level, context, message})
}
