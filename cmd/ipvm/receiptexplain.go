package main

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
)

func (a *app) explain(cmd *cobra.Command, file, label string, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	w, err := load(cmd, node, file)
	if err != nil {
		return err
	}
	i, ok := w.Find(label)
	if !ok {
		return misusef("`ipvm check` lists the labels", "no job is labelled %q", label)
	}
	all, err := node.Backend().Preview(cmd.Context(), w, ipvm.RunOptions{})
	if err != nil {
		return err
	}
	x := reasons{label: label, forecast: &all[i], secret: w.Step(i).Secret}
	if !x.forecast.Known {
		x.waitsFor = unknownDep(w, all, i)
	}
	if x.explained() {
		if x.found, err = node.Explain(cmd.Context(), all[i]); err != nil {
			return err
		}
	}
	if asJSON {
		usual, err := node.UsualGas(cmd.Context(), w)
		if err != nil {
			return err
		}
		return printJSON(cmd.OutOrStdout(), x.json(usual))
	}
	x.print(cmd.OutOrStdout())
	return nil
}

// reasons are why a job is remembered or would run.
type reasons struct {
	label    string
	forecast *engine.Forecast
	secret   bool
	waitsFor string            // the job whose outcome is not known yet; empty where there is none
	found    *ipvm.Explanation // nil where there is none to show
}

// explained tells whether it depends on receipts what becomes of the job, and they
// may be shown.
func (x *reasons) explained() bool {
	f := x.forecast
	return f.Known && !f.Skipped && f.Failure == nil && !x.secret
}

// unknownDep is the first job that step i waits for and that has not run; empty if
// it waits for the task of another workflow.
func unknownDep(w *ipvm.Workflow, all []engine.Forecast, i int) string {
	for _, d := range w.Deps(i) {
		if from := all[d.From]; from.Remembered == nil && !from.Skipped {
			return w.Label(d.From)
		}
	}
	return ""
}

func (x *reasons) print(out io.Writer) {
	label, f := printable(x.label), x.forecast
	switch {
	case f.Skipped:
		fmt.Fprintf(out, "%s would be skipped: nothing sets it off\n", label)
	case f.Failure != nil:
		fmt.Fprintf(out, "%s would fail: %s\n", label, printable(f.Failure.String()))
	case !f.Known:
		from := printable(x.waitsFor)
		if x.waitsFor == "" {
			from = "the task " + f.Awaits.String()
		}
		fmt.Fprintf(out, "%s can not be said yet: it waits for %s, which is not remembered\n", label, from)
	case x.secret:
		what := "would run"
		if f.Remembered != nil {
			what = "is remembered"
		}
		fmt.Fprintf(out, "task %s\n%s %s; why is not shown, as it is a secret\n", f.Task, label, what)
	default:
		printExplanation(out, label, x.found)
	}
}

func printExplanation(out io.Writer, label string, e *ipvm.Explanation) {
	fmt.Fprintf(out, "task %s\n", e.Task)
	if e.Hit != nil {
		fmt.Fprintf(out, "%s is remembered: %s, by receipt %s\n", label, receiptOutcome(e.Hit), e.Hit.Link().Base58())
		if e.Trusted {
			fmt.Fprintf(out, "  it is signed by %s, whom this node trusts\n", e.Hit.Executor)
		}
		fmt.Fprintf(out, "  it used %s gas, below the limit of %s; the memory limit %s fits\n", count(e.Hit.Gas), count(e.Limits.Gas), size(e.Limits.Memory))
		return
	}
	fmt.Fprintf(out, "%s would run\n", label)
	for _, p := range e.Passed {
		fmt.Fprintf(out, "  receipt %s does not answer: %s\n", p.Receipt.Link().Base58(), p.Why)
	}
	if !e.Nearest.Defined() {
		if len(e.Passed) == 0 {
			fmt.Fprintln(out, "  no call of this function is remembered")
		}
		return
	}
	fmt.Fprintf(out, "  nearest is %s, which differs in:\n", e.Nearest)
	if e.OtherModule.Defined() {
		fmt.Fprintf(out, "    the module: there it is %s\n", e.OtherModule)
	}
	for _, d := range e.Differences {
		fmt.Fprintf(out, "    params%s: here %s, there %s\n", printable(d.Path), shorten(printable(d.Here.String()), 80), shorten(printable(d.Else.String()), 80))
	}
}

// reasonsJSON is what `ipvm receipt explain --json` prints.
type reasonsJSON struct {
	Schema int    `json:"schema"`
	Label  string `json:"label"`
	forecastJSON
	WaitsFor string        `json:"waitsFor,omitempty"`
	Secret   bool          `json:"secret,omitempty"` // why is not told
	Limits   *limitsJSON   `json:"limits,omitempty"`
	Answers  *heldJSON     `json:"answers,omitempty"`
	Passed   []passedJSON  `json:"passed,omitempty"`
	Nearest  *neighborJSON `json:"nearest,omitempty"`
}

// passedJSON is a receipt about the task that does not answer.
type passedJSON struct {
	heldJSON
	Why string `json:"why"`
}

// neighborJSON is the remembered call that differs least.
type neighborJSON struct {
	Task        string           `json:"task"`
	Module      string           `json:"module,omitempty"` // where it is another
	Differences []differenceJSON `json:"differences"`
}

// differenceJSON is one place where the arguments differ.
type differenceJSON struct {
	Path  string          `json:"path"`
	Here  json.RawMessage `json:"here"`
	There json.RawMessage `json:"there"`
}

func (x *reasons) json(usual map[string]uint64) reasonsJSON {
	out := reasonsJSON{Schema: jsonSchema, Label: x.label, forecastJSON: newForecastJSON(x.forecast, usual), Secret: x.secret}
	if out.Will == "unknown" {
		out.WaitsFor = x.waitsFor
	}
	e := x.found
	if e == nil {
		return out
	}
	out.Limits = newLimitsJSON(e.Limits)
	if e.Hit != nil {
		hit := newHeldJSON(e.Hit)
		out.Answers = &hit
	}
	for _, p := range e.Passed {
		out.Passed = append(out.Passed, passedJSON{newHeldJSON(p.Receipt), p.Why})
	}
	if e.Nearest.Defined() {
		out.Nearest = newNeighborJSON(e)
	}
	return out
}

func newNeighborJSON(e *ipvm.Explanation) *neighborJSON {
	out := &neighborJSON{Task: e.Nearest.String(), Module: e.OtherModule.String(), Differences: []differenceJSON{}}
	for _, d := range e.Differences {
		out.Differences = append(out.Differences, differenceJSON{d.Path, rawJSON(d.Here), rawJSON(d.Else)})
	}
	return out
}
