package graph

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

const owner = did.DID("did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg")

// effects are the kinds that transcripts know.
var effects = []task.EffectKind{
	{Scheme: "https", Ability: "crud/read", Class: task.ClassQuery},
	{Scheme: "https", Ability: "crud/update", Class: task.ClassMutation},
	{Scheme: "secret", Ability: "secret/get", Class: task.ClassQuery, Secret: true},
}

// TestTranscripts runs every file in testdata: documents, and after "----" the
// graph that each must become, or what must be wrong with it. Transcripts are
// separated by blank lines, paragraphs that begin with # are comments. In a
// document, MOD is the link of a module.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, path := range files {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			ran := 0
			blocks := strings.Split(strings.TrimRight(string(data), "\n"), "\n\n")
			for i, block := range blocks {
				if strings.HasPrefix(block, "#") {
					continue
				}
				document, want, _ := strings.Cut(block, "\n----\n")
				ran++
				got := transcript(document)
				if got != want && !*update {
					t.Errorf("%s\n%s", document, cmp.Diff(want, got))
				}
				blocks[i] = document + "\n----\n" + got
			}
			if ran == 0 {
				t.Fatal("nothing was run")
			}
			if *update {
				if err := os.WriteFile(path, []byte(strings.Join(blocks, "\n\n")+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

const module = `{"/": "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}`

func parse(document string) (*workflow.Workflow, error) {
	document = strings.ReplaceAll(document, "MOD", module)
	return workflow.Parse(workflow.Source{Name: "doc", Data: []byte(document)})
}

// transcript is document as a graph, for people: one step a line, its depth,
// what it waits for, its Task ID.
func transcript(document string) string {
	w, err := parse(document)
	if err != nil {
		return "not a document: " + err.Error()
	}
	g, err := Build(w, Options{Owner: owner, Effects: effects})
	if err != nil {
		return err.Error()
	}
	var b strings.Builder
	fmt.Fprintf(&b, "workflow %s\n", g.Link())
	for i := range g.Len() {
		s := g.Step(i)
		fmt.Fprintf(&b, "%d %s %s", s.Depth, s.Label, s.ID)
		for _, d := range g.Deps(i) {
			mark := map[plan.EdgeKind]string{plan.Await: " < ", plan.Trigger: " if ", plan.Order: " after "}[d.Kind]
			on := map[plan.Branch]string{plan.OnError: "!", plan.OnAny: "*", 0: "?"}[d.On]
			if d.Kind == plan.Order {
				on = ""
			}
			fmt.Fprintf(&b, "%s%s%s", mark, g.Label(d.From), on)
		}
		if s.Class != task.ClassPure {
			fmt.Fprintf(&b, " %s", s.Class)
		}
		for k, at := range g.Way(i) {
			if k == 0 {
				b.WriteString(map[bool]string{true: " secret of ", false: " reveals "}[s.Secret])
			} else {
				b.WriteString(", ")
			}
			b.WriteString(g.Label(at))
		}
		b.WriteByte('\n')
	}
	b.WriteString("for:")
	for _, i := range g.Sinks() {
		b.WriteString(" " + g.Label(i))
	}
	if stages := g.Stages(); w.HasEffects() {
		for n, stage := range stages {
			fmt.Fprintf(&b, "\nstage %d:", n+1)
			for _, i := range stage {
				b.WriteString(" " + g.Label(i))
			}
		}
	}
	for _, block := range g.Blocks() {
		fmt.Fprintf(&b, "\nblock %s of %d bytes", block.Link, len(block.Data))
	}
	return b.String()
}

// TestLongCycle names the beginning of a cycle of 50 jobs and counts the rest.
func TestLongCycle(t *testing.T) {
	t.Parallel()
	var doc strings.Builder
	doc.WriteString("jobs:\n")
	for i := range 50 {
		fmt.Fprintf(&doc, "  j%02d: {with: MOD, args: [{from: j%02d}]}\n", i, (i+1)%50)
	}
	got := transcript(doc.String())
	const want = `doc:2:92: /jobs/j00/args/0: the jobs wait for each other in a circle: j00 → j01 → j02 → j03 → j04 → j05 → j06 → j07 → … 42 more … → j00
  hint: remove one of these: j00 waits for j01 at doc:2:92: /jobs/j00/args/0; j01 waits for j02 at doc:3:92: /jobs/j01/args/0; ` +
		`j02 waits for j03 at doc:4:92: /jobs/j02/args/0; j03 waits for j04 at doc:5:92: /jobs/j03/args/0; j04 waits for j05 at doc:6:92: /jobs/j04/args/0; ` +
		`j05 waits for j06 at doc:7:92: /jobs/j05/args/0; j06 waits for j07 at doc:8:92: /jobs/j06/args/0; j07 waits for j08 at doc:9:92: /jobs/j07/args/0; and 42 more`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestCycles: each knot of jobs that wait for each other is reported once, by a
// cycle that is one and begins at the knot's first job; nothing else is.
func TestCycles(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "jobs")
		reach := make([][]bool, n)
		var doc strings.Builder
		for i := range n {
			reach[i] = make([]bool, n)
			fmt.Fprintf(&doc, "j%d: {with: MOD, args: [0", i)
			for range rapid.IntRange(0, 2).Draw(t, "deps") {
				d := rapid.IntRange(0, n-1).Draw(t, "from")
				reach[i][d] = true
				fmt.Fprintf(&doc, ", {from: j%d}", d)
			}
			doc.WriteString("]}\n")
		}
		for k := range n {
			for i := range n {
				for j := range n {
					reach[i][j] = reach[i][j] || reach[i][k] && reach[k][j]
				}
			}
		}
		var want []string // the first job of each knot
		for i := range n {
			first := -1
			for j := range n {
				if reach[i][j] && reach[j][i] {
					first = j
					break
				}
			}
			if first == i {
				want = append(want, fmt.Sprintf("/j%d", i))
			}
		}
		w, err := parse(doc.String())
		if err != nil {
			t.Fatalf("%s\n%v", doc.String(), err)
		}
		_, err = Build(w, Options{})
		var faults workflow.FaultList
		errors.As(err, &faults)
		var got []string
		for _, f := range faults {
			path, _, _ := strings.Cut(f.Path[1:], "/")
			got = append(got, "/"+path)
			_, circle, _ := strings.Cut(f.Msg, ": ")
			jobs := strings.Split(circle, " → ")
			for k := range jobs[1:] {
				if !strings.Contains(f.Hint, fmt.Sprintf("%s waits for %s at doc:%d:", jobs[k], jobs[k+1], 1+int(jobs[k][1]-'0'))) {
					t.Fatalf("%s\n%v", doc.String(), f)
				}
			}
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%s\ngot %v, want %v: %v", doc.String(), got, want, err)
		}
	})
}

func TestTooLarge(t *testing.T) {
	t.Parallel()
	doc := fmt.Sprintf(`{"big": {"with": MOD, "args": [%q]}, "small": {"with": MOD, "args": [{"from": "big"}]}}`, strings.Repeat("x", task.MaxArgs))
	w, err := parse(doc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Build(w, Options{})
	var faults workflow.FaultList
	if !errors.As(err, &faults) || len(faults) != 1 || faults[0].Kind != workflow.Size || faults[0].Path != "/big/args" {
		t.Errorf("got %.300v", err)
	}
}

// TestOwner: a task with a nonce belongs to someone.
func TestOwner(t *testing.T) {
	t.Parallel()
	w, err := parse(`{"a": {"with": MOD, "args": [1]}}`)
	if err != nil {
		t.Fatal(err)
	}
	w.Jobs[0].Nonce = "0123456789abcdef"
	if _, err := Build(w, Options{}); err == nil || !strings.Contains(err.Error(), "needs an owner") {
		t.Errorf("without an owner: %v", err)
	}
	g, err := Build(w, Options{Owner: owner})
	if err != nil || g.Step(0).Task.Subject != owner || g.Step(0).Task.Pure() {
		t.Errorf("with an owner: %v", err)
	}
}

// In the normal form a promise names a task. Two jobs of one task that may come
// to different ends are refused where a promise would have to tell them apart.
func TestTwins(t *testing.T) {
	t.Parallel()
	const jobs = `{"jobs": {"a": {"with": MOD, "args": [1]}, "b": {"with": MOD, "args": [1]MORE}, "c": {"with": MOD, "args": [{"from": "b"}]},
"d": {"with": MOD, "args": [2]}, "e": {"with": MOD, "args": [2], "gas": 5}MORE JOBS}}`
	const want = `/jobs/c/args/0: "b" makes the same call as "a" under other conditions`
	for name, more := range map[string][2]string{
		"alike":              {"", ""},
		"other limits":       {`, "gas": 5`, ""},
		"a handler":          {`, "catch": {"with": MOD}`, ""},
		"waits for another":  {`, "await": ["d"]`, ""},
		"set off":            {"", `, "f": {"with": MOD, "args": [3], "on": {"error": ["b"]}}`},
		"sets others off":    {`, "on": {"error": ["d"]}`, ""},
		"a promise to first": {"", `, "g": {"with": MOD, "args": [{"from": "a"}, 5]}`},
	} {
		w, err := parse(strings.Replace(strings.Replace(jobs, "MORE JOBS", more[1], 1), "MORE", more[0], 1))
		if err != nil {
			t.Fatal(name, err)
		}
		_, err = Build(w, Options{})
		if alike := name == "alike" || name == "sets others off" || name == "a promise to first"; alike != (err == nil) || !alike && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// document draws an acyclic document whose jobs stand in any order.
func document() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		n := rapid.IntRange(1, 12).Draw(t, "jobs")
		labels := rapid.Permutation([]string{"a", "bb", "c", "d1", "d2", "zz", "long-label", "k.l", "m~n", "ü", "0", "in put"}).Draw(t, "labels")[:n]
		lines := make([]string, n)
		for i, label := range labels {
			number := rapid.IntRange(0, 2).Draw(t, "n")
			args := []string{fmt.Sprint(number)}
			for range rapid.IntRange(0, min(i, 3)).Draw(t, "deps") {
				from := fmt.Sprintf("%q", labels[rapid.IntRange(0, i-1).Draw(t, "from")])
				args = append(args, rapid.SampledFrom([]string{
					`{"from": %s}`, `{"from": %s, "out": 0}`, `{"await/ok": %s}`, `{"await/ok": [%s, 0, "x"]}`, `[[{"from": %s}]]`, `{"x": {"from": %s}, "y": 1}`,
				}).Draw(t, "promise"))
				args[len(args)-1] = fmt.Sprintf(args[len(args)-1], from)
			}
			gas := []string{"", `, "gas": 4600`, `, "time": "1.5s", "memory": "128 MiB"`}[number] // twins are alike
			fun := rapid.SampledFrom([]string{"", `, "func": "f"`}).Draw(t, "func")
			lines[i] = fmt.Sprintf(`%q: {"with": MOD%s, "args": [%s]%s}`, label, fun, strings.Join(args, ", "), gas)
		}
		lines = rapid.Permutation(lines).Draw(t, "order")
		return `{"jobs": {` + strings.Join(lines, ",\n") + `}, "meta": {"title": "x"}}`
	})
}

// TestNormalForm: the normal form of any document, read as a document, is the
// same workflow with the same tasks.
func TestNormalForm(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := document().Draw(t, "document")
		w, err := parse(doc)
		if err != nil {
			t.Fatalf("%s\n%v", doc, err)
		}
		g, err := Build(w, Options{})
		if err != nil {
			t.Fatalf("%s\n%v", doc, err)
		}
		back, err := workflow.Parse(workflow.Source{Name: "normal", Data: g.Normal().Data, Format: workflow.CBOR})
		if err != nil {
			t.Fatalf("%s\nits normal form: %v", doc, err)
		}
		again, err := Build(back, Options{})
		if err != nil {
			t.Fatalf("%s\nits normal form: %v", doc, err)
		}
		if g.Link() != again.Link() || !slices.Equal(g.Normal().Data, again.Normal().Data) {
			t.Fatalf("%s\n%s became %s", doc, g.Link(), again.Link())
		}
		for i := range g.Len() {
			if a, b := g.Step(i), again.Step(i); a.ID != b.ID || a.Label != b.Label || a.Job.Limits != b.Job.Limits {
				t.Fatalf("%s\nstep %d: %s %s %v became %s %s %v", doc, i, a.Label, a.ID, a.Job.Limits, b.Label, b.ID, b.Job.Limits)
			}
		}
	})
}

