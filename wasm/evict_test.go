//go:build cgo

package wasm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// plus is a module that adds n, with code of its own.
func plus(t testing.TB, n int) []byte {
	t.Helper()
	return wasmtest.Compile(t, fmt.Sprintf(`(module (func (export "plus") (param i32) (result i32) (i32.add (local.get 0) (i32.const %d))))`, n))
}

// lastUsed has an entry look as if it had been used at that time.
func lastUsed(t testing.TB, path string, at time.Time) {
	t.Helper()
	if err := os.Remove(path + seenEnd); err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, at, at); err != nil {
		t.Fatal(err)
	}
}

// Compiled code on disk stays below its bound; what was used least recently goes, and
// who has it loaded runs on.
func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	probe := filepath.Join(t.TempDir(), "code")
	load(t, newEngine(t, Config{CacheDir: probe}), plus(t, 0))
	one := held(t, probe)

	dir := filepath.Join(t.TempDir(), "code")
	first := newEngine(t, Config{CacheDir: dir, CacheBytes: one*3 + one/2})
	var old *Module
	names := []string{} // in the order in which they were last used
	for i := range 3 {
		m := load(t, first, plus(t, 100+i))
		if i == 0 {
			old = m
		}
		for _, c := range must(CodeIn(dir)) {
			if slices.Contains(names, c.Name) {
				continue
			}
			names = append(names, c.Name)
			used := time.Now().Add(time.Duration(i-10) * 24 * time.Hour)
			lastUsed(t, filepath.Join(dir, c.Name), used)
		}
	}
	if len(names) != 3 {
		t.Fatalf("entries: %v", names)
	}
	second := newEngine(t, Config{CacheDir: dir, CacheBytes: one*3 + one/2})
	load(t, second, plus(t, 100)) // is used
	for i := range 4 {
		load(t, second, plus(t, 200+i))
		if n := held(t, dir); n > one*3+one/2 {
			t.Errorf("after %d more: %d bytes", i+1, n)
		}
		if i == 0 {
			left := []string{}
			for _, c := range must(CodeIn(dir)) {
				left = append(left, c.Name)
			}
			if slices.Contains(left, names[1]) || !slices.Contains(left, names[0]) {
				t.Errorf("left are %v; %s was used least recently, %s just now", left, names[1], names[0])
			}
		}
	}
	if r := run(t, old, roomy, "plus", ipld.Int(1)); !r.Outcome.Value.Equal(ipld.Int(101)) {
		t.Errorf("what is loaded: %v", r.Outcome)
	}
	if r := run(t, load(t, second, plus(t, 101)), roomy, "plus", ipld.Int(2)); !r.Outcome.Value.Equal(ipld.Int(103)) {
		t.Errorf("compiled again: %v", r.Outcome)
	}
}

// One that is larger than the bound alone stays as long as nothing else comes.
func TestCacheKeepsTheNewest(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "code")
	e := newEngine(t, Config{CacheDir: dir, CacheBytes: 1})
	for i := range 3 {
		load(t, e, plus(t, i))
		if all := must(CodeIn(dir)); len(all) != 1 {
			t.Errorf("%d entries", len(all))
		}
	}
}

func TestTrimCode(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for i, name := range []string{"a.code", "b.code", "c.code", "key"} {
		used := time.Unix(int64(1000*(i+1)), 0)
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, make([]byte, 100), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, used, used); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		trim Trim
		gone []string
	}{
		{Trim{}, nil},
		{Trim{Bounded: true, Bytes: 200, DryRun: true}, []string{"a.code"}},
		{Trim{Bounded: true, DryRun: true, Keep: "a.code"}, []string{"b.code", "c.code"}},
		{Trim{Before: time.Unix(2500, 0), DryRun: true}, []string{"a.code", "b.code"}},
		{Trim{Before: time.Unix(2500, 0)}, []string{"a.code", "b.code"}},
		{Trim{Bounded: true}, []string{"c.code"}},
	} {
		var gone []string
		tt.trim.Gone = func(c Code) { gone = append(gone, c.Name) }
		before := held(t, dir)
		went, left, err := TrimCode(dir, tt.trim)
		if err != nil || !slices.Equal(gone, tt.gone) || went != uint64(100*len(gone)) || left != before-went {
			t.Errorf("%+v: %v, %d, %d, %v", tt.trim, gone, went, left, err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "key")); err != nil {
		t.Error(err)
	}
	if _, left, err := TrimCode(filepath.Join(dir, "none"), Trim{}); left != 0 || err != nil {
		t.Error(left, err)
	}
}

// held is how much machine code there is in dir.
func held(t testing.TB, dir string) (n uint64) {
	t.Helper()
	for _, c := range must(CodeIn(dir)) {
		n += c.Bytes
	}
	return n
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
