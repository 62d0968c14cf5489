package engine

import (
	"context"
	"sync"

	"github.com/ipvm-wg/go-ipvm/internal/crew"
	"github.com/ipvm-wg/go-ipvm/task"
)

// flights makes equal calls that are asked for at the same time one run. A
// flight goes on while anyone waits for it and is cancelled when the last
// waiter has left. A waiter whose limits the outcome does not answer asks again.
type flights struct {
	mu  sync.Mutex
	all map[task.ID]*flight
	wg  sync.WaitGroup
	// pool is where flights run.
	pool *crew.Crew
}

type flight struct {
	cancel  context.CancelFunc
	done    chan struct{}
	waiters int
	result  ran
	err     error
}

// do returns what run comes to, and whether this caller is the one who started
// it. It returns early with ctx's error when ctx ends first. Others than who
// started it have no worker while they wait.
func (f *flights) do(ctx context.Context, id task.ID, run func(context.Context) (ran, error)) (r ran, leader bool, err error) {
	fl, leader := f.join(ctx, id, run)
	if leader {
		fl.wait(ctx)
	} else if err := leaseOf(ctx).without(ctx, func() { fl.wait(ctx) }); err != nil {
		f.leave(id, fl)
		return ran{}, false, err
	}
	if fl.ended() {
		return fl.result, leader, fl.err
	}
	f.leave(id, fl)
	return ran{}, leader, context.Cause(ctx)
}

// join finds the flight of a call, or starts it, for one who is to wait for it.
func (f *flights) join(ctx context.Context, id task.ID, run func(context.Context) (ran, error)) (fl *flight, leader bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fl = f.all[id]
	if leader = fl == nil; leader {
		fl = f.start(ctx, id, run)
	}
	fl.waiters++
	return fl, leader
}

// leave is for who does not wait for fl any more.
func (f *flights) leave(id task.ID, fl *flight) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if fl.waiters--; fl.waiters == 0 {
		fl.cancel()
		if f.all[id] == fl { // whoever asks from now on wants a run of its own
			delete(f.all, id)
		}
	}
}

// wait returns when fl has ended, or ctx.
func (fl *flight) wait(ctx context.Context) {
	select {
	case <-fl.done:
	case <-ctx.Done():
	}
}

func (fl *flight) ended() bool {
	select {
	case <-fl.done:
		return true
	default:
		return false
	}
}

// start begins a flight whose life does not depend on the one caller's context. It
// has the worker of that caller, also when this one leaves.
func (f *flights) start(ctx context.Context, id task.ID, run func(context.Context) (ran, error)) *flight {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	fl := &flight{cancel: cancel, done: make(chan struct{})}
	if f.all == nil {
		f.all = make(map[task.ID]*flight)
	}
	f.all[id] = fl
	f.wg.Add(1)
	land := leaseOf(ctx).share()
	f.pool.Go(func() {
		defer f.wg.Done()
		defer cancel()
		fl.result, fl.err = run(own)
		f.mu.Lock()
		if f.all[id] == fl {
			delete(f.all, id)
		}
		f.mu.Unlock()
		land()
		close(fl.done)
	})
	return fl
}

// has tells whether the call with this ID is in the air.
func (f *flights) has(id task.ID) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.all[id] != nil
}

// wait returns when no flight is in the air.
func (f *flights) wait() { f.wg.Wait() }
