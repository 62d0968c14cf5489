package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
)

// acceptedCommands are those about workflows that a node has accepted.
func acceptedCommands(a *app) []*cobra.Command {
	return []*cobra.Command{
		newPS(a), newShow(a), newLogs(a), newExport(a), newImport(a),
		newDirection(a, rpc.Cancel, "End an accepted workflow", "What has not started does not, what is running is given up, and what was\nfinished is kept."),
		newDirection(a, rpc.Suspend, "Put an accepted workflow aside", "What is running is given up, what was finished is kept, and the rest waits for\n`ipvm resume`, also when the node is started again."),
		newDirection(a, rpc.Resume, "Take up a workflow that was suspended, cancelled, or failed", "What has a receipt is not run again. It needs a node that serves."),
	}
}

// psOptions are the flags of ipvm ps.
type psOptions struct {
	all   bool
	limit int
	after string
	json  bool
}

// usualPage is how many workflows are listed where nothing says how many.
const usualPage = 100

func newPS(a *app) *cobra.Command {
	var o psOptions
	cmd := &cobra.Command{
		Use:   "ps",
		Short: "List the workflows that were accepted and have not ended",
		Long: `List the workflows that were accepted and have not ended, the latest first. Where
there are more than --limit, a line on standard error says how to see the next.`,
		Example: "  ipvm ps --all\n  ipvm ps --all --limit 0 --json | jq -r 'select(.state == \"failed\").workflow'",
		Args:    wants(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.ps(cmd, o) },
	}
	cmd.Flags().BoolVarP(&o.all, "all", "a", false, "list those that have ended, too")
	cmd.Flags().IntVarP(&o.limit, "limit", "n", usualPage, "how many to list at most; 0 is no bound")
	cmd.Flags().StringVar(&o.after, "after", "", "list those after this `PLACE`, which the end of a page tells")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object per line")
	return cmd
}

func (a *app) ps(cmd *cobra.Command, o psOptions) (err error) {
	q := runs.Query{Unfinished: !o.all}
	if q.After, err = runs.ParsePlace(o.after); err != nil {
		return misusef("the end of a page of `ipvm ps` tells it, and \"place\" in --json", "--after: %v", err)
	}
	if o.limit < 0 {
		return misusef("0 is no bound", "--limit %d is below 0", o.limit)
	}
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	n, out := 0, cmd.OutOrStdout()
	var fail error
	var last runs.Place
	more := false
	err = at.Runs(cmd.Context(), q, func(r runs.Run) bool {
		if more = o.limit > 0 && n == o.limit; more {
			return false
		}
		n, last = n+1, r.Place()
		if o.json {
			fail = json.NewEncoder(out).Encode(acceptedOf(r))
			return fail == nil
		}
		_, fail = fmt.Fprintf(out, "%s  %-9s  %d/%d jobs  %s%s\n", r.Workflow, r.State, r.Settled, r.Jobs, r.Accepted.Local().Format(time.DateTime), behalf(r))
		return fail == nil
	})
	switch {
	case err != nil || fail != nil:
		return errors.Join(unknownRun(err), fail)
	case more:
		fmt.Fprintf(cmd.ErrOrStderr(), "there are more: --after %s\n", last)
	case !o.json:
		fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", countOf(n, "workflow"))
	}
	if here, ok := at.(rpc.Backend); ok && !o.json { // a node elsewhere does not tell
		var dead []quarantine.Record
		if dead, err = here.Quarantined(cmd.Context()); refused(dead) > 0 {
			fmt.Fprintf(cmd.ErrOrStderr(), "%s in quarantine: `ipvm quarantine ls`\n", countOf(refused(dead), "task"))
		}
	}
	return err
}

// acceptedJSON is an accepted run in JSON; docs/reference.md describes it.
type acceptedJSON struct {
	Schema    int                `json:"schema"`
	Workflow  string             `json:"workflow"`
	State     runs.State         `json:"state"`
	Attempt   uint64             `json:"attempt"`
	For       string             `json:"for,omitempty"`
	KeepGoing bool               `json:"keepGoing,omitempty"`
	Priority  engine.Priority    `json:"priority,omitempty"`
	Jobs      int                `json:"jobs"`
	Settled   int                `json:"settled"`
	Accepted  string             `json:"accepted"`
	Place     string             `json:"place"`
	Ended     string             `json:"ended,omitempty"`
	First     string             `json:"first,omitempty"`
	Reason    string             `json:"reason,omitempty"`
	Results   map[string]jobJSON `json:"results,omitempty"`
}

