package store

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Backup makes a copy of the store in a folder that must not be there, while others
// go on reading and writing. It holds everything that was visible before, durably,
// and can be opened as a store. Files that never change are linked where that can
// be done, else copied. After an error the folder is not to be used.
//
// The error is [ErrCollecting] during a collection, and the other way round.
func (s *Store) Backup(ctx context.Context, to string) (err error) {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := s.failed(); err != nil {
		return err
	}
	if _, err := s.fs.Stat(to); !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("backup: %s is there already", to)
	}
	done, err := s.beginCopy()
	if err != nil {
		return err
	}
	defer done()
	if err := s.backup(ctx, to); err != nil {
		return explained{fmt.Errorf("backup to %s: %w", to, err)}
	}
	return nil
}

// beginCopy keeps collections away until the func returned is called.
func (s *Store) beginCopy() (done func(), err error) {
	s.collecting.mu.Lock()
	defer s.collecting.mu.Unlock()
	if s.collecting.marks != nil || s.collecting.copied {
		return nil, ErrCollecting
	}
	s.collecting.copied = true
	return func() {
		s.collecting.mu.Lock()
		defer s.collecting.mu.Unlock()
		s.collecting.copied = false
	}, nil
}

func (s *Store) backup(ctx context.Context, to string) error {
	if err := makeDir(s.fs, to); err != nil {
		return err
	}
	if err := s.checkpoint(s.fs.PathJoin(to, "db")); err != nil {
		return err
	}
	fault.Point("store.backup.database")
	// What the database speaks of is written, and now durable too.
	if err := s.Sync(ctx); err != nil {
		return err
	}
	dirs := map[string]bool{s.fs.PathJoin(to, "blobs"): true}
	err := s.each(tableFile, nil, func(key, _ []byte) error {
		l, _, err := cutLink(key[1:])
		if err != nil {
			return nil // damage, which Check tells
		}
		dir, err := s.copyFile(l, to)
		dirs[dir] = true
		return errors.Join(err, context.Cause(ctx))
	})
	if err != nil {
		return err
	}
	for dir := range dirs {
		if err := s.fs.MkdirAll(dir, 0o700); err != nil {
			return err
		}
		if err := syncDir(s.fs, dir); err != nil {
			return err
		}
	}
	return errors.Join(writeFormat(s.fs, to, Format), syncDir(s.fs, to))
}

// checkpoint copies the database. Pebble panics where the folder of the copy can not
// be synced.
func (s *Store) checkpoint(to string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("copy the database: %v", p)
		}
	}()
	return s.db.Checkpoint(to, pebble.WithFlushedWAL())
}

// copyFile links or copies the file of a large block, and returns the folder in which
// it is then. A file that is lost is lost in the copy too.
func (s *Store) copyFile(l ipld.Link, to string) (dir string, err error) {
	name := s.blobPath(l)
	folder := s.fs.PathBase(s.fs.PathDir(name))
	dir = s.fs.PathJoin(to, "blobs", folder)
	if err := s.fs.MkdirAll(dir, 0o700); err != nil {
		return dir, err
	}
	target := s.fs.PathJoin(dir, s.fs.PathBase(name))
	if s.fs.Link(name, target) == nil {
		return dir, nil
	}
	return dir, ignoreMissing(vfs.CopyAcrossFS(s.fs, name, s.fs, target))
}
