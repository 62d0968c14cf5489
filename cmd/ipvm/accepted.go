package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
)

// acceptedCommands are those about workflows that a node has accepted.
func acceptedCommands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newPS(a), newShow(a), newLogs(a),
		newDirection(a, rpc.Cancel, "End an accepted workflow", "What has not started does not, what is running is given up, and what was\nfinished is kept."),
		newDirection(a, rpc.Suspend, "Put an accepted workflow aside", "What is running is given up, what was finished is kept, and the rest waits for\n`ipvm resume`, also when the node is started again."),
		newDirection(a, rpc.Resume, "Take up a workflow that was suspended, cancelled, or failed", "What has a receipt is not run again. It needs a node that serves."),
	}
}

func newPS(a *app) *cobra.Command {
	var all, asJSON bool
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List the workflows that were accepted and have not ended",
		Args:  wants(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.ps(cmd, all, asJSON) },
	}
	cmd.Flags().BoolVarP(&all, "all", "a", false, "list those that have ended, too")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	return cmd
}

func (a *app) ps(cmd *cobra.Command, all, asJSON bool) (err error) {
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	n, out := 0, cmd.OutOrStdout()
	var fail error
	err = at.Runs(cmd.Context(), runs.Query{Unfinished: !all}, func(r runs.Run) bool {
		n++
		if asJSON {
			fail = json.NewEncoder(out).Encode(acceptedOf(r))
			return fail == nil
		}
		_, fail = fmt.Fprintf(out, "%s  %-9s  %d/%d jobs  %s%s\n", r.Workflow, r.State, r.Settled, r.Jobs, r.Accepted.Local().Format(time.DateTime), behalf(r))
		return fail == nil
	})
	if !asJSON {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", countOf(n, "workflow"))
	}
	return errors.Join(unknownRun(err), fail)
}

// acceptedJSON is an accepted run in JSON; docs/reference.md describes it.
type acceptedJSON struct {
	Schema    int                `json:"schema"`
	Workflow  string             `json:"workflow"`
	State     runs.State         `json:"state"`
	Attempt   uint64             `json:"attempt"`
	For       string             `json:"for,omitempty"`
	KeepGoing bool               `json:"keepGoing,omitempty"`
	Jobs      int                `json:"jobs"`
	Settled   int                `json:"settled"`
	Accepted  string             `json:"accepted"`
	Ended     string             `json:"ended,omitempty"`
	First     string             `json:"first,omitempty"`
	Reason    string             `json:"reason,omitempty"`
	Results   map[string]jobJSON `json:"results,omitempty"`
}

func acceptedOf(r runs.Run) acceptedJSON {
	out := acceptedJSON{
		Schema: jsonSchema, Workflow: r.Workflow.String(), State: r.State, Attempt: r.Attempt, For: string(r.For), KeepGoing: r.KeepGoing,
		Jobs: r.Jobs, Settled: r.Settled, Accepted: r.Accepted.UTC().Format(time.RFC3339Nano), First: r.First, Reason: r.Reason,
	}
	if !r.Ended.IsZero() {
		out.Ended = r.Ended.UTC().Format(time.RFC3339Nano)
	}
	return out
}

// behalf tells on whose behalf a run is, where that is not the owner.
func behalf(r runs.Run) string {
	if r.For == "" {
		return ""
	}
	return " for " + printable(string(r.For))
}

// whose is the principal whose run a command is about.
type whose struct{ text string }

func (w *whose) flag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&w.text, "for", "", "of the run on behalf of this `DID`, or of anyone for those without authority; default the owner's")
}

// run reads the workflow CID of a command line.
func (w *whose) run(text string) (id runs.ID, err error) {
	if id.Workflow, err = ipld.ParseLink(text); err != nil {
		return id, misusef("`ipvm ps --all` lists them", "%q is not a workflow CID: %v", text, err)
	}
	if id.For = did.DID(w.text); w.text != "" && id.For != engine.Anyone {
		if id.For, err = did.Parse(w.text); err != nil {
			return id, misusef("`ipvm ps --all` tells for whom workflows run", "--for: %v", err)
		}
	}
	return id, nil
}

