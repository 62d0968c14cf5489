package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
)

// Who waits for an equal task of another workflow has no worker: with two of them, a
// task that three workflows ask for leaves one to others.
func TestWaitingForAnEqualTaskNeedsNoWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var begun atomic.Int32
	permit := &counted{r.Key.DID(), func(did.DID) { begun.Add(1) }}
	var waits []func() (*engine.Report, error)
	for range 3 {
		waits = append(waits, start(ctx, r.Engine.Engine, r.document(t, "a: loop(1)"+endless), engine.Options{Permit: permit}))
	}
	until(t, "all ask for the task", func() bool { return begun.Load() == 3 })
	end(t, r.MustRun(t, r.document(t, "a: next(1)\nb: next({from: a})\n"), engine.Options{}), "b", 3)
	cancel()
	for _, wait := range waits {
		report, err := wait()
		checkCancelled(t, report, err)
	}
}

// A task that goes on for others when the run that began it is given up still takes
// the place of a worker, until its end.
func TestSharedTaskKeepsItsWorker(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 2})
	looping := r.document(t, "a: loop(1)"+endless)
	started := make(chan struct{})
	first, leave := context.WithCancel(t.Context())
	defer leave()
	began := start(first, r.Engine.Engine, looping, engine.Options{Listen: func(ev engine.Event) {
		if ev.Kind == engine.JobStarted {
			close(started)
		}
	}})
	<-started
	second, end := context.WithCancel(t.Context())
	defer end()
	var asked atomic.Bool
	waits := start(second, r.Engine.Engine, looping, engine.Options{Permit: &counted{r.Key.DID(), func(did.DID) { asked.Store(true) }}})
	until(t, "the second waits for the task of the first", func() bool { return asked.Load() && r.Free() == 1 })
	leave()
	report, err := began()
	checkCancelled(t, report, err)

	var running atomic.Int32
	third, stop := context.WithCancel(t.Context())
	defer stop()
	others := start(third, r.Engine.Engine, r.document(t, "b: loop(2)"+endless+"c: loop(3)"+endless), engine.Options{Listen: func(ev engine.Event) {
		if ev.Kind == engine.JobStarted {
			running.Add(1)
		}
	}})
	until(t, "one of the others runs, and one waits", func() bool { return running.Load() == 1 && r.Asking() == 1 })
	end()
	report, err = waits()
	checkCancelled(t, report, err)
	until(t, "both run", func() bool { return running.Load() == 2 })
	stop()
	report, err = others()
	checkCancelled(t, report, err)
}
