package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
)

// dryRunJSON is what `ipvm run --dry-run --json` prints.
type dryRunJSON struct {
	Schema   int                     `json:"schema"`
	Workflow string                  `json:"workflow"`
	DryRun   bool                    `json:"dryRun"`
	Jobs     map[string]forecastJSON `json:"jobs"`
	// MaxGas is the most that what would run may use.
	MaxGas uint64 `json:"maxGas"`
}

type forecastJSON struct {
	Task  string `json:"task"`
	Known bool   `json:"known"`
	// Awaits is a task of another workflow that it waits for and that is not
	// remembered.
	Awaits string `json:"awaits,omitempty"`
	// Will is remembered, run, fail or unknown.
	Will     string     `json:"will"`
	Error    *errorJSON `json:"error,omitempty"`
	MaxGas   uint64     `json:"maxGas,omitempty"`
	UsualGas *uint64    `json:"usualGas,omitempty"` // the median of earlier runs of the function
}

// dryRun tells what a run would do, without running anything.
func dryRun(cmd *cobra.Command, node *ipvm.Node, w *ipvm.Workflow, signed []byte, asJSON bool) error {
	all, err := node.Preview(cmd.Context(), w, ipvm.RunOptions{Authority: signed})
	if err != nil {
		return refusal(err)
	}
	usual, err := node.UsualGas(cmd.Context(), w)
	if err != nil {
		return err
	}
	out := dryRunJSON{Schema: jsonSchema, Workflow: w.Link().String(), DryRun: true, Jobs: map[string]forecastJSON{}}
	for i := range all {
		job := newForecastJSON(&all[i], usual)
		if out.MaxGas += job.MaxGas; out.MaxGas < job.MaxGas {
			out.MaxGas = ^uint64(0)
		}
		out.Jobs[all[i].Label] = job
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), out)
	}
	printForecasts(cmd.OutOrStdout(), all, out)
	return nil
}

// newForecastJSON is what a run would do with a job; usual is by label.
func newForecastJSON(f *engine.Forecast, usual map[string]uint64) forecastJSON {
	job := forecastJSON{Task: f.Task.String(), Known: f.Known, Will: "run"}
	switch {
	case f.Skipped:
		job.Will = "skip"
	case f.Failure != nil:
		job.Will, job.Error = "fail", &errorJSON{Kind: string(f.Failure.Kind), Message: f.Failure.Message}
	case f.Remembered != nil:
		job.Will = string(f.Remembered.How)
	case !f.Known:
		job.Will = "unknown"
		if f.Awaits.Defined() {
			job.Awaits = f.Awaits.String()
		}
		fallthrough
	default:
		job.MaxGas = f.Limits.Gas
		if gas, ok := usual[f.Label]; ok {
			job.UsualGas = &gas
		}
	}
	return job
}

func printForecasts(w io.Writer, all []engine.Forecast, out dryRunJSON) {
	width := 0
	for _, f := range all {
		width = min(max(width, len([]rune(f.Label))), maxLabelWidth)
	}
	counts := map[string]int{}
	for _, f := range all {
		job := out.Jobs[f.Label]
		counts[job.Will]++
		text := ""
		switch job.Will {
		case "fail":
			text = "would fail: " + printable(f.Failure.String())
		case "skip":
			text = "would be skipped"
		case "remembered":
			text = "is remembered"
		case "trusted":
			text = "is known, by the receipt of a trusted node"
		case "run":
			text = "would run, at most " + count(job.MaxGas) + " gas"
		case "unknown":
			text = "depends on what would run, at most " + count(job.MaxGas) + " gas"
			if job.Awaits != "" {
				text = "waits for the task " + job.Awaits + ", at most " + count(job.MaxGas) + " gas"
			}
		}
		if job.UsualGas != nil {
			text += ", usually " + count(*job.UsualGas)
		}
		fmt.Fprintf(w, "%-*s  %s\n", width, shorten(printable(f.Label), maxLabelWidth), text)
	}
	trusted := ""
	if n := counts["trusted"]; n > 0 {
		trusted = fmt.Sprintf(", %d trusted", n)
	}
	fmt.Fprintf(w, "dry run: %d remembered%s, %d would run, %d depend on these, %d would fail; at most %s gas\n",
		counts["remembered"], trusted, counts["run"], counts["unknown"], counts["fail"], count(out.MaxGas))
}
