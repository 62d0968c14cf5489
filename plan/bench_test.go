package plan

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"
)

// flat is a graph in flat arrays, as large ones are kept.
type flat struct {
	first []int
	deps  []Edge
}

func (g *flat) Len() int             { return len(g.first) - 1 }
func (g *flat) Deps(step int) []Edge { return g.deps[g.first[step]:g.first[step+1]] }
func (g *flat) Label(int) string     { return "" }
func (g *flat) Mutates(int) bool     { return false }

func newFlat(n int, deps func(step int) []int) *flat {
	g := &flat{first: make([]int, 1, n+1)}
	for i := range n {
		for _, d := range deps(i) {
			g.deps = append(g.deps, Edge{From: d, On: OnOK})
		}
		g.first = append(g.first, len(g.deps))
	}
	return g
}

var shapes = []struct {
	name string
	deps func(step int, r *rand.Rand) []int
}{
	{"chain", func(step int, _ *rand.Rand) []int {
		if step == 0 {
			return nil
		}
		return []int{step - 1}
	}},
	{"wide", func(int, *rand.Rand) []int { return nil }},
	{"random", func(step int, r *rand.Rand) []int { // two dependencies anywhere before
		if step < 2 {
			return nil
		}
		a, b := r.IntN(step), r.IntN(step)
		if a == b {
			return []int{a}
		}
		return []int{min(a, b), max(a, b)}
	}},
}

func eachShape(b *testing.B, run func(b *testing.B, g *flat)) {
	for _, shape := range shapes {
		for n := 1000; n <= 1_000_000; n *= 10 {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				r := rand.New(rand.NewPCG(1, 2))
				g := newFlat(n, func(step int) []int { return shape.deps(step, r) })
				run(b, g)
			})
		}
	}
}

// BenchmarkRun is a whole run in which every step ends well, New apart.
func BenchmarkRun(b *testing.B) {
	eachShape(b, func(b *testing.B, g *flat) {
		for b.Loop() {
			b.StopTimer()
			p := mustPlan(b, g, Options{})
			b.StartTimer()
			for !p.Done() {
				for _, s := range p.Ready() {
					if err := p.Settle(s, true); err != nil {
						b.Fatal(err)
					}
				}
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(g.Len()), "ns/step")
	})
}

// BenchmarkNew reports also the memory that a plan holds once it is done.
func BenchmarkNew(b *testing.B) {
	eachShape(b, func(b *testing.B, g *flat) {
		for b.Loop() {
			mustPlan(b, g, Options{})
		}
		perStep := float64(b.Elapsed().Nanoseconds()) / float64(b.N) / float64(g.Len())
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		p := mustPlan(b, g, Options{})
		for !p.Done() {
			for _, s := range slices.Clone(p.Ready()) {
				if err := p.Settle(s, true); err != nil {
					b.Fatal(err)
				}
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(perStep, "ns/step")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(g.Len()), "B/step")
		runtime.KeepAlive(p)
		runtime.KeepAlive(g)
	})
}

// BenchmarkFail ends all at the first step.
func BenchmarkFail(b *testing.B) {
	eachShape(b, func(b *testing.B, g *flat) {
		for b.Loop() {
			b.StopTimer()
			p := mustPlan(b, g, Options{})
			first := p.Ready()[0]
			b.StartTimer()
			if err := p.Settle(first, false); err != nil {
				b.Fatal(err)
			}
			p.Settled()
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(g.Len()), "ns/step")
	})
}
