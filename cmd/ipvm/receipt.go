package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

func newReceipt(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "receipt",
		Short: "Show what is remembered, and why",
		Long:  "A receipt is this node's signed word for what one task came to. It is known by\nthe Task ID, which `ipvm run --json` and `ipvm check` show.",
	})
	var asJSON bool
	list := &cobra.Command{
		Use:   "ls",
		Short: "List all receipts",
		Args:  wants(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listReceipts(cmd, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	show := &cobra.Command{
		Use:   "show TASK",
		Short: "Show the receipts about a task, and whether their signatures hold",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.showReceipts(cmd, args[0]) },
	}
	var out string
	export := &cobra.Command{
		Use:   "export TASK",
		Short: "Write the receipt about a task: the signed DAG-CBOR, as others can verify it",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.exportReceipt(cmd, args[0], out) },
	}
	export.Flags().StringVarP(&out, "output", "o", "", "write to `FILE` instead of standard output")
	explain := &cobra.Command{
		Use:   "explain FILE LABEL",
		Short: "Tell why a job is remembered or would run, and what comes nearest",
		Args:  wants(2, 2),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.explain(cmd, args[0], args[1]) },
	}
	var verifyJSON bool
	verify := &cobra.Command{
		Use:   "verify FILE…",
		Short: "Tell what receipts say, whether their signatures hold, and what contradicts them",
		Long: `Tell of each FILE, or of standard input (-), whether it is a receipt, who signed
it about what under which limits, whether the signature holds, and whether it
contradicts what this node knows. Exit status 1 means that a signature does not
hold or that something contradicts, 2 that a file is no receipt.`,
		Args: wants(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.verifyReceipts(cmd, args, verifyJSON) },
	}
	verify.Flags().BoolVar(&verifyJSON, "json", false, "print one JSON object per line, described in docs/reference.md")
	imports := &cobra.Command{
		Use:   "import FILE…",
		Short: "Keep receipts of other nodes as evidence; they count if their signers are trusted",
		Long: `Keep the receipts in the files, or on standard input (-). Each must be signed
well, and the files that it links to must be in the store. It stands for running
the task only while its signer is trusted: see ` + "`ipvm trust`" + `.`,
		Args: wants(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.importReceipts(cmd, args) },
	}
	cmd.AddCommand(list, show, export, verify, imports, explain)
	return cmd
}

func (a *app) listReceipts(cmd *cobra.Command, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	k, err := know(cmd, node)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	var failed error
	n := 0
	err = node.Backend().Scan(cmd.Context(), func(r *receipt.Signed) bool {
		n++
		call, _, err := node.Call(cmd.Context(), r.Task)
		if failed = err; err != nil {
			return false
		}
		if asJSON {
			failed = json.NewEncoder(out).Encode(newReceiptJSON(r, call))
		} else {
			by := ""
			if r.Executor != k.own {
				var who string
				if who, _, failed = k.whose(cmd, r.Executor, r.Task); failed != nil {
					return false
				}
				by = fmt.Sprintf("  (by %s, %s)", r.Executor, who)
			}
			_, failed = fmt.Fprintf(out, "%s  %-20s  %s gas  %s%s\n", r.Task, printable(call.Func), count(r.Gas), shorten(receiptOutcome(r), 60), by)
		}
		return failed == nil
	})
	if err == nil && failed == nil && !asJSON {
		fmt.Fprintf(cmd.ErrOrStderr(), "%s\n", countOf(n, "receipt"))
	}
	return errors.Join(err, failed)
}

// receiptJSON is what `ipvm receipt ls --json` prints.
type receiptJSON struct {
	Schema   int             `json:"schema"`
	Task     string          `json:"task"`
	Receipt  string          `json:"receipt"`
	Executor string          `json:"executor"`
	Module   string          `json:"module,omitempty"`
	Func     string          `json:"func,omitempty"`
	Value    json.RawMessage `json:"value,omitempty"`
	Error    *errorJSON      `json:"error,omitempty"`
	Boxed    bool            `json:"boxed,omitempty"`
	Gas      uint64          `json:"gas"`
}

