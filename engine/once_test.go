package engine_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// slowMemory answers the first question for receipts late: with what was true
// when it was asked.
type slowMemory struct {
	engine.Store
	first atomic.Bool   // the first question was asked
	asked chan struct{} // closed when the first question has its answer
	gate  chan struct{} // closed when it may be given
}

func (s *slowMemory) Receipts(id task.ID) (all []*receipt.Signed, err error) {
	all, err = s.Store.Receipts(id)
	if s.first.CompareAndSwap(false, true) {
		close(s.asked)
		<-s.gate
	}
	return all, err
}

// TestEqualTasksRunOnceBetweenRuns lets one run end between another run's look
// into the store and its start.
func TestEqualTasksRunOnceBetweenRuns(t *testing.T) {
	t.Parallel()
	slow := &slowMemory{asked: make(chan struct{}), gate: make(chan struct{})}
	b := ipvmtest.New(t, ipvmtest.Options{Workers: 4, Wrap: func(s engine.Store) engine.Store {
		slow.Store = s
		return slow
	}})
	e := b.Engine
	g := b.Example(t, "add-one/workflow.json")

	late := make(chan *engine.Report)
	go func() { late <- mustRun(t, e, g) }()
	<-slow.asked
	first := mustRun(t, e, g)
	close(slow.gate)
	second := <-late
	for i := range first.Jobs {
		if a, b := first.Jobs[i].How, second.Jobs[i].How; a != engine.Ran || b != engine.Remembered {
			t.Errorf("job %s: %s in the first run and %s in the second", first.Jobs[i].Label, a, b)
		}
	}
}

func mustRun(t *testing.T, e *engine.Engine, g *graph.Graph) *engine.Report {
	t.Helper()
	report, err := e.Run(context.Background(), g, engine.Options{})
	if err != nil {
		t.Error(err)
		return &engine.Report{Jobs: make([]engine.JobReport, g.Len())}
	}
	return report
}
