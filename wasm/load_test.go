//go:build cgo

package wasm

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

func TestRefused(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{MaxModuleBytes: 4 << 20})
	component := func(text string) []byte { return wasmtest.Compile(t, "(component "+text+")") }
	header := []byte("\x00asm\x0d\x00\x01\x00")
	many := func(n int, form string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, form, i)
		}
		return b.String()
	}
	tests := []struct {
		name, want string // want: the kind, and a part of the message
		code       []byte
	}{
		{"empty", "malformed: not WebAssembly", nil},
		{"text", "malformed: not WebAssembly", []byte("(component)")},
		{"picture", "malformed: not WebAssembly", []byte("\x89PNG\r\n\x1a\n1234")},
		{"core module with a memory from outside", "unsupported: a core module that does not run here: the module imports env.memory, which is no function", wasmtest.Compile(t, `(module (import "env" "memory" (memory 1)) (func (export "f")))`)},
		{"core module with an unknown import", "unsupported: the module imports env#now; offered are", wasmtest.Compile(t, `(module (import "env" "now" (func (result i64))) (func (export "f")))`)},
		{
			"core module that opens sockets",
			"unsupported: the module imports wasi_snapshot_preview1#sock_open, wasi_snapshot_preview1#fd_dup; a function can not open network connections or look up names (wasi_snapshot_preview1#sock_open): that is an effect",
			wasmtest.Compile(t, `(module (import "wasi_snapshot_preview1" "sock_open" (func (param i32 i32 i32) (result i32)))
				(import "wasi_snapshot_preview1" "fd_dup" (func (param i32 i32) (result i32))) (func (export "f")))`),
		},
		{"core module with an import of another type", "unsupported: the module imports with another type than the one offered: wasi_snapshot_preview1#fd_write as (), offered as (i32, i32, i32, i32) -> i32", wasmtest.Compile(t, `(module (import "wasi_snapshot_preview1" "fd_write" (func)) (func (export "f")))`)},
		{"invalid core module", "malformed: not a module that runs here", wasmtest.Compile(t, `(module (func (export "f") (result i32)))`)},
		{"core module with threads", "unsupported: ", wasmtest.Compile(t, `(module (memory 1 1 shared))`)},
		{"other version", "unsupported: WebAssembly of version 0e000100", []byte("\x00asm\x0e\x00\x01\x00")},
		{"truncated", "malformed: ", component(`(core module (func (export "f")))`)[:20]},
		{"garbage", "malformed: ", append(header[:8:8], "\xff\xff\xff\xff\xff"...)},
		{"too large", "unsupported: a module of 4194305 bytes", append(header[:8:8], make([]byte, 4<<20-7)...)},
		{"invalid core code", "malformed: ", component(`(core module (func (export "f") (result i32)))`)},
		{"threads", "unsupported: ", component(`(core module (memory 1 1 shared))`)},
		{"memory64", "unsupported: ", component(`(core module (memory i64 1))`)},
		{"multi-memory", "unsupported: ", component(`(core module (memory 1) (memory 1))`)},
		{"exceptions", "unsupported: ", component(`(core module (tag))`)},
		{"gc", "unsupported: ", component(`(core module (type (struct)))`)},
		{"externref", "unsupported: ", component(`(core module (table 1 externref))`)},
		{"stream", "unsupported: ", component(`(type $s (stream u8)) (export "s" (type $s))`)},
		{"future", "unsupported: ", component(`(type $s (future u8)) (export "s" (type $s))`)},
		{"asynchronous function", "unsupported: ", component(`(core module $m (func (export "f") (result i32) (i32.const 0)) (func (export "c") (param i32 i32 i32) (result i32) (i32.const 0)))
			(core instance $i (instantiate $m))
			(func (export "f") async (canon lift (core func $i "f") async (callback (func $i "c"))))`)},
		{"wide arithmetic", "unsupported: ", component(`(core module (func (param i64 i64 i64 i64) (result i64 i64) (i64.add128 (local.get 0) (local.get 1) (local.get 2) (local.get 3))))`)},
		{
			"import of wasi:cli with another type", "unsupported: the module imports with another type than the one offered: wasi:cli/environment@0.2.0#get-environment as () -> list<string>, offered as () -> list<tuple<string, string>>",
			component(`(import "wasi:cli/environment@0.2.0" (instance (export "get-environment" (func (result (list string))))))`),
		},
		{
			"import of the network", "unsupported: the module imports wasi:sockets/network@0.2.0#network; a function can not open network connections",
			component(`(import "wasi:sockets/network@0.2.0" (instance (export "network" (type (sub resource)))))`),
		},
		{
			"import of more than wasi:cli has", "unsupported: the module imports wasi:cli/environment@0.2.0#set-environment; offered are wasi:logging/logging",
			component(`(import "wasi:cli/environment@0.2.0" (instance (export "set-environment" (func))))`),
		},
		{"import of a function at the root", "unsupported: the module imports now; offered are", component(`(import "now" (func (result u64)))`)},
		{
			"import of a resource", "unsupported: the module imports my:own/thing@0.2.0#thing",
			component(`(import "my:own/thing@0.2.0" (instance (export "thing" (type (sub resource)))))`),
		},
		{
			"import of more than logging has", "unsupported: the module imports wasi:logging/logging#flush",
			component(`(import "wasi:logging/logging" (instance (export "flush" (func))))`),
		},
		{
			"logging with another type", "unsupported: the module imports with another type than the one offered: wasi:logging/logging#log as (m: string)",
			component(`(import "wasi:logging/logging" (instance (export "log" (func (param "m" string)))))`),
		},
		{
			"a clock that returns text", "unsupported: the module imports with another type than the one offered: homestar:host/helpers#get-current-time as () -> string",
			component(`(import "homestar:host/helpers" (instance (export "get-current-time" (func (result string)))))`),
		},
		{"10,001 exports", "unsupported: the types of the module are too large", component(`(core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))` + many(10001, `(export "f%d" (func $f))`))},
		{
			// The engine would compile a module with both memories between the two
			// components, and abort.
			"a component that calls another", "unsupported: a component of a shape that does not run here: it makes several memories, and a component calls another within it",
			component(`(component $inner
				(core module $m (memory (export "m") 1)
					(func (export "f") (param i32 i32) (result i32) (local.get 1))
					(func (export "r") (param i32 i32 i32 i32) (result i32) (i32.const 16)))
				(core instance $i (instantiate $m))
				(func $f (param "s" string) (result u32) (canon lift (core func $i "f") (memory $i "m") (realloc (func $i "r"))))
				(export "f" (func $f)))
			(instance $a (instantiate $inner))
			(core module $mem (memory (export "m") 1))
			(core instance $mm (instantiate $mem))
			(core func $low (canon lower (func $a "f") (memory $mm "m")))
			(core module $n (import "x" "f" (func $f (param i32 i32) (result i32)))
				(func (export "g") (result i32) (call $f (i32.const 0) (i32.const 3))))
			(core instance $o (instantiate $n (with "x" (instance (export "f" (func $low))))))
			(func (export "g") (result u32) (canon lift (core func $o "g")))`),
		},
		{"100,000 cases", "", component(`(type (enum ` + many(100000, `"c%d" `) + `))`)},
		{"5,000 imports", "unsupported: ", component(many(5000, `(import "f%d" (func))`))},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			m, err := e.Load(t.Context(), ipld.Link{}, tt.code)
			if m != nil {
				m.Close()
			}
			var refused *Refused
			if !errors.As(err, &refused) {
				t.Fatalf("got %v, want a refusal", err)
			}
			k := refused.Failure.Kind
			if got := refused.Failure.String(); !strings.HasPrefix(got, tt.want) || k != task.KindMalformed && k != task.KindUnsupported {
				t.Errorf("got %s\nwant %s", got, tt.want)
			}
		})
	}
	if n := e.Doctor().Modules; n != 0 {
		t.Errorf("%d refused modules are kept", n)
	}
}

