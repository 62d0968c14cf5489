package main

import (
	"github.com/spf13/cobra"
)

// moreCommands are all but the commands about one workflow.
func moreCommands(a *app) []*cobra.Command {
	return []*cobra.Command{newConfig(a), newReceipt(a), newBlock(a), newWasm(a), newKey(a), newDoctor(a), newVersion()}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misusef("`"+cmd.CommandPath()+" --help` tells more", "unexpected argument %q", args[0])
	}
	return nil
}
