package runs_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
)

// one is a workflow of one job.
func (b *bench) one(t *testing.T, n int) *graph.Graph {
	t.Helper()
	return b.engine.Document(t, fmt.Sprintf(`{with: ./add-one/add-one.wasm, args: [%d]}`, n))
}

func (b *bench) accept(t *testing.T, who did.DID, g *graph.Graph, o runs.Options) runs.ID {
	t.Helper()
	if o.Unsigned = who == engine.Anyone; !o.Unsigned {
		o.Authority = []byte(who)
	}
	if _, err := b.Submit(t.Context(), g, o); err != nil {
		t.Fatal(err)
	}
	return runs.ID{Workflow: g.Link(), For: who}
}

// ends waits until a run has ended.
func (b *bench) ends(t *testing.T, id runs.ID) {
	t.Helper()
	b.until(t, func() bool {
		r, err := b.Get(id)
		if err != nil {
			t.Fatal(err)
		}
		return r.State.Over()
	})
}

func (b *bench) known(t *testing.T, id runs.ID) bool {
	t.Helper()
	_, err := b.Get(id)
	if err != nil && !errors.Is(err, runs.ErrUnknown) {
		t.Fatal(err)
	}
	return err == nil
}

// listed are all runs that are listed for who, by way of places, page by page.
func (b *bench) listed(t *testing.T, who did.DID) (all []runs.ID) {
	t.Helper()
	for after := (runs.Place{}); ; {
		n := 0
		err := b.List(runs.Query{For: &who, After: after}, func(r runs.Run) bool {
			after, all = r.Place(), append(all, r.ID)
			n++
			return n < 100
		})
		if err != nil {
			t.Fatal(err)
		}
		if n < 100 {
			return all
		}
	}
}

// What is known of runs of others is bounded: those go that ended longest ago, and none
// that has not ended. Of what went nobody knows any more, as of what never was.
func TestTrimPast(t *testing.T) {
	t.Parallel()
	const kept = 100
	later := time.Duration(0)
	b := newBench(t, true)
	b.config.MaxPast, b.config.Now = kept, func() time.Time { return time.Now().Add(later) }
	b.restart(t, 0)
	suspended := b.accept(t, engine.Anyone, b.one(t, 1), runs.Options{Suspended: true})
	owners := b.accept(t, "", b.one(t, 2), runs.Options{})
	others := b.accept(t, "did:key:another", b.one(t, 3), runs.Options{})
	handed := b.accept(t, engine.Anyone, b.one(t, 4), runs.Options{Suspended: true})
	if _, err := b.HandOver(t.Context(), handed); err != nil {
		t.Fatal(err)
	}
	var all []runs.ID
	for i := range kept {
		all = append(all, b.accept(t, engine.Anyone, b.one(t, 10+i), runs.Options{}))
		b.ends(t, all[i])
	}
	trim := func(want int) {
		t.Helper()
		later += time.Minute
		if n, err := b.TrimPast(); n != want || err != nil {
			t.Fatalf("%d went, %v; expected %d", n, err, want)
		}
	}
	trim(0)
	all = append(all, b.accept(t, engine.Anyone, b.one(t, 10+kept), runs.Options{}))
	b.ends(t, all[kept])
	b.until(t, func() bool { return len(b.listed(t, engine.Anyone)) == kept+3 })
	trim(kept/10 + 1)
	trim(0)
	for i, id := range all {
		if known := b.known(t, id); known != (i > kept/10) {
			t.Errorf("run %d: known %t", i, known)
		}
	}
	for _, id := range []runs.ID{suspended, owners, others, handed} {
		if !b.known(t, id) {
			t.Errorf("%v is gone", id)
		}
	}
	if n := len(b.listed(t, engine.Anyone)); n != kept/10*9+2 {
		t.Errorf("%d are listed", n)
	}
	for kind, want := range map[string]int{"run/place": kept/10*9 + 4, "run/jobs": kept/10*9 + 2} {
		n := 0
		if err := b.config.Store.Notes(kind, func(store.Note) bool { n++; return true }); err != nil || n != want {
			t.Errorf("%d notes %s, %v; expected %d", n, kind, err, want)
		}
	}
	if _, err := b.Jobs(all[0]); !errors.Is(err, runs.ErrUnknown) {
		t.Error("jobs of what went:", err)
	}
	if err := b.Watch(t.Context(), all[0], runs.Position{}, func(runs.Event) bool { return true }); !errors.Is(err, runs.ErrUnknown) {
		t.Error("events of what went:", err)
	}
	for i := range kept/10 + 1 { // many, which is looked at before a minute is over
		b.ends(t, b.accept(t, engine.Anyone, b.one(t, 1000+i), runs.Options{}))
	}
	b.until(t, func() bool {
		n, err := b.TrimPast()
		if err != nil {
			t.Fatal(err)
		}
		return n == kept/10+1
	})
	again := b.accept(t, engine.Anyone, b.one(t, 10), runs.Options{})
	b.ends(t, again)
	b.restart(t, 0) // which looks at all
	trim(0)
	later += runs.PastFor
	if n, err := b.TrimPast(); n < kept/2 || err != nil {
		t.Errorf("after a month %d went, %v", n, err)
	}
	if left := b.listed(t, engine.Anyone); len(left) != 1 || left[0] != suspended || b.known(t, others) || !b.known(t, owners) {
		t.Errorf("after a month are left: %v", left)
	}
	if _, err := b.Resume(t.Context(), suspended); err != nil {
		t.Error(err)
	}
}

