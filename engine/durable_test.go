package engine_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// watched is a store that knows what is durable and can be told to fail.
type watched struct {
	engine.Store
	mu       sync.Mutex
	put      []task.ID // of receipts, in order
	durable  int       // how many of them a Sync has covered
	puts     int
	syncs    int
	failPut  int // the number of the Put that fails, from 1
	failSync int
	received func(task.ID) // called before a receipt is put
}

var errBroken = errors.New("the disk is broken")

func (w *watched) Put(b store.Batch) error {
	for _, r := range b.Receipts {
		if w.received != nil {
			w.received(r.Task)
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.puts++; w.puts == w.failPut {
		return errBroken
	}
	err := w.Store.Put(b)
	for _, r := range b.Receipts {
		w.put = append(w.put, r.Task)
	}
	return err
}

func (w *watched) Sync(ctx context.Context) error {
	w.mu.Lock()
	n := len(w.put)
	w.syncs++
	broken := w.failSync > 0 && w.syncs >= w.failSync
	w.mu.Unlock()
	if broken {
		return errBroken
	}
	if err := w.Store.Sync(ctx); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.durable = max(w.durable, n)
	return nil
}

func (w *watched) isDurable(id task.ID) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Contains(w.put[:w.durable], id)
}

func newWatched(tb testing.TB, w *watched) *rig {
	tb.Helper()
	return newRig(tb, ipvmtest.Options{Wrap: func(s engine.Store) engine.Store {
		w.Store = s
		return w
	}})
}

const family = "a: next(1)\nb: spin({from: a})\nc: spin(3)\nd: next({from: b})\ne: fail({from: d})\n"

// TestShownIsDurable: whatever a listener or a caller sees is on the disk.
func TestShownIsDurable(t *testing.T) {
	t.Parallel()
	w := &watched{}
	r := newWatched(t, w)
	settled := 0
	r.MustRun(t, r.document(t, family), engine.Options{Listen: func(ev engine.Event) {
		if ev.Kind == engine.JobSettled {
			settled++
			if !w.isDurable(ev.Job.Task) {
				t.Errorf("%s was shown too early", ev.Label)
			}
		}
	}})
	if settled != 5 || w.durable != 5 {
		t.Errorf("%d shown, %d durable", settled, w.durable)
	}
	// Without a listener too, and also what somebody else has put but not synced.
	for range 2 {
		before := w.syncs
		report := r.MustRun(t, r.document(t, family), engine.Options{})
		if w.syncs == before || report.Status != engine.StatusFailed {
			t.Errorf("%d syncs, %s", w.syncs-before, report.Status)
		}
	}
}

// TestBrokenStore breaks the store at each of its writes in turn: the run ends
// with an error, and nothing was shown that is not on the disk.
func TestBrokenStore(t *testing.T) {
	t.Parallel()
	ipvmtest.NewWasm(t, wasm.Config{}) // skips all of it where there is none
	for _, tt := range []struct {
		name string
		set  func(*watched, int)
		most int
	}{
		{"put", func(w *watched, n int) { w.failPut = n }, 20},
		{"sync", func(w *watched, n int) { w.failSync = n }, 20},
	} {
		failed := 0
		for n := 1; n <= tt.most; n++ {
			t.Run(fmt.Sprintf("%s %d", tt.name, n), func(t *testing.T) {
				w := &watched{}
				tt.set(w, n)
				r := newWatched(t, w)
				var h heard
				h.on = func(ev engine.Event) {
					if ev.Kind == engine.JobSettled && ev.Job.Receipt.Defined() && !w.isDurable(ev.Job.Task) {
						t.Errorf("%s was shown and is not durable", ev.Label)
					}
				}
				report, err := r.Run(t.Context(), r.document(t, family), engine.Options{Listen: h.listen})
				if err == nil { // it got to its end before the n-th write
					if report.Status != engine.StatusFailed || w.durable != 5 {
						t.Errorf("%s, %d durable", report.Status, w.durable)
					}
					return
				}
				failed++
				if !errors.Is(err, errBroken) || report != nil {
					t.Errorf("got %v, %v", report, err)
				}
				if ended := h.count(engine.WorkflowEnded); len(ended) != 0 {
					t.Error("the end of a run that did not get there was told")
				}
			})
		}
		if failed == 0 {
			t.Errorf("%s: nothing ever failed", tt.name)
		}
	}
}

// TestBranchesOverlap: grey and small of the thumbnail run at the same time. The
// receipt of neither is kept before both have started.
func TestBranchesOverlap(t *testing.T) {
	t.Parallel()
	w := &watched{}
	r := newWatched(t, w)
	g := r.Example(t, "thumbnail/workflow.yaml")
	both := make(chan struct{})
	var h heard
	h.on = func(engine.Event) {
		if n := h.count(engine.JobStarted); n["grey"] == 1 && n["small"] == 1 {
			h.on = nil
			close(both)
		}
	}
	cropped := make(chan struct{})
	w.received = func(task.ID) {
		select {
		case <-cropped: // not the first receipt
		default:
			close(cropped)
			return
		}
		select {
		case <-both:
		case <-time.After(30 * time.Second):
			t.Error("the branches do not run at the same time")
		}
	}
	report := r.MustRun(t, g, engine.Options{Listen: h.listen})
	grey, _ := report.Job("grey")
	small, _ := report.Job("small")
	if report.Status != engine.StatusOK || !grey.Started.Before(small.Ended) || !small.Started.Before(grey.Ended) {
		t.Errorf("%s: grey from %s to %s, small from %s to %s", report.Status, grey.Started, grey.Ended, small.Started, small.Ended)
	}
}
