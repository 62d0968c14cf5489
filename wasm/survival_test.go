//go:build cgo

package wasm

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// soakTime is how long hostile guests run: IPVM_SOAK, else not long.
func soakTime(tb testing.TB) time.Duration {
	tb.Helper()
	if text := os.Getenv("IPVM_SOAK"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			tb.Fatalf("IPVM_SOAK: %v", err)
		}
		return d
	}
	if testing.Short() {
		return time.Second
	}
	return 3 * time.Second
}

// attack is a guest that means no good. Its outcome is one of want; with none,
// the module is refused.
type attack struct {
	name, fn string
	code     []byte
	params   func(generator) []ipld.Value
	limits   task.Limits
	want     []string
	rare     bool // too costly to be tried as often as the others
}

func attacks(tb testing.TB) []attack {
	tb.Helper()
	hostile := guest(tb, "hostile")
	compile := func(text string) []byte { return wasmtest.Compile(tb, text) }
	hasty := task.Limits{Gas: math.MaxUint64, Memory: 64 << 20, Time: 5 * time.Millisecond}
	echo := guest(tb, "echo")
	out := []attack{
		{name: "recursion", fn: "recursion", code: hostile, want: []string{"trap stack-overflow"}},
		{name: "out of bounds", fn: "load", code: hostile, want: []string{"trap memory-out-of-bounds"}},
		{name: "endless", fn: "loop", code: hostile, limits: hasty, want: []string{"timeout"}},
		{name: "endless, with gas", fn: "loop", code: hostile, limits: task.Limits{Gas: 1_000_000, Memory: 64 << 20, Time: time.Minute}, want: []string{"out-of-gas"}},
		{name: "memory bomb", fn: "bomb", code: hostile, want: []string{"trap unreachable"}},
		{name: "memory touched", fn: "touch", code: hostile, params: some(ipld.Int(1000)), want: []string{"ok"}, rare: true},
		{name: "table grown", fn: "grow-table", code: hostile, params: some(ipld.Int(MaxTableElements - 4)), want: []string{"ok"}},
		{name: "divides by zero", fn: "zero", code: hostile, want: []string{"trap integer-divide-by-zero"}},
		{name: "NaN", fn: "nan64", code: hostile, want: []string{"type"}},
		{name: "large result", fn: "big-bytes", code: hostile, want: []string{"ok"}, rare: true},
		{name: "huge table", fn: "f", code: compile(alone(`(table 10000000 funcref) (func (export "f"))`, `(func (export "f") (canon lift (core func $i "f")))`)), want: []string{"unsupported"}},
		{name: "start loops", fn: "f", code: compile(starts(loop)), params: some(ipld.Int(1)), limits: hasty, want: []string{"timeout"}},
		{name: "realloc loops", fn: "f", code: compile(takes(loop + "unreachable")), params: some(textAndNumber...), limits: hasty, want: []string{"timeout"}},
		{name: "post-return loops", fn: "f", code: compile(after(loop, "i32", "u32")), params: some(ipld.Int(1)), limits: hasty, want: []string{"timeout"}},
		{name: "calls the host for ever", fn: "f", code: compile(logged(`(func (export "f") (loop $l (call $print (i32.const 200) (i32.const 4)) (br $l)))`, `(func (export "f") (canon lift (core func $i "f")))`)), limits: hasty, want: []string{"timeout"}},
		{name: "amplified bytes", fn: "f", code: compile(amplifier("(list (list u8))")), want: []string{"type"}, rare: true},
		{name: "amplified text", fn: "f", code: compile(amplifier("(list string)")), want: []string{"type"}, rare: true},
		{name: "amplified nothing", fn: "f", code: compile(amplifier("(list (list (tuple u8 u8)))")), want: []string{"type"}, rare: true},
		{name: "type of 100,000 cases", code: compile(manyCases(100_000)), rare: true},
		{name: "names that are not UTF-8", code: bytes.ReplaceAll(echo, []byte("nested-options"), []byte("nested\xffoptions"))},
		{name: "names that are not UTF-8, in a core module", code: bytes.ReplaceAll(echo, []byte("realloc"), []byte("real\xffoc"))},
		{name: "no WebAssembly", code: []byte("hello")},
		{name: "cut off", code: echo[:len(echo)/2]},
		{name: "pointers and descriptors", fn: "_start", code: compile(vandal), params: vandalism, limits: task.Limits{Gas: 1_000_000, Memory: 4 << 20, Time: time.Second}, want: []string{"ok", "guest", "trap unreachable", "trap abi", "out-of-gas", "timeout", "trap memory-out-of-bounds", "out-of-memory", "type"}},
	}
	for i := range out {
		if out[i].limits == (task.Limits{}) {
			out[i].limits = task.Limits{Gas: 1 << 40, Memory: 64 << 20, Time: time.Minute}
		}
	}
	return out
}

