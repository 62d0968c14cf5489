package store

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// recentSpan is for how long at least what was touched counts as recent.
const recentSpan = 5 * time.Minute

// recent knows what was put, read or asked for a short while ago, and since the
// collection under way began: that stays. It is in memory, so a store that was
// just opened knows nothing: who touched it before is gone.
//
// Each of its two filters covers recentSpan. A wrong "maybe" keeps what could
// have gone.
type recent struct {
	young, old atomic.Pointer[filter]
	since      atomic.Int64 // when young began, in Unix nanoseconds
	mu         sync.Mutex   // for turning
	collecting atomic.Bool  // nothing is forgotten
}

// touch notes that what is under l is in use.
func (r *recent) touch(l ipld.Link, now time.Time) {
	young := r.young.Load()
	if age := now.UnixNano() - r.since.Load(); young == nil || !r.collecting.Load() && (age < 0 || age >= int64(recentSpan)) {
		r.turn(now)
	}
	if f := r.young.Load(); !f.sees(l) {
		f.add(l)
	}
}

// sees is mayHave for a filter that is always ready.
func (f *filter) sees(l ipld.Link) bool {
	block, bits, ok := hashes(l)
	return !ok || f.has(block, bits)
}

// turn begins a new filter, unless a collection is under way.
func (r *recent) turn(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	age := now.UnixNano() - r.since.Load()
	switch {
	case r.young.Load() == nil:
		r.young.Store(new(filter))
	case r.collecting.Load():
		return
	case age >= int64(recentSpan):
		old := r.young.Swap(new(filter))
		if age >= 2*int64(recentSpan) { // what is in it was touched that long ago less one span
			old = nil
		}
		r.old.Store(old)
	case age >= 0: // another goroutine was faster
		return
	}
	r.since.Store(now.UnixNano()) // also where the clock was set back
}

// touched tells whether what is under l may be recent.
func (r *recent) touched(l ipld.Link) bool {
	young, old := r.young.Load(), r.old.Load()
	return young != nil && young.sees(l) || old != nil && old.sees(l)
}

// hold forgets what was touched long enough ago, and then nothing until the func
// returned is called.
func (r *recent) hold(now time.Time) (release func()) {
	age := now.UnixNano() - r.since.Load()
	if age >= int64(recentSpan) {
		r.turn(now)
	}
	r.collecting.Store(true)
	return func() { r.collecting.Store(false) }
}
