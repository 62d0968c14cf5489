package ipvm

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// VerifyOptions say which receipts [Node.Verify] looks at. The zero value is all.
type VerifyOptions struct {
	// Tasks are those whose receipts are looked at; empty is every task.
	Tasks []task.ID
	// Sample is how many receipts are drawn; 0 is all.
	Sample int
	// Seed decides which are drawn, and in which order. The same seed draws the
	// same, as long as there are the same receipts.
	Seed uint64
	// Time is how long each task may take; 0 is that of [engine.DefaultLimits].
	Time time.Duration
	// Workers is how many run at once; 0 is 1.
	Workers int
	// From are receipts to look at instead of those of this node, with blocks that
	// come before this node's; see [ReadReceipts]. Nothing is kept of them.
	From *Receipts
}

// Verification is what came of running the task of a receipt again.
type Verification struct {
	Receipt *receipt.Signed
	engine.Again
}

// Verify runs the tasks of remembered receipts again, in fresh memory, and compares
// what they come to with what the receipts say. It calls yield with each, in the
// order in which they were drawn, until that returns false, and returns from how
// many they were drawn. Secrets are left out.
//
// Where a receipt of this node's store is wrong, what the task came to now is kept
// beside it, signed by this node: of what it signed about the task then neither
// counts (see [receipt.Judge]), and the word of another comes after its own.
func (n *Node) Verify(ctx context.Context, o VerifyOptions, yield func(Verification) bool) (of int, err error) {
	o.Time = cmp.Or(o.Time, engine.DefaultLimits.Time)
	o.Workers = max(o.Workers, 1)
	v := &verifying{VerifyOptions: o, from: n.Backend()}
	if o.From != nil {
		w, done, err := n.engine()
		if err != nil {
			return 0, err
		}
		defer done()
		v.from = carried{in: o.From, node: n, wasm: w}
	}
	for left := o.Sample; ; {
		most := drawn
		if o.Sample > 0 {
			most = min(most, left)
		}
		all, err := v.draw(ctx, most)
		if err != nil || len(all) == 0 {
			return v.of, err
		}
		if more, err := v.again(ctx, all, yield); err != nil || !more {
			return v.of, err
		}
		if left -= len(all); o.Sample > 0 && left == 0 {
			return v.of, nil
		}
	}
}

// verifying is one call of Verify.
type verifying struct {
	VerifyOptions
	from interface {
		Scan(ctx context.Context, yield func(*receipt.Signed) bool) error
		Receipts(ctx context.Context, id task.ID) ([]*receipt.Signed, error)
		Rerun(ctx context.Context, r *receipt.Signed, limit time.Duration) (engine.Again, error)
	}
	of   int
	last *lot // the last one that was drawn
}

// drawn is how many receipts are drawn at once: so many lots are kept in memory.
const drawn = 4096

// lot is a receipt with its place in the order that the seed gives.
type lot struct {
	place   [sha256.Size]byte
	task    task.ID
	receipt ipld.Link
}

func compareLots(a, b lot) int { return bytes.Compare(a.place[:], b.place[:]) }

// draw returns the next receipts in the order that the seed gives, most of them at
// most. The places are a hash, so that each choice of receipts is as likely as any
// other, whatever order they are stored in.
func (v *verifying) draw(ctx context.Context, most int) (all []lot, err error) {
	v.of = 0
	seed := binary.BigEndian.AppendUint64(nil, v.Seed)
	err = v.scan(ctx, func(r *receipt.Signed) bool {
		if !r.Remembered() {
			return true
		}
		v.of++
		l := lot{place: sha256.Sum256(slices.Concat(seed, []byte(r.Link().Key()))), task: r.Task, receipt: r.Link()}
		if v.last == nil || compareLots(l, *v.last) > 0 {
			all = append(all, l)
		}
		if len(all) >= 2*most {
			all = least(all, most)
		}
		return true
	})
	if all = least(all, most); len(all) > 0 {
		v.last = &all[len(all)-1]
	}
	return all, err
}

