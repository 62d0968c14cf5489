package ipvm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// TestTelling makes the events of one run out of those of two attempts at it,
// the first of which broke off.
func TestTelling(t *testing.T) {
	t.Parallel()
	type told struct {
		Seq   uint64
		Kind  engine.EventKind
		Label string
		How   engine.How
	}
	var got []told
	tell := telling{started: make(map[string]bool), told: make(map[string]*engine.JobReport), listen: func(ev engine.Event) {
		e := told{ev.Seq, ev.Kind, ev.Label, ""}
		if ev.Job != nil {
			e.How = ev.Job.How
		}
		got = append(got, e)
	}}
	receipt := ipld.LinkOf(ipld.CodecRaw, []byte("receipt"))
	job := func(label string, how engine.How) *engine.JobReport {
		return &engine.JobReport{Label: label, Status: engine.JobOK, How: how, Receipt: receipt}
	}
	for _, ev := range []engine.Event{
		{Kind: engine.WorkflowStarted},
		{Kind: engine.JobStarted, Label: "a"},
		{Kind: engine.JobSettled, Label: "a", Job: job("a", engine.Ran)},
		{Kind: engine.JobStarted, Label: "b"},
		// The owner is gone; the next one:
		{Kind: engine.WorkflowStarted},
		{Kind: engine.JobSettled, Label: "a", Job: job("a", engine.Remembered)},
		{Kind: engine.JobStarted, Label: "b"},
		{Kind: engine.JobSettled, Label: "b", Job: job("b", engine.Ran)},
		{Kind: engine.WorkflowEnded},
		{Kind: engine.WorkflowEnded},
	} {
		tell.event(ev)
	}
	want := []told{
		{1, engine.WorkflowStarted, "", ""},
		{2, engine.JobStarted, "a", ""},
		{3, engine.JobSettled, "a", engine.Ran},
		{4, engine.JobStarted, "b", ""},
		{5, engine.JobSettled, "b", engine.Ran},
		{6, engine.WorkflowEnded, "", ""},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	report := &Report{Jobs: []engine.JobReport{*job("a", engine.Remembered), *job("b", engine.Ran)}}
	tell.restore(report)
	if how := report.Jobs[0].How; how != engine.Ran {
		t.Errorf("a job that was told to have run is %s in the report", how)
	}
}