func some(v ...ipld.Value) func(generator) []ipld.Value {
	return func(generator) []ipld.Value { return v }
}

// amplifier returns a list whose elements are all the same 4 MiB of memory.
func amplifier(t string) string {
	return alone(`(memory (export "memory") 80)
		(func (export "f") (result i32) (local $at i32)
			(local.set $at (i32.const 4259840))
			(loop $l
				(i32.store (local.get $at) (i32.const 65536))
				(i32.store offset=4 (local.get $at) (i32.const 2097152))
				(br_if $l (i32.lt_u (local.tee $at (i32.add (local.get $at) (i32.const 8))) (i32.const 5242872))))
			(i32.store (i32.const 8) (i32.const 4259840)) (i32.store (i32.const 12) (i32.const 120000)) (i32.const 8))`,
		`(func (export "f") (result `+t+`) (canon lift (core func $i "f") (memory $i "memory")))`)
}

// manyCases is a function of an enum of n cases.
func manyCases(n int) string {
	var names strings.Builder
	for i := range n {
		fmt.Fprintf(&names, ` "c%d"`, i)
	}
	return `(component (core module $m (func (export "f") (param i32))) (core instance $i (instantiate $m))
		(type $e' (enum` + names.String() + `)) (export $e "e" (type $e')) (func (export "f") (param "x" $e) (canon lift (core func $i "f"))))`
}

// vandal is a program that calls WASI with any numbers, of which its first
// argument is the beginning.
const vandal = `(module
	(import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_read" (func $read (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_write" (func $write (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_close" (func $close (param i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_renumber" (func $renumber (param i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_readdir" (func $readdir (param i32 i32 i32 i64 i32) (result i32)))
	(import "wasi_snapshot_preview1" "fd_filestat_set_size" (func $resize (param i32 i64) (result i32)))
	(import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
	(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
	(memory (export "memory") 1)
	(global $seed (mut i64) (i64.const 1))
	(func $r (result i32) (local $s i64)
		(local.set $s (i64.xor (global.get $seed) (i64.shl (global.get $seed) (i64.const 13))))
		(local.set $s (i64.xor (local.get $s) (i64.shr_u (local.get $s) (i64.const 7))))
		(global.set $seed (i64.xor (local.get $s) (i64.shl (local.get $s) (i64.const 17))))
		(i32.shr_u (i32.wrap_i64 (i64.shr_u (global.get $seed) (i64.const 20))) (i32.and (i32.wrap_i64 (global.get $seed)) (i32.const 31))))
	(func $R (result i64) (i64.or (i64.shl (i64.extend_i32_u (call $r)) (i64.const 32)) (i64.extend_i32_u (call $r))))
	(func $fd (result i32) (i32.and (call $r) (i32.const 7)))
	(func $p (result i32) (i32.and (call $r) (i32.const 65535)))
	(func (export "_start")
		(drop (call $args (i32.const 0) (i32.const 64)))
		(global.set $seed (i64.or (i64.load (i32.const 72)) (i64.const 1)))
		(drop (call $random (call $p) (call $p)))
		(loop $l
			(drop (call $open (call $fd) (call $r) (call $p) (i32.and (call $r) (i32.const 15)) (call $r) (call $R) (call $R) (call $r) (call $p)))
			(drop (call $write (call $fd) (call $p) (i32.and (call $r) (i32.const 255)) (call $r)))
			(drop (call $read (call $fd) (call $p) (call $r) (call $p)))
			(drop (call $seek (call $fd) (call $R) (call $r) (call $p)))
			(drop (call $resize (call $fd) (call $R)))
			(drop (call $readdir (call $fd) (call $p) (call $r) (call $R) (call $p)))
			(drop (call $rename (call $fd) (call $p) (call $r) (call $fd) (call $p) (call $r)))
			(drop (call $renumber (call $r) (call $r)))
			(drop (call $poll (call $p) (call $p) (call $r) (call $p)))
			(drop (call $environ (call $r) (call $r)))
			(drop (call $args (call $p) (call $p)))
			(drop (call $close (call $r)))
			(br_if $l (i32.and (call $r) (i32.const 127))))))`

