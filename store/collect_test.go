package store

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// fileBlocks are the blocks of a file of n bytes, its root last.
func fileBlocks(t testing.TB, seed, n int) []ipld.Block {
	t.Helper()
	var all []ipld.Block
	if _, err := ipld.ImportFile(noise(seed, n), func(b ipld.Block) error {
		all = append(all, b)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return all
}

// resultOf is a batch with the n-th task, whose output is the file of blocks.
func resultOf(t testing.TB, n int, blocks []ipld.Block) Batch {
	t.Helper()
	out := ipld.LinkValue(blocks[len(blocks)-1].Link)
	return Batch{Blocks: blocks, Receipts: []*receipt.Signed{issue(t, 0, okReceipt(taskID(n), out))}}
}

// aged is a store in memory over fs with a clock, opened anew so that nothing in
// it is recent.
func aged(t testing.TB, fs vfs.FS, c *clock) *Store {
	t.Helper()
	s, err := open("store", Options{fs: fs, Now: c.Now})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func collect(t testing.TB, s *Store, c Collection) (sum Collected, gone map[ipld.Link]bool) {
	t.Helper()
	gone = make(map[ipld.Link]bool)
	c.Tell = func(g Gone) { gone[g.Link] = true }
	sum, err := s.Collect(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return sum, gone
}

// fiveHours puts five results an hour apart, each with a file of 300,000 bytes.
func fiveHours(t testing.TB, fs vfs.FS, c *clock) (files [][]ipld.Block) {
	t.Helper()
	s := aged(t, fs, c)
	for n := range 5 {
		files = append(files, fileBlocks(t, n, 300_000))
		put(t, s, resultOf(t, n, files[n]))
		c.add(time.Hour)
	}
	closeStore(t, s)
	return files
}

func TestCollectTakesWhatWasUsedLeastRecently(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	files := fiveHours(t, fs, c)
	s := aged(t, fs, c)
	if _, err := s.Receipts(taskID(0)); err != nil { // so the oldest is in use
		t.Fatal(err)
	}
	if err := s.flushUses(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	s = aged(t, fs, c)
	defer closeStore(t, s)
	want := Collection{Bounded: true, MaxBytes: 1_000_000}
	want.DryRun = true
	before, err := s.Size(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	foreseen, would := collect(t, s, want)
	if after, err := s.Size(t.Context()); err != nil || after != before {
		t.Errorf("a dry run changed the store from %d to %d bytes: %v", before, after, err)
	}
	want.DryRun = false
	sum, gone := collect(t, s, want)
	if sum != foreseen || len(gone) != len(would) {
		t.Errorf("foreseen: %+v\n     did: %+v", foreseen, sum)
	}
	for l := range gone {
		if !would[l] {
			t.Errorf("%s went, and the dry run did not say so", l)
		}
	}
	if after, err := s.Size(t.Context()); err != nil || after > want.MaxBytes || after < want.MaxBytes-400_000 {
		t.Errorf("%d bytes are left, want about %d: %v", after, want.MaxBytes, err)
	}
	for n, here := range []bool{true, false, false, true, true} {
		rs, err := s.Receipts(taskID(n))
		if err != nil || len(rs) == 1 != here {
			t.Errorf("task %d: %d receipts, want %t (%v)", n, len(rs), here, err)
		}
		for _, b := range files[n] {
			if here {
				wantBlock(t, s, b)
			} else if _, err := s.Block(b.Link); !errors.Is(err, ErrNotFound) {
				t.Errorf("block %s of task %d: %v", b.Link, n, err)
			}
		}
	}
	wantNoProblems(t, s)
}

// TestCollectPart takes only a part of what was made within one hour.
func TestCollectPart(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	s := aged(t, fs, c)
	for n := range 40 {
		put(t, s, resultOf(t, n, fileBlocks(t, n, 70_000)))
	}
	closeStore(t, s)
	s = aged(t, fs, c)
	defer closeStore(t, s)
	collect(t, s, Collection{Bounded: true, MaxBytes: 1_500_000})
	if after, err := s.Size(t.Context()); err != nil || after > 1_500_000 || after < 1_200_000 {
		t.Errorf("%d bytes are left: %v", after, err)
	}
	wantNoProblems(t, s)
}

func TestCollectOlderThan(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	fiveHours(t, fs, c)
	s := aged(t, fs, c)
	defer closeStore(t, s)
	collect(t, s, Collection{Before: c.Now().Add(-3 * time.Hour)})
	for n := range 5 {
		if rs, err := s.Receipts(taskID(n)); err != nil || (len(rs) == 1) != (n >= 2) {
			t.Errorf("task %d: %d receipts, %v", n, len(rs), err)
		}
	}
	if sum, gone := collect(t, s, Collection{}); sum.Bytes != 0 || len(gone) != 0 {
		t.Errorf("without a bound: %+v", sum)
	}
}

func TestCollectKeepsWhatAKeptResultRestsOn(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	s := aged(t, fs, c)
	old := fileBlocks(t, 1, 600_000)
	put(t, s, resultOf(t, 1, old))
	c.add(48 * time.Hour)
	root := old[len(old)-1].Link
	put(t, s, Batch{Receipts: []*receipt.Signed{issue(t, 0, okReceipt(taskID(2), ipld.List(ipld.LinkValue(root))))}})
	closeStore(t, s)
	s = aged(t, fs, c)
	defer closeStore(t, s)
	collect(t, s, Collection{Before: c.Now().Add(-time.Hour)})
	wantReceipts(t, s, taskID(1))
	for _, b := range old {
		wantBlock(t, s, b)
	}
	wantNoProblems(t, s)
}

// TestCollectKeeps shows what stays whatever the bound is: what roots name, what is
// held, and what was touched.
func TestCollectKeeps(t *testing.T) {
	t.Parallel()
	file := fileBlocks(t, 7, 600_000)
	root := file[len(file)-1].Link
	doc, link, err := ipld.Encode(ipld.Map(ipld.Entry{Key: "in", Value: ipld.LinkValue(root)}))
	if err != nil {
		t.Fatal(err)
	}
	other := taskID(99)
	all := Collection{Bounded: true}
	for name, keep := range map[string]func(*testing.T, *Store) (blocks, result bool, c Collection){
		"nothing": func(*testing.T, *Store) (bool, bool, Collection) { return false, false, all },
		"root": func(*testing.T, *Store) (bool, bool, Collection) {
			c := all
			c.Roots = func(r *Roots) error { return r.Block(link) }
			return true, false, c
		},
		"root task": func(*testing.T, *Store) (bool, bool, Collection) {
			c := all
			c.Roots = func(r *Roots) error { return r.Task(other) }
			return true, true, c
		},
		"hold": func(t *testing.T, s *Store) (bool, bool, Collection) {
			h, err := s.Hold([]ipld.Link{link}, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(h.Release)
			return true, false, all
		},
		"hold of a task": func(t *testing.T, s *Store) (bool, bool, Collection) {
			h, err := s.Hold(nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			h.Add(taskID(3))
			t.Cleanup(h.Release)
			return true, true, all
		},
		"hold during the collection": func(t *testing.T, s *Store) (bool, bool, Collection) {
			c := all
			c.Roots = func(*Roots) error {
				h, err := s.Hold([]ipld.Link{link}, []task.ID{taskID(3)})
				if err == nil {
					h.Release() // which counts from the next one on
				}
				return err
			}
			return true, true, c
		},
		"read": func(t *testing.T, s *Store) (bool, bool, Collection) {
			if _, err := s.Receipts(taskID(3)); err != nil {
				t.Fatal(err)
			}
			return true, true, all
		},
		"read a while ago": func(t *testing.T, s *Store) (bool, bool, Collection) {
			if _, err := s.Receipts(taskID(3)); err != nil {
				t.Fatal(err)
			}
			s.opts.Now = func() time.Time { return newClock().Now().Add(2 * recentSpan) }
			return false, false, all
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			fs, c := vfs.NewMem(), newClock()
			s := aged(t, fs, c)
			b := resultOf(t, 3, file)
			b.Blocks = append(slices.Clone(b.Blocks), ipld.Block{Link: link, Data: doc})
			b.Aliases = []Alias{{other, taskID(3)}}
			put(t, s, b)
			closeStore(t, s)
			s = aged(t, fs, c)
			defer closeStore(t, s)
			blocks, result, bounds := keep(t, s)
			collect(t, s, bounds)
			for _, b := range file {
				if ok, err := s.Has(b.Link); ok != blocks || err != nil {
					t.Errorf("block %s: %t, want %t (%v)", b.Link, ok, blocks, err)
				}
			}
			if rs, err := s.Receipts(taskID(3)); len(rs) == 1 != result || err != nil {
				t.Errorf("%d receipts, want some: %t (%v)", len(rs), result, err)
			}
			if _, ok, err := s.Resolve(other); ok != result || err != nil {
				t.Errorf("alias: %t, want %t (%v)", ok, result, err)
			}
			wantNoProblems(t, s)
		})
	}
}

// TestCollectWhileOthersWork puts, reads and collects at the same time. Whoever sees
// a receipt finds what it rests on, and what is collected can be put again.
func TestCollectWhileOthersWork(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	s := aged(t, fs, c)
	defer closeStore(t, s)
	const tasks = 12
	var batches []Batch
	for n := range tasks {
		batches = append(batches, resultOf(t, n, fileBlocks(t, n%5, 70_000+n%5*100_000)))
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	var jump sync.RWMutex // nobody takes minutes for one task
	for w := range 3 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(9, uint64(w)))
			for ctx.Err() == nil {
				n := rng.IntN(tasks)
				jump.RLock()
				rs, err := s.Receipts(taskID(n))
				switch {
				case err != nil:
					t.Error(err)
				case len(rs) == 0:
					err = s.Put(batches[n])
				}
				for _, b := range batches[n].Blocks {
					if _, berr := s.Block(b.Link); berr != nil {
						t.Errorf("task %d (%d receipts before): block %s: %v", n, len(rs), b.Link, berr)
					}
				}
				jump.RUnlock()
				if err == nil && n == 0 {
					err = s.Sync(ctx)
				}
				if err != nil && ctx.Err() == nil {
					t.Error(err)
				}
			}
		})
	}
	went := 0
	for range 25 {
		jump.Lock()
		c.add(2 * recentSpan) // what they touch from now on is recent
		jump.Unlock()
		sum, err := s.Collect(t.Context(), Collection{Bounded: true})
		if err != nil {
			t.Error(err)
		}
		went += sum.Results
	}
	cancel()
	wg.Wait()
	if went == 0 {
		t.Error("nothing was ever collected: this test proves nothing")
	}
	wantNoProblems(t, s)
	t.Logf("%d results went", went)
}

// TestCollectCut cuts the power at any write of a collection.
func TestCollectCut(t *testing.T) {
	t.Parallel()
	for _, unsynced := range []int{0, 50, 100} {
		t.Run(fmt.Sprint(unsynced), func(t *testing.T) {
			t.Parallel()
			rng := rand.New(rand.NewPCG(11, uint64(unsynced)))
			mem, c := vfs.NewCrashableMem(), newClock()
			fiveHours(t, mem, c)
			type cut struct {
				fs      vfs.FS
				removed string // the file of a block that is about to be
			}
			var mu sync.Mutex
			var cuts []cut
			watching := false
			watch := func(on bool) {
				mu.Lock()
				defer mu.Unlock()
				watching = on
			}
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				mu.Lock()
				defer mu.Unlock()
				watching = watching && op.Kind != errorfs.OpRemoveAll
				if watching && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && len(cuts) < 150 {
					at := cut{fs: mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rng})}
					if op.Kind == errorfs.OpRemove && isBlob(op) {
						at.removed = mem.PathBase(op.Path)
					}
					cuts = append(cuts, at)
				}
				return nil
			}))
			s := aged(t, fs, c)
			collect(t, s, Collection{Bounded: true, MaxBytes: 700_000, Roots: func(*Roots) error {
				watch(true) // from here on: MemFS stands no clone while a database is opened
				return nil
			}})
			closeStore(t, s)
			if len(cuts) < 20 {
				t.Errorf("only %d writes", len(cuts))
			}
			for i, at := range cuts {
				s := aged(t, at.fs, c)
				if err := s.Check(t.Context(), func(p Problem) { t.Errorf("cut %d: %s", i, p) }); err != nil {
					t.Error(err)
				}
				if l, err := ipld.ParseLink(at.removed); err == nil {
					if _, _, err := s.fileRecord(l); !errors.Is(err, ErrNotFound) {
						t.Errorf("cut %d: the record of %s was not gone for good when its file was removed: %v", i, l, err)
					}
				}
				collect(t, s, Collection{Bounded: true})
				if size, err := s.Size(t.Context()); err != nil || size > 2000 {
					t.Errorf("cut %d: %d bytes are left after all was collected: %v", i, size, err)
				}
				closeStore(t, s)
			}
		})
	}
}

