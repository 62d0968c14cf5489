//go:build cgo && linux

package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// BenchmarkLoadProcess loads a module of 288 KB whose machine code is in the
// cache, and calls a function of it, each time in a process of its own that has
// loaded nothing before: what was written or checked by one before, and what was not. It tells the median of the processes: by the clock, and
// of the processor time of all threads, which depends less on what else runs.
func BenchmarkLoadProcess(b *testing.B) {
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	wrapped := func(pages int) string {
		return "(component (core module $m " + largeModule(largeFunctions, pages) + `) (core instance $i (instantiate $m))
			(func (export "sum") (param "data" (list u8)) (result u32)
				(canon lift (core func $i "sum") (memory $i "memory") (realloc (func $i "cabi_realloc")))))`
	}
	for _, kind := range []struct{ name, text string }{
		{"core", "(module " + largeModule(largeFunctions, 2) + ")"},
		{"component", wrapped(2)},
		{"component-of-17-pages", wrapped(17)},
	} {
		code := wasmtest.Compile(b, kind.text)
		if n := len(code); n < 285_000 || n > 291_000 {
			b.Fatalf("a module of %d bytes", n)
		}
		dir := b.TempDir()
		file := filepath.Join(dir, "module")
		if err := os.WriteFile(file, code, 0o600); err != nil {
			b.Fatal(err)
		}
		for _, variant := range []struct {
			engine string
			seen   bool
		}{{"started", true}, {"new", true}, {"started", false}} {
			engine := variant.engine
			b.Run(fmt.Sprintf("%s/engine=%s/seen=%t", kind.name, engine, variant.seen), func(b *testing.B) {
				process := func() (clock, processor time.Duration) {
					cmd := exec.Command(exe)
					cmd.Env = append(os.Environ(), "IPVM_WASM_LOAD="+strings.Join([]string{filepath.Join(dir, "cache"), file, engine}, "\n"))
					out, err := cmd.CombinedOutput()
					if _, scan := fmt.Sscan(string(out), &clock, &processor); err != nil || scan != nil {
						b.Fatalf("%s, %v", out, err)
					}
					return clock, processor
				}
				process() // the first of all compiles
				var clocks, processors []time.Duration
				for b.Loop() {
					if !variant.seen {
						forget(b, filepath.Join(dir, "cache"))
					}
					clock, processor := process()
					clocks, processors = append(clocks, clock), append(processors, processor)
				}
				b.ReportMetric(medianMillis(clocks), "ms/load")
				b.ReportMetric(medianMillis(processors), "cpu-ms/load")
				b.ReportMetric(0, "ns/op")
			})
		}
	}
}

// forget removes the notes of what was checked.
func forget(b *testing.B, cache string) {
	notes, _ := filepath.Glob(filepath.Join(cache, "*"+seenEnd))
	for _, note := range notes {
		if err := os.Remove(note); err != nil {
			b.Fatal(err)
		}
	}
}

func medianMillis(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Microseconds()) / 1000
}

// loadChild is the test binary run again by BenchmarkLoadProcess: it tells how
// long it took from the load to the first return.
func loadChild(spec string) int {
	words := strings.Split(spec, "\n")
	clock, processor, err := timedLoad(words[0], words[1], words[2] == "started")
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println(clock.Nanoseconds(), processor.Nanoseconds())
	return 0
}

func timedLoad(cache, file string, started bool) (clock, processor time.Duration, err error) {
	code, err := os.ReadFile(file)
	if err != nil {
		return 0, 0, err
	}
	link := ipld.LinkOf(ipld.CodecRaw, code)
	params := []ipld.Value{ipld.Bytes([]byte("some bytes"))}
	if component.HeaderOf(code) == component.CoreModule {
		params = []ipld.Value{ipld.Int(16), ipld.Int(10)}
	}
	var e *Engine
	if started {
		if e, err = New(Config{CacheDir: cache}); err == nil {
			err = e.Start()
		}
		if err != nil {
			return 0, 0, err
		}
		defer e.Close()
	}
	start, used := time.Now(), processorTime()
	if !started {
		if e, err = New(Config{CacheDir: cache}); err != nil {
			return 0, 0, err
		}
		defer e.Close()
	}
	m, err := e.Load(context.Background(), link, code)
	if err != nil {
		return 0, 0, err
	}
	r, err := m.Run(context.Background(), Call{Func: "sum", Params: params, Limits: roomy})
	clock, processor = time.Since(start), processorTime()-used
	if err == nil && !r.Outcome.OK() {
		err = errors.New(r.Outcome.Failure.String())
	}
	return clock, processor, err
}

// processorTime is what this process used of the processors.
func processorTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// largeFunctions make a module of 288 KB.
const largeFunctions = 366

