//go:build cgo

package component_test

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

var update = flag.Bool("update", false, "rewrite the summaries in testdata")

const plusOne = `(core module $m (memory (export "memory") 1 7) (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
	(core instance $i (instantiate $m))`

// summarised are modules and parts of their summary's name. A text that does
// not begin with "(module" is what is in a component.
var summarised = []struct{ name, text string }{
	{"nothing", ``},
	{"a function", plusOne + `(func (export "f") (param "x" u32) (result u32) (canon lift (core func $i "f")))`},
	{"an interface", plusOne + `(func $f (param "x" u32) (result u32) (canon lift (core func $i "f"))) (instance $x (export "f" (func $f)) (export "g" (func $f))) (export "a:b/c@1.2.3" (instance $x))`},
	{"text, with a post-return", `(core module $m (memory (export "mem") 1) (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable) (func (export "f") (param i32 i32) (result i32) unreachable) (func (export "p") (param i32)))
		(core instance $i (instantiate $m)) (func (export "f") (param "x" string) (result string) (canon lift (core func $i "f") (memory $i "mem") (realloc (func $i "r")) (post-return (func $i "p")) string-encoding=utf16))`},
	{"two components within", `(component $c ` + plusOne + `(func (export "f") (param "x" u8) (result u8) (canon lift (core func $i "f")))) (instance $a (instantiate $c)) (instance $b (instantiate $c)) (export "a" (func $a "f")) (export "b" (func $b "f"))`},
	{"aliases", `(core module $m (func (export "f"))) (component $c (alias outer 1 $m (core module $n)) (core instance $i (instantiate $n)) (alias core export $i "f" (core func $f)) (func $g (canon lift (core func $f))) (export "g" (func $g)))
		(instance $x (instantiate $c)) (alias export $x "g" (func $h)) (export "h" (func $h))`},
	{"host functions", `(import "a:b/c@0.1.0" (instance $x (export "put" (func (param "s" string))) (export "get" (func (result u64))) (export "unused" (func))))
		(core module $mem (memory (export "m") 2 2)) (core instance $mem (instantiate $mem))
		(alias export $x "put" (func $put)) (alias export $x "get" (func $get))
		(core func $put (canon lower (func $put) (memory $mem "m") string-encoding=latin1+utf16)) (core func $get (canon lower (func $get)))
		(core module $m (import "h" "put" (func (param i32 i32))) (import "h" "get" (func (result i64))) (import "h" "m" (memory 1)) (func (export "f")))
		(core instance $i (instantiate $m (with "h" (instance (export "put" (func $put)) (export "get" (func $get)) (export "m" (memory $mem "m"))))))
		(func (export "f") (canon lift (core func $i "f")))`},
	{"a program of WASI 0.2", `(core module $m (func (export "run") (result i32) i32.const 0)) (core instance $i (instantiate $m)) (func $run (result (result)) (canon lift (core func $i "run")))
		(instance $x (export "run" (func $run))) (export "wasi:cli/run@0.2.0" (instance $x))`},

	{"refused: a resource", plusOne + `(type (resource (rep i32)))`},
	{"refused: a handle", `(import "a:b/c" (instance $x (export "r" (type (sub resource))))) (alias export $x "r" (type $r)) (core module $m (func (export "f") (param i32))) (core instance $i (instantiate $m)) (func (export "f") (param "x" (own $r)) (canon lift (core func $i "f")))`},
	{"refused: an export that is an import", `(import "f" (func $f)) (export "g" (func $f))`},
	{"refused: an imported component", `(import "c" (component))`},
	{"refused: an imported module", `(import "c" (core module))`},
	{"refused: another core type", plusOne + `(func (export "f") (param "x" u64) (result u32) (canon lift (core func $i "f")))`},
	{"refused: no memory", `(core module $m (func (export "f") (result i32) unreachable)) (core instance $i (instantiate $m)) (func (export "f") (result string) (canon lift (core func $i "f")))`},
	{"refused: 33 flags", plusOne + `(func (export "f") (param "x" (flags ` + many(` "f%d"`, 33) + `)) (result u32) (canon lift (core func $i "f")))`},
	{"refused: a name", plusOne + `(func (export "f_g") (param "x" u32) (result u32) (canon lift (core func $i "f")))`},
	{"refused: a name twice", plusOne + `(func (export "f") (param "x" u32) (param "X" u32) (result u32) (canon lift (core func $i "f")))`},
	{"refused: an async function", plusOne + `(func (export "f") (param "x" u32) (result u32) (canon lift (core func $i "f") async))`},

	{"plain", `(module (memory (export "memory") 1) (func (export "add") (param i32 i64) (result i32) (local.get 0)) (func (export "two") (result f32 f64) (f32.const 1) (f64.const 2)) (func (export "none"))
		(func (export "refs") (param funcref)) (func (export "v") (param v128)) (global (export "g") i32 (i32.const 0)) (func (export "_initialize")) (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable))`},
	{"plain, with too many parameters", `(module (func (export "f") (param` + strings.Repeat(" i32", 17) + `)) (func (export "g") (param` + strings.Repeat(" i32", 16) + `)))`},
	{"a command", `(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32 i32 i32 i32) (result i32))) (memory (export "memory") 1) (func (export "_start")))`},
	{"refused: a core module that imports a memory", `(module (import "env" "memory" (memory 1)))`},
}

