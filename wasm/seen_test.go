//go:build linux

package wasm

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// TestSeen shows that an entry which was checked is known again until it is written
// to, whatever times it is given, and that no other note is believed.
func TestSeen(t *testing.T) {
	t.Parallel()
	c, err := openCache(t.TempDir(), "config", 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	later := time.Now().Add(time.Minute)
	c.now = func() time.Time { return later }
	code := bytes.Repeat([]byte("machine code "), 1000)
	put := func(name string) string {
		t.Helper()
		f, err := writeTemp(c.dir, code)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if err := c.keep(f, int64(len(code)), name); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(c.dir, name)
	}
	path := put("a.code")
	check := func() error {
		f, _, err := c.open("a.code")
		if err == nil {
			f.Close()
		}
		return err
	}
	known := func() bool {
		t.Helper()
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		is, _, ok := identity(f, info)
		if !ok {
			t.Skip("this file system does not tell of changes")
		}
		return c.seen("a.code", is)
	}
	if !known() {
		t.Error("not known to who has written it")
	}
	boot := c.boot
	for _, other := range [][]byte{nil, []byte("3ad3ba2b-1b5a-4c5e-a0a2-8d2ff4a23c7f")} {
		if c.boot = other; known() {
			t.Errorf("known after the system was started again: %s", other)
		}
	}
	c.boot = boot
	if err := os.Remove(path + seenEnd); err != nil || known() {
		t.Error("known without a note", err)
	}
	c.now = time.Now
	if err := check(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + seenEnd); err == nil {
		t.Error("noted while it is new")
	}
	c.now = func() time.Time { return later }
	if err := check(); err != nil || !known() {
		t.Fatal("not noted", err)
	}

	note, err := os.ReadFile(path + seenEnd)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	spoil := func() {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err == nil {
			_, err = f.WriteAt([]byte("M"), 26)
		}
		if err == nil {
			err = f.Close()
		}
		if err == nil {
			err = os.Chtimes(path, before.ModTime(), before.ModTime())
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	spoil()
	if after, _ := os.Stat(path); after.Size() != before.Size() || !after.ModTime().Equal(before.ModTime()) {
		t.Fatal("the size or the time was changed, too")
	}
	if known() {
		t.Error("known after it was written to")
	}
	if err := check(); err == nil {
		t.Error("damage was not noticed")
	}

	path = put("a.code")
	for name, mark := range map[string][]byte{"of another file": note, "short": note[:len(note)-1], "long": append(bytes.Clone(note), 0), "empty": {}} {
		if err := os.WriteFile(path+seenEnd, mark, 0o600); err != nil {
			t.Fatal(err)
		}
		if known() {
			t.Errorf("a note %s was believed", name)
		}
	}
	put("b.code")
	if err := os.Rename(filepath.Join(c.dir, "a.code"), filepath.Join(c.dir, "b.code")); err != nil {
		t.Fatal(err)
	}
	if f, _, err := c.open("b.code"); err == nil {
		f.Close()
		t.Error("an entry of another name was taken")
	}

	path = put("a.code")
	if err := check(); err != nil || !known() {
		t.Fatal("not noted again", err)
	}
	much := later.Add(24 * time.Hour)
	c.now = func() time.Time { return much }
	if err := check(); err != nil || !known() {
		t.Error("not known any more when it is used much later", err)
	}
	if all, err := CodeIn(c.dir); err != nil || len(all) != 2 || all[1].Name != "a.code" || !all[1].Used.Equal(much) {
		t.Errorf("%v, %v, want the last to be a.code, used at %v", all, err, much)
	}
	c.discard("a.code")
	if left, _ := filepath.Glob(filepath.Join(c.dir, "a.code*")); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
