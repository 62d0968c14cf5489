package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
)

func newNode(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "node",
		Short: "Stay, and run the workflows that are submitted to this state directory",
		Long: `Stay until interrupted, and run the workflows that are submitted to this state
directory with 'ipvm run --detach'. What was accepted is run to its end, also
when this process is killed and started again: what has a receipt is not run
again. Other commands use this node as long as it is there.`,
		Example: "  ipvm node &\n  ipvm run --detach workflow.yaml\n  ipvm ps",
		Args:    wants(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.node(cmd) },
	}
}

func (a *app) node(cmd *cobra.Command) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	n, err := node.Serve(cmd.Context())
	if errors.Is(err, ipvm.ErrGuest) {
		return fmt.Errorf("%s: %w: another node or command runs there\n  hint: end it, or use another state directory", node.Dir(), err)
	}
	if err != nil {
		return err
	}
	id, err := node.DID(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: node %s serves %s; %s taken up\n", id, node.Dir(), countOf(n, "workflow"))
	<-cmd.Context().Done()
	return nil
}

// countOf is n and the word for so many.
func countOf(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
