package engine_test

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// TestCollectWhileARunWaits collects all that nobody needs while a workflow waits in
// its middle: what its first job came to and what its last one takes stay, in the
// store and for a guest.
func TestCollectWhileARunWaits(t *testing.T) {
	t.Parallel()
	var past atomic.Int64 // minutes
	s, err := store.OpenMemory(store.Options{Now: func() time.Time { return time.Now().Add(time.Duration(past.Load()) * time.Minute) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	r := newRig(t, ipvmtest.Options{Store: s, Workers: 2})
	input, err := ipld.ImportFile(make([]byte, 300_000), func(b ipld.Block) error { return s.Put(store.Batch{Blocks: []ipld.Block{b}}) })
	if err != nil {
		t.Fatal(err)
	}
	first := r.document(t, "good: next(1)\n")
	second := r.document(t, "a: bytes(400000)\n"+
		"c: next({from: "+link(t, first, "good")+"})"+patient+
		"b: {with: GUEST, func: length, args: [{from: a}], await: [c]}\n"+
		"d: {with: GUEST, func: length, args: [{\"/\": "+input.String()+"}], await: [c]}\n")
	settled := make(chan struct{})
	two := start(t.Context(), r.Engine.Engine, second, engine.Options{Listen: func(ev engine.Event) {
		if ev.Kind == engine.JobSettled && ev.Label == "a" {
			close(settled)
		}
	}})
	parked(t, r.Engine.Engine, 1)
	<-settled
	other := r.one(t, "bytes(500000)")
	past.Store(60)
	sum, err := s.Collect(t.Context(), store.Collection{Bounded: true})
	if err != nil || sum.Results != 1 {
		t.Errorf("%+v %v", sum, err)
	}
	if rs, err := s.Receipts(other.Task); len(rs) != 0 || err != nil {
		t.Errorf("what nobody needs: %d receipts, %v", len(rs), err)
	}
	if _, err := r.Run(t.Context(), first, engine.Options{}); err != nil {
		t.Fatal(err)
	}
	report, err := two()
	if err != nil || report.Status != engine.StatusOK {
		t.Fatalf("%+v, %v", report, err)
	}
	end(t, report, "b", 400_000)
	end(t, report, "d", 300_000)
	past.Store(120) // it holds nothing any more
	if sum, err = s.Collect(t.Context(), store.Collection{Bounded: true}); err != nil || sum.Results < 4 {
		t.Errorf("after its end: %+v %v", sum, err)
	}
}
