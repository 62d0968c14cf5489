//go:build cgo && linux

package wasm

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// compilerSelf is the test binary as a compiler.
func compilerSelf(t *testing.T) []string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return []string{exe, "compiler"}
}

// script is a compiler that is a shell script.
func script(text string) []string { return []string{"/bin/sh", "-c", text} }

// coreModule is a core module of one function with a body.
func coreModule(body []byte) []byte {
	section := func(id byte, data []byte) []byte {
		return append(binary.AppendUvarint([]byte{id}, uint64(len(data))), data...)
	}
	out := append([]byte("\x00asm\x01\x00\x00\x00"), section(1, []byte{1, 0x60, 0, 0})...)
	out = append(out, section(3, []byte{1, 0})...)
	out = append(out, section(7, []byte{1, 1, 'f', 0, 0})...)
	return append(out, section(10, append(binary.AppendUvarint([]byte{1}, uint64(len(body))), body...))...)
}

// slowModule takes the compiler a time that grows with the cube of n: n nested
// loops, within which n variables live.
func slowModule(n int) []byte {
	body := append(binary.AppendUvarint([]byte{1}, uint64(n+1)), 0x7f)
	body = append(body, bytes.Repeat([]byte{0x03, 0x40}, n)...) // loop
	for i := range n {
		at := binary.AppendUvarint(nil, uint64(i))
		body = append(append(body, 0x20), at...) // local.get i
		body = append(body, 0x41, 1, 0x6a, 0x21) // i32.const 1, i32.add,
		body = append(body, at...)               // local.set i
	}
	body = append(body, bytes.Repeat([]byte{0x20, 0, 0x0d, 0, 0x0b}, n)...) // local.get 0, br_if 0, end
	return coreModule(append(body, 0x0b))
}

// plainModule is quickly compiled and too large for this process.
func plainModule(salt byte) []byte {
	return coreModule(append(append([]byte{0}, bytes.Repeat([]byte{0x41, salt & 63, 0x1a}, smallCode)...), 0x0b))
}

// refusal loads code and returns why it was refused.
func refusal(t *testing.T, e *Engine, code []byte) string {
	t.Helper()
	m, err := e.Load(t.Context(), ipld.Link{}, code)
	if err == nil {
		m.Close()
		t.Fatal("it was not refused")
	}
	var refused *Refused
	if !errors.As(err, &refused) {
		t.Fatalf("got %v, want a refusal", err)
	}
	return refused.Failure.String()
}

func TestCompileApart(t *testing.T) {
	t.Parallel()
	for name, cache := range map[string]string{"cache": t.TempDir(), "no cache": ""} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, Config{Compiler: compilerSelf(t), CacheDir: cache})
			for _, guest := range [][]byte{guest(t, "echo"), plainModule(1)} {
				load(t, e, guest)
			}
			m := load(t, e, guest(t, "echo"))
			if r := run(t, m, roomy, "string", ipld.String("x")); !r.Outcome.Value.Equal(ipld.String("x")) {
				t.Errorf("got %v", r.Outcome)
			}
			bad := append(plainModule(2), 0)
			if got := refusal(t, e, bad); !strings.HasPrefix(got, "malformed: ") {
				t.Errorf("a bad module: %s", got)
			}
			invalid := coreModule(append(bytes.Repeat([]byte{0x41, 1, 0x1a}, smallCode), 0x1a, 0x0b))
			if got := refusal(t, e, invalid); !strings.HasPrefix(got, "malformed: not a module that runs here: ") {
				t.Errorf("an invalid module: %s", got)
			}
			if cache == "" {
				return
			}
			for _, code := range [][]byte{plainModule(1), guest(t, "echo"), plainModule(3)} {
				there, err := e.Cached(ipld.LinkOf(ipld.CodecRaw, code), code)
				if err != nil || there == bytes.Equal(code, plainModule(3)) {
					t.Errorf("cached: %v, %v", there, err)
				}
			}
			for _, f := range entries(t, cache) {
				if filepath.Ext(f) != ".code" && filepath.Base(f) != cacheKeyFile {
					t.Errorf("%s is left over", f)
				}
			}
			again := newEngine(t, Config{Compiler: script("exit 1"), CacheDir: cache})
			load(t, again, plainModule(1))
		})
	}
}

