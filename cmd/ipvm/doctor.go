package main

import (
	"context"
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
	var repair bool
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
		RunE: func(cmd *cobra.Command, _ []string) error { return a.doctor(cmd, repair) },
	}
	cmd.Flags().BoolVar(&repair, "repair", false, "mend the store")
	return cmd
}

// earliest is before any node was made: a clock that shows less is wrong.
var earliest = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func (a *app) doctor(cmd *cobra.Command, repair bool) (err error) {
	out := cmd.OutOrStdout()
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	if repair {
		if err := mend(cmd, node); err != nil {
			return err
		}
	}
	bad := 0
	say := func(ok bool, what, format string, args ...any) {
		mark := "ok  "
		if !ok {
			mark = "BAD "
			bad++
		}
		fmt.Fprintf(out, "%s%-8s %s\n", mark, what, fmt.Sprintf(format, args...))
	}
	say(true, "state", "%s (owner: %v)", node.Dir(), node.Owner())
	say(true, "machine", "%s/%s, %d processors", runtime.GOOS, runtime.GOARCH, runtime.NumCPU())
	now := time.Now()
	say(now.After(earliest), "clock", "%s", now.UTC().Format(time.RFC3339))
	engineHealth(say, filepath.Join(node.Dir(), ipvm.CacheDir))
	if err := evidenceHealth(cmd.Context(), say, node, out); err != nil {
		return err
	}
	if err := quarantineHealth(cmd.Context(), say, node); err != nil {
		return err
	}
	sizes, err := node.Backend().Sizes(cmd.Context())
	if err != nil {
		return err
	}
	say(true, "sizes", "%s", sizesText(sizes))
	if !node.Owner() {
		fmt.Fprintln(out, "    store    another process owns the state directory; end it to have the store checked")
		return doctorEnd(out, bad)
	}
	h, err := node.Health(cmd.Context(), func(problem string) { say(false, "store", "%s", printable(problem)) })
	if err != nil {
		return err
	}
	say(true, "store", "%s, %s, %s, %s, %s on disk", countOf(h.Receipts, "receipt"), countOf(h.Blocks, "block"), countOf(h.Files, "file"), countOf(h.Modules, "module"), bytesText(h.DatabaseBytes+h.FileBytes))
	const low = 256 << 20
	say(h.FreeBytes == 0 || h.FreeBytes > low, "disk", "%s free", bytesText(h.FreeBytes))
	return doctorEnd(out, bad)
}

// mend repairs the store, and tells how.
func mend(cmd *cobra.Command, node *ipvm.Node) error {
	n := 0
	err := node.Repair(cmd.Context(), func(what string) {
		n++
		fmt.Fprintf(cmd.OutOrStdout(), "    repair   %s\n", printable(what))
	})
	switch {
	case errors.Is(err, ipvm.ErrGuest):
		return fmt.Errorf("%w\n  hint: end it, then repair", err)
	case err != nil:
		return fmt.Errorf("%w\n  hint: a copy that `ipvm backup` made can take the place of %s", err, node.Dir())
	}
	fmt.Fprintf(cmd.OutOrStdout(), "    repair   %s\n", countOf(n, "repair"))
	return nil
}

// maxContradictions bounds those that are listed.
const maxContradictions = 20

// evidenceHealth tells of receipts that contradict each other. What strangers
// sign is no trouble of this node.
func evidenceHealth(ctx context.Context, say func(ok bool, what, format string, args ...any), node *ipvm.Node, out io.Writer) error {
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
			say(false, "evidence", "this node signed two outcomes of task %s; neither counts", c.A.Task)
		case c.Equivocation() && isTrusted(c.A.Executor):
			say(false, "evidence", "%s, who is trusted here, signed two outcomes of task %s", c.A.Executor, c.A.Task)
		case n >= maxContradictions:
		case c.Equivocation():
			fmt.Fprintf(out, "    evidence %s signed two outcomes of task %s\n", c.A.Executor, c.A.Task)
		default:
			fmt.Fprintf(out, "    evidence %s and %s disagree about task %s\n", c.A.Executor, c.B.Executor, c.A.Task)
		}
		n++
		return true
	})
	if err == nil {
		say(true, "evidence", "%s of receipts that contradict each other", countOf(n, "pair"))
	}
	return err
}

// quarantineHealth tells of tasks that have ended the node. The engine is to blame,
// and whoever looks after it should hear of that.
func quarantineHealth(ctx context.Context, say func(ok bool, what, format string, args ...any), node *ipvm.Node) error {
	all, err := node.Backend().Quarantined(ctx)
	if err != nil {
		return err
	}
	say(len(all) == 0, "deaths", "%s ended this node, %d in quarantine", countOf(len(all), "task"), refused(all))
	return nil
}

// engineHealth starts an engine over the folder of compiled code at cache.
func engineHealth(say func(ok bool, what, format string, args ...any), cache string) {
	e, err := wasm.New(wasm.Config{CacheDir: cache})
	if err != nil {
		say(false, "engine", "%v", err)
		return
	}
	defer e.Close()
	if err := e.Start(); err != nil {
		say(false, "engine", "%v", err)
		return
	}
	info := e.Doctor()
	how := "instances come from a pool"
	if !info.Pooled {
		how = "instances are made on demand: " + info.Why
	}
	say(true, "engine", "%s, %s, at most %d calls at once", info.Schedule, how, info.Calls)
	say(true, "limits", "stack %s, address space %s", limitText(info.StackLimit), limitText(info.AddressLimit))
	all, err := wasm.CodeIn(cache)
	if err != nil {
		say(false, "cache", "%v", err)
		return
	}
	var size uint64
	for _, code := range all {
		size += code.Bytes
	}
	say(true, "cache", "%s of compiled code, %s; it may be deleted at any time", countOf(len(all), "file"), bytesText(size))
}

// limitText is a limit of the process in bytes, where 0 means none.
func limitText(n uint64) string {
	if n == 0 {
		return "unlimited"
	}
	return bytesText(n)
}

func doctorEnd(out io.Writer, bad int) error {
	if bad > 0 {
		if bad == 1 {
			return errors.New("1 thing is wrong")
		}
		return fmt.Errorf("%d things are wrong", bad)
	}
	fmt.Fprintln(out, "all is well")
	return nil
}

// bytesText is about how much n bytes are.
func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}
