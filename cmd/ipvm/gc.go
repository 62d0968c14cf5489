package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// gcFlags are the flags of gc.
type gcFlags struct {
	maxBytes, olderThan  string
	dryRun, list, asJSON bool
}

func newGC(a *app) *cobra.Command {
	var f gcFlags
	cmd := &cobra.Command{
		Use:   "gc",
		Short: "Remove what was used least recently",
		Long: `Remove what was used least recently: results, which would be computed anew when
they are asked for again, and files. What is kept for others than the owner goes before
what is the owner's, and among them first of who holds most. A result goes whole, its
receipts first; what a result that stays rests on stays with it. What is known of
workflows that have ended goes by its age, too. What is pinned
('ipvm pin'), what unfinished workflows rest on, and what a running node has put or
read in the last minutes never goes. A node that runs does it itself, and works on
meanwhile.`,
		Example: "  ipvm gc --dry-run --max-bytes 2GiB\n  ipvm gc --older-than 90d",
		Args:    wants(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.gc(cmd, f) },
	}
	cmd.Flags().StringVar(&f.maxBytes, "max-bytes", "", "remove until at most `SIZE` is kept")
	cmd.Flags().StringVar(&f.olderThan, "older-than", "", "remove all that was not used for `AGE`, such as 36h or 90d")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "only tell what would go")
	cmd.Flags().BoolVar(&f.list, "list", false, "list what goes, as a dry run does")
	cmd.Flags().BoolVar(&f.asJSON, "json", false, "print one JSON object per line, described in docs/reference.md")
	return cmd
}

// collection is what the flags ask for.
func (f gcFlags) collection(now time.Time) (c store.Collection, err error) {
	c.DryRun = f.dryRun
	if f.maxBytes != "" {
		c.Bounded = true
		if f.maxBytes != "0" {
			c.MaxBytes, err = workflow.ParseSize(f.maxBytes)
		}
		if err != nil {
			return c, misusef("0 is all that may go", "--max-bytes: %v", err)
		}
	}
	if f.olderThan != "" {
		age, err := parseAge(f.olderThan)
		if err != nil {
			return c, misusef("", "--older-than: %v", err)
		}
		c.Before = now.Add(-age)
	}
	if !c.Bounded && c.Before.IsZero() {
		return c, misusef("give --max-bytes SIZE, --older-than AGE, or both; --dry-run only tells", "nothing says how much is to be removed")
	}
	return c, nil
}

// parseAge reads an age in days, or a duration.
func parseAge(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return time.Duration(n) * 24 * time.Hour, nil
		}
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, fmt.Errorf("%.40q is not an age such as 36h or 90d", s)
	}
	return d, nil
}

// goneJSON is something that went, or would.
type goneJSON struct {
	Kind  store.GoneKind `json:"kind"`
	Link  string         `json:"link,omitempty"`
	Bytes uint64         `json:"bytes"`
	Used  string         `json:"used"`
	Where string         `json:"where,omitempty"`
}

// collectedJSON is what came of a collection.
type collectedJSON struct {
	Schema    int       `json:"schema"`
	DryRun    bool      `json:"dryRun,omitempty"`
	Results   int       `json:"results"`
	Receipts  int       `json:"receipts"`
	Blocks    int       `json:"blocks"`
	Leftovers int       `json:"leftovers"`
	Runs      int       `json:"runs"`
	Code      int       `json:"code"`
	Bytes     uint64    `json:"bytes"`
	Before    uint64    `json:"before"`
	Kept      uint64    `json:"kept"`
	Sizes     sizesJSON `json:"sizes"`
}

// sizesJSON is what is kept, by part, in bytes.
type sizesJSON struct {
	Store   uint64 `json:"store"`
	Runs    uint64 `json:"runs"`
	Secrets uint64 `json:"secrets"`
	Guests  uint64 `json:"guests"`
	Sent    uint64 `json:"sent"`
	Code    uint64 `json:"code"`
	Rooms   int    `json:"rooms"`
	Damaged int    `json:"damaged,omitempty"`
}

// sizesText is what is kept, by part.
func sizesText(s rpc.Sizes) string {
	rooms := countOf(s.Rooms, "room")
	if s.Damaged > 0 {
		rooms += fmt.Sprintf(" (%d more can not be read: `ipvm doctor`)", s.Damaged)
	}
	return fmt.Sprintf("%s in the store, about %s of it records of runs; %s of secrets; %s for others in %s, and %s that they sent; %s of compiled code",
		bytesText(s.Store), bytesText(s.Runs), bytesText(s.Secrets), bytesText(s.Guests), rooms, bytesText(s.Sent), bytesText(s.Code))
}

