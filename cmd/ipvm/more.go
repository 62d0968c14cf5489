package main

import (
	"github.com/spf13/cobra"
)

// moreCommands are all but the commands about one workflow.
func moreCommands(a *app) []*cobra.Command {
	return append(acceptedCommands(a), newNode(a), newInit(), newSchema(), newConfig(a), newReceipt(a), newTrust(a), newQuarantine(a), newBlock(a), newGC(a), newPin(a), newBackup(a), newWasm(a), newKey(a), newDelegate(a), newInspect(a), newVerify(a), newDoctor(a), newVersion(), newCompletion(), newMan())
}
