package runs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
)

// mayHave tells whether a principal that has so many places of a kind may have one
// more while so many are free: it has three quarters of them at most when it is
// alone, and always leaves some for who comes next.
func mayHave(has, free int) bool { return has < 3*free }

// ledger is what has not ended, suspended runs included. It is guarded by the
// keeper's mu.
type ledger struct {
	all map[ID]struct{}
	of  map[did.DID]int
}

func newLedger() ledger { return ledger{make(map[ID]struct{}), make(map[did.DID]int)} }

func (l *ledger) add(id ID) {
	if _, known := l.all[id]; !known {
		l.all[id] = struct{}{}
		l.of[id.For]++
	}
}

func (l *ledger) remove(id ID) {
	if _, known := l.all[id]; !known {
		return
	}
	delete(l.all, id)
	if l.of[id.For]--; l.of[id.For] == 0 {
		delete(l.of, id.For)
	}
}

// room is why there is none for one more run, of most in all; nil if there is.
func (l *ledger) room(id ID, most int) error {
	_, known := l.all[id]
	switch free := most - len(l.all); {
	case known:
		return nil
	case free <= 0:
		return fmt.Errorf("%w: %d, the most that there may be", ErrFull, most)
	case !mayHave(l.of[id.For], free):
		return fmt.Errorf("%w: %d of %d that the node may have, and %d are left for all", ErrShare, l.of[id.For], most, free)
	}
	return nil
}

// slots are those in which accepted workflows are in progress. The next that is
// free goes to the principal that has the fewest, and there to who came first.
type slots struct {
	mu      sync.Mutex
	free    int
	of      map[did.DID]int // that each principal has
	waiting map[did.DID][]*place
	arrived int64
}

// place is that of one run in the queue for slots.
type place struct {
	who   did.DID
	order int64
	given chan struct{} // closed when it has a slot
}

func newSlots(n int) *slots {
	return &slots{free: n, of: make(map[did.DID]int), waiting: make(map[did.DID][]*place)}
}

// ahead is how many that came earlier a run of high priority goes before, and how
// many that come later go before one of low priority: none waits for ever.
const ahead = 1000

// ask puts a run of a principal in the queue.
func (s *slots) ask(who did.DID, priority engine.Priority) *place {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.arrived++
	p := &place{who: who, order: s.arrived, given: make(chan struct{})}
	switch priority {
	case engine.High:
		p.order -= ahead
	case engine.Low:
		p.order += ahead
	}
	queue := s.waiting[who]
	i, _ := slices.BinarySearchFunc(queue, p.order+1, func(p *place, order int64) int { return cmp.Compare(p.order, order) })
	s.waiting[who] = slices.Insert(queue, i, p)
	s.serve()
	return p
}

// has tells whether p has its slot already.
func (p *place) has() bool {
	select {
	case <-p.given:
		return true
	default:
		return false
	}
}

// wait returns when p has its slot, which has to be given back, or when ctx ends.
func (s *slots) wait(ctx context.Context, p *place) error {
	select {
	case <-p.given:
	case <-ctx.Done():
	}
	if ctx.Err() == nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.has() {
		s.back(p)
	} else {
		s.dequeue(p)
	}
	return context.Cause(ctx)
}

// leave gives back the slot of p.
func (s *slots) leave(p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.back(p)
}

// back is leave. The caller holds mu.
func (s *slots) back(p *place) {
	s.free++
	if s.of[p.who]--; s.of[p.who] == 0 {
		delete(s.of, p.who)
	}
	s.serve()
}

// dequeue takes p from the queue. The caller holds mu.
func (s *slots) dequeue(p *place) {
	queue := s.waiting[p.who]
	i := slices.Index(queue, p)
	if queue = slices.Delete(queue, i, i+1); len(queue) == 0 {
		delete(s.waiting, p.who)
		return
	}
	s.waiting[p.who] = queue
}

// serve gives out what is free. The caller holds mu.
func (s *slots) serve() {
	for s.free > 0 {
		var next *place
		for who, queue := range s.waiting {
			first, has := queue[0], s.of[who]
			if !mayHave(has, s.free) {
				continue
			}
			if next == nil || has < s.of[next.who] || has == s.of[next.who] && first.order < next.order {
				next = first
			}
		}
		if next == nil {
			return
		}
		s.dequeue(next)
		s.free--
		s.of[next.who]++
		close(next.given)
	}
}
