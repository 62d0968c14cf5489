package engine_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// hooked calls a func before some of a store's methods.
type hooked struct {
	engine.Store
	block func(ipld.Link)
}

func (h *hooked) Block(l ipld.Link) ([]byte, error) {
	h.block(l)
	return h.Store.Block(l)
}

// checkCancelled holds the report of a cancelled run to itself.
func checkCancelled(t *testing.T, report *engine.Report, err error, ok ...string) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	if report.Status != engine.StatusCancelled {
		t.Errorf("status %s", report.Status)
	}
	finished := make(map[string]bool)
	for _, label := range ok {
		finished[label] = true
	}
	for _, j := range report.Jobs {
		want := engine.JobCancelled
		if finished[j.Label] {
			want = engine.JobOK
		}
		if j.Status != want || j.Label == "" || !j.Written.Defined() || (want == engine.JobCancelled) != (kindOf(j.Outcome) == string(task.KindCancelled)) {
			t.Errorf("job %q: %s, %s, want %s", j.Label, j.Status, kindOf(j.Outcome), want)
		}
		if j.Receipt.Defined() != (want == engine.JobOK) {
			t.Errorf("job %q: receipt %s", j.Label, j.Receipt)
		}
	}
}

const endless = ", gas: 1000000000000000, time: 1h\n"

func TestCancelBeforeTheStart(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := r.Run(ctx, r.document(t, "a: next(1)\nb: next({from: a})\n"), engine.Options{})
	checkCancelled(t, report, err)
}

// TestCancelWhileCompiling gives up while the module is being loaded. What is
// compiled may be kept; no job says that it ran.
func TestCancelWhileCompiling(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var loading atomic.Bool
	r := ipvmtest.New(t, ipvmtest.Options{Wrap: func(s engine.Store) engine.Store {
		return &hooked{Store: s, block: func(ipld.Link) {
			loading.Store(true)
			time.AfterFunc(time.Millisecond, cancel)
		}}
	}})
	var h heard
	report, err := r.Run(ctx, r.Example(t, "thumbnail/workflow.yaml"), engine.Options{Listen: h.listen})
	checkCancelled(t, report, err)
	if !loading.Load() || len(h.count(engine.JobStarted)) != 0 {
		t.Errorf("loading %v, started %v", loading.Load(), h.count(engine.JobStarted))
	}
}

// TestCancelWhileRunning gives up when one job has ended and two run for ever.
func TestCancelWhileRunning(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var h heard
	running := 0
	h.on = func(ev engine.Event) {
		if ev.Kind == engine.JobStarted && ev.Label != "a" {
			if running++; running == 2 {
				cancel()
			}
		}
	}
	g := r.document(t, "a: next(1)\nb: loop({from: a})"+endless+"c: loop(7)"+endless+"d: next({from: b})\n")
	report, err := r.Run(ctx, g, engine.Options{Listen: h.listen})
	checkCancelled(t, report, err, "a")
	if j := r.one(t, "next(1)"); j.How != engine.Remembered {
		t.Errorf("what was finished is not remembered: %s", j.How)
	}
	last := h.events[len(h.events)-1]
	if settled := h.count(engine.JobSettled); len(settled) != 4 || last.Kind != engine.WorkflowEnded || last.Status != engine.StatusCancelled {
		t.Errorf("settled %v, at last %v", settled, last)
	}
	for label, n := range h.count(engine.JobSettled) {
		if n != 1 {
			t.Errorf("%s settled %d times", label, n)
		}
	}
	for i, ev := range h.events {
		if ev.Seq != uint64(i+1) {
			t.Errorf("event %d has number %d", i+1, ev.Seq)
		}
	}
}