// largeModule is the text of a core module of n functions and pages of memory:
// clang gives a program 2 pages, Rust 17. Each function has loops over memory,
// arithmetic, branches, and calls of others directly and by a table. A tenth of it is
// data, and machine code is 5.5 times the module: about as of the modules of the examples that
// compilers made, 5.3 and 5.7 times.
func largeModule(n, pages int) string {
	var b strings.Builder
	fmt.Fprintf(&b, `(memory (export "memory") %d) (global $heap (mut i32) (i32.const 65536)) (table $t %d funcref)
		(type $f (func (param i32 i32) (result i32)))
		(func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
			(global.set $heap (i32.and (i32.add (i32.add (global.get $heap) (local.get 3)) (i32.const 15)) (i32.const -16)))
			(i32.sub (global.get $heap) (i32.and (i32.add (local.get 3) (i32.const 15)) (i32.const -16))))
		(data (i32.const 4096) "%s")
		(func (export "sum") (param i32 i32) (result i32) (call $f%d (local.get 0) (local.get 1)))
`, pages, n, strings.Repeat("text that the functions of a real program would refer to", 26<<10/56), n-1)
	for i := range n {
		fmt.Fprintf(&b, "(elem (i32.const %d) $f%d) (func $f%d (type $f) (local $i i32) (local $s i32) (local $d f64)\n", i, i, i)
		for j := range 5 {
			then := fmt.Sprintf("(local.set $s (i32.add (i32.mul (local.get $s) (i32.const %d)) (i32.shr_u (local.get $s) (i32.const 3))))", 7919*i+j)
			if j == 0 { // NaN is made one of a kind after each such operation, which takes much code
				then = fmt.Sprintf("(local.set $d (f64.add (f64.mul (local.get $d) (f64.const %d.5)) (f64.convert_i32_u (local.get $s))))", i+1)
			}
			fmt.Fprintf(&b, `(loop $l%[1]d
				(local.set $s (i32.add (i32.rotl (local.get $s) (i32.const %[2]d)) (i32.load8_u offset=%[3]d (i32.add (local.get 0) (local.get $i)))))
				(local.set $s (i32.xor (i32.add (i32.mul (local.get $s) (i32.const %[4]d)) (i32.shr_u (local.get $s) (i32.const 7))) (i32.load offset=%[3]d (i32.and (local.get $s) (i32.const 1020)))))
				(local.set $s (i32.sub (i32.xor (local.get $s) (i32.shl (local.get $s) (i32.const 13))) (i32.and (i32.load16_u offset=%[3]d (i32.and (local.get $s) (i32.const 2044))) (i32.const %[4]d))))
				(if (i32.and (local.get $s) (i32.const %[2]d))
					(then %[5]s)
					(else (i32.store offset=%[3]d (i32.const 40512) (i32.xor (local.get $s) (i32.const %[4]d)))))
				(br_if $l%[1]d (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (local.get 1))))
`, j, i+j+1, 4*j, 7919*i+j, then)
		}
		if i > 0 {
			fmt.Fprintf(&b, `(if (f64.lt (local.get $d) (f64.const 0)) (then
				(local.set $s (call $f%d (local.get $s) (local.get 1)))
				(local.set $s (call_indirect $t (type $f) (local.get $s) (local.get 1) (i32.rem_u (local.get $s) (i32.const %d))))))
`, i/2, i)
		}
		b.WriteString("(local.get $s))\n")
	}
	return b.String()
}

// BenchmarkLoadImage loads the largest module of the examples, 119 KB of code
// and 635 KB of machine code on disk, and calls a function of it: within an
// engine that has started, and with a new one, as the first job of a process
// does.
func BenchmarkLoadImage(b *testing.B) {
	code, err := os.ReadFile("../examples/thumbnail/image.wasm")
	if err != nil {
		b.Fatal(err)
	}
	link := ipld.LinkOf(ipld.CodecRaw, code)
	cfg := Config{CacheDir: b.TempDir()}
	call := Call{Func: "grayscale", Params: []ipld.Value{ipld.Bytes([]byte("no picture"))}, Limits: roomy}
	once := func(b *testing.B, e *Engine) {
		m, err := e.Load(b.Context(), link, code)
		if err != nil {
			b.Fatal(err)
		}
		if r, err := m.Run(b.Context(), call); err != nil || kindOf(r) != "guest" {
			b.Fatal(r.Outcome.Failure, err)
		}
		m.Close()
	}
	e := newEngine(b, cfg)
	once(b, e)
	e.cfg.IdleModules = 0
	b.Run("engine=started", func(b *testing.B) {
		b.SetBytes(int64(len(code)))
		for b.Loop() {
			once(b, e)
		}
	})
	b.Run("engine=new", func(b *testing.B) {
		for b.Loop() {
			e, err := New(cfg)
			if err != nil {
				b.Fatal(err)
			}
			once(b, e)
			b.StopTimer()
			e.Close()
			b.StartTimer()
		}
	})
}

// BenchmarkSeal checks the seal of 1 MiB of machine code.
func BenchmarkSeal(b *testing.B) {
	f, err := writeTemp(b.TempDir(), make([]byte, 1<<20))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	key := make([]byte, cacheKeyLen)
	mark, err := seal(key, "name", f, 1<<20)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(1 << 20)
	for b.Loop() {
		if ok, err := sealed(key, mark, "name", f, 1<<20); !ok || err != nil {
			b.Fatal(err)
		}
	}
}
