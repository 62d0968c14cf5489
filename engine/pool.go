package engine

import "sync"

// pool runs funcs in goroutines that it keeps for the next one: a task's way to
// its signature goes deep, and growing a new stack to that depth for each takes
// a sixth of the time of a small one.
type pool struct {
	jobs chan func()
	keep chan struct{} // one for each goroutine that may wait for its next func
	once sync.Once
	done chan struct{}
	wg   sync.WaitGroup
}

func newPool(keep int) *pool {
	return &pool{jobs: make(chan func()), keep: make(chan struct{}, keep), done: make(chan struct{})}
}

// run calls f in a goroutine and does not wait for it.
func (p *pool) run(f func()) {
	select {
	case p.jobs <- f:
	default:
		p.wg.Go(func() {
			f()
			p.more()
		})
	}
}

// more goes on with other funcs while there is room to wait for them.
func (p *pool) more() {
	select {
	case p.keep <- struct{}{}:
	default:
		return
	}
	defer func() { <-p.keep }()
	for {
		select {
		case f := <-p.jobs:
			f()
		case <-p.done:
			return
		}
	}
}

// close returns when every func has returned. None may be run afterwards.
func (p *pool) close() {
	p.once.Do(func() { close(p.done) })
	p.wg.Wait()
}
