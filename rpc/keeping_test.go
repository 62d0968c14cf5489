package rpc

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// TestKeeping holds what a client says of pins and of a collection against what its
// node says itself.
func TestKeeping(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	link := ipld.LinkOf(ipld.CodecRaw, []byte("pin me"))
	if _, err := c.Pin(ctx, link); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("pin of nothing: %v", err)
	}
	if err := c.Unpin(ctx, link); !errors.Is(err, ErrNotPinned) {
		t.Errorf("unpin of nothing: %v", err)
	}
	if err := c.PutBlocks(ctx, []ipld.Block{{Link: link, Data: []byte("pin me")}}); err != nil {
		t.Fatal(err)
	}
	p, err := c.Pin(ctx, link)
	if err != nil || p.Link != link || p.What != PinBlocks {
		t.Errorf("%+v, %v", p, err)
	}
	same(t, "Pins", func(b Backend) (any, error) {
		var all []Pin
		err := b.Pins(ctx, func(p Pin) bool {
			p.Added = p.Added.UTC()
			all = append(all, p)
			return true
		})
		return all, err
	}, n, c)
	if err := c.Unpin(ctx, link); err != nil {
		t.Error(err)
	}
	type answer struct {
		Sum  store.Collected
		Gone []store.Gone
	}
	collect := func(b Backend) (any, error) {
		var a answer
		var err error
		a.Sum, err = b.Collect(ctx, store.Collection{Bounded: true, DryRun: true, Tell: func(g store.Gone) { a.Gone = append(a.Gone, g) }})
		return a, err
	}
	same(t, "Collect", collect, n, c)
	n.later.Store(int64(time.Hour)) // the block is not in use any more
	same(t, "Collect", collect, n, c)
	if a, err := collect(c); err != nil || len(a.(answer).Gone) != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	_, err = n.store.Collect(ctx, store.Collection{Roots: func(*store.Roots) error {
		_, err := c.Collect(ctx, store.Collection{})
		return err
	}})
	if !errors.Is(err, store.ErrCollecting) {
		t.Errorf("while one is under way: %v", err)
	}
	quiet, err := c.Collect(ctx, store.Collection{Bounded: true})
	if diff := cmp.Diff(store.Collected{Blocks: 1, Bytes: quiet.Bytes, Before: quiet.Before}, quiet); err != nil || diff != "" {
		t.Errorf("%v\n%s", err, diff)
	}
	if err := c.Backup(ctx, "copy", false); !errors.Is(err, ErrDenied) {
		t.Errorf("a backup that is refused: %v", err)
	}
	if err := c.Backup(ctx, "copy", true); err != nil {
		t.Errorf("a backup: %v", err)
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := c.Collect(ended, store.Collection{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