func TestCompileLimits(t *testing.T) {
	t.Parallel()
	if raceEnabled {
		t.Skip("the race detector needs memory of its own")
	}
	slow := slowModule(2000)
	tests := []struct {
		name, want string
		config     Config
	}{
		{"time", "unsupported: compiling takes more than 300ms; this node allows no more", Config{CompileTime: 300 * time.Millisecond}},
		{"idle", "unsupported: compiling takes more than 100ms; this node allows no more", Config{CompileTime: 100 * time.Millisecond, Compiler: script("sleep 600")}},
		{"memory", "unsupported: compiling takes more than 100 MiB of memory; this node allows no more", Config{CompileMemory: 100 << 20}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			tt.config.CacheDir = t.TempDir()
			if tt.config.Compiler == nil {
				tt.config.Compiler = compilerSelf(t)
			}
			e := newEngine(t, tt.config)
			if got := refusal(t, e, slow); got != tt.want {
				t.Fatalf("got %s\nwant %s", got, tt.want)
			}
			e.cfg.Compiler = []string{"/no/such/program"}
			if got := refusal(t, e, slow); got != tt.want {
				t.Errorf("the second time: %s", got)
			}
			if n := len(entries(t, tt.config.CacheDir)); n != 1 {
				t.Errorf("in the cache: %v", entries(t, tt.config.CacheDir))
			}
			e.cfg.Compiler, e.cfg.CompileTime = compilerSelf(t), time.Minute
			load(t, e, plainModule(1))
		})
	}
}

// TestSmallCompiledHere holds the bound of what is compiled in this process.
func TestSmallCompiledHere(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{Compiler: []string{"/no/such/program"}})
	small := slowModule(138)
	if len(small) > smallCode || len(small) < smallCode*9/10 {
		t.Fatalf("%d bytes", len(small))
	}
	load(t, e, small)
	s := &shared{ctx: t.Context(), small: smallCode} // two of them in one module are too much
	for i, want := range []bool{true, false} {
		src, err := e.compile(unit{s: s, code: small, core: true})
		if (err == nil) != want {
			t.Errorf("piece %d: %v", i, err)
		}
		if err == nil {
			src.close()
		}
	}
	_, err := e.Load(t.Context(), ipld.Link{}, plainModule(1))
	var refused *Refused
	if err == nil || errors.As(err, &refused) || !strings.Contains(err.Error(), "start the compiler") {
		t.Errorf("got %v", err)
	}
}

func TestCompilerBreaks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"kill -ABRT $$": "unsupported: the compiler broke on the module (signal: aborted",
		"kill -SEGV $$": "unsupported: the compiler broke on the module (signal: segmentation fault",
		"exit 3":        "unsupported: the compiler broke on the module (exit status 3)",
		"echo memory allocation of 99 >&2; exit 3": "unsupported: compiling takes more than 4096 MiB of memory; this node allows no more",
	} {
		e := newEngine(t, Config{Compiler: script(text)})
		if got := refusal(t, e, plainModule(1)); !strings.HasPrefix(got, want) {
			t.Errorf("%s: got %s", text, got)
		}
		load(t, e, coreModule([]byte{0, 0x0b}))
	}
	var refused *Refused
	for _, text := range []string{"echo no >&2; exit 10", "cat >/dev/null; echo this is no machine code"} {
		e := newEngine(t, Config{Compiler: script(text)})
		if _, err := e.Load(t.Context(), ipld.Link{}, plainModule(1)); err == nil || errors.As(err, &refused) {
			t.Errorf("%s: got %v", text, err)
		}
	}
}

