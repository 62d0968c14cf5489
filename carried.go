package ipvm

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// Bounds of a CAR file that is read from a disk.
const (
	maxCarried = 64 << 20 // of one block, in bytes: a workflow in its normal form
	maxBlocks  = 1 << 20
)

// Receipts are those in a CAR file, which stays open while they are used.
type Receipts struct {
	file   *ipld.CARFile
	links  []ipld.Link
	byTask map[task.ID][]ipld.Link
}

// ReadReceipts reads a CAR file of the given size through and finds the receipts in
// it. The error wraps [ipld.ErrCAR] or [ipld.ErrMismatch] where the file is at fault.
func ReadReceipts(in io.ReaderAt, size int64) (*Receipts, error) {
	all := &Receipts{byTask: make(map[task.ID][]ipld.Link)}
	var err error
	all.file, err = ipld.OpenCAR(in, size, maxCarried, maxBlocks, func(b ipld.Block) error {
		if r, ok := asReceipt(b); ok {
			all.links = append(all.links, b.Link)
			all.byTask[r.Task] = append(all.byTask[r.Task], b.Link)
		}
		return nil
	})
	return all, err
}

// asReceipt is the receipt that a block is, if it is one.
func asReceipt(b ipld.Block) (*receipt.Signed, bool) {
	if b.Link.Codec() != ipld.CodecDagCBOR {
		return nil, false
	}
	r, err := receipt.Parse(b.Data)
	return r, err == nil && r.Link() == b.Link
}

// Len is how many receipts there are.
func (all *Receipts) Len() int { return len(all.links) }

// at reads a receipt of the file.
func (all *Receipts) at(l ipld.Link) (*receipt.Signed, error) {
	data, _, err := all.file.Block(l)
	if err != nil {
		return nil, err
	}
	return receipt.Parse(data)
}

// carried are receipts that are looked at with the blocks beside them, in an engine
// of this process.
type carried struct {
	in   *Receipts
	node *Node
	wasm *wasm.Engine
}

func (c carried) Scan(_ context.Context, yield func(*receipt.Signed) bool) error {
	for _, l := range c.in.links {
		r, err := c.in.at(l)
		if err != nil {
			return err
		}
		if !yield(r) {
			return nil
		}
	}
	return nil
}

func (c carried) Receipts(_ context.Context, id task.ID) (all []*receipt.Signed, err error) {
	for _, l := range c.in.byTask[id] {
		r, err := c.in.at(l)
		if err != nil {
			return nil, err
		}
		all = append(all, r)
	}
	return all, nil
}

// Rerun takes blocks from the file, and those that are not there from the node.
func (c carried) Rerun(ctx context.Context, r *receipt.Signed, limit time.Duration) (engine.Again, error) {
	block := func(l ipld.Link) ([]byte, error) {
		data, there, err := c.in.file.Block(l)
		if there || err != nil {
			return data, err
		}
		data, err = c.node.Backend().Block(ctx, l)
		if isMissing(err) {
			err = fmt.Errorf("block %s: %w, nor in the CAR file", l, store.ErrNotFound)
		}
		return data, err
	}
	most := c.node.options.Limits(task.Limits{Gas: ^uint64(0), Memory: 1 << 62, Time: limit})
	return engine.Rerun(ctx, c.wasm, block, r, most)
}