// TestOrder: a step comes after all that it waits for, steps are sorted by
// depth and label, and the order of a document changes nothing.
func TestOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w, err := parse(document().Draw(t, "document"))
		if err != nil {
			t.Fatal(err)
		}
		g, err := Build(w, Options{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range g.Len() {
			s := g.Step(i)
			depth := 0
			for k, d := range s.Deps {
				if d.From >= i || k > 0 && s.Deps[k-1].From >= d.From {
					t.Fatalf("step %d waits for %v", i, s.Deps)
				}
				depth = max(depth, g.Step(d.From).Depth+1)
			}
			if s.Depth != depth {
				t.Fatalf("step %d has depth %d, not %d", i, s.Depth, depth)
			}
			if i == 0 {
				continue
			}
			if p := g.Step(i - 1); p.Depth > s.Depth || p.Depth == s.Depth && ipld.CompareKeys(p.Label, s.Label) >= 0 {
				t.Fatalf("%s of depth %d comes before %s of depth %d", p.Label, p.Depth, s.Label, s.Depth)
			}
		}
		slices.Reverse(w.Jobs)
		backwards, err := Build(w, Options{})
		if err != nil || backwards.Link() != g.Link() {
			t.Fatalf("backwards: %v, %v", backwards, err)
		}
	})
}

// TestFind finds every step by its label and nothing else.
func TestFind(t *testing.T) {
	t.Parallel()
	w, err := parse(`{"jobs": {"a": {"with": MOD, "args": [{"from": "b"}]}, "b": {"with": MOD, "args": [1]}}}`)
	if err != nil {
		t.Fatal(err)
	}
	g, err := Build(w, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if i, ok := g.Find("a"); !ok || i != 1 {
		t.Errorf("a: %d, %v", i, ok)
	}
	if _, ok := g.Find("c"); ok {
		t.Error("c was found")
	}
	if g.Workflow() != w {
		t.Error("not the workflow it was built from")
	}
}
