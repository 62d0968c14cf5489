package store

import (
	"errors"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Bounds of what is kept in memory about uses.
const (
	maxWaiting  = 1 << 12 // uses not written yet
	maxRecorded = 1 << 14 // uses of the present hour that are known to be recorded
)

// uses gathers last uses until they are written, so that reading costs a write
// at most once an hour and record.
type uses struct {
	mu       sync.Mutex
	hour     uint64 // the hour of recorded
	recorded map[string]bool
	waiting  map[string]uint64 // key of the record → hour
}

// use notes that the record under key, last known to be used in the given hour,
// is used now. It is cheap, and a crash may forget it.
func (s *Store) use(key []byte, last uint64) {
	now := s.now()
	if now <= last || !s.uses.add(key, now) {
		return
	}
	if err := s.flushUses(); err != nil {
		s.log.Warn("store: times of last use were not written", "err", err)
	}
}

// add tells whether it is time to write.
func (u *uses) add(key []byte, now uint64) (full bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.hour != now || len(u.recorded) >= maxRecorded {
		u.hour, u.recorded = now, make(map[string]bool)
	}
	if u.recorded[string(key)] {
		return false
	}
	if u.waiting == nil {
		u.waiting = make(map[string]uint64)
	}
	u.recorded[string(key)] = true
	u.waiting[string(key)] = now
	return len(u.waiting) >= maxWaiting
}

// flushUses writes what use gathered. It becomes durable with the next sync.
func (s *Store) flushUses() error {
	s.uses.mu.Lock()
	waiting := s.uses.waiting
	s.uses.waiting = nil
	s.uses.mu.Unlock()
	if len(waiting) == 0 || s.failed() != nil {
		return nil
	}
	s.put.Lock()
	defer s.put.Unlock()
	batch := s.db.NewBatch()
	for key, used := range waiting {
		if err := batch.Set(append([]byte{tableUse}, key...), appendUsed(nil, used), nil); err != nil {
			return errors.Join(err, batch.Close())
		}
	}
	if err := errors.Join(s.db.Apply(batch, pebble.NoSync), batch.Close()); err != nil {
		return s.fail(err)
	}
	s.syncing.applied.Add(1)
	return s.failed()
}

// hourTime is when an hour since 1970 began.
func hourTime(used uint64) time.Time { return time.Unix(int64(used)*hour, 0).UTC() }

// BlockUsed tells when the block was last put or read, to the hour. The error
// is [ErrNotFound] when the store does not know the block.
func (s *Store) BlockUsed(l ipld.Link) (time.Time, error) {
	if err := s.gate.enter(); err != nil {
		return time.Time{}, err
	}
	defer s.gate.leave()
	used, err := s.lastUse(linkKey(tableBlock, l))
	if errors.Is(err, ErrNotFound) {
		used, err = s.lastUse(linkKey(tableFile, l))
	}
	return hourTime(used), err
}

// TaskUsed tells when the evidence for the task was last added to or read, to
// the hour. The error is [ErrNotFound] when there is none.
func (s *Store) TaskUsed(id task.ID) (time.Time, error) {
	if err := s.gate.enter(); err != nil {
		return time.Time{}, err
	}
	defer s.gate.leave()
	used, found := uint64(0), false
	err := s.eachRow(id, func(row row) error {
		found, used = true, max(used, row.used)
		return nil
	})
	if err == nil && !found {
		err = ErrNotFound
	}
	return hourTime(s.laterUse(linkKey(tableReceipt, id.Link), used)), err
}

func (s *Store) lastUse(key []byte) (used uint64, err error) {
	err = s.get(key, func(value []byte) error {
		used, _, err = cutUsed(value)
		return err
	})
	return s.laterUse(key, used), err
}

// laterUse is the later one of used and the uses recorded for key.
func (s *Store) laterUse(key []byte, used uint64) uint64 {
	s.uses.mu.Lock()
	used = max(used, s.uses.waiting[string(key)])
	s.uses.mu.Unlock()
	_ = s.get(append([]byte{tableUse}, key...), func(value []byte) error {
		if u, _, err := cutUsed(value); err == nil {
			used = max(used, u)
		}
		return nil
	})
	return used
}
