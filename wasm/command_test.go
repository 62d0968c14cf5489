//go:build cgo

package wasm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// runCommand calls a program with arguments in DAG-JSON: args, env, stdin, files.
func runCommand(t *testing.T, m *Module, seed byte, params ...string) Result {
	t.Helper()
	call := Call{Func: "_start", Limits: roomy, Seed: [32]byte{seed}}
	for _, p := range params {
		call.Params = append(call.Params, js(t, p))
	}
	for len(call.Params) < 4 {
		call.Params = append(call.Params, ipld.Null)
	}
	r, err := m.Run(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCommand(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "program"))
	tests := map[string]struct {
		params []string
		want   string // of the ok value, or of the kind
		value  string // of the error
	}{
		"nothing": {nil, `{"exit":0,"files":[],"stderr":{"/":{"bytes":""}},"stdout":{"/":{"bytes":""}}}`, ""},
		// program NUL e NUL é NUL, A=1 NUL B= NUL
		"arguments and variables": {
			[]string{`["e","é"]`, `[["A","1"],["B",""]]`},
			`{"exit":0,"files":[],"stderr":{"/":{"bytes":""}},"stdout":{"/":{"bytes":"cHJvZ3JhbQBlAMOpAEE9MQBCPQA"}}}`, "",
		},
		"input": {
			[]string{`["c"]`, `null`, `{"/":{"bytes":"aGVsbG8"}}`},
			`{"exit":0,"files":[],"stderr":{"/":{"bytes":"aGVsbG8"}},"stdout":{"/":{"bytes":""}}}`, "",
		},
		"files": {
			[]string{`["f"]`, `null`, `null`, `[["in",{"/":{"bytes":"aGVsbG8"}}],["sub/other",{"/":{"bytes":""}}]]`},
			`{"exit":0,"files":[["out",{"/":{"bytes":"aGVsbG8"}}]],"stderr":{"/":{"bytes":""}},"stdout":{"/":{"bytes":""}}}`, "",
		},
		"the clocks": { // 946684800000000000 and 1
			[]string{`["t"]`}, `{"exit":0,"files":[],"stderr":{"/":{"bytes":""}},"stdout":{"/":{"bytes":"AABDUs9MIw0BAAAAAAAAAA"}}}`, "",
		},
		"exit status 3":            {[]string{`["x"]`}, "guest", `{"exit":3,"files":[],"stderr":{"/":{"bytes":"b2ggbm8K"}},"stdout":{"/":{"bytes":""}}}`},
		"a trap":                   {[]string{`["u"]`}, "trap unreachable", ""},
		"a file that is not there": {[]string{`["f"]`}, "trap unreachable", ""},
		"a path that leads out":    {[]string{`[]`, `null`, `null`, `[["../in",{"/":{"bytes":""}}]]`}, "type", ""},
		"a file twice":             {[]string{`[]`, `null`, `null`, `[["in",{"/":{"bytes":""}}],["in",{"/":{"bytes":""}}]]`}, "type", ""},
		"a variable without name":  {[]string{`[]`, `[["","x"]]`}, "type", ""},
		"an argument with NUL":     {[]string{`["a\u0000b"]`}, "type", ""},
		"arguments that are none":  {[]string{`{"a":1}`}, "type", ""},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := runCommand(t, m, 1, tt.params...)
			got := kindOf(r)
			if got == "ok" {
				got = r.Outcome.Value.String()
			}
			if got != tt.want {
				t.Errorf("got  %s (%v)\nwant %s", got, r.Outcome.Failure, tt.want)
			}
			if tt.value != "" && r.Outcome.Failure.Value.String() != tt.value {
				t.Errorf("got  %s\nwant %s", r.Outcome.Failure.Value, tt.value)
			}
		})
	}
}

