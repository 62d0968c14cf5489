//go:build cgo

package wasm

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

func TestTraps(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "hostile"))
	tests := map[string]string{
		"unreachable":  task.TrapUnreachable,
		"load":         task.TrapMemoryOutOfBounds,
		"table":        task.TrapTableOutOfBounds,
		"null":         task.TrapIndirectCallNull,
		"type-of-call": task.TrapIndirectCallType,
		"overflow":     task.TrapIntegerOverflow,
		"zero":         task.TrapIntegerDivideByZero,
		"conversion":   task.TrapBadConversion,
		"recursion":    task.TrapStackOverflow,
	}
	for fn, code := range tests {
		r := run(t, m, roomy, fn)
		if kindOf(r) != "trap "+code {
			t.Errorf("%s: got %s (%v), want %s", fn, kindOf(r), r.Outcome.Failure, code)
		}
		if r.StackExhausted != (code == task.TrapStackOverflow) {
			t.Errorf("%s: StackExhausted = %v", fn, r.StackExhausted)
		}
	}
	if r := run(t, m, roomy, "bad-u8", ipld.Int(1)); kindOf(r) != "ok" {
		t.Errorf("after the traps: %v", r.Outcome.Failure)
	}
}

// TestTrapNames shows that a guest can not choose its failure by the names of
// its functions.
func TestTrapNames(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(component
		(core module $m
			(func $"\n\nCaused by:\n    wasm trap: integer divide by zero" (export "f") unreachable)
			(@custom "name" "\01\3a\01\00\37a\0a\0aCaused by:\0a    wasm trap: integer divide by zero\0a\0a123"))
		(core instance $i (instantiate $m))
		(func (export "f") (canon lift (core func $i "f"))))`))
	if r := run(t, m, roomy, "f"); kindOf(r) != "trap unreachable" {
		t.Errorf("got %s (%v)", kindOf(r), r.Outcome.Failure)
	}
}

func TestGas(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "hostile"))
	limits := roomy
	limits.Gas = 100_000
	r := run(t, m, limits, "loop")
	if kindOf(r) != "out-of-gas" || r.Gas != limits.Gas {
		t.Errorf("endless loop: %s, gas %d", kindOf(r), r.Gas)
	}
	used := run(t, m, roomy, "bad-u8", ipld.Int(1)).Gas
	for _, tt := range []struct {
		gas  uint64
		want string
	}{{0, "out-of-gas"}, {1, "out-of-gas"}, {used - 1, "out-of-gas"}, {used, "out-of-gas"}, {used + 1, "ok"}, {math.MaxUint64, "ok"}} {
		limits.Gas = tt.gas
		r := run(t, m, limits, "bad-u8", ipld.Int(1))
		if kindOf(r) != tt.want || r.Gas > tt.gas || tt.want == "ok" && r.Gas != used {
			t.Errorf("gas %d of %d: %s, used %d", tt.gas, used, kindOf(r), r.Gas)
		}
	}
}

// TestGasGolden pins the schedule: these numbers are in receipts.
func TestGasGolden(t *testing.T) {
	t.Parallel()
	want := map[string]uint64{
		"echo u8": 2, "echo string": 30, "echo bytes": 30, "echo records": 52,
		"hostile unreachable": 1, "hostile zero": 0, "hostile bomb": 5121, "hostile grow": 3, "logging say": 16,
	}
	type call struct {
		guest, fn string
		params    []ipld.Value
	}
	calls := []call{
		{"echo", "u8", []ipld.Value{ipld.Int(1)}},
		{"echo", "string", []ipld.Value{ipld.String("hello")}},
		{"echo", "bytes", []ipld.Value{ipld.Bytes(make([]byte, 1000))}},
		{"echo", "records", []ipld.Value{js(t, `[{"x":-1,"y-axis":0.5,"label":"p","next":null}]`)}},
		{"hostile", "unreachable", nil},
		{"hostile", "zero", nil},
		{"hostile", "bomb", nil},
		{"hostile", "grow", []ipld.Value{ipld.Int(1)}},
		{"logging", "say", []ipld.Value{ipld.String("hello")}},
	}
	for round, c := range []Config{{}, {CacheDir: t.TempDir()}, {Calls: 1}} {
		e := newEngine(t, c)
		for _, c := range calls {
			m := load(t, e, guest(t, c.guest))
			for _, limits := range []task.Limits{roomy, {Gas: 1 << 50, Memory: 64 << 20, Time: time.Minute}} {
				name := c.guest + " " + c.fn
				if got := run(t, m, limits, c.fn, c.params...).Gas; got != want[name] {
					t.Errorf("engine %d: gas of %s is %d, want %d", round, name, got, want[name])
				}
			}
		}
	}
	m := load(t, newEngine(t, Config{}), guest(t, "echo"))
	big := roomy
	big.Memory = 2 * poolMemory // the other engine
	if got := run(t, m, big, "string", ipld.String("hello")).Gas; got != want["echo string"] {
		t.Errorf("on demand: gas is %d, want %d", got, want["echo string"])
	}
}

// TestBulkGas holds that an operation on many bytes or elements is one
// instruction, as docs/reference.md says.
func TestBulkGas(t *testing.T) {
	t.Parallel()
	text := `(module
		(memory (export "memory") 1 16)
		(table $t 10000 funcref)
		(data $d "0123456789")
		(elem $e func $f $f $f $f $f $f $f $f)
		(func $f)
		(func (export "memory-fill") (param i32) (memory.fill (i32.const 0) (i32.const 7) (local.get 0)))
		(func (export "memory-copy") (param i32) (memory.copy (i32.const 8) (i32.const 0) (local.get 0)))
		(func (export "memory-init") (param i32) (memory.init $d (i32.const 0) (i32.const 0) (local.get 0)))
		(func (export "memory-grow") (param i32) (drop (memory.grow (local.get 0))))
		(func (export "table-fill") (param i32) (table.fill $t (i32.const 0) (ref.func $f) (local.get 0)))
		(func (export "table-copy") (param i32) (table.copy $t $t (i32.const 8) (i32.const 0) (local.get 0)))
		(func (export "table-init") (param i32) (table.init $t $e (i32.const 0) (i32.const 0) (local.get 0)))
		(func (export "table-grow") (param i32) (drop (table.grow $t (ref.func $f) (local.get 0)))))`
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, text))
	for fn, longest := range map[string]int64{
		"memory-fill": 60_000, "memory-copy": 60_000, "memory-init": 10, "memory-grow": 15,
		"table-fill": 9_000, "table-copy": 9_000, "table-init": 8, "table-grow": 9_000,
	} {
		none, most := run(t, m, roomy, fn, ipld.Int(0)), run(t, m, roomy, fn, ipld.Int(longest))
		if kindOf(none) != "ok" || kindOf(most) != "ok" || none.Gas != most.Gas {
			t.Errorf("%s: %s with gas %d for none, %s with gas %d for %d", fn, kindOf(none), none.Gas, kindOf(most), most.Gas, longest)
		}
	}
}

func TestTime(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "hostile"))
	limits := task.Limits{Gas: math.MaxUint64, Memory: 64 << 20, Time: 50 * time.Millisecond}
	for range 2 { // the ticker sleeps in between
		start := time.Now()
		r := run(t, m, limits, "loop")
		if took := time.Since(start); kindOf(r) != "timeout" || r.Gas != 0 || took < limits.Time || took > 10*time.Second {
			t.Errorf("got %s after %s, gas %d", kindOf(r), took, r.Gas)
		}
		time.Sleep(tick * (idleTicks + 10))
	}
	logging := load(t, m.e, guest(t, "logging")) // host calls bring the engine's count up to date
	if r := run(t, logging, limits, "chatter", ipld.Int(math.MaxUint32)); kindOf(r) != "timeout" || r.Gas != 0 {
		t.Errorf("%s, gas %d", kindOf(r), r.Gas)
	}
	for _, bad := range []task.Limits{{Gas: 1, Memory: 1}, {Gas: 1, Time: 1}} {
		if _, err := m.Run(t.Context(), Call{Func: "loop", Limits: bad}); err == nil {
			t.Errorf("limits %+v accepted", bad)
		}
	}
}

// TestTimeOfBulk holds calls to their time limit whose one instruction takes
// longer: nothing can end it, and what comes after it is too late.
func TestTimeOfBulk(t *testing.T) {
	t.Parallel()
	const core = `(memory (export "memory") 4096)
		(func $fill (memory.fill (i32.const 0) (i32.const 1) (i32.const 268435456)))
		(func (export "fill") (result i32) (call $fill) (i32.const 1))
		(func (export "trap") (result i32) (call $fill) unreachable)
		(func (export "fills") (result i32) (loop $again (memory.fill (i32.const 0) (i32.const 1) (i32.const 1000000)) (br $again)) unreachable)`
	component := `(component (core module $m ` + core + `) (core instance $i (instantiate $m))`
	for _, fn := range []string{"fill", "trap", "fills"} {
		component += fmt.Sprintf(`(func (export %q) (result s32) (canon lift (core func $i %q)))`, fn, fn)
	}
	plain, lifted := wasmtest.Compile(t, `(module `+core+`)`), wasmtest.Compile(t, component+")")
	e, model := newEngine(t, Config{}), newEngine(t, Config{})
	model.modelOnly = true
	short := task.Limits{Gas: math.MaxUint64, Memory: 256 << 20, Time: time.Millisecond}
	long := task.Limits{Gas: math.MaxUint64, Memory: 256 << 20, Time: time.Minute}
	for name, m := range map[string]*Module{"plain": load(t, e, plain), "direct": load(t, e, lifted), "model": load(t, model, lifted)} {
		for _, fn := range []string{"fill", "trap", "fills"} {
			start := time.Now()
			if r := run(t, m, short, fn); kindOf(r) != "timeout" || r.Gas != 0 || r.Time < short.Time || time.Since(start) > 20*time.Second {
				t.Errorf("%s: %s: %s after %s, gas %d", name, fn, kindOf(r), r.Time, r.Gas)
			}
		}
		if r := run(t, m, long, "fill"); kindOf(r) != "ok" || r.Time >= long.Time {
			t.Errorf("%s: in time: %s after %s", name, kindOf(r), r.Time)
		}
		if r := run(t, m, long, "trap"); kindOf(r) != "trap unreachable" {
			t.Errorf("%s: in time: %s after %s", name, kindOf(r), r.Time)
		}
	}
	exits := load(t, e, wasmtest.Compile(t, `(module (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
		(memory (export "memory") 4096)
		(func (export "_start") (memory.fill (i32.const 0) (i32.const 1) (i32.const 268435456)) (call $exit (i32.const 0))))`))
	for want, limits := range map[string]task.Limits{"timeout": short, "ok": long} {
		if r := run(t, exits, limits, "_start", ipld.List(), ipld.Null, ipld.Null, ipld.Null); kindOf(r) != want {
			t.Errorf("a program that ends itself: %s after %s, want %s", kindOf(r), r.Time, want)
		}
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Calls: 1})
	m := load(t, e, guest(t, "hostile"))
	limits := task.Limits{Gas: math.MaxUint64, Memory: 64 << 20, Time: time.Minute}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	running := make(chan string)
	go func() {
		r, err := m.Run(ctx, Call{Func: "loop", Limits: limits})
		running <- fmt.Sprint(kindOf(r), err)
	}()
	waiting, err := m.Run(ctx, Call{Func: "loop", Limits: limits}) // one of the two waits for its turn
	if err != nil || kindOf(waiting) != "cancelled" {
		t.Errorf("%s, %v", kindOf(waiting), err)
	}
	if got := <-running; got != "cancelled<nil>" {
		t.Error(got)
	}
	if r, err := m.Run(ctx, Call{Func: "bad-u8", Params: []ipld.Value{ipld.Int(1)}, Limits: limits}); err != nil || kindOf(r) != "cancelled" {
		t.Errorf("cancelled before: %s, %v", kindOf(r), err)
	}
	limits.Gas = 100_000_000 // long enough for a tick
	if r := run(t, m, limits, "loop"); kindOf(r) != "out-of-gas" {
		t.Errorf("the next call was cancelled too: %v", r.Outcome.Failure)
	}
}

func TestMemory(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "hostile"))
	for _, memory := range []uint64{64 << 20, 128 << 20, poolMemory, 2 * poolMemory, 4 << 30, 1 << 40} {
		limits := roomy
		limits.Memory = memory
		most := int64(min(memory, MaxMemory)/component.PageSize) - 1 // one page is there
		if r := run(t, m, limits, "grow", ipld.Int(most)); !r.Outcome.Value.Equal(ipld.Int(1)) {
			t.Errorf("limit %d: grow by %d gave %v, %v", memory, most, r.Outcome.Value, r.Outcome.Failure)
		}
		if r := run(t, m, limits, "grow", ipld.Int(most+1)); !r.Outcome.Value.Equal(ipld.Int(-1)) {
			t.Errorf("limit %d: grow by %d gave %v, %v", memory, most+1, r.Outcome.Value, r.Outcome.Failure)
		}
	}
	if r := run(t, m, roomy, "bomb"); kindOf(r) != "trap unreachable" {
		t.Errorf("memory bomb: %s", kindOf(r))
	}
	if r := run(t, m, roomy, "touch", ipld.Int(1000)); !r.Outcome.Value.Equal(ipld.Int(1001)) {
		t.Errorf("touch: %v", r.Outcome)
	}
	if r := run(t, m, roomy, "touch", ipld.Int(0)); !r.Outcome.Value.Equal(ipld.Int(1)) {
		t.Errorf("memory of another call was seen: %v", r.Outcome)
	}
}

// TestPeakMemory tells how much memory a call used where that could be read, also
// when it failed, and nothing where a memory was gone with the instance that its
// start function ended.
func TestPeakMemory(t *testing.T) {
	t.Parallel()
	const grows = `(memory (export "memory") 1) (func $grow (drop (memory.grow (i32.const 4))))`
	lifted := func(core string) string {
		return `(component ` + core + ` (func (export "f") (canon lift (core func $i "f"))))`
	}
	tests := []struct {
		name, text, kind string
		pages            uint64 // none: it is not told
	}{
		{"plain", `(module ` + grows + ` (func (export "f") (call $grow)))`, "ok", 5},
		{"a trap", `(module ` + grows + ` (func (export "f") (call $grow) unreachable))`, "trap unreachable", 5},
		{"a start that traps", `(module ` + grows + ` (func $s (call $grow) unreachable) (start $s) (func (export "f")))`, "trap unreachable", 0},
		{"a start that has no gas", `(module ` + grows + ` (func $s (call $grow) (loop $l (br $l))) (start $s) (func (export "f")))`, "out-of-gas", 0},
		{"no memory", `(module (func $s unreachable) (start $s) (func (export "f")))`, "trap unreachable", 0},
		{"a memory that is not exported", `(module (memory 1) (func (export "f")))`, "ok", 0},
		{"a start elsewhere that traps", lifted(`(core module $m ` + grows + ` (func (export "s") (call $grow) unreachable) (func (export "f"))) (core instance $i (instantiate $m))
			(core module $start (import "" "s" (func $s)) (start $s)) (core instance (instantiate $start (with "" (instance (export "s" (func $i "s"))))))`), "trap unreachable", 5},
		{"the second memory's start traps", lifted(`(core module $m ` + grows + ` (func (export "f"))) (core instance $i (instantiate $m))
			(core module $n ` + grows + ` (func $s (call $grow) unreachable) (start $s)) (core instance (instantiate $n))`), "trap unreachable", 0},
	}
	e := newEngine(t, Config{})
	for _, tt := range tests {
		limits := roomy
		limits.Gas = 100_000
		r := run(t, load(t, e, wasmtest.Compile(t, tt.text)), limits, "f")
		told := tt.pages > 0 || tt.name == "no memory"
		if kindOf(r) != tt.kind || r.HasMemory != told || r.Memory != tt.pages*component.PageSize {
			t.Errorf("%s: %s, %d bytes, told %v", tt.name, kindOf(r), r.Memory, r.HasMemory)
		}
	}
}

func TestMinimumAboveLimit(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	m := load(t, e, wasmtest.Compile(t, `(component
		(core module $m (memory 1025) (func (export "f")))
		(core instance $i (instantiate $m))
		(func (export "f") (canon lift (core func $i "f"))))`))
	if r := run(t, m, roomy, "f"); kindOf(r) != "out-of-memory" {
		t.Errorf("got %s: %v", kindOf(r), r.Outcome.Failure)
	}
	limits := roomy
	limits.Memory = 128 << 20
	if r := run(t, m, limits, "f"); kindOf(r) != "ok" {
		t.Errorf("got %s: %v", kindOf(r), r.Outcome.Failure)
	}
}

// TestTwoMemories shows that the limit holds for all memories together.
func TestTwoMemories(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(component
		(core module $m (memory 1) (func (export "f") (param i32) (result i32) (memory.grow (local.get 0))))
		(core instance $a (instantiate $m))
		(core instance $b (instantiate $m))
		(func (export "a") (param "x" u32) (result s32) (canon lift (core func $a "f")))
		(func (export "b") (param "x" u32) (result s32) (canon lift (core func $b "f"))))`))
	for _, fn := range []string{"a", "b"} {
		if r := run(t, m, roomy, fn, ipld.Int(511)); !r.Outcome.Value.Equal(ipld.Int(1)) {
			t.Errorf("half of the limit: %v", r.Outcome)
		}
		if r := run(t, m, roomy, fn, ipld.Int(512)); !r.Outcome.Value.Equal(ipld.Int(-1)) {
			t.Errorf("more than half of the limit: %v", r.Outcome)
		}
	}
	limits := roomy
	limits.Memory = math.MaxUint64
	if r := run(t, m, limits, "a", ipld.Int(MaxMemory/component.PageSize/2)); !r.Outcome.Value.Equal(ipld.Int(-1)) {
		t.Errorf("more than half of what there can be: %v", r.Outcome)
	}
}

