package ucan

import (
	"errors"
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Moment is what changes between two judgements of the same chain.
type Moment struct {
	// Now is the time; only whole seconds count. It must be set.
	Now time.Time
	// Skew is how far the clocks of issuers may be off: all time bounds are
	// taken wider by it. 0 is exact.
	Skew time.Duration
	// Revoked tells whether a delegation was revoked by one of the principals,
	// who are the issuers of its chain, as [Revocations.Revoked] does. Nil
	// means that nothing is revoked.
	Revoked func(d *SignedDelegation, by []did.DID) bool
}

// Facts is what an invocation is judged by.
type Facts struct {
	Moment
	// Executor is who is about to perform it: this node. It must be set.
	Executor did.DID
	// Proofs finds a delegation. What it returns is checked against the link.
	// Nil means that there are none.
	Proofs func(ipld.Link) (*SignedDelegation, error)
	// Cache holds delegations that were found right before, or is nil. It is
	// asked before Proofs, and keeps the chain of what is authorised.
	Cache *Cache
}

// Authorisation is an invocation whose issuer was found to have the authority
// for it. It does not change; time, revocations and arguments do, and for them
// there is [Authorisation.Recheck].
type Authorisation struct {
	inv   *SignedInvocation
	chain []*SignedDelegation
}

// Authorize judges whether inv is a wish that f.Executor may perform: it is for
// this executor and not expired, its proofs lead from the subject to its issuer
// (UCAN Invocation 1.0, "Proof Chains"; UCAN Delegation 1.0, "Token
// Validation"), all are in force, rightly signed and not revoked, the command
// is within each, and the arguments fulfil each policy. It depends on nothing
// but inv and f. Whether inv was performed before is not its concern: see
// [Replay].
//
// A refusal is a [*Denied].
func Authorize(inv *SignedInvocation, f Facts) (*Authorisation, error) {
	if f.Executor == "" || f.Now.IsZero() {
		return nil, errors.New("authorize: no executor or no time to judge by")
	}
	a := &Authorisation{inv: inv}
	executor := inv.inv.Audience
	if executor == "" {
		executor = inv.inv.Subject
	}
	if executor != f.Executor {
		return nil, a.denied(InvalidAudience, -1, "performance by "+string(f.Executor), "performance by "+string(executor))
	}
	if err := a.judge(f, inv.inv.Expires); err != nil {
		return nil, err
	}
	return a, nil
}

// judge finds the chain and makes all checks of it. The invocation expires as
// said.
func (a *Authorisation) judge(f Facts, expires *int64) error {
	checks := [...]func() error{
		a.invoked,
		func() error { return a.find(f) },
		a.aligned,
		func() error { return a.inForce(f.Moment) },
		func() error { return a.notExpired(-1, expires, f.Moment) },
		func() error { return a.notRevoked(f.Moment) },
		a.signed,
		func() error { return a.allowed(a.inv.inv.Args) },
	}
	for _, check := range checks {
		if err := check(); err != nil {
			return err
		}
	}
	f.Cache.keep(a.chain)
	return nil
}

// Recheck judges again, later: whether every proof is in force and not revoked,
// and whether args, which may be the invocation's arguments with promises
// resolved, fulfil each policy. Signatures are not verified anew, and the
// invocation's own expiry counts only when it is accepted. A refusal is a
// [*Denied].
func (a *Authorisation) Recheck(m Moment, args ipld.Value) error {
	if m.Now.IsZero() {
		return errors.New("recheck: no time to judge by")
	}
	if err := a.inForce(m); err != nil {
		return err
	}
	if err := a.notRevoked(m); err != nil {
		return err
	}
	return a.allowed(args)
}

// Invocation is what was authorised.
func (a *Authorisation) Invocation() *SignedInvocation { return a.inv }

// Chain is the proofs, the root first. The caller must not change it.
func (a *Authorisation) Chain() []*SignedDelegation { return a.chain }

func (a *Authorisation) denied(r Reason, proof int, asked, granted string) *Denied {
	d := &Denied{Reason: r, Proof: proof, Proofs: len(a.inv.inv.Proofs), Asked: asked, Granted: granted}
	if proof < 0 {
		d.Link = a.inv.Link()
	} else {
		d.Link = a.inv.inv.Proofs[proof]
	}
	return d
}

// find collects the chain.
func (a *Authorisation) find(f Facts) error {
	a.chain = make([]*SignedDelegation, len(a.inv.inv.Proofs))
	for i, link := range a.inv.inv.Proofs {
		d, err := f.find(link)
		if err == nil && d.link != link {
			err = fmt.Errorf("%s was found instead", d.link)
		}
		if err != nil {
			denied := a.denied(UnavailableProof, i, "a delegation", "none at hand")
			denied.Cause = err
			return denied
		}
		a.chain[i] = d
	}
	return nil
}

func (f *Facts) find(link ipld.Link) (*SignedDelegation, error) {
	if d, ok := f.Cache.get(link); ok {
		return d, nil
	}
	if f.Proofs == nil {
		return nil, errors.New("no source of proofs")
	}
	d, err := f.Proofs(link)
	if err == nil && d == nil {
		err = errors.New("nothing found")
	}
	return d, err
}

// aligned checks that the proofs lead from the subject to the issuer of the
// invocation, and that none is for less than what the next one, or the
// invocation, asks for. A powerline may be for more: it passes on what there is.
// Audiences of invocations play no part.
func (a *Authorisation) aligned() error {
	inv := &a.inv.inv
	holder, command, by := inv.Subject, "/", -1 // the command is granted by that proof
	for i, d := range a.chain {
		dlg := &d.dlg
		switch {
		case i == 0 && dlg.Powerline:
			return a.denied(InvalidClaim, i, "authority over "+string(inv.Subject), subjectText(dlg))
		case !dlg.Powerline && dlg.Subject != inv.Subject:
			return a.denied(InvalidSubject, i, "authority over "+string(inv.Subject), subjectText(dlg))
		case dlg.Issuer != holder && i == 0:
			return a.denied(InvalidAudience, i, "authority of "+string(holder), "authority of its issuer "+string(dlg.Issuer))
		case dlg.Issuer != holder:
			return a.denied(InvalidAudience, i-1, useText(dlg.Issuer), useText(holder))
		case covers(command, dlg.Command):
			command, by = dlg.Command, i
		case !dlg.Powerline || !covers(dlg.Command, command):
			return a.denied(InvalidCommand, by, dlg.Command, command)
		}
		holder = dlg.Audience
	}
	switch last := len(a.chain) - 1; {
	case inv.Issuer != holder && last < 0:
		return a.denied(InvalidClaim, -1, useText(inv.Issuer), "nothing: there is no proof, and the subject is "+string(inv.Subject))
	case inv.Issuer != holder:
		return a.denied(InvalidAudience, last, useText(inv.Issuer), useText(holder))
	case !covers(command, inv.Command):
		return a.denied(InvalidCommand, by, inv.Command, command)
	}
	return nil
}

// inForce checks the time bounds of the proofs.
func (a *Authorisation) inForce(m Moment) error {
	now := m.Now.Unix()
	for i, d := range a.chain {
		if t := d.dlg.NotBefore; t != nil && now+m.skew() < *t {
			return a.denied(TooEarly, i, "use at "+clock(now), "use from "+clock(*t)+" on")
		}
		if err := a.notExpired(i, d.dlg.Expires, m); err != nil {
			return err
		}
	}
	return nil
}

// notExpired checks against t, which is the last second that counts.
func (a *Authorisation) notExpired(proof int, t *int64, m Moment) error {
	if now := m.Now.Unix(); t != nil && now-m.skew() > *t {
		return a.denied(Expired, proof, "use at "+clock(now), "use until "+clock(*t))
	}
	return nil
}

func (m Moment) skew() int64 { return int64(max(m.Skew, 0) / time.Second) }

func (a *Authorisation) notRevoked(m Moment) error {
	if m.Revoked == nil || len(a.chain) == 0 {
		return nil
	}
	issuers := make([]did.DID, len(a.chain))
	for i, d := range a.chain {
		issuers[i] = d.dlg.Issuer
	}
	for i, d := range a.chain {
		if m.Revoked(d, issuers) {
			return a.denied(Revoked, i, useText(a.inv.inv.Issuer), "nothing any more")
		}
	}
	return nil
}

// invoked checks the signature of the invocation.
func (a *Authorisation) invoked() error {
	if err := a.inv.Verify(); err != nil {
		return a.forged(-1, a.inv.inv.Issuer, err)
	}
	return nil
}

// signed checks the signatures of the proofs.
func (a *Authorisation) signed() error {
	for i, d := range a.chain {
		if err := d.Verify(); err != nil {
			return a.forged(i, d.dlg.Issuer, err)
		}
	}
	return nil
}

func (a *Authorisation) forged(proof int, issuer did.DID, err error) error {
	d := a.denied(InvalidSignature, proof, "the signature of "+string(issuer), "another one")
	d.Cause = err
	return d
}

// allowed checks the arguments against all policies together, so that a long
// chain is no way to more work.
func (a *Authorisation) allowed(args ipld.Value) error {
	return a.allowedWithin(args, &work{left: MaxPolicyWork})
}

func (a *Authorisation) allowedWithin(args ipld.Value, w *work) error {
	for i, d := range a.chain {
		if err := d.dlg.Policy.match(args, w); err != nil {
			denied := a.denied(MatchError, i, short(args), short(d.dlg.Policy.Value()))
			denied.Cause = err
			return denied
		}
	}
	return nil
}
