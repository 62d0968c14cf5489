package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
)

// Repair mends what [Store.Check] finds, and calls told with each thing that it did.
// Damaged blocks are put into the folder damaged/ and are then unknown, so that they can
// be had anew. Receipts go that can not be read, are not signed well, stand in the wrong
// place, or whose output is damaged; those of own whose output is not here, too, since
// they would answer nothing. References and the filter are made anew. What is intact
// stays. The error says that the repair could not go on; then a backup is needed.
func (s *Store) Repair(ctx context.Context, own did.DID, told func(Problem)) error {
	return s.repair(ctx, nil, own, told)
}

func (s *Store) repair(ctx context.Context, behind *Store, own did.DID, told func(Problem)) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := s.failed(); err != nil {
		return err
	}
	done, err := s.beginCopy() // nothing is collected meanwhile
	if err != nil {
		return err
	}
	defer done()
	r := repairer{checker{store: s, behind: behind, ctx: ctx, found: told, seen: make(map[ipld.Link]bool)}, own}
	for _, step := range []func() error{
		func() error { return r.each(tableReceipt, r.receipt) },
		func() error { return r.each(tableBlock, r.block) },
		func() error { return r.each(tableFile, r.file) },
		func() error { return r.each(tableAlias, r.alias) },
		func() error { return r.each(tableModule, r.module) },
		func() error { return r.each(tableRef, r.reference) },
		r.references,
		r.refilter,
	} {
		if err := step(); err != nil {
			return explain(s.dir, fmt.Errorf("repair: %w", err))
		}
	}
	return s.Sync(ctx)
}

type repairer struct {
	checker
	own did.DID
}

// each removes, in small steps, the records of a table that mend puts into the batch.
func (r *repairer) each(table byte, mend func(batch *pebble.Batch, key, value []byte) error) error {
	return r.store.each(table, nil, func(key, value []byte) (err error) {
		batch := r.store.db.NewBatch()
		defer func() { err = errors.Join(err, batch.Close()) }()
		if err := mend(batch, bytes.Clone(key), bytes.Clone(value)); err != nil {
			return err
		}
		return errors.Join(r.apply(batch), context.Cause(r.ctx))
	})
}

func (r *repairer) apply(batch *pebble.Batch) error {
	if batch.Empty() {
		return nil
	}
	s := r.store
	s.put.Lock()
	defer s.put.Unlock()
	s.syncing.applied.Add(1)
	if err := s.db.Apply(batch, pebble.NoSync); err != nil {
		return s.fail(err)
	}
	return s.failed()
}

func (r *repairer) receipt(batch *pebble.Batch, key, value []byte) error {
	_, block, err := cutUsed(value)
	if err != nil {
		r.report(ipld.Link{}, "removed a receipt", err)
		return batch.Delete(key, nil)
	}
	signed, err := receipt.Parse(bytes.Clone(block))
	if err == nil {
		err = r.wrong(key, signed)
	}
	if err != nil {
		r.report(ipld.LinkOf(ipld.CodecDagCBOR, block), "removed receipt", err)
		return batch.Delete(key, nil)
	}
	return nil
}

// wrong is why a receipt can not stay.
func (r *repairer) wrong(key []byte, signed *receipt.Signed) error {
	if err := signed.Verify(); err != nil {
		return err
	}
	if want, err := receiptKey(signed); err != nil || !bytes.Equal(key, want) {
		return errors.Join(err, fmt.Errorf("it stands under key %x instead of %x", key, want))
	}
	for _, l := range References(signed) {
		clear(r.seen) // what is damaged is damaged for each receipt
		err := r.follow(l)
		var corrupt *CorruptError
		if errors.As(err, &corrupt) || errors.Is(err, ErrNotFound) && signed.Executor == r.own {
			return fmt.Errorf("its output: %w", err)
		}
	}
	return nil
}

