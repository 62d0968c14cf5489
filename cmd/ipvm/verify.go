package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// maxFindings bounds what `ipvm verify --json` tells one by one.
const maxFindings = 10_000

// usualSample is how many receipts are drawn where nothing says how many.
const usualSample = 100

// verifyOptions are the flags of ipvm verify.
type verifyOptions struct {
	sample int
	all    bool
	seed   uint64
	from   string
	json   bool
}

func newVerify(a *app) *cobra.Command {
	var o verifyOptions
	cmd := &cobra.Command{
		Use:   "verify [TASK…]",
		Short: "Run what is remembered again, and compare",
		Long: `Draw some of the receipts, run their tasks again in fresh memory, and compare: the
outcome, and the gas that was used. With TASK look at all receipts about these
tasks. Nothing is recalled, fetched or remembered by that, with one exception: if
a receipt of this state directory is wrong, what its task came to now is kept
beside it, and then the wrong one counts no more.

A task has the time of a job that names none (--time), and --workers run at once.
Secrets are left out.

Exit status 1 means that a receipt is wrong.`,
		Example: "  ipvm verify --sample 20\n  ipvm verify --all --json\n  ipvm verify bafyreihx3f2v…",
		Args:    wants(0, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case o.all && cmd.Flags().Changed("sample"):
				return misusef("take one of them", "--all and --sample say different things")
			case o.sample < 1:
				return misusef("--all looks at all of them", "--sample %d is not a positive number", o.sample)
			case !cmd.Flags().Changed("seed"):
				o.seed = uint64(rand.Uint32())
			}
			return a.verify(cmd, args, o)
		},
	}
	cmd.Flags().IntVar(&o.sample, "sample", usualSample, "how many receipts to draw")
	cmd.Flags().BoolVar(&o.all, "all", false, "look at all receipts")
	cmd.Flags().Uint64Var(&o.seed, "seed", 0, "draw what was drawn with this `NUMBER`; without it any")
	cmd.Flags().StringVar(&o.from, "from", "", "look at the receipts in a CAR `FILE`, with the blocks in it; nothing is kept")
	cmd.Flags().BoolVar(&o.json, "json", false, "print one JSON object, described in docs/reference.md")
	return cmd
}

// tally is what ipvm verify found out.
type tally struct {
	own      did.DID
	each     bool // tell of those that are right, too
	counts   map[engine.Verdict]int
	findings []findingJSON
}

func (a *app) verify(cmd *cobra.Command, args []string, o verifyOptions) (err error) {
	w := ipvm.VerifyOptions{Seed: o.seed, Sample: o.sample}
	if o.all || len(args) > 0 && !cmd.Flags().Changed("sample") {
		w.Sample = 0
	}
	for _, arg := range args {
		link, err := ipld.ParseLink(arg)
		if err != nil {
			return misusef("a Task ID looks like bafyrei…; `ipvm receipt ls` lists them", "%q is not a CID", arg)
		}
		w.Tasks = append(w.Tasks, task.ID{Link: link})
	}
	if o.from != "" {
		var close func() error
		if w.From, close, err = receiptsIn(o.from); err != nil {
			return err
		}
		defer close()
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	w.Time, _ = parseTime(a.config.find(keyTime).value)
	w.Workers, _ = parseWorkers(a.config.find(keyWorkers).value)
	t := tally{each: len(args) > 0, counts: make(map[engine.Verdict]int)}
	if t.own, err = node.DID(cmd.Context()); err != nil {
		return err
	}
	return t.verify(cmd, node, w, o)
}

// receiptsIn are the receipts in a CAR file, which is open until it is closed.
func receiptsIn(name string) (*ipvm.Receipts, func() error, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, nil, misusef("", "%v", err)
	}
	info, err := f.Stat()
	if err == nil {
		var all *ipvm.Receipts
		if all, err = ipvm.ReadReceipts(f, info.Size()); err == nil && all.Len() > 0 {
			return all, f.Close, nil
		}
	}
	if err == nil {
		err = errors.New("there is no receipt in it")
	}
	f.Close()
	return nil, nil, misusef("`ipvm export` writes such a file", "%s: %v", printable(name), err)
}

// verify draws and runs, and tells what came of it.
func (t *tally) verify(cmd *cobra.Command, node *ipvm.Node, w ipvm.VerifyOptions, o verifyOptions) error {
	live := newLine(cmd)
	out := cmd.OutOrStdout()
	var fail error
	of, err := node.Verify(cmd.Context(), w, func(v ipvm.Verification) bool {
		t.counts[v.Verdict]++
		live.clear()
		switch {
		case v.Verdict == engine.Same && !t.each:
		case o.json && len(t.findings) < maxFindings:
			t.findings = append(t.findings, newFinding(&v))
		case !o.json:
			fail = t.print(out, &v)
		}
		live.show("%s run again", countOf(t.n(), "task"))
		return fail == nil
	})
	live.clear()
	given := cmd.Context().Err() != nil
	switch {
	case err != nil && !given:
		return err
	case fail != nil:
		return fail
	case len(w.Tasks) > 0 && of == 0 && !given:
		return misusef("`ipvm receipt ls` lists what is remembered", "nothing is remembered of %s", countOf(len(w.Tasks), "task"))
	case o.json:
		err = printJSON(out, t.json(w.Seed, of))
	default:
		t.sum(cmd, w, of)
		err = nil
	}
	if err == nil && (given || t.counts[engine.Different]+t.counts[engine.Forged] > 0) {
		err = errFailed
	}
	return err
}

