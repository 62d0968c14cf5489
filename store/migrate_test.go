package store

import (
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

var update = flag.Bool("update", false, "write testdata anew")

// old0 is what the committed store of format 0 holds, besides its receipts,
// whose links are listed in testdata/format-0.txt.
var old0 = struct {
	blocks  []ipld.Block
	tasks   []task.ID
	alias   Alias
	module  Module
	run     Run
	outputs []ipld.Value
}{
	blocks:  []ipld.Block{rawBlock([]byte("a small block")), rawBlock([]byte(strings.Repeat("a large block ", 5000)))},
	tasks:   []task.ID{taskID(1), taskID(2), taskID(3)},
	alias:   Alias{taskID(4), taskID(1)},
	module:  Module{taskID(5).Link, ipld.String("interface")},
	run:     Run{taskID(6).Link, "", 1, ipld.String("record")},
	outputs: []ipld.Value{ipld.Int(1), ipld.String("two"), ipld.LinkValue(rawBlock([]byte("a small block")).Link)},
}

// TestMigrateFormat0 opens a copy of a store that was written in format 0.
func TestMigrateFormat0(t *testing.T) {
	t.Parallel()
	const list = "testdata/format-0.txt"
	if *update {
		writeFormat0(t, "testdata/format-0", list)
	}
	dir := copyDir(t, "testdata/format-0")
	for range 2 { // the second time nothing is left to do
		s := openDisk(t, dir)
		verifyFormat0(t, s, list)
		closeStore(t, s)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "format")); string(text) != "ipvm store format 1\n" || err != nil {
		t.Errorf("format after migration: %q %v", text, err)
	}
}

// TestOpenFormat1 opens a copy of a store that was written in format 1, before it had
// collections, and collects in it.
func TestOpenFormat1(t *testing.T) {
	t.Parallel()
	const list = "testdata/format-1.txt"
	if *update {
		writeFormat1(t, "testdata/format-1", list)
	}
	dir := copyDir(t, "testdata/format-1")
	s := openDisk(t, dir)
	verifyFormat0(t, s, list)
	if value, ok, err := s.Note("kind", "key"); string(value) != "value" || !ok || err != nil {
		t.Errorf("note: %q %t %v", value, ok, err)
	}
	closeStore(t, s)
	s = openDisk(t, dir)
	defer closeStore(t, s)
	sum, err := s.Collect(t.Context(), Collection{Bounded: true})
	if err != nil || sum.Results != len(old0.tasks) || sum.Blocks != len(old0.blocks) {
		t.Errorf("%+v %v", sum, err)
	}
	if _, ok, err := s.Run(old0.run.Workflow, old0.run.For, old0.run.Seq); !ok || err != nil {
		t.Errorf("run: %t %v", ok, err)
	}
	wantNoProblems(t, s)
}

// writeFormat1 writes a store of format 1 with what [old0] is.
func writeFormat1(t *testing.T, dir, list string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s := openDisk(t, dir)
	put(t, s, Batch{
		Blocks: old0.blocks, Aliases: []Alias{old0.alias}, Modules: []Module{old0.module}, Runs: []Run{old0.run},
		Notes: []Note{{"kind", "key", []byte("value")}},
	})
	var links strings.Builder
	for i, id := range old0.tasks {
		for signer := range i + 1 {
			r := issue(t, signer, okReceipt(id, old0.outputs[i]))
			put(t, s, Batch{Receipts: []*receipt.Signed{r}})
			fmt.Fprintln(&links, r.Link())
		}
	}
	closeStore(t, s)
	if err := errors.Join(os.WriteFile(list, []byte(links.String()), 0o600), os.RemoveAll(filepath.Join(dir, "blobs", "tmp"))); err != nil {
		t.Fatal(err)
	}
}