// TestCommandLimits ends programs by their limits, and shows that what they
// used is told.
func TestCommandLimits(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "program"))
	loop := Call{Func: "_start", Params: []ipld.Value{js(t, `["l"]`), ipld.Null, ipld.Null, ipld.Null}, Limits: roomy}
	loop.Limits.Gas = 1_000_000
	r, err := m.Run(t.Context(), loop)
	if err != nil || kindOf(r) != "out-of-gas" || r.Gas != 1_000_000 {
		t.Errorf("%s, %d gas, %v", kindOf(r), r.Gas, err)
	}
	loop.Limits = task.Limits{Gas: 1 << 60, Memory: 64 << 20, Time: 30 * time.Millisecond}
	if r, err = m.Run(t.Context(), loop); err != nil || kindOf(r) != "timeout" {
		t.Errorf("%s, %v", kindOf(r), err)
	}
	if r = runCommand(t, m, 1, `["x"]`); !r.HasMemory || r.Memory != 2<<16 || r.Gas == 0 {
		t.Errorf("after an exit: %d bytes, %d gas", r.Memory, r.Gas)
	}
	exact := Call{Func: "_start", Params: []ipld.Value{js(t, `["x"]`), ipld.Null, ipld.Null, ipld.Null}, Limits: roomy}
	exact.Limits.Gas = r.Gas
	if r, err = m.Run(t.Context(), exact); err != nil || kindOf(r) != "out-of-gas" {
		t.Errorf("an exit with no gas left: %s, %v", kindOf(r), err)
	}
}

// TestRandom shows that random numbers are a function of the seed.
func TestRandom(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "program"))
	a, b, c := runCommand(t, m, 1, `["r"]`), runCommand(t, m, 1, `["r"]`), runCommand(t, m, 2, `["r"]`)
	if !a.Outcome.OK() || !a.Outcome.Value.Equal(b.Outcome.Value) || a.Outcome.Value.Equal(c.Outcome.Value) {
		t.Errorf("%v\n%v\n%v", a.Outcome, b.Outcome, c.Outcome)
	}
}

