package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/task"
)

func newRun(a *app) *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run FILE",
		Short: "Run a workflow; what is remembered is not run again",
		Long: `Run the workflow in FILE (JSON, YAML or DAG-CBOR; - is standard input) and
print what happened to each job. Files that the document names are imported.

Results are the jobs that no other job waits for. With -o each is written to
DIR/LABEL with an extension for its content; --all writes every job's value.
What is a secret is shown to nobody; --reveal writes it to a file that only you
can read.

Exit status: 0 all well, 1 the workflow failed, 2 the command line or the
document is at fault, 3 the node could not do its job.`,
		Example: "  ipvm run -o out examples/thumbnail/workflow.yaml\n  ipvm run --json workflow.json | jq .status",
		Args:    wants(1, 1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.run(cmd, args[0], o) },
	}
	a.documentFlags(cmd)
	o.signer.flags(cmd, "as", "run it on behalf of the key of this `NAME` or file, as far as its delegations go")
	f := cmd.Flags()
	f.BoolVar(&o.signed, "signed", false, "refuse a document that is not signed, which would run in the name of this node")
	f.StringVarP(&o.dir, "output-dir", "o", "", "write results to files in `DIR`")
	f.BoolVar(&o.all, "all", false, "write the value of every job, not only the results")
	f.BoolVar(&o.reveal, "reveal", false, "write secrets, too")
	f.BoolVar(&o.json, "json", false, "print one JSON object, described in docs/reference.md")
	f.BoolVar(&o.dryRun, "dry-run", false, "run nothing: tell what is remembered and what would run, at what cost")
	f.BoolVarP(&o.detach, "detach", "d", false, "submit it to the node that serves, print its CID, and do not wait")
	f.BoolVar(&o.keepGoing, "keep-going", false, "after a failure, still run jobs that do not depend on it")
	f.StringVar(&o.priority, "priority", "", "`CLASS` among those that wait for workers: low, normal or high (default normal)")
	_ = cmd.RegisterFlagCompletionFunc("priority", cobra.FixedCompletions([]string{string(engine.Low), string(engine.Normal), string(engine.High)}, cobra.ShellCompDirectiveNoFileComp))
	return cmd
}

type runOptions struct {
	dir                          string
	all, json, dryRun, keepGoing bool
	reveal, signed               bool
	detach                       bool
	priority                     string
	signer                       signer
}

// load reads the document named on the command line.
func load(cmd *cobra.Command, node *ipvm.Node, file string) (*ipvm.Workflow, error) {
	if file == "-" {
		return node.Read(cmd.Context(), "stdin", cmd.InOrStdin(), ".")
	}
	w, err := node.Load(cmd.Context(), file)
	return w, asMisuse(err)
}

func (a *app) run(cmd *cobra.Command, file string, o runOptions) (err error) {
	if err := engine.CheckPriority("", engine.Priority(o.priority)); err != nil {
		return misusef("", "--priority: %v", err)
	}
	if o.all && o.dir == "" {
		return misusef("name a directory with -o DIR", "--all writes files, and no directory is given for them")
	}
	if o.reveal && o.dir == "" {
		return misusef("name a directory with -o DIR", "--reveal writes files, and no directory is given for them")
	}
	if o.detach && (o.dir != "" || o.dryRun || o.json) {
		return misusef("look at it later with `ipvm show` or `ipvm logs -f`", "--detach does not wait for results")
	}
	there, err := a.elsewhere(cmd, o.signer)
	if err != nil {
		return err
	}
	if there != nil {
		defer there.Close()
		return a.runElsewhere(cmd, there, file, o)
	}
	a.as = o.signer.key
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
	if o.reveal && !node.Owner() {
		return ipvm.ErrNotRevealed
	}
	if o.signed && len(w.Workflow().Signature) == 0 {
		return misusef("somebody may have taken the signature out; without --signed the workflow would run in the name of this node", "%s is not signed", printable(file))
	}
	signed, err := a.onBehalf(cmd, node, w, o.signer)
	if err != nil {
		return err
	}
	if o.dryRun {
		return dryRun(cmd, node, w, signed, o.json)
	}
	if err := prepareDir(o.dir); err != nil {
		return err
	}
	if o.detach {
		return detach(cmd, node, w, o, signed)
	}
	signer, err := signerOf(w, signed)
	if err != nil {
		return err
	}
	if err := a.warnAwaits(cmd, node, w); err != nil {
		return err
	}
	view := newView(cmd, node, w, o)
	report, err := node.Run(cmd.Context(), w, ipvm.RunOptions{Listen: named(cmd, signer, view.event), KeepGoing: o.keepGoing, Priority: engine.Priority(o.priority), Authority: signed})
	view.stop()
	if err != nil {
		return errors.Join(o.tellDenied(cmd, w, signer, err), refusal(err))
	}
	if report.Performed {
		fmt.Fprintln(cmd.ErrOrStderr(), "ipvm: this was performed before: nothing ran, and this is what is kept of it; sign again to run it again")
	}
	return o.finish(cmd, view, node, w, report, signer)
}