// TestMigrateInterrupted lets a migration fail at every write it makes, as a
// full disk would, and open again.
func TestMigrateInterrupted(t *testing.T) {
	t.Parallel()
	for n, opened := int32(0), false; !opened && n < 300; n++ {
		mem := vfs.NewMem()
		if _, err := vfs.Clone(vfs.Default, mem, "testdata/format-0", "store"); err != nil {
			t.Fatal(err)
		}
		counter := errorfs.OnIndex(n)
		var hit atomic.Bool
		s, err := openOn(errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose && counter.MaybeError(op) != nil {
				hit.Store(true)
				return syscall.ENOSPC
			}
			return nil
		})))
		if err == nil {
			_ = s.Close()
		}
		opened = !hit.Load()
		if s, err = openOn(mem); err != nil {
			t.Fatalf("interrupted at write %d: open again: %v", n, err)
		}
		verifyFormat0(t, s, "testdata/format-0.txt")
		closeStore(t, s)
	}
}

func verifyFormat0(t *testing.T, s *Store, list string) {
	t.Helper()
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	want := make(map[string]bool)
	for line := range strings.Lines(string(text)) {
		want[strings.TrimSpace(line)] = true
	}
	n := 0
	for i, id := range old0.tasks {
		rs, err := s.Receipts(id)
		if err != nil {
			t.Error(err)
		}
		n += len(rs)
		for _, r := range rs {
			if !want[r.Link().String()] || !r.Out.Value.Equal(old0.outputs[i]) || r.Verify() != nil {
				t.Errorf("receipt %s of task %d: %v", r.Link(), i, r.Out.Value)
			}
		}
	}
	if n != len(want) || n == 0 {
		t.Errorf("%d receipts, want %d", n, len(want))
	}
	for _, b := range old0.blocks {
		wantBlock(t, s, b)
	}
	if to, ok, err := s.Resolve(old0.alias.From); to != old0.alias.To || !ok || err != nil {
		t.Errorf("alias: %t %v", ok, err)
	}
	if v, ok, err := s.Module(old0.module.Link); !v.Equal(old0.module.Interface) || !ok || err != nil {
		t.Errorf("module: %t %v", ok, err)
	}
	if r, ok, err := s.Run(old0.run.Workflow, "", old0.run.Seq); !r.Record.Equal(old0.run.Record) || !ok || err != nil {
		t.Errorf("run: %t %v", ok, err)
	}
	wantNoProblems(t, s)
	if err := s.each(tableOldReceipt, nil, func(key, _ []byte) error { return fmt.Errorf("left over: %x", key) }); err != nil {
		t.Error(err)
	}
}

// writeFormat0 writes a store as format 0 was: as format 1, but receipts under
// 'e', task, digest of the receipt, and without the hour of last use.
func writeFormat0(t *testing.T, dir, list string) {
	t.Helper()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	s := openDisk(t, dir)
	put(t, s, Batch{Blocks: old0.blocks, Aliases: []Alias{old0.alias}, Modules: []Module{old0.module}, Runs: []Run{old0.run}})
	var links strings.Builder
	for i, id := range old0.tasks {
		for signer := range i + 1 {
			r := issue(t, signer, okReceipt(id, old0.outputs[i]))
			sum := r.Link().Bytes()[4:]
			if err := s.db.Set(append(linkKey(tableOldReceipt, id.Link), sum...), r.Bytes(), pebble.Sync); err != nil {
				t.Fatal(err)
			}
			fmt.Fprintln(&links, r.Link())
		}
	}
	closeStore(t, s)
	if err := errors.Join(
		os.WriteFile(filepath.Join(dir, "format"), []byte("ipvm store format 0\n"), 0o600),
		os.WriteFile(list, []byte(links.String()), 0o600),
		// Git keeps no empty directories, and a store must not need them.
		os.RemoveAll(filepath.Join(dir, "blobs", "tmp")),
	); err != nil {
		t.Fatal(err)
	}
}

// TestFixtureIsNotEmpty guards the fixture itself: an empty one proves
// nothing.
func TestFixtureIsNotEmpty(t *testing.T) {
	t.Parallel()
	files := 0
	if err := filepath.WalkDir("testdata/format-0", func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files++
		}
		return err
	}); err != nil || files < 5 {
		t.Errorf("%d files, %v", files, err)
	}
}

func copyDir(t *testing.T, from string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "store")
	if err := os.CopyFS(to, os.DirFS(from)); err != nil {
		t.Fatal(err)
	}
	return to
}
