package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
)

func openDisk(t testing.TB, dir string) *Store {
	t.Helper()
	s, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestReopen(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "new", "store")
	small, large := rawBlock(noise(1, 100)), rawBlock(noise(2, 200_000))
	r := issue(t, 0, okReceipt(taskID(1), ipld.LinkValue(large.Link)))
	s := openDisk(t, dir)
	put(t, s, Batch{Blocks: []ipld.Block{small, large}, Receipts: []*receipt.Signed{r}})
	closeStore(t, s) // without a Sync: Close makes durable

	for range 2 {
		s = openDisk(t, dir)
		wantBlock(t, s, small)
		wantBlock(t, s, large)
		wantReceipts(t, s, taskID(1), r)
		wantNoProblems(t, s)
		closeStore(t, s)
	}
	for _, d := range []string{dir, filepath.Join(dir, "db"), filepath.Join(dir, "blobs")} {
		if info, err := os.Stat(d); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v (%v), want 0700", d, info.Mode(), err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "pid")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("pid file after close: %v", err)
	}
}

func TestFormat(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ text, want string }{
		"newer":      {"ipvm store format 7\n", "has format 7, and this ipvm knows formats up to 1: use an ipvm that knows format 7"},
		"not one":    {"hello", `holds "hello", not a format number`},
		"negative":   {"ipvm store format -1", "not a format number"},
		"empty":      {"", "not a format number"},
		"other word": {"1", "not a format number"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			closeStore(t, openDisk(t, dir))
			if err := os.WriteFile(filepath.Join(dir, "format"), []byte(c.text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := Open(dir, Options{})
			var format *FormatError
			if !errors.As(err, &format) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("open: %v", err)
			}
			after, err := os.ReadFile(filepath.Join(dir, "format"))
			if string(after) != c.text || err != nil {
				t.Errorf("a refused store was changed: %q %v", after, err)
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		closeStore(t, openDisk(t, dir))
		if err := os.Remove(filepath.Join(dir, "format")); err != nil {
			t.Fatal(err)
		}
		var format *FormatError
		if _, err := Open(dir, Options{}); !errors.As(err, &format) {
			t.Errorf("open: %v", err)
		}
	})
}

func TestLocked(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDisk(t, dir)
	defer closeStore(t, s)
	var locked *ErrLocked
	if _, err := Open(dir, Options{}); !errors.As(err, &locked) || locked.PID != os.Getpid() || locked.Dir != dir {
		t.Errorf("second open in this process: %v", err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_CRASH_CHILD=open", "STORE_CRASH_DIR="+dir)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("store %s is in use by process %d\n", dir, os.Getpid()); err == nil || string(out) != want {
		t.Errorf("second process: %q (%v), want %q", out, err, want)
	}
	put(t, s, Batch{Blocks: []ipld.Block{rawBlock([]byte("x"))}})
	syncStore(t, s)
}

func TestDamagedFile(t *testing.T) {
	t.Parallel()
	for name, damage := range map[string]struct {
		do  func(path string) error
		has bool
	}{
		"gone":      {os.Remove, false},
		"empty":     {func(p string) error { return os.Truncate(p, 0) }, false},
		"truncated": {func(p string) error { return os.Truncate(p, 100_000) }, false},
		"longer":    {func(p string) error { return os.Truncate(p, 300_000) }, false},
		"flipped": {func(p string) error {
			data, err := os.ReadFile(p)
			data[1234] ^= 1
			return errors.Join(err, os.WriteFile(p, data, 0o600))
		}, true}, // the cheap test can not see it
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openDisk(t, t.TempDir())
			defer closeStore(t, s)
			b := rawBlock(noise(1, 200_000))
			put(t, s, Batch{Blocks: []ipld.Block{b}})
			syncStore(t, s)
			if err := damage.do(s.blobPath(b.Link)); err != nil {
				t.Fatal(err)
			}
			data, err := s.Block(b.Link)
			var corrupt *CorruptError
			if data != nil || !errors.As(err, &corrupt) || corrupt.Path != s.blobPath(b.Link) || corrupt.Link != b.Link || corrupt.Hint == "" {
				t.Errorf("block: %d bytes, %v", len(data), err)
			}
			if has, err := s.Has(b.Link); has != damage.has || err != nil {
				t.Errorf("has: %t %v", has, err)
			}
			n := 0
			if err := s.Check(context.Background(), func(Problem) { n++ }); err != nil || n != 1 {
				t.Errorf("check: %d problems, %v", n, err)
			}
			put(t, s, Batch{Blocks: []ipld.Block{b}}) // putting it again mends it
			wantBlock(t, s, b)
		})
	}
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := openDisk(t, dir)
	var blocks []ipld.Block
	for i := range 200 {
		blocks = append(blocks, rawBlock(noise(i, 1000)))
	}
	put(t, s, Batch{Blocks: blocks})
	if err := s.db.Flush(); err != nil {
		t.Fatal(err)
	}
	closeStore(t, s)
	tables, err := filepath.Glob(filepath.Join(dir, "db", "*.sst"))
	if err != nil || len(tables) != 1 {
		t.Fatal(tables, err)
	}
	data, err := os.ReadFile(tables[0])
	if err != nil {
		t.Fatal(err)
	}
	for at := 5000; at < 100_000; at += 500 {
		data[at] ^= 0x55
	}
	if err := os.WriteFile(tables[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	s = openDisk(t, dir)
	defer closeStore(t, s)
	damaged := 0
	for _, b := range blocks {
		got, err := s.Block(b.Link)
		var corrupt *CorruptError
		switch {
		case err == nil && string(got) == string(b.Data):
		case errors.As(err, &corrupt):
			damaged++
		default:
			t.Errorf("block: %d bytes, %v", len(got), err)
		}
	}
	if damaged == 0 {
		t.Error("no damage was seen")
	}
}

func TestLeftovers(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	closeStore(t, openDisk(t, dir))
	temp := filepath.Join(dir, "blobs", "tmp", "half")
	if err := os.WriteFile(temp, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	closeStore(t, openDisk(t, dir))
	if _, err := os.Stat(temp); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a half-written file stays: %v", err)
	}
}

// openOn opens a store on a file system that may fail.
func openOn(fs vfs.FS) (*Store, error) { return open("store", Options{fs: fs}) }

func TestDiskFullReserve(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 << 20, TotalBytes: 1 << 30})
	small, large := rawBlock(noise(1, 10)), rawBlock(noise(2, 100_000))
	for _, b := range []ipld.Block{small, large} {
		err := s.Put(Batch{Blocks: []ipld.Block{b}})
		if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), "10 MiB free") {
			t.Errorf("put on a full disk: %v", err)
		}
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 30})
	put(t, s, Batch{Blocks: []ipld.Block{small, large}}) // there is room again
	wantBlock(t, s, small)
	wantBlock(t, s, large)
}

