//go:build cgo

package component_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// wide is one function of a type that is large when written out.
var wide = repeated(`(type $t%d (tuple $t%d $t%d $t%d $t%d))`, 12, `(type $t0 u8)`) +
	`(core module $m (memory (export "m") 1) (func (export "f") (param i32))) (core instance $i (instantiate $m))
	(func (export "f") (param "x" $t12) (canon lift (core func $i "f") (memory $i "m")))`

// repeated fills the numbers from 1 to n into format, and before each the one
// before it.
func repeated(format string, n int, first string) string {
	var b strings.Builder
	b.WriteString(first)
	for i := 1; i <= n; i++ {
		args := []any{i}
		for range strings.Count(format, "%d") - 1 {
			args = append(args, i-1)
		}
		fmt.Fprintf(&b, format, args...)
	}
	return b.String()
}

// many fills the numbers from 1 to n into format.
func many(format string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(format, "%d", fmt.Sprint(i)))
	}
	return b.String()
}

// TestBombs reads small components that describe much.
func TestBombs(t *testing.T) {
	t.Parallel()
	const core = `(core module $m (memory (export "m") 1) (func (export "f") (param i32)) (func (export "r") (param i32 i32 i32 i32) (result i32) unreachable)) (core instance $i (instantiate $m))`
	eight := repeated(`(type $t%d (tuple $t%d $t%d $t%d $t%d))`, 8, `(type $t0 u8)`) // 87,381 types, written out
	tests := map[string]string{
		"a component that doubles":            doubled(40),
		"a wide type":                         wide,
		"a deep type":                         repeated(`(type $t%d (option $t%d))`, 90, `(type $t0 u8)`),
		"many functions of a large type":      core + eight + many(`(func (export "f%d") (param "x" $t8) (canon lift (core func $i "f") (memory $i "m") (realloc (func $i "r"))))`, 300),
		"many names of one function":          core + `(func $f (param "x" u32) (canon lift (core func $i "f")))` + many(`(export "f%d" (func $f))`, 12000),
		"many names of an instance":           core + `(func $f (param "x" u32) (canon lift (core func $i "f"))) (instance $x ` + many(`(export "f%d" (func $f))`, 500) + `)` + many(`(export "a:b/c%d" (instance $x))`, 500),
		"imports of one large type":           `(type $t (instance ` + many(`(export "f%d" (func))`, 500) + `))` + many(`(import "a:b/c%d" (instance (type $t)))`, 500),
		"host functions of a large type":      core + eight + `(import "f" (func $f (param "x" $t8)))` + strings.Repeat(`(core func (canon lower (func $f) (memory $i "m") (realloc (func $i "r"))))`, 300),
		"aliases of a large instance":         `(type $t (instance ` + many(`(export "f%d" (func))`, 3000) + `)) (import "a:b/c" (instance $x (type $t)))` + strings.Repeat(`(alias export $x "f2999" (func))`, 3000),
		"an enum of many cases":               `(type (enum ` + many(` "c%d"`, 100_000) + `))`,
		"many types of types":                 strings.Repeat(`(type (component (type (component (type (component))))))`, 5000),
		"instances within a type, many times": `(type $t (instance ` + many(`(export "f%d" (func))`, 1000) + `)) (type (component ` + many(`(alias outer 1 $t (type $u%d)) (import "a:b/c%d" (instance (type $u%d)))`, 1000) + `))`,
		"a long name":                         core + `(func $f (param "x" u32) (canon lift (core func $i "f"))) (export "` + strings.Repeat("a", 100_000) + `" (func $f))`,
	}
	for name, text := range tests {
		code := wasmtest.Compile(t, "(component "+text+")")
		bounded(t, code, func() {
			if p, err := component.Read(code); err == nil {
				holds(t, p)
			}
			component.MemoriesOf(code)
		})
		if t.Failed() {
			t.Fatal(name)
		}
	}
}
