package store

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Bounds of the evidence for one task.
const (
	// MaxSigners is how many foreign executors' receipts one task can have.
	MaxSigners = 64
	// MaxVariants is how many remembered receipts of one executor one task
	// can have; beyond, the one least recently put gives way. Runs under
	// different memory limits are variants, and so are contradictions, of which
	// two receipts always stay.
	MaxVariants = 16
)

// The class of a receipt, the byte after the executor in its key, tells which
// receipts replace each other.
const (
	classPassing  = 0 // not remembered: one per executor, the latest
	classReturned = 1 // ok, guest, trap: one per output, memory limit, schedule
	classGas      = 2 // out of gas: one per memory limit and schedule, that of most gas
	classMemory   = 3 // out of memory: one per memory limit and schedule, the latest
)

const (
	executorLen = 16
	slotLen     = 8
)

// row is one receipt as it is stored.
type row struct {
	key   []byte
	used  uint64
	block []byte
}

func (r row) rest() []byte     { return r.key[split(r.key):] }
func (r row) executor() []byte { return r.rest()[:executorLen] }
func (r row) class() byte      { return r.rest()[executorLen] }

// Receipts returns the evidence for a task: every receipt whose ran is exactly
// id, in an order that does not change. It is empty when there is none.
func (s *Store) Receipts(id task.ID) ([]*receipt.Signed, error) {
	if err := s.gate.enter(); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	s.recent.touch(id.Link, s.opts.Now())
	var all []*receipt.Signed
	used := uint64(0)
	err := s.eachRow(id, func(r row) error {
		signed, err := receipt.Parse(bytes.Clone(r.block))
		if err != nil {
			return &CorruptError{Path: s.path("db"), Err: fmt.Errorf("receipt of task %s: %w", id, err)}
		}
		used = max(used, r.used)
		all = append(all, signed)
		return nil
	})
	if err == nil && len(all) > 0 {
		s.use(linkKey(tableReceipt, id.Link), used)
	}
	return all, err
}

// Scan calls yield with every receipt in the order of Task IDs, as they were
// when it was called, until yield returns false.
func (s *Store) Scan(yield func(*receipt.Signed) bool) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	errStop := errors.New("stop")
	err := s.each(tableReceipt, nil, func(key, value []byte) error {
		_, block, err := cutUsed(value)
		if err != nil {
			return err
		}
		signed, err := receipt.Parse(bytes.Clone(block))
		if err != nil {
			return fmt.Errorf("receipt under key %x: %w", key, err)
		}
		if !yield(signed) {
			return errStop
		}
		return nil
	})
	if err != nil && !errors.Is(err, errStop) {
		return &CorruptError{Path: s.path("db"), Err: err, Hint: "ipvm doctor checks the whole store"}
	}
	return nil
}

// eachRow calls visit with the stored receipts of a task; visit must not keep
// the row. A task that the
// store does not know costs one look into the filter.
func (s *Store) eachRow(id task.ID, visit func(row) error) (err error) {
	if !s.filter.mayHave(id.Link) {
		return nil
	}
	it, err := s.db.NewIter(&pebble.IterOptions{UseL6Filters: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.SeekPrefixGE(linkKey(tableReceipt, id.Link)); ok; ok = it.Next() {
		r, err := readRow(it)
		if err != nil {
			return &CorruptError{Path: s.path("db"), Err: fmt.Errorf("receipt of task %s: %w", id, err)}
		}
		if err := visit(r); err != nil {
			return err
		}
	}
	return it.Error()
}

func readRow(it *pebble.Iterator) (row, error) {
	value, err := it.ValueAndErr()
	if err != nil {
		return row{}, err
	}
	r := row{key: it.Key()}
	if len(r.rest()) != executorLen+1+slotLen {
		return row{}, fmt.Errorf("key of %d bytes", len(r.key))
	}
	r.used, r.block, err = cutUsed(value)
	return r, err
}

// each calls visit with every record of a table that begins with prefix.
func (s *Store) each(table byte, prefix []byte, visit func(key, value []byte) error) (err error) {
	lower := append([]byte{table}, prefix...)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: after(lower)})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return err
		}
		if err := visit(it.Key(), value); err != nil {
			return err
		}
	}
	return it.Error()
}

// fillReceipt adds one receipt to a batch, as evidence beside what is there.
// Called with s.put held; receipts of the same batch do not see each other.
func (s *Store) fillReceipt(batch *pebble.Batch, r *receipt.Signed, used uint64, foreign bool) error {
	key, err := receiptKey(r)
	if err != nil {
		return fmt.Errorf("receipt %s: %w", r.Link(), err)
	}
	keep, err := s.makeWay(batch, key, r, foreign)
	if err != nil || !keep {
		return err
	}
	s.filter.add(r.Task.Link)
	block := r.Bytes()
	value := append(appendUsed(make([]byte, 0, 10+len(block)), used), block...)
	if err := batch.Set(key, value, nil); err != nil {
		return err
	}
	for _, l := range References(r) {
		if err := batch.Set(refKey(l, key), nil, nil); err != nil {
			return err
		}
	}
	return nil
}

