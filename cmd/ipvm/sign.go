package main

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// signer is who asks for a workflow to be run, and by what authority.
type signer struct {
	key     string // file; empty is the node's own
	proofs  []string
	expires string
}

func (s *signer) flags(cmd *cobra.Command, key, usage string) {
	f := cmd.Flags()
	f.StringVar(&s.key, key, "", usage)
	f.StringArrayVar(&s.proofs, "proof", nil, "delegations that let the key do so, a `FILE` of `ipvm delegate`; may be given several times")
}

// readKey is the key of a name or in a file, or the node's own.
func (a *app) readKey(cmd *cobra.Command, name string) (did.PrivateKey, error) {
	if name == a.as && !a.key.IsZero() {
		return a.key, nil
	}
	file := a.keyFile(name)
	key, err := openKey(cmd, file)
	if errors.Is(err, fs.ErrNotExist) {
		return key, misusef("`ipvm key ls` lists the keys with names; `ipvm key new "+name+"` makes one", "%v", err)
	}
	return key, err
}

// maxExpires is how long a request can be kept.
const maxExpires = 24 * time.Hour

// sign asks node, which may be another one, to run w.
func (a *app) sign(cmd *cobra.Command, w *ipvm.Workflow, node did.DID, s signer) ([]byte, error) {
	key, err := a.readKey(cmd, s.key)
	if err != nil {
		return nil, err
	}
	proofs, err := readProofs(cmd, s.proofs)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	r := authority.Request{Node: node, Proofs: proofs, Policy: a.config.options().Policy}
	if s.expires != "" {
		d, err := parseTime(s.expires)
		if err == nil && d > maxExpires {
			err = fmt.Errorf("%v is more than nodes take, at most %v", d, maxExpires)
		}
		if err != nil {
			return nil, misusef("write --expires 10m", "--expires: %v", err)
		}
		r.Expires = now.Add(d)
	}
	signed, err := r.Sign(key, w, now)
	return signed, refusal(err)
}

// refusal is err with what to do about it, where authority is missing.
func refusal(err error) error {
	var denied *ucan.Denied
	switch {
	case errors.Is(err, engine.ErrPriority):
		return misusef("leave out --priority high", "%v", err)
	case errors.Is(err, ipvm.ErrDenied):
		return misusef("`ipvm inspect` explains tokens; sign again, with delegations of whoever owns the node that cover it", "%v", err)
	case errors.As(err, &denied):
		return misusef("ask whoever owns the node for a delegation, and give it with --proof", "%v: %v", ipvm.ErrDenied, denied)
	}
	return err
}

func newSign(a *app) *cobra.Command {
	var s signer
	var node, out string
	cmd := &cobra.Command{
		Use:   "sign FILE",
		Short: "Sign a workflow, so that another node runs it for you",
		Long: `Ask a node to run the workflow in FILE: write it in its normal form, with a
signature that says who asks, what the workflow may use at most, and by what
authority. The node runs it with ` + "`ipvm run`" + `, once, if it grants that much.`,
		Example: "  ipvm sign --as friend.pem --proof grant.ucan --for did:key:z6Mk… -o signed.json workflow.yaml",
		Args:    wants(1, 1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.signFile(cmd, args[0], node, out, s)
		},
	}
	a.documentFlags(cmd)
	s.flags(cmd, "as", "key to sign with: its `NAME` or file (default the node's)")
	f := cmd.Flags()
	f.StringVar(&node, "for", "", "`DID` of the node that is to run it (default this one)")
	f.StringVar(&s.expires, "expires", "", "how long the node may take to begin, at most 24h (default "+ucan.DefaultCall.String()+")")
	f.StringVarP(&out, "output", "o", "", "write to `FILE`")
	return cmd
}