func vandalism(g generator) []ipld.Value {
	return []ipld.Value{
		ipld.List(ipld.String(strconv.FormatUint(g.Uint64(), 36) + "00000000")), ipld.List(), ipld.Bytes(make([]byte, g.IntN(5000))),
		ipld.List(ipld.List(ipld.String("a"), ipld.Bytes([]byte("b")))),
	}
}

// crowd is all that runs in one trial of survival.
type crowd struct {
	t       *testing.T
	e       *Engine
	attacks []attack
	echo    []byte
	program []byte
	tasks   atomic.Int64
	counts  []atomic.Int64
}

// seldom is how often, of so many times, what is costly is tried. The race
// detector makes it costlier still.
var seldom = map[bool]int{false: 100, true: 1000}[raceEnabled]

// parts is how many times a trial pauses to look at what is left behind, and
// warm is how many tasks run before the first time.
const (
	parts = 10
	warm  = 10_000
)

// TestSurvival runs hostile guests and honest ones between them from 32
// goroutines. The process lives, what is refused is refused, honest guests give
// their own results, and nothing is left behind.
func TestSurvival(t *testing.T) {
	duration := soakTime(t)
	defer func(rate int) { runtime.MemProfileRate = rate }(runtime.MemProfileRate)
	runtime.MemProfileRate = 0 // its table takes 1.4 MiB, page by page
	c := &crowd{t: t, e: newEngine(t, Config{CacheDir: t.TempDir(), IdleModules: 8, Calls: 4}), attacks: attacks(t), echo: guest(t, "echo"), program: guest(t, "program")}
	c.counts = make([]atomic.Int64, len(c.attacks))
	goroutines := runtime.NumGoroutine()
	for i := range c.attacks { // what is rare may not have its turn in the crowd
		c.attack(i, newGenerator(uint64(i)))
	}
	grew := more
	if duration >= 10*time.Second && !raceEnabled {
		c.rush()
		grew = func(before, after uint64) bool { return after > before+before/50 }
	}
	begin := time.Now()
	c.run(0, func() bool { return c.tasks.Load() < warm && time.Since(begin) < duration })
	first := c.look(begin)
	for part := time.Duration(1); part <= parts && c.tasks.Load() >= warm; part++ {
		c.run(uint64(part)<<32, func() bool { return time.Since(begin) < part*duration/parts })
		if now := c.look(begin); !raceEnabled && grew(first.all, now.all) {
			t.Errorf("resident memory grew from %s to %s", first, now)
		}
	}
	for i, a := range c.attacks {
		t.Logf("%7d %s", c.counts[i].Load(), a.name)
		if c.counts[i].Load() == 0 {
			t.Errorf("%s was never tried", a.name)
		}
	}
	if n := runtime.NumGoroutine(); n > goroutines+2 {
		t.Errorf("%d goroutines, %d before", n, goroutines)
	}
}

// look tells what is left behind by now.
func (c *crowd) look(begin time.Time) residence {
	now := resident()
	c.t.Logf("%4d s: %7d tasks, %s, %d goroutines", int(time.Since(begin).Seconds()), c.tasks.Load(), now, runtime.NumGoroutine())
	return now
}

