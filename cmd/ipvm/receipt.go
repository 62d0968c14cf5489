package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"

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
	var showJSON bool
	show := &cobra.Command{
		Use:   "show TASK",
		Short: "Show the receipts about a task, and whether their signatures hold",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.showReceipts(cmd, args[0], showJSON) },
	}
	show.Flags().BoolVar(&showJSON, "json", false, "print one JSON object, described in docs/reference.md")
	var out string
	export := &cobra.Command{
		Use:   "export TASK",
		Short: "Write the receipt about a task: the signed DAG-CBOR, as others can verify it",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.exportReceipt(cmd, args[0], out) },
	}
	export.Flags().StringVarP(&out, "output", "o", "", "write to `FILE` instead of standard output")
	var explainJSON bool
	explain := &cobra.Command{
		Use:   "explain FILE LABEL",
		Short: "Tell why a job is remembered or would run, and what comes nearest",
		Args:  wants(2, 2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.explain(cmd, args[0], args[1], explainJSON)
		},
	}
	explain.Flags().BoolVar(&explainJSON, "json", false, "print one JSON object, described in docs/reference.md")
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

func (a *app) showReceipts(cmd *cobra.Command, name string, asJSON bool) (err error) {
	at, done, err := a.place(cmd)
	if err != nil {
		return err
	}
	defer func() { err = done(err) }()
	k := knownOfTask{}
	if k.receipts, err = receiptsOf(cmd, at, name); err != nil {
		return err
	}
	k.id = k.receipts[0].Task
	if k.call, err = callOf(cmd, at, k.id); err != nil {
		return err
	}
	if n, ok := at.(noted); ok {
		if k.note, err = n.Note(cmd.Context(), k.id); err != nil {
			return err
		}
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), k.json())
	}
	k.print(cmd.OutOrStdout())
	return nil
}

// callOf is the call that a task is; nil where its block is not known.
func callOf(cmd *cobra.Command, at place, id task.ID) (*task.Call, error) {
	data, err := at.Block(cmd.Context(), id.Link)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, client.NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	t, err := task.Parse(data)
	if err != nil || t.Command != task.CommandRun {
		return nil, err
	}
	call, err := t.Call()
	if err != nil {
		return nil, err
	}
	return &call, nil
}

// knownOfTask is what a node knows about one task.
type knownOfTask struct {
	id       task.ID
	call     *task.Call // nil where it is not known
	receipts receipt.Evidence
	note     engine.Note // of a node elsewhere always empty
}

func (k *knownOfTask) print(out io.Writer) {
	fmt.Fprintf(out, "task      %s\n", k.id)
	if c := k.call; c != nil {
		fmt.Fprintf(out, "module    %s\nfunction  %s\narguments %s\n", printable(c.Module.String()), printable(c.Func), printable(c.Params.String()))
	}
	for _, r := range k.receipts {
		printReceipt(out, r)
	}
	for _, c := range k.receipts.Conflicts() {
		printConflict(out, c)
	}
	if k.note.Message != "" {
		fmt.Fprintf(out, "\nthis node noted: %s\n", printable(k.note.Message))
	}
	for _, l := range k.note.Log {
		fmt.Fprintf(out, "log       %s: %s: %s\n", printable(l.Level), printable(l.Context), printable(l.Message))
	}
}

// knownOfTaskJSON is what `ipvm receipt show --json` prints.
type knownOfTaskJSON struct {
	Schema    int             `json:"schema"`
	Task      string          `json:"task"`
	Module    string          `json:"module,omitempty"`
	Func      string          `json:"func,omitempty"`
	Args      json.RawMessage `json:"args,omitempty"`
	Receipts  []heldJSON      `json:"receipts"`
	Conflicts []pairJSON      `json:"conflicts"`
	Noted     string          `json:"noted,omitempty"`
	Log       []logJSON       `json:"log,omitempty"`
}

// heldJSON is one receipt of those about a task.
type heldJSON struct {
	Receipt  string `json:"receipt"`
	Executor string `json:"executor"`
	cameJSON
	GasLimit    uint64  `json:"gasLimit"`
	Schedule    string  `json:"schedule"`
	Memory      *uint64 `json:"memory,omitempty"`
	MemoryLimit uint64  `json:"memoryLimit"`
	Signature   string  `json:"signature"` // "holds", or why not
}

// pairJSON are two receipts that can not both be true.
type pairJSON struct {
	Between      [2]string `json:"between"`
	Equivocation bool      `json:"equivocation,omitempty"` // one signed both
}

func (k *knownOfTask) json() knownOfTaskJSON {
	out := knownOfTaskJSON{Schema: jsonSchema, Task: k.id.String(), Conflicts: []pairJSON{}, Noted: k.note.Message, Log: linesJSON(k.note.Log)}
	if c := k.call; c != nil {
		module, _ := c.Module.AsLink()
		out.Module, out.Func, out.Args = module.String(), c.Func, rawJSON(c.Params)
	}
	for _, r := range k.receipts {
		out.Receipts = append(out.Receipts, newHeldJSON(r))
	}
	for _, c := range k.receipts.Conflicts() {
		out.Conflicts = append(out.Conflicts, pairJSON{[2]string{c.A.Link().String(), c.B.Link().String()}, c.Equivocation()})
	}
	return out
}

func newHeldJSON(r *receipt.Signed) heldJSON {
	out := heldJSON{
		Receipt: r.Link().String(), Executor: string(r.Executor), cameJSON: cameTo(&r.Receipt),
		GasLimit: r.Limits.Gas, Schedule: r.Schedule, MemoryLimit: r.Limits.Memory, Signature: "holds",
	}
	if r.HasMemory {
		out.Memory = &r.Memory
	}
	if err := r.Verify(); err != nil {
		out.Signature = err.Error()
	}
	return out
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