func (r *repairer) block(batch *pebble.Batch, key, value []byte) error {
	l, _, err := cutLink(key[1:])
	data := value
	if err == nil {
		if _, rest, cut := cutUsed(value); cut != nil {
			err = cut
		} else {
			data, err = rest, l.Verify(rest)
		}
	}
	if err == nil {
		return nil
	}
	r.report(l, "put aside block", err)
	return errors.Join(r.aside(l, func(to string) error { return writeFile(r.store.fs, to, data, true) }), batch.Delete(key, nil))
}

func (r *repairer) file(batch *pebble.Batch, key, _ []byte) error {
	l, _, err := cutLink(key[1:])
	if err == nil {
		_, _, err = r.store.file(l)
	}
	if err == nil {
		return nil
	}
	name := r.store.blobPath(l)
	if _, gone := r.store.fs.Stat(name); l.Defined() && !errors.Is(gone, os.ErrNotExist) {
		r.report(l, "put aside block", err)
		if err := r.aside(l, func(to string) error { return r.store.fs.Rename(name, to) }); err != nil {
			return err
		}
	} else {
		r.report(l, "forgot lost block", err)
	}
	return batch.Delete(key, nil)
}

// aside has move put what is damaged into a folder of its own.
func (r *repairer) aside(l ipld.Link, move func(to string) error) error {
	dir := r.store.path("damaged")
	if err := makeDir(r.store.fs, dir); err != nil {
		return err
	}
	name := "unknown"
	if l.Defined() {
		name = l.String()
	}
	return errors.Join(move(r.store.fs.PathJoin(dir, name)), syncDir(r.store.fs, dir))
}

func (r *repairer) alias(batch *pebble.Batch, key, value []byte) error {
	l, _, err := cutLink(key[1:])
	if err == nil {
		_, err = ipld.LinkFromBytes(value)
	}
	if err == nil {
		return nil
	}
	r.report(l, "removed alias of task", err)
	return batch.Delete(key, nil)
}

// module removes what is not readable of a module's interface: it is seen anew when the
// module is loaded.
func (r *repairer) module(batch *pebble.Batch, key, value []byte) error {
	l, _, err := cutLink(key[1:])
	if err == nil {
		_, err = ipld.DecodeCBOR(value)
	}
	if err == nil {
		return nil
	}
	r.report(l, "removed interface of module", err)
	return batch.Delete(key, nil)
}

// reference removes a reference of a receipt that is not there.
func (r *repairer) reference(batch *pebble.Batch, key, _ []byte) error {
	l, rest, err := cutLink(key[1:])
	if err == nil {
		err = r.store.get(append([]byte{tableReceipt}, rest...), func([]byte) error { return nil })
	}
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, ErrNotFound):
		return err
	}
	r.report(l, "removed reference to block", errors.New("the receipt that it is of is not there"))
	return batch.Delete(key, nil)
}

// references adds those that are missing.
func (r *repairer) references() error {
	return r.each(tableReceipt, func(batch *pebble.Batch, key, value []byte) error {
		_, block, err := cutUsed(value)
		if err != nil {
			return err
		}
		signed, err := receipt.Parse(block)
		if err != nil {
			return err
		}
		for _, l := range References(signed) {
			err := r.store.get(refKey(l, key), func([]byte) error { return nil })
			if errors.Is(err, ErrNotFound) {
				r.report(signed.Link(), "added reference of receipt", fmt.Errorf("to block %s", l))
				err = batch.Set(refKey(l, key), nil, nil)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// refilter makes the filter anew. Nobody puts anything meanwhile.
func (r *repairer) refilter() error {
	s := r.store
	s.put.Lock()
	defer s.put.Unlock()
	its, err := s.filtered()
	if err != nil {
		return err
	}
	var anew filter
	if err := anew.build(r.ctx, its); err != nil {
		return err
	}
	s.filter.mu.Lock()
	defer s.filter.mu.Unlock()
	s.filter.layers.Store(anew.layers.Load())
	s.filter.ready.Store(true)
	s.filterSaved = false
	return nil
}
