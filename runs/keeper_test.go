package runs_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a keeper whose runs wait at a gate before each attempt.
type bench struct {
	*runs.Keeper
	engine *ipvmtest.Engine
	config runs.Config
	gate   chan struct{} // closed when runs may go on

	mu     sync.Mutex
	runs   int
	brings [][]ipld.Link // of each
}

func newBench(t *testing.T, open bool) *bench {
	t.Helper()
	b := &bench{engine: ipvmtest.New(t, ipvmtest.Options{}), gate: make(chan struct{})}
	if open {
		close(b.gate)
	}
	b.config = runs.Config{
		Store: b.engine.Store,
		Judge: func(_ *graph.Graph, o runs.Options) (did.DID, error) {
			if o.Unsigned {
				return engine.Anyone, nil
			}
			return did.DID(o.Authority), nil
		},
		Run: func(ctx context.Context, _ did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
			b.mu.Lock()
			b.runs++
			b.brings = append(b.brings, o.Brings)
			gate := b.gate
			b.mu.Unlock()
			select {
			case <-gate:
			case <-ctx.Done():
			}
			o.Authority = nil
			return b.engine.Run(ctx, g, o)
		},
	}
	b.Keeper = runs.New(b.config)
	t.Cleanup(func() { _ = b.Close() })
	return b
}

// restart closes the keeper and makes a new one, which takes up n runs.
func (b *bench) restart(t *testing.T, n int) {
	t.Helper()
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	b.Keeper = runs.New(b.config)
	if got, err := b.ResumeAll(t.Context()); got != n || err != nil {
		t.Fatalf("ResumeAll: %d, %v; expected %d", got, err, n)
	}
}

// pass lets all runs go on, and those to come.
func (b *bench) pass() {
	b.mu.Lock()
	defer b.mu.Unlock()
	close(b.gate)
}

func (b *bench) attempts() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.runs
}

// until waits for something that is to come soon.
func (b *bench) until(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it did not come to this")
		}
	}
}

// sum is a workflow of two jobs, the first of which adds one to n.
func (b *bench) sum(t *testing.T, n int) *graph.Graph {
	t.Helper()
	return b.engine.Document(t, fmt.Sprintf(`
a: {with: ./add-one/add-one.wasm, args: [%d]}
b: {with: ./add-one/add-one.wasm, args: [{from: a}]}`, n))
}

