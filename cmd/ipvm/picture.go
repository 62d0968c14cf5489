package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/diagram"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// drawSVG draws w, which is called name, with what came of it in run; nil draws
// it as it is before a run.
func drawSVG(out io.Writer, w *ipvm.Workflow, name string, run *runJSON) error {
	d := diagram.Drawing{Title: name, Note: fmt.Sprintf("%s in %s", several(w.Len(), "job"), several(len(w.Stages()), "step"))}
	if name == "-" {
		d.Title = "workflow"
	}
	for i := range w.Len() {
		d.Boxes = append(d.Boxes, jobBox(w, i))
		for _, e := range w.Step(i).Deps {
			d.Lines = append(d.Lines, jobLine(w, i, e))
		}
	}
	for n, stage := range w.Stages() {
		for _, i := range stage {
			d.Boxes[i].Layer = n
		}
	}
	if run != nil {
		d.Note += "; " + runNote(run)
		for i := range d.Boxes {
			showOutcome(&d.Boxes[i], run.Jobs[w.Label(i)])
		}
	}
	data, err := d.SVG()
	if errors.Is(err, diagram.ErrTooLarge) {
		return misusef("--format text, dot and mermaid have no bound", "%v", err)
	}
	if err == nil {
		_, err = out.Write(data)
	}
	return err
}

func several(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%s %s", count(uint64(n)), what)
}

// jobBox is the box of step i.
func jobBox(w *ipvm.Workflow, i int) diagram.Box {
	s := w.Step(i)
	b := diagram.Box{Label: s.Label, Detail: caption(w, i), Class: string(s.Class), Secret: s.Secret}
	lines := []string{s.Label}
	if s.Job.Effect != nil {
		b.Detail = asked(w, i)
		lines = append(lines, caption(w, i))
	} else if call, err := s.Task.Call(); err == nil {
		short, long := moduleName(call.Module)
		b.Detail += " · " + short
		lines = append(lines, caption(w, i)+" of "+long)
	}
	if s.Secret {
		lines = append(lines, "a secret: "+strings.Join(engine.Way(w, i), " → "))
	}
	if out := outside(s.Job); len(out) > 0 {
		b.Outside = "takes " + shortLink(out[0])
		if len(out) > 1 {
			b.Outside = fmt.Sprintf("takes %d tasks from elsewhere", len(out))
		}
		lines = append(lines, "takes what other workflows come to: "+strings.Join(out, ", "))
	}
	if h := s.Job.Catch; h != nil {
		b.Handler = "catch " + handlerName(h)
		lines = append(lines, "a handler decides when it fails: "+handlerName(h)+" of "+h.Module.String())
	}
	if len(s.Job.Needs) > 0 {
		b.Needs = "needs " + strings.Join(s.Job.Needs, ", ")
		lines = append(lines, b.Needs)
	}
	lines = append(lines, "task "+s.ID.String())
	b.Title = strings.Join(lines, "\n")
	return b
}

