package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// place is where workflows were accepted: the node of the state directory, or one
// elsewhere. See [rpc.Backend].
type place interface {
	Block(ctx context.Context, link ipld.Link) ([]byte, error)
	Receipts(ctx context.Context, id task.ID) ([]*receipt.Signed, error)
	RunOf(ctx context.Context, id runs.ID) (runs.Run, error)
	JobsOf(ctx context.Context, id runs.ID) ([]runs.Job, error)
	Runs(ctx context.Context, q runs.Query, yield func(runs.Run) bool) error
	Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error
	Direct(ctx context.Context, id runs.ID, what rpc.Direction) (runs.Run, error)
}

// noted is a place that tells what is known of a task beside its receipts. One
// elsewhere does not.
type noted interface {
	Note(ctx context.Context, id task.ID) (engine.Note, error)
}

var (
	_ place = rpc.Backend(nil)
	_ noted = rpc.Backend(nil)
	_ place = elsewhere{}
)

// place opens the node that the configuration names. done closes it; its error
// counts if there is no other.
func (a *app) place(cmd *cobra.Command) (at place, done func(error) error, err error) {
	there, err := a.elsewhere(cmd, signer{})
	if err != nil {
		return nil, nil, err
	}
	if there != nil {
		return elsewhere{there}, func(err error) error { there.Close(); return err }, nil
	}
	node, err := a.open(cmd)
	if err != nil {
		return nil, nil, err
	}
	return node.Backend(), func(err error) error { return closing(cmd, node, err) }, nil
}

// elsewhere is the node at the URL that the configuration names; nil where it
// names none. Requests are signed as the configuration says, or else by who signs
// the workflow.
func (a *app) elsewhere(cmd *cobra.Command, s signer) (*client.Client, error) {
	if err := a.config.load(cmd); err != nil {
		return nil, err
	}
	where := a.config.find(keyNode)
	if where.value == "" {
		return nil, nil
	}
	o, err := a.signing(cmd, s)
	if err != nil {
		return nil, err
	}
	c, err := client.Open(cmd.Context(), where.value, o)
	if err != nil {
		return nil, fmt.Errorf("%w\n  hint: %s names this node; `ipvm node` serves one at http://127.0.0.1:1337", err, where.from)
	}
	return c, nil
}

// signing says by whom requests are signed.
func (a *app) signing(cmd *cobra.Command, s signer) (o client.Options, err error) {
	proofs, _ := parseFiles(a.config.find(keyNodeProof).value)
	name := a.config.find(keyNodeKey).value
	if name == "" {
		name = s.key
	}
	if name == "" {
		if len(proofs) > 0 || a.config.find(keyNodeFor).value != "" {
			return o, misusef("name the key with --node-key", "--node-proof and --node-for say nothing without the key that signs")
		}
		return o, nil
	}
	if o.Key, err = a.readKey(cmd, name); err != nil {
		return o, err
	}
	o.For = did.DID(a.config.find(keyNodeFor).value)
	o.Proofs, err = readProofs(cmd, append(proofs, s.proofs...))
	return o, err
}

// atHome refuses a command line that names a node elsewhere, for what is done in
// the state directory of this machine.
func (a *app) atHome(cmd *cobra.Command) error {
	if f := cmd.Root().PersistentFlags().Lookup(keyNode); f.Changed && f.Value.String() != "" {
		return misusef("leave it out; it is for run, ps, show, logs, cancel, suspend, resume, receipt show, and block get and put", "--node: %q is not done over HTTP", cmd.CommandPath())
	}
	return nil
}

// elsewhere is a node behind HTTP as the commands see one.
type elsewhere struct{ *client.Client }

// about is at for what runs on behalf of whom id says, where that is not who asks.
func about(at place, id runs.ID) place {
	if e, ok := at.(elsewhere); ok {
		return elsewhere{e.Of(id.For)}
	}
	return at
}

// RunOf returns how a run stands.
func (e elsewhere) RunOf(ctx context.Context, id runs.ID) (runs.Run, error) {
	r, err := e.Client.Run(ctx, id.Workflow)
	return runOf(r), err
}

// JobsOf returns what its jobs came to.
func (e elsewhere) JobsOf(ctx context.Context, id runs.ID) ([]runs.Job, error) {
	jobs, err := e.Client.Jobs(ctx, id.Workflow)
	out := make([]runs.Job, len(jobs))
	for i := range jobs {
		out[i] = jobOf(&jobs[i])
	}
	return out, err
}

// Runs calls yield with the asker's runs, from the latest on.
func (e elsewhere) Runs(ctx context.Context, q runs.Query, yield func(runs.Run) bool) error {
	for r, err := range e.Client.Runs(ctx, q.Unfinished) {
		if err != nil {
			return err
		}
		run := runOf(r)
		if after := q.After; after.Workflow.Defined() && !run.Place().Follows(after) {
			continue
		}
		if !yield(run) {
			break
		}
	}
	return nil
}

