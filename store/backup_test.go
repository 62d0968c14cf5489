package store

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// TestBackupUnderLoad copies a store while others write. The copy has all that was
// visible before, and nothing in it is broken.
func TestBackupUnderLoad(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDisk(t, dir+"/store")
	k := key(t, 0)
	ctx, cancel := context.WithCancel(t.Context())
	var next [crashWriters]atomic.Int64
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			for n := 0; ctx.Err() == nil; n++ {
				b, err := crashBatch(k, 1, w, n)
				if err == nil {
					err = s.Put(b)
				}
				if err == nil {
					err = s.Sync(ctx)
				}
				if err != nil {
					if ctx.Err() == nil {
						t.Error(err)
					}
					return
				}
				next[w].Store(int64(n) + 1)
			}
		})
	}
	var before [2][crashWriters]int64
	for i, name := range []string{"one", "two"} {
		for next[0].Load() < int64(20*(i+1)) {
			time.Sleep(time.Millisecond)
		}
		for w := range crashWriters {
			before[i][w] = next[w].Load()
		}
		if err := s.Backup(t.Context(), dir+"/"+name); err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	wg.Wait()
	closeStore(t, s)
	for i, name := range []string{"one", "two"} {
		s := openDisk(t, dir+"/"+name)
		c := &crashRun{rounds: 1}
		for w := range crashWriters {
			c.verifyWriter(t, s, name, 1, w, int(before[i][w])-1)
		}
		wantNoProblems(t, s)
		put(t, s, Batch{Blocks: []ipld.Block{rawBlock([]byte("more"))}}) // which the other does not have
		closeStore(t, s)
	}
}

// TestBackupThatFails fails a copy at each of its writes. The store goes on, and what
// there is of the copy is no store.
func TestBackupThatFails(t *testing.T) {
	t.Parallel()
	for n, whole := int32(0), false; !whole; n++ {
		mem := vfs.NewMem()
		counter := errorfs.OnIndex(n)
		var hit atomic.Bool
		s, err := openOn(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if strings.Contains(op.Path, "copy") && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpLink && op.Kind != errorfs.OpFileClose && counter.MaybeError(op) != nil {
				hit.Store(true)
				return syscall.ENOSPC
			}
			return nil
		})))
		if err != nil {
			t.Fatal(err)
		}
		file := fileBlocks(t, 1, 300_000)
		put(t, s, resultOf(t, 1, file))
		err = s.Backup(t.Context(), "copy")
		whole = !hit.Load()
		if whole == (err != nil) {
			t.Errorf("write %d failed: %t, error %v", n, hit.Load(), err)
		}
		put(t, s, resultOf(t, 2, file))
		syncStore(t, s)
		closeStore(t, s)
		if _, err := mem.Stat("copy/format"); err == nil && !whole {
			if c, err := open("copy", Options{fs: mem}); err == nil { // only its last sync failed
				wantReceipts(t, c, taskID(1), issue(t, 0, okReceipt(taskID(1), ipld.LinkValue(file[len(file)-1].Link))))
				closeStore(t, c)
			}
		}
		if n > 500 {
			t.Fatal("it never succeeds")
		}
	}
}

func TestBackupAndCollection(t *testing.T) {
	t.Parallel()
	s := aged(t, vfs.NewMem(), newClock())
	defer closeStore(t, s)
	_, err := s.Collect(t.Context(), Collection{Roots: func(*Roots) error { return s.Backup(t.Context(), "copy") }})
	if !errors.Is(err, ErrCollecting) {
		t.Errorf("a backup during a collection: %v", err)
	}
	done, err := s.beginCopy()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Collect(t.Context(), Collection{}); !errors.Is(err, ErrCollecting) {
		t.Errorf("a collection during a backup: %v", err)
	}
	done()
	if err := s.Backup(t.Context(), "store"); err == nil {
		t.Error("a backup over what is there")
	}
	if _, err := s.Collect(t.Context(), Collection{}); err != nil {
		t.Error(err)
	}
}
