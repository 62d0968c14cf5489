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