// n is how many receipts were looked at.
func (t *tally) n() (n int) {
	for _, c := range t.counts {
		n += c
	}
	return n
}

// print tells of one receipt.
func (t *tally) print(out io.Writer, v *ipvm.Verification) error {
	r := v.Receipt
	if v.Verdict == engine.Same || v.Verdict == engine.Unclear {
		_, err := fmt.Fprintf(out, "%-9s  %s  %s\n", v.Verdict, r.Task, shorten(t.reason(v), 200))
		return err
	}
	fmt.Fprintf(out, "%s  %s  %s\n", map[engine.Verdict]string{engine.Different: "DIFFERENT", engine.Forged: "FORGED   "}[v.Verdict], r.Task, printable(v.Why))
	by := string(r.Executor)
	if r.Executor == t.own {
		by = "this node"
	}
	fmt.Fprintf(out, "  receipt  %s, signed by %s\n  it says  %s, %s gas\n", r.Link().Base58(), by, shorten(receiptOutcome(r), 80), count(r.Gas))
	if v.Verdict == engine.Forged {
		return nil
	}
	_, err := fmt.Fprintf(out, "  now      %s, %s gas\n  %s\n", shorten(saidText(&v.Now), 80), count(v.Now.Gas), t.consequence(v))
	return err
}

// reason is what there is to say of a receipt that is not wrong.
func (t *tally) reason(v *ipvm.Verification) string {
	if v.Verdict == engine.Same {
		return receiptOutcome(v.Receipt)
	}
	return printable(v.Why)
}

// consequence is what follows from that a receipt is wrong.
func (t *tally) consequence(v *ipvm.Verification) string {
	switch {
	case !v.Kept.Defined():
		return "kept     nothing"
	case v.Receipt.Executor != t.own:
		return "kept     " + v.Kept.Base58() + ": this node's own word, which comes before that of others"
	case v.Kept == v.Receipt.Link() || v.Receipt.SameOut(&v.Now):
		return "kept     " + v.Kept.Base58() + ", in the place of the wrong one"
	}
	return "kept     " + v.Kept.Base58() + ": this node has signed both, so neither counts, and the task is run when it is asked for"
}

// sum tells what all came to.
func (t *tally) sum(cmd *cobra.Command, w ipvm.VerifyOptions, of int) {
	fmt.Fprintf(cmd.OutOrStdout(), "%d of %s run again: %d same, %d different, %d forged, %d unclear\n",
		t.n(), countOf(of, "receipt"), t.counts[engine.Same], t.counts[engine.Different], t.counts[engine.Forged], t.counts[engine.Unclear])
	if t.n() < of && w.Sample > 0 {
		fmt.Fprintf(cmd.ErrOrStderr(), "seed %d draws the same again (--seed)\n", w.Seed)
	}
}

// verifyJSON is what `ipvm verify --json` prints; docs/reference.md describes it.
type verifyJSON struct {
	Schema    int           `json:"schema"`
	Receipts  int           `json:"receipts"`
	Seed      uint64        `json:"seed"`
	Verified  int           `json:"verified"`
	Same      int           `json:"same"`
	Different int           `json:"different"`
	Forged    int           `json:"forged"`
	Unclear   int           `json:"unclear"`
	Findings  []findingJSON `json:"findings"`
}

type findingJSON struct {
	Verdict  engine.Verdict `json:"verdict"`
	Why      string         `json:"why,omitempty"`
	Task     string         `json:"task"`
	Receipt  string         `json:"receipt"`
	Executor string         `json:"executor"`
	Says     cameJSON       `json:"says"`
	Now      *cameJSON      `json:"now,omitempty"`
	Kept     string         `json:"kept,omitempty"`
}

// cameJSON is what a task came to.
type cameJSON struct {
	Value json.RawMessage `json:"value,omitempty"`
	Error *errorJSON      `json:"error,omitempty"`
	Boxed bool            `json:"boxed,omitempty"`
	Gas   uint64          `json:"gas"`
}

func cameTo(r *receipt.Receipt) cameJSON {
	out := cameJSON{Boxed: r.Boxed.Defined(), Gas: r.Gas}
	switch f := r.Out.Failure; {
	case f == nil:
		out.Value = rawJSON(r.Out.Value)
	case f.Kind == task.KindGuest:
		out.Error = &errorJSON{Kind: string(f.Kind), Value: rawJSON(f.Value)}
	default:
		out.Error = &errorJSON{Kind: string(f.Kind), Trap: f.Trap}
	}
	return out
}

func newFinding(v *ipvm.Verification) findingJSON {
	r := v.Receipt
	f := findingJSON{
		Verdict: v.Verdict, Why: v.Why, Task: r.Task.String(), Receipt: r.Link().String(), Executor: string(r.Executor),
		Says: cameTo(&r.Receipt),
	}
	if v.Verdict == engine.Different {
		now := cameTo(&v.Now)
		f.Now = &now
	}
	if v.Kept.Defined() {
		f.Kept = v.Kept.String()
	}
	return f
}

func (t *tally) json(seed uint64, of int) verifyJSON {
	if t.findings == nil {
		t.findings = []findingJSON{}
	}
	return verifyJSON{
		Schema: jsonSchema, Receipts: of, Seed: seed, Verified: t.n(), Same: t.counts[engine.Same], Different: t.counts[engine.Different],
		Forged: t.counts[engine.Forged], Unclear: t.counts[engine.Unclear], Findings: t.findings,
	}
}
