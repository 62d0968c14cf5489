package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func newCheck(a *app) *cobra.Command {
	var asJSON, normalise bool
	cmd := &cobra.Command{
		Use:   "check FILE",
		Short: "Find everything that is wrong with a workflow, without running it",
		Long: `Read the workflow in FILE, import the files that it names, and hold every
call against the function that it calls. All faults are shown, each with its
place. Exit status 2 means that there are faults.

With --normalise, print the workflow as a document of the native dialect in
YAML, whatever FILE is written in: the same tasks, with the same Task IDs.`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case asJSON && normalise:
				return misusef("", "--json and --normalise print different things; choose one")
			case normalise:
				return a.normalise(cmd, args[0])
			}
			return a.check(cmd, args[0], asJSON)
		},
	}
	a.documentFlags(cmd)
	cmd.Flags().BoolVar(&normalise, "normalise", false, "print the workflow as a native document in YAML")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

// checkJSON is what `ipvm check --json` prints.
type checkJSON struct {
	Schema   int               `json:"schema"`
	OK       bool              `json:"ok"`
	Faults   []faultJSON       `json:"faults"`
	Workflow string            `json:"workflow,omitempty"`
	Source   *sourceJSON       `json:"source,omitempty"`
	Tasks    map[string]string `json:"tasks,omitempty"` // label → Task ID as written
	Awaits   []awaitedJSON     `json:"awaits,omitempty"`
	// Layout lists the labels step by step. It is there, like Classes and
	// Secrets, also where only this node can not run the workflow.
	Layout  [][]string            `json:"layout,omitempty"`
	Classes map[string]task.Class `json:"classes,omitempty"` // of effects
	Secrets map[string][]string   `json:"secrets,omitempty"` // label → how the secret comes to it, from its source on
	Bound   *boundJSON            `json:"bound,omitempty"`
}