// least are the first n of all in their order.
func least(all []lot, n int) []lot {
	slices.SortFunc(all, compareLots)
	return all[:min(n, len(all))]
}

// scan visits the receipts that there are to draw from.
func (v *verifying) scan(ctx context.Context, yield func(*receipt.Signed) bool) error {
	if len(v.Tasks) == 0 {
		return v.from.Scan(ctx, yield)
	}
	for _, id := range v.Tasks {
		all, err := v.from.Receipts(ctx, id)
		if err != nil {
			return err
		}
		for _, r := range all {
			if !yield(r) {
				return nil
			}
		}
	}
	return nil
}

// again runs the tasks of the lots, some at once, and yields what came of each in
// order. One whose receipt is gone by now is passed over.
func (v *verifying) again(ctx context.Context, all []lot, yield func(Verification) bool) (more bool, err error) {
	type ended struct {
		Verification
		err error
	}
	ctx, cancel := context.WithCancel(ctx)
	results := make([]chan ended, len(all))
	for i := range results {
		results[i] = make(chan ended, 1)
	}
	next := make(chan int)
	var work sync.WaitGroup
	defer work.Wait()
	defer cancel()
	work.Go(func() {
		defer close(next)
		for i := range all {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	})
	for range v.Workers {
		work.Go(func() {
			for i := range next {
				one, err := v.one(ctx, all[i])
				results[i] <- ended{one, err}
			}
		})
	}
	for _, result := range results {
		select {
		case r := <-result:
			if r.err != nil {
				return false, r.err
			}
			if r.Receipt != nil && !yield(r.Verification) {
				return false, nil
			}
		case <-ctx.Done():
			return false, context.Cause(ctx)
		}
	}
	return true, nil
}

// one runs the task of one receipt again.
func (v *verifying) one(ctx context.Context, l lot) (Verification, error) {
	all, err := v.from.Receipts(ctx, l.task)
	if err != nil {
		return Verification{}, err
	}
	i := slices.IndexFunc(all, func(r *receipt.Signed) bool { return r.Link() == l.receipt })
	if i < 0 {
		return Verification{}, nil
	}
	a, err := v.from.Rerun(ctx, all[i], v.Time)
	if err != nil {
		return Verification{}, fmt.Errorf("run task %s again: %w", l.task, err)
	}
	return Verification{all[i], a}, nil
}

// Rerun runs the task of a receipt again. What proves wrong a receipt that is kept
// here is kept where that is: in the store, or in the vault of the guest for whom
// the task ran.
func (o *owner) Rerun(ctx context.Context, r *receipt.Signed, limit time.Duration) (engine.Again, error) {
	keep, err := o.beside(ctx, r)
	if err != nil {
		return engine.Again{}, err
	}
	return o.Engine.Rerun(ctx, func(l ipld.Link) ([]byte, error) { return o.Block(ctx, l) }, keep, r, limit)
}

// beside is what keeps evidence durably where r is kept; nil if that is nowhere.
func (o *owner) beside(ctx context.Context, r *receipt.Signed) (keep func(store.Batch) error, err error) {
	has := func(all []*receipt.Signed) bool {
		return slices.ContainsFunc(all, func(s *receipt.Signed) bool { return s.Link() == r.Link() })
	}
	all, err := o.store.Receipts(r.Task)
	if err != nil {
		return nil, err
	}
	if has(all) {
		return func(b store.Batch) error { return errors.Join(o.store.Put(b), o.store.Sync(ctx)) }, nil
	}
	err = o.rooms.guests(func(v *store.Vault) (bool, error) {
		all, err := v.Receipts(r.Task)
		if err == nil && has(all) {
			keep = func(b store.Batch) error { return errors.Join(v.Put(secret.New(b)), v.Sync(ctx)) }
		}
		return keep == nil, err
	})
	return keep, err
}