// What is here already can be put on a full disk, whenever it was used last.
func TestDiskFullAgain(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	known := Batch{Blocks: []ipld.Block{rawBlock(noise(1, 10)), rawBlock(noise(2, 100_000))}, Aliases: []Alias{{taskID(1), taskID(2)}}}
	s := aged(t, fs, c)
	put(t, s, known)
	closeStore(t, s)
	c.add(3 * time.Hour)
	s = aged(t, fs, c)
	defer closeStore(t, s)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 << 20, TotalBytes: 1 << 30})
	put(t, s, known)
	for what, b := range map[string]Batch{
		"a block":         {Blocks: append(slices.Clone(known.Blocks), rawBlock(noise(3, 10)))},
		"another meaning": {Blocks: known.Blocks, Aliases: []Alias{{taskID(1), taskID(3)}}},
	} {
		if err := s.Put(b); !errors.Is(err, ErrDiskFull) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

// What makes room, and what has to be known afterwards, is written below the reserve.
func TestReserveIsForMakingRoom(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	files := fiveHours(t, fs, c)
	s := aged(t, fs, c)
	defer closeStore(t, s)
	note := func(kind string, value []byte) Batch {
		return Batch{Notes: []Note{{Kind: kind, Key: "k", Value: value}}}
	}
	put(t, s, note("old", []byte("x")))
	spare := note("ended", []byte("x"))
	spare.Spare = true
	block := Batch{Blocks: []ipld.Block{rawBlock(noise(99, 10))}, Spare: true}
	free := func(mib uint64) {
		fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: mib << 20, TotalBytes: 1 << 30})
	}
	for _, c := range []struct {
		name string
		free uint64
		put  Batch
		ok   bool
	}{
		{"a block", 31, block, false},
		{"a note", 31, note("new", []byte("x")), false},
		{"what is spare", 31, spare, true},
		{"what is spare", 7, spare, false},
		{"what removes", 5, note("old", nil), true},
		{"what removes", 3, note("old", nil), false},
	} {
		free(c.free)
		s.unspent = 0
		if err := s.Put(c.put); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrDiskFull) {
			t.Errorf("%s with %d MiB free: %v", c.name, c.free, err)
		}
	}
	free(5)
	if err := s.Room(); !errors.Is(err, ErrDiskFull) {
		t.Errorf("room: %v", err)
	}
	sum, gone := collect(t, s, Collection{Bounded: true, Roots: func(*Roots) error {
		if _, err := fs.Stat("store/collect"); err == nil {
			t.Error("the marks are on the full disk")
		}
		return nil
	}})
	if sum.Results != 5 || !gone[files[0][0].Link] {
		t.Errorf("collected %+v", sum)
	}
	free(3)
	if _, err := s.Collect(t.Context(), Collection{Bounded: true, DryRun: true}); err != nil {
		t.Errorf("a dry run: %v", err)
	}
	free(1 << 10)
	if err := s.Room(); err != nil {
		t.Errorf("room: %v", err)
	}
}

