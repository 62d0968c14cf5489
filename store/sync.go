package store

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
)

// syncer shares one write to the disk among all who wait for one.
type syncer struct {
	applied atomic.Uint64 // batches put
	durable atomic.Uint64 // batches known to be on the disk, a prefix
	mu      sync.Mutex
	flight  *flight // the sync under way, if any
}

type flight struct {
	done chan struct{}
	err  error
}

// Sync returns when everything that was visible before this call, whoever put
// it, is durable, or with an error when that is not known. Concurrent callers share one write:
// those that arrive during a write share the next one.
//
// When ctx ends Sync may return its error before the data is durable. After any
// other error the store refuses further writes, because nobody knows what the
// disk holds; it must be opened again.
func (s *Store) Sync(ctx context.Context) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	want := s.syncing.applied.Load()
	for s.syncing.durable.Load() < want {
		if err := s.failed(); err != nil {
			return err
		}
		f, leader := s.syncing.join()
		if leader {
			f.err = s.syncNow()
			s.syncing.end(f)
		}
		select {
		case <-f.done:
		case <-ctx.Done():
			return fmt.Errorf("sync: %w", context.Cause(ctx))
		}
		if f.err != nil {
			return f.err
		}
	}
	fault.Point("store.acknowledge")
	return nil
}

func (y *syncer) join() (f *flight, leader bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.flight != nil {
		return y.flight, false
	}
	y.flight = &flight{done: make(chan struct{})}
	return y.flight, true
}

func (y *syncer) end(f *flight) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.flight = nil
	close(f.done)
}

// syncNow makes what was put so far durable: first the files, then the log that
// speaks of them.
func (s *Store) syncNow() error {
	if err := s.flushUses(); err != nil {
		return err
	}
	s.files.RLock() // no file that is pending is removed meanwhile
	defer s.files.RUnlock()
	s.put.Lock()
	target := s.syncing.applied.Load()
	files := s.pending
	s.pending = make(map[string]bool)
	s.put.Unlock()
	if err := s.failed(); err != nil {
		return err
	}
	if target == s.syncing.durable.Load() {
		return nil
	}
	if err := s.syncFiles(files); err != nil {
		return s.fail(err)
	}
	fault.Point("store.sync")
	if err := s.syncLog(); err != nil {
		return err
	}
	fault.Point("store.synced")
	s.syncing.durable.Store(target)
	return nil
}

// syncLog writes pebble's log to the disk, with everything in it so far.
func (s *Store) syncLog() error {
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		return s.fail(err)
	}
	return s.failed() // the guard hides a failed log from pebble
}

// syncFiles makes large blocks and the directories they are named in durable.
func (s *Store) syncFiles(files map[string]bool) error {
	if len(files) == 0 {
		return nil
	}
	fault.Point("store.files")
	dirs := map[string]bool{s.path("blobs"): true}
	for name := range files {
		if err := syncFile(s.fs, name); err != nil {
			return err
		}
		dirs[s.fs.PathDir(name)] = true
	}
	for dir := range dirs {
		if err := syncDir(s.fs, dir); err != nil {
			return err
		}
	}
	return nil
}