func newReceiptJSON(r *receipt.Signed, call task.Call) receiptJSON {
	module, _ := call.Module.AsLink()
	came := cameTo(&r.Receipt)
	return receiptJSON{
		Schema: jsonSchema,
		Task:   r.Task.String(), Receipt: r.Link().String(), Executor: string(r.Executor),
		Module: module.String(), Func: call.Func, Value: came.Value, Error: came.Error, Boxed: came.Boxed, Gas: came.Gas,
	}
}

func receiptOutcome(r *receipt.Signed) string { return saidText(&r.Receipt) }

func saidText(r *receipt.Receipt) string {
	if r.Out.OK() {
		return "ok " + printable(r.Out.Value.String())
	}
	return "error " + printable(r.Out.Failure.String())
}

// receiptsOf are the receipts about the task named on the command line.
func receiptsOf(cmd *cobra.Command, at place, name string) ([]*receipt.Signed, error) {
	link, err := ipld.ParseLink(name)
	if err != nil {
		return nil, misusef("a Task ID looks like bafyrei…; `ipvm receipt ls` lists them", "%q is not a CID", name)
	}
	all, err := at.Receipts(cmd.Context(), task.ID{Link: link})
	if err == nil && len(all) == 0 {
		err = misusef("`ipvm receipt ls` lists what is remembered; `ipvm receipt explain FILE LABEL` tells about a job", "no receipt about %s", link)
	}
	return all, err
}

func (a *app) showReceipts(cmd *cobra.Command, name string) (err error) {
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	all, err := receiptsOf(cmd, at, name)
	if err != nil {
		return err
	}
	call, known, err := callOf(cmd, at, all[0].Task)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	fmt.Fprintf(out, "task      %s\n", all[0].Task)
	if known {
		fmt.Fprintf(out, "module    %s\nfunction  %s\narguments %s\n", printable(call.Module.String()), printable(call.Func), printable(call.Params.String()))
	}
	for _, r := range all {
		printReceipt(out, r)
	}
	for _, c := range receipt.Evidence(all).Conflicts() {
		printConflict(out, c)
	}
	if n, ok := at.(noted); ok {
		return printNote(cmd, n, all[0].Task)
	}
	return nil
}

// callOf is the call that a task is, where its block is known.
func callOf(cmd *cobra.Command, at place, id task.ID) (call task.Call, known bool, err error) {
	data, err := at.Block(cmd.Context(), id.Link)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, client.NotFound) {
		return call, false, nil
	}
	if err != nil {
		return call, false, err
	}
	t, err := task.Parse(data)
	if err != nil || t.Command != task.CommandRun {
		return call, false, err
	}
	call, err = t.Call()
	return call, err == nil, err
}

// printNote prints what a node noted about the run of a task.
func printNote(cmd *cobra.Command, at noted, id task.ID) error {
	note, err := at.Note(cmd.Context(), id)
	if err != nil {
		return err
	}
	out := cmd.OutOrStdout()
	if note.Message != "" {
		fmt.Fprintf(out, "\nthis node noted: %s\n", printable(note.Message))
	}
	for _, l := range note.Log {
		fmt.Fprintf(out, "log       %s: %s: %s\n", printable(l.Level), printable(l.Context), printable(l.Message))
	}
	return nil
}

func printReceipt(out io.Writer, r *receipt.Signed) {
	fmt.Fprintf(out, "\nreceipt   %s\n", r.Link().Base58())
	fmt.Fprintf(out, "executor  %s\n", r.Executor)
	fmt.Fprintf(out, "outcome   %s\n", receiptOutcome(r))
	if r.Boxed.Defined() {
		fmt.Fprintln(out, "          (the value is in this block: `ipvm block get`)")
	}
	fmt.Fprintf(out, "gas       %s of %s, schedule %s\n", count(r.Gas), count(r.Limits.Gas), r.Schedule)
	fmt.Fprintf(out, "memory    %slimit %s\n", peakText(r), size(r.Limits.Memory))
	signature := "holds"
	if err := r.Verify(); err != nil {
		signature = "DOES NOT HOLD: " + err.Error()
	}
	fmt.Fprintf(out, "signature %s\n", signature)
}