// rush makes each attack from as many goroutines at once as there are places
// for calls, writes to all memory that the places have, and fills what is kept
// for each thread: after that, nothing takes more memory than has been taken.
func (c *crowd) rush() {
	at := func(what func(k uint64)) {
		var wg sync.WaitGroup
		for k := range uint64(c.e.cfg.Calls) {
			wg.Go(func() { what(k) })
		}
		wg.Wait()
	}
	wasmtest.FillThreads(16, MaxStack)
	for i := range c.attacks {
		at(func(k uint64) { c.attack(i, newGenerator(k)) })
	}
	m := load(c.t, c.e, wasmtest.Compile(c.t, filler))
	for range 20 {
		at(func(uint64) {
			r, err := m.Run(c.t.Context(), Call{Func: "f", Limits: roomy})
			if err != nil || r.Outcome.Failure != nil {
				c.t.Errorf("filler: %v, %v", r.Outcome.Failure, err)
			}
		})
	}
}

// filler is a component with two memories, 5 MiB each, which it writes to: more
// than stays resident of either.
const filler = `(component
	(core module $m
		(memory 80)
		(func (export "f") (memory.fill (i32.const 0) (i32.const 1) (i32.const 5242880))))
	(core module $n
		(import "m" "f" (func $f))
		(memory 80)
		(func (export "f") (call $f) (memory.fill (i32.const 0) (i32.const 1) (i32.const 5242880))))
	(core instance $i (instantiate $m))
	(core instance $j (instantiate $n (with "m" (instance $i))))
	(func (export "f") (canon lift (core func $j "f"))))`

// run has 32 goroutines work until more says no.
func (c *crowd) run(seed uint64, more func() bool) {
	var wg sync.WaitGroup
	for i := range uint64(32) {
		wg.Go(func() {
			g := newGenerator(seed + i)
			for more() && !c.t.Failed() {
				n := g.IntN(len(c.attacks))
				if !c.attacks[n].rare || g.one(seldom) {
					c.attack(n, g)
				}
				if g.one(10) {
					c.mutant(g)
				}
				c.honest(g)
				c.copies(g)
			}
		})
	}
	wg.Wait()
}

func (c *crowd) attack(n int, g generator) {
	a := &c.attacks[n]
	c.counts[n].Add(1)
	c.tasks.Add(1)
	m, err := c.e.Load(c.t.Context(), ipld.Link{}, a.code)
	var refused *Refused
	if errors.As(err, &refused) {
		if len(a.want) > 0 {
			c.t.Errorf("%s: %v", a.name, err)
		}
		return
	}
	if err != nil || len(a.want) == 0 {
		c.t.Errorf("%s: not refused, %v", a.name, err)
		return
	}
	defer m.Close()
	call := Call{Func: a.fn, Limits: a.limits}
	if a.params != nil {
		call.Params = a.params(g)
	}
	r, err := m.Run(c.t.Context(), call)
	if err != nil || !slices.Contains(a.want, kindOf(r)) {
		c.t.Errorf("%s: %s, %v, %v", a.name, kindOf(r), r.Outcome.Failure, err)
	}
}

// mutant loads a module with some bytes changed, and calls it if it loads.
func (c *crowd) mutant(g generator) {
	c.tasks.Add(1)
	code := slices.Clone(c.echo)
	if g.one(2) {
		code = slices.Clone(c.program)
	}
	for range 1 + g.IntN(3) {
		code[8+g.IntN(len(code)-8)] = byte(g.Uint32())
	}
	m, err := c.e.Load(c.t.Context(), ipld.Link{}, code)
	var refused *Refused
	if errors.As(err, &refused) {
		return
	}
	if err != nil {
		c.t.Error(err)
		return
	}
	defer m.Close()
	for _, f := range m.Interface().Funcs {
		call := Call{Func: f.Name, Limits: task.Limits{Gas: 100_000, Memory: 16 << 20, Time: time.Second}}
		for _, p := range f.Params {
			call.Params = append(call.Params, g.value(p.Type))
		}
		if _, err := m.Run(c.t.Context(), call); err != nil {
			c.t.Errorf("mutant: %s: %v", f.Name, err)
		}
	}
}

