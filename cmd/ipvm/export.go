package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

func newExport(a *app) *cobra.Command {
	var out string
	var keep, asJSON bool
	var of whose
	cmd := &cobra.Command{
		Use:   "export WORKFLOW -o FILE",
		Short: "Write an accepted workflow with everything needed to a file, to go on elsewhere",
		Long: `Write an accepted workflow to a CAR file: the document, the modules and inputs that
are here, and what its jobs came to so far, with their receipts. ` + "`ipvm import`" + `
takes it up on another node, or in another state directory.

That is a hand-over: the run is suspended first, durably, and when FILE is there, it
is "handed-over" and goes on here only if ` + "`ipvm resume`" + ` says so. With --copy the run
stays as it is, and one that has ended can be written, too.

A workflow with a secret is refused: secrets do not leave their node.`,
		Example: "  ipvm export -o move.car bafyreihx3f2v…\n  ipvm export --copy -o copy.car bafyreihx3f2v…",
		Args:    wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return misusef("name it with -o FILE", "no file is given")
			}
			return a.export(cmd, &of, args[0], out, keep, asJSON)
		},
	}
	of.flag(cmd)
	cmd.Flags().StringVarP(&out, "output", "o", "", "the `FILE` to write, which takes the place of one that is there; must be given")
	cmd.Flags().BoolVar(&keep, "copy", false, "leave the run as it is")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

// exportJSON is what `ipvm export --json` prints; docs/reference.md describes it.
type exportJSON struct {
	Schema   int      `json:"schema"`
	Workflow string   `json:"workflow"`
	State    string   `json:"state"`
	File     string   `json:"file"`
	Bytes    int64    `json:"bytes"`
	Blocks   int      `json:"blocks"`
	Receipts int      `json:"receipts"`
	Jobs     int      `json:"jobs"`
	Absent   []string `json:"absent,omitempty"`
}

func (a *app) export(cmd *cobra.Command, of *whose, text, file string, keep, asJSON bool) (err error) {
	id, err := of.run(text)
	if err != nil {
		return err
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	write := node.HandOver
	if keep {
		write = node.WriteExport
	}
	e, err := write(cmd.Context(), id, file)
	switch {
	case errors.Is(err, runs.ErrState):
		return misusef("--copy writes one that has ended, or leaves it running", "%v", err)
	case errors.Is(err, ipvm.ErrSecret):
		return misusef("it can only be run where it is", "%v", err)
	case err != nil:
		return unknownRun(err)
	}
	if asJSON {
		return printJSON(cmd.OutOrStdout(), exportJSON{
			Schema: jsonSchema, Workflow: id.Workflow.String(), State: string(e.Run.State), File: file, Bytes: e.Bytes,
			Blocks: e.Blocks, Receipts: e.Receipts, Jobs: e.Run.Jobs, Absent: texts(e.Absent),
		})
	}
	fmt.Fprintf(cmd.OutOrStdout(), "wrote %s: %d of %s with receipts, %s\n", printable(file), e.Receipts, countOf(e.Run.Jobs, "job"), size(uint64(e.Bytes)))
	tellAbsent(cmd, e.Absent)
	if !keep {
		whom := ""
		if id.For != "" {
			whom = "--for " + printable(string(id.For)) + " "
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "the run is handed over: `ipvm import %s` takes it up elsewhere, and `ipvm resume %s%s` here again\n", printable(file), whom, id.Workflow)
	}
	return nil
}

func texts(links []ipld.Link) (all []string) {
	for _, l := range links {
		all = append(all, l.String())
	}
	return all
}

// tellAbsent tells which blocks there are not.
func tellAbsent(cmd *cobra.Command, links []ipld.Link) {
	for i, l := range links {
		if i == 5 {
			fmt.Fprintf(cmd.ErrOrStderr(), "note: and %d more\n", len(links)-i)
			return
		}
		fmt.Fprintf(cmd.ErrOrStderr(), "note: the document names %s, which is not here\n", l)
	}
}

// importOptions are the flags of ipvm import.
type importOptions struct {
	run, suspended, own, json bool
}

func newImport(a *app) *cobra.Command {
	var o importOptions
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Take up a workflow from a file of ipvm export",
		Long: `Take up a workflow from a file of ` + "`ipvm export`" + `. All of the file is checked before
anything is kept. What has a receipt is not run again, if that counts here: receipts
of another node only if it is trusted, see ` + "`ipvm trust`" + `. Importing again changes nothing.

The node that serves goes on with it; where none does it is kept as suspended, for
` + "`ipvm resume`" + `. With --run it is run here and now, as by ` + "`ipvm run`" + `.

A run on behalf of somebody else goes on by the same authority, if that reaches here;
with --own it becomes this node's own.`,
		Example: "  ipvm import move.car\n  ipvm trust add did:key:z6Mk…; ipvm import --run move.car",
		Args:    wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.run && o.suspended {
				return misusef("take one of them", "--run and --suspended say different things")
			}
			return a.importRun(cmd, args[0], o)
		},
	}
	cmd.Flags().BoolVar(&o.run, "run", false, "run it here and now, and show what comes of it")
	cmd.Flags().BoolVar(&o.suspended, "suspended", false, "keep it until it is resumed")
	cmd.Flags().BoolVar(&o.own, "own", false, "make a run on behalf of somebody else this node's own")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object, described in docs/reference.md; with --run that of ipvm run")
	return cmd
}

