//go:build cgo

package wasm

import (
	"bytes"
	"debug/elf"
	"os"
	"path/filepath"
	"testing"
	"unsafe"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// TestSlim shows that what the cache keeps has no address map, is otherwise what
// the engine made, and comes to the same, traps included.
func TestSlim(t *testing.T) {
	text := "(component (core module $m " + largeModule(40, 2) + `(func (export "trap") (unreachable))) (core instance $i (instantiate $m))
		(func (export "sum") (param "data" (list u8)) (result u32)
			(canon lift (core func $i "sum") (memory $i "memory") (realloc (func $i "cabi_realloc"))))
		(func (export "trap") (canon lift (core func $i "trap"))))`
	code := wasmtest.Compile(t, text)
	dir := t.TempDir()
	whole := newEngine(t, Config{})
	results := func(e *Engine) (Result, Result) {
		m := load(t, e, code)
		sum := run(t, m, roomy, "sum", ipld.Bytes([]byte("some bytes")))
		trap := run(t, m, roomy, "trap")
		return sum, trap
	}
	wantSum, wantTrap := results(whole)
	if kindOf(wantSum) != "ok" || kindOf(wantTrap) != "trap unreachable" {
		t.Fatal(wantSum.Outcome, wantTrap.Outcome)
	}
	for range 2 { // the first of all compiles
		sum, trap := results(newEngine(t, Config{CacheDir: dir}))
		if !sum.Outcome.Value.Equal(wantSum.Outcome.Value) || sum.Gas != wantSum.Gas || kindOf(trap) != kindOf(wantTrap) || trap.Gas != wantTrap.Gas {
			t.Errorf("%v and %v, want %v and %v", sum, trap, wantSum, wantTrap)
		}
	}
	entries, err := filepath.Glob(filepath.Join(dir, "*.code"))
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, entry := range entries {
		kept, err := os.ReadFile(entry)
		if err != nil {
			t.Fatal(err)
		}
		if size := mapSize(t, kept); size != 0 {
			t.Errorf("an address map of %d bytes", size)
		}
	}
}

// mapSize is the size of the address map in an artifact.
func mapSize(t *testing.T, artifact []byte) uint64 {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(artifact))
	if err != nil || f.Section(addressMap) == nil {
		t.Fatal("no artifact of the engine with an address map", err)
	}
	return f.Section(addressMap).Size
}

// TestSlimSections shows that all other sections stay what they are.
func TestSlimSections(t *testing.T) {
	e := newEngine(t, Config{})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	for _, core := range []bool{true, false} {
		text := "(module " + largeModule(40, 2) + ")"
		if !core {
			text = "(component (core module $m " + largeModule(40, 2) + `) (core instance $i (instantiate $m)))`
		}
		artifact := artifactOf(t, e, wasmtest.Compile(t, text), core)
		before := bytes.Clone(artifact)
		out := slim(artifact)
		if !bytes.Equal(before, artifact) {
			t.Error("the artifact was changed")
		}
		if size := mapSize(t, artifact); size < filePage || len(out) > len(artifact)-int(size)+filePage {
			t.Errorf("%d bytes of %d are left, %d were an address map", len(out), len(artifact), size)
		}
		was, is := sections(t, artifact), sections(t, out)
		if len(was) != len(is) {
			t.Fatalf("%d sections of %d", len(is), len(was))
		}
		for i, w := range was {
			if w.Name == addressMap {
				continue
			}
			if s := is[i]; s.Name != w.Name || !bytes.Equal(s.data, w.data) || s.Offset%max(s.Addralign, 1) != 0 || s.Flags != w.Flags {
				t.Errorf("section %s has become %v", w.Name, s.SectionHeader)
			}
		}
		if again := slim(out); !bytes.Equal(again, out) {
			t.Error("not the same when made slim twice")
		}
		for n := range 100 { // what is not whole stays what it is, and breaks nothing
			torn := artifact[:len(artifact)*n/100]
			if !bytes.Equal(slim(torn), torn) {
				t.Errorf("%d of %d bytes were changed", len(torn), len(artifact))
			}
		}
	}
}

// artifactOf is what the engine makes of code.
func artifactOf(t *testing.T, e *Engine, code []byte, core bool) []byte {
	t.Helper()
	vec, refusal := compileWith(e.demand, code, core)
	if refusal != "" {
		t.Fatal(refusal)
	}
	src := &source{vec: vec}
	defer src.close()
	return bytes.Clone(unsafe.Slice((*byte)(unsafe.Pointer(vec.data)), int(vec.size)))
}

type section struct {
	elf.SectionHeader
	data []byte
}

func sections(t *testing.T, artifact []byte) (out []section) {
	t.Helper()
	f, err := elf.NewFile(bytes.NewReader(artifact))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range f.Sections[1:] {
		data, err := s.Data()
		if err != nil {
			t.Fatal(s.Name, err)
		}
		out = append(out, section{s.SectionHeader, data})
	}
	return out
}
