package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/receipt"
)

// migrations[n] brings a store from format n to n+1. Each may be interrupted
// anywhere and is then run again from its beginning, so it must not mind its
// own half-done work. A format that was ever released is never dropped from
// this list; testdata has a small store of each.
var migrations = [Format]func(*Store) error{
	0: (*Store).slotReceipts,
}

// migrate brings an older store up to date, one format at a time.
func (s *Store) migrate(from int) error {
	for n := from; n < Format; n++ {
		s.log.Info("store: migrating", "dir", s.dir, "from", n, "to", n+1)
		if err := migrations[n](s); err != nil {
			return fmt.Errorf("migrate from format %d to %d: %w", n, n+1, err)
		}
		if err := s.syncLog(); err != nil {
			return fmt.Errorf("migrate from format %d to %d: %w", n, n+1, err)
		}
		if err := writeFormat(s.fs, s.dir, n+1); err != nil {
			return err
		}
	}
	return nil
}

// tableOldReceipt is where format 0 had receipts: task, digest of the receipt →
// receipt.
const tableOldReceipt = 'e'

// slotReceipts moves the receipts of format 0, which knew neither slots nor the
// time of last use, to where they are now.
func (s *Store) slotReceipts() error {
	s.put.Lock()
	defer s.put.Unlock()
	return s.each(tableOldReceipt, nil, func(key, value []byte) (err error) {
		r, err := receipt.Parse(bytes.Clone(value))
		if err != nil {
			return &CorruptError{Path: s.path("db"), Err: fmt.Errorf("receipt under key %x: %w", key, err)}
		}
		batch := s.db.NewBatch()
		defer func() { err = errors.Join(err, batch.Close()) }()
		if err := s.fillReceipt(batch, r, s.now(), false); err != nil {
			return err
		}
		if err := batch.Delete(bytes.Clone(key), nil); err != nil {
			return err
		}
		return s.db.Apply(batch, pebble.NoSync)
	})
}
