package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/receipt"
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
	var proofs []string
	add := &cobra.Command{
		Use:   "add DID",
		Short: "Let the receipts of DID count, or those that a delegation covers",
		Long: `Let all receipts of DID count; or with --proof, those that a delegation of
` + receipt.Command + ` covers, which this node has signed, or somebody to whom it
has given that much: of some functions only, for some time, until it is revoked.`,
		Example: "  ipvm delegate --cmd " + receipt.Command + " --to did:key:z6Mk… --expires 30d \\\n" +
			"    --policy '[\"==\", \".fun\", \"square\"]' -o believe.ucan\n  ipvm trust add --proof believe.ucan",
		Args: wants(0, 1),
		RunE: func(cmd *cobra.Command, args []string) error { return a.trust(cmd, args, name, proofs) },
	}
	add.Flags().StringArrayVar(&proofs, "proof", nil, "count as far as the delegation in `FILE` goes, a container with all that it rests on; repeatable")
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
		Short: "Let the receipts of DID count no more, whatever delegations say",
		Args:  wants(1, 1),
		RunE:  func(cmd *cobra.Command, args []string) error { return a.distrust(cmd, args[0]) },
	}
	cmd.AddCommand(add, list, remove)
	return cmd
}

// newSigner is whom the command line of `ipvm trust add` names.
func newSigner(cmd *cobra.Command, args []string, name string, proofs []string) (s ipvm.Signer, err error) {
	s.Name = name
	switch {
	case len(args) == 1 && len(proofs) > 0:
		return s, misusef("the delegation says whom it is for", "give a DID or --proof, not both")
	case len(args) == 1:
		s.DID = did.DID(args[0])
	case len(proofs) == 0:
		return s, misusef("`ipvm key show` prints one's DID", "expected a DID, or --proof FILE")
	default:
		if s.Proofs, err = readProofs(cmd, proofs); err != nil {
			return s, err
		}
		last := leaves(s.Proofs)
		if len(last) != 1 {
			return s, misusef("add one at a time, with what it rests on", "%d delegations that no other rests on, not one", len(last))
		}
		s.DID = last[0].Delegation().Audience
	}
	if err := s.Check(); err != nil {
		return s, misusef("a DID is what `ipvm key show` prints: did:key:z…", "%v", err)
	}
	return s, nil
}

func (a *app) trust(cmd *cobra.Command, args []string, name string, proofs []string) (err error) {
	s, err := newSigner(cmd, args, name, proofs)
	if err != nil {
		return err
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
	err = node.Backend().Trust(cmd.Context(), s)
	if errors.Is(err, ipvm.ErrDenied) {
		return misusef("`ipvm inspect FILE` shows what it says; `--trust-depth` is how many delegations may lead to a signer", "the proof does not hold here: %v", err)
	}
	return err
}

// signerJSON is what `ipvm trust ls --json` prints.
type signerJSON struct {
	Schema int    `json:"schema"`
	DID    string `json:"did"`
	Name   string `json:"name,omitempty"`
	// Grants are the delegations by which it counts, the root first.
	Grants  []delegationJSON `json:"grants,omitempty"`
	Refused string           `json:"refused,omitempty"`
}

func newSignerJSON(s ipvm.Signer) signerJSON {
	out := signerJSON{Schema: jsonSchema, DID: string(s.DID), Name: s.Name, Refused: s.Refused}
	for _, d := range s.Proofs {
		out.Grants = append(out.Grants, newDelegationJSON(d))
	}
	return out
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
			err = json.NewEncoder(cmd.OutOrStdout()).Encode(newSignerJSON(s))
		} else {
			_, err = fmt.Fprintln(cmd.OutOrStdout(), signerText(s))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// signerText is a line for s, and one for each bound of what counts.
func signerText(s ipvm.Signer) string {
	text := string(s.DID)
	if s.Name != "" {
		text += "  " + printable(s.Name)
	}
	for i, p := range s.Proofs {
		d := p.Delegation()
		by := "as far as " + p.Link().Base58() + " goes"
		if i < len(s.Proofs)-1 {
			by = "and " + p.Link().Base58() + ", for " + string(d.Audience)
		}
		text += "\n  " + by + ": " + strings.Join(append([]string{timesText(d, time.Now())}, policyWords(d.Command, d.Policy)...), "; ")
	}
	if s.Refused != "" {
		text += "\n  does not count now: " + printable(s.Refused)
	}
	return text
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
