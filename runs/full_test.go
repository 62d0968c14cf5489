package runs_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
)

// On an almost full disk what came of a run is kept, listed and removed, and nothing new
// is accepted.
func TestAlmostFullDisk(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.sum(t, 1)
	began := time.Now()
	report, err := b.engine.Run(t.Context(), g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	b.config.Store = ipvmtest.Reserving(t, 200)
	b.restart(t, 0)
	if err := b.List(runs.Query{}, func(runs.Run) bool { return true }); err != nil {
		t.Errorf("list: %v", err)
	}
	if _, err := b.Submit(t.Context(), b.sum(t, 2), runs.Options{}); !errors.Is(err, store.ErrDiskFull) {
		t.Errorf("submit: %v", err)
	}
	if err := b.Waited(g, "", runs.Options{}, began, report); err != nil {
		t.Errorf("keep what came of a run: %v", err)
	}
	n, err := b.Past(func(runs.Run, uint64) bool { return true })
	if n != 1 || err != nil {
		t.Errorf("removed %d, %v", n, err)
	}
}
