package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
)

func newNode(a *app) *cobra.Command {
	var o ipvm.ServeOptions
	cmd := &cobra.Command{
		Use:   "node",
		Short: "Stay, and run the workflows that are submitted to this state directory",
		Long: `Stay until interrupted, and run the workflows that are submitted to this state
directory with 'ipvm run --detach'. What was accepted is run to its end, also
when this process is killed and started again: what has a receipt is not run
again. Other commands use this node as long as it is there.

With --listen it also answers HTTP at a loopback address, where other programs of
this machine submit workflows: docs/http.md. Clients of Homestar find their
JSON-RPC there, and look for it at 127.0.0.1:1337. Whoever can connect, other users
of the machine too, can then run what is pure and read what was run here, if it
is no secret.`,
		Example: "  ipvm node &\n  ipvm run --detach workflow.yaml\n  ipvm ps",
		Args:    wants(0, 0),
		RunE:    func(cmd *cobra.Command, _ []string) error { return a.node(cmd, o) },
	}
	o.Version = version()
	f := cmd.Flags()
	f.StringVar(&o.Listen, "listen", "", "answer HTTP at this loopback `ADDRESS`, such as 127.0.0.1:1337; port 0 is any that is free")
	f.StringSliceVar(&o.Hosts, "host", nil, "also answer requests that name this `HOST:PORT`")
	f.StringSliceVar(&o.Origins, "origin", nil, "also answer pages of this `ORIGIN`, such as http://localhost:8080")
	return cmd
}

func (a *app) node(cmd *cobra.Command, o ipvm.ServeOptions) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	service, err := node.Serve(cmd.Context(), o)
	if errors.Is(err, ipvm.ErrGuest) {
		return fmt.Errorf("%s: %w: another node or command runs there\n  hint: end it, or use another state directory", node.Dir(), err)
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, service.Close()) }()
	id, err := node.DID(cmd.Context())
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: node %s serves %s; %s taken up\n", id, node.Dir(), countOf(service.Resumed, "workflow"))
	if addr := service.Addr(); addr != "" {
		fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: http://%s\n", addr)
	}
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