// TestCompilerAborts compiles a component on which the engine aborts: it makes a
// module with two memories between two components, and that feature is off.
func TestCompilerAborts(t *testing.T) {
	t.Parallel()
	code := wasmtest.Compile(t, `(component
		(component $inner
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
		(func (export "g") (result u32) (canon lift (core func $o "g"))))`)
	var log strings.Builder
	e := newEngine(t, Config{Compiler: compilerSelf(t), Logger: testLogger(&log)})
	if err := e.Start(); err != nil {
		t.Fatal(err)
	}
	_, err := e.compile(unit{s: &shared{ctx: t.Context(), small: smallCode}, code: code})
	var refused *Refused
	if !errors.As(err, &refused) || !strings.HasPrefix(refused.Failure.String(), "unsupported: the compiler broke on the module (") {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(log.String(), "panicked at") {
		t.Errorf("logged is %s", log.String())
	}
	load(t, e, plainModule(1))
}

// TestCompilerProcess looks at what a compiler process is given.
func TestCompilerProcess(t *testing.T) {
	t.Setenv("IPVM_SECRET", "sesame")
	file := filepath.Join(t.TempDir(), "seen")
	e := newEngine(t, Config{Compiler: script("tr '\\0' '\\n' </proc/self/environ >" + file + "; exit 1")})
	refusal(t, e, plainModule(1))
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"IPVM_SECRET", "HOME", "PATH"} {
		if strings.Contains(string(data), name+"=") {
			t.Errorf("the environment is %s", data)
		}
	}
}

// TestCompilerFiles shows that a compiler closes the files that its parent
// happened to leave open to it.
func TestCompilerFiles(t *testing.T) {
	t.Parallel()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	self := compilerSelf(t)
	cmd := exec.Command(self[0], self[1:]...)
	cmd.ExtraFiles = []*os.File{w}
	stdin, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	w.Close()
	if err := r.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("the file is open: %v", err)
	}
	stdin.Close()
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != compilerFailed {
		t.Errorf("without an order: %v", err)
	}
}

// pidOf waits for a compiler script to write the number of its process.
func pidOf(t *testing.T, file string) int {
	t.Helper()
	for range 1000 {
		data, _ := os.ReadFile(file)
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return pid
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("no compiler was started")
	return 0
}

// gone waits for the end of a process.
func gone(t *testing.T, pid int) {
	t.Helper()
	for range 1000 {
		if stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid)); err != nil || bytes.Contains(stat, []byte(") Z ")) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Error("the compiler goes on")
}

// endless is a compiler that tells its process in file, and that of a child of
// its own in file.child.
func endless(file string) []string {
	return script("sleep 600 & echo $! >" + file + ".child; echo $$ >" + file + "; wait")
}

func TestCompileCancelled(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	e := newEngine(t, Config{Compiler: endless(file), CacheDir: t.TempDir()})
	code := plainModule(1)
	var wg sync.WaitGroup
	ctx := [2]context.Context{}
	cancel := [2]context.CancelFunc{}
	for i := range ctx {
		ctx[i], cancel[i] = context.WithCancel(t.Context())
		wg.Go(func() {
			if _, err := e.Load(ctx[i], ipld.Link{}, code); !errors.Is(err, context.Canceled) {
				t.Errorf("got %v", err)
			}
		})
	}
	pid, child := pidOf(t, file), pidOf(t, file+".child")
	for n := 0; n < 3; { // until both wait
		e.mu.Lock()
		for _, s := range e.modules {
			n = s.refs
		}
		e.mu.Unlock()
	}
	cancel[0]()
	time.Sleep(50 * time.Millisecond)
	if err := syscall.Kill(pid, 0); err != nil {
		t.Errorf("the compiler ended when one of two gave up: %v", err)
	}
	cancel[1]()
	wg.Wait()
	gone(t, pid)
	gone(t, child)
	e.cfg.Compiler = compilerSelf(t)
	load(t, e, code)
}

func TestCompileClosed(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	e, err := New(Config{Compiler: endless(file)})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	go func() {
		_, err := e.Load(context.Background(), ipld.Link{}, plainModule(1))
		done <- err
	}()
	pid := pidOf(t, file)
	if err := e.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
	gone(t, pid)
}

// TestCompilerOrphan kills a process whose compiler works.
func TestCompilerOrphan(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "pid")
	exe := compilerSelf(t)[0]
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), "IPVM_WASM_COMPILE="+strings.Join(append([]string{""}, endless(file)...), "\n"))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := pidOf(t, file)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	gone(t, pid)
	_ = syscall.Kill(pidOf(t, file+".child"), syscall.SIGKILL)
}

