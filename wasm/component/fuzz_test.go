//go:build cgo

package component_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/internal/cputime"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// seeds are the modules of this tree that are not large.
func seeds(tb testing.TB) (out [][]byte) {
	tb.Helper()
	root := filepath.Join("..", "..")
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || d.Name() == "build" || strings.HasPrefix(d.Name(), ".") && path != root):
			return filepath.SkipDir
		case filepath.Ext(path) != ".wasm":
			return nil
		}
		code, err := os.ReadFile(path)
		if err == nil && len(code) < 32<<10 {
			out = append(out, code)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
	if len(out) < 5 {
		tb.Fatalf("only %d seeds", len(out))
	}
	return out
}

// bounded fails a test in which reading took long or much memory. Both grow
// with the code, from a floor.
func bounded(tb testing.TB, code []byte, read func()) {
	tb.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	took := cputime.Of(read)
	runtime.ReadMemStats(&after)
	if most := uint64(50<<20 + 2000*len(code)); after.TotalAlloc-before.TotalAlloc > most {
		tb.Errorf("reading %d bytes allocates %d KiB", len(code), (after.TotalAlloc-before.TotalAlloc)>>10)
	}
	if took > time.Second { // far more than it takes, as the machine may be busy
		tb.Errorf("reading %d bytes takes %s", len(code), took)
	}
}

// FuzzRead reads anything as a component. What is read can be asked for all
// there is to know.
func FuzzRead(f *testing.F) {
	for _, code := range seeds(f) {
		f.Add(code)
	}
	for _, text := range []string{doubled(40), wide, `(component $c) (instance (instantiate $c))`} {
		f.Add(wasmtest.Compile(f, "(component "+text+")"))
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		bounded(t, code, func() {
			p, err := component.Read(code)
			component.MemoriesOf(code)
			if err != nil {
				var why *component.Unrecognised
				if !errors.As(err, &why) || why.Reason == "" {
					t.Errorf("%T: %v", err, err)
				}
				return
			}
			holds(t, p)
		})
	})
}

// FuzzReadCore reads anything as a core module.
func FuzzReadCore(f *testing.F) {
	for _, code := range seeds(f) {
		f.Add(code)
	}
	f.Fuzz(func(t *testing.T, code []byte) {
		bounded(t, code, func() {
			p, err := component.ReadCore(code)
			if err != nil {
				if err.Error() == "" {
					t.Error("an error without a text")
				}
				return
			}
			holds(t, p)
		})
	})
}

// holds checks what the users of a program rely on.
func holds(t *testing.T, p *component.Program) {
	t.Helper()
	if err := p.Interface().Check(); err != nil {
		t.Error(err)
	}
	p.Memories()
	p.Footprint()
	item := func(what string, x *component.Item, step int) {
		switch {
		case x == nil:
		case x.Host >= len(p.Hosts), x.Host < 0 && (x.Step < 0 || x.Step >= step):
			t.Fatalf("%s comes from host function %d, instance %d, which there is not", what, x.Host, x.Step)
		case x.Host < 0:
			if e, ok := p.Modules[p.Steps[x.Step].Module].Export(x.Name); !ok || e.Sort != x.Sort || e.Type != x.Type {
				t.Fatalf("%s is export %q of instance %d, which is another", what, x.Name, x.Step)
			}
		}
	}
	for i, s := range p.Steps {
		if s.Module < 0 || s.Module >= len(p.Modules) || len(s.Imports) != len(p.Modules[s.Module].Imports) {
			t.Fatalf("instance %d is of module %d and is given %d imports", i, s.Module, len(s.Imports))
		}
		for k := range s.Imports {
			item("an import", &s.Imports[k], i)
		}
	}
	for i := range p.Hosts {
		item("a host function's memory", p.Hosts[i].Memory, len(p.Steps))
		item("a host function's allocator", p.Hosts[i].Realloc, len(p.Steps))
	}
	for i := range p.Funcs {
		f := &p.Funcs[i]
		item(f.Name, &f.Core, len(p.Steps))
		item(f.Name, f.Memory, len(p.Steps))
		item(f.Name, f.Realloc, len(p.Steps))
		item(f.Name, f.PostReturn, len(p.Steps))
		if f.Kind == component.FuncLifted && f.ABI.Core != f.Core.Type {
			t.Fatalf("%s is of type %s instead of %s", f.Name, f.Core.Type, f.ABI.Core)
		}
	}
	item("what is called first", p.Initialize, len(p.Steps))
}