func TestTables(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	m := load(t, e, guest(t, "hostile"))
	big := roomy
	big.Memory = 2 * poolMemory
	for _, limits := range []task.Limits{roomy, big} {
		if r := run(t, m, limits, "grow-table", ipld.Int(MaxTableElements-4)); !r.Outcome.Value.Equal(ipld.Int(4)) {
			t.Errorf("grow to the limit: %v", r.Outcome)
		}
		for _, n := range []int64{MaxTableElements - 3, math.MaxUint32} {
			if r := run(t, m, limits, "grow-table", ipld.Int(n)); !r.Outcome.Value.Equal(ipld.Int(-1)) {
				t.Errorf("grow by %d: %v", n, r.Outcome)
			}
		}
	}
	tests := map[string]string{
		"one table too large": `(core module $m (table 65537 funcref) (func (export "f"))) (core instance $i (instantiate $m))`,
		"huge table":          `(core module $m (table 10000000 funcref) (func (export "f"))) (core instance $i (instantiate $m))`,
		"too many tables":     `(core module $m ` + strings.Repeat("(table 1 funcref)", 65) + ` (func (export "f"))) (core instance $i (instantiate $m))`,
		"too many instances":  `(core module $m (func (export "f"))) ` + strings.Repeat("(core instance (instantiate $m))", 128) + ` (core instance $i (instantiate $m))`,
		"too many memories":   `(core module $m (memory 1) (func (export "f"))) ` + strings.Repeat("(core instance (instantiate $m))", 16) + ` (core instance $i (instantiate $m))`,
	}
	for name, modules := range tests {
		m := load(t, e, wasmtest.Compile(t, `(component `+modules+` (func (export "f") (canon lift (core func $i "f"))))`))
		if r := run(t, m, roomy, "f"); kindOf(r) != "unsupported" {
			t.Errorf("%s: %s: %v", name, kindOf(r), r.Outcome.Failure)
		}
	}
}

