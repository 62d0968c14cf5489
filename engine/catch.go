package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wit"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Caught is what a handler made of the failure of a job.
type Caught struct {
	// Failure is how the job failed at first.
	Failure *task.Failure
	// Handler is the task in which the handler was asked.
	Handler task.ID
	// Answer is what the handler said; empty when it failed itself.
	Answer Answer
	// To is the label of the job whose outcome is taken, of [AnswerRewire].
	To string
}

// Answer is what a handler says is to become of a failure.
type Answer string

// The answers.
const (
	AnswerOK     Answer = "ok"     // the job has this value after all
	AnswerRewire Answer = "rewire" // take the outcome of another job
	AnswerMsg    Answer = "msg"    // it fails, with these words
)

// HandlerType is the type of a handler's function, in WIT: the failure of a job
// in, and what is to become of it out. The values of errors and results are
// DAG-JSON.
const HandlerType = "func(failure: record {label: string, task: string, kind: string, message: string, value: option<string>}) -> " +
	"variant {ok(string), rewire(string), msg(string)}"

// isHandler tells whether f has the type of a handler; its parameter may be
// called anything.
func isHandler(f wit.Func) bool {
	if len(f.Params) != 1 || f.Result == nil {
		return false
	}
	return f.Params[0].Type.String() == "record {label: string, task: string, kind: string, message: string, value: option<string>}" &&
		f.Result.String() == "variant {ok(string), rewire(string), msg(string)}"
}

// catch asks the handler of a failed job what is to become of it, and enters
// the answer. A handler that fails makes the job fail with kind handler.
func (s *step) catch(ctx context.Context, report *JobReport) error {
	first := report.Outcome.Failure
	report.Caught = &Caught{Failure: first}
	answer, failure, err := s.ask(ctx, report)
	if err != nil {
		return err
	}
	if failure == nil {
		failure = s.take(report, answer)
	}
	if failure != nil && failure.Kind == task.KindDenied && first.Kind == task.KindDenied {
		report.Caught = nil // nobody was asked: the job is denied, and so is its handler
		return nil
	}
	if failure != nil {
		report.Caught.Answer = ""
		report.Outcome = task.Outcome{Failure: handlerFailed(failure, first)}
	}
	if report.Status = JobOK; !report.Outcome.OK() {
		report.Status = JobError
	}
	return nil
}

// handlerFailed is the failure of a job whose handler failed.
func handlerFailed(handler, first *task.Failure) *task.Failure {
	return task.Failf(task.KindHandler, "the handler failed: %s; the job had failed: %s", handler, first)
}

// ask calls the handler, which is a pure task of its own.
func (s *step) ask(ctx context.Context, report *JobReport) (ipld.Value, *task.Failure, error) {
	h, f := s.step.Job.Catch, report.Outcome.Failure
	if failure := s.denied(h.Module, h.Func); failure != nil {
		return ipld.Null, failure, nil
	}
	c := call{module: h.Module}
	if !s.step.Secret {
		c.named = []ipld.Link{h.Module}
	}
	about, failure, err := s.engine.module(ctx, s.engine.content(ctx, s.space, c.named...), h.Module)
	if failure != nil || err != nil {
		return ipld.Null, failure, err
	}
	c.about = about
	value := ipld.Null
	if f.Kind == task.KindGuest {
		text, err := ipld.AppendJSON(nil, f.Value)
		if err != nil {
			return ipld.Null, task.Failf(task.KindType, "the error has no DAG-JSON: %v", err), nil
		}
		value = ipld.String(string(text))
	}
	told := ipld.Map(
		ipld.Entry{Key: "label", Value: ipld.String(report.Label)},
		ipld.Entry{Key: "task", Value: ipld.String(report.Task.String())},
		ipld.Entry{Key: "kind", Value: ipld.String(string(f.Kind))},
		ipld.Entry{Key: "message", Value: ipld.String(f.Message)},
		ipld.Entry{Key: "value", Value: value},
	)
	if failure := s.engine.canonical(&c, task.Task{Subject: did.Pure}, h.Func, ipld.List(told)); failure != nil {
		return ipld.Null, failure, nil
	}
	if !isHandler(c.fun) {
		return ipld.Null, task.Failf(task.KindType, "%s is no handler, which is %s", c.fun, HandlerType), nil
	}
	report.Caught.Handler = c.id
	quiet := *s // the job has started, and does so once
	quiet.running = func() {}
	r, _, err := quiet.settle(ctx, c, report.Limits)
	s.gas = quiet.gas
	return r.outcome.Value, r.outcome.Failure, err
}

// take enters the answer of a handler. The failure says why it can not be taken.
func (s *step) take(report *JobReport, answer ipld.Value) *task.Failure {
	e, _ := answer.Sole()
	text, _ := e.Value.AsString()
	report.Caught.Answer = Answer(e.Key)
	switch report.Caught.Answer {
	case AnswerOK:
		v, err := ipld.DecodeJSON([]byte(text))
		if err != nil {
			return task.Failf(task.KindType, "its value is not DAG-JSON: %v", err)
		}
		report.Outcome = task.Outcome{Value: v}
	case AnswerRewire:
		report.Caught.To = text
	case AnswerMsg:
		report.Outcome.Failure = &task.Failure{Kind: task.KindGuest, Value: ipld.String(text), Message: fmt.Sprintf("the handler of %s said so", report.Label)}
	}
	return nil
}

