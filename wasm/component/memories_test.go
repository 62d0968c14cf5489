//go:build cgo

package component_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

func TestMemoriesOf(t *testing.T) {
	t.Parallel()
	const m = `(core module $m (memory 1))`
	unknown := component.Memories{Count: component.MaxMemories}
	page := func(count int, sum, largest uint64) component.Memories {
		return component.Memories{Count: count, Exact: true, Max: sum * component.PageSize, Largest: largest * component.PageSize, HasMax: true}
	}
	tests := map[string]struct {
		text string
		want component.Memories
	}{
		"none":             {``, page(0, 0, 0)},
		"module not used":  {m, page(0, 0, 0)},
		"one":              {m + `(core instance (instantiate $m))`, component.Memories{Count: 1, Exact: true}},
		"one with maximum": {`(core module $m (memory 1 10)) (core instance (instantiate $m))`, page(1, 10, 10)},
		"two of two": {
			`(core module $m (memory 1 10)) (core module $n (memory 0 5)) (core instance (instantiate $m)) (core instance (instantiate $n))`, page(2, 15, 10),
		},
		"imported memory": {
			`(core module $m (memory (export "m") 1 10)) (core module $n (import "a" "m" (memory 1)))
			 (core instance $i (instantiate $m)) (core instance (instantiate $n (with "a" (instance $i))))`, page(1, 10, 10),
		},
		"17": {m + strings.Repeat(`(core instance (instantiate $m))`, 17), unknown},
		"in a component used twice": {
			`(component $c (core module $m (memory 1 3)) (core instance (instantiate $m))) (instance (instantiate $c)) (instance (instantiate $c))`, page(2, 6, 3),
		},
		"in a component not used": {`(component $c ` + m + `(core instance (instantiate $m)))`, page(0, 0, 0)},
		"exported component": {
			`(component $c (core module $m (memory 1 3)) (core instance (instantiate $m))) (export $d "c" (component $c)) (instance (instantiate $d))`, page(1, 3, 3),
		},
		"module from outside": {m + `(component $c (alias outer 1 $m (core module $n)) (core instance (instantiate $n))) (instance (instantiate $c))`, component.Memories{Count: 1, Exact: true}},
		"module of none":      {`(component $c (alias outer 0 0 (core module $n)) (core instance (instantiate $n))) (instance (instantiate $c))`, unknown},
		"imported module":     {`(import "m" (core module $m)) (core instance (instantiate $m))`, unknown},
		"imported component":  {`(import "c" (component $c)) (instance (instantiate $c))`, unknown},
		"doubled 40 times":    {doubled(40), unknown},
	}
	for name, tt := range tests {
		got, err := component.MemoriesOf(wasmtest.Compile(t, "(component "+tt.text+")"))
		if diff := cmp.Diff(tt.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", name, err, diff)
		}
	}
	if got, _ := component.MemoriesOf(guest(t, "echo")); got.Count != 1 || !got.Exact {
		t.Errorf("echo, which exports an interface: %+v", got)
	}
	files, err := filepath.Glob("../../examples/*/*.wasm")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, file := range files {
		code, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := component.MemoriesOf(code); err != nil || !got.Exact || got.Count > 1 {
			t.Errorf("%s: %+v", file, got)
		}
	}
}

// doubled is a component with n levels, each of which has the next one twice.
func doubled(n int) string {
	if n == 0 {
		return `(core module $m (memory 1)) (core instance (instantiate $m))`
	}
	return `(component $c ` + doubled(n-1) + `) (instance (instantiate $c)) (instance (instantiate $c))`
}

// guest is a guest of package wasm.
func guest(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", name+".wat"))
	if err != nil {
		tb.Fatal(err)
	}
	return wasmtest.Compile(tb, string(text))
}
