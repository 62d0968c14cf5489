package ipvm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// pinNote is the store's namespace of pins: the key is the link.
const pinNote = "pin"

// Pin keeps what is under a link from being collected. The error wraps
// [store.ErrNotFound] if there is nothing.
func (o *owner) Pin(ctx context.Context, link ipld.Link) (rpc.Pin, error) {
	p := rpc.Pin{Link: link, Added: o.Now()}
	data, err := o.store.Block(link)
	switch {
	case err == nil:
		p.What = rpc.PinBlocks
		if _, err := graph.FromNormal(data, nil); err == nil && link.Codec() == ipld.CodecDagCBOR {
			p.What = rpc.PinWorkflow
		}
	case !errors.Is(err, store.ErrNotFound):
		return p, err
	}
	known, taskErr := o.hasReceipts(task.ID{Link: link})
	switch {
	case taskErr != nil:
		return p, taskErr
	case known:
		p.What = rpc.PinTask
	case err != nil:
		return p, fmt.Errorf("nothing is kept under %s, neither a block nor what a task came to: %w", link, store.ErrNotFound)
	}
	value, err := ipld.AppendCBOR(nil, p.Value())
	if err != nil {
		return p, err
	}
	if err := o.store.PutNote(pinNote, link.Key(), value); err != nil {
		return p, err
	}
	return p, o.store.Sync(ctx)
}

// hasReceipts tells whether something is known of a task, by any of its names.
func (o *owner) hasReceipts(id task.ID) (bool, error) {
	for ok := true; ok; {
		all, err := o.store.Receipts(id)
		if err != nil || len(all) > 0 {
			return len(all) > 0, err
		}
		if id, ok, err = o.store.Resolve(id); err != nil {
			return false, err
		}
	}
	return false, nil
}

// Unpin lets what is under a link go.
func (o *owner) Unpin(ctx context.Context, link ipld.Link) error {
	_, ok, err := o.store.Note(pinNote, link.Key())
	if err == nil && !ok {
		err = fmt.Errorf("%s is %w", link, rpc.ErrNotPinned)
	}
	if err == nil {
		err = o.store.PutNote(pinNote, link.Key(), nil)
	}
	if err != nil {
		return err
	}
	return o.store.Sync(ctx)
}

// Pins calls yield with each pin until it returns false.
func (o *owner) Pins(_ context.Context, yield func(rpc.Pin) bool) error {
	var fail error
	err := o.store.Notes(pinNote, func(n store.Note) bool {
		v, err := ipld.DecodeCBOR(n.Value)
		var p rpc.Pin
		if err == nil {
			p, err = rpc.ParsePin(v)
		}
		if err != nil {
			fail = fmt.Errorf("the note of the pin %x is damaged: %w", n.Key, err)
			return false
		}
		return yield(p)
	})
	return errors.Join(err, fail)
}

// roots names what stays in the store.
func (o *owner) roots(ctx context.Context, r *store.Roots) error {
	var fail error
	err := o.runs.List(runs.Query{Unfinished: true}, func(run runs.Run) bool {
		if run.For != "" { // what its jobs came to is in a room
			fail = r.Block(run.Workflow)
		} else {
			fail = o.keepWorkflow(ctx, r, run.ID)
		}
		return fail == nil
	})
	if err = errors.Join(err, fail); err != nil {
		return err
	}
	err = o.runs.HandedOver(func(id runs.ID) error {
		if id.For != "" {
			return r.Block(id.Workflow)
		}
		return o.keepWorkflow(ctx, r, id)
	})
	if err != nil {
		return err
	}
	err = o.Pins(ctx, func(p rpc.Pin) bool {
		switch p.What {
		case rpc.PinWorkflow:
			fail = o.keepWorkflow(ctx, r, runs.ID{Workflow: p.Link})
		case rpc.PinTask:
			fail = errors.Join(r.Task(task.ID{Link: p.Link}), r.Block(p.Link))
		case rpc.PinBlocks:
			fail = r.Block(p.Link)
		}
		return fail == nil
	})
	return errors.Join(err, fail)
}

// keepWorkflow keeps a workflow's document, what it names, and what its jobs came
// to on behalf of who has it run.
func (o *owner) keepWorkflow(ctx context.Context, r *store.Roots, id runs.ID) error {
	link := id.Workflow
	if err := r.Block(link); err != nil {
		return err
	}
	data, err := o.store.Block(link)
	var corrupt *store.CorruptError
	if errors.Is(err, store.ErrNotFound) || errors.As(err, &corrupt) {
		return nil // it can not go on, and resuming tells
	}
	if err != nil {
		return err
	}
	g, err := graph.FromNormal(data, nil)
	if err != nil {
		return nil // likewise
	}
	all, err := o.known(ctx, id.For, g)
	if err != nil {
		return fmt.Errorf("what workflow %s rests on: %w", link, err)
	}
	for i := range all {
		err := errors.Join(r.Task(all[i].Task), r.Task(g.Step(i).ID))
		for _, e := range g.Step(i).Job.Outside {
			err = errors.Join(err, r.Task(e.Promise.Task))
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Collect has the owner collect; another one begins anew.
func (s steady) Collect(ctx context.Context, c store.Collection) (store.Collected, error) {
	return again(ctx, s.node, func(b rpc.Backend) (store.Collected, error) { return b.Collect(ctx, c) })
}

// Pin keeps what is under a link from being collected.
func (s steady) Pin(ctx context.Context, link ipld.Link) (rpc.Pin, error) {
	return again(ctx, s.node, func(b rpc.Backend) (rpc.Pin, error) { return b.Pin(ctx, link) })
}

// Unpin lets it go.
func (s steady) Unpin(ctx context.Context, link ipld.Link) error {
	return s.tell(ctx, func(b rpc.Backend) error { return b.Unpin(ctx, link) })
}

// Pins lists the pins, none twice.
func (s steady) Pins(ctx context.Context, yield func(rpc.Pin) bool) error {
	seen := make(map[ipld.Link]bool)
	return s.tell(ctx, func(b rpc.Backend) error {
		return b.Pins(ctx, func(p rpc.Pin) bool {
			if seen[p.Link] {
				return true
			}
			seen[p.Link] = true
			return yield(p)
		})
	})
}