// TestTypesOnlyImport takes an interface that is imported for its types alone.
func TestTypesOnlyImport(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(component
		(import "my:types/all" (instance $i (type $r' (record (field "x" u32))) (export "r" (type (eq $r')))))
		(core module $m (func (export "f") (param i32) (result i32) local.get 0))
		(core instance $c (instantiate $m))
		(alias export $i "r" (type $r))
		(export $R "r" (type $r))
		(func (export "f") (param "x" $R) (result $R) (canon lift (core func $c "f"))))`))
	if r := run(t, m, roomy, "f", js(t, `{"x":7}`)); !r.Outcome.OK() || !r.Outcome.Value.Equal(js(t, `{"x":7}`)) {
		t.Errorf("%v", r.Outcome)
	}
}

// TestImportTwoVersions takes one interface imported under several names.
func TestImportTwoVersions(t *testing.T) {
	t.Parallel()
	const log = `(instance (type $l' (enum "trace" "debug" "info" "warn" "error" "critical")) (export "level" (type $l (eq $l')))
		(export "log" (func (param "level" $l) (param "context" string) (param "message" string)))))`
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(component
		(import "wasi:logging/logging" `+log+` (import "wasi:logging/logging@0.1.0" `+log+` (import "wasi:logging/logging@0.1.1" `+log+`
		(core module $m (func (export "f"))) (core instance $i (instantiate $m)) (func (export "f") (canon lift (core func $i "f"))))`))
	if r := run(t, m, roomy, "f"); kindOf(r) != "ok" || len(m.Imports()) != 3 {
		t.Errorf("%v, %v", m.Imports(), r.Outcome.Failure)
	}
}

