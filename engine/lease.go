package engine

import (
	"context"
	"sync"
	"sync/atomic"
)

// lease is the worker that a step has. While the step waits for others it goes back,
// so that a slow gateway keeps nobody from working; then the step waits for one again.
// The worker goes back for good when the step has ended, and what it shares it with.
type lease struct {
	seat *seat
	// idle counts the steps of the run that wait so, and wake tells the run that it
	// was lowered.
	idle *atomic.Int32
	wake func()

	mu    sync.Mutex
	loan  loan
	held  bool
	users int // the step, until it has ended, and what it shares the worker with
}

// maxIdleSteps is how many steps of one run may wait for others at once: no more are
// begun meanwhile.
const maxIdleSteps = 16

type leaseKey struct{}

// leaseOf is the lease of the step that ctx is of; nil where it is of none.
func leaseOf(ctx context.Context) *lease {
	l, _ := ctx.Value(leaseKey{}).(*lease)
	return l
}

// share lets the worker stay until done is called, also when the step ends before.
func (l *lease) share() (done func()) {
	if l == nil {
		return func() {}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.users++
	return l.end
}

// end gives the worker back for good, unless it is shared with others yet.
func (l *lease) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.users--; l.users == 0 && l.held {
		l.held = false
		l.seat.giveBack(l.loan)
	}
}

// without calls wait while the step has no worker. The error is the cause of ctx, when
// that ends before there is one again. A nil lease has none to give.
func (l *lease) without(ctx context.Context, wait func()) error {
	if l == nil {
		wait()
		return nil
	}
	l.mu.Lock()
	gave := l.held
	if gave {
		l.held = false
		l.idle.Add(1)
		l.seat.giveBack(l.loan)
	}
	l.mu.Unlock()
	wait()
	if !gave {
		return nil
	}
	defer func() {
		l.idle.Add(-1)
		l.wake()
	}()
	return l.again(ctx)
}

// again waits for a worker, and as much memory as there was.
func (l *lease) again(ctx context.Context) error {
	s := l.seat.workers.enter(l.seat.party.who, Normal)
	s.price = l.seat.price
	defer s.leave()
	s.ask(l.loan.memory)
	select {
	case got := <-s.given:
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.users == 0 {
			s.giveBack(got)
			return nil
		}
		l.loan, l.held = got, true
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
