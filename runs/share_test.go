package runs_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// submitFor submits workflows n1 to n2 on behalf of a principal, and tells how
// many were accepted and why one was not.
func (b *bench) submitFor(t *testing.T, who string, from, to int) (accepted int, err error) {
	t.Helper()
	for n := from; n <= to; n++ {
		if _, err := b.Submit(t.Context(), b.sum(t, n), runs.Options{Authority: []byte(who)}); err != nil {
			return accepted, err
		}
		accepted++
	}
	return accepted, nil
}

// Who submits without end is refused in time, and others are not.
func TestShareOfUnfinished(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	b.config.Open = 20
	b.restart(t, 0)
	for i, step := range []struct {
		who  string
		want int
		err  error
	}{
		{"a", 15, runs.ErrShare},
		{"b", 4, runs.ErrShare}, // of the 5 that were left
		{"a", 0, runs.ErrShare},
		{"", 1, runs.ErrFull},
		{"c", 0, runs.ErrFull},
	} {
		if n, err := b.submitFor(t, step.who, 100*i, 100*i+99); n != step.want || !errors.Is(err, step.err) {
			t.Errorf("%q: %d were accepted, then %v; want %d and %v", step.who, n, err, step.want, step.err)
		}
		if step.want == 0 {
			continue
		}
		// What is in progress is there already.
		if _, err := b.Submit(t.Context(), b.sum(t, 100*i), runs.Options{Authority: []byte(step.who)}); err != nil {
			t.Errorf("%q again: %v", step.who, err)
		}
	}
	b.pass()
}

// Suspended runs count, also after a restart, until they end; taking up what has
// ended needs room.
func TestSuspendedCount(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	b.config.Open = 4
	b.restart(t, 0)
	id := func(n int) runs.ID { return runs.ID{Workflow: b.sum(t, n).Link(), For: "a"} }
	if n, err := b.submitFor(t, "a", 1, 9); n != 3 || !errors.Is(err, runs.ErrShare) {
		t.Fatal(n, err)
	}
	for n := 1; n <= 3; n++ {
		if _, err := b.Suspend(t.Context(), id(n)); err != nil {
			t.Fatal(err)
		}
	}
	full := func(when string) {
		t.Helper()
		if n, err := b.submitFor(t, "a", 14, 19); n != 0 || !errors.Is(err, runs.ErrShare) {
			t.Errorf("%s: %d, %v", when, n, err)
		}
	}
	full("suspended")
	b.restart(t, 0)
	full("after a restart")
	if _, err := b.Resume(t.Context(), id(1)); err != nil {
		t.Errorf("one of those that count goes on: %v", err)
	}
	if _, err := b.Cancel(t.Context(), id(2)); err != nil {
		t.Fatal(err)
	}
	if n, err := b.submitFor(t, "a", 4, 9); n != 1 || !errors.Is(err, runs.ErrShare) {
		t.Errorf("after one was cancelled: %d, %v", n, err)
	}
	if _, err := b.Resume(t.Context(), id(2)); !errors.Is(err, runs.ErrShare) {
		t.Errorf("the one that was cancelled is taken up: %v", err)
	}
	if _, err := b.Suspend(t.Context(), id(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.HandOver(t.Context(), id(3)); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Submit(t.Context(), b.sum(t, 9), runs.Options{Authority: []byte("a"), Suspended: true}); err != nil {
		t.Errorf("after one was handed over: %v", err)
	}
	full("with one that was accepted suspended")
	b.pass()
	if r, err := b.Get(id(2)); err != nil || r.State != runs.Cancelled {
		t.Errorf("%+v, %v", r, err)
	}
}

// One who has many workflows in progress leaves room for another's first; those
// that wait hold no document.
func TestShareOfProgress(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	b.config.Active = 8
	var mu sync.Mutex
	begun := map[did.DID]int{}
	documents := map[*graph.Graph]bool{}
	run := b.config.Run
	b.config.Run = func(ctx context.Context, who did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		mu.Lock()
		begun[who]++
		documents[g] = true
		mu.Unlock()
		return run(ctx, who, g, o)
	}
	b.restart(t, 0)
	submitted := map[*graph.Graph]bool{}
	for _, who := range []string{"a", "b", "c"} {
		for n := range 20 {
			g := b.sum(t, n)
			submitted[g] = true
			if _, err := b.Submit(t.Context(), g, runs.Options{Authority: []byte(who)}); err != nil {
				t.Fatal(err)
			}
		}
	}
	b.until(t, func() bool { return b.attempts() == 8 })
	mu.Lock()
	if got := fmt.Sprint(begun); got != "map[a:6 b:2]" && got != "map[a:6 b:1 c:1]" {
		t.Errorf("in progress are %s", got)
	}
	mu.Unlock()
	b.pass()
	b.until(t, func() bool { return b.attempts() == 60 })
	kept := 0
	for g := range documents {
		if submitted[g] {
			kept++
		}
	}
	if kept != 8 {
		t.Errorf("%d of the documents were kept until it was their turn", kept)
	}
}

// A priority is kept with the run, and given to who runs it.
func TestPriorityIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	var mu sync.Mutex
	var given []engine.Priority
	run := b.config.Run
	b.config.Run = func(ctx context.Context, who did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		mu.Lock()
		given = append(given, o.Priority)
		mu.Unlock()
		return run(ctx, who, g, o)
	}
	b.restart(t, 0)
	g := b.sum(t, 1)
	if _, err := b.Submit(t.Context(), g, runs.Options{Priority: engine.High}); err != nil {
		t.Fatal(err)
	}
	for _, refused := range []runs.Options{{Priority: engine.High, Authority: []byte("a")}, {Priority: engine.High, Unsigned: true}} {
		if _, err := b.Submit(t.Context(), g, refused); !errors.Is(err, engine.ErrPriority) {
			t.Errorf("%+v: %v", refused, err)
		}
	}
	b.until(t, func() bool { return b.attempts() == 1 })
	b.restart(t, 1)
	b.until(t, func() bool { return b.attempts() == 2 })
	b.pass()
	mu.Lock()
	defer mu.Unlock()
	if r, err := b.Get(mine(g)); err != nil || r.Priority != engine.High || fmt.Sprint(given) != "[high high]" {
		t.Errorf("%+v, %v, %v", r, err, given)
	}
}