// peakText is the peak of memory, where the receipt tells it.
func peakText(r *receipt.Signed) string {
	if !r.HasMemory {
		return ""
	}
	return "peak " + size(r.Memory) + ", "
}

func printConflict(out io.Writer, c receipt.Conflict) {
	fmt.Fprintf(out, "\nCONFLICT  %s and %s can not both be true\n", c.A.Link().Base58(), c.B.Link().Base58())
	if c.Equivocation() {
		fmt.Fprintf(out, "          %s signed both; nothing that it says of this task counts here\n", c.A.Executor)
		return
	}
	fmt.Fprintf(out, "          %s says: %s\n", c.A.Executor, shorten(receiptOutcome(c.A), 80))
	fmt.Fprintf(out, "          %s says: %s\n", c.B.Executor, shorten(receiptOutcome(c.B), 80))
}

func (a *app) exportReceipt(cmd *cobra.Command, name, file string) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	all, err := receiptsOf(cmd, node.Backend(), name)
	if err != nil {
		return err
	}
	if len(all) > 1 {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d receipts are about this task; this is %s\n", len(all), all[0].Link())
	}
	if file != "" {
		return writeAtomically(file, all[0].Bytes(), 0o644)
	}
	_, err = cmd.OutOrStdout().Write(all[0].Bytes())
	return err
}

func (a *app) explain(cmd *cobra.Command, file, label string) (err error) {
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
	if !all[i].Known {
		fmt.Fprintf(cmd.OutOrStdout(), "%s can not be said yet: it waits for %s, which is not remembered\n", printable(label), printable(unknownDep(w, all, i)))
		return nil
	}
	if all[i].Skipped {
		fmt.Fprintf(cmd.OutOrStdout(), "%s would be skipped: nothing sets it off\n", printable(label))
		return nil
	}
	if f := all[i].Failure; f != nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s would fail: %s\n", printable(label), printable(f.String()))
		return nil
	}
	if w.Step(i).Secret {
		what := "would run"
		if all[i].Remembered != nil {
			what = "is remembered"
		}
		fmt.Fprintf(cmd.OutOrStdout(), "task %s\n%s %s; why is not shown, as it is a secret\n", all[i].Task, printable(label), what)
		return nil
	}
	e, err := node.Explain(cmd.Context(), all[i])
	if err != nil {
		return err
	}
	printExplanation(cmd.OutOrStdout(), label, e)
	return nil
}

// unknownDep is the first job that step i waits for and that has not run, or else
// the task of another workflow.
func unknownDep(w *ipvm.Workflow, all []engine.Forecast, i int) string {
	for _, d := range w.Deps(i) {
		if from := all[d.From]; from.Remembered == nil && !from.Skipped {
			return w.Label(d.From)
		}
	}
	return "the task " + all[i].Awaits.String()
}

func printExplanation(out io.Writer, label string, e *ipvm.Explanation) {
	fmt.Fprintf(out, "task %s\n", e.Task)
	if e.Hit != nil {
		fmt.Fprintf(out, "%s is remembered: %s, by receipt %s\n", printable(label), receiptOutcome(e.Hit), e.Hit.Link().Base58())
		if e.Trusted {
			fmt.Fprintf(out, "  it is signed by %s, whom this node trusts\n", e.Hit.Executor)
		}
		fmt.Fprintf(out, "  it used %s gas, below the limit of %s; the memory limit %s fits\n", count(e.Hit.Gas), count(e.Limits.Gas), size(e.Limits.Memory))
		return
	}
	fmt.Fprintf(out, "%s would run\n", printable(label))
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
