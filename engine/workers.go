package engine

import (
	"cmp"
	"container/heap"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
)

// Priority is the class of a run among those that wait for workers. The zero
// value is [Normal].
type Priority string

// The priorities. A second of a worker counts four times for a run of the lowest,
// and a quarter for one of the highest, so that each goes on however much there
// is of the others.
const (
	Low    Priority = "low"
	Normal Priority = "normal"
	High   Priority = "high" // only the owner of a node may ask for it
)

// Priorities are all of them, the lowest first.
var Priorities = []Priority{Low, Normal, High}

// price is what a second of a worker counts for a run of priority p; 0 for what is
// none.
func (p Priority) price() float64 {
	switch p {
	case Low:
		return 4
	case Normal, "":
		return 1
	case High:
		return 0.25
	}
	return 0
}

// CheckPriority is why a run on behalf of who may not have priority p.
func CheckPriority(who did.DID, p Priority) error {
	switch {
	case p.price() == 0:
		return fmt.Errorf("%w: %.40q, but they are %s, %s and %s", ErrNoPriority, p, Low, Normal, High)
	case p == High && who != "":
		return ErrPriority
	}
	return nil
}

var (
	// ErrNoPriority reports a priority that there is not.
	ErrNoPriority = errors.New("no such priority")
	// ErrPriority reports a run on behalf of another than the node's owner that was
	// to come before others.
	ErrPriority = errors.New("only the owner of a node may raise a priority above normal")
)

// workers shares a number of workers among principals, and those of each
// principal among its runs. The next worker goes to the principal that has used
// the least time so far, be its work many short steps or a few long ones. One
// that comes anew begins where the others are: what it left unused earlier
// counts for nothing. The runs of one principal take turns.
//
// With a worker comes the memory that the step may take. What has a large part of
// all memory counts as that part of the workers. Where the memory for who is next
// is not free, others go first that need less, but only so often: then who is next
// is waited for.
//
// A worker that was lent is not taken away: who has it gives it back.
type workers struct {
	mu       sync.Mutex
	now      func() time.Time
	began    time.Time
	free     int
	memory   uint64  // that is free
	weight   float64 // how many workers a byte of memory counts as
	parties  map[did.DID]*party
	waiting  []*party // those with runs that wait, in the order in which they began to
	level    float64  // what the one that was served last had used by then
	arrivals uint64
}

// perStep is what a step counts for beside its time, in nanoseconds.
const perStep = float64(10 * time.Microsecond)

// maxPassed is how often others go before a step for which there is no memory.
const maxPassed = 64

// maxIdle bounds the principals whose use is remembered while they have no run.
const maxIdle = 1024

// party is a principal that has runs.
type party struct {
	who   did.DID
	runs  int     // those that go on
	used  float64 // by its steps that ended, in nanoseconds at their prices
	busy  int     // steps in progress
	rate  float64 // their prices
	since float64 // what these had used before they began, were they begun with the clock
	turns turns   // its runs that wait
	turn  float64 // that of the run that was served last
}

// at is what p has used by now, its steps in progress included.
func (p *party) at(now float64) float64 { return p.used + p.rate*now - p.since }

// seat is where one run waits for workers. It belongs to the goroutine of the run.
type seat struct {
	workers *workers
	party   *party
	price   float64
	given   chan loan // has one when the run has got a worker
	// What follows is guarded by the workers' mu.
	waits  bool
	memory uint64  // that its next step needs
	passed int     // how often others went before it because of that
	index  int     // among its party's turns
	turn   float64 // the lowest is next
	order  uint64  // of arrival, among equal turns
}

// loan is a worker that a step has, and its memory.
type loan struct {
	price, since float64
	memory       uint64
}

func newWorkers(n int, memory uint64, now func() time.Time) *workers {
	return &workers{free: n, memory: memory, weight: float64(n) / float64(memory), now: now, began: now(), parties: make(map[did.DID]*party)}
}

// clock is how long there has been w.
func (w *workers) clock() float64 { return float64(w.now().Sub(w.began)) }

// enter gives a run of a principal its seat, which it has to leave.
func (w *workers) enter(who did.DID, p Priority) *seat {
	w.mu.Lock()
	defer w.mu.Unlock()
	party := w.party(who)
	party.runs++
	return &seat{workers: w, party: party, price: p.price(), given: make(chan loan, 1)}
}

// leave gives up a seat whose run has no step in progress any more, but for those
// that others wait for.
func (s *seat) leave() {
	s.withdraw()
	s.workers.mu.Lock()
	defer s.workers.mu.Unlock()
	s.party.runs--
}