func TestInterface(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "echo"))
	got := map[string]bool{}
	for _, f := range m.Interface().Funcs {
		got[f.String()] = true
	}
	for _, want := range []string{
		"u8: func(x: u8) -> u8",
		"nothing: func()",
		"bare-results: func(x: list<result>) -> list<result>",
	} {
		if !got[want] {
			t.Errorf("no %s in %v", want, got)
		}
	}
	if _, err := m.Interface().Find("test:echo/inner@1.2.0#twice"); err != nil {
		t.Error(err)
	}
	logging := load(t, newEngine(t, Config{}), guest(t, "logging"))
	if diff := cmp.Diff([]string{"wasi:logging/logging@0.1.0-draft", "homestar:host/helpers"}, logging.Imports()); diff != "" {
		t.Error(diff)
	}
}

func TestResourcesRefused(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), wasmtest.Compile(t, `(component
		(type $r' (resource (rep i32)))
		(export $r "r" (type $r'))
		(core func $new (canon resource.new $r'))
		(core module $m (import "e" "new" (func $new (param i32) (result i32))) (func (export "make") (result i32) (call $new (i32.const 5))) (func (export "take") (param i32)))
		(core instance $i (instantiate $m (with "e" (instance (export "new" (func $new))))))
		(func (export "make") (result (own $r)) (canon lift (core func $i "make")))
		(func (export "take") (param "x" (own $r)) (canon lift (core func $i "take"))))`))
	if r := run(t, m, roomy, "make"); kindOf(r) != "type" || !strings.Contains(r.Outcome.Failure.Message, "resource") {
		t.Errorf("make: %v", r.Outcome)
	}
	if r := run(t, m, roomy, "take", ipld.Int(1)); kindOf(r) != "type" {
		t.Errorf("take: %v", r.Outcome)
	}
}

