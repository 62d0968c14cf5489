package engine

import (
	"context"
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Forecast is what is known, before a job runs, of what will become of it.
type Forecast struct {
	Label string
	// Known tells whether everything the job waits for is remembered, so that
	// Task and Report hold.
	Known bool
	// Awaits is the first task of another workflow that the job waits for and that
	// is not remembered; undefined where there is none, or it is not known yet
	// whether the job would come to wait for it.
	Awaits task.ID
	// Task is the resolved ID if Known, else the one as written.
	Task task.ID
	// Call is the resolved call if Known and Failure is nil; else nil.
	Call *task.Call
	// Remembered is what is remembered; nil when the job would run.
	Remembered *JobReport
	// Skipped tells that the job would not be called for.
	Skipped bool
	// Failure is why the call can not be made; nil when it can.
	Failure *task.Failure
	// Limits are those that would be in force: the most that a run may cost.
	Limits task.Limits
}

// hide takes out of the forecast of a secret job what may not be shown: from its
// resolved ID, whoever guesses the secret would learn that they were right.
func (f *Forecast) hide(written task.ID) {
	f.Call, f.Task = nil, written
	if f.Remembered != nil {
		shown := hide(*f.Remembered)
		f.Remembered = &shown
	}
}

// foresee tells from what is remembered of the jobs that s waits for whether it
// would run, and with what.
func (f *Forecast) foresee(s *graph.Step, all []Forecast) {
	triggers, fired := false, false
	for _, d := range s.Deps {
		if d.Kind == plan.Order {
			continue
		}
		from := &all[d.From]
		if f.Known = f.Known && from.Known && (from.Remembered != nil || from.Skipped); !f.Known {
			return
		}
		on := plan.OnError
		if !from.Skipped && from.Remembered.Outcome.OK() {
			on = plan.OnOK
		}
		met := !from.Skipped && d.On&on != 0
		switch {
		case d.Kind == plan.Trigger:
			triggers, fired = true, fired || met
		case from.Skipped:
			f.Skipped = true
		case !met && f.Failure == nil:
			f.Failure = task.Failf(task.KindBranchMismatch, "job %s did not end as it would have to", from.Label)
		}
	}
	f.Skipped = f.Skipped || triggers && !fired
	if f.Skipped {
		f.Failure = nil
	}
}

// foreseeOutside tells likewise from what is remembered of the tasks of other
// workflows that s awaits.
func (f *Forecast) foreseeOutside(s *step) error {
	if !f.Known || f.Skipped || f.Failure != nil {
		return nil
	}
	w, err := s.look(func() {})
	if w == nil || err != nil {
		return err
	}
	s.space.circle.waits.leave(w)
	id, failure := w.blocked(0)
	if f.Known = w.ready(); f.Known {
		f.Failure = failure
	} else {
		f.Awaits = id
	}
	return nil
}

// Quarantined are faults for the jobs of g of which it is foreseen that they would fail
// since their tasks have ended the process of this node.
func Quarantined(g *graph.Graph, all []Forecast) (faults workflow.FaultList) {
	for i := range all {
		f := all[i].Failure
		if f == nil || f.Kind != task.KindQuarantined {
			continue
		}
		job := g.Step(i).Job
		msg, hint := f.Message, ""
		if at := strings.LastIndex(msg, ": "); at >= 0 {
			msg, hint = msg[:at], msg[at+2:]
		}
		faults = append(faults, workflow.Fault{
			Pos: g.Workflow().Places().Of(job, workflow.PartFunc), Kind: workflow.Unsupported, Hint: hint,
			Msg: fmt.Sprintf("the task %s is in quarantine: %s", all[i].Task, msg),
		})
	}
	return faults
}

// Preview tells, without running anything, which jobs of g are remembered and
// which would run, on whose behalf the permit of o says and as far as it allows.
func (e *Engine) Preview(ctx context.Context, g *graph.Graph, o Options) ([]Forecast, error) {
	if len(o.Authority) > 0 && o.Permit == nil {
		return nil, errNotJudged
	}
	all := make([]Forecast, g.Len())
	outcomes := make([]task.Outcome, g.Len())
	outcome := func(label string) task.Outcome {
		i, _ := g.Find(label)
		return outcomes[i]
	}
	spaces, err := e.spacesOf(g, e.guest(o))
	if err != nil {
		return nil, err
	}
	defer spaces.leave()
	if err := spaces.bringing(e.Store, o.Brings); err != nil {
		return nil, err
	}
	for i := range all {
		s := g.Step(i)
		f := &all[i]
		*f = Forecast{Label: s.Label, Task: s.ID, Limits: e.Limits(s.Job.Limits), Known: true}
		f.foresee(s, all)
		st := &step{engine: e, permit: o.Permit, space: spaces.of(s), step: s, outcome: outcome}
		if err := f.foreseeOutside(st); err != nil {
			return nil, showable(s, err)
		}
		if !f.Known || f.Skipped || f.Failure != nil {
			continue
		}
		c, failure, err := st.resolve(ctx)
		if err != nil {
			return nil, showable(s, err)
		}
		if f.Failure = failure; failure != nil {
			if s.Secret {
				f.Failure = &task.Failure{Kind: failure.Kind, Message: secret.Shown}
			}
			continue
		}
		f.Task = c.id
		resolved := c.call()
		f.Call = &resolved
		r, ok, err := e.recall(spaces.of(s), &c, f.Limits)
		if err != nil {
			return nil, showable(s, err)
		}
		switch {
		case ok:
			f.Remembered = &JobReport{Label: s.Label, Task: c.id, Written: s.ID, Limits: f.Limits}
			f.Remembered.fill(r, r.how)
			outcomes[i] = r.outcome
		case o.Recall:
			f.Failure = task.Failf(task.KindCancelled, "%v", errNotKept)
		default:
			f.Failure = e.Quarantine.Refuses(st.subject(&c))
		}
		if s.Secret {
			f.hide(s.ID)
		}
	}
	return all, nil
}