func (b *bench) submit(t *testing.T, g *graph.Graph) runs.Run {
	t.Helper()
	r, err := b.Submit(t.Context(), g, runs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// events are those of a run after a position, as text, until it stops.
func (b *bench) events(t *testing.T, workflow ipld.Link, after runs.Position) []string {
	t.Helper()
	var all []string
	err := b.Watch(t.Context(), runs.ID{Workflow: workflow}, after, func(ev runs.Event) bool {
		if ev.Kind != runs.JobStarted {
			all = append(all, text(ev))
		}
		return true
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// mine is the owner's run of g.
func mine(g *graph.Graph) runs.ID { return runs.ID{Workflow: g.Link()} }

func text(ev runs.Event) string {
	s := fmt.Sprintf("%d.%d %s", ev.At.Attempt, ev.At.Seq, ev.Kind)
	switch {
	case ev.Job != nil:
		s += fmt.Sprintf(" %s %s %s", ev.Label, ev.Job.Status, ev.Job.How)
	case ev.Kind == runs.Ended:
		s += fmt.Sprintf(" %s", ev.Run.State)
	}
	return strings.TrimSpace(s)
}

func expect[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-expected +got):\n%s", what, diff)
	}
}

func TestSubmit(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.sum(t, 1)
	r := b.submit(t, g)
	expect(t, "at once", r.State, runs.Running)
	all := []string{"1.1 workflow-started", "1.2 job-settled a ok ran", "1.3 job-settled b ok ran", "1.4 workflow-ended ok"}
	expect(t, "live", b.events(t, g.Link(), runs.Position{}), all)
	expect(t, "from what was kept", b.events(t, g.Link(), runs.Position{}), all)
	expect(t, "after a position", b.events(t, g.Link(), runs.Position{Attempt: 1, Seq: 2}), all[2:])
	expect(t, "after another attempt", b.events(t, g.Link(), runs.Position{Attempt: 7, Seq: 2}), all)
	expect(t, "after the end", len(b.events(t, g.Link(), runs.Position{Attempt: 1, Seq: 4})), 0)
	r, err := b.Get(mine(g))
	if err != nil || r.State != runs.OK || r.Jobs != 2 || r.Settled != 2 || r.Ended.IsZero() {
		t.Errorf("%+v, %v", r, err)
	}
	jobs, err := b.Jobs(mine(g))
	if err != nil || len(jobs) != 2 || !jobs[1].Receipt.Defined() || jobs[1].Gas == 0 || jobs[1].Ended.IsZero() {
		t.Errorf("%+v, %v", jobs, err)
	}

	again := b.submit(t, g)
	expect(t, "attempt", again.Attempt, 2)
	expect(t, "again", b.events(t, g.Link(), runs.Position{}), []string{
		"2.1 workflow-started", "2.2 job-settled a ok remembered", "2.3 job-settled b ok remembered", "2.4 workflow-ended ok",
	})
}

func TestSubmitTwice(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	first, second := b.submit(t, g), b.submit(t, g)
	if first != second {
		t.Errorf("another run: %+v, after %+v", second, first)
	}
	b.pass()
	expect(t, "end", b.events(t, g.Link(), runs.Position{Attempt: 1, Seq: 3}), []string{"1.4 workflow-ended ok"})
	expect(t, "attempts", b.attempts(), 1)
}

func TestResumeAll(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	one, two, ended := b.sum(t, 1), b.sum(t, 5), b.sum(t, 9)
	for _, g := range []*graph.Graph{one, two} {
		b.submit(t, g)
	}
	b.restart(t, 2)
	b.pass()
	for _, g := range []*graph.Graph{one, two} {
		got := b.events(t, g.Link(), runs.Position{})
		expect(t, "last", got[len(got)-1], "2.4 workflow-ended ok")
	}
	b.submit(t, ended)
	b.events(t, ended.Link(), runs.Position{})
	b.restart(t, 0)
	if err := b.List(runs.Query{Unfinished: true}, func(r runs.Run) bool { t.Errorf("unfinished: %v", r); return true }); err != nil {
		t.Error(err)
	}
}

// TestResumesWithWhatItBrought says that a guest's workflow can read the module
// within its document also where it is taken up from its normal form.
func TestResumesWithWhatItBrought(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	code := []byte("a module")
	b.submit(t, b.engine.Document(t, fmt.Sprintf("{a: {with: %q, func: f, args: [1]}}", "data:application/wasm;base64,"+base64.StdEncoding.EncodeToString(code))))
	for b.attempts() == 0 {
		time.Sleep(time.Millisecond)
	}
	b.restart(t, 1)
	for b.attempts() == 1 {
		time.Sleep(time.Millisecond)
	}
	want := []ipld.Link{ipld.LinkOf(ipld.CodecRaw, code)}
	for i, got := range b.brings {
		if !slices.Equal(got, want) {
			t.Errorf("attempt %d brings %v, expected %v", i+1, got, want)
		}
	}
}

// TestResumesWithReceipts says that what has a receipt is not run again.
func TestResumesWithReceipts(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	b.submit(t, g)
	b.engine.MustRun(t, b.engine.Document(t, `{a: {with: ./add-one/add-one.wasm, args: [1]}}`), engine.Options{})
	b.restart(t, 1)
	b.pass()
	expect(t, "events", b.events(t, g.Link(), runs.Position{}), []string{
		"2.1 workflow-started", "2.2 job-settled a ok remembered", "2.3 job-settled b ok ran", "2.4 workflow-ended ok",
	})
}

// TestOpen: what came over an open door once is known to have, whoever submits it
// too, and before and after the process ends.
// A workflow runs for each principal on its own, and nobody sees or stops the run of
// another.
func TestPrincipals(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	all := map[did.DID]runs.Options{"": {}, engine.Anyone: {Unsigned: true}, "did:a": {Authority: []byte("did:a")}, "did:ab": {Authority: []byte("did:ab")}}
	for who, o := range all {
		r, err := b.Submit(t.Context(), g, o)
		if err != nil || r.For != who || r.Attempt != 1 {
			t.Fatalf("%q: %+v, %v", who, r, err)
		}
	}
	if _, err := b.Get(runs.ID{Workflow: g.Link(), For: "did:abc"}); !errors.Is(err, runs.ErrUnknown) {
		t.Errorf("of nobody: %v", err)
	}
	if _, err := b.Cancel(t.Context(), runs.ID{Workflow: g.Link(), For: "did:a"}); err != nil {
		t.Fatal(err)
	}
	b.restart(t, 3)
	b.pass()
	for who := range all {
		id, want := runs.ID{Workflow: g.Link(), For: who}, runs.OK
		if who == "did:a" {
			want = runs.Cancelled
		}
		if err := b.Watch(t.Context(), id, runs.Position{}, func(runs.Event) bool { return true }); err != nil {
			t.Fatal(err)
		}
		if r, err := b.Get(id); err != nil || r.State != want || r.ID != id {
			t.Errorf("%q: %+v, %v", who, r, err)
		}
		if jobs, err := b.Jobs(id); err != nil || len(jobs) != 2 {
			t.Errorf("%q: %d jobs, %v", who, len(jobs), err)
		}
	}
}

func TestSuspend(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	b.submit(t, g)
	r, err := b.Suspend(t.Context(), mine(g))
	if err != nil || r.State != runs.Suspended {
		t.Fatalf("%+v, %v", r, err)
	}
	expect(t, "no end", b.events(t, g.Link(), runs.Position{}), []string{"1.1 workflow-started"})
	b.restart(t, 0)
	b.pass()
	if r, err = b.Resume(t.Context(), mine(g)); err != nil || r.State != runs.Running {
		t.Fatalf("%+v, %v", r, err)
	}
	got := b.events(t, g.Link(), runs.Position{})
	expect(t, "last", got[len(got)-1], "2.4 workflow-ended ok")
	if _, err := b.Resume(t.Context(), mine(g)); !errors.Is(err, runs.ErrState) {
		t.Errorf("resumed after it went well: %v", err)
	}
}

// TestSuspendedIsNotSettled says that who watches is not told of jobs that are
// given up for a while.
func TestSuspendedIsNotSettled(t *testing.T) {
	t.Parallel()
	for _, closes := range []bool{false, true} {
		b := newBench(t, false)
		g := b.sum(t, 1)
		b.submit(t, g)
		seen := make(chan []string)
		began := make(chan struct{}, 9)
		go func() {
			var all []string
			_ = b.Watch(t.Context(), mine(g), runs.Position{}, func(ev runs.Event) bool {
				all = append(all, text(ev))
				began <- struct{}{}
				return true
			})
			seen <- all
		}()
		<-began
		var err error
		if closes {
			err = b.Close()
		} else {
			_, err = b.Suspend(t.Context(), mine(g))
		}
		if err != nil {
			t.Fatal(err)
		}
		expect(t, "events", <-seen, []string{"1.1 workflow-started"})
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.sum(t, 1)
	if _, err := b.Cancel(t.Context(), mine(g)); !errors.Is(err, runs.ErrUnknown) {
		t.Errorf("unknown: %v", err)
	}
	b.submit(t, g)
	r, err := b.Cancel(t.Context(), mine(g))
	if err != nil || r.State != runs.Cancelled || r.Ended.IsZero() {
		t.Fatalf("%+v, %v", r, err)
	}
	expect(t, "events", b.events(t, g.Link(), runs.Position{}), []string{
		"1.1 workflow-started", "1.2 job-settled a cancelled", "1.3 job-settled b cancelled", "1.4 workflow-ended cancelled",
	})
	if _, err := b.Cancel(t.Context(), mine(g)); !errors.Is(err, runs.ErrState) {
		t.Errorf("cancelled twice: %v", err)
	}
	b.restart(t, 0)
}

// TestCancelIsKept says that a run stays cancelled whose process ends before it
// has stopped.
func TestCancelIsKept(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	stuck := make(chan struct{})
	run := b.config.Run
	b.config.Run = func(ctx context.Context, who did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		<-stuck
		return run(ctx, who, g, o)
	}
	b.restart(t, 0)
	g := b.sum(t, 1)
	b.submit(t, g)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := b.Cancel(ctx, mine(g)); !errors.Is(err, context.Canceled) {
		t.Errorf("it has stopped: %v", err)
	}
	other := runs.New(b.config) // as after a crash
	if n, err := other.ResumeAll(t.Context()); n != 0 || err != nil {
		t.Errorf("taken up %d, %v", n, err)
	}
	close(stuck)
	b.pass()
}

func TestFull(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	b.config.Open = 2
	b.restart(t, 0)
	b.submit(t, b.sum(t, 1))
	b.submit(t, b.sum(t, 2))
	if _, err := b.Submit(t.Context(), b.sum(t, 3), runs.Options{}); !errors.Is(err, runs.ErrFull) {
		t.Errorf("a third: %v", err)
	}
	b.submit(t, b.sum(t, 2))
	b.pass()
}

// TestActive says that workflows beyond those in progress wait for their turn,
// in which they can be cancelled.
func TestActive(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	b.config.Active = 1
	b.restart(t, 0)
	b.submit(t, b.sum(t, 1))
	waiting := b.sum(t, 2)
	b.submit(t, waiting)
	if r, err := b.Cancel(t.Context(), mine(waiting)); err != nil || r.State != runs.Cancelled {
		t.Errorf("%+v, %v", r, err)
	}
	if n := b.attempts(); n > 1 {
		t.Errorf("%d in progress", n)
	}
	b.pass()
}

func TestRefused(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	denied := errors.New("not you")
	b.config.Judge = func(*graph.Graph, runs.Options) (did.DID, error) { return "", denied }
	b.restart(t, 0)
	g := b.sum(t, 1)
	if _, err := b.Submit(t.Context(), g, runs.Options{}); !errors.Is(err, denied) {
		t.Errorf("submitted: %v", err)
	}
	if _, err := b.Get(mine(g)); !errors.Is(err, runs.ErrUnknown) {
		t.Errorf("kept: %v", err)
	}
}

func TestBroken(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	run := b.config.Run
	b.config.Run = func(context.Context, did.DID, *graph.Graph, engine.Options) (*engine.Report, error) {
		return nil, errors.New("no disk")
	}
	b.restart(t, 0)
	g := b.sum(t, 1)
	b.submit(t, g)
	expect(t, "events", b.events(t, g.Link(), runs.Position{}), []string{"1.1 workflow-started", "1.2 workflow-ended broken"})
	r, _ := b.Get(mine(g))
	expect(t, "reason", r.Reason, "no disk")
	b.config.Run = run
	b.restart(t, 0)
	if _, err := b.Resume(t.Context(), mine(g)); err != nil {
		t.Fatal(err)
	}
	got := b.events(t, g.Link(), runs.Position{})
	expect(t, "last", got[len(got)-1], "2.4 workflow-ended ok")
}

// A workflow for which the disk has no room waits until there is some, whether it
// was run or only its end is to be kept.
func TestStarved(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	run := b.config.Run
	full := 3
	b.config.Run = func(ctx context.Context, by did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		if full--; full >= 0 {
			return nil, fmt.Errorf("put: %w", store.ErrDiskFull)
		}
		return run(ctx, by, g, o)
	}
	b.config.Retry = 10 * time.Millisecond
	b.restart(t, 0)
	g := b.sum(t, 1)
	b.submit(t, g)
	for r, err := b.Get(mine(g)); r.State != runs.OK; r, err = b.Get(mine(g)) {
		if err != nil || r.State != runs.Running {
			t.Fatalf("%+v, %v", r, err)
		}
		time.Sleep(time.Millisecond)
	}
	got := b.events(t, g.Link(), runs.Position{})
	expect(t, "events", got, []string{"4.1 workflow-started", "4.2 job-settled a ok ran", "4.3 job-settled b ok ran", "4.4 workflow-ended ok"})
}

func TestFailed(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.engine.Document(t, `
a: {with: ./add-one/add-one.wasm, args: [1], gas: 1}
b: {with: ./add-one/add-one.wasm, args: [{from: a}]}`)
	b.submit(t, g)
	expect(t, "events", b.events(t, g.Link(), runs.Position{}), []string{
		"1.1 workflow-started", "1.2 job-settled a error ran", "1.3 job-settled b upstream", "1.4 workflow-ended failed",
	})
	r, _ := b.Get(mine(g))
	expect(t, "first", r.First, "a")
	jobs, err := b.Jobs(mine(g))
	if err != nil || jobs[0].Kind != "out-of-gas" || jobs[1].Upstream != "a" {
		t.Errorf("%+v, %v", jobs, err)
	}
}

// TestHandled says that what was taken care of, which shows at the end, is kept.
func TestHandled(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.engine.Document(t, `
a: {with: ./add-one/add-one.wasm, args: [1], gas: 1, on: {error: [b]}}
b: {with: ./add-one/add-one.wasm, args: [1]}`)
	b.submit(t, g)
	b.events(t, g.Link(), runs.Position{})
	jobs, err := b.Jobs(mine(g))
	if err != nil || len(jobs) != 2 || !jobs[0].Handled || jobs[1].Handled {
		t.Errorf("%+v, %v", jobs, err)
	}
	if r, _ := b.Get(mine(g)); r.State != runs.OK {
		t.Errorf("%+v", r)
	}
}

// TestPages has a run with more jobs than one page of its record holds.
func TestPages(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	const n = 1300
	var doc strings.Builder
	for i := range n {
		fmt.Fprintf(&doc, "j%d: {with: ./add-one/add-one.wasm, args: [%d]}\n", i, i%7)
	}
	g := b.engine.Document(t, doc.String())
	b.submit(t, g)
	live := b.events(t, g.Link(), runs.Position{})
	expect(t, "events", len(live), n+2)
	expect(t, "from what was kept", b.events(t, g.Link(), runs.Position{}), live)
	expect(t, "the end", b.events(t, g.Link(), runs.Position{Attempt: 1, Seq: n + 1}), live[n+1:])
}

func TestList(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	clock := time.Unix(1_800_000_000, 0)
	b.Now = func() time.Time { return clock }
	const n = 150
	var want []string
	for i := range n {
		if i%3 > 0 {
			clock = clock.Add(time.Nanosecond)
		}
		g, o := b.sum(t, i/2), runs.Options{}
		if i%2 == 1 {
			o.Authority = []byte("did:a")
		}
		r, err := b.Submit(t.Context(), g, o)
		if err != nil {
			t.Fatal(err)
		}
		if err := b.Watch(t.Context(), r.ID, runs.Position{}, func(runs.Event) bool { return true }); err != nil {
			t.Fatal(err)
		}
		want = append(want, r.Place().String())
	}
	// One that is submitted again comes first.
	clock = clock.Add(time.Hour)
	again, err := b.Submit(t.Context(), b.sum(t, 0), runs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	want = append(want[1:], again.Place().String())
	list := func(q runs.Query, page int) (all []string) {
		for more := true; more; {
			n := 0
			err := b.List(q, func(r runs.Run) bool {
				all = append(all, r.Place().String())
				var err error
				if q.After, err = runs.ParsePlace(all[len(all)-1]); err != nil {
					t.Error(err)
				}
				n++
				return n < page
			})
			if err != nil {
				t.Fatal(err)
			}
			more = n == page
		}
		return all
	}
	for _, page := range []int{1, 7, 1000} {
		all := list(runs.Query{}, page)
		if !slices.IsSortedFunc(all, func(a, b string) int { return strings.Compare(b[:19], a[:19]) }) {
			t.Errorf("pages of %d: not the latest first", page)
		}
		slices.Sort(all)
		expect(t, "all", all, slices.Sorted(slices.Values(want)))
		who := did.DID("did:a")
		one := list(runs.Query{For: &who}, page)
		expect(t, "of one", len(one), n/2)
		for _, p := range one {
			if !strings.HasSuffix(p, ".did:a") {
				t.Errorf("of one: %s", p)
			}
		}
	}
	// A store of an earlier version has no order yet.
	if err := b.engine.Store.PutNote("run/placed", "", nil); err != nil {
		t.Fatal(err)
	}
	var places []string
	if err := b.engine.Store.Notes("run/place", func(note store.Note) bool { places = append(places, note.Key); return true }); err != nil {
		t.Fatal(err)
	}
	for _, key := range places {
		if err := b.engine.Store.PutNote("run/place", key, nil); err != nil {
			t.Fatal(err)
		}
	}
	expect(t, "of an earlier version", len(list(runs.Query{}, 1000)), len(want))
	for _, bad := range []string{"x", "1", "1.", "1." + again.Workflow.String() + ".", "01." + again.Workflow.String()} {
		if _, err := runs.ParsePlace(bad); err == nil {
			t.Errorf("%q is a place", bad)
		}
	}
}

// Those that have not ended are listed alike.
func TestListUnfinished(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	for i := range 3 {
		if _, err := b.Submit(t.Context(), b.sum(t, i), runs.Options{Unsigned: i == 1}); err != nil {
			t.Fatal(err)
		}
	}
	count := func(q runs.Query) (n int) {
		q.Unfinished = true
		last := time.Now().Add(time.Hour)
		if err := b.List(q, func(r runs.Run) bool {
			if n++; r.Accepted.After(last) {
				t.Error("not the latest first")
			}
			last = r.Accepted
			return true
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	anyone := engine.Anyone
	expect(t, "all", count(runs.Query{}), 3)
	expect(t, "of anyone", count(runs.Query{For: &anyone}), 1)
}
