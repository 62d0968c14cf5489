package plan

import (
	"cmp"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// steps is a graph by labels.
type steps struct {
	labels []string
	deps   [][]int  // awaited ok
	more   [][]Edge // of other kinds; nil for none
	// mutates are the steps that do; nil for none.
	mutates []bool
}

func (g steps) Len() int              { return len(g.deps) }
func (g steps) Label(step int) string { return g.labels[step] }
func (g steps) Mutates(step int) bool { return g.mutates != nil && g.mutates[step] }

func (g steps) Deps(step int) []Edge {
	var out []Edge
	for _, d := range g.deps[step] {
		out = append(out, Edge{From: d, On: OnOK})
	}
	if g.more == nil {
		return out
	}
	out = append(out, g.more[step]...)
	slices.SortFunc(out, func(a, b Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind)) })
	return out
}

// TestTranscripts runs every file in testdata: commands, and after "----" what
// each must bring about. Transcripts are separated by blank lines.
//
//	graph [keep-going]      a new plan; one line per step, "label: dependency…",
//	                        where a is awaited ok, a! in error, a* in any case,
//	                        on:a and on:a! set the step off, and after:a is
//	                        only an order; "label mutates: …" is a mutation
//	ready                   hand out what is ready
//	ok, fail, drop, block label…
//	                        settle, drop or block these, in this order
//	cancel                  stop
//	state                   every step's state
//
// Every command but state also tells what ended without running and whether
// the plan stopped or is done.
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
			var r runner
			ran := 0
			blocks := strings.Split(strings.TrimRight(string(data), "\n"), "\n\n")
			for i, block := range blocks {
				if strings.HasPrefix(block, "#") {
					continue
				}
				command, want, _ := strings.Cut(block, "\n----")
				ran++
				got := r.run(strings.TrimSpace(command))
				if got != strings.TrimPrefix(want, "\n") && !*update {
					t.Errorf("%s\ngot:\n%s\nwant:%s", command, got, want)
				}
				blocks[i] = strings.TrimSpace(command) + "\n----\n" + got
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

type runner struct {
	graph   steps
	plan    *Plan
	stopped bool
}

func (r *runner) run(command string) string {
	line, body, _ := strings.Cut(command, "\n")
	words := strings.Fields(line)
	var out []string
	switch words[0] {
	case "graph":
		if err := r.parse(body, slices.Contains(words, "keep-going")); err != nil {
			return err.Error()
		}
	case "ready":
		out = append(out, strings.TrimSpace("ready: "+r.names(r.plan.Ready())))
	case "cancel":
		r.plan.Cancel()
	case "state":
		for i, label := range r.graph.labels {
			out = append(out, label+": "+r.state(i))
		}
		return strings.Join(out, "\n")
	case "ok", "fail", "drop", "block":
		for _, label := range words[1:] {
			step := slices.Index(r.graph.labels, label)
			err := r.plan.Settle
			switch words[0] {
			case "drop":
				err = func(step int, _ bool) error { return r.plan.Drop(step) }
			case "block":
				err = func(step int, _ bool) error { return r.plan.Block(step) }
			}
			if err := err(step, words[0] == "ok"); err != nil {
				out = append(out, "error: "+err.Error())
			}
		}
	default:
		return "unknown command"
	}
	for _, i := range r.plan.Settled() {
		out = append(out, r.graph.labels[i]+": "+r.state(i))
	}
	if r.plan.Stopped() && !r.stopped {
		r.stopped = true
		out = append(out, "stopped")
	}
	if r.plan.Done() && r.plan.Lost() {
		out = append(out, "done, lost")
	} else if r.plan.Done() {
		out = append(out, "done")
	}
	if len(out) == 0 {
		return "-"
	}
	return strings.Join(out, "\n")
}

// parse reads "label: dependency…" lines; labels may be used before their own
// line.
func (r *runner) parse(body string, keepGoing bool) error {
	lines := strings.Split(body, "\n")
	r.graph = steps{}
	for _, line := range lines {
		label, _, _ := strings.Cut(line, ":")
		label, mutates := strings.CutSuffix(label, " mutates")
		r.graph.labels = append(r.graph.labels, label)
		r.graph.mutates = append(r.graph.mutates, mutates)
	}
	for _, line := range lines {
		_, deps, _ := strings.Cut(line, ":")
		var on []int
		var more []Edge
		for _, d := range strings.Fields(deps) {
			if e := r.edge(d); e.Kind != Await || e.On != OnOK {
				more = append(more, e)
			} else {
				on = append(on, e.From)
			}
		}
		slices.Sort(on)
		r.graph.deps = append(r.graph.deps, on)
		r.graph.more = append(r.graph.more, more)
	}
	var err error
	r.stopped = false
	r.plan, err = New(r.graph, Options{KeepGoing: keepGoing})
	return err
}

// edge reads a, a!, a*, on:a, on:a! or after:a.
func (r *runner) edge(text string) Edge {
	e := Edge{On: OnOK}
	if label, ok := strings.CutPrefix(text, "after:"); ok {
		e.Kind, e.On, text = Order, 0, label
	}
	if label, ok := strings.CutPrefix(text, "on:"); ok {
		e.Kind, text = Trigger, label
	}
	if label, ok := strings.CutSuffix(text, "!"); ok {
		e.On, text = OnError, label
	}
	if label, ok := strings.CutSuffix(text, "*"); ok {
		e.On, text = OnAny, label
	}
	e.From = slices.Index(r.graph.labels, text)
	return e
}

func (r *runner) names(steps []int) string {
	names := make([]string, len(steps))
	for i, s := range steps {
		names[i] = r.graph.labels[s]
	}
	return strings.Join(names, " ")
}

func (r *runner) state(step int) string {
	if r.plan.Handled(step) {
		return "failed, handled"
	}
	if cause := r.plan.Cause(step); cause >= 0 {
		return fmt.Sprintf("%s of %s", r.plan.State(step), r.graph.labels[cause])
	}
	return r.plan.State(step).String()
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		deps [][]int
		want string
	}{
		{"itself", [][]int{{0}}, `step 0 "" waits for itself`},
		{"two in a cycle", [][]int{{1}, {0}}, `step 0 "" waits for itself or for steps in a cycle`},
		{"a cycle behind a step", [][]int{{}, {0, 2}, {1}}, `step 1 "" waits for itself or for steps in a cycle`},
		{"negative", [][]int{{-1}}, "dependency -1 after -1, of 1 steps"},
		{"out of range", [][]int{{}, {2}}, "dependency 2 after -1, of 2 steps"},
		{"twice", [][]int{{}, {0, 0}}, "dependency 0 after 0"},
		{"not ascending", [][]int{{}, {}, {1, 0}}, "dependency 0 after 1"},
	} {
		g := steps{labels: make([]string, len(test.deps)), deps: test.deps}
		if p, err := New(g, Options{}); !errors.Is(err, ErrGraph) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, %v; want ErrGraph, %s", test.name, p, err, test.want)
		}
	}
}

func TestNoSteps(t *testing.T) {
	t.Parallel()
	p, err := New(steps{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Done() || len(p.Ready()) != 0 || len(p.Settled()) != 0 {
		t.Error("a plan without steps is not done")
	}
	if err := p.Settle(0, true); !errors.Is(err, ErrNotRunning) {
		t.Errorf("Settle(0) = %v", err)
	}
}
