//go:build cgo

package wasm

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// oddity is a component of some shape and what its function f gives for 7. why
// is part of the reason for which it is left to the engine's component model;
// none for what is driven directly. refused is part of the reason for which it
// does not run at all.
type oddity struct{ name, text, fn, why, refused string }

const plusOne = `(core module $m (memory (export "memory") 1)
	(func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1)))
	(func (export "one") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
	(core instance $i (instantiate $m))`

const lifted = `(func $f (param "x" u32) (result u32) (canon lift (core func $i "f")))`

var oddities = []oddity{
	{name: "plain", text: plusOne + lifted + `(export "f" (func $f))`, fn: "f"},
	{name: "exported twice", text: plusOne + lifted + `(export "e" (func $f)) (export "f" (func $f))`, fn: "f"},
	{name: "an export of an export", text: plusOne + lifted + `(export $g "e" (func $f)) (export "f" (func $g))`, fn: "f"},
	{name: "with its type told", text: plusOne + lifted + `(export "f" (func $f) (func (param "x" u32) (result u32)))`, fn: "f"},
	{name: "in an instance", text: plusOne + lifted + `(instance $x (export "f" (func $f))) (export "a:b/c" (instance $x))`, fn: "a:b/c#f"},
	{name: "in an instance of two versions", text: plusOne + lifted + `(instance $x (export "f" (func $f))) (export "a:b/c@1.0.0" (instance $x)) (export "a:b/c@2.0.0" (instance $x))`, fn: "a:b/c@2.0.0#f"},
	{name: "in an instance of an instance", text: plusOne + lifted + `(instance $x (export "f" (func $f))) (instance $y (export "x" (instance $x))) (alias export $y "x" (instance $z)) (export "a:b/c" (instance $z))`, fn: "a:b/c#f"},
	{name: "an alias of an alias", text: plusOne + `(alias core export $i "f" (core func $c)) (core instance $b (export "x" (func $c))) (alias core export $b "x" (core func $d)) (func (export "f") (param "x" u32) (result u32) (canon lift (core func $d)))`, fn: "f"},
	{name: "a component within", text: `(component $c ` + plusOne + lifted + `(export "f" (func $f))) (instance $x (instantiate $c)) (alias export $x "f" (func $f)) (export "f" (func $f))`, fn: "f"},
	{name: "two of a component within", text: `(component $c ` + plusOne + lifted + `(export "f" (func $f))) (instance $x (instantiate $c)) (instance $y (instantiate $c)) (export "e" (func $x "f")) (export "f" (func $y "f"))`, fn: "f"},
	{name: "a module of the outer component", text: `(core module $m (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
		(component $c (alias outer 1 $m (core module $n)) (core instance $i (instantiate $n)) ` + lifted + ` (export "f" (func $f)))
		(instance $x (instantiate $c)) (export "f" (func $x "f"))`, fn: "f"},
	{name: "a module given to a component within", text: `(core module $m (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
		(component $c (import "m" (core module $n (export "f" (func (param i32) (result i32))))) (core instance $i (instantiate $n)) ` + lifted + ` (export "f" (func $f)))
		(instance $x (instantiate $c (with "m" (core module $m)))) (export "f" (func $x "f"))`, refused: "several memories, and a core module is passed on"},
	{name: "a type of the outer component", text: plusOne + `(type $t u32) (component $c (alias outer 1 $t (type $u)) (import "f" (func $f (param "x" $u) (result u32))) (export "f" (func $f))) ` + lifted + `
		(instance $x (instantiate $c (with "f" (func $f)))) (export "f" (func $x "f"))`, fn: "f"},
	{name: "a shim and a fixup", text: `(core module $shim (table (export "t") 1 funcref) (type $s (func (param i32) (result i32)))
		(func (export "0") (param i32) (result i32) (call_indirect (type $s) (local.get 0) (i32.const 0))))
		(core instance $s (instantiate $shim))
		(core module $m (import "" "0" (func $g (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $g (local.get 0)))
			(func (export "one") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))
		(core instance $i (instantiate $m (with "" (instance $s))))
		(core module $fixup (import "" "t" (table 1 funcref)) (import "" "one" (func $one (param i32) (result i32))) (elem (i32.const 0) $one))
		(core instance (instantiate $fixup (with "" (instance (export "t" (table $s "t")) (export "one" (func $i "one"))))))
		` + lifted + `(export "f" (func $f))`, fn: "f"},
	{name: "a global between modules", text: `(core module $g (global (export "g") i32 (i32.const 1))) (core instance $g (instantiate $g))
		(core module $m (import "" "g" (global $g i32)) (func (export "f") (param i32) (result i32) (i32.add (local.get 0) (global.get $g))))
		(core instance $i (instantiate $m (with "" (instance $g)))) ` + lifted + `(export "f" (func $f))`, fn: "f"},
	{name: "types, unused", text: plusOne + `(type (func (param "x" string))) (type (component (import "x" (func)) (export "y" (func)))) (type (instance (export "z" (func)))) ` + lifted + `(export "f" (func $f))`, fn: "f"},
	{name: "a component, unused and odd", text: plusOne + `(component (type $r (resource (rep i32))) (core func (canon resource.new $r))) ` + lifted + `(export "f" (func $f))`, fn: "f"},
	{name: "a custom section", text: plusOne + `(@custom "x" "y") ` + lifted + `(export "f" (func $f))`, fn: "f"},
	{name: "an export of a module", text: plusOne + lifted + `(export "m" (core module $m)) (export "f" (func $f))`, fn: "f", why: "a core module is passed on"},
	{name: "an export of a type", text: plusOne + `(type $t u32) (export "t" (type $t)) ` + lifted + `(export "f" (func $f))`, fn: "f"},
	{name: "an import of a type", text: plusOne + `(type $t u32) (import "t" (type (eq $t))) ` + lifted + `(export "f" (func $f))`, fn: "f"},

	{name: "a resource of its own", text: plusOne + `(type $r (resource (rep i32))) ` + lifted + `(export "f" (func $f))`, fn: "f", why: "a resource of its own"},
	{name: "a component calls another", text: `(component $a ` + plusOne + lifted + `(export "f" (func $f)))
		(component $b (import "f" (func $f (param "x" u32) (result u32))) (core func $g (canon lower (func $f)))
			(core module $m (import "" "f" (func $g (param i32) (result i32))) (func (export "f") (param i32) (result i32) (call $g (local.get 0))))
			(core instance $i (instantiate $m (with "" (instance (export "f" (func $g)))))) (func $h (param "x" u32) (result u32) (canon lift (core func $i "f"))) (export "f" (func $h)))
		(instance $x (instantiate $a)) (instance $y (instantiate $b (with "f" (func $x "f")))) (export "f" (func $y "f"))`, fn: "f", why: "a component calls another"},
	{name: "it calls its parent", text: plusOne + `(component $b (import "f" (func $f (param "x" u32) (result u32))) (export "f" (func $f)))` + lifted + `(instance $y (instantiate $b (with "f" (func $f)))) (export "f" (func $y "f"))`, fn: "f"},
	{name: "an export of a type of functions", text: plusOne + `(type $t (func)) (export "t" (type $t)) ` + lifted + `(export "f" (func $f))`, fn: "f", why: "a type of functions"},
	{name: "an instance of 129 modules", text: plusOne + `(core module $n)` + strings.Repeat(`(core instance (instantiate $n))`, 128) + lifted + `(export "f" (func $f))`, why: "more than 128 instances"},
}