// Watch tells the events of a run.
func (e elsewhere) Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error {
	return e.Client.Watch(ctx, id.Workflow, client.Position(after), func(ev client.Event) bool {
		out := runs.Event{Kind: runs.EventKind(ev.Kind), At: runs.Position(ev.At), Label: ev.Label}
		if ev.Run != nil {
			run := runOf(*ev.Run)
			out.Run = &run
		}
		if ev.Job != nil {
			job := jobOf(ev.Job)
			out.Job = &job
		}
		return yield(out)
	})
}

// Direct suspends, resumes or cancels a run.
func (e elsewhere) Direct(ctx context.Context, id runs.ID, what rpc.Direction) (runs.Run, error) {
	do := map[rpc.Direction]func(context.Context, ipld.Link) (client.Run, error){
		rpc.Suspend: e.Suspend, rpc.Resume: e.Resume, rpc.Cancel: e.Cancel,
	}[what]
	r, err := do(ctx, id.Workflow)
	return runOf(r), err
}

func runOf(r client.Run) runs.Run {
	return runs.Run{
		ID: runs.ID{Workflow: r.Workflow, For: r.For}, State: runs.State(r.State), Attempt: r.Attempt, KeepGoing: r.KeepGoing, Priority: engine.Priority(r.Priority),
		Jobs: r.Jobs, Settled: r.Settled, Accepted: r.Accepted, Ended: r.Ended, First: r.First, Reason: r.Reason,
	}
}

func jobOf(j *client.Job) runs.Job {
	out := runs.Job{
		Label: j.Label, Status: engine.JobStatus(j.Status), How: engine.How(j.How), Task: j.Task, Receipt: j.Receipt, Upstream: j.Upstream,
		Handled: j.Handled, Secret: j.Secret, Gas: j.Gas, Started: j.Started, Ended: j.Ended,
	}
	if f := j.Failure; f != nil {
		out.Kind, out.Message = f.Kind, f.Message
	}
	return out
}

// runElsewhere has another node run the workflow in a file, and shows it as if it
// ran here.
func (a *app) runElsewhere(cmd *cobra.Command, there *client.Client, file string, o runOptions) error {
	switch {
	case o.dryRun:
		return misusef("leave out --node: a dry run tells what the state directory remembers", "--dry-run is not done over HTTP")
	case o.reveal:
		return misusef("secrets stay on their node", "--reveal is not done over HTTP")
	case o.signer.key == "" && len(o.signer.proofs) > 0:
		return misusef("say whose they are with --as NAME", "--proof says nothing without the key that signs")
	}
	document, w, err := a.sent(cmd, there, file)
	if err != nil {
		return err
	}
	warn(cmd.ErrOrStderr(), w)
	if o.signed && len(w.Workflow().Signature) == 0 {
		return misusef("without --signed the workflow would run as that of anybody", "%s is not signed", printable(file))
	}
	signed, err := a.signedDocument(cmd, there, w, o.signer, &document)
	if err != nil {
		return err
	}
	signer, err := signerOf(w, signed)
	if err != nil {
		return err
	}
	if err := prepareDir(o.dir); err != nil {
		return err
	}
	run, err := there.Submit(cmd.Context(), document, client.Submission{KeepGoing: o.keepGoing, Priority: o.priority})
	if err != nil {
		return unknownRun(err)
	}
	if run.Workflow != w.Link() {
		return fmt.Errorf("%s: %w: it has accepted workflow %s, where the document is %s", there.URL(), client.ErrAnswer, run.Workflow, w.Link())
	}
	if o.detach {
		fmt.Fprintln(cmd.OutOrStdout(), run.Workflow)
		return nil
	}
	if signer != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: on behalf of %s\n", signer)
	}
	view := newView(cmd, nil, w, o)
	report, err := follow(cmd.Context(), elsewhere{there}, w, view)
	view.stop()
	if cmd.Context().Err() != nil {
		return fmt.Errorf("%w\n  hint: the workflow goes on there; `ipvm logs -f %s` shows it, and `ipvm cancel` ends it", context.Cause(cmd.Context()), run.Workflow)
	}
	if err != nil {
		return unknownRun(err)
	}
	return o.finish(cmd, view, elsewhere{there}, w, report, signer)
}

// signedDocument signs w, which document has, as the key that the command line
// names, if it does.
func (a *app) signedDocument(cmd *cobra.Command, there *client.Client, w *ipvm.Workflow, s signer, document *client.Document) ([]byte, error) {
	switch {
	case s.key == "":
		return nil, nil
	case len(w.Workflow().Signature) > 0:
		return nil, misusef("leave out --as", "the document is signed already")
	}
	signed, err := a.sign(cmd, w, there.Node().DID, s)
	if err != nil {
		return nil, err
	}
	*document = client.Document{Name: document.Name, Type: "application/json"}
	document.Data, err = authority.Document(w, signed)
	return signed, err
}