// TestFitsNoPool runs a component that needs more than a place in the pool has.
func TestFitsNoPool(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(component
		(core module $m (memory 1) (table 1 funcref) (func (export "f") (result i32) i32.const 7))
		`+strings.Repeat("(core instance (instantiate $m))", 7)+`
		(core instance $i (instantiate $m))
		(func (export "f") (result u32) (canon lift (core func $i "f"))))`))
	if m.s.pooled != nil {
		t.Error("it is in the pool")
	}
	if r := run(t, m, roomy, "f"); !r.Outcome.Value.Equal(ipld.Int(7)) {
		t.Errorf("got %s: %v", kindOf(r), r.Outcome.Failure)
	}
}

// TestValidate has what the engine says of modules without compiling them.
func TestValidate(t *testing.T) {
	t.Parallel()
	const throws = `(tag $e) (func (export "f") (throw $e))`
	lifted := func(core string) string {
		return `(component (core module $m ` + core + `) (core instance $i (instantiate $m)) (func (export "f") (canon lift (core func $i "f"))))`
	}
	e := newEngine(t, Config{MaxModuleBytes: 10_000})
	for name, tt := range map[string]struct{ text, want string }{
		"well":                          {`(module (func (export "f")))`, ""},
		"a component":                   {lifted(`(func (export "f"))`), ""},
		"a feature":                     {`(module ` + throws + `)`, "unsupported: not a module that runs here: exceptions proposal not enabled"},
		"a feature within a component":  {lifted(throws), "unsupported: not a module that runs here: exceptions proposal not enabled"},
		"two memories":                  {`(module (memory 1) (memory 1))`, "unsupported: not a module that runs here: multiple memories"},
		"a 64-bit memory":               {`(module (memory i64 1))`, "unsupported: not a module that runs here: memory64"},
		"malformed":                     {`(module (func (export "f") (result i32)))`, "malformed: not a module that runs here: type mismatch"},
		"malformed within a component":  {lifted(`(func (export "f") drop)`), "malformed: not a module that runs here: type mismatch"},
		"what the component model runs": {`(component (type $r (resource (rep i32))) (export "r" (type $r)))`, ""},
		"large":                         {`(module (data "` + strings.Repeat("a", 10_000) + `"))`, "unsupported: a module of "},
	} {
		failure, err := e.Validate(wasmtest.Compile(t, tt.text))
		if got := failureText(failure); err != nil || !strings.HasPrefix(got, tt.want) || tt.want == "" && got != "" {
			t.Errorf("%s: got %q, %v, want %q", name, got, err, tt.want)
		}
	}
}