func TestCollectLeftovers(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	s := aged(t, fs, c)
	defer closeStore(t, s)
	stray, here := rawBlock(noise(1, 100_000)), rawBlock(noise(2, 100_000))
	put(t, s, Batch{Blocks: []ipld.Block{here}})
	if _, err := s.writeFiles([]ipld.Block{stray}); err != nil {
		t.Fatal(err)
	}
	sum, gone := collect(t, s, Collection{DryRun: true})
	if sum.Leftovers != 1 || !gone[stray.Link] {
		t.Errorf("dry run: %+v", sum)
	}
	collect(t, s, Collection{})
	if _, err := fs.Stat(s.blobPath(stray.Link)); err == nil {
		t.Error("the file is there")
	}
	wantBlock(t, s, here)
}

func TestCollectTwice(t *testing.T) {
	t.Parallel()
	s := aged(t, vfs.NewMem(), newClock())
	defer closeStore(t, s)
	_, err := s.Collect(t.Context(), Collection{Roots: func(*Roots) error {
		_, err := s.Collect(t.Context(), Collection{})
		return err
	}})
	if !errors.Is(err, ErrCollecting) {
		t.Errorf("a collection within one: %v", err)
	}
}

// TestCollectHeldLate holds a result when others of its kind are going already.
func TestCollectHeldLate(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	fiveHours(t, fs, c)
	s := aged(t, fs, c)
	defer closeStore(t, s)
	last := -1
	sum, err := s.Collect(t.Context(), Collection{Bounded: true, Tell: func(g Gone) {
		for n := range 5 {
			if last < 0 && taskID(n).Link != g.Link {
				last = n
				h, err := s.Hold(nil, []task.ID{taskID(n)})
				if err != nil {
					t.Error(err)
					return
				}
				h.Release()
			}
		}
	}})
	if err != nil || sum.Results != 4 {
		t.Errorf("%+v %v", sum, err)
	}
	if rs, err := s.Receipts(taskID(last)); len(rs) != 1 || err != nil {
		t.Errorf("%d receipts, %v", len(rs), err)
	}
	wantNoProblems(t, s)
}