func (a *app) gc(cmd *cobra.Command, f gcFlags) (err error) {
	c, err := f.collection(time.Now())
	if err != nil {
		return err
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	out := cmd.OutOrStdout()
	lines := json.NewEncoder(out)
	var fail error
	if f.dryRun || f.list {
		c.Tell = func(g store.Gone) {
			if fail != nil {
				return
			}
			if f.asJSON {
				one := goneJSON{g.Kind, "", g.Bytes, g.Used.Format(time.RFC3339), g.Where}
				if g.Link.Defined() {
					one.Link = g.Link.String()
				}
				fail = lines.Encode(one)
				return
			}
			what, where := "(of a secret)", ""
			switch {
			case g.Link.Defined():
				what = g.Link.String()
			case g.Kind == store.GoneCode:
				what = g.Where
			}
			if g.Where != "" && what != g.Where {
				where = ", in " + g.Where
			}
			_, fail = fmt.Fprintf(out, "%-8s %s  %s, last used %s%s\n", g.Kind, what, bytesText(g.Bytes), g.Used.Local().Format("2006-01-02 15:04"), where)
		}
	}
	sum, err := node.Backend().Collect(cmd.Context(), c)
	if err = errors.Join(err, fail); err != nil {
		return err
	}
	sizes, err := node.Backend().Sizes(cmd.Context())
	if err != nil {
		return err
	}
	if f.asJSON {
		return lines.Encode(collectedJSON{jsonSchema, f.dryRun, sum.Results, sum.Receipts, sum.Blocks, sum.Leftovers, sum.Runs, sum.Code, sum.Bytes, sum.Before, sum.Kept, sizesJSON(sizes)})
	}
	went := "removed"
	if f.dryRun {
		went = "would remove"
	}
	parts := []string{countOf(sum.Results, "result"), countOf(sum.Blocks, "block")}
	if sum.Runs > 0 {
		parts = append(parts, countOf(sum.Runs, "record")+" of runs")
	}
	if sum.Code > 0 {
		parts = append(parts, countOf(sum.Code, "file")+" of compiled code")
	}
	fmt.Fprintf(out, "%s %s and %s: %s of %s\n", went, strings.Join(parts, ", "), countOf(sum.Leftovers, "leftover file"), bytesText(sum.Bytes), bytesText(sum.Before))
	is := "left"
	if f.dryRun {
		is = "there is"
	}
	fmt.Fprintf(out, "%s: %s\n", is, sizesText(sizes))
	if rest := sum.Before - min(sum.Bytes, sum.Before); c.MaxBytes > 0 && rest > c.MaxBytes {
		fmt.Fprintf(cmd.ErrOrStderr(), "note: %s stay, which is more than %s: they are pinned or in use, or say what ran and who is trusted\n", bytesText(rest), bytesText(c.MaxBytes))
	}
	return nil
}

func newPin(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "pin",
		Short: "Keep something from being collected, and list what is kept so",
		Long: `Keep something from being removed by 'ipvm gc', and by a node whose store has a
quota, until it is unpinned. A pin covers, by what LINK is:
a file or a value: the block, and all that it links to;
a workflow: the document, all that it names, and what its jobs came to;
a task: its receipts, what these rest on, and what the task was called with.`,
		Example: "  ipvm pin add bafyreih…\n  ipvm pin ls",
	})
	var asJSON bool
	ls := &cobra.Command{
		Use:     "ls",
		Short:   "List the pins",
		Example: "  ipvm pin ls\n  ipvm pin ls --json",
		Args:    wants(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.listPins(cmd, asJSON) },
	}
	ls.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	var addJSON bool
	add := &cobra.Command{
		Use:     "add LINK…",
		Short:   "Pin files, values, workflows or tasks",
		Example: "  ipvm pin add bafkreih…",
		Args:    wants(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachPin(cmd, args, func(b rpc.Backend, l ipld.Link) error {
				p, err := b.Pin(cmd.Context(), l)
				if errors.Is(err, store.ErrNotFound) {
					return misusef("`ipvm block put FILE` imports a file; `ipvm receipt ls` lists what ran", "%v", err)
				}
				if err != nil {
					return err
				}
				if addJSON {
					return printPinJSON(cmd.OutOrStdout(), p)
				}
				_, err = fmt.Fprintf(cmd.OutOrStdout(), "%s  %s\n", p.Link, p.What)
				return err
			})
		},
	}
	add.Flags().BoolVar(&addJSON, "json", false, "print one JSON object per pin")
	cmd.AddCommand(add, &cobra.Command{
		Use:     "rm LINK…",
		Short:   "Let go of what was pinned",
		Example: "  ipvm pin rm bafyreih…",
		Args:    wants(1, -1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.eachPin(cmd, args, func(b rpc.Backend, l ipld.Link) error {
				err := b.Unpin(cmd.Context(), l)
				if errors.Is(err, rpc.ErrNotPinned) {
					return misusef("`ipvm pin ls` lists the pins", "%v", err)
				}
				return err
			})
		},
	}, ls)
	return cmd
}

// eachPin does something for each link of a command line.
func (a *app) eachPin(cmd *cobra.Command, args []string, do func(rpc.Backend, ipld.Link) error) (err error) {
	links := make([]ipld.Link, len(args))
	for i, text := range args {
		if links[i], err = parseCID(text); err != nil {
			return err
		}
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	for _, l := range links {
		if err := do(node.Backend(), l); err != nil {
			return err
		}
	}
	return nil
}

// pinJSON is a pin.
type pinJSON struct {
	Schema int         `json:"schema"`
	Link   string      `json:"link"`
	What   rpc.PinKind `json:"what"`
	Added  string      `json:"added"`
}

func printPinJSON(out io.Writer, p rpc.Pin) error {
	return json.NewEncoder(out).Encode(pinJSON{jsonSchema, p.Link.String(), p.What, p.Added.UTC().Format(time.RFC3339)})
}

func (a *app) listPins(cmd *cobra.Command, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	out := cmd.OutOrStdout()
	var fail error
	err = node.Backend().Pins(cmd.Context(), func(p rpc.Pin) bool {
		if asJSON {
			fail = printPinJSON(out, p)
		} else {
			_, fail = fmt.Fprintf(out, "%s  %-8s  %s\n", p.Link, p.What, p.Added.Local().Format(time.DateTime))
		}
		return fail == nil
	})
	return errors.Join(err, fail)
}