// party finds a principal. Where there are many without runs, those are
// forgotten that have used the least: they would begin where the others are.
func (w *workers) party(who did.DID) *party {
	p := w.parties[who]
	if p != nil {
		return p
	}
	if len(w.parties) >= 2*maxIdle {
		var idle []*party
		for _, p := range w.parties {
			if p.runs == 0 && p.busy == 0 {
				idle = append(idle, p)
			}
		}
		slices.SortFunc(idle, func(a, b *party) int { return cmp.Compare(a.used, b.used) })
		for _, p := range idle[:max(0, len(idle)-maxIdle)] {
			delete(w.parties, p.who)
		}
	}
	p = &party{who: who}
	w.parties[who] = p
	return p
}

// ask makes the run wait for a worker and so much memory, which is not more than
// there is, unless it does so or has got one already.
func (s *seat) ask(memory uint64) {
	w, p := s.workers, s.party
	w.mu.Lock()
	defer w.mu.Unlock()
	if s.waits || len(s.given) > 0 {
		return
	}
	if len(p.turns) == 0 {
		if p.busy == 0 {
			p.used = max(p.used, w.level)
		}
		w.waiting = append(w.waiting, p)
	}
	w.arrivals++
	s.waits, s.memory, s.passed = true, memory, 0
	s.turn, s.order = max(s.turn, p.turn), w.arrivals
	heap.Push(&p.turns, s)
	if w.free > 0 {
		w.serve(w.clock())
	}
}

// withdraw makes the run wait no more; a worker that it has got meanwhile goes back.
func (s *seat) withdraw() {
	s.workers.mu.Lock()
	if s.waits {
		s.dequeue()
	}
	s.workers.mu.Unlock()
	select {
	case l := <-s.given:
		s.giveBack(l)
	default:
	}
}

// borrow waits for a worker for the owner of the node, and for memory, which the
// func returned gives back.
func (w *workers) borrow(ctx context.Context, memory uint64) (done func(), err error) {
	s := w.enter("", Normal)
	s.ask(memory)
	select {
	case l := <-s.given:
		return func() { s.giveBack(l); s.leave() }, nil
	case <-ctx.Done():
		s.leave()
		return nil, context.Cause(ctx)
	}
}

// dequeue takes s from those that wait. The caller holds mu.
func (s *seat) dequeue() {
	w, p := s.workers, s.party
	heap.Remove(&p.turns, s.index)
	s.waits = false
	if len(p.turns) == 0 {
		i := slices.Index(w.waiting, p)
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
}

// giveBack ends the loan of a worker, which goes to who is next.
func (s *seat) giveBack(l loan) {
	w, p := s.workers, s.party
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.clock()
	p.used += l.price * (now - l.since)
	p.rate -= l.price
	p.since -= l.price * l.since
	if p.busy--; p.busy == 0 {
		p.rate, p.since = 0, 0 // to the last digit
	}
	w.free++
	w.memory += l.memory
	w.serve(now)
}

// serve lends the workers that are free. The caller holds mu.
func (w *workers) serve(now float64) {
	for w.free > 0 && len(w.waiting) > 0 {
		p := w.next(now, 0)
		if s := p.turns[0]; s.memory > w.memory {
			if p = w.next(now, s.memory); p == nil || s.passed == maxPassed {
				return
			}
			s.passed++
		}
		w.level = max(w.level, p.at(now))
		p.turns[0].lend(now)
	}
}

// next is who has used the least of those that wait; where below is not 0, only
// of those that need less memory than that, and no more than is free.
func (w *workers) next(now float64, below uint64) (next *party) {
	var least float64
	for _, p := range w.waiting {
		if need := p.turns[0].memory; below > 0 && (need >= below || need > w.memory) {
			continue
		}
		if at := p.at(now); next == nil || at < least {
			next, least = p, at
		}
	}
	return next
}

// lend gives the run the worker that it waits for. The caller holds mu.
func (s *seat) lend(now float64) {
	w, p := s.workers, s.party
	s.dequeue()
	w.free--
	w.memory -= s.memory
	p.turn = s.turn
	s.turn += s.price
	price := s.price * max(1, w.weight*float64(s.memory))
	p.used += s.price * perStep
	p.busy++
	p.rate += price
	p.since += price * now
	s.given <- loan{price, now, s.memory}
}

// turns are runs of one principal that wait, as a heap: the first is next.
type turns []*seat

func (t turns) Len() int { return len(t) }

func (t turns) Less(i, j int) bool {
	if t[i].turn != t[j].turn {
		return t[i].turn < t[j].turn
	}
	return t[i].order < t[j].order
}

func (t turns) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].index, t[j].index = i, j
}

// Push adds a seat at the end.
func (t *turns) Push(s any) {
	seat := s.(*seat)
	seat.index = len(*t)
	*t = append(*t, seat)
}

// Pop takes the last one away.
func (t *turns) Pop() any {
	last := len(*t) - 1
	s := (*t)[last]
	*t = (*t)[:last]
	return s
}
