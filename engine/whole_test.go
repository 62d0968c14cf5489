package engine_test

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// lateTrap counts down and traps; zeros returns so many bytes.
const lateTrap = `(component
  (core module $m
    (memory (export "memory") 32)
    (func (export "trap") (param i32)
      (loop $l (br_if $l (local.tee 0 (i32.sub (local.get 0) (i32.const 1)))))
      unreachable)
    (func (export "zeros") (param i32) (result i32)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (local.get 0))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $mem))
  (func (export "trap") (param "n" u32) (canon lift (core func $i "trap")))
  (func (export "zeros") (param "n" u32) (result (list u8)) (canon lift (core func $i "zeros") (memory $mem))))`

// A task can have come to several things under several limits. What people are
// told about one of them must not be what was noted about another.
func TestMessageIsOfTheOutcomeRecalled(t *testing.T) {
	t.Parallel()
	e := ipvmtest.New(t, ipvmtest.Options{})
	module := e.Import(t, wasmtest.Compile(t, lateTrap))
	run := func(gas int) engine.JobReport {
		doc := fmt.Sprintf(`{with: {"/": %q}, func: trap, args: [1000], gas: %d}`, module, gas)
		return e.MustRun(t, e.Document(t, doc), engine.Options{}).Jobs[0]
	}
	const trapped = "trap: the function trapped: wasm `unreachable` instruction executed"
	for _, step := range []struct {
		gas  int
		how  engine.How
		want string
	}{
		{1_000_000, engine.Ran, trapped},
		{1_000_000, engine.Remembered, trapped},
		{500, engine.Ran, "out-of-gas: the gas limit of 500 was reached"},
		{400, engine.Remembered, "out-of-gas: the gas limit of 500 was reached"},
		{1_000_000, engine.Remembered, "trap: the function trapped: unreachable"},
	} {
		job := run(step.gas)
		if job.How != step.how || job.Outcome.Failure.String() != step.want {
			t.Errorf("gas %d: %s, %s; want %s, %s", step.gas, job.How, job.Outcome.Failure, step.how, step.want)
		}
	}
}

// A result that can not be read any more is not remembered: what made it runs
// again and mends it.
func TestDamagedResultRunsAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	e := ipvmtest.New(t, ipvmtest.Options{Dir: dir})
	module := e.Import(t, wasmtest.Compile(t, lateTrap))
	g := e.Document(t, fmt.Sprintf(`{with: {"/": %q}, func: zeros, args: [700000]}`, module))
	if how := e.MustRun(t, g, engine.Options{}).Jobs[0].How; how != engine.Ran {
		t.Fatalf("first run: %s", how)
	}
	files, err := filepath.Glob(filepath.Join(dir, "blobs", "*", "b*"))
	if err != nil || len(files) != 2 { // two equal chunks are one block
		t.Fatalf("the chunks are in %d files, %v", len(files), err)
	}
	damages := []func(string) error{
		os.Remove,
		func(name string) error { return os.Truncate(name, 1000) },
		func(name string) error {
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			data[7] ^= 1
			return os.WriteFile(name, data, 0o600)
		},
	}
	for i, damage := range damages {
		for _, file := range files {
			if err := damage(file); err != nil {
				t.Fatal(err)
			}
			for _, want := range []engine.How{engine.Ran, engine.Remembered} {
				job := e.MustRun(t, g, engine.Options{}).Jobs[0]
				if job.How != want || job.Outcome.Failure != nil {
					t.Errorf("damage %d to %s: %s, %v; want %s", i, filepath.Base(file), job.How, job.Outcome.Failure, want)
				}
			}
		}
	}
}
