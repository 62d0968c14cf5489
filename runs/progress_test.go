package runs_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// halfDone is a run of which one job has settled and another one takes a minute.
func (b *bench) halfDone(t *testing.T) *graph.Graph {
	t.Helper()
	code := wasmtest.Compile(t, `(module (func (export "spin") (param i32) (result i32) (local i32)
		(loop $l (br_if $l (i32.le_u (local.tee 1 (i32.add (local.get 1) (i32.const 1))) (local.get 0))))
		(local.get 1)))`)
	link := ipld.LinkOf(ipld.CodecRaw, code)
	if err := b.engine.Store.Put(store.Batch{Blocks: []ipld.Block{{Link: link, Data: code}}}); err != nil {
		t.Fatal(err)
	}
	g := b.engine.Document(t, fmt.Sprintf(`
slow: {with: %[1]s, args: [-1], gas: 1000000000000000, time: 1h}
quick: {with: %[1]s, args: [11]}`, link))
	b.submit(t, g)
	b.until(t, func() bool {
		jobs, err := b.Jobs(mine(g))
		return err == nil && len(jobs) == 1
	})
	return g
}

// wantHalf wants the run to be as told, with the quick job settled.
func (b *bench) wantHalf(t *testing.T, what string, g *graph.Graph, state runs.State) {
	t.Helper()
	r, err := b.Get(mine(g))
	if err != nil || r.State != state || r.Settled != 1 {
		t.Errorf("%s: %+v, %v", what, r, err)
	}
	jobs, err := b.Jobs(mine(g))
	if err != nil || len(jobs) != 1 || jobs[0].Label != "quick" || jobs[0].Status != engine.JobOK || !jobs[0].Receipt.Defined() {
		t.Errorf("%s: %+v, %v", what, jobs, err)
	}
}

// TestSuspendedHalfDone says that what has settled is kept while a run is put aside,
// and told once when it is given up.
func TestSuspendedHalfDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.halfDone(t)
	if r, err := b.Suspend(t.Context(), mine(g)); err != nil || r.Settled != 1 {
		t.Fatal(r, err)
	}
	b.wantHalf(t, "suspended", g, runs.Suspended)
	expect(t, "events", b.events(t, g.Link(), runs.Position{}), []string{"1.1 workflow-started", "1.2 job-settled quick ok ran"})
	b.restart(t, 0)
	b.wantHalf(t, "after a restart", g, runs.Suspended)
	if r, err := b.Cancel(t.Context(), mine(g)); err != nil || r.Settled != 2 {
		t.Fatal(r, err)
	}
	expect(t, "events after the first two", b.events(t, g.Link(), runs.Position{Attempt: 1, Seq: 2}), []string{"1.3 job-settled slow cancelled", "1.4 workflow-ended cancelled"})
	expect(t, "all events", b.events(t, g.Link(), runs.Position{})[1], "1.2 job-settled quick ok ran")
}

// TestLeftHalfDone says the same of a run whose node stops.
func TestLeftHalfDone(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.halfDone(t)
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.Keeper = runs.New(b.config) // which drives nothing yet
	b.wantHalf(t, "left", g, runs.Running)
	if _, err := b.Cancel(t.Context(), mine(g)); err != nil {
		t.Fatal(err)
	}
	expect(t, "events", b.events(t, g.Link(), runs.Position{}), []string{
		"1.1 workflow-started", "1.2 job-settled quick ok ran", "1.3 job-settled slow cancelled", "1.4 workflow-ended cancelled",
	})
}

// TestKilledHalfDone says the same of a run whose node is killed: what settled is found
// in receipts, and told in a new attempt.
func TestKilledHalfDone(t *testing.T) {
	t.Parallel()
	for state, halt := range map[runs.State]func(*runs.Keeper, context.Context, runs.ID) (runs.Run, error){
		runs.Cancelled: (*runs.Keeper).Cancel, runs.Suspended: (*runs.Keeper).Suspend,
	} {
		b := newBench(t, true)
		g := b.halfDone(t)
		other := runs.New(b.config) // as after a crash
		r, err := halt(other, t.Context(), mine(g))
		if err != nil || r.State != state || r.Attempt != 2 {
			t.Errorf("%s: %+v, %v", state, r, err)
		}
		jobs, err := other.Jobs(mine(g))
		if err != nil || len(jobs) == 0 || jobs[0].Label != "quick" || jobs[0].Status != engine.JobOK || !jobs[0].Receipt.Defined() || len(jobs) != r.Settled {
			t.Errorf("%s: %+v, %v", state, jobs, err)
		}
		if state == runs.Cancelled && (len(jobs) != 2 || jobs[1].Status != engine.JobCancelled) {
			t.Errorf("%+v", jobs)
		}
		_ = other.Close()
		_ = b.Close()
		if r, err := other.Get(mine(g)); err != nil || r.State != state {
			t.Errorf("%s: it became %+v, %v", state, r, err)
		}
	}
}

// TestCancelledAsItStops says that a run stays cancelled whose node stops just then.
func TestCancelledAsItStops(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.halfDone(t)
	other := runs.New(b.config)
	if _, err := other.Cancel(t.Context(), mine(g)); err != nil { // its record says so, and nobody has told the first
		t.Fatal(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if r, err := other.Get(mine(g)); err != nil || r.State != runs.Cancelled || r.Settled != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	_ = other.Close()
}
