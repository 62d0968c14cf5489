package main

import (
	"errors"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// isURL tells whether an argument is no file but an http(s) URL.
func isURL(s string) bool { return strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "https://") }

func (a *app) putURL(cmd *cobra.Command, args []string, cid string, share, asJSON bool) (err error) {
	if len(args) != 1 || !isURL(args[0]) {
		return misusef("`ipvm block put --cid CID https://example.com/file`", "--cid goes with one http(s) URL")
	}
	link, err := parseCID(cid)
	if err != nil {
		return err
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	err = node.Download(cmd.Context(), args[0], link)
	var other *ipvm.MismatchError
	if errors.As(err, &other) {
		return misusef("a file that was laid out otherwise comes block by block from a gateway: `ipvm block get --gateways URL CID`", "%v", err)
	}
	if err == nil && share {
		err = node.Backend().Share(cmd.Context(), link)
	}
	if err != nil {
		return err
	}
	return printPut(cmd.OutOrStdout(), link, args[0], asJSON)
}

func parseCID(s string) (ipld.Link, error) {
	link, err := ipld.ParseLink(s)
	if err != nil {
		return link, misusef("a CID looks like bafkrei…", "%q is not a CID", s)
	}
	return link, nil
}