// sent reads a document that is to run elsewhere, and sends the files that it names
// by path.
func (a *app) sent(cmd *cobra.Command, there *client.Client, file string) (client.Document, *ipvm.Workflow, error) {
	in, dir, name := cmd.InOrStdin(), ".", "stdin"
	if file != "-" {
		f, err := os.Open(file)
		if err != nil {
			return client.Document{}, nil, asMisuse(err)
		}
		defer f.Close()
		in, dir, name = f, filepath.Dir(file), file
	}
	data, err := workflow.Read(name, in)
	if err != nil {
		return client.Document{}, nil, asMisuse(err)
	}
	d := client.Document{Data: data, Name: name, Files: make(map[string]ipld.Link)}
	files := &sender{ctx: cmd.Context(), to: there, dir: dir, sent: d.Files}
	w, err := workflow.Parse(workflow.Source{Name: name, Data: data, Files: files, AllowCredentials: a.allowLiteral})
	if err := cmpErr(files.trouble, err); err != nil {
		return d, nil, err
	}
	g, err := graph.Build(w, graph.Options{Owner: there.Node().DID, Effects: task.KnownEffects})
	return d, g, err
}

// cmpErr is the first of two errors that there is.
func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// sender sends the files that a document names, each once.
type sender struct {
	ctx     context.Context
	to      *client.Client
	dir     string
	sent    map[string]ipld.Link // by path as the document has it
	trouble error                // why the node did not take one
}

// Import sends the file at path and returns its link.
func (s *sender) Import(path string) (ipld.Link, error) {
	if link, ok := s.sent[path]; ok || s.trouble != nil {
		return link, s.trouble
	}
	data, err := readRegular(s.dir, path)
	if err != nil {
		return ipld.Link{}, err
	}
	link, err := s.to.Upload(s.ctx, data)
	if err != nil {
		s.trouble = fmt.Errorf("%s: %w", printable(path), err)
		return link, s.trouble
	}
	s.sent[path] = link
	return link, nil
}

// readRegular reads a file that a document names. A pipe must not make us wait.
func readRegular(dir, path string) ([]byte, error) {
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("it is no regular file (%s)", info.Mode().Type())
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return readFileOf(f)
}

// readFileOf reads a file that is to be sent.
func readFileOf(in io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, client.MaxFile+1))
	if err == nil && len(data) > client.MaxFile {
		err = fmt.Errorf("more than %d bytes", client.MaxFile)
	}
	return data, err
}

// follow shows the run of w until it ends, and reports what came of it.
func follow(ctx context.Context, at place, w *ipvm.Workflow, v *view) (*ipvm.Report, error) {
	report := &ipvm.Report{Workflow: w.Link(), Jobs: make([]engine.JobReport, w.Len())}
	told := make(map[string]bool, w.Len())
	var end *runs.Run
	var fail error
	err := at.Watch(ctx, runs.ID{Workflow: w.Link()}, runs.Position{}, func(ev runs.Event) bool {
		switch ev.Kind {
		case runs.JobStarted:
			v.event(engine.Event{Kind: engine.JobStarted, Label: ev.Label})
		case runs.JobSettled:
			i, ok := w.Find(ev.Label)
			if !ok {
				fail = fmt.Errorf("%w: workflow %s has no job %q", client.ErrAnswer, w.Link(), ev.Label)
				return false
			}
			var j *engine.JobReport
			if j, fail = settledJob(ctx, at, ev.Job); fail != nil {
				return false
			}
			j.Written = w.Step(i).ID
			report.Jobs[i] = *j
			if !told[ev.Label] { // a node that was started again tells it again
				told[ev.Label] = true
				v.event(engine.Event{Kind: engine.JobSettled, Label: ev.Label, Job: j})
			}
		case runs.Ended:
			end = ev.Run
		}
		return true
	})
	switch err := errors.Join(err, fail); {
	case err != nil:
		return nil, err
	case end == nil:
		return nil, fmt.Errorf("workflow %s was suspended\n  hint: go on with `ipvm resume %s`", w.Link(), w.Link())
	}
	report.First, report.Reason, report.Time = end.First, end.Reason, end.Ended.Sub(end.Accepted)
	switch end.State {
	case runs.OK:
		report.Status = engine.StatusOK
	case runs.Cancelled:
		report.Status = engine.StatusCancelled
	case runs.Broken:
		return nil, fmt.Errorf("the node could not do its part: %s", end.Reason)
	default:
		report.Status = engine.StatusFailed
	}
	return report, nil
}

// FetchFile returns the bytes of a file at the node.
func (e elsewhere) FetchFile(ctx context.Context, link ipld.Link) ([]byte, error) {
	return e.File(ctx, link)
}

// FetchBlock returns a block at the node.
func (e elsewhere) FetchBlock(ctx context.Context, link ipld.Link) ([]byte, error) {
	return e.Block(ctx, link)
}

// ImportFrom sends what in holds as a file.
func (e elsewhere) ImportFrom(ctx context.Context, name string, in io.Reader) (ipld.Link, error) {
	data, err := readFileOf(in)
	if err != nil {
		return ipld.Link{}, fmt.Errorf("import %s: %w", name, err)
	}
	return e.Upload(ctx, data)
}

// Reveal tells that secrets stay on their node.
func (e elsewhere) Reveal(*engine.JobReport) (*engine.JobReport, func(ipld.Link) ([]byte, error), error) {
	return nil, nil, ipvm.ErrNotRevealed
}
