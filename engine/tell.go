package engine

import (
	"context"
	"sync"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// teller hands events to a listener in order, each outcome only once it is
// durable. The run adds events and goes on; all that gather while one sync is
// under way are told after the next.
type teller struct {
	engine   *Engine
	workflow ipld.Link
	listen   func(Event)
	sync     func(context.Context) error
	mu       sync.Mutex
	queue    []Event
	seq      uint64
	ended    bool
	wake     chan struct{}
	done     chan struct{}
	err      error
}

// tell starts a teller, which runs until its end method is called. What was kept of
// an outcome is durable when sync returns.
func (e *Engine) tell(workflow ipld.Link, listen func(Event), sync func(context.Context) error) *teller {
	t := &teller{engine: e, workflow: workflow, listen: listen, sync: sync}
	if listen != nil {
		t.wake, t.done = make(chan struct{}, 1), make(chan struct{})
		go t.loop()
	}
	return t
}

// add queues ev. It never blocks. Steps in progress may call it, also those that
// a cancelled run has left behind: what they say after the end is not told.
func (t *teller) add(ev Event) {
	if t.listen == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return
	}
	t.seq++
	ev.Seq, ev.Workflow, ev.Time = t.seq, t.workflow, t.engine.Now()
	t.queue = append(t.queue, ev)
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// end returns when everything that was added is told, or could not be made
// durable.
func (t *teller) end() error {
	if t.listen == nil {
		return nil
	}
	t.mu.Lock()
	t.ended = true
	close(t.wake)
	t.mu.Unlock()
	<-t.done
	return t.err
}

func (t *teller) loop() {
	defer close(t.done)
	for open := true; open; {
		_, open = <-t.wake
		t.mu.Lock()
		batch := t.queue
		t.queue = nil
		t.mu.Unlock()
		if t.err != nil {
			continue
		}
		if t.err = t.durable(batch); t.err != nil {
			continue
		}
		for _, ev := range batch {
			fault.Point("engine.tell")
			t.listen(ev)
			fault.Point("engine.told")
		}
	}
}

// durable makes sure of what batch is about to show.
func (t *teller) durable(batch []Event) error {
	for _, ev := range batch {
		if ev.Kind == JobSettled {
			return t.sync(context.Background())
		}
	}
	return nil
}