type faultJSON struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Path    string `json:"path"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// awaitedJSON is a task of another workflow that a job awaits.
type awaitedJSON struct {
	Job  string `json:"job"`
	Task string `json:"task"`
	// Standing is settled, running or unknown.
	Standing string `json:"standing"`
	// MS is how long the job waits for it at most.
	MS int64 `json:"ms"`
}

// boundJSON is the most that a run of the workflow can use; see
// [engine.Bound].
type boundJSON struct {
	Gas uint64 `json:"gas"`
	// MS is that of the longest chain of jobs that wait for one another.
	MS int64 `json:"ms"`
	// TotalMS is that of all jobs one after the other.
	TotalMS int64 `json:"totalMs"`
}

func (a *app) check(cmd *cobra.Command, file string, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	w, err := load(cmd, node, file)
	if err == nil {
		err = quarantined(cmd.Context(), node, w)
	}
	if w != nil && len(w.Workflow().Signature) > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: %s is signed, and check does not judge by whom: `ipvm run --dry-run` does\n", printable(file))
	}
	if !asJSON {
		if w != nil {
			warn(cmd.ErrOrStderr(), w)
			warnMutations(cmd.ErrOrStderr(), w)
		}
		if err != nil {
			if w != nil {
				printLayout(cmd.OutOrStdout(), w)
			}
			return err
		}
		awaited, err := engine.Awaits(cmd.Context(), node.Backend(), w, a.config.options().Policy)
		if err != nil {
			return err
		}
		printChecked(cmd, w, a.config.options(), awaited)
		return warnRandom(cmd, node, w)
	}
	out := checkJSON{Schema: jsonSchema, OK: err == nil, Faults: []faultJSON{}}
	var faults workflow.FaultList
	if err != nil && !errors.As(err, &faults) {
		return err
	}
	for _, f := range faults {
		out.Faults = append(out.Faults, faultJSON{f.File, f.Line, f.Col, f.Path, string(f.Kind), f.Msg, f.Hint})
	}
	if w != nil {
		out.Layout = layout(w)
		out.Classes, out.Secrets = classes(w), secrets(w)
	}
	if err == nil {
		out.Workflow, out.Source, out.Tasks = w.Link().String(), sourceOf(w), map[string]string{}
		awaited, err := engine.Awaits(cmd.Context(), node.Backend(), w, a.config.options().Policy)
		if err != nil {
			return err
		}
		for _, t := range awaited {
			out.Awaits = append(out.Awaits, awaitedJSON{t.Label, t.Task.String(), t.Standing.String(), t.Patience.Milliseconds()})
		}
		b := engine.BoundOf(w, a.config.options().Policy)
		out.Bound = &boundJSON{Gas: b.Gas, MS: b.Longest.Milliseconds(), TotalMS: b.Time.Milliseconds()}
		for i := range w.Len() {
			out.Tasks[w.Label(i)] = w.Step(i).ID.String()
		}
	}
	return errors.Join(printJSON(cmd.OutOrStdout(), out), quiet(err))
}

// quarantined are faults for the jobs of w that would not be run since their tasks have
// ended the node. Whose a signed workflow is, check does not judge.
func quarantined(ctx context.Context, node *ipvm.Node, w *ipvm.Workflow) error {
	known, err := node.Backend().Quarantined(ctx)
	if err != nil || refused(known) == 0 || len(w.Workflow().Signature) > 0 {
		return err
	}
	all, err := node.Preview(ctx, w, ipvm.RunOptions{})
	if err != nil {
		return err
	}
	if faults := engine.Quarantined(w, all); len(faults) > 0 {
		return faults
	}
	return nil
}

// normalise prints the workflow in file as a native document.
func (a *app) normalise(cmd *cobra.Command, file string) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	w, err := load(cmd, node, file)
	if err != nil {
		return err
	}
	warn(cmd.ErrOrStderr(), w)
	text, err := w.Workflow().Normalise(func(label string) task.Task {
		i, _ := w.Find(label)
		return w.Step(i).Task
	})
	if err != nil {
		return misusef("it runs as it is", "%s: %v", file, err)
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}

// quiet is the error of a fault that was printed as JSON.
func quiet(err error) error {
	var faults workflow.FaultList
	switch {
	case err == nil:
		return nil
	case errors.As(err, &faults) && outOfReach(faults):
		return errOutOfReach
	}
	return errFaults
}

// outOfReach tells whether the document is right, and only what it names can not be had.
func outOfReach(all workflow.FaultList) bool {
	return !slices.ContainsFunc(all, func(f workflow.Fault) bool { return f.Kind != workflow.NotFound && f.Kind != workflow.Lost })
}

// errFaults ends a command whose document is at fault, which was printed.
var errFaults = errors.New("the document is at fault")

// layout lists the labels that may run at the same time, step by step.
func layout(w *ipvm.Workflow) [][]string {
	stages := w.Stages()
	out := make([][]string, len(stages))
	for n, stage := range stages {
		for _, i := range stage {
			out[n] = append(out[n], w.Label(i))
		}
	}
	return out
}

// classes are those of the jobs that are effects.
func classes(w *ipvm.Workflow) map[string]task.Class {
	all := map[string]task.Class{}
	for i := range w.Len() {
		if s := w.Step(i); s.Class != task.ClassPure {
			all[s.Label] = s.Class
		}
	}
	return all
}

// secrets are the ways on which a secret comes to each job that is one.
func secrets(w *ipvm.Workflow) map[string][]string {
	all := map[string][]string{}
	for i := range w.Len() {
		if w.Step(i).Secret {
			all[w.Label(i)] = engine.Way(w, i)
		}
	}
	return all
}

// manyDependants is how many jobs may wait for a mutation before we warn.
const manyDependants = 3

// warnMutations warns of mutations for which many jobs wait: whatever goes wrong
// in these, the world has been changed.
func warnMutations(out io.Writer, w *ipvm.Workflow) {
	for i := range w.Len() {
		if !w.Mutates(i) {
			continue
		}
		behind := make([]bool, w.Len()) // steps come after what they wait for
		behind[i] = true
		n := 0
		for k := i + 1; k < w.Len(); k++ {
			for _, d := range w.Deps(k) {
				behind[k] = behind[k] || d.Kind != plan.Order && behind[d.From]
			}
			if behind[k] {
				n++
			}
		}
		if n >= manyDependants {
			fmt.Fprintf(out, "warning: %d jobs wait for %s, which changes the world: should they fail, that is not undone\n", n, printable(w.Label(i)))
		}
	}
}

// classText says what class an effect is of.
func classText(s *graph.Step) string {
	if s.Kind == nil {
		return "not known, so taken for a mutation"
	}
	return string(s.Class)
}

// printLayout prints in which order jobs may run, where effects make that more
// than what waits for what, and which jobs are secrets and why.
func printLayout(out io.Writer, w *ipvm.Workflow) {
	if w.Workflow().HasEffects() {
		fmt.Fprintln(out, "order:")
		for n, stage := range w.Stages() {
			names := make([]string, len(stage))
			for k, i := range stage {
				names[k] = printable(w.Label(i))
				if s := w.Step(i); s.Class != task.ClassPure {
					names[k] += " (" + classText(s) + ")"
				}
			}
			fmt.Fprintf(out, "  %d  %s\n", n+1, strings.Join(names, ", "))
		}
	}
	heading := "secrets:\n"
	for i := range w.Len() {
		if !w.Step(i).Secret {
			continue
		}
		way := engine.Way(w, i)
		for k := range way {
			way[k] = printable(way[k])
		}
		fmt.Fprintf(out, "%s  %s\n", heading, strings.Join(way, " → "))
		heading = ""
	}
}

// warnRandom warns of modules that ask for random numbers, each once.
func warnRandom(cmd *cobra.Command, node *ipvm.Node, w *ipvm.Workflow) error {
	seen := map[ipld.Link]bool{}
	for i := range w.Len() {
		call, err := w.Step(i).Task.Call()
		module, ok := call.Module.AsLink()
		if err != nil || !ok || seen[module] {
			continue
		}
		seen[module] = true
		about, failure, err := node.Inspect(cmd.Context(), module)
		if err != nil {
			return err
		}
		if failure == nil && about.Random {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: the module of job %s: %s\n", printable(w.Label(i)), randomWarning)
		}
	}
	return nil
}

func printChecked(cmd *cobra.Command, w *ipvm.Workflow, o ipvm.Options, awaited []engine.Awaited) {
	out := cmd.OutOrStdout()
	b := engine.BoundOf(w, o.Policy)
	doing := "computing"
	if len(awaited) > 0 {
		doing = "computing and waiting"
	}
	fmt.Fprintf(out, "ok: %s in %s, at most %s gas and %v of %s\n", number(w.Len(), "job"), number(len(layout(w)), "step"), count(b.Gas), b.Time, doing)
	budget(cmd, w, o.Policy)
	fmt.Fprintf(out, "workflow %s\n", w.Link())
	for i := range w.Len() {
		fmt.Fprintf(out, "  %s  %s\n", w.Step(i).ID, printable(w.Label(i)))
	}
	for _, t := range awaited {
		fmt.Fprintf(out, "%s awaits the task %s, which %s\n", printable(t.Label), t.Task, standings[t.Standing])
		warnAwaited(cmd.ErrOrStderr(), w, t)
	}
	printLayout(out, w)
}

// warnAwaited tells of a task of another workflow that a job of w would wait for.
func warnAwaited(out io.Writer, w *ipvm.Workflow, t engine.Awaited) {
	place := "ipvm"
	if i, ok := w.Find(t.Label); ok && w.Step(i).Job.Pos.Line > 0 {
		place = printable(w.Step(i).Job.Pos.String())
	}
	switch t.Standing {
	case engine.Unknown:
		fmt.Fprintf(out, "%s: warning: job %s: nothing here has settled the task %s yet; the job waits at most %v\n", place, printable(t.Label), t.Task, t.Patience)
	case engine.Running:
		fmt.Fprintf(out, "%s: job %s waits for the task %s, which is running\n", place, printable(t.Label), t.Task)
	}
}

// budget tells of the gas that the config of w allows the whole run, which stops
// nothing that runs, and warns where one job may use more.
func budget(cmd *cobra.Command, w *ipvm.Workflow, p ipvm.Policy) {
	most := w.Workflow().Config.Gas
	if most == 0 {
		return
	}
	fmt.Fprintf(cmd.OutOrStdout(), "config: no job starts any more once %s gas are used\n", count(most))
	for i := range w.Len() {
		s := w.Step(i)
		if gas := p.Limits(s.Job.Limits).Gas; s.Job.Effect == nil && gas > most {
			fmt.Fprintf(cmd.ErrOrStderr(), "warning: job %s alone may use %s gas, and config allows the whole run %s\n", printable(s.Label), count(gas), count(most))
			return
		}
	}
}

// number is n of what, in the plural where there are several or none.
func number(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// standings say what is known of a task of another workflow.
var standings = map[engine.Standing]string{
	engine.Settled: "is known here",
	engine.Running: "runs here",
	engine.Unknown: "is not known here",
}