// TestSummaries holds what is read of known modules against a golden file.
func TestSummaries(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, s := range summarised {
		text := s.text
		if !strings.HasPrefix(text, "(module") {
			text = "(component " + text + ")"
		}
		summarise(&got, s.name, wasmtest.Compile(t, text))
	}
	for name, code := range embedded(t) {
		summarise(&got, name, code)
	}
	for _, path := range []string{"add-one/add-one.wasm", "languages/iban/iban.wasm", "languages/slug/slug.wasm", "names/full-name.wasm", "thumbnail/image.wasm"} {
		code, err := os.ReadFile(filepath.Join("..", "..", "examples", filepath.FromSlash(path)))
		if err != nil {
			t.Fatal(err)
		}
		summarise(&got, path, code)
	}
	path := filepath.Join("testdata", "summaries.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// worldOf is an encoded component type of a world.
func worldOf(tb testing.TB, declarations string, encoding byte) []byte {
	tb.Helper()
	code := wasmtest.Compile(tb, `(component (type (component (type (component `+declarations+`)) (export "a:b/w" (component (type 0))))) (export "w" (type 0)))`)
	return append(code, customSection("wit-component-encoding", []byte{4, encoding})...)
}

// customSection is the bytes of one.
func customSection(name string, data []byte) []byte {
	body := append(binary.AppendUvarint(nil, uint64(len(name))), name...)
	body = append(body, data...)
	return append(binary.AppendUvarint([]byte{0}, uint64(len(body))), body...)
}

// embedded are core modules with component types.
func embedded(tb testing.TB) func(func(string, []byte) bool) {
	core := func(text string) []byte { return wasmtest.Compile(tb, "(module "+text+")") }
	memory := `(memory (export "memory") 1) (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) unreachable)`
	text := `(export "f" (func (param "s" string) (result string)))`
	f := `(func (export "f") (param i32 i32) (result i32) unreachable)`
	with := func(code []byte, world []byte) []byte {
		return append(code, customSection("component-type:x", world)...)
	}
	modules := []struct {
		name string
		code []byte
	}{
		{"embedded", with(core(memory+f+`(func (export "cabi_post_f") (param i32))`), worldOf(tb, text, 0))},
		{"embedded, UTF-16", with(core(memory+f), worldOf(tb, text, 1))},
		{"embedded, an interface", with(core(memory+`(func (export "a:b/c@1.0.0#f") (param i32))`), worldOf(tb, `(type (instance (export "f" (func (param "x" u32))))) (export "a:b/c@1.0.0" (instance (type 0)))`, 0))},
		{"embedded, with imports", with(core(`(import "a:b/c" "put" (func (param i32 i32))) (import "$root" "get" (func (result i64)))`+memory), worldOf(tb, `(type (instance (export "put" (func (param "s" string))))) (import "a:b/c" (instance (type 0))) (import "get" (func (result u64)))`, 0))},
		{"embedded twice", with(with(core(memory+f), worldOf(tb, text, 0)), worldOf(tb, `(import "a:b/c" (instance))`, 0))},
		{"embedded twice, the same", with(with(core(memory+f), worldOf(tb, text+`(import "a:b/c" (instance))`, 0)), worldOf(tb, text+`(import "a:b/c" (instance))`, 0))},
		{"refused: embedded twice, with two types", with(with(core(memory+f), worldOf(tb, text, 0)), worldOf(tb, `(export "f" (func (param "n" s64) (result u32)))`, 0))},
		{"refused: embedded, two encodings", with(with(core(memory+f), worldOf(tb, text, 0)), worldOf(tb, ``, 1))},
		{"refused: embedded, encoding 3", with(core(memory+f), worldOf(tb, text, 3))},
		{"refused: embedded, not there", with(core(memory), worldOf(tb, text, 0))},
		{"refused: embedded, no allocator", with(core(`(memory (export "memory") 1)`+f), worldOf(tb, text, 0))},
		{"refused: embedded, an import of another type", with(core(`(import "a:b/c" "put" (func (param i32)))`+memory), worldOf(tb, `(type (instance (export "put" (func (param "s" string))))) (import "a:b/c" (instance (type 0)))`, 0))},
		{"refused: embedded, garbage", with(core(memory), []byte("garbage"))},
	}
	return func(yield func(string, []byte) bool) {
		for _, m := range modules {
			if !yield(m.name, m.code) {
				return
			}
		}
	}
}

func summarise(b *strings.Builder, name string, code []byte) {
	fmt.Fprintf(b, "# %s\n", name)
	var p *component.Program
	var err error
	if component.HeaderOf(code) == component.Component {
		p, err = component.Read(code)
	} else {
		p, err = component.ReadCore(code)
	}
	if err != nil {
		var why *component.Unrecognised
		fmt.Fprintf(b, "%v (unrecognised: %v)\n\n", err, errors.As(err, &why))
		return
	}
	for i, s := range p.Steps {
		fmt.Fprintf(b, "instance %d: module %d", i, s.Module)
		for k := range s.Imports {
			fmt.Fprintf(b, ", %s", itemText(&s.Imports[k]))
		}
		b.WriteByte('\n')
	}
	for i, h := range p.Hosts {
		fmt.Fprintf(b, "host %d: kind %d, %q %q %s, memory %s, allocator %s\n", i, h.Kind, h.Interface, h.Name, h.Type, itemText(h.Memory), itemText(h.Realloc))
	}
	for _, f := range p.Funcs {
		fmt.Fprintf(b, "func %.300s\n  kind %d, %s, encoding %d, memory %s, allocator %s, post-return %s\n", f.Func.String(), f.Kind, itemText(&f.Core), f.Encoding, itemText(f.Memory), itemText(f.Realloc), itemText(f.PostReturn))
	}
	if p.Initialize != nil {
		fmt.Fprintf(b, "first %s\n", itemText(p.Initialize))
	}
	instances, memories, tables := p.Footprint()
	fmt.Fprintf(b, "imports %q, %d wants; %d modules, %d instances, %d memories %+v, %d tables\n\n", p.Imports, len(p.Wants), len(p.Modules), instances, memories, p.Memories(), tables)
}

// itemText names where something comes from.
func itemText(x *component.Item) string {
	switch {
	case x == nil:
		return "none"
	case x.Host >= 0:
		return fmt.Sprintf("host %d", x.Host)
	case x.Sort == component.SortFunc:
		return fmt.Sprintf("%d.%s %s", x.Step, x.Name, x.Type)
	}
	return fmt.Sprintf("%d.%s", x.Step, x.Name)
}
