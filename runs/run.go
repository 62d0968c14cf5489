package runs

import (
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// State is how an accepted workflow stands.
type State string

// The states. The first two are those of a workflow that is still to be run.
const (
	Running   State = "running"   // in progress, or waiting for its turn or for a node
	Suspended State = "suspended" // put aside until [Keeper.Resume]
	OK        State = "ok"
	Failed    State = "failed"
	Cancelled State = "cancelled"
	Broken    State = "broken" // the node could not do its part; [Keeper.Resume] tries again
	// HandedOver is a run that goes on elsewhere. Only [Keeper.Resume] and a new
	// submission take it up here again.
	HandedOver State = "handed-over"
)

// Over tells whether a run in state s has ended.
func (s State) Over() bool { return s != Running && s != Suspended }

// ID tells which run is meant: of a workflow the latest one on behalf of each
// principal is kept.
type ID struct {
	Workflow ipld.Link
	// For is on whose behalf it runs; empty is the node's owner, and
	// [engine.Anyone] who has shown no authority.
	For did.DID
}

// Run is what is known of a run.
type Run struct {
	ID
	State State
	// Attempt counts from 1 how often the workflow was taken up: at first, after
	// it was suspended or interrupted, and when it was submitted again.
	Attempt   uint64
	KeepGoing bool
	// Priority is empty for [engine.Normal].
	Priority engine.Priority
	// Jobs is how many jobs the workflow has, Settled how many of them have come
	// to something in this attempt.
	Jobs, Settled int
	// Accepted is when the latest submission was; Ended is zero before the end.
	Accepted, Ended time.Time
	// First is the label of the job whose failure was the first that nothing
	// handled. Reason says why the workflow did not end well where no job does.
	First, Reason string
}

// Job is what one job came to: a receipt, or why there is none.
type Job struct {
	Label  string
	Status engine.JobStatus
	How    engine.How
	// Task is the ID that the receipt is about, Receipt is undefined where there
	// is none. Both are undefined for a secret.
	Task    task.ID
	Receipt ipld.Link
	// Kind and Message are of a failure.
	Kind    task.Kind
	Message string
	// Upstream is the label of the job for which this one did not run.
	Upstream string
	Handled  bool
	Secret   bool
	Gas      uint64
	// Started and Ended bound the function's run here; zero when nothing ran.
	Started, Ended time.Time
}

// jobOf is what is kept of a report.
func jobOf(j *engine.JobReport) Job {
	out := Job{
		Label: j.Label, Status: j.Status, How: j.How, Task: j.Task, Receipt: j.Receipt, Upstream: j.Upstream,
		Handled: j.Handled, Secret: j.Secret, Gas: j.Gas, Started: j.Started, Ended: j.Ended,
	}
	if f := j.Outcome.Failure; f != nil && j.Status != engine.JobSkipped {
		out.Kind, out.Message = f.Kind, f.Message
	}
	return out
}

// maxAtHand bounds the text or bytes of an outcome that an event holds.
const maxAtHand = 128

// atHand is what the receipt of a job says it came to, if that is small.
func atHand(j *engine.JobReport) *task.Outcome {
	out := j.Outcome
	v := out.Value
	if !out.OK() {
		v = out.Failure.Value
	}
	text, _ := v.AsString()
	bytes, _ := v.AsBytes()
	switch {
	case !j.Receipt.Defined(), j.Caught != nil, out.OK() != (j.Status == engine.JobOK):
		return nil
	case v.Kind() == ipld.KindList, v.Kind() == ipld.KindMap, len(text)+len(bytes) > maxAtHand:
		return nil
	}
	return &out
}

// EventKind says what an [Event] tells.
type EventKind string

// The kinds of event, in the order in which a watcher sees them.
const (
	Started    EventKind = "workflow-started"
	JobStarted EventKind = "job-started" // told only to who watches at that moment
	JobSettled EventKind = "job-settled" // exactly one for each job
	Ended      EventKind = "workflow-ended"
)

// Event is one step of a run, as [Keeper.Watch] tells it.
type Event struct {
	Kind EventKind
	At   Position // zero for JobStarted, to which nobody can come back
	// Run is how the run stands, in Started and Ended.
	Run *Run
	// Label is the job's, in JobStarted and JobSettled; Job is what it came to.
	Label string
	Job   *Job
	// Outcome is that of the Job's receipt where it is small and at hand: an event of a
	// run in progress. It is nil for all else, and never sent or kept.
	Outcome *task.Outcome
}

// Position is a place in the events of a workflow, for coming back to it: the
// attempt, and the number of the event in it.
type Position struct{ Attempt, Seq uint64 }