func TestLogging(t *testing.T) {
	t.Parallel()
	m := load(t, newEngine(t, Config{}), guest(t, "logging"))
	var got []string
	log := func(level, context, msg string) { got = append(got, level+"|"+context+"|"+msg) }
	call := func(fn string, params ...ipld.Value) Result {
		t.Helper()
		got = nil
		r, err := m.Run(t.Context(), Call{Func: fn, Params: params, Limits: roomy, Log: log})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	call("say", ipld.String("héllo\n😀"))
	if diff := cmp.Diff([]string{"info|ctx|héllo\n😀", "info|print|héllo\n😀"}, got); diff != "" {
		t.Error(diff)
	}
	call("say", ipld.String(strings.Repeat("ß", 40<<10)))
	if n := len(got[0]); n > MaxLogMessage+20 || !strings.HasSuffix(got[0], "ß…") {
		t.Errorf("a long message is cut to %d bytes", n)
	}
	call("chatter", ipld.Int(MaxLogLines+100))
	if len(got) != MaxLogLines+1 || !strings.HasPrefix(got[MaxLogLines], "warn|ipvm|") {
		t.Errorf("%d lines, the last %q", len(got), got[len(got)-1])
	}
	if r := call("time"); !r.Outcome.Value.Equal(ipld.Int(0)) {
		t.Errorf("the clock is at %v", r.Outcome)
	}
	if r := call("garbage"); kindOf(r) != "trap abi" || len(got) != 0 {
		t.Errorf("a message that is not UTF-8: %s, %q", kindOf(r), got)
	}
	if r := run(t, m, roomy, "say", ipld.String("x")); kindOf(r) != "ok" {
		t.Errorf("without Log: %v", r.Outcome.Failure)
	}
	log = func(string, string, string) { panic("oh no") }
	_, err := m.Run(t.Context(), Call{Func: "say", Params: []ipld.Value{ipld.String("x")}, Limits: roomy, Log: log})
	if err == nil || !strings.Contains(err.Error(), "panicked: oh no") {
		t.Errorf("a log function that panics: %v", err)
	}
	if r := run(t, m, roomy, "say", ipld.String("x")); kindOf(r) != "ok" {
		t.Errorf("after the panic: %v", r.Outcome.Failure)
	}
}

func entries(t *testing.T, dir string) []string {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(names, func(name string) bool { return strings.HasSuffix(name, seenEnd) })
}

// TestCache loads one module by many engines from one directory.
func TestCache(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "code")
	code := wasmtest.Compile(t, addOne)
	once := func(dir string) (warnings string) {
		t.Helper()
		var log strings.Builder
		e := newEngine(t, Config{CacheDir: dir, Logger: testLogger(&log)})
		if r := run(t, load(t, e, code), roomy, "add-one", ipld.Int(1)); !r.Outcome.Value.Equal(ipld.Int(2)) {
			t.Errorf("got %v", r.Outcome)
		}
		return log.String()
	}
	entry := func(dir string) string {
		t.Helper()
		files, _ := filepath.Glob(filepath.Join(dir, "*.code"))
		if len(files) != 1 || len(entries(t, dir)) != 2 {
			t.Fatalf("in the cache: %v", entries(t, dir))
		}
		return files[0]
	}
	once(dir)
	path := entry(dir)
	for _, p := range []string{dir, path, filepath.Join(dir, cacheKeyFile)} {
		info, err := os.Stat(p)
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", p, info.Mode(), err)
		}
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := os.Stat(path)
	if w := once(dir); w != "" {
		t.Errorf("a good entry: %s", w)
	}
	if after, _ := os.Stat(path); !os.SameFile(before, after) {
		t.Error("a good entry was written again")
	}

	other := filepath.Join(t.TempDir(), "code") // of another node
	once(other)
	foreign, err := os.ReadFile(entry(other))
	if err != nil {
		t.Fatal(err)
	}
	flipped := append([]byte(nil), good...)
	flipped[len(flipped)/2] ^= 1
	bad := map[string][]byte{
		"bit flipped": flipped, "foreign": foreign, "truncated": good[:len(good)/2], "empty": {}, "short": good[:10],
		"mac only": good[len(good)-sealLen:], "text": []byte(strings.Repeat("x", 5000)),
	}
	for name, data := range bad {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		if w := once(dir); !strings.Contains(w, "compiled code discarded") {
			t.Errorf("%s: not noticed", name)
		}
		if now, err := os.ReadFile(entry(dir)); err != nil || len(now) != len(good) {
			t.Errorf("%s: not made again: %v", name, err)
		}
	}
	for name, spoil := range map[string]func() error{
		"readable by others": func() error { return os.Chmod(path, 0o644) },
		"symbolic link": func() error {
			return errors.Join(os.Rename(path, filepath.Join(other, "moved")), os.Symlink(filepath.Join(other, "moved"), path))
		},
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if w := once(dir); !strings.Contains(w, "compiled code discarded") {
			t.Errorf("%s: not noticed", name)
		}
	}
}

