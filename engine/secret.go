package engine

import (
	"context"
	"errors"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// hide takes out of the report of a secret job what may not be shown: what it
// came to and why, under which address, and what that took.
func hide(j JobReport) JobReport {
	shown := JobReport{
		Label: j.Label, Status: j.Status, How: j.How, Task: j.Written, Written: j.Written,
		Upstream: j.Upstream, Handled: j.Handled, Limits: j.Limits,
		Secret: true, Hidden: secret.New(&j),
	}
	if f := j.Outcome.Failure; f != nil {
		shown.Outcome.Failure = &task.Failure{Kind: f.Kind, Message: secret.Shown}
		if j.Status == JobUpstream || j.Status == JobCancelled { // nothing of its own
			shown.Outcome.Failure = f
		}
	} else {
		shown.Outcome.Value = ipld.String(secret.Shown)
	}
	return shown
}

// unshown is why this node could not go on with a secret job. The text may name
// what the job takes or comes to, if only by a CID, which tells whoever guesses
// it that they were right.
type unshown struct{ cause error }

// showable is err, of the job of s, as it may be shown.
func showable(s *graph.Step, err error) error {
	if err == nil || !s.Secret {
		return err
	}
	return unshown{err}
}

// Error names the cause only where that is the same for every job.
func (u unshown) Error() string {
	for _, known := range []error{errTime, context.Canceled, context.DeadlineExceeded, ErrClosed, store.ErrClosed, store.ErrDiskFull} {
		if errors.Is(u.cause, known) {
			return known.Error()
		}
	}
	return "this node could not go on with the job, and why is not shown, as it is a secret"
}

// Is lets callers branch on the cause.
func (u unshown) Is(target error) bool { return errors.Is(u.cause, target) }
