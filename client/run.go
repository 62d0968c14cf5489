package client

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// State is how a workflow stands. A newer node may have others.
type State string

// The states. The first two are those of a workflow that has not ended.
const (
	Running   State = "running" // or waiting for its turn
	Suspended State = "suspended"
	OK        State = "ok"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Broken    State = "broken" // the node could not do its part
	// HandedOver is a workflow that goes on on another node.
	HandedOver State = "handed-over"
)

// Over tells whether a workflow in state s has ended.
func (s State) Over() bool { return s != Running && s != Suspended }

// Run is how the latest run of a workflow stands.
type Run struct {
	Workflow ipld.Link
	State    State
	// Attempt counts from 1 how often the workflow was taken up.
	Attempt uint64
	// For is on whose behalf it runs; empty is nobody's in particular.
	For       did.DID
	KeepGoing bool
	// Priority is low or high; empty is normal.
	Priority string
	// Jobs is how many there are, Settled how many of them have come to something.
	Jobs, Settled int
	// Accepted is when it was last submitted; Ended is zero before the end.
	Accepted, Ended time.Time
	// First is the label of the job whose failure was the first that nothing
	// handled. Reason says why the workflow did not end well where no job does.
	First, Reason string
}

// Job is what one job of a run came to, as the node says.
type Job struct {
	Label string
	// Status is ok, error, upstream, skipped or cancelled; How is ran, remembered
	// or trusted, or empty where there is no outcome.
	Status, How string
	// Task is the ID that the receipt is about. Both are undefined where there is
	// no receipt for others to see.
	Task    task.ID
	Receipt ipld.Link
	// Value is what the job came to, where HasValue: the node shows small values.
	// [Client.Outcome] has any value, by its receipt.
	Value    ipld.Value
	HasValue bool
	// Forgotten tells that the node does not keep the receipt any more, and the value
	// with it.
	Forgotten bool
	// Failure is why there is no value; Upstream is the job that it began with.
	Failure  *task.Failure
	Upstream string
	Handled  bool
	Secret   bool
	Gas      uint64
	// Started and Ended bound the function's run; zero where nothing ran.
	Started, Ended time.Time
}

// EventKind says what an [Event] tells.
type EventKind string

// The kinds of event. A newer node may have others, which are left out.
const (
	WorkflowStarted EventKind = "workflow-started"
	JobStarted      EventKind = "job-started" // told only to who watches at that moment
	JobSettled      EventKind = "job-settled" // exactly one for each job and attempt
	WorkflowEnded   EventKind = "workflow-ended"
)

// Event is one step of a run.
type Event struct {
	Kind EventKind
	At   Position // zero for JobStarted, to which nobody can come back
	// Run is how the run stands, in WorkflowStarted and WorkflowEnded.
	Run *Run
	// Label is the job's, in JobStarted and JobSettled; Job is what it came to.
	Label string
	Job   *Job
}

// Position is a place in the events of a workflow: the attempt, and the number of
// the event in it.
type Position struct{ Attempt, Seq uint64 }

// Below are the answers as JSON. Fields that are not known are left out: a newer
// node may have more.

type aboutJSON struct {
	Schema   int    `json:"schema"`
	DID      string `json:"did"`
	Version  string `json:"version"`
	Revision int    `json:"revision"`
	Serves   int    `json:"serves"`
}

func (j aboutJSON) read() (About, error) {
	id, err := did.Parse(j.DID)
	if j.Schema != 1 || err != nil {
		return About{}, errors.New("it does not tell of itself as a node does")
	}
	return About{DID: id, Version: j.Version, Revision: j.Revision, Serves: j.Serves}, nil
}

type runJSON struct {
	Workflow  string `json:"workflow"`
	State     State  `json:"state"`
	Attempt   uint64 `json:"attempt"`
	For       string `json:"for"`
	KeepGoing bool   `json:"keepGoing"`
	Priority  string `json:"priority"`
	Total     int    `json:"total"`
	Settled   int    `json:"settled"`
	Accepted  string `json:"accepted"`
	Ended     string `json:"ended"`
	First     string `json:"first"`
	Reason    string `json:"reason"`
}

