package runs_test

import (
	"maps"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// How much is kept of the runs of others is reckoned as it is measured, whatever becomes of
// them.
func TestWeights(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	of := func(k *runs.Keeper) map[did.DID]uint64 {
		if err := k.Weigh(); err != nil {
			t.Fatal(err)
		}
		all := make(map[did.DID]uint64)
		k.EachWeight(func(who did.DID, bytes uint64) { all[who] = bytes })
		return all
	}
	same := func(what string) map[did.DID]uint64 {
		t.Helper()
		fresh := runs.New(b.config)
		defer fresh.Close()
		reckoned, measured := of(b.Keeper), of(fresh)
		if !maps.Equal(reckoned, measured) {
			t.Errorf("%s: reckoned %v, is %v", what, reckoned, measured)
		}
		return measured
	}
	const other = did.DID("did:key:other")
	b.accept(t, other, b.sum(t, 1), runs.Options{Suspended: true})
	if got := same("at first"); len(got) != 1 || got[other] == 0 {
		t.Error(got)
	}
	b.accept(t, "", b.sum(t, 2), runs.Options{})
	first := b.accept(t, engine.Anyone, b.sum(t, 3), runs.Options{})
	second := b.accept(t, engine.Anyone, b.sum(t, 4), runs.Options{})
	third := b.accept(t, engine.Anyone, b.sum(t, 5), runs.Options{})
	if got := same("accepted"); len(got) != 2 {
		t.Error(got)
	}
	do := func(what string, how func() error) {
		t.Helper()
		if err := how(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		same(what)
	}
	do("suspended", func() error { _, err := b.Suspend(t.Context(), second); return err })
	do("cancelled", func() error { _, err := b.Cancel(t.Context(), third); return err })
	b.pass()
	b.ends(t, first)
	do("handed over", func() error { _, err := b.HandOver(t.Context(), second); return err })
	do("resumed", func() error {
		_, err := b.Resume(t.Context(), third)
		b.ends(t, third)
		return err
	})
	do("once more", func() error {
		b.accept(t, engine.Anyone, b.sum(t, 3), runs.Options{})
		b.ends(t, first)
		return nil
	})
	do("waited", func() error {
		g := b.sum(t, 6)
		report, err := b.engine.Run(t.Context(), g, engine.Options{})
		if err != nil {
			return err
		}
		if err := b.Waited(g, other, runs.Options{}, b.Now(), report); err != nil {
			return err
		}
		return b.Waited(g, other, runs.Options{}, b.Now(), report)
	})
	do("removed", func() error {
		n, err := b.PastOf(engine.Anyone, func(runs.Run, uint64) bool { return true })
		if n != 2 {
			t.Errorf("%d were removed", n)
		}
		return err
	})
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	same("closed")
}