// importJSON is what `ipvm import --json` prints; docs/reference.md describes it.
type importJSON struct {
	Schema     int                 `json:"schema"`
	Workflow   string              `json:"workflow"`
	For        string              `json:"for,omitempty"`
	State      string              `json:"state"`
	From       string              `json:"from"`
	HandedOver bool                `json:"handedOver,omitempty"`
	Blocks     int                 `json:"blocks"`
	Receipts   int                 `json:"receipts"`
	Jobs       int                 `json:"jobs"`
	Unbelieved map[string][]string `json:"unbelieved,omitempty"`
	Absent     []string            `json:"absent,omitempty"`
}

func (a *app) importRun(cmd *cobra.Command, name string, o importOptions) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return misusef("", "%v", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	take := ipvm.ImportOptions{Suspended: o.suspended, Keep: o.run, Own: o.own}
	in, err := node.ImportRun(cmd.Context(), f, info.Size(), take)
	if errors.Is(err, ipvm.ErrNoService) {
		take.Suspended = true
		in, err = node.ImportRun(cmd.Context(), f, info.Size(), take)
	}
	if in != nil {
		tellUnbelieved(cmd, in)
		tellAbsent(cmd, in.Absent)
	}
	if err != nil {
		return importFault(name, err)
	}
	if o.run && in.For == engine.Anyone && !o.own {
		return misusef("add --own to run it as this node's own", "it was submitted by someone without authority, and --run does not run on behalf of anyone")
	}
	if o.run {
		return a.runImported(cmd, node, in, o)
	}
	if o.json {
		out := importJSON{
			Schema: jsonSchema, Workflow: in.Workflow.Link().String(), For: string(in.Run.For), State: string(in.Run.State), From: string(in.From),
			HandedOver: in.HandedOver, Blocks: in.Blocks, Receipts: in.Receipts, Jobs: in.Workflow.Len(), Absent: texts(in.Absent),
		}
		for who, jobs := range in.Unbelieved {
			if out.Unbelieved == nil {
				out.Unbelieved = make(map[string][]string)
			}
			out.Unbelieved[string(who)] = jobs
		}
		return printJSON(cmd.OutOrStdout(), out)
	}
	fmt.Fprintln(cmd.OutOrStdout(), in.Workflow.Link())
	fmt.Fprintln(cmd.ErrOrStderr(), standing(in.Run))
	if in.Run.State == runs.Suspended && !o.suspended {
		fmt.Fprintf(cmd.ErrOrStderr(), "no node serves: start one with `ipvm node`, then `ipvm resume %s`; or `ipvm import --run %s`\n", in.Workflow.Link(), printable(name))
	}
	if !in.HandedOver {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: it is a copy, and may go on at %s as well\n", in.From)
	}
	return nil
}

// tellUnbelieved tells which jobs run again although a receipt came, and what to do
// about it.
func tellUnbelieved(cmd *cobra.Command, in *ipvm.Imported) {
	for _, who := range slices.Sorted(maps.Keys(in.Unbelieved)) {
		jobs := in.Unbelieved[who]
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s again, as the receipts of %s do not count here: %s\n  hint: `ipvm trust add %[2]s` lets them count; then import it again\n",
			jobsRun(len(jobs)), who, shorten(printable(strings.Join(jobs, ", ")), 200))
	}
}

// jobsRun says of n jobs that they run.
func jobsRun(n int) string {
	if n == 1 {
		return "1 job runs"
	}
	return countOf(n, "job") + " run"
}

// importFault is err with what to do about it.
func importFault(name string, err error) error {
	var unknown *misuseError
	switch {
	case errors.Is(err, ipvm.ErrNotMoved), errors.Is(err, ipld.ErrCAR), errors.Is(err, ipld.ErrMismatch):
		return misusef("`ipvm export` writes such a file; nothing of it was kept", "%s: %v", printable(name), err)
	case errors.Is(err, ipvm.ErrDenied):
		return misusef("what is in the file was kept; let who signed the workflow sign it for this node, or make it your own with --own", "%v", err)
	case errors.As(unknownRun(err), &unknown):
		return unknownRun(err)
	}
	return err
}

// runImported runs what was imported while somebody waits.
func (a *app) runImported(cmd *cobra.Command, node *ipvm.Node, in *ipvm.Imported, o importOptions) error {
	r := ipvm.RunOptions{KeepGoing: in.KeepGoing}
	var signer did.DID
	if !o.own && len(in.Authority) > 0 {
		r.Authority, r.Brings = in.Authority, in.Brings
		var err error
		if signer, err = signerOf(in.Workflow, in.Authority); err != nil {
			return err
		}
	}
	show := runOptions{json: o.json}
	view := newView(cmd, node, in.Workflow, show)
	r.Listen = named(cmd, signer, func(ev engine.Event) { view.event(ev) })
	report, err := node.Run(cmd.Context(), in.Workflow, r)
	view.stop()
	if err != nil {
		return errors.Join(show.tellDenied(cmd, in.Workflow, signer, err), refusal(err))
	}
	return show.finish(cmd, view, node, in.Workflow, report, signer)
}
