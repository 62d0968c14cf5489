package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// inspected is a token, either a delegation or an invocation, and what was found
// out about it.
type inspected struct {
	kind    string
	dlg     *ucan.SignedDelegation
	inv     *ucan.SignedInvocation
	denial  *authority.Denial
	receipt *receipt.Signed // what the invocation says, if it is one

	chain     []proof // the root first, without the token itself
	signature error   // why it does not hold
	judged    bool    // there is a verdict
	refusal   error   // why it would be refused
}

// proof is a delegation that a token rests on.
type proof struct {
	link ipld.Link
	dlg  *ucan.SignedDelegation // nil if it is not at hand
}

func newInspectedInvocation(inv *ucan.SignedInvocation) *inspected {
	t := &inspected{kind: kindInvocation, inv: inv}
	if inv.Invocation().Command == authority.DenyCommand {
		d, err := authority.ReadDenial(inv)
		if err != nil {
			t.judged, t.refusal = true, err
			return t
		}
		t.kind, t.denial = kindDenial, &d
		return t
	}
	if inv.Invocation().Command != receipt.Command {
		return t
	}
	r, err := receipt.Parse(inv.Bytes())
	if err != nil {
		t.judged, t.refusal = true, err
		return t
	}
	t.kind, t.receipt = kindReceipt, r
	return t
}

// judge finds out about each token, and puts those that others rest on first.
func (v *inspection) judge() {
	c := v.container()
	m := ucan.Moment{Now: v.now, Revoked: v.revoked.Revoked}
	for _, t := range v.tokens {
		if t.dlg != nil {
			t.judgeDelegation(c.Delegations, m)
		} else {
			t.judgeInvocation(c, m, v.executor)
			v.judgeSigned(t)
		}
	}
	slices.SortStableFunc(v.tokens, func(a, b *inspected) int { return len(a.chain) - len(b.chain) })
}

// judgeDelegation asks whether the delegation can be used, with those that it
// rests on. A powerline can only be judged within the chain of another token.
func (t *inspected) judgeDelegation(all []*ucan.SignedDelegation, m ucan.Moment) {
	t.signature = t.dlg.Verify()
	if t.dlg.Delegation().Powerline {
		return
	}
	t.judged = true
	chain, err := chainOf(t.dlg, all, m)
	t.refusal = err
	for _, d := range chain[:len(chain)-1] {
		t.chain = append(t.chain, proof{d.Link(), d})
	}
}

// chainOf is the chain of delegations, the root first, that ends in leaf, and
// why it is refused.
func chainOf(leaf *ucan.SignedDelegation, all []*ucan.SignedDelegation, m ucan.Moment) ([]*ucan.SignedDelegation, error) {
	d := leaf.Delegation()
	others := slices.DeleteFunc(slices.Clone(all), func(o *ucan.SignedDelegation) bool { return o == leaf })
	chain, err := ucan.Prove(ucan.Wish{Subject: d.Subject, Holder: d.Issuer, Command: d.Command}, others, m)
	if err == nil {
		chain = append(slices.Clone(chain), leaf)
		return chain, ucan.CheckChain(chain, m)
	}
	if chain = lineage(leaf, others); chain != nil {
		if why := ucan.CheckChain(chain, m); why != nil {
			return chain, why
		}
	}
	return []*ucan.SignedDelegation{leaf}, err
}

// lineage is a chain to leaf by who gave to whom, whether or not it was granted,
// or nil if it does not reach the subject.
func lineage(leaf *ucan.SignedDelegation, others []*ucan.SignedDelegation) []*ucan.SignedDelegation {
	subject := leaf.Delegation().Subject
	chain := []*ucan.SignedDelegation{leaf}
	for holder := leaf.Delegation().Issuer; holder != subject; {
		i := slices.IndexFunc(others, func(o *ucan.SignedDelegation) bool {
			d := o.Delegation()
			return d.Audience == holder && (d.Powerline || d.Subject == subject)
		})
		if i < 0 || len(chain) == ucan.MaxProofs {
			return nil
		}
		chain = append(chain, others[i])
		holder = others[i].Delegation().Issuer
	}
	slices.Reverse(chain)
	return chain
}

