package store

import (
	"context"
	"errors"
)

// Size is how many bytes the store holds: all records, and the files of large
// blocks. The database may take somewhat more or less on the disk.
func (s *Store) Size(ctx context.Context) (uint64, error) {
	if err := s.gate.enter(); err != nil {
		return 0, err
	}
	defer s.gate.leave()
	return s.size(ctx)
}

// Held is about [Store.Size], which is measured at first and then reckoned: it may be
// somewhat too high until the next collection measures again.
func (s *Store) Held(ctx context.Context) (uint64, error) {
	if !s.measured.Load() {
		return s.Size(ctx)
	}
	return uint64(max(s.held.Load(), 0)), nil
}

func (s *Store) size(ctx context.Context) (n uint64, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		key := it.Key()
		var value []byte
		if key[0] == tableFile {
			if value, err = it.ValueAndErr(); err != nil {
				return n, err
			}
			n += fileSize(value)
		}
		lazy := it.LazyValue()
		n += uint64(len(key) + lazy.Len())
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, it.Error()); err == nil {
		s.held.Store(int64(n))
		s.measured.Store(true)
	}
	return n, err
}

// Bare tells whether the store has neither blocks, receipts, runs nor notes, and nobody
// needs it: nothing is lost with it.
func (s *Store) Bare() (bool, error) {
	if err := s.gate.enter(); err != nil {
		return false, err
	}
	defer s.gate.leave()
	s.collecting.mu.Lock()
	busy := s.collecting.marks != nil || s.collecting.copied || len(s.collecting.holds) > 0
	s.collecting.mu.Unlock()
	if busy {
		return false, nil
	}
	for _, table := range []byte{tableBlock, tableFile, tableReceipt, tableRun, tableNote} {
		err := s.each(table, nil, func(_, _ []byte) error { return errFound })
		if errors.Is(err, errFound) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
	}
	return true, nil
}
