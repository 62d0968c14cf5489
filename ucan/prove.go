package ucan

import (
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Wish is a use of somebody's authority.
type Wish struct {
	// Subject is whose authority is used.
	Subject did.DID
	// Holder is who uses it.
	Holder did.DID
	// Command is what for.
	Command string
	// Args is a map; null leaves policies aside, as for arguments that still
	// hold promises.
	Args ipld.Value
}

// Prove finds among delegations the shortest chain of proofs, the root first,
// that lets the holder have its wish at this moment. The chain is judged as
// [Authorize] judges that of an invocation: signatures, times, revocations and,
// if there are arguments, policies. The subject itself needs no proof.
//
// A delegation that a chain fails by is left out, and the next best is looked
// for; so forged ones in between do no harm. If there is none, the error is the
// [*Denied] of the best chain, or one with [InvalidClaim].
func Prove(w Wish, delegations []*SignedDelegation, m Moment) ([]*SignedDelegation, error) {
	if m.Now.IsZero() {
		return nil, errors.New("prove: no time to judge by")
	}
	if w.Holder == w.Subject {
		return nil, nil
	}
	budget := &work{left: MaxPolicyWork}
	without := make(map[*SignedDelegation]bool)
	var best error
	for {
		a := &Authorisation{inv: &SignedInvocation{inv: Invocation{Issuer: w.Holder, Subject: w.Subject, Command: w.Command, Args: w.Args}}}
		if a.chain = w.chain(delegations, without); a.chain == nil {
			if best == nil {
				best = &Denied{Reason: InvalidClaim, Proof: -1, Asked: useText(w.Holder) + " of the authority of " + string(w.Subject) + " for " + w.Command, Granted: "nothing: no chain of proofs leads there"}
			}
			return nil, best
		}
		for _, d := range a.chain {
			a.inv.inv.Proofs = append(a.inv.inv.Proofs, d.link)
		}
		err := a.proves(m, budget)
		if err == nil {
			return a.chain, nil
		}
		if best == nil {
			best = err
		}
		var denied *Denied
		if !errors.As(err, &denied) || denied.Proof < 0 {
			return nil, best
		}
		without[a.chain[denied.Proof]] = true
	}
}

// CheckChain judges chain, the root first, as all the proofs that whoever the
// last was given to would use for what it lets them do: as [Authorize] judges
// those of an invocation, but for its arguments. A refusal is a [*Denied].
func CheckChain(chain []*SignedDelegation, m Moment) error {
	switch {
	case m.Now.IsZero():
		return errors.New("check chain: no time to judge by")
	case len(chain) == 0 || len(chain) > MaxProofs:
		return fmt.Errorf("check chain: %d delegations, want 1 to %d", len(chain), MaxProofs)
	}
	use := Invocation{Issuer: chain[len(chain)-1].dlg.Audience, Subject: chain[0].dlg.Subject, Command: "/"}
	for _, d := range chain {
		use.Proofs = append(use.Proofs, d.link)
		if covers(use.Command, d.dlg.Command) {
			use.Command = d.dlg.Command
		}
	}
	a := &Authorisation{inv: &SignedInvocation{inv: use}, chain: chain}
	if err := a.aligned(); err != nil {
		return err
	}
	return a.proves(m, nil)
}

// proves judges a chain that is aligned. Without arguments there is no work.
func (a *Authorisation) proves(m Moment, w *work) error {
	for _, check := range [...]func() error{
		func() error { return a.inForce(m) },
		func() error { return a.notRevoked(m) },
		a.signed,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	if a.inv.inv.Args.IsNull() {
		return nil
	}
	return a.allowedWithin(a.inv.inv.Args, w)
}

// chain is the shortest aligned chain, or nil. It goes from the holder back to
// the subject, breadth first. What can come before a delegation depends on its
// issuer and the command that is needed, so each such pair is looked at once.
func (w *Wish) chain(delegations []*SignedDelegation, without map[*SignedDelegation]bool) []*SignedDelegation {
	type use struct {
		d    *SignedDelegation
		need string // command that those before must cover
	}
	type step struct {
		use
		after *step
		depth int
	}
	to := make(map[did.DID][]*SignedDelegation)
	for _, d := range delegations {
		if !without[d] && (d.dlg.Powerline || d.dlg.Subject == w.Subject) {
			to[d.dlg.Audience] = append(to[d.dlg.Audience], d)
		}
	}
	seen := make(map[use]bool)
	var queue []*step
	extend := func(holder did.DID, need string, after *step, depth int) {
		for _, d := range to[holder] {
			if !covers(d.dlg.Command, need) {
				continue
			}
			next := use{d, need}
			if !d.dlg.Powerline {
				next.need = d.dlg.Command
			}
			if !seen[next] {
				seen[next] = true
				queue = append(queue, &step{next, after, depth})
			}
		}
	}
	extend(w.Holder, w.Command, nil, 1)
	for ; len(queue) > 0; queue = queue[1:] {
		s := queue[0]
		if s.d.dlg.Issuer == w.Subject && !s.d.dlg.Powerline {
			var chain []*SignedDelegation
			for ; s != nil; s = s.after {
				chain = append(chain, s.d)
			}
			return chain
		}
		if s.depth < MaxProofs {
			extend(s.d.dlg.Issuer, s.need, s, s.depth+1)
		}
	}
	return nil
}