// honest calls a guest that gives back what it is given.
func (c *crowd) honest(g generator) {
	c.tasks.Add(1)
	m, err := c.e.Load(c.t.Context(), ipld.Link{}, c.echo)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer m.Close()
	f := m.Interface().Funcs[g.IntN(len(m.Interface().Funcs))]
	if len(f.Params) != 1 {
		return
	}
	v := g.value(f.Params[0].Type)
	r, err := m.Run(c.t.Context(), Call{Func: f.Name, Params: []ipld.Value{v}, Limits: roomy})
	if err != nil || !r.Outcome.Value.Equal(v) {
		c.t.Errorf("%s: %s came back as %s, %v, %v", f.Name, short(v), short(r.Outcome.Value), r.Outcome.Failure, err)
	}
}

// copies runs a program that copies a file.
func (c *crowd) copies(g generator) {
	c.tasks.Add(1)
	m, err := c.e.Load(c.t.Context(), ipld.Link{}, c.program)
	if err != nil {
		c.t.Error(err)
		return
	}
	defer m.Close()
	data := ipld.Bytes([]byte(g.text()))
	r, err := m.Run(c.t.Context(), Call{Func: "_start", Limits: roomy, Params: []ipld.Value{
		ipld.List(ipld.String("f")), ipld.Null, ipld.Null, ipld.List(ipld.List(ipld.String("in"), data)),
	}})
	files, _ := r.Outcome.Value.Lookup("files")
	want := ipld.List(ipld.List(ipld.String("out"), data))
	if err != nil || !files.Equal(want) {
		c.t.Errorf("%s came back as %s, %v, %v", short(data), short(r.Outcome.Value), r.Outcome.Failure, err)
	}
}

// residence is the memory of this process that is resident, in bytes, and how
// much of it is no file's. It is 0 where the system does not tell.
type residence struct{ all, anonymous uint64 }

func (r residence) String() string {
	return fmt.Sprintf("RSS %d KiB (%d KiB anonymous)", r.all>>10, r.anonymous>>10)
}

// resident gives back what is free until no less is resident: a part of it
// waits where the collector finds it only when a processor has been idle.
func resident() (least residence) {
	for range 5 {
		wasmtest.FreeOSMemory()
		now := residence{statusBytes("VmRSS:"), statusBytes("RssAnon:")}
		if least.all == 0 || now.all < least.all {
			least = now
		}
		time.Sleep(10 * time.Millisecond)
	}
	return least
}

// statusBytes is what the system says of this process, or 0.
func statusBytes(key string) uint64 {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if kib, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseUint(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(kib), "kB")), 10, 64)
			return n << 10
		}
	}
	return 0
}

// more tells whether memory grew by over 2 per cent, and by more than
// allocators keep now and then.
func more(before, after uint64) bool { return after > before+before/50+2<<20 }

// TestTinyTasks shows that tasks leave nothing behind.
func TestTinyTasks(t *testing.T) {
	rounds := 100_000
	if testing.Short() || raceEnabled {
		rounds = 2000
	}
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, addOne))
	call := Call{Func: "add-one", Params: []ipld.Value{ipld.Int(1)}, Limits: roomy}
	several := func(n int) {
		for range n {
			if r, err := m.Run(t.Context(), call); err != nil || !r.Outcome.Value.Equal(ipld.Int(2)) {
				t.Fatalf("%v, %v", r.Outcome, err)
			}
		}
	}
	several(rounds / 10)
	before := resident()
	begin := time.Now()
	several(rounds)
	took := time.Since(begin)
	after := resident()
	t.Logf("%d tasks in %s, %s each; %s before, %s after", rounds, took.Round(time.Millisecond), took/time.Duration(rounds), before, after)
	const allowed = 512 << 10 // of either, which is 5 bytes a task
	if !raceEnabled && (after.all > before.all+allowed || after.anonymous > before.anonymous+allowed) {
		t.Error("memory grew")
	}
}
