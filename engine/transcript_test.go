package engine_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/task"
)

var update = flag.Bool("update", false, "rewrite the transcripts in testdata")

// TestTranscripts runs every file in testdata: commands, and after "----" what
// each must bring about. Transcripts are separated by blank lines, paragraphs
// that begin with # are comments.
//
//	document               load the text that follows; see rig.document. In it
//	                       <LABEL> is the Task ID as written of that job of an
//	                       earlier document, <LABEL resolved> the one that ran
//	run [keep-going] [cancel=LABEL]
//	                       run it with one worker, and cancel when the job with
//	                       this label has started; every event is told
//	preview                what is remembered and what would run
//	restart                a new engine over the same store
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
			s := &script{rig: newRig(t, ipvmtest.Options{Workers: 1})}
			ran := 0
			blocks := strings.Split(strings.TrimRight(string(data), "\n"), "\n\n")
			for i, block := range blocks {
				if strings.HasPrefix(block, "#") {
					continue
				}
				command, want, _ := strings.Cut(block, "\n----\n")
				ran++
				got := s.command(t, command)
				if got != want && !*update {
					t.Errorf("%s\n%s", command, cmp.Diff(want, got))
				}
				blocks[i] = command + "\n----\n" + got
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

type script struct {
	*rig
	graph *graph.Graph
	tasks []string // <LABEL> and Task ID, in pairs, the latest first
}

func (s *script) name(name string, id task.ID) {
	s.tasks = append([]string{name, id.String()}, s.tasks...)
}

// named is text with each Task ID in the place of its name.
func (s *script) named(text string) string {
	var links []string
	for i := 0; i < len(s.tasks); i += 2 {
		links = append(links, s.tasks[i], fmt.Sprintf(`{"/": %q}`, s.tasks[i+1]))
	}
	return strings.NewReplacer(links...).Replace(text)
}

// unnamed is text with each Task ID replaced by its name.
func (s *script) unnamed(text string) string {
	names := make([]string, len(s.tasks))
	for i := range names {
		names[i] = s.tasks[i^1]
	}
	return strings.NewReplacer(names...).Replace(text)
}

func (s *script) command(t *testing.T, text string) string {
	t.Helper()
	line, rest, _ := strings.Cut(text, "\n")
	words := strings.Fields(line)
	switch words[0] {
	case "document":
		s.graph = s.document(t, s.named(rest))
		for i := range s.graph.Len() {
			s.name("<"+s.graph.Label(i)+">", s.graph.Step(i).ID)
		}
		faults, err := engine.Check(t.Context(), s.Engine, s.graph, s.Policy)
		if err != nil {
			t.Fatal(err)
		}
		if len(faults) > 0 {
			return s.unnamed(faults.Error())
		}
		return fmt.Sprintf("%d jobs", s.graph.Len())
	case "run":
		return s.unnamed(s.run(t, words[1:]))
	case "preview":
		return s.unnamed(s.preview(t))
	case "restart":
		s.rig = newRig(t, ipvmtest.Options{Workers: 1, Store: s.Store})
		return "-"
	}
	t.Fatalf("no such command: %s", line)
	return ""
}

func (s *script) run(t *testing.T, words []string) string {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	var o engine.Options
	label := ""
	for _, w := range words {
		if w == "keep-going" {
			o.KeepGoing = true
			continue
		}
		var ok bool
		if label, ok = strings.CutPrefix(w, "cancel="); !ok {
			t.Fatalf("no such option: %s", w)
		}
	}
	var b strings.Builder
	o.Listen = func(ev engine.Event) {
		if ev.Workflow != s.graph.Link() {
			t.Errorf("event of workflow %s", ev.Workflow)
		}
		fmt.Fprintf(&b, "%d %s%s\n", ev.Seq, ev.Kind, detail(ev))
		if ev.Kind == engine.JobStarted && ev.Label == label {
			cancel(errors.New("somebody gave up"))
		}
	}
	report, err := s.Engine.Run(ctx, s.graph, o)
	if err != nil {
		return b.String() + "error: " + err.Error()
	}
	for _, j := range report.Jobs {
		if j.Task != j.Written {
			s.name("<"+j.Label+" resolved>", j.Task)
		}
	}
	if n := s.Waiting(); n != 0 {
		t.Errorf("%d steps still wait", n)
	}
	if s.Wasm.Doctor().Started {
		return b.String() + string(report.Status)
	}
	return b.String() + string(report.Status) + ", and no WebAssembly engine was started"
}

func detail(ev engine.Event) string {
	switch ev.Kind {
	case engine.WorkflowStarted:
		return fmt.Sprintf(": %d jobs", ev.Jobs)
	case engine.WorkflowEnded:
		return ": " + string(ev.Status)
	case engine.JobStarted:
		return " " + ev.Label
	}
	j := ev.Job
	if j.Status == engine.JobSkipped {
		return fmt.Sprintf(" %s: %s", ev.Label, j.Status)
	}
	out := fmt.Sprintf("%.80s", j.Outcome.Value)
	if f := j.Outcome.Failure; f != nil {
		out = f.String()
	}
	if c := j.Caught; c != nil {
		answer := string(c.Answer)
		if answer == "" {
			answer = "handler failed"
		}
		out += strings.TrimRight(fmt.Sprintf(" (was %s; %s %s", c.Failure.Kind, answer, c.To), " ") + ")"
	}
	switch {
	case kindOf(j.Outcome) == "trap "+task.TrapStackOverflow: // its gas depends on the processor
		out = fmt.Sprintf("%s: %s", j.How, out)
	case j.How != "":
		out = fmt.Sprintf("%s, gas %d: %s", j.How, j.Gas, out)
	}
	return fmt.Sprintf(" %s: %s: %s", ev.Label, j.Status, out)
}

func (s *script) preview(t *testing.T) string {
	t.Helper()
	all, err := s.Preview(t.Context(), s.graph, engine.Options{})
	if err != nil {
		return "error: " + err.Error()
	}
	var lines []string
	for _, f := range all {
		what := "not known yet"
		switch {
		case f.Skipped:
			what = "would be skipped"
		case f.Failure != nil:
			what = "fails: " + f.Failure.String()
		case f.Remembered != nil:
			what = "remembered: " + kindOf(f.Remembered.Outcome)
		case f.Known:
			what = "would run"
		case f.Awaits.Defined():
			what = "waits for the task " + f.Awaits.String()
		}
		lines = append(lines, f.Label+": "+what)
	}
	return strings.Join(lines, "\n")
}