func newShow(a *app) *cobra.Command {
	var asJSON bool
	var of whose
	cmd := &cobra.Command{
		Use:   "show WORKFLOW",
		Short: "Show how an accepted workflow stands, and what its jobs came to",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.showRun(cmd, &of, args[0], asJSON) },
	}
	of.flag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

func (a *app) showRun(cmd *cobra.Command, of *whose, text string, asJSON bool) (err error) {
	id, err := of.run(text)
	if err != nil {
		return err
	}
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	run, err := at.RunOf(cmd.Context(), id)
	if err != nil {
		return unknownRun(err)
	}
	jobs, err := at.JobsOf(cmd.Context(), id)
	if err != nil {
		return unknownRun(err)
	}
	reports := make([]*engine.JobReport, len(jobs))
	for i := range jobs {
		if reports[i], err = settledJob(cmd.Context(), at, &jobs[i]); err != nil {
			return err
		}
	}
	if asJSON {
		out := acceptedOf(run)
		out.Results = make(map[string]jobJSON, len(jobs))
		for _, j := range reports {
			out.Results[j.Label] = jobReportJSON(j)
		}
		return printJSON(cmd.OutOrStdout(), out)
	}
	v := &view{out: cmd.OutOrStdout(), width: labelWidth(jobs)}
	for _, j := range reports {
		v.line(j)
	}
	fmt.Fprintln(cmd.OutOrStdout(), standing(run))
	return nil
}

func labelWidth(jobs []runs.Job) (width int) {
	for i := range jobs {
		width = min(max(width, utf8.RuneCountInString(jobs[i].Label)), maxLabelWidth)
	}
	return width
}

// standing is how a run stands, in one line.
func standing(r runs.Run) string {
	s := fmt.Sprintf("%s: %d of %s settled, accepted %s%s", r.State, r.Settled, countOf(r.Jobs, "job"), r.Accepted.Local().Format(time.DateTime), behalf(r))
	if !r.Ended.IsZero() {
		s += ", ended " + r.Ended.Local().Format(time.DateTime)
	}
	switch {
	case r.Reason != "":
		s += ": " + printable(r.Reason)
	case r.First != "":
		s += ": job " + printable(r.First) + " failed"
	}
	return s
}

// settledJob is what was kept of a job, with its outcome, which is in the
// receipt.
func settledJob(ctx context.Context, at place, j *runs.Job) (*engine.JobReport, error) {
	out := &engine.JobReport{
		Label: j.Label, Status: j.Status, How: j.How, Task: j.Task, Written: j.Task, Receipt: j.Receipt, Upstream: j.Upstream,
		Handled: j.Handled, Secret: j.Secret, Gas: j.Gas, Started: j.Started, Ended: j.Ended,
	}
	if j.Kind != "" {
		out.Outcome.Failure = &task.Failure{Kind: j.Kind, Message: j.Message}
	}
	if !j.Receipt.Defined() {
		return out, nil
	}
	all, err := at.Receipts(ctx, j.Task)
	if err != nil {
		return nil, err
	}
	for _, r := range all {
		if r.Link() == j.Receipt {
			out.Outcome = r.Out
			if f := out.Outcome.Failure; f != nil && f.Message == "" {
				f.Message = j.Message
			}
		}
	}
	return out, nil
}

func newLogs(a *app) *cobra.Command {
	var follow bool
	var of whose
	cmd := &cobra.Command{
		Use:   "logs WORKFLOW",
		Short: "Print what the jobs of an accepted workflow came to, as they settle",
		Long: `Print what the jobs of the latest run of an accepted workflow came to, in the
order in which they settled, with what their functions logged. With -f go on
until the run ends.

Exit status with -f: 0 the workflow went well or was suspended, 1 it did not.`,
		Args: wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.logs(cmd, &of, args[0], follow) },
	}
	of.flag(cmd)
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on until the run ends")
	return cmd
}

