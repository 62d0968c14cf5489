package engine

import (
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/secret"
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