// makeWay applies the bounds: it tells whether the receipt is to be kept, and
// deletes the variant that gives way to it.
func (s *Store) makeWay(batch *pebble.Batch, key []byte, r *receipt.Signed, foreign bool) (keep bool, err error) {
	own := row{key: key}
	keep = true
	known := false // the executor has receipts for this task
	signers, variants := 0, 0
	var last []byte
	err = s.eachRow(r.Task, func(have row) error {
		if !bytes.Equal(have.executor(), last) {
			signers++
			last = bytes.Clone(have.executor())
		}
		if !bytes.Equal(have.executor(), own.executor()) {
			return nil
		}
		known = true
		if bytes.Equal(have.key, key) {
			variants = -MaxVariants // it takes the place of its like
			keep, err = supersedes(r, own.class(), have.block)
			return err
		}
		if have.class() != classPassing {
			variants++
		}
		return nil
	})
	switch {
	case err != nil:
		return false, err
	case foreign && !known && signers >= MaxSigners:
		return false, fmt.Errorf("task %s: %w (%d)", r.Task, ErrEvidenceFull, MaxSigners)
	case keep && own.class() != classPassing && variants >= MaxVariants:
		oldest, err := s.leastUsed(own, r)
		if err != nil {
			return false, err
		}
		return true, forget(batch, oldest)
	}
	return keep, nil
}

// leastUsed is the variant of one executor that gives way to r. If the executor
// contradicts itself, two receipts that show it stay.
func (s *Store) leastUsed(own row, r *receipt.Signed) (oldest row, err error) {
	var variants []row
	var all receipt.Evidence
	err = s.eachRow(r.Task, func(have row) error {
		if !bytes.Equal(have.executor(), own.executor()) || have.class() == classPassing {
			return nil
		}
		have.key, have.block = bytes.Clone(have.key), bytes.Clone(have.block)
		signed, err := receipt.Parse(have.block)
		if err != nil {
			oldest = have // damaged evidence proves nothing
			return nil
		}
		variants, all = append(variants, have), append(all, signed)
		return nil
	})
	if err != nil || oldest.key != nil {
		return oldest, err
	}
	var stay receipt.Conflict
	if pairs := append(slices.Clip(all), r).Conflicts(); len(pairs) > 0 {
		stay = pairs[0]
	}
	for i, have := range variants {
		if all[i] != stay.A && all[i] != stay.B && (oldest.key == nil || have.used < oldest.used) {
			oldest = have
		}
	}
	return oldest, nil
}

// supersedes tells whether r replaces the receipt stored in the same slot.
func supersedes(r *receipt.Signed, class byte, have []byte) (bool, error) {
	if class != classGas {
		return true, nil
	}
	old, err := receipt.Parse(bytes.Clone(have))
	if err != nil {
		return true, nil // damaged evidence proves nothing
	}
	return r.Limits.Gas >= old.Limits.Gas, nil
}

// forget deletes a stored receipt and its references.
func forget(batch *pebble.Batch, old row) error {
	if signed, err := receipt.Parse(old.block); err == nil {
		for _, l := range References(signed) {
			if err := batch.Delete(refKey(l, old.key), nil); err != nil {
				return err
			}
		}
	}
	return batch.Delete(old.key, nil)
}

// receiptKey is where a receipt is kept: its task, its executor and, for
// remembered ones, a digest of what tells it from the executor's others.
func receiptKey(r *receipt.Signed) ([]byte, error) {
	key := append(linkKey(tableReceipt, r.Task.Link), executorDigest(r.Executor)...)
	if !r.Remembered() {
		return append(key, make([]byte, 1+slotLen)...), nil
	}
	class := classReturned
	var text []byte
	switch f := r.Out.Failure; {
	case f != nil && f.Kind == task.KindOutOfGas:
		class = classGas
	case f != nil && f.Kind == task.KindOutOfMemory:
		class = classMemory
	default:
		var err error
		if text, err = appendOut(text, r); err != nil {
			return nil, err
		}
	}
	text = fmt.Appendf(text, "|%d|%s", r.Limits.Memory, r.Schedule)
	sum := sha256.Sum256(text)
	return append(append(key, byte(class)), sum[:slotLen]...), nil
}

func executorDigest(d did.DID) []byte {
	sum := sha256.Sum256([]byte(d))
	return sum[:executorLen]
}

// appendOut writes an encoding of what a receipt says came out; it serves only
// to tell outputs apart.
func appendOut(dst []byte, r *receipt.Signed) ([]byte, error) {
	if f := r.Out.Failure; f != nil {
		return ipld.AppendCBOR(fmt.Appendf(dst, "%s|%s|", f.Kind, f.Trap), f.Value)
	}
	if r.Boxed.Defined() {
		return append(dst, r.Boxed.Key()...), nil
	}
	return ipld.AppendCBOR(append(dst, "ok|"...), r.Out.Value)
}
