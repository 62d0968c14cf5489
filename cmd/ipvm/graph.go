package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/task"
)

func newGraph(a *app) *cobra.Command {
	var o graphOptions
	cmd := &cobra.Command{
		Use:   "graph FILE",
		Short: "Draw which job waits for which",
		Long: `Draw the dataflow graph of the workflow in FILE: as text, in which each job
stands below all that it waits for; in the DOT language of Graphviz; as a
Mermaid flowchart; or as an SVG picture, for a browser. The picture shows what
came of a run too, with the report that ` + "`ipvm run --json`" + ` printed.`,
		Example: "  ipvm graph --svg workflow.yaml > graph.svg\n" +
			"  ipvm run --json workflow.yaml > report.json; ipvm graph --svg --report report.json workflow.yaml > run.svg\n" +
			"  ipvm graph --format dot workflow.yaml | dot -Tpdf > graph.pdf",
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := o.settle(cmd.Flags().Changed("format"), args[0]); err != nil {
				return err
			}
			return a.graph(cmd, args[0], o)
		},
	}
	a.documentFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "text, dot, mermaid or svg")
	f.BoolVar(&o.svg, "svg", false, "the same as --format svg")
	f.StringVar(&o.report, "report", "", "show in the SVG picture what came of the run that `FILE` reports; - is standard input")
	return cmd
}

type graphOptions struct {
	format, report string
	svg            bool
}

// settle finds the one format that is asked for.
func (o *graphOptions) settle(given bool, file string) error {
	if o.svg {
		if given && o.format != "svg" {
			return misusef("give one of them", "--svg and --format %s are two formats", o.format)
		}
		o.format = "svg"
	}
	switch {
	case o.format != "svg" && drawings[o.format] == nil:
		return misusef("give --format text, dot, mermaid or svg", "unknown format %q", o.format)
	case o.report != "" && o.format != "svg":
		return misusef("add --svg", "only an SVG picture shows what came of a run")
	case o.report == "-" && file == "-":
		return misusef("give one of them as a file", "the workflow and the report can not both be standard input")
	}
	return nil
}

var drawings = map[string]func(io.Writer, *ipvm.Workflow){"text": drawText, "dot": drawDOT, "mermaid": drawMermaid}

func (a *app) graph(cmd *cobra.Command, file string, o graphOptions) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	w, err := load(cmd, node, file)
	if w == nil { // else it can be drawn, though it may not run here
		return err
	}
	if draw := drawings[o.format]; draw != nil {
		draw(cmd.OutOrStdout(), w)
		return err
	}
	var run *runJSON
	if o.report != "" {
		var reportErr error
		if run, reportErr = readReport(cmd, o.report, w); reportErr != nil {
			return reportErr
		}
	}
	return errors.Join(drawSVG(cmd.OutOrStdout(), w, filepath.Base(file), run), err)
}

// caption is what a step calls.
func caption(w *ipvm.Workflow, i int) string {
	call, err := w.Step(i).Task.Call()
	switch {
	case w.Step(i).Job.Effect != nil:
		return effectCaption(w, i)
	case err != nil:
		return w.Step(i).Task.Command
	case call.Func == "":
		return "the only function"
	}
	return call.Func
}

// effectCaption is what step i asks of the world.
func effectCaption(w *ipvm.Workflow, i int) string {
	return fmt.Sprintf("%s (%s)", asked(w, i), classText(w.Step(i)))
}

// asked is the ability and the URI of effect i.
func asked(w *ipvm.Workflow, i int) string {
	e := w.Step(i).Job.Effect
	uri, ok := e.URI.AsString()
	if !ok {
		uri = e.Scheme + ":…"
	}
	return e.Do + " " + shorten(uri, 60)
}

// uses is how step i uses the result of step d: the parts that it takes.
func uses(w *ipvm.Workflow, i, d int) string {
	var parts []string
	for _, e := range w.Step(i).Job.Edges {
		if e.Promise.Label == w.Label(d) && len(e.Promise.Path) > 0 {
			parts = append(parts, steps(e.Promise.Path))
		}
	}
	return strings.Join(parts, " ")
}

