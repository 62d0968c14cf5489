package engine_test

import (
	"fmt"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// TestTrapExit: a function that ends with an exit status instead of returning
// has a receipt of its trap, and is remembered.
func TestTrapExit(t *testing.T) {
	t.Parallel()
	e := ipvmtest.New(t, ipvmtest.Options{})
	link := e.Import(t, wasmtest.Compile(t, `(module
		(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
		(memory (export "memory") 1)
		(func (export "f") (call $exit (i32.const 0))))`))
	for _, how := range []engine.How{engine.Ran, engine.Remembered} {
		j := e.MustRun(t, e.Document(t, fmt.Sprintf(`{"job": {"with": {"/": %q}}}`, link)), engine.Options{}).Jobs[0]
		if kindOf(j.Outcome) != "trap exit" || j.How != how || !j.Receipt.Defined() || !j.HasMemory || j.Memory != 1<<16 {
			t.Errorf("%s, %s, %d bytes", kindOf(j.Outcome), j.How, j.Memory)
		}
	}
}

// TestRandomOfTask: the random numbers that a program sees are a function of its
// task, on every node.
func TestRandomOfTask(t *testing.T) {
	t.Parallel()
	code := wasmtest.Compile(t, `(module
		(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
		(memory (export "memory") 1)
		(func (export "f") (param i32) (result i64) (drop (call $random (i32.const 0) (i32.const 8))) (i64.load (i32.const 0))))`)
	seen := map[string]string{}
	for range 2 {
		e := ipvmtest.New(t, ipvmtest.Options{})
		link := e.Import(t, code)
		for _, arg := range []string{"1", "2"} {
			j := e.MustRun(t, e.Document(t, fmt.Sprintf(`{"job": {"with": {"/": %q}, "args": [%s]}}`, link, arg)), engine.Options{}).Jobs[0]
			got := j.Outcome.IPLD().String()
			if before, ok := seen[arg]; ok && before != got {
				t.Errorf("f(%s) is %s on one node and %s on another", arg, before, got)
			}
			seen[arg] = got
		}
	}
	if seen["1"] == seen["2"] {
		t.Errorf("two tasks see the same numbers: %v", seen)
	}
}
