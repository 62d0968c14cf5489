package authority_test

import (
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// What package grant lets be run is judged by the demand that is computed here:
// exactly as much as it takes is enough, and anything less is not.
func TestGrantBounds(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	demand := authority.DemandOf(r.document(t, "a: {with: GUEST, func: next, args: [1]}\nb: {with: GUEST, func: twice, args: [1], await: [a]}\n"), engine.Policy{})
	module := demand.Functions[0].Module
	exact := func() grant.Bounds {
		return grant.Bounds{
			Gas: demand.Gas, Memory: demand.Memory, Time: demand.Time, Tasks: uint64(demand.Tasks),
			Functions: []grant.Function{{Module: module, Name: "next"}, {Module: module, Name: "twice"}}, Pure: true,
		}
	}
	for name, tt := range map[string]struct {
		change func(*grant.Bounds)
		ok     bool
	}{
		"exactly":         {func(*grant.Bounds) {}, true},
		"the module":      {func(b *grant.Bounds) { b.Functions = []grant.Function{{Module: module}} }, true},
		"less gas":        {func(b *grant.Bounds) { b.Gas-- }, false},
		"less memory":     {func(b *grant.Bounds) { b.Memory-- }, false},
		"less time":       {func(b *grant.Bounds) { b.Time -= time.Nanosecond }, false},
		"fewer tasks":     {func(b *grant.Bounds) { b.Tasks-- }, false},
		"fewer functions": {func(b *grant.Bounds) { b.Functions = b.Functions[:1] }, false},
		"another module": {func(b *grant.Bounds) {
			b.Functions = []grant.Function{{Module: ipld.LinkOf(ipld.CodecRaw, []byte("other"))}}
		}, false},
	} {
		b := exact()
		tt.change(&b)
		p, err := b.Policy()
		must(t, err)
		if err := p.Match(demand.Value()); (err == nil) != tt.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	effect := demand
	effect.Effects = []authority.Effect{{Do: "crud/read"}}
	p, err := exact().Policy()
	must(t, err)
	if p.Match(effect.Value()) == nil {
		t.Error("an effect passes")
	}
}