// TestCacheName shows that an entry under another module's name is noticed.
func TestCacheName(t *testing.T) {
	t.Parallel()
	c, err := openCache(t.TempDir(), "config", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	a, b := c.name(ipld.LinkOf(ipld.CodecRaw, []byte("a")), 0, 1), c.name(ipld.LinkOf(ipld.CodecRaw, []byte("b")), 0, 1)
	f, err := writeTemp(c.dir, []byte("code"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := c.keep(f, 4, a); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(filepath.Join(c.dir, a), filepath.Join(c.dir, b)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.open(b); !errors.Is(err, errEntry) {
		t.Errorf("got %v", err)
	}
	d, err := openCache(c.dir, "another config", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	if d.name(ipld.LinkOf(ipld.CodecRaw, []byte("a")), 0, 1) == a {
		t.Error("the settings are not in the name")
	}
}

func TestSingleFlight(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{CacheDir: t.TempDir()})
	code := guest(t, "echo")
	var wg sync.WaitGroup
	mods := make([]*Module, 16)
	for i := range mods {
		wg.Go(func() {
			m, err := e.Load(t.Context(), ipld.Link{}, code)
			if err != nil {
				t.Error(err)
				return
			}
			mods[i] = m
		})
	}
	wg.Wait()
	for _, m := range mods {
		if m.s != mods[0].s {
			t.Error("the module was made more than once")
		}
		m.Close()
		m.Close()
	}
	if _, err := mods[0].Run(t.Context(), Call{Func: "nothing", Limits: roomy}); !errors.Is(err, ErrClosed) {
		t.Errorf("a closed module runs: %v", err)
	}
}

// addN is a component of its own for each n.
func addN(t *testing.T, n int) []byte {
	t.Helper()
	return wasmtest.Compile(t, strings.ReplaceAll(addOne, `(i32.const 1)`, fmt.Sprintf("(i32.const %d)", n)))
}

// TestIdleModules keeps those modules that were used last.
func TestIdleModules(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{IdleModules: 2})
	mods := make([]*Module, 5)
	for i := range mods {
		mods[i] = load(t, e, addN(t, i))
	}
	for _, i := range []int{3, 0, 4, 1, 2} {
		mods[i].Close()
	}
	kept(t, e, mods, 1, 2)
	again, err := e.Load(t.Context(), ipld.Link{}, addN(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	again.Close() // now 1 is the newest
	newest := load(t, e, addN(t, 5))
	newest.Close()
	kept(t, e, append(mods, newest), 1, 5)
}

// kept holds the modules that are loaded against the numbers of those that
// should be.
func kept(t *testing.T, e *Engine, mods []*Module, want ...int) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var got []int
	for i, m := range mods {
		if e.modules[m.s.link] == m.s {
			got = append(got, i)
		}
	}
	if !slices.Equal(got, want) || len(e.modules) != len(want) {
		t.Errorf("of the modules %v are kept and %d in all, want %v", got, len(e.modules), want)
	}
}

func TestLoadCancelled(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := e.Load(ctx, ipld.Link{}, wasmtest.Compile(t, addOne)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if e.Doctor().Started {
		t.Error("the engine was started")
	}
}

func TestClose(t *testing.T) {
	t.Parallel()
	e, err := New(Config{Calls: 2})
	if err != nil {
		t.Fatal(err)
	}
	m, err := e.Load(t.Context(), ipld.Link{}, guest(t, "hostile"))
	if err != nil {
		t.Fatal(err)
	}
	limits := task.Limits{Gas: 1 << 62, Memory: 64 << 20, Time: time.Minute}
	var wg sync.WaitGroup
	for range 4 { // two run, two wait
		wg.Go(func() {
			if _, err := m.Run(t.Context(), Call{Func: "loop", Limits: limits}); !errors.Is(err, ErrClosed) {
				t.Errorf("got %v", err)
			}
		})
	}
	time.Sleep(20 * time.Millisecond)
	for range 2 {
		if err := e.Close(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
	m.Close()
	if _, err := e.Load(t.Context(), ipld.Link{}, guest(t, "hostile")); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	if _, err := m.Run(t.Context(), Call{Func: "loop", Limits: limits}); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	unused, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	if err := unused.Close(); err != nil {
		t.Error(err)
	}
}

// TestMixedHostility runs all hostile guests at once and honest ones between
// them, on two engines.
func TestMixedHostility(t *testing.T) {
	t.Parallel()
	rounds := 20
	if testing.Short() {
		rounds = 3
	}
	dir := t.TempDir()
	engines := []*Engine{newEngine(t, Config{CacheDir: dir}), newEngine(t, Config{CacheDir: dir, Calls: 8})}
	echo, hostile := guest(t, "echo"), guest(t, "hostile")
	short := task.Limits{Gas: 1 << 62, Memory: 64 << 20, Time: 5 * time.Millisecond}
	calls := []struct {
		fn     string
		limits task.Limits
		want   string
	}{
		{"recursion", roomy, "trap stack-overflow"},
		{"load", roomy, "trap memory-out-of-bounds"},
		{"loop", short, "timeout"},
		{"bomb", roomy, "trap unreachable"},
		{"zero", roomy, "trap integer-divide-by-zero"},
		{"nan64", roomy, "type"},
		{"big-bytes", roomy, "ok"},
	}
	var wg sync.WaitGroup
	for g := range 32 {
		wg.Go(func() {
			e := engines[g%2]
			for i := range rounds {
				m, err := e.Load(t.Context(), ipld.Link{}, hostile)
				if err != nil {
					t.Error(err)
					return
				}
				c := calls[(g+i)%len(calls)]
				r, err := m.Run(t.Context(), Call{Func: c.fn, Limits: c.limits})
				if err != nil || kindOf(r) != c.want {
					t.Errorf("%s: %s, %v", c.fn, kindOf(r), err)
				}
				m.Close()
				if m, err = e.Load(t.Context(), ipld.Link{}, echo); err != nil {
					t.Error(err)
					return
				}
				v := ipld.String(fmt.Sprintf("guest %d, round %d", g, i))
				if r, err = m.Run(t.Context(), Call{Func: "string", Params: []ipld.Value{v}, Limits: roomy}); err != nil || !r.Outcome.Value.Equal(v) {
					t.Errorf("%v came back as %v, %v", v, r.Outcome, err)
				}
				m.Close()
			}
		})
	}
	wg.Wait()
}
