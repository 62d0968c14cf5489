package graph

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// shapes are documents of n jobs.
var shapes = []struct {
	name string
	args func(i int) string
}{
	{"chain", func(i int) string {
		if i == 0 {
			return "0"
		}
		return fmt.Sprintf(`{"from": "j%d"}`, i-1)
	}},
	{"flat", func(i int) string { return fmt.Sprint(i) }},
}

// BenchmarkBuild makes graph and plan of a document that was read: the time and
// memory of one job.
func BenchmarkBuild(b *testing.B) {
	for _, shape := range shapes {
		for n := 1000; n <= 100_000; n *= 10 {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				w := shaped(b, n, shape.args)
				b.ReportAllocs()
				for b.Loop() {
					g, err := Build(w, Options{})
					if err != nil {
						b.Fatal(err)
					}
					if _, err := plan.New(g, plan.Options{}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/job")
			})
		}
	}
}

// BenchmarkParse is the reading that comes before it.
func BenchmarkParse(b *testing.B) {
	for b.Loop() {
		shaped(b, 1000, shapes[0].args)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/job")
}

func shaped(b *testing.B, n int, args func(int) string) *workflow.Workflow {
	var doc strings.Builder
	for i := range n {
		fmt.Fprintf(&doc, ",\n\"j%d\": {\"with\": %s, \"args\": [%s]}", i, module, args(i))
	}
	w, err := workflow.Parse(workflow.Source{Name: "doc.json", Data: []byte("{" + doc.String()[1:] + "}")})
	if err != nil {
		b.Fatal(err)
	}
	return w
}
