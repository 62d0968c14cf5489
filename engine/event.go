package engine

import (
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// EventKind says what an [Event] tells.
type EventKind string

// The kinds of event, in the order in which a workflow has them.
const (
	WorkflowStarted EventKind = "workflow-started"
	JobStarted      EventKind = "job-started" // a function is running; remembered jobs have no such event
	JobSettled      EventKind = "job-settled" // exactly one for each job
	WorkflowEnded   EventKind = "workflow-ended"
)

// Event is one step in the life of one running workflow. Every view of a run,
// from the progress line to the JSON of a remote client, is made from these.
type Event struct {
	Kind     EventKind
	Workflow ipld.Link
	// Seq counts the events of one run from 1, without gaps.
	Seq  uint64
	Time time.Time
	// Jobs is the number of jobs of the workflow, in WorkflowStarted.
	Jobs int
	// Label is the job's, in JobStarted and JobSettled.
	Label string
	// Job is what the job came to, in JobSettled. It is durable. Whether a failure is
	// handled is only in the report: it shows at the end.
	Job *JobReport
	// Status is how the workflow ended, in WorkflowEnded.
	Status Status
}
