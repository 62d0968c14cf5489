package ipvm

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Signer is one whose receipts count on a node; see [rpc.Signer].
type Signer = rpc.Signer

// Word is what the word of a signer is worth; see [rpc.Word].
type Word = rpc.Word

// Kinds of the notes that say whose receipts count.
const (
	trustNote = "trust"       // DID → a name for people: all of its receipts
	grantNote = "trust-grant" // CID of the last delegation → {name, proofs}: as far as these go
)

// Bounds on the grants that a node keeps.
const (
	maxGrants = 128
	maxGrant  = 64 << 10 // with its proofs, in bytes
)

// Trusted lists those whose receipts count on this node.
func (o *owner) Trusted(ctx context.Context) ([]Signer, error) {
	return durable(ctx, o.store.Sync, o.signers)
}

// signers are those who are trusted, by DID, and then those who have grants.
func (o *owner) signers() (all []Signer, err error) {
	err = o.store.Notes(trustNote, func(n store.Note) bool {
		all = append(all, Signer{DID: did.DID(n.Key), Name: string(n.Value)})
		return true
	})
	var trouble error
	err = errors.Join(err, o.store.Notes(grantNote, func(n store.Note) bool {
		var s Signer
		s, trouble = parseGrant(n)
		if trouble != nil {
			return false
		}
		if _, err := o.grants(s.Proofs).Chain(s.DID); err != nil {
			s.Refused = err.Error()
		}
		all = append(all, s)
		return true
	}))
	return all, errors.Join(err, trouble)
}

// grants are delegations as this node judges them now.
func (o *owner) grants(all []*ucan.SignedDelegation) *receipt.Grants {
	return &receipt.Grants{Owner: o.key.DID(), Delegations: all, Depth: o.trustDepth, Moment: o.guard.Moment()}
}

// Trust makes the receipts of s count, durably.
func (o *owner) Trust(ctx context.Context, s Signer) error {
	if err := s.Check(); err != nil {
		return err
	}
	if len(s.Proofs) == 0 {
		return o.setTrust(ctx, store.Note{Kind: trustNote, Key: string(s.DID), Value: append([]byte{}, s.Name...)})
	}
	chain, err := o.grants(s.Proofs).Chain(s.DID)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	if len(chain) == 0 {
		return fmt.Errorf("%w: %s is this node itself", ErrDenied, s.DID)
	}
	note, err := grantedNote(s.Name, chain)
	if err != nil {
		return err
	}
	return o.setTrust(ctx, note)
}

// grantedNote is a chain of delegations, the root first, as it is kept.
func grantedNote(name string, chain []*ucan.SignedDelegation) (n store.Note, err error) {
	proofs := make([]ipld.Value, len(chain))
	for i, d := range chain {
		proofs[i] = ipld.Bytes(d.Bytes())
	}
	n = store.Note{Kind: grantNote, Key: chain[len(chain)-1].Link().Key()}
	n.Value, err = ipld.AppendCBOR(nil, ipld.Map(ipld.Entry{Key: "name", Value: ipld.String(name)}, ipld.Entry{Key: "proofs", Value: ipld.List(proofs...)}))
	if err == nil && len(n.Value) > maxGrant {
		err = fmt.Errorf("a grant of %d bytes with its proofs: at most %d are kept", len(n.Value), maxGrant)
	}
	return n, err
}

// parseGrant reads what grantedNote gave.
func parseGrant(n store.Note) (s Signer, err error) {
	v, err := ipld.DecodeCBOR(n.Value)
	if err != nil {
		return s, fmt.Errorf("grant %x: %w", n.Key, err)
	}
	name, _ := v.Lookup("name")
	proofs, _ := v.Lookup("proofs")
	s.Name, _ = name.AsString()
	for _, p := range proofs.Elems() {
		data, _ := p.AsBytes()
		d, err := ucan.ParseDelegation([]byte(data))
		if err != nil {
			return s, fmt.Errorf("grant %x: %w", n.Key, err)
		}
		s.Proofs = append(s.Proofs, d)
	}
	if len(s.Proofs) == 0 {
		return s, fmt.Errorf("grant %x: no delegation", n.Key)
	}
	s.DID = s.Proofs[len(s.Proofs)-1].Delegation().Audience
	return s, nil
}

// Distrust makes the receipts of a signer count no more, durably.
func (o *owner) Distrust(ctx context.Context, id did.DID) error {
	gone := []store.Note{{Kind: trustNote, Key: string(id)}}
	var trouble error
	err := o.store.Notes(grantNote, func(n store.Note) bool {
		var s Signer
		if s, trouble = parseGrant(n); trouble == nil && s.DID == id {
			gone = append(gone, store.Note{Kind: grantNote, Key: n.Key})
		}
		return trouble == nil
	})
	if err := errors.Join(err, trouble); err != nil {
		return err
	}
	return o.setTrust(ctx, gone...)
}

