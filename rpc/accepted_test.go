package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// TestAccepted holds what a client says of accepted runs against what its node
// says itself.
func TestAccepted(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	g := build(t, c, fmt.Sprintf(addOne, 1), addOneDir)
	if _, err := c.RunOf(ctx, mine(g)); !errors.Is(err, runs.ErrUnknown) {
		t.Errorf("before: %v", err)
	}
	run, err := c.Submit(ctx, g, runs.Options{KeepGoing: true})
	if err != nil || run.Workflow != g.Link() || run.State != runs.Running || !run.KeepGoing || run.Jobs != 2 {
		t.Fatalf("%+v, %v", run, err)
	}
	kinds := ""
	err = c.Watch(ctx, mine(g), runs.Position{}, func(ev runs.Event) bool {
		if ev.Kind != runs.JobStarted {
			kinds += fmt.Sprintf(" %d:%s", ev.At.Seq, ev.Kind)
		}
		return true
	})
	if want := " 1:workflow-started 2:job-settled 3:job-settled 4:workflow-ended"; err != nil || kinds != want {
		t.Errorf("%s, %v, expected%s", kinds, err, want)
	}
	events := func(after runs.Position, most int) func(Backend) (any, error) {
		return func(b Backend) (any, error) {
			var all []runs.Event
			err := b.Watch(ctx, mine(g), after, func(ev runs.Event) bool {
				all = append(all, ev)
				return len(all) < most
			})
			return all, err
		}
	}
	same(t, "Watch", events(runs.Position{}, 9), n, c)
	same(t, "Watch the end", events(runs.Position{Attempt: 1, Seq: 3}, 9), n, c)
	same(t, "Watch a part", events(runs.Position{}, 2), n, c)
	same(t, "RunOf", func(b Backend) (any, error) { return b.RunOf(ctx, mine(g)) }, n, c)
	same(t, "Submission", func(b Backend) (any, error) { return b.Submission(ctx, mine(g)) }, n, c)
	held := build(t, c, fmt.Sprintf(addOne, 5), addOneDir)
	if run, err := c.Submit(ctx, held, runs.Options{Suspended: true, Brings: []ipld.Link{g.Link()}}); err != nil || run.State != runs.Suspended {
		t.Errorf("Submit, suspended: %+v, %v", run, err)
	}
	if s, err := c.Submission(ctx, mine(held)); err != nil || len(s.Brings) != 1 || s.Brings[0] != g.Link() {
		t.Errorf("Submission: %+v, %v", s, err)
	}
	if run, err := c.Direct(ctx, mine(held), HandOver); err != nil || run.State != runs.HandedOver {
		t.Errorf("HandOver: %+v, %v", run, err)
	}
	same(t, "JobsOf", func(b Backend) (any, error) { return b.JobsOf(ctx, mine(g)) }, n, c)
	for _, unfinished := range []bool{false, true} {
		for _, q := range []runs.Query{{}, {After: run.Place()}, {For: new(did.DID)}, {For: new(engine.Anyone)}} {
			q.Unfinished = unfinished
			same(t, "Runs", func(b Backend) (any, error) {
				var all []runs.Run
				err := b.Runs(ctx, q, func(r runs.Run) bool { all = append(all, r); return true })
				return all, err
			}, n, c)
		}
	}
	if _, err := c.Direct(ctx, mine(g), Cancel); !errors.Is(err, runs.ErrState) {
		t.Errorf("cancelled after its end: %v", err)
	}
	if err := c.Watch(ctx, runs.ID{Workflow: ipld.LinkOf(ipld.CodecRaw, nil)}, runs.Position{}, nil); !errors.Is(err, runs.ErrUnknown) {
		t.Errorf("watch nothing: %v", err)
	}
}

// TestAcceptedFor says that a client names on whose behalf the run is that it means.
func TestAcceptedFor(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	g := build(t, c, fmt.Sprintf(addOne, 1), addOneDir)
	if _, err := n.runs.Submit(ctx, g, runs.Options{Unsigned: true}); err != nil {
		t.Fatal(err)
	}
	id := runs.ID{Workflow: g.Link(), For: engine.Anyone}
	if err := c.Watch(ctx, id, runs.Position{}, func(runs.Event) bool { return true }); err != nil {
		t.Error(err)
	}
	if run, err := c.RunOf(ctx, id); err != nil || run.ID != id || run.State != runs.OK {
		t.Errorf("%+v, %v", run, err)
	}
	if jobs, err := c.JobsOf(ctx, id); err != nil || len(jobs) != 2 {
		t.Errorf("%d jobs, %v", len(jobs), err)
	}
	if run, err := c.Direct(ctx, id, Resume); !errors.Is(err, runs.ErrState) {
		t.Errorf("%+v, %v", run, err)
	}
	if _, err := c.RunOf(ctx, mine(g)); !errors.Is(err, runs.ErrUnknown) {
		t.Errorf("the owner's: %v", err)
	}
	if _, err := c.RunOf(ctx, runs.ID{Workflow: g.Link(), For: "someone"}); err == nil || errors.Is(err, runs.ErrUnknown) {
		t.Errorf("of what is no DID: %v", err)
	}
}

// mine is the owner's run of g.
func mine(g *graph.Graph) runs.ID { return runs.ID{Workflow: g.Link()} }

// newStuckNode is a node whose accepted runs do not come to their end.
func newStuckNode(t *testing.T) *node {
	t.Helper()
	n := newNode(t)
	n.runs = runs.New(runs.Config{Store: n.store, Judge: n.runs.Judge, Run: func(ctx context.Context, _ did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		<-ctx.Done()
		return n.Engine.Run(ctx, g, o)
	}})
	return n
}

func TestDirect(t *testing.T) {
	t.Parallel()
	n := newStuckNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	g := build(t, c, fmt.Sprintf(addOne, 1), addOneDir)
	if _, err := c.Submit(ctx, g, runs.Options{}); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		what Direction
		want runs.State
	}{{Suspend, runs.Suspended}, {Resume, runs.Running}, {Cancel, runs.Cancelled}} {
		if run, err := c.Direct(ctx, mine(g), step.what); err != nil || run.State != step.want {
			t.Errorf("%s: %+v, %v", step.what, run, err)
		}
	}
	for path, want := range map[string]int{
		"/explode":           http.StatusBadRequest,
		"/events?seq=one":    http.StatusBadRequest,
		"/events?attempt=-1": http.StatusBadRequest,
	} {
		method := http.MethodGet
		if path == "/explode" {
			method = http.MethodPost
		}
		if _, err := c.ask(ctx, method, runPath(mine(g), path), nil, maxValue); err == nil {
			t.Errorf("%s is answered, expected %d", path, want)
		}
	}
}

// TestWatcherLeaves says that a node does not go on telling who has left.
func TestWatcherLeaves(t *testing.T) {
	t.Parallel()
	n := newStuckNode(t)
	_, c := serve(t, n)
	ctx, cancel := context.WithCancel(bounded(t))
	g := build(t, c, fmt.Sprintf(addOne, 1), addOneDir)
	if _, err := c.Submit(ctx, g, runs.Options{}); err != nil {
		t.Fatal(err)
	}
	err := c.Watch(ctx, mine(g), runs.Position{}, func(runs.Event) bool { cancel(); return true })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if run, err := n.runs.Get(mine(g)); err != nil || run.State != runs.Running {
		t.Errorf("the run: %+v, %v", run, err)
	}
}