func (j *runJSON) read() (Run, error) {
	r := Run{State: j.State, Attempt: j.Attempt, KeepGoing: j.KeepGoing, Priority: j.Priority, Jobs: j.Total, Settled: j.Settled, First: j.First, Reason: j.Reason}
	var f fields
	r.Workflow = f.link("workflow", j.Workflow)
	r.Accepted, r.Ended = f.time("accepted", j.Accepted), f.time("ended", j.Ended)
	if r.For = did.DID(j.For); j.For != "" && j.For != "anyone" {
		_, err := did.Parse(j.For)
		f.fail("for", err)
	}
	if !r.Workflow.Defined() || j.State == "" || j.Attempt == 0 || j.Total < j.Settled || j.Settled < 0 {
		f.fail("run", errors.New("it lacks what a run has"))
	}
	return r, f.err
}

type jobJSON struct {
	Label   string          `json:"label"`
	Status  string          `json:"status"`
	How     string          `json:"how"`
	Task    string          `json:"task"`
	Receipt string          `json:"receipt"`
	Value   json.RawMessage `json:"value"`
	Error   *struct {
		Kind    task.Kind       `json:"kind"`
		Trap    string          `json:"trap"`
		Value   json.RawMessage `json:"value"`
		Message string          `json:"message"`
		From    string          `json:"from"`
	} `json:"error"`
	Forgotten bool   `json:"forgotten"`
	Handled   bool   `json:"handled"`
	Secret    bool   `json:"secret"`
	Gas       uint64 `json:"gas"`
	Started   string `json:"started"`
	Ended     string `json:"ended"`
}

func (j *jobJSON) read() (Job, error) {
	out := Job{Label: j.Label, Status: j.Status, How: j.How, Forgotten: j.Forgotten, Handled: j.Handled, Secret: j.Secret, Gas: j.Gas}
	var f fields
	out.Task, out.Receipt = task.ID{Link: f.link("task", j.Task)}, f.link("receipt", j.Receipt)
	out.Started, out.Ended = f.time("started", j.Started), f.time("ended", j.Ended)
	if out.HasValue = j.Value != nil; out.HasValue {
		out.Value = f.value("value", j.Value)
	}
	if e := j.Error; e != nil {
		out.Failure, out.Upstream = &task.Failure{Kind: e.Kind, Trap: e.Trap, Message: e.Message}, e.From
		if e.Value != nil {
			out.Failure.Value = f.value("error", e.Value)
		}
	}
	if j.Status == "" {
		f.fail("job", errors.New("it has no status"))
	}
	return out, f.err
}

type eventJSON struct {
	Kind  EventKind `json:"kind"`
	Label string    `json:"label"`
	Run   *runJSON  `json:"run"`
	Job   *jobJSON  `json:"job"`
}

// read reads the event; ok is that its kind is known.
func (j *eventJSON) read() (ev Event, ok bool, err error) {
	ev = Event{Kind: j.Kind, Label: j.Label}
	switch {
	case j.Kind == JobStarted:
		return ev, true, nil
	case (j.Kind == WorkflowStarted || j.Kind == WorkflowEnded) && j.Run != nil:
		run, err := j.Run.read()
		ev.Run = &run
		return ev, true, err
	case j.Kind == JobSettled && j.Job != nil:
		job, err := j.Job.read()
		ev.Job = &job
		return ev, true, err
	case j.Kind == WorkflowStarted, j.Kind == WorkflowEnded, j.Kind == JobSettled:
		return ev, true, fmt.Errorf("%w: the event %s has nothing to tell", ErrAnswer, j.Kind)
	}
	return ev, false, nil
}

// fields reads texts of an answer. err is about the first that can not be read.
type fields struct{ err error }

func (f *fields) fail(name string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("%w: %s: %w", ErrAnswer, name, err)
	}
}

func (f *fields) link(name, text string) ipld.Link {
	if text == "" {
		return ipld.Link{}
	}
	l, err := ipld.ParseLink(text)
	f.fail(name, err)
	return l
}

func (f *fields) time(name, text string) time.Time {
	if text == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	f.fail(name, err)
	return t
}

func (f *fields) value(name string, text json.RawMessage) ipld.Value {
	v, err := ipld.DecodeJSON(text)
	f.fail(name, err)
	return v
}
