package runs_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// waited runs g as somebody does who waits for it, and has that kept.
func (b *bench) waited(ctx context.Context, t *testing.T, g *graph.Graph, who did.DID) runs.Run {
	t.Helper()
	began := time.Unix(1_700_000_000, 0).UTC()
	report, err := b.engine.Run(ctx, g, engine.Options{})
	if err == nil {
		err = b.Waited(g, who, runs.Options{Priority: engine.Normal, KeepGoing: true}, began, report)
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := b.Get(runs.ID{Workflow: g.Link(), For: who})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// What somebody waited for is known like what was accepted, each time anew.
func TestWaited(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.sum(t, 1)
	first := b.waited(t.Context(), t, g, "")
	if first.State != runs.OK || first.Attempt != 1 || first.Jobs != 2 || first.Settled != 2 || !first.KeepGoing || first.Priority != "" || first.Ended.IsZero() {
		t.Errorf("%+v", first)
	}
	if jobs, err := b.Jobs(first.ID); err != nil || len(jobs) != 2 || jobs[1].Label != "b" || jobs[1].How != engine.Ran || !jobs[1].Receipt.Defined() {
		t.Errorf("%+v, %v", jobs, err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if r := b.waited(gone, t, g, ""); r.State != runs.Cancelled || r.Attempt != 2 || r.Settled != 2 {
		t.Errorf("given up: %+v", r)
	}
	if r := b.waited(t.Context(), t, g, "did:key:alice"); r.State != runs.OK || r.Attempt != 1 {
		t.Errorf("of another: %+v", r)
	}
	listed := 0
	if err := b.List(runs.Query{}, func(runs.Run) bool { listed++; return true }); err != nil || listed != 2 {
		t.Errorf("%d are listed, %v", listed, err)
	}
	if r := b.submit(t, g); r.Attempt != 3 {
		t.Errorf("accepted after that: %+v", r)
	}
}

// A workflow that was accepted ends with one that somebody waited for and that went
// well, but not while it is driven.
func TestWaitedBesideAccepted(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	id := b.submit(t, g).ID
	if r := b.waited(t.Context(), t, g, ""); r.State != runs.Running || r.Attempt != 1 {
		t.Errorf("in progress: %+v", r)
	}
	suspended, err := b.Suspend(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	if r := b.waited(gone, t, g, ""); r.State != runs.Suspended || r.Attempt != 1 {
		t.Errorf("suspended, and given up beside: %+v", r)
	}
	r := b.waited(t.Context(), t, g, "")
	if r.State != runs.OK || r.Attempt != 2 || r.Settled != 2 || r.Ended.IsZero() || !r.Accepted.Equal(suspended.Accepted) {
		t.Errorf("suspended: %+v", r)
	}
	if jobs, err := b.Jobs(id); err != nil || len(jobs) != 2 {
		t.Errorf("%+v, %v", jobs, err)
	}
	if _, err := b.Resume(t.Context(), id); !errors.Is(err, runs.ErrState) {
		t.Errorf("resumed: %v", err)
	}
	b.restart(t, 0)
}

// So does one whose node has died.
func TestWaitedAfterDeath(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	id := b.submit(t, g).ID
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.Keeper = runs.New(b.config)
	if r := b.waited(t.Context(), t, g, ""); r.State != runs.OK || r.ID != id {
		t.Errorf("%+v", r)
	}
	b.restart(t, 0)
}