func acceptedOf(r runs.Run) acceptedJSON {
	out := acceptedJSON{
		Schema: jsonSchema, Workflow: r.Workflow.String(), State: r.State, Attempt: r.Attempt, For: string(r.For), KeepGoing: r.KeepGoing, Priority: r.Priority,
		Jobs: r.Jobs, Settled: r.Settled, Accepted: r.Accepted.UTC().Format(time.RFC3339Nano), Place: r.Place().String(),
		First: r.First, Reason: r.Reason,
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
	at = about(at, id)
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
	i := slices.IndexFunc(all, func(r *receipt.Signed) bool { return r.Link() == j.Receipt })
	if out.Forgotten = i < 0; out.Forgotten {
		return out, nil
	}
	out.Outcome = all[i].Out
	if f := out.Outcome.Failure; f != nil && f.Message == "" {
		f.Message = j.Message
	}
	return out, nil
}

// logsOptions are the flags of ipvm logs.
type logsOptions struct {
	whose
	follow bool
	json   bool
}

func newLogs(a *app) *cobra.Command {
	var o logsOptions
	cmd := &cobra.Command{
		Use:   "logs WORKFLOW",
		Short: "Print what the jobs of an accepted workflow came to, as they settle",
		Long: `Print what the jobs of the latest run of an accepted workflow came to, in the
order in which they settled, with what their functions logged. With -f go on
until the run ends.

Exit status with -f: 0 the workflow went well, or was suspended or handed over, 1
it did not, 3 it lacks what it names or no node is there any more to run it.`,
		Example: "  ipvm logs -f bafyreihx3f2v…\n  ipvm logs --json bafyreihx3f2v… | jq -r .job.status",
		Args:    wants(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.logs(cmd, &o, args[0]) },
	}
	o.flag(cmd)
	cmd.Flags().BoolVarP(&o.follow, "follow", "f", false, "go on until the run ends")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object per line, described in docs/reference.md")
	return cmd
}

func (a *app) logs(cmd *cobra.Command, o *logsOptions, text string) (err error) {
	id, err := o.run(text)
	if err != nil {
		return err
	}
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	at = about(at, id)
	t := newTale(cmd, at, o.json)
	defer t.end()
	if !o.follow {
		jobs, err := at.JobsOf(cmd.Context(), id)
		if err != nil {
			return unknownRun(err)
		}
		t.view.width = labelWidth(jobs)
		for i := range jobs {
			if err := t.tell(runs.Event{Kind: runs.JobSettled, Label: jobs[i].Label, Job: &jobs[i]}); err != nil {
				return err
			}
		}
		return nil
	}
	var end *runs.Run
	var fail error
	err = at.Watch(cmd.Context(), id, runs.Position{}, func(ev runs.Event) bool {
		if ev.Kind == runs.Ended {
			end = ev.Run
		}
		fail = t.tell(ev)
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
		return t.stopped(id)
	}
	return t.came(end)
}

// errNoNode ends a command that follows a workflow which nobody runs any more.
var errNoNode = errors.New("no node is there to run the workflow, which is kept\n  hint: `ipvm node` starts one, and it goes on")

// stopped tells why there is no more of a run whose end was not told, and what follows
// from that. It may have ended since.
func (t *tale) stopped(id runs.ID) error {
	run, err := t.at.RunOf(t.cmd.Context(), id)
	switch {
	case err != nil:
		return unknownRun(err)
	case run.State == runs.Running:
		t.end()
		return errNoNode
	case run.State != runs.Suspended:
		return errors.Join(t.tell(runs.Event{Kind: runs.Ended, Run: &run}), t.came(&run))
	case !t.json:
		t.end()
		fmt.Fprintln(t.view.out, "suspended; go on with `ipvm resume "+id.Workflow.String()+"`")
	}
	return nil
}

// came is the error of a run that has ended.
func (t *tale) came(run *runs.Run) error {
	switch {
	case run.State == runs.OK || run.State == runs.HandedOver:
		return nil
	case t.lacking[run.First]:
		return errOutOfReach
	}
	return errFailed
}

// tale tells the events of an accepted run, as lines for people or as JSON.
type tale struct {
	cmd   *cobra.Command
	at    place
	json  bool
	view  *view
	ended bool
	// lacking are the jobs that failed since something is out of reach.
	lacking map[string]bool
}

func newTale(cmd *cobra.Command, at place, asJSON bool) *tale {
	t := &tale{cmd: cmd, at: at, json: asJSON, lacking: map[string]bool{}, view: &view{out: cmd.OutOrStdout(), width: 12, done: make(chan struct{})}}
	if !asJSON {
		t.view.live(cmd)
	}
	return t
}

// end takes away the line that says what is running.
func (t *tale) end() {
	if !t.ended {
		t.ended = true
		t.view.stop()
	}
}

// logLineJSON is a line of `ipvm logs --json`; docs/reference.md describes it.
type logLineJSON struct {
	Schema int            `json:"schema"`
	Event  runs.EventKind `json:"event"`
	Label  string         `json:"label,omitempty"`
	Job    *jobJSON       `json:"job,omitempty"`
	Run    *acceptedJSON  `json:"run,omitempty"`
}

func (t *tale) tell(ev runs.Event) error {
	out := logLineJSON{Schema: jsonSchema, Event: ev.Kind, Label: ev.Label}
	switch ev.Kind {
	case runs.Started:
		t.view.mu.Lock()
		t.view.jobs = ev.Run.Jobs
		t.view.mu.Unlock()
		run := acceptedOf(*ev.Run)
		out.Run = &run
	case runs.JobStarted:
		t.view.event(engine.Event{Kind: engine.JobStarted, Label: ev.Label})
	case runs.JobSettled:
		report, err := t.settled(ev.Job)
		if err != nil {
			return err
		}
		if lacksContent(report) {
			t.lacking[ev.Label] = true
		}
		if !t.json {
			t.view.event(engine.Event{Kind: engine.JobSettled, Label: ev.Label, Job: report})
			return nil
		}
		job := jobReportJSON(report)
		out.Job = &job
	case runs.Ended:
		run := acceptedOf(*ev.Run)
		out.Run = &run
		if !t.json {
			t.end()
			_, err := fmt.Fprintln(t.view.out, standing(*ev.Run))
			return err
		}
	}
	if !t.json {
		return nil
	}
	return json.NewEncoder(t.view.out).Encode(out)
}

// settled is what became of a job, with what it logged.
func (t *tale) settled(j *runs.Job) (*engine.JobReport, error) {
	report, err := settledJob(t.cmd.Context(), t.at, j)
	if err != nil {
		return nil, err
	}
	if n, ok := t.at.(noted); ok && j.How == engine.Ran && j.Task.Defined() {
		note, err := n.Note(t.cmd.Context(), j.Task)
		if err != nil {
			return nil, err
		}
		if note.Receipt == j.Receipt {
			report.Log = note.Log
		}
	}
	return report, nil
}

func newDirection(a *app, what rpc.Direction, short, long string) *cobra.Command {
	var of whose
	var asJSON bool
	cmd := &cobra.Command{
		Use:   string(what) + " WORKFLOW",
		Short: short,
		Long:  short + ".\n" + long,
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.direct(cmd, &of, args[0], what, asJSON) },
	}
	of.flag(cmd)
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

func (a *app) direct(cmd *cobra.Command, of *whose, text string, what rpc.Direction, asJSON bool) (err error) {
	id, err := of.run(text)
	if err != nil {
		return err
	}
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	at = about(at, id)
	run, err := at.Direct(cmd.Context(), id, what)
	if err != nil {
		return unknownRun(err)
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), acceptedOf(run))
	}
	fmt.Fprintln(cmd.ErrOrStderr(), standing(run))
	return nil
}

// detach submits w to the node that serves.
func detach(cmd *cobra.Command, node *ipvm.Node, w *ipvm.Workflow, o runOptions, signed []byte) error {
	run, err := node.Submit(cmd.Context(), w, runs.Options{KeepGoing: o.keepGoing, Priority: engine.Priority(o.priority), Authority: signed})
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
	case errors.Is(err, runs.ErrShare), errors.Is(err, runs.ErrFull), errors.Is(err, client.Busy), errors.Is(err, client.Full):
		return fmt.Errorf("%w\n  hint: wait until some have ended, or cancel some: `ipvm ps` lists them", err)
	case errors.Is(err, ipvm.ErrNoService):
		return misusef("start one with `ipvm node`, in another terminal", "%v", err)
	}
	return err
}
