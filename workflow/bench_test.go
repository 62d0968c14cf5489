package workflow

import (
	"bytes"
	"fmt"
	"testing"
)

// chain is a document of n jobs, each waiting for the one before.
func chain(n int, yaml bool) []byte {
	const cid = "bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu"
	var b bytes.Buffer
	b.WriteString("{\"jobs\": {\n")
	if yaml {
		b.Reset()
		b.WriteString("jobs:\n")
	}
	for i := range n {
		args := fmt.Sprintf(`[{"from": "job-%d"}, %d]`, i-1, i)
		if i == 0 {
			args = "[1, 2]"
		}
		switch {
		case yaml:
			fmt.Fprintf(&b, "  job-%d:\n    with: %s\n    func: add\n    args: %s\n", i, cid, args)
		default:
			fmt.Fprintf(&b, "%q: {\"with\": %q, \"func\": \"add\", \"args\": %s},\n", fmt.Sprintf("job-%d", i), cid, args)
		}
	}
	if !yaml {
		b.Truncate(b.Len() - 2)
		b.WriteString("}}")
	}
	return b.Bytes()
}

func TestManyJobs(t *testing.T) {
	t.Parallel()
	for _, yaml := range []bool{false, true} {
		w, err := Parse(Source{Data: chain(20_000, yaml)})
		if err != nil {
			t.Fatal(err)
		}
		last := w.Jobs[len(w.Jobs)-1]
		if len(w.Jobs) != 20_000 || last.Label != "job-19999" || len(last.Edges) != 1 || last.Edges[0].Promise.Label != "job-19998" {
			t.Errorf("yaml %t: %d jobs, the last %+v", yaml, len(w.Jobs), last)
		}
	}
}

// Time per job must not grow with their number.
func BenchmarkParse(b *testing.B) {
	for _, n := range []int{1_000, 10_000, 100_000} {
		for _, yaml := range []bool{false, true} {
			data, name := chain(n, yaml), "json"
			if yaml {
				name = "yaml"
			}
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if _, err := Parse(Source{Data: data}); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/job")
			})
		}
	}
}