// handler holds the handler of a job, if it has one, against the type that a
// handler has.
func (c *checker) handler(ctx context.Context, j *workflow.Job) error {
	h := j.Catch
	if h == nil || c.handlers[*h] || !h.Module.Defined() { // the last is a fault of the document
		return nil
	}
	if c.handlers == nil {
		c.handlers = make(map[workflow.Handler]bool)
	}
	c.handlers[*h] = true
	fault := func(kind workflow.Kind, msg, hint string) {
		c.faults = append(c.faults, workflow.Fault{Pos: h.Pos, Kind: kind, Msg: msg, Hint: hint})
	}
	about, failure, err := c.known.Module(ctx, h.Module)
	if err != nil {
		return err
	}
	if failure != nil {
		fault(kindOfFault(failure), failure.Message, moduleHint(failure))
		return nil
	}
	fun, err := about.Interface.Find(h.Func)
	switch {
	case err != nil:
		fault(workflow.Missing, err.Error(), "name the handler in func: of catch; it is "+HandlerType)
	case !isHandler(fun):
		fault(workflow.Type, fmt.Sprintf("expected a handler, got %s", fun), "a handler is "+HandlerType)
	}
	return nil
}

// rewire takes, for step i, the outcome of the job that its handler named: now,
// or when that has ended. What comes of it does not depend on which of several
// handlers answers first.
func (r *run) rewire(i int, report JobReport, events *teller) {
	target, ok := r.graph.Find(report.Caught.To)
	switch {
	case !ok:
		r.refuse(waiter{i, report}, "which there is not", events)
		return
	case target == i:
		r.refuse(waiter{i, report}, "which is the job itself", events)
		return
	case r.graph.Step(target).Secret && !r.graph.Step(i).Secret:
		r.refuse(waiter{i, report}, "which is a secret", events)
		return
	case r.graph.Mutates(target):
		r.refuse(waiter{i, report}, "which changes the world", events)
		return
	case r.plan.Awaits(target, i):
		r.refuse(waiter{i, report}, "which waits for the job", events)
		return
	}
	if r.rewired == nil {
		r.rewired = make(map[int][]waiter)
	}
	r.rewired[target] = append(r.rewired[target], waiter{i, report})
	for _, w := range r.circle(i, target) {
		r.refuse(w, "which waits for the job", events)
	}
	if r.plan.State(target).Ended() && r.report.Jobs[target].Label != "" {
		r.deliver(target, events)
	}
}

// waiter is a step that ends as another does.
type waiter struct {
	step   int
	report JobReport
}

// refuse makes w fail, whose handler named a job that it can not take.
func (r *run) refuse(w waiter, why string, events *teller) {
	w.report.Caught.Answer = ""
	w.report.Outcome = task.Outcome{Failure: handlerFailed(task.Failf(task.KindHandler, "it named the job %q, %s", w.report.Caught.To, why), w.report.Caught.Failure)}
	w.report.Status = JobError
	r.record(w.step, w.report, events)
}

// deliver ends the steps that were to end as step does.
func (r *run) deliver(step int, events *teller) {
	waiting := r.rewired[step]
	delete(r.rewired, step)
	for _, w := range waiting {
		j := &r.report.Jobs[step]
		switch j.Status {
		case JobOK, JobError:
			w.report.Outcome, w.report.Status = r.outcomes[step], j.Status
		case JobCancelled:
			w.report.Outcome, w.report.Status = r.outcomes[step], JobCancelled
		default:
			r.refuse(w, "which did not run", events)
			continue
		}
		r.record(w.step, w.report, events)
	}
}

// circle takes out, by step, all whose handlers wait for each other when that of
// step i has named target; there are none if target does not come to wait for i.
func (r *run) circle(i, target int) (out []waiter) {
	if !r.waits(target, i) {
		return nil
	}
	for t, waiting := range r.rewired {
		r.rewired[t] = slices.DeleteFunc(slices.Clone(waiting), func(w waiter) bool {
			in := w.step == i || r.waits(target, w.step) && r.waits(t, i)
			if in {
				out = append(out, w)
			}
			return in
		})
	}
	slices.SortFunc(out, func(a, b waiter) int { return cmp.Compare(a.step, b.step) })
	return out
}

// waits tells whether step is other or waits for it, by the graph and by what
// handlers said.
func (r *run) waits(step, other int) bool {
	seen := make(map[int]bool)
	for open := []int{step}; len(open) > 0; {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		if r.plan.Awaits(at, other) {
			return true
		}
		for target, waiting := range r.rewired {
			for _, w := range waiting {
				if !seen[w.step] && r.plan.Awaits(at, w.step) {
					seen[w.step] = true
					open = append(open, target)
				}
			}
		}
	}
	return false
}
