package engine

import (
	"fmt"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/did"
)

// office is workers, with runs whose steps take as long as a test says, by a
// clock of its own.
type office struct {
	*workers
	time  time.Time
	runs  []*clerk
	steps []busy // in progress
}

// clerk is a run.
type clerk struct {
	*seat
	long  time.Duration // of a step
	needs uint64        // memory
	left  int           // steps that have not begun
	began int
}

type busy struct {
	*clerk
	loan
	ends time.Time
}

func newOffice(n int) *office {
	o := &office{time: time.Unix(0, 0)}
	o.workers = newWorkers(n, 1000, func() time.Time { return o.time })
	return o
}

// enter lets a run of so many steps ask for workers.
func (o *office) enter(who did.DID, p Priority, steps int, long time.Duration) *clerk {
	return o.enterWith(who, p, steps, long, 0)
}

// enterWith lets a run of steps that need so much memory ask for workers.
func (o *office) enterWith(who did.DID, p Priority, steps int, long time.Duration, memory uint64) *clerk {
	c := &clerk{seat: o.workers.enter(who, p), long: long, left: steps, needs: memory}
	o.runs = append(o.runs, c)
	if steps > 0 {
		c.ask(memory)
	}
	o.begin()
	return c
}

// begin lets all runs that have got a worker begin a step, and ask for more.
func (o *office) begin() {
	for i := 0; i < len(o.runs); i++ {
		c := o.runs[i]
		select {
		case l := <-c.given:
			c.began, c.left = c.began+1, c.left-1
			o.steps = append(o.steps, busy{c, l, o.time.Add(c.long)})
			if c.left > 0 {
				c.ask(c.needs)
			}
			i = -1
		default:
		}
	}
}

// next ends the step that is to end first.
func (o *office) next() {
	first := 0
	for i := range o.steps {
		if o.steps[i].ends.Before(o.steps[first].ends) {
			first = i
		}
	}
	s := o.steps[first]
	o.steps = append(o.steps[:first], o.steps[first+1:]...)
	o.time = s.ends
	s.giveBack(s.loan)
	o.begin()
}

func (o *office) spend(d time.Duration) {
	for end := o.time.Add(d); len(o.steps) > 0 && o.time.Before(end); {
		o.next()
	}
}

// began is how many steps of a principal have begun.
func (o *office) began(who did.DID) (n int) {
	for _, c := range o.runs {
		if c.party.who == who {
			n += c.began
		}
	}
	return n
}

const lots = math.MaxInt

// Who has little to do begins at once, however much others have that came before:
// meanwhile no more of their steps begin than there are workers.
func TestFewStepsAmongMany(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 4, 16} {
		for _, runs := range []int{1, 3, 128} {
			for _, had := range []int{0, 1000} {
				o := newOffice(n)
				o.enter("few", Normal, had, time.Millisecond)
				for range runs {
					o.enter("many", Normal, lots, time.Millisecond)
				}
				o.spend(2 * time.Second)
				before := o.began("many")
				few := o.enter("few", Normal, 2, time.Millisecond)
				for few.left > 0 && o.began("many") < before+1000 {
					o.next()
				}
				if others := o.began("many") - before; others > n {
					t.Errorf("%d workers, %d runs, %d steps before: %d steps of others began first", n, runs, had, others)
				}
			}
		}
	}
}

// Principals share the time, whatever their steps are like and however many runs
// they are in.
func TestSharesOfTime(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 2, 3} {
		o := newOffice(n)
		o.enter("long", Normal, lots, time.Second)
		for range 10 {
			o.enter("short", Normal, lots, 10*time.Millisecond)
		}
		o.spend(10 * time.Minute)
		long, short := o.began("long"), o.began("short")/100
		if share := float64(long) / float64(long+short); share < 0.48 || share > 0.52 {
			t.Errorf("%d workers: %d seconds for long steps, %d for short ones", n, long, short)
		}
	}
}

// What was left unused is not saved up, and what was used is not forgotten by
// coming back.
func TestNothingIsSavedUp(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	o.enter("early", Normal, 1, time.Millisecond)
	o.enter("always", Normal, lots, time.Millisecond)
	o.spend(time.Minute)
	before := o.began("always")
	o.enter("early", Normal, lots, time.Millisecond)
	o.spend(time.Second)
	if got := o.began("always") - before; got < 490 || got > 510 {
		t.Errorf("%d of 1000 steps are those of who was always there", got)
	}
	before = o.began("always")
	for range 1000 { // one long step after the other, each in a run of its own
		c := o.enter("returning", Normal, 1, 100*time.Millisecond)
		for c.left > 0 {
			o.next()
		}
		for len(o.steps) > 0 && o.steps[0].clerk == c {
			o.next()
		}
		c.leave()
	}
	if got := o.began("always") - before; got < 45_000 {
		t.Errorf("1000 steps of 100 ms had beside them %d of 1 ms", got)
	}
}

// The runs of one principal take turns.
func TestRunsTakeTurns(t *testing.T) {
	t.Parallel()
	o := newOffice(2)
	first := o.enter("", Normal, lots, time.Millisecond)
	o.spend(time.Second)
	second := o.enter("", Normal, lots, time.Millisecond)
	before := first.began
	for second.began < 100 {
		o.next()
	}
	if got := first.began - before; got < 95 || got > 105 {
		t.Errorf("%d steps of the first run and 100 of the second", got)
	}
}