// TestPlain calls functions of a core module that says no more of its types
// than WebAssembly does.
func TestPlain(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(module
		(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
		(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
		(memory (export "memory") 1 1)
		(global $ready (mut i32) (i32.const 0))
		(data (i32.const 16) "one\0atwo")
		(func (export "_initialize") (global.set $ready (i32.const 1)))
		(func (export "ready") (result i32) (global.get $ready))
		(func (export "swap") (param i32 i64) (result i64 i32) (local.get 1) (local.get 0))
		(func (export "half") (param f32 f64) (result f64) (f64.add (f64.promote_f32 (local.get 0)) (f64.div (local.get 1) (f64.const 2))))
		(func (export "nothing"))
		(func (export "vector") (param v128))
		(func (export "say") (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 7))
			(drop (call $write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8))))
		(func (export "warn") (i32.store (i32.const 0) (i32.const 16)) (i32.store (i32.const 4) (i32.const 3))
			(drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8))))
		(func (export "leave") (call $exit (i32.const 0))))`))
	var names []string
	for _, f := range m.Interface().Funcs {
		names = append(names, f.String())
	}
	want := []string{
		"ready: func() -> s32", "swap: func(p0: s32, p1: s64) -> tuple<s64, s32>", "half: func(p0: f32, p1: f64) -> f64",
		"nothing: func()", "say: func()", "warn: func()", "leave: func()",
	}
	if len(names) != len(want) {
		t.Fatalf("%q", names)
	}
	for i := range want {
		if names[i] != want[i] {
			t.Errorf("got %s, want %s", names[i], want[i])
		}
	}
	if r := run(t, m, roomy, "ready"); r.Outcome.Value.String() != "1" {
		t.Errorf("_initialize was not called: %v", r.Outcome)
	}
	if r := run(t, m, roomy, "swap", ipld.Int(-1), ipld.Int(1<<40)); r.Outcome.Value.String() != "[1099511627776,-1]" {
		t.Errorf("swap: %v", r.Outcome)
	}
	if r := run(t, m, roomy, "half", ipld.Float(0.5), ipld.Float(3)); r.Outcome.Value.String() != "2.0" {
		t.Errorf("half: %v", r.Outcome)
	}
	if r := run(t, m, roomy, "nothing"); !r.Outcome.OK() || !r.Outcome.Value.IsNull() || r.Memory != 1<<16 || !r.HasMemory {
		t.Errorf("nothing: %v, %d bytes", r.Outcome, r.Memory)
	}
	if r := run(t, m, roomy, "leave"); kindOf(r) != "trap exit" {
		t.Errorf("leave: %v", r.Outcome.Failure)
	}
	for fn, want := range map[string][]string{"say": {"info stdout one", "info stdout two"}, "warn": {"warn stderr one"}} {
		var log []string
		_, err := m.Run(t.Context(), Call{Func: fn, Limits: roomy, Log: func(level, context, msg string) { log = append(log, level+" "+context+" "+msg) }})
		if err != nil || !slices.Equal(log, want) {
			t.Errorf("%s: %q, %v", fn, log, err)
		}
	}
	if limit, ok := m.MaxMemory(); !ok || limit != 1<<16 {
		t.Errorf("%d, %v", limit, ok)
	}
}

// TestCommandComponent runs a program of WASI 0.2.
func TestCommandComponent(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "copy"))
	const fn = "wasi:cli/run@0.2.0#run"
	input := ipld.BytesString(strings.Repeat("all work and no play ", 400)) // two reads and more
	r := run(t, m, roomy, fn, ipld.Null, ipld.Null, input, ipld.Null)
	if out, ok := task.ParseOutput(r.Outcome.Value); !ok || !out.Stdout.Equal(input) || out.Exit != 0 || len(out.Files) != 0 {
		t.Errorf("%v", r.Outcome.Failure)
	}
	r = run(t, m, roomy, fn, ipld.Null, ipld.Null, ipld.BytesString(strings.Repeat("x", 10_001)), ipld.Null)
	if f := r.Outcome.Failure; f == nil || f.Kind != task.KindGuest {
		t.Errorf("too much: %v", r.Outcome)
	} else if out, ok := task.ParseOutput(f.Value); !ok || out.Exit != 1 || out.Stdout.Len() != 8192 {
		t.Errorf("too much: %d bytes, exit %d", out.Stdout.Len(), out.Exit)
	}
	if r = run(t, m, roomy, "misuse"); kindOf(r) != "trap abi" {
		t.Errorf("misuse: %v", r.Outcome)
	}
	if path, why := m.Path(); path != PathDirect {
		t.Errorf("%s, %s", path, why)
	}
}

// What a program wrote to its standard error before it was stopped is logged;
// of one that ended by itself it is part of the result.
func TestCommandLastWords(t *testing.T) {
	t.Parallel()
	const text = `(module
		(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
		(memory (export "memory") 1)
		(data (i32.const 0) "\10\00\00\00\0c\00\00\00") (data (i32.const 16) "why\nit ended")
		(func (export "_start")
			(drop (call $write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
			END))`
	for end, want := range map[string]string{"unreachable": "error stderr why|error stderr it ended|", "": "", "(loop (br 0))": "error stderr why|error stderr it ended|"} {
		m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, strings.Replace(text, "END", end, 1)))
		var got strings.Builder
		call := Call{Func: "_start", Params: make([]ipld.Value, 4), Limits: task.Limits{Gas: 100_000, Memory: 1 << 20, Time: time.Minute}}
		call.Log = func(level, context, msg string) { got.WriteString(level + " " + context + " " + msg + "|") }
		if r, err := m.Run(t.Context(), call); err != nil || r.Outcome.OK() != (end == "") || got.String() != want {
			t.Errorf("%q: %v, %v, logged %q", end, r.Outcome.Failure, err, got.String())
		}
	}
}