// TestCloseWhileRunning: the engine ends what runs, and says so.
func TestCloseWhileRunning(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 2})
	var h heard
	started := make(chan struct{})
	h.on = func(ev engine.Event) {
		if ev.Kind == engine.JobStarted {
			close(started)
		}
	}
	wait := start(t.Context(), r.Engine.Engine, r.document(t, "a: loop(1)"+endless+"b: next({from: a})\n"), engine.Options{Listen: h.listen})
	<-started
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	report, err := wait()
	checkCancelled(t, report, err)
	if _, err := r.Run(t.Context(), r.document(t, "a: next(1)\n"), engine.Options{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestCancelOneWaiter: a flight goes on for those who still wait for it.
func TestCancelOneWaiter(t *testing.T) {
	t.Parallel()
	there := newElsewhere()
	there.wait = make(chan struct{}) // the task goes on until its argument has come
	file := there.add(t, []byte("an argument"))
	r := newRig(t, ipvmtest.Options{Workers: 2, Fetcher: there})
	g := r.document(t, "a: length("+linkText(file)+")"+patient)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	started := make(chan struct{})
	first := start(ctx, r.Engine.Engine, g, engine.Options{Listen: func(ev engine.Event) {
		if ev.Kind == engine.JobStarted {
			close(started)
		}
	}})
	<-started
	var asked atomic.Bool
	second := start(t.Context(), r.Engine.Engine, g, engine.Options{
		Permit: &counted{r.Key.DID(), func(did.DID) { asked.Store(true) }},
		Listen: func(ev engine.Event) {
			if ev.Kind == engine.JobStarted {
				t.Error("the flight was not shared")
			}
		},
	})
	until(t, "both wait, and have no worker meanwhile", func() bool { return asked.Load() && r.Free() == 2 })
	cancel()
	report, err := first()
	checkCancelled(t, report, err)
	close(there.wait)
	if report, err := second(); err != nil || report.Status != engine.StatusOK {
		t.Errorf("the other waiter: %v, %v", report, err)
	}
}

// TestSlowListener: it delays the end, never the jobs, and hears everything.
func TestSlowListener(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 2})
	g := r.document(t, "a: next(1)\nb: next({from: a})\nc: next({from: b})\nd: loop(9)"+endless)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	heldUp := make(chan struct{})
	var h heard
	h.on = func(ev engine.Event) {
		if ev.Kind == engine.WorkflowStarted {
			<-heldUp
		}
	}
	wait := start(ctx, r.Engine.Engine, g, engine.Options{Listen: h.listen})
	// The chain gets to its end while the listener is still at the first event.
	want := r.document(t, "c: next(3)\n")
	for {
		forecast, err := r.Preview(t.Context(), want, engine.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if forecast[0].Remembered != nil {
			break
		}
		time.Sleep(time.Millisecond)
	}
	close(heldUp)
	cancel()
	report, err := wait()
	checkCancelled(t, report, err, "a", "b", "c")
	if n := len(h.count(engine.JobSettled)); n != 4 {
		t.Errorf("%d jobs settled", n)
	}
}

// TestClock: all times come from the clock that was given.
func TestClock(t *testing.T) {
	t.Parallel()
	var ticks atomic.Int64
	r := newRig(t, ipvmtest.Options{Workers: 1, Now: func() time.Time { return time.Unix(ticks.Add(1), 0) }})
	var h heard
	report := r.MustRun(t, r.document(t, "a: next(1)\nb: next({from: a})\n"), engine.Options{Listen: h.listen})
	end := time.Unix(ticks.Load(), 0)
	if report.Time <= 0 || report.Time >= end.Sub(time.Unix(0, 0)) {
		t.Errorf("the run took %s", report.Time)
	}
	last := time.Unix(0, 0)
	for _, ev := range h.events {
		if !ev.Time.After(last) {
			t.Errorf("event %d at %s is not after %s", ev.Seq, ev.Time, last)
		}
		last = ev.Time
	}
	for _, j := range report.Jobs {
		if !j.Started.After(time.Unix(0, 0)) || !j.Ended.After(j.Started) || !end.After(j.Ended) {
			t.Errorf("%s: from %s to %s", j.Label, j.Started, j.Ended)
		}
	}
}
