package store

import (
	"maps"
	"slices"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// chooseCut decides which rank something must have to stay. It counts the bytes
// of each hour, and then those of the hour of which only a part has to go.
func (g *collector) chooseCut() error {
	size, err := g.size()
	if err != nil {
		return err
	}
	g.sum.Before = size
	if !g.Before.IsZero() {
		g.cut = rank(hourOf(g.Before)) << 16
	}
	if !g.Bounded && g.cut == 0 {
		return nil
	}
	hours := make(map[uint64]uint64)
	old := uint64(0)
	err = g.eachRank(func(r rank, bytes uint64) {
		switch {
		case r == kept:
			g.sum.Kept += bytes
		case r < g.cut:
			old += bytes
		default:
			hours[r.hour()] += bytes
		}
	})
	if err != nil || !g.Bounded || size-min(old, size) <= g.MaxBytes {
		return err
	}
	need := size - old - g.MaxBytes
	last, need, all := lastHour(hours, need)
	if all {
		g.cut = kept
		return nil
	}
	var parts [1 << 16]uint64
	err = g.eachRank(func(r rank, bytes uint64) {
		if r >= g.cut && r.hour() == last {
			parts[r&0xffff] += bytes
		}
	})
	part := uint64(0)
	for ; part < uint64(len(parts)) && need > 0; part++ {
		need -= min(parts[part], need)
	}
	g.cut = rank(last<<16 + part)
	return err
}

// size is how much there is of what this collection is about.
func (g *collector) size() (uint64, error) {
	lent, err := g.store.Lent()
	if err != nil {
		return 0, err
	}
	for whose, n := range g.adopted {
		lent[whose] -= min(n, lent[whose])
	}
	if g.Lent != "" {
		return lent[g.Lent], nil
	}
	size, err := g.store.size(g.ctx)
	for _, n := range lent {
		size -= min(n, size)
	}
	return size - min(g.NotOwn, size), err
}

func (g *collector) eachRank(visit func(r rank, bytes uint64)) error {
	if g.Lent == "" {
		err := g.eachResult(func(r *result) error {
			visit(r.rank, r.bytes)
			return nil
		})
		if err == nil && g.Aside != nil {
			err = g.Aside(func(about ipld.Link, used time.Time, bytes uint64) bool {
				visit(rankOf(hourOf(used), about), bytes)
				return false
			})
		}
		if err != nil {
			return err
		}
	}
	return g.eachBlock(func(b stored) error {
		if !b.other {
			visit(b.rank, b.bytes)
		}
		return nil
	})
}

// lastHour is the first hour up to which there are need bytes, and how many of its
// own are needed. It tells whether all hours together have no more than that.
func lastHour(hours map[uint64]uint64, need uint64) (hour, rest uint64, all bool) {
	for _, h := range slices.Sorted(maps.Keys(hours)) {
		if hours[h] >= need {
			return h, need, false
		}
		need -= hours[h]
	}
	return 0, need, true
}
