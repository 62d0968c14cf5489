package ucan

import (
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// RevokeCommand is the command of invocations that take a delegation back.
const RevokeCommand = "/ucan/revoke"

// ErrFull reports a set that has no room for more.
var ErrFull = errors.New("no room for more")

// Revocation is what an invocation of [RevokeCommand] says (UCAN Revocation,
// "Invoking Revocation").
type Revocation struct {
	// Delegation is taken back.
	Delegation ipld.Link
	// By are the principals in whose name: the issuer, and the subject if the
	// issuer acts for another.
	By []did.DID
	// Path leads to the delegation from one that a revoker issued, or is empty.
	Path []ipld.Link
}

// ReadRevocation judges whether inv is a revocation: its arguments are
// {revoke: link, path?: [link…]}, it is rightly signed, and by its subject or by
// one whose proofs let it revoke in the subject's name. Whether the revokers
// have anything to do with the delegation shows when a chain is judged, so a
// revocation may come before what it revokes. For whom it is meant and whether
// it has expired do not matter: revoking is not undone.
//
// The error wraps [ErrMalformed] or is a [*Denied].
func ReadRevocation(inv *SignedInvocation, f Facts) (Revocation, error) {
	r, err := parseRevocation(&inv.inv)
	if err != nil {
		return Revocation{}, fmt.Errorf("revocation: %w: %w", ErrMalformed, err)
	}
	if f.Now.IsZero() {
		return Revocation{}, errors.New("revocation: no time to judge by")
	}
	a := &Authorisation{inv: inv}
	if err := a.judge(f, nil); err != nil {
		return Revocation{}, err
	}
	r.By = []did.DID{inv.inv.Issuer}
	if inv.inv.Subject != inv.inv.Issuer {
		r.By = append(r.By, inv.inv.Subject)
	}
	return r, nil
}

func parseRevocation(inv *Invocation) (r Revocation, err error) {
	if inv.Command != RevokeCommand {
		return r, fmt.Errorf("the command is %.100q, not %s", inv.Command, RevokeCommand)
	}
	for _, e := range inv.Args.Entries() {
		var ok bool
		switch e.Key {
		case "revoke":
			r.Delegation, ok = e.Value.AsLink()
		case "path":
			r.Path, ok = links(e.Value)
			ok = ok && len(r.Path) <= MaxProofs
		}
		if !ok {
			return r, fmt.Errorf("args: %.100q is not a link under revoke, or at most %d links under path", e.Key, MaxProofs)
		}
	}
	if !r.Delegation.Defined() {
		return r, errors.New("args: no link under revoke")
	}
	return r, nil
}

// Witnessed tells whether r.Path shows that the revokers have to do with the
// delegation: each delegation of the path was given to the issuer of the next,
// all are about one subject and rightly signed, the revoked one is among them
// and a revoker issued one of them. Who keeps revocations of strangers can ask
// for this first, so as not to be filled with idle ones.
func (r Revocation) Witnessed(find func(ipld.Link) (*SignedDelegation, error)) error {
	if !slices.Contains(r.Path, r.Delegation) {
		return errors.New("revocation: the path does not hold the revoked delegation")
	}
	var holder, subject did.DID
	revoker := false
	for i, link := range r.Path {
		d, err := find(link)
		switch {
		case err != nil:
			return fmt.Errorf("revocation: path[%d]: %w", i, err)
		case d == nil || d.link != link:
			return fmt.Errorf("revocation: path[%d]: %s is not at hand", i, link)
		case i > 0 && d.dlg.Issuer != holder:
			return fmt.Errorf("revocation: path[%d] was issued by %s, and the one before was given to %s", i, d.dlg.Issuer, holder)
		case subject != "" && !d.dlg.Powerline && d.dlg.Subject != subject:
			return fmt.Errorf("revocation: path[%d] is about %s, one before about %s", i, d.dlg.Subject, subject)
		}
		if err := d.Verify(); err != nil {
			return fmt.Errorf("revocation: path[%d]: %w", i, err)
		}
		holder = d.dlg.Audience
		if !d.dlg.Powerline {
			subject = d.dlg.Subject
		}
		revoker = revoker || slices.Contains(r.By, d.dlg.Issuer)
	}
	if !revoker {
		return errors.New("revocation: no delegation of the path was issued by a revoker")
	}
	return nil
}

// Revocations is a set of revocations that only grows. The zero value is empty
// and ready. Its methods may be called by many goroutines.
type Revocations struct {
	// Limit is how many it holds at most; 0 means 65,536.
	Limit int

	mu     sync.RWMutex
	n      int
	byLink map[ipld.Link][]did.DID
	// byHash has what is revoked by SigHash, once the delegation was seen: a
	// token with another signature says the same and is revoked as well.
	byHash map[[32]byte][]did.DID
}

const defaultRevocations = 1 << 16

// Add adds r, which ReadRevocation returned. When there is no room the error is
// [ErrFull]: nothing is ever dropped for it.
func (s *Revocations) Add(r Revocation) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	limit := s.Limit
	if limit <= 0 {
		limit = defaultRevocations
	}
	for _, by := range r.By {
		if slices.Contains(s.byLink[r.Delegation], by) {
			continue
		}
		if s.n >= limit {
			return fmt.Errorf("%d revocations: %w", s.n, ErrFull)
		}
		if s.byLink == nil {
			s.byLink, s.byHash = make(map[ipld.Link][]did.DID), make(map[[32]byte][]did.DID)
		}
		s.n++
		s.byLink[r.Delegation] = append(s.byLink[r.Delegation], by)
	}
	return nil
}

// Revoked tells whether one of the principals, who are the issuers of a chain
// with d in it, revoked d, also under another signature of the same. It is made
// for [Moment.Revoked].
func (s *Revocations) Revoked(d *SignedDelegation, by []did.DID) bool {
	s.mu.RLock()
	revokers := slices.Concat(s.byLink[d.link], s.byHash[d.sigHash])
	if d.twin.Defined() {
		revokers = append(revokers, s.byLink[d.twin]...)
	}
	known := len(s.byHash[d.sigHash])
	s.mu.RUnlock()
	if len(revokers) > known {
		s.learn(d)
	}
	return slices.ContainsFunc(revokers, func(r did.DID) bool { return slices.Contains(by, r) })
}

// learn notes the SigHash of a revoked delegation.
func (s *Revocations) learn(d *SignedDelegation) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, link := range [...]ipld.Link{d.link, d.twin} {
		for _, by := range s.byLink[link] {
			if !slices.Contains(s.byHash[d.sigHash], by) {
				s.byHash[d.sigHash] = append(s.byHash[d.sigHash], by)
			}
		}
	}
}
