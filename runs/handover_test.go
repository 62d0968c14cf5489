package runs_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// A run that was handed over does not go on by itself, also when the node is started
// again; who resumes it takes it back.
func TestHandOver(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	if _, err := b.HandOver(t.Context(), mine(g)); !errors.Is(err, runs.ErrUnknown) {
		t.Error("of nothing:", err)
	}
	b.submit(t, g)
	if _, err := b.HandOver(t.Context(), mine(g)); !errors.Is(err, runs.ErrState) {
		t.Error("of a run in progress:", err)
	}
	if _, err := b.Suspend(t.Context(), mine(g)); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if r, err := b.HandOver(t.Context(), mine(g)); err != nil || r.State != runs.HandedOver || r.Ended.IsZero() {
			t.Errorf("%+v, %v", r, err)
		}
	}
	b.restart(t, 0)
	expect(t, "after a start", b.events(t, g.Link(), runs.Position{}), []string{"1.1 workflow-started", "1.2 workflow-ended handed-over"})
	if err := b.List(runs.Query{Unfinished: true}, func(r runs.Run) bool { t.Errorf("unfinished: %v", r); return true }); err != nil {
		t.Error(err)
	}
	if _, err := b.Suspend(t.Context(), mine(g)); !errors.Is(err, runs.ErrState) {
		t.Error("suspended after that:", err)
	}
	if _, err := b.Resume(t.Context(), mine(g)); err != nil {
		t.Fatal(err)
	}
	b.pass()
	if got := b.events(t, g.Link(), runs.Position{}); got[len(got)-1] != "2.4 workflow-ended ok" {
		t.Errorf("taken back: %q", got)
	}
	if _, err := b.HandOver(t.Context(), mine(g)); !errors.Is(err, runs.ErrState) {
		t.Error("after its end:", err)
	}
}

// A workflow that is accepted as suspended waits for being resumed, and what it was
// submitted with can be had.
func TestSubmitSuspended(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	brought := ipld.LinkOf(ipld.CodecRaw, []byte("brought"))
	r, err := b.Submit(t.Context(), g, runs.Options{Suspended: true, KeepGoing: true, Brings: []ipld.Link{brought}})
	if err != nil || r.State != runs.Suspended {
		t.Fatalf("%+v, %v", r, err)
	}
	b.restart(t, 0)
	s, err := b.Submission(mine(g))
	if err != nil || s.State != runs.Suspended || !s.KeepGoing || len(s.Brings) != 1 || s.Brings[0] != brought {
		t.Errorf("%+v, %v", s, err)
	}
	again, err := runs.ParseSubmission(s.Value())
	if diff := cmp.Diff(s, again, cmp.Comparer(func(a, b ipld.Link) bool { return a == b })); err != nil || diff != "" {
		t.Error(err, diff)
	}
	if _, err := b.Submission(runs.ID{Workflow: brought}); !errors.Is(err, runs.ErrUnknown) {
		t.Error("of nothing:", err)
	}
	if _, err := b.Resume(t.Context(), mine(g)); err != nil {
		t.Fatal(err)
	}
	b.pass()
	if got := b.events(t, g.Link(), runs.Position{}); got[len(got)-1] != "2.4 workflow-ended ok" {
		t.Errorf("resumed: %q", got)
	}
}