// The owner's runs go when they are said to, but none that has not ended, nor one that
// was handed over a short while ago.
func TestPast(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	later := time.Duration(0)
	b.config.Now = func() time.Time { return time.Now().Add(later) }
	b.restart(t, 0)
	suspended := b.accept(t, "", b.one(t, 1), runs.Options{Suspended: true})
	handed := b.accept(t, "", b.one(t, 2), runs.Options{Suspended: true})
	if _, err := b.HandOver(t.Context(), handed); err != nil {
		t.Fatal(err)
	}
	done, stays := b.accept(t, "", b.sum(t, 3), runs.Options{}), b.accept(t, "", b.one(t, 4), runs.Options{})
	b.ends(t, done)
	b.ends(t, stays)
	told := map[runs.ID]bool{}
	past := func(goes func(runs.Run) bool, want int) {
		t.Helper()
		n, err := b.Past(func(r runs.Run, bytes uint64) bool {
			if told[r.ID] = true; bytes == 0 || r.Ended.IsZero() {
				t.Errorf("%+v: %d bytes", r, bytes)
			}
			return goes(r)
		})
		if n != want || err != nil {
			t.Errorf("%d went, %v; expected %d", n, err, want)
		}
	}
	past(func(r runs.Run) bool { return r.ID == done }, 1)
	if !told[stays] || told[suspended] || told[handed] || b.known(t, done) || !b.known(t, stays) {
		t.Errorf("told of %v", told)
	}
	later = runs.HandedOverFor
	past(func(runs.Run) bool { return true }, 2)
	if b.known(t, handed) || b.known(t, stays) || !b.known(t, suspended) {
		t.Error("not the right ones are left")
	}
}

// A run of what was removed is no attempt that anybody has watched: who knows some of the
// events of the one before is told all of this one.
func TestAttemptsGoOnAfterRemoval(t *testing.T) {
	t.Parallel()
	b := newBench(t, true)
	g := b.one(t, 1)
	id := b.accept(t, "", g, runs.Options{})
	b.ends(t, id)
	seen := b.position(t, id)
	if n, err := b.Past(func(runs.Run, uint64) bool { return true }); n != 1 || err != nil {
		t.Fatalf("%d removed, %v", n, err)
	}
	b.restart(t, 0)
	b.accept(t, "", g, runs.Options{})
	b.ends(t, id)
	told := 0
	if err := b.Watch(t.Context(), id, seen, func(runs.Event) bool { told++; return true }); err != nil || told < 3 {
		t.Errorf("%d events after %+v, %v", told, seen, err)
	}
	if r, err := b.Get(id); err != nil || r.Attempt != seen.Attempt+1 {
		t.Errorf("%+v, %v", r, err)
	}
	if r := b.waited(t.Context(), t, b.one(t, 2), ""); r.Attempt != seen.Attempt+1 {
		t.Errorf("one that is new: %+v", r)
	}
	if n, err := b.Past(func(runs.Run, uint64) bool { return true }); n != 2 || err != nil {
		t.Fatalf("%d removed, %v", n, err)
	}
	if r := b.waited(t.Context(), t, b.one(t, 3), ""); r.Attempt != seen.Attempt+2 { // also in the process that removed it
		t.Errorf("one that is new: %+v", r)
	}
}

// position is where the events of a run that has ended end.
func (b *bench) position(t *testing.T, id runs.ID) (at runs.Position) {
	t.Helper()
	if err := b.Watch(t.Context(), id, runs.Position{}, func(ev runs.Event) bool { at = ev.At; return true }); err != nil {
		t.Fatal(err)
	}
	return at
}