func (a *app) signFile(cmd *cobra.Command, file, node, out string, s signer) (err error) {
	a.as = s.key
	n, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, n, err) }()
	w, err := load(cmd, n, file)
	if err != nil {
		return err
	}
	warn(cmd.ErrOrStderr(), w)
	to, err := n.DID(cmd.Context())
	if err != nil {
		return err
	}
	if node != "" {
		if to, err = did.Parse(node); err != nil {
			return misusef("the DID of a node is what `ipvm key show` prints there", "--for: %v", err)
		}
	}
	signed, err := a.sign(cmd, w, to, s)
	if err != nil {
		return err
	}
	data, err := authority.Document(w, signed)
	if err != nil {
		return err
	}
	if out != "" {
		return writeAtomically(out, data, 0o644)
	}
	_, err = cmd.OutOrStdout().Write(data)
	return err
}

func newRevoke(a *app) *cobra.Command {
	var key, out string
	cmd := &cobra.Command{
		Use:   "revoke FILE|CID",
		Short: "Take back a delegation, for good",
		Long: `Take back the delegation with a CID, or the last one of a FILE that
` + "`ipvm delegate`" + ` has written. This node holds to it from now on, also for what runs.
With -o the revocation is written to a file as well, for other nodes, which take
it in with ` + "`ipvm revoke --given FILE`" + `.`,
		Args: wants(1, 1),
	}
	given := cmd.Flags().Bool("given", false, "FILE is a revocation that somebody made")
	cmd.Flags().StringVar(&key, "as", "", "key that issued the delegation or one that it rests on: its `NAME` or file (default the node's)")
	cmd.Flags().StringVarP(&out, "output", "o", "", "write the revocation to `FILE`, too")
	cmd.RunE = func(cmd *cobra.Command, args []string) error { return a.revoke(cmd, args[0], key, out, *given) }
	return cmd
}

func (a *app) revoke(cmd *cobra.Command, what, keyFile, out string, given bool) (err error) {
	node, err := a.open(cmd)
	if err != nil {
		return err
	}
	defer func() { err = closing(cmd, node, err) }()
	var container []byte
	if given {
		container, err = readBounded(cmd, what)
	} else {
		container, err = a.revocation(cmd, node, what, keyFile)
	}
	if err != nil {
		return err
	}
	link, err := node.Backend().Revoke(cmd.Context(), container)
	if err != nil {
		return refusal(err)
	}
	if out != "" {
		if err := writeAtomically(out, container, 0o644); err != nil {
			return err
		}
	}
	fmt.Fprintf(cmd.OutOrStdout(), "revoked %s\n", link)
	return nil
}

// revocation takes back the delegation that is named.
func (a *app) revocation(cmd *cobra.Command, node *ipvm.Node, what, keyFile string) ([]byte, error) {
	var issuers []did.DID
	link, err := ipld.ParseLink(what)
	if err != nil {
		if link, issuers, err = lastDelegation(cmd, what); err != nil {
			return nil, err
		}
	}
	if _, err := node.DID(cmd.Context()); err != nil { // whose key there is by now
		return nil, err
	}
	key, err := a.readKey(cmd, keyFile)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(issuers, key.DID()) {
		fmt.Fprintf(cmd.ErrOrStderr(), "ipvm: nothing here shows that %s issued this delegation or one that it rests on; where it did not, the revocation is kept and takes nothing back\n  hint: give the FILE that `ipvm delegate` has written, and with --as the key that issued it\n", key.DID())
	}
	return authority.SignRevocation(key, link, time.Now())
}

// lastDelegation is the delegation in file that no other one there rests on, and
// who issued those that are there.
func lastDelegation(cmd *cobra.Command, file string) (link ipld.Link, issuers []did.DID, err error) {
	all, err := readProofs(cmd, []string{file})
	if err != nil {
		return link, nil, err
	}
	for _, d := range all {
		issuers = append(issuers, d.Delegation().Issuer)
	}
	last := leaves(all)
	if len(last) != 1 {
		return link, nil, misusef("name the CID that `ipvm inspect` shows", "%s holds %d delegations that no other rests on, not one", file, len(last))
	}
	return last[0].Link(), issuers, nil
}

// leaves are the delegations that no other of all rests on.
func leaves(all []*ucan.SignedDelegation) []*ucan.SignedDelegation {
	issued := make(map[did.DID]bool)
	for _, d := range all {
		issued[d.Delegation().Issuer] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(d *ucan.SignedDelegation) bool { return issued[d.Delegation().Audience] })
}
