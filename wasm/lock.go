package wasm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"
)

// How often a lock that another process holds is asked for.
const (
	lockPause    = 2 * time.Millisecond
	lockMaxPause = 50 * time.Millisecond
)

// lock takes the right to make the entry called name, which one process of
// those with this cache has at a time, and waits at most patience for another that has it.
// It ends with its process. Where it can not be had, or not in time, both make
// the entry, which costs time and does no harm: only the end of ctx is an error.
func (c *cache) lock(ctx context.Context, name string, patience time.Duration) (unlock func(), err error) {
	deadline := time.Now().Add(patience)
	path := filepath.Join(c.dir, name+".lock")
	for pause := lockPause; ; pause = min(2*pause, lockMaxPause) {
		f, err := tryLock(path)
		if err != nil {
			return func() {}, nil
		}
		if f != nil {
			return func() {
				_ = os.Remove(path) // while it is ours
				f.Close()
			}, nil
		}
		if time.Now().After(deadline) {
			return func() {}, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryLock returns the locked file at path, nil if another process has it.
func tryLock(path string) (*os.File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	held, err := flock(f)
	if err == nil && held {
		// The one who had it may have removed the file that we opened.
		var mine, there os.FileInfo
		if mine, err = f.Stat(); err == nil {
			if there, err = os.Stat(path); err == nil && os.SameFile(mine, there) {
				return f, nil
			}
		}
		if errors.Is(err, os.ErrNotExist) {
			err = nil
		}
	}
	f.Close()
	return nil, err
}