// A collection tells when there is no room for its marks.
func TestMarksAreBounded(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	s := aged(t, fs, newClock())
	defer closeStore(t, s)
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 10 << 20, TotalBytes: 1 << 30})
	_, err := s.Collect(t.Context(), Collection{Bounded: true, Roots: func(r *Roots) error {
		r.g.marks.left.Store(100)
		return errors.Join(r.Task(taskID(1)), r.Task(taskID(2)))
	}})
	if !errors.Is(err, ErrDiskFull) || !strings.Contains(err.Error(), "need more than 64 MiB") {
		t.Errorf("got %v", err)
	}
	fs.TestingSetDiskUsage(vfs.DiskUsage{AvailBytes: 1 << 30, TotalBytes: 1 << 30})
	if _, err := s.Collect(t.Context(), Collection{Bounded: true}); err != nil {
		t.Errorf("with room: %v", err)
	}
}

// Whether a store could be written if it were opened again.
func TestWritable(t *testing.T) {
	t.Parallel()
	var broken atomic.Pointer[error]
	mem := vfs.NewMem()
	s, err := openOn(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if p := broken.Load(); p != nil && strings.HasSuffix(op.Path, "writable") {
			return *p
		}
		return nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	for _, want := range []error{nil, ErrDiskFull, ErrReadOnly, nil} {
		injected := map[error]error{ErrDiskFull: syscall.ENOSPC, ErrReadOnly: syscall.EROFS}[want]
		broken.Store(nil)
		if injected != nil {
			broken.Store(&injected)
		}
		if err := s.Writable(); !errors.Is(err, want) || MayPass(err) != (want != nil) {
			t.Errorf("expected %v, got %v", want, err)
		}
	}
	if _, err := mem.Stat("store/writable"); err == nil {
		t.Error("a file was left")
	}
}

// TestWriteFails fails writes of one kind after the store was opened and wants
// clear errors, working reads, a clean Close, and nothing acknowledged lost.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		match func(errorfs.Op) bool
		err   error
		want  string
	}{
		"log full": {func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && isLog(op.Path) }, syscall.ENOSPC, "disk full: free some space"},
		"log sync": {func(op errorfs.Op) bool {
			return (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) && isLog(op.Path)
		}, syscall.EIO, "input/output error"},
		"blob write":  {func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "blobs") }, syscall.ENOSPC, "disk full: free some space"},
		"blob rename": {func(op errorfs.Op) bool { return op.Kind == errorfs.OpRename && strings.Contains(op.Path, "blobs") }, syscall.EROFS, "read-only file system"},
		"blob sync":   {func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileSync && strings.Contains(op.Path, "blobs") }, syscall.EIO, "input/output error"},
		"blob mkdir":  {func(op errorfs.Op) bool { return op.Kind == errorfs.OpMkdirAll }, syscall.EACCES, "can not be written by this user"},
		"everything": {func(op errorfs.Op) bool {
			return op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose
		}, syscall.ENOSPC, "disk full"},
		"log creation": {func(op errorfs.Op) bool {
			return (op.Kind == errorfs.OpCreate || op.Kind == errorfs.OpReuseForWrite) && isLog(op.Path)
		}, syscall.ENOSPC, "disk full: free some space"},
		"table": {func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst") }, syscall.ENOSPC, "disk full: free some space"},
		"manifest": {func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST")
		}, syscall.EIO, "input/output error"},
		"manifest sync": {func(op errorfs.Op) bool {
			return op.Kind == errorfs.OpFileSync && strings.Contains(op.Path, "MANIFEST")
		}, syscall.EIO, "input/output error"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var failing atomic.Bool
			mem := vfs.NewMem()
			fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
				if failing.Load() && c.match(op) {
					return &os.PathError{Op: "test", Path: op.Path, Err: c.err}
				}
				return nil
			}))
			told := make(chan error, 9)
			s, err := open("store", Options{fs: fs, Failed: func(err error) { told <- err }})
			if err != nil {
				t.Fatal(err)
			}
			kept := rawBlock(noise(1, 100_000))
			keptReceipt := issue(t, 0, okReceipt(taskID(1), ipld.LinkValue(kept.Link)))
			put(t, s, Batch{Blocks: []ipld.Block{kept}, Receipts: []*receipt.Signed{keptReceipt}})
			syncStore(t, s)

			failing.Store(true)
			acknowledged := 0
			for err = nil; err == nil && acknowledged < 400; acknowledged++ {
				err = s.Put(Batch{Blocks: []ipld.Block{rawBlock(noise(100+acknowledged, 60_000)), rawBlock(noise(1000+acknowledged, 70_000))}})
				if err == nil {
					err = s.Sync(context.Background())
				}
			}
			acknowledged--
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("after %d puts: %v, want %q", acknowledged, err, c.want)
			}
			wantBlock(t, s, kept) // reading goes on
			wantReceipts(t, s, taskID(1), keptReceipt)
			if s.failed() != nil {
				if err := s.Put(Batch{Blocks: []ipld.Block{kept}}); err == nil || !strings.Contains(err.Error(), "an earlier write failed") {
					t.Errorf("a later put: %v", err)
				}
			}
			if s.failed() != nil {
				<-told // by who saw it first, maybe in the background
			}
			if len(told) > 0 {
				t.Errorf("the store has failed (%v), and this was told as well: %v", s.failed(), <-told)
			}
			_ = s.Close() // must return; it may report the failure

			failing.Store(false)
			s, err = openOn(fs)
			if err != nil {
				t.Fatalf("open again: %v", err)
			}
			defer closeStore(t, s)
			wantBlock(t, s, kept)
			wantReceipts(t, s, taskID(1), keptReceipt)
			for i := range acknowledged {
				wantBlock(t, s, rawBlock(noise(100+i, 60_000)))
				wantBlock(t, s, rawBlock(noise(1000+i, 70_000)))
			}
		})
	}
}

func TestOpenFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"read-only": {syscall.EROFS, "read-only file system"},
		"forbidden": {syscall.EACCES, "can not be written by this user"},
		"full":      {syscall.ENOSPC, "disk full"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Let the n-th writing operation fail, for every n.
			for n, opened := int32(0), false; !opened; n++ {
				counter := errorfs.OnIndex(n)
				fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
					if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && counter.MaybeError(op) != nil {
						return &os.PathError{Op: "test", Path: op.Path, Err: c.err}
					}
					return nil
				}))
				s, err := openOn(fs)
				if opened = err == nil; opened {
					if n < 10 {
						t.Errorf("only %d operations were failed", n)
					}
					_ = s.Close() // a later operation may be the failing one
					break
				}
				if !strings.Contains(err.Error(), c.want) || strings.Count(err.Error(), "store store") != 1 {
					t.Errorf("operation %d: %v", n, err)
				}
				if n > 200 {
					t.Fatal("the store never opens")
				}
			}
		})
	}
}

// TestGroupCommit counts the writes to the disk that many waiting writers need.
func TestGroupCommit(t *testing.T) {
	t.Parallel()
	var syncs atomic.Int64
	hold := make(chan struct{})
	var held atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if (op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSync) && isLog(op.Path) {
			syncs.Add(1)
			if held.Load() {
				<-hold
			}
		}
		return nil
	}))
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	held.Store(true)
	syncs.Store(0)
	const writers = 50
	var wg sync.WaitGroup
	arrived := make(chan struct{}, writers)
	for i := range writers {
		wg.Go(func() {
			if err := s.Put(Batch{Receipts: []*receipt.Signed{issue(t, 0, okReceipt(taskID(i), ipld.Null))}}); err != nil {
				t.Error(err)
			}
			arrived <- struct{}{}
			if err := s.Sync(context.Background()); err != nil {
				t.Error(err)
			}
		})
	}
	for range writers {
		<-arrived
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Sync(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("sync under a cancelled context: %v", err)
	}
	close(hold)
	wg.Wait()
	if n := syncs.Load(); n < 1 || n > 5 {
		t.Errorf("%d writers needed %d syncs", writers, n)
	}
	before := syncs.Load()
	syncStore(t, s)
	if syncs.Load() != before {
		t.Error("a sync without anything new went to the disk")
	}
}