// A higher priority has four times the workers, among the runs of one principal
// and among principals, and the lowest goes on.
func TestPriorities(t *testing.T) {
	t.Parallel()
	for _, who := range [][3]did.DID{{"", "", ""}, {"a", "b", ""}} {
		for _, n := range []int{1, 4} {
			o := newOffice(n)
			low := o.enter(who[0], Low, lots, time.Millisecond)
			normal := o.enter(who[1], Normal, lots, time.Millisecond)
			high := o.enter(who[2], High, lots, time.Millisecond)
			o.spend(21 * time.Second / time.Duration(n))
			for of, got := range map[string][2]int{"low": {low.began, 1000}, "normal": {normal.began, 4000}, "high": {high.began, 16000}} {
				if got[0] < got[1]*9/10 || got[0] > got[1]*11/10 {
					t.Errorf("%d workers, %q: %d steps of priority %s, want about %d", n, who, got[0], of, got[1])
				}
			}
		}
	}
}

// What runs at once never has more memory than there is, and all comes to its end.
func TestMemoryIsBounded(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		o := newOffice(rapid.IntRange(1, 8).Draw(t, "workers"))
		left := 0
		for range rapid.IntRange(1, 10).Draw(t, "runs") {
			n := rapid.IntRange(1, 10).Draw(t, "steps")
			left += n
			o.enterWith(rapid.SampledFrom([]did.DID{"", "a", "b"}).Draw(t, "who"), rapid.SampledFrom(Priorities).Draw(t, "priority"), n,
				time.Duration(rapid.IntRange(1, 100).Draw(t, "ms"))*time.Millisecond, rapid.Uint64Range(0, 1000).Draw(t, "memory"))
		}
		for ; left > 0; left-- {
			if len(o.steps) == 0 {
				t.Fatalf("nothing runs, and %d steps are left", left)
			}
			var taken uint64
			for _, s := range o.steps {
				taken += s.loan.memory
			}
			if taken > 1000 || taken+o.workers.memory != 1000 {
				t.Fatalf("%d are taken, and %d free", taken, o.workers.memory)
			}
			o.next()
		}
		if len(o.steps) > 0 {
			t.Fatalf("%d steps too many", len(o.steps))
		}
	})
}

// A step that needs all memory gets it, though there are always small ones, which
// go first only so often.
func TestLargeStepAmongSmallOnes(t *testing.T) {
	t.Parallel()
	o := newOffice(8)
	for i := range 5 {
		o.enterWith(did.DID(fmt.Sprint(i)), Normal, lots, time.Duration(i+1)*time.Millisecond, 100)
	}
	o.spend(time.Second)
	all := func() (n int) {
		for i := range 5 {
			n += o.began(did.DID(fmt.Sprint(i)))
		}
		return n
	}
	before := all()
	large := o.enterWith("large", Normal, 1, time.Millisecond, 1000)
	for large.left > 0 && all() < before+1000 {
		o.next()
	}
	if n := all() - before; n > maxPassed+8 || n < 8 {
		t.Errorf("%d small steps began before the large one", n)
	}
}

// Who has much memory has few workers.
func TestMemoryCountsAsWorkers(t *testing.T) {
	t.Parallel()
	o := newOffice(4)
	o.enterWith("large", Normal, lots, time.Millisecond, 400) // of 1000: counts as 1.6 workers
	o.enterWith("small", Normal, lots, time.Millisecond, 10)
	o.spend(10 * time.Second)
	large, small := 1.6*float64(o.began("large")), float64(o.began("small"))
	if share := large / (large + small); share < 0.47 || share > 0.53 {
		t.Errorf("%.0f for large steps, %.0f for small ones", large, small)
	}
}

// Of many principals that came and went not all are remembered.
func TestPartiesAreBounded(t *testing.T) {
	t.Parallel()
	o := newOffice(1)
	stays := o.enter("stays", Normal, 1, time.Hour)
	for i := range 5 * maxIdle {
		o.workers.enter(did.DID(fmt.Sprint(i)), Normal).leave()
	}
	if n := len(o.parties); n > 2*maxIdle || o.parties["stays"] != stays.party {
		t.Errorf("%d principals are remembered", n)
	}
}

// A run that asks for nothing any more leaves nothing behind.
func TestWithdraw(t *testing.T) {
	t.Parallel()
	w := newWorkers(1, 1, time.Now)
	first, second := w.enter("a", Normal), w.enter("b", Normal)
	first.ask(1)
	second.ask(1)
	second.withdraw()
	second.withdraw()
	first.withdraw()
	if w.free != 1 || len(w.waiting) != 0 || len(first.given)+len(second.given) != 0 {
		t.Errorf("%d workers are free, %d principals wait", w.free, len(w.waiting))
	}
	second.ask(1)
	second.giveBack(<-second.given)
}

// BenchmarkWorkers is what one step costs to get its worker.
func BenchmarkWorkers(b *testing.B) {
	s := newWorkers(1, 1, time.Now).enter("", Normal)
	for b.Loop() {
		s.ask(1)
		s.giveBack(<-s.given)
	}
}
