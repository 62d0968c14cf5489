package runs

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
)

// have tells how many of the places have a slot.
func have(places []*place) (n int) {
	for _, p := range places {
		if p.has() {
			n++
		}
	}
	return n
}

// The first workflow of whoever comes is in progress at once, and in the end all
// have the same.
func TestSlots(t *testing.T) {
	t.Parallel()
	s := newSlots(128)
	all := make(map[did.DID][]*place)
	for i := range 4 {
		who := did.DID(fmt.Sprint(i))
		for range 1000 {
			all[who] = append(all[who], s.ask(who, ""))
		}
		if n := have(all[who]); n == 0 || n > 96 {
			t.Errorf("%s has %d slots", who, n)
		}
	}
	for range 500 {
		for who, places := range all {
			if places[0].has() {
				all[who] = places[1:]
				s.leave(places[0])
			}
		}
	}
	total := 0
	for who, places := range all {
		n := have(places)
		total += n
		if n < 25 || n > 40 {
			t.Errorf("%s has %d slots in the end", who, n)
		}
	}
	if total+s.free != 128 {
		t.Errorf("%d slots", total+s.free)
	}
}

// What is free goes to who has the fewest, though another has waited longer.
func TestSlotsGoToWhoHasFew(t *testing.T) {
	t.Parallel()
	s := newSlots(2)
	first, _, third, few := s.ask("a", ""), s.ask("a", ""), s.ask("a", ""), s.ask("b", "")
	s.leave(first)
	if !few.has() || third.has() {
		t.Errorf("%v, %v", few.has(), third.has())
	}
}

// Of one principal those of a higher priority begin first, but not for ever.
func TestSlotsByPriority(t *testing.T) {
	t.Parallel()
	s := newSlots(1)
	running := s.ask("a", "")
	low, normal, high := s.ask("a", engine.Low), s.ask("a", engine.Normal), s.ask("a", engine.High)
	for i, next := range []*place{high, normal, low} {
		s.leave(running)
		if running = next; !next.has() {
			t.Fatalf("the one with place %d has not begun", i)
		}
	}
	waits := s.ask("a", engine.Low)
	for n := 1; !waits.has(); n++ {
		if n > 2*ahead {
			t.Fatalf("%d went before one of low priority", n)
		}
		next := s.ask("a", engine.Normal)
		s.leave(running)
		running = next
	}
}

// Who gives up leaves nothing behind, whether it waited or had got a slot.
func TestSlotsGivenUp(t *testing.T) {
	t.Parallel()
	s := newSlots(1)
	gone, cancel := context.WithCancelCause(t.Context())
	why := errors.New("why")
	cancel(why)
	first, second, third := s.ask("a", ""), s.ask("a", ""), s.ask("b", "")
	for _, p := range []*place{second, first} {
		if err := s.wait(gone, p); !errors.Is(err, why) {
			t.Error(err)
		}
	}
	if err := s.wait(t.Context(), third); err != nil {
		t.Fatal(err)
	}
	s.leave(third)
	if s.free != 1 || len(s.of)+len(s.waiting) != 0 {
		t.Errorf("%+v", s)
	}
}