func (a *app) logs(cmd *cobra.Command, of *whose, text string, follow bool) (err error) {
	id, err := of.run(text)
	if err != nil {
		return err
	}
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	if !follow {
		jobs, err := at.JobsOf(cmd.Context(), id)
		if err != nil {
			return unknownRun(err)
		}
		for i := range jobs {
			if err := printSettled(cmd, at, &jobs[i]); err != nil {
				return err
			}
		}
		return nil
	}
	var end *runs.Run
	var fail error
	err = at.Watch(cmd.Context(), id, runs.Position{}, func(ev runs.Event) bool {
		switch ev.Kind {
		case runs.JobSettled:
			fail = printSettled(cmd, at, ev.Job)
		case runs.Ended:
			end = ev.Run
		}
		return fail == nil
	})
	switch {
	case err != nil && cmd.Context().Err() != nil:
		return nil // enough was seen
	case err != nil:
		return unknownRun(err)
	case fail != nil:
		return fail
	case end == nil:
		fmt.Fprintln(cmd.OutOrStdout(), "suspended; go on with `ipvm resume "+id.Workflow.String()+"`")
		return nil
	}
	fmt.Fprintln(cmd.OutOrStdout(), standing(*end))
	if end.State != runs.OK {
		return errFailed
	}
	return nil
}

// printSettled prints what became of a job, and what it logged.
func printSettled(cmd *cobra.Command, at place, j *runs.Job) error {
	report, err := settledJob(cmd.Context(), at, j)
	if err != nil {
		return err
	}
	if n, ok := at.(noted); ok && j.How == engine.Ran && j.Task.Defined() {
		note, err := n.Note(cmd.Context(), j.Task)
		if err != nil {
			return err
		}
		if note.Receipt == j.Receipt {
			report.Log = note.Log
		}
	}
	v := &view{out: cmd.OutOrStdout(), width: 12}
	v.event(engine.Event{Kind: engine.JobSettled, Label: j.Label, Job: report})
	return nil
}

func newDirection(a *app, what rpc.Direction, short, long string) *cobra.Command {
	var of whose
	cmd := &cobra.Command{
		Use:   string(what) + " WORKFLOW",
		Short: short,
		Long:  short + ".\n" + long,
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.direct(cmd, &of, args[0], what) },
	}
	of.flag(cmd)
	return cmd
}

func (a *app) direct(cmd *cobra.Command, of *whose, text string, what rpc.Direction) (err error) {
	id, err := of.run(text)
	if err != nil {
		return err
	}
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	run, err := at.Direct(cmd.Context(), id, what)
	if err != nil {
		return unknownRun(err)
	}
	fmt.Fprintln(cmd.ErrOrStderr(), standing(run))
	return nil
}

// detach submits w to the node that serves.
func detach(cmd *cobra.Command, node *ipvm.Node, w *ipvm.Workflow, o runOptions, signed []byte) error {
	run, err := node.Submit(cmd.Context(), w, runs.Options{KeepGoing: o.keepGoing, Authority: signed})
	if err != nil {
		return unknownRun(refusal(err))
	}
	fmt.Fprintln(cmd.OutOrStdout(), run.Workflow)
	if run.For != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "on behalf of %s: `ipvm show --for %[1]s %s`\n", run.For, run.Workflow)
	}
	return nil
}

// unknownRun adds to err what to do about it.
func unknownRun(err error) error {
	switch {
	case errors.Is(err, runs.ErrUnknown), errors.Is(err, client.NotFound):
		return misusef("`ipvm ps --all` lists those that were accepted, and for whom (--for); `ipvm run --detach FILE` submits one", "%v", err)
	case errors.Is(err, runs.ErrState), errors.Is(err, client.Conflict):
		return misusef("`ipvm show WORKFLOW` tells how it stands", "%v", err)
	case errors.Is(err, client.Denied), errors.Is(err, client.BadRequest):
		return misusef("", "%v", err)
	case errors.Is(err, ipvm.ErrNoService):
		return misusef("start one with `ipvm node`, in another terminal", "%v", err)
	}
	return err
}
