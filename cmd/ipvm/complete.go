package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// Bounds of what a shell is offered, and of how long somebody who presses a key
// waits for it.
const (
	maxOffers    = 200
	completeWait = 2 * time.Second
)

// completer is what cobra asks for words.
type completer = func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective)

// complete lets shells complete what only this node knows, and which files a
// command reads. What is in none of these is a file.
func (a *app) complete(root *cobra.Command) {
	documents := files("yaml", "yml", "json", "cbor")
	unfinished := func(r runs.Run) bool { return !r.State.Over() }
	for path, f := range map[string]completer{
		"run": documents, "check": documents, "graph": documents, "sign": documents, "receipt explain": documents,
		"show": a.runsThat(func(runs.Run) bool { return true }), "logs": a.runsThat(func(runs.Run) bool { return true }),
		"cancel": a.runsThat(unfinished), "suspend": a.runsThat(func(r runs.Run) bool { return r.State == runs.Running }),
		"resume":       a.runsThat(func(r runs.Run) bool { return r.State != runs.Running && r.State != runs.OK }),
		"receipt show": one(a.tasks), "receipt export": one(a.tasks), "verify": a.tasks,
		"key show": one(a.keys), "key export": one(a.keys), "trust rm": one(a.signers),
		"wasm inspect": files("wasm"), "wasm compile": files("wasm"),
	} {
		if cmd, rest, err := root.Find(strings.Fields(path)); err == nil && len(rest) == 0 {
			cmd.ValidArgsFunction = f
		}
	}
	for _, cmd := range pages(root) {
		for _, flag := range []string{"as", "key"} {
			if cmd.Flags().Lookup(flag) != nil {
				_ = cmd.RegisterFlagCompletionFunc(flag, a.keys)
			}
		}
	}
}

// files offers files with one of the extensions, for the first argument.
func files(ext ...string) completer {
	return func(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveDefault
		}
		return ext, cobra.ShellCompDirectiveFilterFileExt
	}
}

// one is f for a command that takes one argument.
func one(f completer) completer {
	return func(cmd *cobra.Command, args []string, start string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return f(cmd, args, start)
	}
}

// asked opens the node for a shell that asks for words. A state directory that is
// not there is not made for that.
func (a *app) asked(cmd *cobra.Command, ask func(context.Context, *ipvm.Node)) {
	if err := a.config.load(cmd); err != nil {
		return
	}
	if _, err := os.Stat(filepath.Join(a.config.dir(), ipvm.StoreDir)); err != nil {
		return
	}
	a.as = "" // whose passphrase would be asked for
	node, err := a.open(cmd)
	if err != nil {
		return
	}
	defer node.Close()
	ctx, cancel := context.WithTimeout(cmd.Context(), completeWait)
	defer cancel()
	ask(ctx, node)
}

// runsThat offers accepted workflows.
func (a *app) runsThat(fit func(runs.Run) bool) completer {
	return one(func(cmd *cobra.Command, _ []string, start string) (words []string, _ cobra.ShellCompDirective) {
		a.asked(cmd, func(ctx context.Context, node *ipvm.Node) {
			_ = node.Backend().Runs(ctx, runs.Query{}, func(r runs.Run) bool {
				if word := r.Workflow.String(); fit(r) && strings.HasPrefix(word, start) {
					words = append(words, fmt.Sprintf("%s\t%s, %d of %s", word, r.State, r.Settled, countOf(r.Jobs, "job")))
				}
				return len(words) < maxOffers
			})
		})
		return words, cobra.ShellCompDirectiveNoFileComp
	})
}

// tasks offers tasks of which something is remembered.
func (a *app) tasks(cmd *cobra.Command, _ []string, start string) (words []string, _ cobra.ShellCompDirective) {
	a.asked(cmd, func(ctx context.Context, node *ipvm.Node) {
		_ = node.Backend().Scan(ctx, func(r *receipt.Signed) bool {
			if word := r.Task.String(); strings.HasPrefix(word, start) {
				words = append(words, word+"\t"+shorten(receiptOutcome(r), 40))
			}
			return len(words) < maxOffers
		})
	})
	return words, cobra.ShellCompDirectiveNoFileComp
}

// signers offers those whose receipts count.
func (a *app) signers(cmd *cobra.Command, _ []string, start string) (words []string, _ cobra.ShellCompDirective) {
	a.asked(cmd, func(ctx context.Context, node *ipvm.Node) {
		all, _ := node.Backend().Trusted(ctx)
		for _, s := range all {
			if strings.HasPrefix(string(s.DID), start) && len(words) < maxOffers {
				words = append(words, string(s.DID)+"\t"+printable(s.Name))
			}
		}
	})
	return slices.Compact(words), cobra.ShellCompDirectiveNoFileComp
}

// keys offers the names of keys; a file is as good.
func (a *app) keys(cmd *cobra.Command, _ []string, start string) (words []string, _ cobra.ShellCompDirective) {
	if err := a.config.load(cmd); err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	names, _ := a.keyNames()
	for _, name := range names {
		if strings.HasPrefix(name, start) && len(words) < maxOffers {
			words = append(words, name)
		}
	}
	return words, cobra.ShellCompDirectiveDefault
}
