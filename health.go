package ipvm

import (
	"context"
	"errors"

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
	if err := own.store.Check(ctx, func(p store.Problem) { problem(p.String()) }); err != nil {
		return Health{}, err
	}
	return own.store.Stats(ctx)
}