// TestCompileOnce has several processes with one cache want one module.
func TestCompileOnce(t *testing.T) {
	t.Parallel()
	dir, count := t.TempDir(), filepath.Join(t.TempDir(), "count")
	exe := compilerSelf(t)[0]
	compiler := script("echo once >>" + count + "; sleep 0.2; exec " + exe + " compiler")
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			cmd := exec.Command(exe)
			cmd.Env = append(os.Environ(), "IPVM_WASM_COMPILE="+strings.Join(append([]string{dir}, compiler...), "\n"))
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != "loaded\n" {
				t.Errorf("%s, %v", out, err)
			}
		})
	}
	wg.Wait()
	if data, _ := os.ReadFile(count); string(data) != "once\n" {
		t.Errorf("compiled %d times", strings.Count(string(data), "\n"))
	}
	if len(entries(t, dir)) != 2 {
		t.Errorf("in the cache: %v", entries(t, dir))
	}
}

// compileChild is the test binary run again: it loads a module with a cache and
// a compiler.
func compileChild(spec string) int {
	words := strings.Split(spec, "\n")
	e, err := New(Config{CacheDir: words[0], Compiler: words[1:]})
	if err == nil {
		_, err = e.Load(context.Background(), ipld.Link{}, plainModule(1))
	}
	if err != nil {
		fmt.Println(err)
		return 1
	}
	fmt.Println("loaded")
	return 0
}

// TestLock holds a lock that a dead or a slow process had.
func TestLock(t *testing.T) {
	t.Parallel()
	c, err := openCache(t.TempDir(), "config", 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	unlock, err := c.lock(t.Context(), "x", time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if _, err := c.lock(t.Context(), "x", 50*time.Millisecond); err != nil || time.Since(start) < 50*time.Millisecond {
		t.Errorf("a lock that is held: %v after %v", err, time.Since(start))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := c.lock(ctx, "x", time.Minute); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cancelled: %v", err)
	}
	unlock()
	if err := os.WriteFile(filepath.Join(c.dir, "x.lock"), nil, 0o600); err != nil { // of a dead process
		t.Fatal(err)
	}
	if unlock, err = c.lock(t.Context(), "x", time.Minute); err != nil {
		t.Fatal(err)
	}
	unlock()
	c.dir = "/no/such/folder"
	if unlock, err = c.lock(t.Context(), "x", time.Minute); err != nil {
		t.Errorf("no locks: %v", err)
	}
	unlock()
}

// TestCachedNothing holds that there is no machine code where there is no code.
func TestCachedNothing(t *testing.T) {
	t.Parallel()
	code := []byte("\x00asm\x0d\x00\x01\x00")
	e := newEngine(t, Config{CacheDir: t.TempDir()})
	load(t, e, code)
	if there, err := e.Cached(ipld.LinkOf(ipld.CodecRaw, code), code); there || err != nil {
		t.Errorf("cached: %v, %v", there, err)
	}
}

// TestSweep removes what a killed process left, and nothing that is in use.
func TestSweep(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	left, fresh := filepath.Join(dir, "new-1"), filepath.Join(dir, "new-2")
	for _, name := range []string{left, fresh} {
		if err := os.WriteFile(name, []byte("half"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	old := time.Now().Add(-2 * staleAfter)
	if err := os.Chtimes(left, old, old); err != nil {
		t.Fatal(err)
	}
	load(t, newEngine(t, Config{Compiler: compilerSelf(t), CacheDir: dir}), plainModule(1))
	if _, err := os.Stat(left); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was left: %v", err)
	}
	if _, err := os.Stat(fresh); err != nil {
		t.Errorf("what is in use: %v", err)
	}
}

// TestIdleBytes keeps the machine code of unused modules within bounds, that of
// those that were used last.
func TestIdleBytes(t *testing.T) {
	t.Parallel()
	e := newEngine(t, Config{})
	one := load(t, e, plainModule(0))
	e.cfg.IdleBytes = one.CodeBytes() * 5 / 2
	if e.cfg.IdleBytes == 0 {
		t.Fatal("no bytes are counted")
	}
	mods := []*Module{one}
	for i := range 4 {
		mods = append(mods, load(t, e, plainModule(byte(i+1))))
	}
	for _, i := range []int{3, 0, 4, 1, 2} {
		mods[i].Close()
	}
	kept(t, e, mods, 1, 2)
}