// judgeInvocation asks whether the executor would perform the invocation. A
// receipt is a statement, and a revocation is for everybody.
func (t *inspected) judgeInvocation(c *ucan.Container, m ucan.Moment, executor did.DID) {
	t.signature = t.inv.Verify()
	inv := t.inv.Invocation()
	for _, link := range inv.Proofs {
		d, _ := c.Proof(link) // nil when it is not there
		t.chain = append(t.chain, proof{link, d})
	}
	f := ucan.Facts{Moment: m, Executor: executor, Proofs: c.Proof}
	switch {
	case inv.Command == receipt.Command, inv.Command == authority.DenyCommand:
		return
	case inv.Command == ucan.RevokeCommand:
		_, t.refusal = ucan.ReadRevocation(t.inv, f)
	default:
		if f.Executor == "" {
			f.Executor = performer(inv)
		}
		_, t.refusal = ucan.Authorize(t.inv, f)
	}
	t.judged = true
}

// judgeSigned asks whether the invocation that a workflow is signed with is about
// this workflow.
func (v *inspection) judgeSigned(t *inspected) {
	if v.workflow == nil || t.refusal != nil {
		return
	}
	about, _ := t.inv.Invocation().Args.Lookup("workflow")
	link, ok := about.AsLink()
	switch {
	case t.inv.Invocation().Command != grant.RunCommand || !ok:
		t.refusal = fmt.Errorf("it does not ask to run a workflow: it is of %.100q", t.inv.Invocation().Command)
	case v.graph == nil || v.graph.Link() != link:
		t.refusal = fmt.Errorf("it is about another workflow: this one was changed after %s was signed", link)
		if v.graph != nil {
			if parts := authority.Changed(t.inv.Invocation().Meta, v.graph); parts != "" {
				t.refusal = fmt.Errorf("%w: %s", t.refusal, parts)
			}
		}
	}
	t.judged = true
}

// performer is who is to perform an invocation.
func performer(inv ucan.Invocation) did.DID {
	if inv.Audience != "" {
		return inv.Audience
	}
	return inv.Subject
}

// refusalText says which link of the chain refuses, what was asked of it and
// what it grants.
func (t *inspected) refusalText() string {
	var d *ucan.Denied
	if !errors.As(t.refusal, &d) {
		return printable(t.refusal.Error())
	}
	text := string(d.Reason)
	if where := t.where(d); where != "" {
		text += ": " + where
	}
	text += ": asked: " + printable(d.Asked) + "; granted: " + printable(d.Granted)
	if words := t.unfulfilled(d); words != "" {
		return text + ": not fulfilled: " + words
	}
	if d.Cause != nil {
		text += ": " + printable(d.Cause.Error())
	}
	return text
}

// where names the link of the chain, of which a delegation is itself the last.
func (t *inspected) where(d *ucan.Denied) string {
	switch {
	case !d.Link.Defined():
		return ""
	case t.inv != nil && d.Link == t.inv.Link():
		return "the invocation"
	case t.dlg != nil && d.Link == t.dlg.Link():
		return "this delegation"
	}
	for i, p := range t.chain {
		if p.link == d.Link {
			return fmt.Sprintf("proof %d of %d, %s", i+1, len(t.chain), d.Link.Base58())
		}
	}
	return d.Link.Base58()
}

// unfulfilled is the statement of the policy, in words, that refused.
func (t *inspected) unfulfilled(d *ucan.Denied) string {
	if d.Reason != ucan.MatchError || t.inv == nil || d.Proof < 0 || d.Proof >= len(t.chain) || t.chain[d.Proof].dlg == nil {
		return ""
	}
	granted := t.chain[d.Proof].dlg.Delegation()
	for i, s := range granted.Policy.Value().Elems() {
		one, err := ucan.ParsePolicy(ipld.List(s))
		if err == nil && one.Match(t.inv.Invocation().Args) != nil {
			return policyWords(granted.Command, granted.Policy)[i]
		}
	}
	return ""
}
