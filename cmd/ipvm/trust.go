package main

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
)

func newTrust(a *app) *cobra.Command {
	cmd := group(&cobra.Command{
		Use:   "trust",
		Short: "Say whose receipts count on this node",
		Long: `A receipt says who signed it, not that it is true. This node believes its own,
and those of whom it is told to trust: they are taken for results that need not
be computed here. Where two who are trusted contradict each other, or one
contradicts itself, none is believed and the task is run.`,
	})
	var name string
	add := &cobra.Command{
		Use:   "add DID",
		Short: "Let the receipts of DID count",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.trust(cmd, args[0], name) },
	}
	add.Flags().StringVar(&name, "name", "", "a `NAME` for people, of at most 64 bytes")
	var asJSON bool
	list := &cobra.Command{
		Use:   "ls",
		Short: "List those who are trusted",
		Args:  wants(0, 0),
		RunE:  func(cmd *cobra.Command, _ []string) error { return a.listTrusted(cmd, asJSON) },
	}
	list.Flags().BoolVar(&asJSON, "json", false, "print one JSON object per line")
	remove := &cobra.Command{
		Use:   "rm DID|NAME",
		Short: "Let the receipts of DID count no more",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.distrust(cmd, args[0]) },
	}
	cmd.AddCommand(add, list, remove)
	return cmd
}

func (a *app) trust(cmd *cobra.Command, text, name string) (err error) {
	s := ipvm.Signer{DID: did.DID(text), Name: name}
	if err := s.Check(); err != nil {
		return misusef("a DID is what `ipvm key show` prints: did:key:z…", "%v", err)
	}
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	own, err := node.DID(cmd.Context())
	if err != nil {
		return err
	}
	if s.DID == own {
		return misusef("what it signed always counts here", "%s is this node itself", own)
	}
	all, err := node.Backend().Trusted(cmd.Context())
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(all, func(o ipvm.Signer) bool { return name != "" && o.Name == name && o.DID != s.DID }); i >= 0 {
		return misusef("give another name", "%q is the name of %s", name, all[i].DID)
	}
	return node.Backend().Trust(cmd.Context(), s)
}

// signerJSON is what `ipvm trust ls --json` prints.
type signerJSON struct {
	Schema int    `json:"schema"`
	DID    string `json:"did"`
	Name   string `json:"name,omitempty"`
}

func (a *app) listTrusted(cmd *cobra.Command, asJSON bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	all, err := node.Backend().Trusted(cmd.Context())
	if err != nil {
		return err
	}
	for _, s := range all {
		if asJSON {
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(signerJSON{jsonSchema, string(s.DID), s.Name})
		} else {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), signerText(s))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func signerText(s ipvm.Signer) string {
	if s.Name == "" {
		return string(s.DID)
	}
	return string(s.DID) + "  " + printable(s.Name)
}

func (a *app) distrust(cmd *cobra.Command, who string) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	all, err := node.Backend().Trusted(cmd.Context())
	if err != nil {
		return err
	}
	i := slices.IndexFunc(all, func(s ipvm.Signer) bool { return string(s.DID) == who || s.Name == who && who != "" })
	if i < 0 {
		return misusef("`ipvm trust ls` lists who is", "%q is not trusted here", who)
	}
	return node.Backend().Distrust(cmd.Context(), all[i].DID)
}
