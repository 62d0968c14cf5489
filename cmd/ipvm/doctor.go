package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

func newDoctor(a *app) *cobra.Command {
	var repair, asJSON bool
	cmd := &cobra.Command{
		Use:   "doctor",
		Short: "Check what this machine gives: limits, disk, clock, store, caches",
		Long: `Look at everything that ipvm needs of this machine, and check the store: every
block against its CID, every receipt and what it refers to, and which receipts
contradict each other. Exit status 3 means that something is wrong.

--repair first mends the store: what is damaged is put aside, and receipts whose output
is lost are removed, so that both can be had anew. It tells what it does, and removes
nothing that is intact.`,
		Args: wants(0, 0),
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd, repair, asJSON) },
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "mend the store")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per finding")
	return cmd
}

// findings prints what was looked at, and counts what is wrong.
type findings struct {
	out    io.Writer
	asJSON bool
	bad    int
}

// healthJSON is what `ipvm doctor --json` prints of each thing. OK is absent of what is
// only told.
type healthJSON struct {
	Schema int    `json:"schema"`
	OK     *bool  `json:"ok,omitempty"`
	What   string `json:"what"`
	Says   string `json:"says"`
}

// say tells whether something is as it should be.
func (f *findings) say(ok bool, what, format string, args ...any) {
	mark := "ok  "
	if !ok {
		mark = "BAD "
		f.bad++
	}
	f.print(mark, &ok, what, fmt.Sprintf(format, args...))
}

// note tells something that is neither.
func (f *findings) note(what, format string, args ...any) {
	f.print("    ", nil, what, fmt.Sprintf(format, args...))
}