// finish writes and prints what came of a run, whose errors it returns.
func (o *runOptions) finish(cmd *cobra.Command, view *view, from results, w *ipvm.Workflow, report *ipvm.Report, signer did.DID) error {
	files, err := writeResults(cmd.Context(), from, w, report, *o)
	if err != nil {
		return err
	}
	if o.json {
		out := reportJSON(w, report, files)
		out.Signer = string(signer)
		err = printJSON(cmd.OutOrStdout(), out)
	} else {
		view.summary(report, files)
	}
	printFirstError(cmd.ErrOrStderr(), w, report)
	if err == nil && report.Status != engine.StatusOK {
		err = failureOf(report)
	}
	return err
}

// failureOf ends a command whose workflow failed, by whose fault that was.
func failureOf(r *ipvm.Report) error {
	if lacksContent(r.FirstError()) {
		return errOutOfReach
	}
	return errFailed
}

// lacksContent tells whether j, which may be nil, failed since what the workflow
// names is out of reach.
func lacksContent(j *engine.JobReport) bool {
	if j == nil || j.Outcome.Failure == nil {
		return false
	}
	kind := j.Outcome.Failure.Kind
	return kind == task.KindLost || kind == task.KindNotFound
}

// deniedRunJSON is what `ipvm run --json` prints of a workflow that the node refused.
type deniedRunJSON struct {
	Schema   int    `json:"schema"`
	Workflow string `json:"workflow"`
	Signer   string `json:"signer"`
	Status   string `json:"status"`
	Reason   string `json:"reason"`
	Denial   string `json:"denial"`
}

// tellDenied prints the node's signed word for a refusal.
func (o *runOptions) tellDenied(cmd *cobra.Command, w *ipvm.Workflow, signer did.DID, err error) error {
	var denied *rpc.DeniedError
	if !o.json || !errors.As(err, &denied) {
		return nil
	}
	return printJSON(cmd.OutOrStdout(), deniedRunJSON{jsonSchema, w.Link().String(), string(signer), "denied", err.Error(), string(denied.Denial)})
}

// signerOf is on whose behalf w would be run by an authority, or by that of its
// own; empty where there is none.
func signerOf(w *ipvm.Workflow, signed []byte) (did.DID, error) {
	if signed == nil {
		signed = w.Workflow().Signature
	}
	if len(signed) == 0 {
		return "", nil
	}
	signer, err := authority.Signer(signed)
	if err != nil {
		return "", refusal(fmt.Errorf("%w: %w", ipvm.ErrDenied, err))
	}
	return signer, nil
}

// named is listen, and tells on whose behalf a workflow runs that was accepted.
func named(cmd *cobra.Command, signer did.DID, listen func(engine.Event)) func(engine.Event) {
	if signer == "" {
		return listen
	}
	return func(e engine.Event) {
		if e.Kind == engine.WorkflowStarted {
			fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: on behalf of %s\n", signer)
		}
		listen(e)
	}
}

// onBehalf signs w as the key that the command line names, if it does; nil lets
// the document's own signature count.
func (a *app) onBehalf(cmd *cobra.Command, node *ipvm.Node, w *ipvm.Workflow, s signer) ([]byte, error) {
	switch {
	case s.key == "" && len(s.proofs) > 0:
		return nil, misusef("say whose they are with --as FILE", "--proof is of no use to the node's own key")
	case s.key == "":
		return nil, nil
	case len(w.Workflow().Signature) > 0:
		return nil, misusef("leave out --as", "the document is signed already")
	}
	to, err := node.DID(cmd.Context())
	if err != nil {
		return nil, err
	}
	return a.sign(cmd, w, to, s)
}

// patience is how long closing a node may take before we say why it does.
const patience = time.Second

// closing closes node; its error counts if there is no other.
func closing(cmd *cobra.Command, node *ipvm.Node, err error) error {
	notice := time.AfterFunc(patience, func() {
		fmt.Fprintln(cmd.ErrOrStderr(), "ipvm: other processes use this state directory; finishing their work first")
	})
	defer notice.Stop()
	if closeErr := node.Close(); err == nil {
		return closeErr
	}
	return err
}

// warnAwaits tells which tasks of other workflows w waits for that have not ended:
// nothing else shows that it does.
func (a *app) warnAwaits(cmd *cobra.Command, node *ipvm.Node, w *ipvm.Workflow) error {
	awaited, err := engine.Awaits(cmd.Context(), node.Backend(), w, a.config.options().Policy)
	if err != nil {
		return err
	}
	for _, t := range awaited {
		warnAwaited(cmd.ErrOrStderr(), w, t)
	}
	return nil
}
