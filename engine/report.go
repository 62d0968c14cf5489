package engine

import (
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Status is how a workflow ended.
type Status string

// The ways for a workflow to end.
const (
	StatusOK        Status = "ok"
	StatusFailed    Status = "failed"
	StatusCancelled Status = "cancelled"
)

// JobStatus is how a job ended.
type JobStatus string

// The ways for a job to end.
const (
	JobOK        JobStatus = "ok"
	JobError     JobStatus = "error"
	JobUpstream  JobStatus = "upstream"  // never started: what it waits for did not end as it should
	JobSkipped   JobStatus = "skipped"   // never started: it was not called for, which is no failure
	JobCancelled JobStatus = "cancelled" // never started, or given up while running
)

// How tells where an outcome came from.
type How string

// Where outcomes come from.
const (
	Ran        How = "ran"
	Remembered How = "remembered"
	Trusted    How = "trusted" // by the receipt of another node, whose word counts here
)

// Report is what came of one run of a workflow. It is this node's private
// record; what others may rely on are the receipts it names.
type Report struct {
	Workflow ipld.Link
	Status   Status
	// Reason says why the workflow did not end well where no job's failure
	// does: a limit on the whole run was reached. It is text for people.
	Reason string
	// Performed tells that nothing ran: the report is about what was asked for, and
	// done, before.
	Performed bool
	// First is the label of the job whose failure was the first that nothing
	// handled; empty when there was none.
	First string
	// Jobs has one entry for each step of the graph, in the graph's order.
	Jobs []JobReport
	// Gas is what all that ran now used, handlers too. Of what was given up while
	// it ran, its limit counts.
	Gas uint64
	// Time is the wall clock from acceptance to the last durable receipt.
	Time time.Duration
}

// JobReport is what came of one job.
type JobReport struct {
	Label  string
	Status JobStatus
	// How is empty for a job that never started.
	How How
	// Task is the ID that the receipt is about: the resolved one for a pure
	// task that got so far, else the one as written.
	Task task.ID
	// Written is the Task ID as written.
	Written task.ID
	// Outcome is what the job came to. That of a skipped job means nothing.
	Outcome task.Outcome
	// Upstream is the label of the job for which an upstream job did not run.
	Upstream string
	// Handled tells that the job failed and that other jobs took care of it, so
	// that the workflow does not fail for it.
	Handled bool
	// Forgotten tells that of a job of an earlier run the receipt is not kept any more,
	// and with it the value of Outcome.
	Forgotten bool
	// Caught is what the job's handler made of its failure; nil when none was
	// asked.
	Caught  *Caught
	Receipt ipld.Link
	// Secret tells that the job is a secret: Outcome then holds no more than a
	// mark, or the kind of a failure; Task, Receipt, Gas, Memory, the times, Caught
	// and Log are left out. Hidden has them; it is empty where the run was in
	// another process.
	Secret bool
	Hidden secret.Of[*JobReport]
	// Gas is what the run used, now or when it was remembered.
	Gas uint64
	// Memory is the peak in bytes, where it was truly read.
	Memory    uint64
	HasMemory bool
	// Limits are those in force.
	Limits task.Limits
	// Started and Ended bound the function's run on this node; both are zero
	// when nothing ran.
	Started, Ended time.Time
	// Log is what the function logged while it ran here, oldest first.
	Log []LogLine
}

// LogLine is one line that a function logged through wasi:logging.
type LogLine struct {
	Level, Context, Message string
}

// Job returns the report of the job with the given label.
func (r *Report) Job(label string) (*JobReport, bool) {
	for i := range r.Jobs {
		if r.Jobs[i].Label == label {
			return &r.Jobs[i], true
		}
	}
	return nil, false
}

// FirstError is the job whose failure caused the rest: the first that nothing
// handled; nil when there was none.
func (r *Report) FirstError() *JobReport {
	if r.First == "" {
		return nil
	}
	j, _ := r.Job(r.First)
	return j
}
