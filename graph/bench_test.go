package graph

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// shapes are documents of n jobs; each gives the fields of job i besides `with`.
var shapes = []struct {
	name string
	job  func(i, n int, r *rand.Rand) string
}{
	{"chain", func(i, _ int, _ *rand.Rand) string { return args(i, i-1) }},
	{"wide", func(i, _ int, _ *rand.Rand) string { return args(i) }},
	{"ladder", func(i, _ int, _ *rand.Rand) string { // rungs of two jobs that both take both of the rung before
		rung := i - i%2
		return args(i, rung-2, rung-1)
	}},
	{"random", func(i, _ int, r *rand.Rand) string {
		return args(i, r.IntN(i+1)-1, r.IntN(i+1)-1)
	}},
	{"handled", func(i, n int, r *rand.Rand) string { // of ten jobs one is set off by an error, one has a handler, one awaits
		before := r.IntN(i+1) - 1
		switch {
		case i%10 == 2 && i+1 < n:
			return args(i, before) + fmt.Sprintf(`, "on": {"error": ["j%d"]}`, i+1)
		case i%10 == 4:
			return args(i, before) + fmt.Sprintf(`, "catch": {"with": %s, "func": "handle"}`, module)
		case i%10 == 6:
			return args(i, before) + fmt.Sprintf(`, "await": ["j%d"]`, i-1)
		}
		return args(i, before, r.IntN(i+1)-1)
	}},
}

// args passes i and the results of those jobs that there are.
func args(i int, from ...int) string {
	list := fmt.Sprint(i)
	for _, f := range from {
		if f >= 0 {
			list += fmt.Sprintf(`, {"from": "j%d"}`, f)
		}
	}
	return `"args": [` + list + `]`
}

func shaped(tb testing.TB, n int, job func(i, n int, r *rand.Rand) string) workflow.Source {
	tb.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var doc strings.Builder
	for i := range n {
		fmt.Fprintf(&doc, ",\n\"j%d\": {\"with\": %s, %s}", i, module, job(i, n, r))
	}
	return workflow.Source{Name: "doc.json", Data: []byte("{" + doc.String()[1:] + "}")}
}

func eachShape(b *testing.B, run func(b *testing.B, src workflow.Source)) {
	for _, shape := range shapes {
		for n := 1000; n <= 100_000; n *= 10 {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) { run(b, shaped(b, n, shape.job)) })
		}
	}
}

// measure repeats f and reports what it takes for each of items: time on the
// clock, time of the processors, which other programs disturb less and which
// has the collector's work in it, and memory that the result holds.
func measure(b *testing.B, items int, f func() any) {
	b.Helper()
	b.ReportAllocs()
	before := processors(b)
	for b.Loop() {
		f()
	}
	per := float64(b.N) * float64(items)
	used := processors(b) - before
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/per, "ns/item")
	b.ReportMetric(float64(used)/per, "cpu-ns/item")
	empty := heap()
	result := f()
	if held := heap() - empty; result != nil {
		b.ReportMetric(float64(held)/float64(items), "held-B/item")
	}
	runtime.KeepAlive(f)
	runtime.KeepAlive(result)
}

// processors is the time in nanoseconds that this process had so far.
func processors(b *testing.B) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

func heap() int64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// BenchmarkParse reads a document; an item is a job.
func BenchmarkParse(b *testing.B) {
	eachShape(b, func(b *testing.B, src workflow.Source) {
		measure(b, len(mustParse(b, src).Jobs), func() any { return mustParse(b, src) })
	})
}

// BenchmarkBuild makes the graph of a document that was read, with all checks,
// identifiers and the normal form; an item is a step or an edge.
func BenchmarkBuild(b *testing.B) {
	eachShape(b, func(b *testing.B, src workflow.Source) {
		w := mustParse(b, src)
		measure(b, items(mustBuild(b, w)), func() any { return mustBuild(b, w) })
	})
}

// BenchmarkIDs is the part of it that makes the Task IDs: encoding and SHA-256.
func BenchmarkIDs(b *testing.B) {
	eachShape(b, func(b *testing.B, src workflow.Source) {
		g := mustBuild(b, mustParse(b, src))
		measure(b, items(g), func() any {
			for i := range g.Len() {
				if _, err := g.Step(i).Task.ID(); err != nil {
					b.Fatal(err)
				}
			}
			return nil
		})
	})
}

// BenchmarkPlan makes the plan of a graph; an item is a step or an edge.
func BenchmarkPlan(b *testing.B) {
	eachShape(b, func(b *testing.B, src workflow.Source) {
		g := mustBuild(b, mustParse(b, src))
		measure(b, items(g), func() any {
			p, err := plan.New(g, plan.Options{})
			if err != nil {
				b.Fatal(err)
			}
			return p
		})
	})
}

func items(g *Graph) int {
	n := g.Len()
	for i := range g.Len() {
		n += len(g.Deps(i))
	}
	return n
}

func mustParse(b *testing.B, src workflow.Source) *workflow.Workflow {
	w, err := workflow.Parse(src)
	if err != nil {
		b.Fatal(err)
	}
	return w
}

func mustBuild(b *testing.B, w *workflow.Workflow) *Graph {
	g, err := Build(w, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return g
}
