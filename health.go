package ipvm

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Health is what a store holds and what room it has.
type Health = store.Stats

// ErrGuest reports a call that only the owner of the state directory can
// answer.
var ErrGuest = errors.New("another process owns the state directory")

// Health checks the store, telling each problem that it finds, and counts what
// is in it.
func (n *Node) Health(ctx context.Context, problem func(string)) (Health, error) {
	own, ok := n.current().(*owner)
	if !ok {
		return Health{}, ErrGuest
	}
	err := own.store.Check(ctx, func(p store.Problem) { problem(p.String()) })
	if err == nil {
		err = own.rooms.each(func(name string, v *store.Vault, err error) error {
			if err == nil {
				err = v.Check(ctx, own.store, func(p store.Problem) { problem(hidden(name, p)) })
			}
			return own.rooms.told(name, err, problem)
		})
	}
	if err != nil {
		return Health{}, err
	}
	return own.store.Stats(ctx)
}

// Repair mends the store and the places of secrets and guests, telling each thing that
// it does. See [store.Store.Repair]. One that can not be read is left as it is, which
// [Node.Health] tells.
func (n *Node) Repair(ctx context.Context, told func(string)) error {
	own, ok := n.current().(*owner)
	if !ok {
		return ErrGuest
	}
	if err := own.store.Repair(ctx, own.key.DID(), func(p store.Problem) { told(p.String()) }); err != nil {
		return err
	}
	return own.rooms.each(func(name string, v *store.Vault, err error) error {
		if err == nil {
			err = v.Repair(ctx, own.store, own.key.DID(), func(p store.Problem) { told(hidden(name, p)) })
		}
		return own.rooms.told(name, err, func(string) {})
	})
}

// told tells that a room is damaged as a whole, and then there is no error: the others
// are looked at all the same.
func (r *rooms) told(name string, err error, tell func(string)) error {
	if err == nil || !r.left(name, err) {
		return err
	}
	why, _, _ := strings.Cut(err.Error(), "\n") // and a hint that says less
	tell(fmt.Sprintf("%s can not be read, and nothing of it is removed: %s: the same folder of a copy that `ipvm backup` made can take its place, or move it away to go on without what is in it", name, why))
	return nil
}

// hidden is a problem in a room, without what would tell a secret.
func hidden(room string, p store.Problem) string { return room + ": " + p.What }

// Conflicts calls yield with pairs of receipts that can not both be true, in the
// order of tasks, until it returns false: see [receipt.Evidence.Conflicts].
func (n *Node) Conflicts(ctx context.Context, yield func(receipt.Conflict) bool) error {
	var about receipt.Evidence
	told := func() bool {
		for _, c := range about.Conflicts() {
			if !yield(c) {
				return false
			}
		}
		return true
	}
	more := true
	err := n.Backend().Scan(ctx, func(r *receipt.Signed) bool {
		if len(about) > 0 && about[0].Task != r.Task {
			more = told()
			about = nil
		}
		about = append(about, r)
		return more
	})
	if err == nil && more {
		told()
	}
	return err
}
