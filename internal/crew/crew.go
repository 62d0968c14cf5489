package crew

import "sync"

// Crew is goroutines that wait for funcs. Its methods may be called by many
// goroutines at once.
type Crew struct {
	jobs chan func()
	keep chan struct{} // one for each goroutine that may wait for its next func
	once sync.Once
	done chan struct{}
	wg   sync.WaitGroup
}

// New returns a crew of which up to keep goroutines wait for the next func. Close
// it.
func New(keep int) *Crew {
	return &Crew{jobs: make(chan func()), keep: make(chan struct{}, keep), done: make(chan struct{})}
}

// Go calls f in a goroutine and does not wait for it. There is no bound on how many
// are called at once.
func (c *Crew) Go(f func()) {
	select {
	case c.jobs <- f:
	default:
		c.wg.Go(func() {
			f()
			c.more()
		})
	}
}

// more goes on with other funcs while there is room to wait for them.
func (c *Crew) more() {
	select {
	case c.keep <- struct{}{}:
	default:
		return
	}
	defer func() { <-c.keep }()
	for {
		select {
		case f := <-c.jobs:
			f()
		case <-c.done:
			return
		}
	}
}

// Close returns when every func has returned. None may be called afterwards.
func (c *Crew) Close() {
	c.once.Do(func() { close(c.done) })
	c.wg.Wait()
}