// outside are the tasks of other workflows that a job takes, each once.
func outside(j *workflow.Job) []string {
	var out []string
	for _, e := range j.Outside {
		if id := e.Promise.Task.String(); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func handlerName(h *workflow.Handler) string {
	if h.Func == "" {
		return "the only function"
	}
	return h.Func
}

// moduleName is a module in a few characters, and whole.
func moduleName(v ipld.Value) (short, long string) {
	l, ok := v.AsLink()
	if !ok {
		return "a result", "the result of another job"
	}
	return shortLink(l.String()), l.String()
}

// shortLink is the two ends of a CID.
func shortLink(s string) string {
	if len(s) <= 14 {
		return s
	}
	return s[:4] + "…" + s[len(s)-6:]
}

// jobLine is the line of an edge that leads to step i.
func jobLine(w *ipvm.Workflow, i int, e plan.Edge) diagram.Line {
	l := diagram.Line{From: e.From, To: i, Label: edgeLabel(w, i, e)}
	from, to := w.Label(e.From), w.Label(i)
	passes := func(x workflow.Edge) bool {
		return x.Kind == workflow.EdgePromise && x.Promise.Label == from
	}
	switch {
	case e.Kind == plan.Order:
		l.Kind, l.Title = diagram.Dashed, to+" takes its turn after "+from
	case e.Kind == plan.Trigger:
		l.Kind, l.Label = diagram.Dotted, "on "+l.Label
		l.Title = to + " is " + when(e) + from
	case slices.ContainsFunc(w.Step(i).Job.Edges, passes):
		l.Title = to + " takes " + when(e) + from + uses(w, i, e.From)
	default:
		l.Kind = diagram.Dashed
		l.Title = to + " waits for " + when(e) + from
	}
	return l
}

// maxReport bounds the reports that are read.
const maxReport = 256 << 20

// readReport reads what `ipvm run --json` printed about w.
func readReport(cmd *cobra.Command, file string, w *ipvm.Workflow) (*runJSON, error) {
	in := cmd.InOrStdin()
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return nil, asMisuse(err)
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	const hint = "give what `ipvm run --json` printed"
	var run runJSON
	d := json.NewDecoder(io.LimitReader(in, maxReport))
	if err := d.Decode(&run); err != nil {
		return nil, misusef(hint, "the report %s can not be read: %v", file, err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, misusef(hint, "the report %s goes on after its end", file)
	}
	switch {
	case run.Schema != jsonSchema || run.Jobs == nil:
		return nil, misusef(hint, "%s is no report of a run", file)
	case run.Workflow != w.Link().String():
		return nil, misusef("run the workflow again as it is now", "the report %s is about another workflow, %s", file, run.Workflow)
	}
	for i := range w.Len() {
		job, ok := run.Jobs[w.Label(i)]
		if !ok {
			return nil, misusef(hint, "the report %s says nothing of the job %s", file, w.Label(i))
		}
		if _, ok := stateOf(job); !ok {
			return nil, misusef(hint, "the report %s has the unknown status %q", file, job.Status)
		}
	}
	return &run, nil
}

// stateOf is the look of a job's end.
func stateOf(j jobJSON) (diagram.State, bool) {
	if j.Status == engine.JobOK && recalled(j.How) {
		return diagram.Remembered, true
	}
	s, ok := map[engine.JobStatus]diagram.State{
		engine.JobOK: diagram.OK, engine.JobError: diagram.Failed, engine.JobSkipped: diagram.Skipped,
		engine.JobCancelled: diagram.Cancelled, engine.JobUpstream: diagram.Upstream,
	}[j.Status]
	return s, ok
}

// runNote says how a run ended.
func runNote(r *runJSON) string {
	s := "run: " + string(r.Status)
	if r.Reason != "" {
		s += ", " + r.Reason
	}
	return s
}

// showOutcome writes into a box what its job came to.
func showOutcome(b *diagram.Box, j jobJSON) {
	b.State, _ = stateOf(j)
	switch {
	case j.Status == engine.JobOK && j.Caught != nil:
		b.Outcome = "ok, by its handler"
		if recalled(j.How) {
			b.Outcome = string(j.How) + ", by its handler"
		}
	case j.Status == engine.JobError && j.Error != nil:
		b.Outcome = "failed: " + j.Error.Kind
		if recalled(j.How) {
			b.Outcome += ", " + string(j.How)
		}
		if j.Handled {
			b.Outcome += ", handled"
		}
	case j.Status == engine.JobUpstream && j.Error != nil && j.Error.From != "":
		b.Outcome = "not run, for want of " + j.Error.From
	}
	b.Title += "\n" + string(j.Status)
	if j.How != "" {
		b.Title += " (" + string(j.How) + "), " + count(j.Gas) + " gas"
	}
	if e := j.Error; e != nil {
		b.Title += ": " + strings.TrimSpace(e.Kind+" "+e.Trap+" "+e.Message)
	}
}
