package engine_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
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
		outcome := j.Outcome.IPLD()
		if j.Status == engine.JobUpstream { // which of several reasons is told depends on which came first
			outcome = ipld.Null
		}
		r.Outcomes[j.Label] = fmt.Sprintf("%s %s %s gas %d receipt %s", j.Status, j.Task, outcome, j.Gas, j.Receipt)
	}
	return r
}

// sameEveryWay runs what load gives in every way there is and compares. It
// returns what came of the first.
func sameEveryWay(tb testing.TB, w *wasm.Engine, load func(*ipvmtest.Engine) *graph.Graph) *engine.Report {
	tb.Helper()
	run := func(e *ipvmtest.Engine, g *graph.Graph) *engine.Report {
		tb.Helper()
		var events []engine.Event // written by the run, which has ended when they are read
		report := e.MustRun(tb, g, engine.Options{KeepGoing: true, Listen: func(ev engine.Event) { events = append(events, ev) }})
		orderly(tb, g, events)
		return report
	}
	first := ipvmtest.New(tb, ipvmtest.Options{Workers: 1, Wasm: w})
	g := load(first)
	cold := run(first, g)
	want := resultOf(tb, first, cold)
	for _, j := range cold.Jobs {
		if j.Status != engine.JobUpstream && j.Status != engine.JobSkipped && len(want.Receipts[j.Task]) == 0 {
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
		report := run(e, g)
		check(how, e, report)
		for _, j := range report.Jobs {
			if j.How == engine.Ran && j.Status == engine.JobOK && (j.Caught == nil || j.Caught.Failure.Kind != task.KindType) {
				tb.Errorf("%s: job %s ran again", how, j.Label)
			}
		}
	}
	warm("warm", first, g)
	warm("as normal form, warm", first, first.Block(tb, g.Normal()))

	again := ipvmtest.New(tb, ipvmtest.Options{Workers: 3, Wasm: w, Store: first.Store})
	warm("another engine over the same store", again, again.Block(tb, g.Normal()))

	many := ipvmtest.New(tb, ipvmtest.Options{Workers: 4, Wasm: w})
	check("with 4 workers", many, run(many, load(many)))

	normal := ipvmtest.New(tb, ipvmtest.Options{Workers: 2, Wasm: w})
	load(normal) // brings the modules
	check("as normal form, cold", normal, run(normal, normal.Block(tb, g.Normal())))
	return cold
}

// orderly shows by the events of a run that every job settled once, that none
// started twice, and none before all that it awaits had settled.
func orderly(tb testing.TB, g *graph.Graph, events []engine.Event) {
	tb.Helper()
	started, settled := make([]int, g.Len()), make([]int, g.Len())
	for _, ev := range events {
		i, _ := g.Find(ev.Label)
		switch ev.Kind {
		case engine.JobStarted:
			started[i]++
			for _, d := range g.Deps(i) {
				if d.Kind == plan.Await && settled[d.From] == 0 {
					tb.Errorf("%s started before %s had settled", ev.Label, g.Label(d.From))
				}
			}
		case engine.JobSettled:
			settled[i]++
		}
	}
	for i := range g.Len() {
		if started[i] > 1 || settled[i] != 1 {
			tb.Errorf("%s started %d times and settled %d times", g.Label(i), started[i], settled[i])
		}
	}
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

// branching draws documents of jobs that return, fail and trap, and of others
// that wait for either end of them: through promises, await, on and handlers.
// One job is there for handlers to name.
func branching() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.IntRange(2, 14).Draw(t, "jobs")
		awaits, sets := make([]string, n), make([]string, n)
		calls := make(map[string]bool) // each once: a promise of one of two equal calls may be refused
		lines := []string{`"spare": {"with": GUEST, "func": "next", "args": [99]}`}
		for i := range n {
			number := fmt.Sprint(rapid.IntRange(0, 3).Draw(t, "number"))
			if i > 0 && rapid.IntRange(0, 3).Draw(t, "promise") > 0 {
				from := fmt.Sprintf(`"from": "j%d"`, rapid.IntRange(0, i-1).Draw(t, "from"))
				number = "{" + from + rapid.SampledFrom([]string{"", "", `, "on": "error", "out": "value"`, `, "on": "error"`}).Draw(t, "branch") + "}"
			}
			if i > 0 && rapid.IntRange(0, 5).Draw(t, "await") == 0 {
				awaits[i] = fmt.Sprintf(`, "await": ["j%d"]`, rapid.IntRange(0, i-1).Draw(t, "awaited"))
			}
			if rapid.IntRange(0, 3).Draw(t, "sets off") == 0 {
				target := "spare"
				if j := rapid.IntRange(i+1, n).Draw(t, "set off"); j < n {
					target = fmt.Sprint("j", j)
				}
				sets[i] = fmt.Sprintf(`, "on": {%q: [%q]}`, rapid.SampledFrom([]string{"error", "success"}).Draw(t, "end"), target)
			}
			handler := ""
			if rapid.IntRange(0, 3).Draw(t, "handled") == 0 {
				handler = fmt.Sprintf(`, "catch": {"with": HANDLER, "func": %q}`, rapid.SampledFrom([]string{"ok", "spare", "msg", "bad", "nowhere", "value", "trap"}).Draw(t, "handler"))
			}
			fun := rapid.SampledFrom([]string{"next", "next", "spin", "fail", "fail", "trap"}).Draw(t, "function")
			if calls[fun+number] {
				number = fmt.Sprint(100 + i)
			}
			calls[fun+number] = true
			lines = append(lines, fmt.Sprintf(`"j%d": {"with": GUEST, "func": %q, "args": [%s]%s%s%s}`, i, fun, number, awaits[i], sets[i], handler))
		}
		return "{" + strings.Join(rapid.Permutation(lines).Draw(t, "order"), ",\n") + "}"
	})
}