// TestPutOrderOfReaders wants what was put to be visible at once, and whole, to
// readers at the same time.
func TestPutOrderOfReaders(t *testing.T) {
	t.Parallel()
	s, err := OpenMemory(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer closeStore(t, s)
	var done atomic.Int64
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range 500 {
			id := taskID(i)
			put(t, s, Batch{
				Blocks:   []ipld.Block{rawBlock(noise(i, 10))},
				Receipts: []*receipt.Signed{issue(t, 0, okReceipt(id, ipld.LinkValue(rawBlock(noise(i, 10)).Link)))},
				Aliases:  []Alias{{taskID(-i - 1), id}},
			})
			done.Store(int64(i + 1))
		}
	})
	for range 4 {
		wg.Go(func() {
			for n := int64(0); n < 500; n = done.Load() {
				if n == 0 {
					continue
				}
				i := int(n - 1)
				to, ok, err := s.Resolve(taskID(-i - 1))
				if to != taskID(i) || !ok || err != nil {
					t.Errorf("resolve: %t %v", ok, err)
				}
				if rs, err := s.Receipts(taskID(i)); len(rs) != 1 || err != nil {
					t.Errorf("receipts: %d %v", len(rs), err)
				}
				if has, err := s.Has(rawBlock(noise(i, 10)).Link); !has || err != nil {
					t.Errorf("has: %t %v", has, err)
				}
			}
		})
	}
	wg.Wait()
}
