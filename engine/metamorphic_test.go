package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// result is what of a run must not depend on how it went: outcomes by label, and
// every receipt to the byte.
type result struct {
	Status   engine.Status
	Outcomes map[string]string
	Receipts map[task.ID][]string
}

func resultOf(tb testing.TB, e *ipvmtest.Engine, report *engine.Report) result {
	tb.Helper()
	r := result{report.Status, make(map[string]string), e.Receipts(tb, report)}
	for _, j := range report.Jobs {
		r.Outcomes[j.Label] = fmt.Sprintf("%s %s %s gas %d receipt %s", j.Status, j.Task, j.Outcome.IPLD(), j.Gas, j.Receipt)
	}
	return r
}

// sameEveryWay runs what load gives in every way there is and compares.
func sameEveryWay(tb testing.TB, w *wasm.Engine, load func(*ipvmtest.Engine) *graph.Graph) {
	tb.Helper()
	all := engine.Options{KeepGoing: true}
	first := ipvmtest.New(tb, ipvmtest.Options{Workers: 1, Wasm: w})
	g := load(first)
	cold := first.MustRun(tb, g, all)
	want := resultOf(tb, first, cold)
	for _, j := range cold.Jobs {
		if j.Status != engine.JobUpstream && len(want.Receipts[j.Task]) == 0 {
			tb.Fatalf("job %s (%s) has no receipt", j.Label, j.Status)
		}
	}
	check := func(how string, e *ipvmtest.Engine, report *engine.Report) {
		tb.Helper()
		if report.Workflow != cold.Workflow {
			tb.Errorf("%s: workflow %s, not %s", how, report.Workflow, cold.Workflow)
		}
		if diff := cmp.Diff(want, resultOf(tb, e, report), cmp.AllowUnexported(task.ID{})); diff != "" {
			tb.Errorf("%s (-cold +this):\n%s", how, diff)
		}
	}
	warm := func(how string, e *ipvmtest.Engine, g *graph.Graph) {
		tb.Helper()
		report := e.MustRun(tb, g, all)
		check(how, e, report)
		for _, j := range report.Jobs {
			if j.How == engine.Ran && j.Status == engine.JobOK {
				tb.Errorf("%s: job %s ran again", how, j.Label)
			}
		}
	}
	warm("warm", first, g)
	warm("as normal form, warm", first, first.Block(tb, g.Normal()))

	again := ipvmtest.New(tb, ipvmtest.Options{Workers: 3, Wasm: w, Store: first.Store})
	warm("another engine over the same store", again, again.Block(tb, g.Normal()))

	many := ipvmtest.New(tb, ipvmtest.Options{Workers: 4, Wasm: w})
	check("with 4 workers", many, many.MustRun(tb, load(many), all))

	normal := ipvmtest.New(tb, ipvmtest.Options{Workers: 2, Wasm: w})
	load(normal) // brings the modules
	check("as normal form, cold", normal, normal.MustRun(tb, normal.Block(tb, g.Normal()), all))
}

func TestExamplesEveryWay(t *testing.T) {
	t.Parallel()
	for _, name := range ipvmtest.ExampleNames(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sameEveryWay(t, ipvmtest.NewWasm(t, wasm.Config{}), func(e *ipvmtest.Engine) *graph.Graph { return e.Example(t, name) })
		})
	}
}

// arithmetic draws documents of sums, squares and lists with shared parts. Some
// overflow, which is a trap.
func arithmetic() *rapid.Generator[string] {
	const head = `%q: {"with": "./fan/arithmetic.wasm", "func": `
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.IntRange(1, 14).Draw(t, "jobs")
		var lines []string
		value := func(i int) string {
			if i == 0 || rapid.IntRange(0, 2).Draw(t, "literal") == 0 {
				return rapid.SampledFrom([]string{"0", "1", "3", "-7", "3037000499", "4000000000"}).Draw(t, "number")
			}
			return fmt.Sprintf(`{"from": "j%d"}`, rapid.IntRange(0, i-1).Draw(t, "from"))
		}
		for i := range n {
			label := fmt.Sprintf("j%d", i)
			switch rapid.IntRange(0, 3).Draw(t, "function") {
			case 0:
				lines = append(lines, fmt.Sprintf(head+`"square", "args": [%s]}`, label, value(i)))
			case 1:
				lines = append(lines, fmt.Sprintf(head+`"add", "input": {"b": %s, "a": %s}}`, label, value(i), value(i)))
			default:
				list := make([]string, rapid.IntRange(0, 5).Draw(t, "length"))
				for k := range list {
					list[k] = value(i)
				}
				lines = append(lines, fmt.Sprintf(head+`"sum", "args": [[%s]]}`, label, strings.Join(list, ", ")))
			}
		}
		return "{" + strings.Join(rapid.Permutation(lines).Draw(t, "order"), ",\n") + "}"
	})
}

func TestRandomEveryWay(t *testing.T) {
	t.Parallel()
	w := ipvmtest.NewWasm(t, wasm.Config{})
	example := arithmetic()
	for seed := range 60 {
		doc := example.Example(seed)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			sameEveryWay(t, w, func(e *ipvmtest.Engine) *graph.Graph { return e.Document(t, doc) })
			if t.Failed() {
				t.Log(doc)
			}
		})
	}
}