func (f *findings) print(mark string, ok *bool, what, says string) {
	if !f.asJSON {
		fmt.Fprintf(f.out, "%s%-8s %s\n", mark, what, says)
		return
	}
	enc := json.NewEncoder(f.out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(healthJSON{jsonSchema, ok, what, says})
}

// end is the error of what is wrong.
func (f *findings) end() error {
	switch {
	case f.bad == 1:
		return errors.New("1 thing is wrong")
	case f.bad > 1:
		return fmt.Errorf("%d things are wrong", f.bad)
	case !f.asJSON:
		fmt.Fprintln(f.out, "all is well")
	}
	return nil
}

// earliest is before any node was made: a clock that shows less is wrong.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (a *app) doctor(cmd *cobra.Command, repair, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	f := &findings{out: cmd.OutOrStdout(), asJSON: asJSON}
	if repair {
		if err := mend(cmd.Context(), f, node); err != nil {
			return err
		}
	}
	f.say(true, "state", "%s (owner: %v)", node.Dir(), node.Owner())
	f.say(true, "machine", "%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	now := time.Now()
	f.say(now.After(earliest), "clock", "%s", now.UTC().Format(time.RFC3339))
	engineHealth(f, filepath.Join(node.Dir(), ipvm.CacheDir))
	if err := evidenceHealth(cmd.Context(), f, node); err != nil {
		return err
	}
	if err := quarantineHealth(cmd.Context(), f, node); err != nil {
		return err
	}
	sizes, err := node.Backend().Sizes(cmd.Context())
	if err != nil {
		return err
	}
	f.say(true, "sizes", "%s", sizesText(sizes))
	if err := roomHealth(cmd.Context(), f, node); err != nil {
		return err
	}
	if !node.Owner() {
		if sizes.Damaged > 0 {
			f.say(false, "rooms", "%s can not be read: the log of the node says which and why", countOf(sizes.Damaged, "room"))
		}
		f.note("store", "another process owns the state directory; end it to have the store checked")
		return f.end()
	}
	h, err := node.Health(cmd.Context(), func(problem string) { f.say(false, "store", "%s", printable(problem)) })
	if err != nil {
		return err
	}
	f.say(true, "store", "%s, %s, %s, %s, %s on disk", countOf(h.Receipts, "receipt"), countOf(h.Blocks, "block"), countOf(h.Files, "file"), countOf(h.Modules, "module"), bytesText(h.DatabaseBytes+h.FileBytes))
	return f.end()
}

// roomHealth tells what the disk has left, and why the node takes no new work if it
// does not.
func roomHealth(ctx context.Context, f *findings, node *ipvm.Node) error {
	room, err := node.Backend().Room(ctx)
	if err != nil {
		return err
	}
	const low = 256 << 20
	if room.Known {
		f.say(room.Free > low, "disk", "%s free", bytesText(room.Free))
	} else {
		f.note("disk", "it does not say how much is free")
	}
	if room.Refused != "" {
		f.say(false, "room", "no new work is taken: %s", printable(room.Refused))
	}
	return nil
}

// mend repairs the store, and tells how.
func mend(ctx context.Context, f *findings, node *ipvm.Node) error {
	n := 0
	err := node.Repair(ctx, func(what string) {
		n++
		f.note("repair", "%s", printable(what))
	})
	switch {
	case errors.Is(err, ipvm.ErrGuest):
		return fmt.Errorf("%w\n  hint: end it, then repair", err)
	case err != nil:
		return fmt.Errorf("%w\n  hint: a copy that `ipvm backup` made can take the place of %s", err, node.Dir())
	}
	f.note("repair", "%s", countOf(n, "repair"))
	return nil
}

// maxContradictions bounds those that are listed.
const maxContradictions = 20

// evidenceHealth tells of receipts that contradict each other. What strangers
// sign is no trouble of this node.
func evidenceHealth(ctx context.Context, f *findings, node *ipvm.Node) error {
	own, err := node.DID(ctx)
	if err != nil {
		return err
	}
	trusted, err := node.Backend().Trusted(ctx)
	if err != nil {
		return err
	}
	isTrusted := func(id did.DID) bool {
		return slices.ContainsFunc(trusted, func(s ipvm.Signer) bool { return s.DID == id && s.Refused == "" })
	}
	n := 0
	err = node.Conflicts(ctx, func(c receipt.Conflict) bool {
		switch {
		case c.Equivocation() && c.A.Executor == own:
			f.say(false, "evidence", "this node signed two outcomes of task %s; neither counts", c.A.Task)
		case c.Equivocation() && isTrusted(c.A.Executor):
			f.say(false, "evidence", "%s, who is trusted here, signed two outcomes of task %s", c.A.Executor, c.A.Task)
		case n >= maxContradictions:
		case c.Equivocation():
			f.note("evidence", "%s signed two outcomes of task %s", c.A.Executor, c.A.Task)
		default:
			f.note("evidence", "%s and %s disagree about task %s", c.A.Executor, c.B.Executor, c.A.Task)
		}
		n++
		return true
	})
	if err == nil {
		f.say(true, "evidence", "%s of receipts that contradict each other", countOf(n, "pair"))
	}
	return err
}

// quarantineHealth tells of tasks that have ended the node. The engine is to blame,
// and whoever looks after it should hear of that.
func quarantineHealth(ctx context.Context, f *findings, node *ipvm.Node) error {
	all, err := node.Backend().Quarantined(ctx)
	if err != nil {
		return err
	}
	f.say(len(all) == 0, "deaths", "%s ended this node, %d in quarantine", countOf(len(all), "task"), refused(all))
	return nil
}

// engineHealth starts an engine over the folder of compiled code at cache.
func engineHealth(f *findings, cache string) {
	e, err := wasm.New(wasm.Config{CacheDir: cache})
	if err != nil {
		f.say(false, "engine", "%v", err)
		return
	}
	defer e.Close()
	if err := e.Start(); err != nil {
		f.say(false, "engine", "%v", err)
		return
	}
	info := e.Doctor()
	how := "instances come from a pool"
	if !info.Pooled {
		how = "instances are made on demand: " + info.Why
	}
	f.say(true, "engine", "%s, %s, at most %d calls at once", info.Schedule, how, info.Calls)
	f.say(true, "limits", "stack %s, address space %s", limitText(info.StackLimit), limitText(info.AddressLimit))
	all, err := wasm.CodeIn(cache)
	if err != nil {
		f.say(false, "cache", "%v", err)
		return
	}
	var size uint64
	for _, code := range all {
		size += code.Bytes
	}
	f.say(true, "cache", "%s of compiled code, %s; it may be deleted at any time", countOf(len(all), "file"), bytesText(size))
}

// limitText is a limit of the process in bytes, where 0 means none.
func limitText(n uint64) string {
	if n == 0 {
		return "unlimited"
	}
	return bytesText(n)
}

// bytesText is about how much n bytes are.
func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	case n < 1<<10:
		return fmt.Sprintf("%d bytes", n)
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