// when says how the step that e comes from must end, where that is not well.
func when(e plan.Edge) string {
	if e.Kind == plan.Order {
		return "the turn of "
	}
	what := map[plan.Branch]string{plan.OnError: "the failure of ", plan.OnAny: "the end of ", 0: "what can not be of "}[e.On]
	if e.Kind == plan.Trigger && e.On == plan.OnOK {
		what = "the success of "
	}
	if e.Kind == plan.Trigger {
		what = "set off by " + what
	}
	return what
}

// edgeLabel says what an edge is for: the parts of a result, or the end that it
// waits for.
func edgeLabel(w *ipvm.Workflow, i int, e plan.Edge) string {
	if e.Kind == plan.Order {
		return "turn"
	}
	u := uses(w, i, e.From)
	if on := (map[plan.Branch]string{plan.OnError: "error", plan.OnAny: "any"})[e.On]; on != "" {
		u = strings.TrimSpace(on + " " + u)
	} else if e.Kind == plan.Trigger {
		u = strings.TrimSpace("success " + u)
	}
	return u
}

func steps(path []task.Step) string {
	var b strings.Builder
	for _, s := range path {
		if s.IsKey {
			b.WriteString("." + s.Key)
		} else {
			b.WriteString("[" + strconv.Itoa(s.Index) + "]")
		}
	}
	return b.String()
}

func drawText(out io.Writer, w *ipvm.Workflow) {
	for n, stage := range w.Stages() {
		fmt.Fprintf(out, "step %d\n", n+1)
		for _, i := range stage {
			drawStep(out, w, i)
		}
	}
}

func drawStep(out io.Writer, w *ipvm.Workflow, i int) {
	s := w.Step(i)
	fmt.Fprintf(out, "  %s: %s", printable(s.Label), printable(caption(w, i)))
	if s.Secret {
		fmt.Fprint(out, ", a secret")
	}
	for k, d := range s.Deps {
		sep := ", "
		if k == 0 {
			sep = " ← "
		}
		fmt.Fprintf(out, "%s%s%s%s", sep, when(d), printable(w.Label(d.From)), printable(uses(w, i, d.From)))
	}
	fmt.Fprintln(out)
}

func drawDOT(out io.Writer, w *ipvm.Workflow) {
	fmt.Fprintln(out, "digraph workflow {\n  rankdir=LR;\n  node [shape=box];")
	for i := range w.Len() {
		fmt.Fprintf(out, "  n%d [label=%s];\n", i, dotQuote(printable(w.Label(i))+"\n"+printable(caption(w, i))))
	}
	for i := range w.Len() {
		for _, d := range w.Step(i).Deps {
			var attributes []string
			if u := edgeLabel(w, i, d); u != "" {
				attributes = append(attributes, "label="+dotQuote(printable(u)))
			}
			if d.Kind != plan.Await {
				attributes = append(attributes, "style=dashed")
			}
			label := ""
			if len(attributes) > 0 {
				label = " [" + strings.Join(attributes, ", ") + "]"
			}
			fmt.Fprintf(out, "  n%d -> n%d%s;\n", d.From, i, label)
		}
	}
	fmt.Fprintln(out, "}")
}

// dotQuote is s as a quoted string of the DOT language.
func dotQuote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func drawMermaid(out io.Writer, w *ipvm.Workflow) {
	fmt.Fprintln(out, "flowchart LR")
	for i := range w.Len() {
		fmt.Fprintf(out, "  n%d[%s]\n", i, mermaidQuote(printable(w.Label(i))+"<br/>"+printable(caption(w, i))))
	}
	for i := range w.Len() {
		for _, d := range w.Step(i).Deps {
			arrow := "-->"
			if d.Kind != plan.Await {
				arrow = "-.->"
			}
			if u := edgeLabel(w, i, d); u != "" {
				arrow += "|" + mermaidQuote(printable(u)) + "|"
			}
			fmt.Fprintf(out, "  n%d %s n%d\n", d.From, arrow, i)
		}
	}
}

// mermaidQuote is s as a quoted Mermaid text; entities keep it from being
// read as markup, all but our own line break.
func mermaidQuote(s string) string {
	s = strings.NewReplacer("#", "#35;", `"`, "#quot;", "<", "#lt;", ">", "#gt;", "&", "#amp;", "`", "#96;").Replace(s)
	return `"` + strings.ReplaceAll(s, "#lt;br/#gt;", "<br/>") + `"`
}