func (o *owner) setTrust(ctx context.Context, notes ...store.Note) error {
	o.trusting.Lock()
	defer o.trusting.Unlock()
	if notes[0].Kind == grantNote && len(o.trusted.Load().Grants.Delegations) >= maxGrants {
		return fmt.Errorf("%d delegations say whose receipts count here, and that is the most: take some away with `ipvm trust rm`", maxGrants)
	}
	if err := o.store.Put(store.Batch{Notes: notes}); err != nil {
		return err
	}
	if err := o.loadTrust(); err != nil {
		return err
	}
	return o.store.Sync(ctx)
}

// loadTrust tells the engine whom the store says to trust.
func (o *owner) loadTrust() error {
	all, err := o.signers()
	if err != nil {
		return fmt.Errorf("whose receipts count: %w", err)
	}
	var t engine.Trust
	seen := make(map[ipld.Link]bool)
	for _, s := range all {
		if len(s.Proofs) == 0 {
			t.Agents = append(t.Agents, s.DID)
		}
		for _, d := range s.Proofs {
			if !seen[d.Link()] {
				seen[d.Link()] = true
				t.Grants.Delegations = append(t.Grants.Delegations, d)
			}
		}
	}
	o.trusted.Store(&t)
	return nil
}

// trusts is what the engine asks: who counts now.
func (o *owner) trusts() engine.Trust {
	t := *o.trusted.Load()
	if len(t.Grants.Delegations) > 0 {
		t.Grants = *o.grants(t.Grants.Delegations)
	}
	return t
}

// Word tells what the word of a signer about a task is worth here.
func (o *owner) Word(ctx context.Context, signer did.DID, id task.ID) (Word, error) {
	all, err := o.Trusted(ctx)
	if signer == o.key.DID() || err != nil {
		return Word{Counts: true}, err
	}
	t := o.trusts()
	if i := slices.IndexFunc(all, func(s Signer) bool { return s.DID == signer && len(s.Proofs) == 0 }); i >= 0 {
		return Word{Counts: true, Signer: all[i]}, nil
	}
	if !t.Grants.Name(signer) {
		return Word{}, nil
	}
	call, err := o.call(id)
	if err != nil {
		return Word{}, err
	}
	chain, err := t.Grants.Prove(signer, receipt.Question{Task: id, Call: call})
	if err != nil && call.Func == "" {
		if _, err := t.Grants.Chain(signer); err == nil {
			return Word{Partly: true, Why: "whether a grant covers it can not be said, as the task is not in the store yet"}, nil
		}
	}
	if err != nil {
		return Word{Why: err.Error()}, nil
	}
	w := Word{Counts: true, Signer: Signer{DID: signer, Proofs: chain}}
	if i := slices.IndexFunc(all, func(s Signer) bool { return s.DID == signer && s.Name != "" }); i >= 0 {
		w.Signer.Name = all[i].Name
	}
	return w, nil
}

// call is the call that a task of the store makes; the zero Call for one that is
// not there or calls no function.
func (o *owner) call(id task.ID) (c task.Call, err error) {
	data, err := o.store.Block(id.Link)
	if isMissing(err) {
		return c, nil
	}
	if err != nil {
		return c, err
	}
	t, err := task.Parse(data)
	if err != nil || t.Command != task.CommandRun {
		return c, err
	}
	return t.Call()
}

// PutReceipt keeps a receipt from elsewhere, durably. Its signature must hold.
func (o *owner) PutReceipt(ctx context.Context, r *receipt.Signed) error {
	if err := o.store.Put(store.Batch{Foreign: []*receipt.Signed{r}}); err != nil {
		return err
	}
	return o.store.Sync(ctx)
}

// ErrIncomplete reports a receipt whose output is not in the store.
var ErrIncomplete = errors.New("a part of its output is not here")

// ImportReceipt keeps a receipt of another node as evidence. It answers only if
// its signer is trusted. Its error wraps [ucan.ErrSignature] if the signature
// does not hold, and [ErrIncomplete] if a block of its output is missing.
func (n *Node) ImportReceipt(ctx context.Context, r *receipt.Signed) error {
	if err := r.Verify(); err != nil {
		return err
	}
	backend := n.Backend()
	seen := make(map[ipld.Link]bool)
	for todo := store.References(r); len(todo) > 0; {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		if seen[l] {
			continue
		}
		seen[l] = true
		parts, err := parts(ctx, backend, l)
		if isMissing(err) {
			return fmt.Errorf("%w: %w", ErrIncomplete, err)
		}
		if err != nil {
			return err
		}
		todo = append(todo, parts...)
	}
	return backend.PutReceipt(ctx, r)
}

// parts are the links in the block behind l.
func parts(ctx context.Context, from rpc.Backend, l ipld.Link) (all []ipld.Link, err error) {
	data, err := from.Block(ctx, l)
	if err != nil {
		return nil, err
	}
	switch l.Codec() {
	case ipld.CodecDagPB:
		return ipld.FileLinks(data)
	case ipld.CodecDagCBOR:
		v, err := ipld.DecodeCBOR(data)
		for part := range ipld.Links(v) {
			all = append(all, part)
		}
		return all, err
	}
	return nil, nil
}