// TestShapes holds the path of components of every shape against what is
// expected, with the reason, and calls them on both paths.
func TestShapes(t *testing.T) {
	t.Parallel()
	d := newDuo(t)
	for _, o := range oddities {
		t.Run(o.name, func(t *testing.T) {
			code := wasmtest.Compile(t, "(component "+o.text+")")
			if o.refused != "" {
				var refused *Refused
				if _, err := d.direct.Load(t.Context(), ipld.Link{}, code); !errors.As(err, &refused) || !strings.Contains(refused.Failure.Message, o.refused) {
					t.Errorf("got %v, want %q", err, o.refused)
				}
				return
			}
			m := load(t, d.direct, code)
			path, why := m.Path()
			if want := (o.why != ""); want != (path == PathModel) || !strings.Contains(why, o.why) {
				t.Errorf("%s, %q; want %q", path, why, o.why)
			}
			p := &pair{m, load(t, d.model, code)}
			if path == PathDirect {
				p.check(t)
			}
			if o.fn == "" {
				return
			}
			if r := p.agree(t, Call{Func: o.fn, Params: []ipld.Value{ipld.Int(7)}, Limits: roomy}); !r.Outcome.Value.Equal(ipld.Int(8)) {
				t.Errorf("got %v, %v", r.Outcome.Value, r.Outcome.Failure)
			}
		})
	}
}