func TestRandomBranchesEveryWay(t *testing.T) {
	t.Parallel()
	w := ipvmtest.NewWasm(t, wasm.Config{})
	guest, handler := wasmtest.Compile(t, readFile(t, "testdata/guest.wat")), wasmtest.Compile(t, readFile(t, "testdata/handler.wat"))
	example := branching()
	ends := make(map[engine.JobStatus]int)
	for seed := range 100 {
		doc := example.Example(seed)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			report := sameEveryWay(t, w, func(e *ipvmtest.Engine) *graph.Graph {
				links := strings.NewReplacer(
					"GUEST", fmt.Sprintf(`{"/": %q}`, e.Import(t, guest)), "HANDLER", fmt.Sprintf(`{"/": %q}`, e.Import(t, handler)))
				return e.Document(t, links.Replace(doc))
			})
			for _, j := range report.Jobs {
				ends[j.Status]++
			}
			if t.Failed() {
				t.Log(doc)
			}
		})
	}
	for _, s := range []engine.JobStatus{engine.JobOK, engine.JobError, engine.JobUpstream, engine.JobSkipped} {
		if ends[s] < 20 {
			t.Errorf("only %d jobs ended as %s", ends[s], s)
		}
	}
}

// A job that awaits the failure of one that went well is a failure of its own,
// also where it has ended before for a reason that is handled.
func TestWrongWhateverComesFirst(t *testing.T) {
	t.Parallel()
	for _, doc := range []string{
		"b: fail(1), on: {error: [h]}\nc: next(1)\nh: next(2)\nx: next({from: c, on: error}), await: [b]\n",
		"c: fail(1), on: {error: [h]}\nb: next(1)\nh: next(2)\nx: next({from: b, on: error}), await: [c]\n",
	} {
		r := newRig(t, ipvmtest.Options{Workers: 1})
		report := r.MustRun(t, r.document(t, doc), engine.Options{KeepGoing: true})
		if h, _ := report.Job("h"); report.Status != engine.StatusFailed || report.First != "x" || h.Status != engine.JobOK {
			t.Errorf("%s: %s because of %q", doc, report.Status, report.First)
		}
	}
}

// A workflow that is cut into one for each job, which await each other's tasks
// and are all started at once, comes to the same, with the same receipts.
func TestRandomAcrossWorkflows(t *testing.T) {
	t.Parallel()
	w := ipvmtest.NewWasm(t, wasm.Config{})
	example := arithmetic()
	from := regexp.MustCompile(`{"from": "(j\d+)"}`)
	for seed := range 40 {
		doc := example.Example(seed)
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			one := ipvmtest.New(t, ipvmtest.Options{Wasm: w})
			g := one.Document(t, doc)
			whole := one.MustRun(t, g, engine.Options{KeepGoing: true})
			want := resultOf(t, one, whole)

			cut := ipvmtest.New(t, ipvmtest.Options{Wasm: w, Workers: 2, Policy: engine.Policy{Defaults: task.Limits{Time: time.Minute}}})
			ends := make(map[string]func() (*engine.Report, error))
			for _, line := range strings.Split(doc[1:len(doc)-1], ",\n") {
				label := strings.Split(line, `"`)[1]
				if comesNever(g, whole, label) {
					continue
				}
				part := from.ReplaceAllStringFunc(line, func(s string) string {
					return `{"from": ` + link(t, g, from.FindStringSubmatch(s)[1]) + `}`
				})
				ends[label] = start(t.Context(), cut.Engine, cut.Document(t, "{"+part+"}"), engine.Options{})
			}
			for label, wait := range ends {
				report, err := wait()
				if err != nil {
					t.Fatal(err)
				}
				got := resultOf(t, cut, report)
				if got.Outcomes[label] != want.Outcomes[label] {
					t.Errorf("%s: %s, want %s", label, got.Outcomes[label], want.Outcomes[label])
				}
				j, _ := whole.Job(label)
				if diff := cmp.Diff(want.Receipts[j.Task], got.Receipts[j.Task]); diff != "" {
					t.Errorf("%s: another receipt", label)
				}
			}
			leaves(t, cut.Engine)
			if t.Failed() {
				t.Log(doc)
			}
		})
	}
}

// comesNever tells whether a job awaits one that did not run.
func comesNever(g *graph.Graph, r *engine.Report, label string) bool {
	i, _ := g.Find(label)
	return slices.ContainsFunc(g.Deps(i), func(d plan.Edge) bool { return r.Jobs[d.From].Status == engine.JobUpstream })
}
