package ipvm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Signer is one whose receipts count on a node; see [rpc.Signer].
type Signer = rpc.Signer

// trustNote is the kind of the notes that say whose receipts count: the key is a
// DID, the value a name for people.
const trustNote = "trust"

// Trusted lists those whose receipts count on this node, by DID.
func (o *owner) Trusted(ctx context.Context) ([]Signer, error) {
	return durable(ctx, o.store.Sync, o.signers)
}

func (o *owner) signers() (all []Signer, err error) {
	err = o.store.Notes(trustNote, func(n store.Note) bool {
		all = append(all, Signer{DID: did.DID(n.Key), Name: string(n.Value)})
		return true
	})
	return all, err
}

// Trust makes the receipts of s count, durably.
func (o *owner) Trust(ctx context.Context, s Signer) error {
	if err := s.Check(); err != nil {
		return err
	}
	return o.setTrust(ctx, s.DID, append([]byte{}, s.Name...))
}

// Distrust makes the receipts of a signer count no more, durably.
func (o *owner) Distrust(ctx context.Context, id did.DID) error { return o.setTrust(ctx, id, nil) }

func (o *owner) setTrust(ctx context.Context, id did.DID, name []byte) error {
	o.trusting.Lock()
	defer o.trusting.Unlock()
	if err := o.store.PutNote(trustNote, string(id), name); err != nil {
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
	dids := make([]did.DID, len(all))
	for i, s := range all {
		dids[i] = s.DID
	}
	o.trusted.Store(&dids)
	return nil
}

// trusts is what the engine asks.
func (o *owner) trusts() []did.DID { return *o.trusted.Load() }

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