// TestTypeOfFunctions calls what is no function, and looks like one to the
// engine.
func TestTypeOfFunctions(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(component (type $t (func)) (export "t" (type $t)))`))
	if r := run(t, m, roomy, "t"); kindOf(r) != "type" {
		t.Errorf("%s: %v", kindOf(r), r.Outcome.Failure)
	}
}

// TestMemoryMismatch links a module that wants a larger memory than it is
// given, which no one finds before it runs.
func TestMemoryMismatch(t *testing.T) {
	t.Parallel()
	for _, give := range []string{`(memory (export "x") 1)`, `(table (export "x") 1 funcref)`, `(global (export "x") i64 (i64.const 0))`} {
		want := map[byte]string{'m': `(memory 2)`, 't': `(table 2 funcref)`, 'g': `(global i32)`}[give[1]]
		text := `(component (core module $a ` + give + `) (core instance $a (instantiate $a))
			(core module $m (import "" "x" ` + want + `) (func (export "f"))) (core instance $i (instantiate $m (with "" (instance $a))))
			(func (export "f") (canon lift (core func $i "f"))))`
		m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, text))
		if r := run(t, m, roomy, "f"); kindOf(r) != "malformed" {
			t.Errorf("%s given as %s: %s", give, want, kindOf(r))
		}
	}
}

// TestMutants loads components of which a few bytes were changed on both paths.
// What the engine refuses the direct path refuses too, but for two things:
// whether each type that a function uses has a name, and whether modules fit
// together in what is no function, which their instantiation tells.
func TestMutants(t *testing.T) {
	t.Parallel()
	mutants := 1500
	if testing.Short() {
		mutants = 150
	}
	d := newDuo(t)
	g := newGenerator(1)
	seeds := [][]byte{guest(t, "logging"), guest(t, "echo"), wasmtest.Compile(t, starts("nop"))}
	loaded := 0
	for i := range mutants {
		code := slices.Clone(seeds[i%len(seeds)])
		for range 1 + g.IntN(2) {
			at := 8 + g.IntN(len(code)-8)
			code[at] = []byte{byte(g.Uint32()), code[at] ^ 1<<g.IntN(8), code[at] + 1, code[at] - 1}[g.IntN(4)]
		}
		if alike(t, d, g, code) {
			loaded++
		}
		if t.Failed() {
			t.Fatalf("mutant %d", i)
		}
	}
	if loaded < mutants/10 {
		t.Errorf("only %d of %d mutants loaded", loaded, mutants)
	}
}

// alike loads code on both paths, and tells whether both took it. Some of its
// functions are called.
func alike(t *testing.T, d *duo, g generator, code []byte) bool {
	t.Helper()
	var refused *Refused
	direct, err := d.direct.Load(t.Context(), ipld.Link{}, code)
	if err != nil && !errors.As(err, &refused) {
		t.Error(err)
	}
	model, other := d.model.Load(t.Context(), ipld.Link{}, code)
	if other != nil && !errors.As(other, &refused) {
		t.Error(other)
	}
	switch {
	case err != nil && other == nil:
		t.Errorf("refused by the direct path only: %v", err)
		model.Close()
	case err == nil && other != nil:
		direct.Close()
		if !strings.Contains(other.Error(), "not valid to be used as") && !strings.Contains(other.Error(), "mismatch in ") {
			t.Errorf("refused by the component model only: %v", other)
		}
	case err == nil:
		defer direct.Close()
		defer model.Close()
		p := &pair{direct, model}
		if path, _ := direct.Path(); path != PathDirect {
			return true
		}
		p.check(t)
		for range 4 {
			f := direct.Interface().Funcs[g.IntN(len(direct.Interface().Funcs))]
			call := Call{Func: f.Name, Limits: task.Limits{Gas: 50_000, Memory: 4 << 20, Time: time.Minute}}
			for _, param := range f.Params {
				call.Params = append(call.Params, g.value(param.Type))
			}
			p.agree(t, call)
		}
		return true
	}
	return false
}
