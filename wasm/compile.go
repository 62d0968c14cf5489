//go:build cgo

package wasm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/task"
)

const (
	// smallCode is how much code of the core modules of one module is compiled
	// in this process, because a process of its own would take longer than that.
	// Cost grows with the cube of size at worst: 2 KiB of nested loops over as
	// many locals take 0.1 s and 30 MB, 16 KiB take 17 s and 1.9 GB. What the
	// engine makes of components is less tried: an abort in it was seen.
	smallCode = 2 << 10
	// spareTime is how long a module that could not be compiled is not tried
	// again.
	spareTime = 10 * time.Minute
	// maxSpared bounds the modules of which that is known.
	maxSpared = 256
	// maxComplaint bounds what is kept of a compiler process's standard error.
	maxComplaint = 16 << 10
)

// compile makes machine code of u, and keeps it.
func (e *Engine) compile(u unit) (src *source, err error) {
	switch {
	case len(e.cfg.Compiler) == 0:
		src, err = e.queued(u, e.compileHere)
	case u.core && len(u.code) <= u.s.small:
		u.s.small -= len(u.code)
		src, err = e.compileHere(u)
	default:
		src, err = e.queued(u, e.compileApart)
	}
	if err == nil {
		e.keep(u, src)
	}
	return src, err
}

// queued compiles when the place of one that compiles is free.
func (e *Engine) queued(u unit, compile func(unit) (*source, error)) (*source, error) {
	select {
	case e.compiles <- struct{}{}:
	case <-u.s.ctx.Done():
		return nil, u.s.ctx.Err()
	}
	defer func() { <-e.compiles }()
	return compile(u)
}

// compileHere compiles in this process. That can not be ended early.
func (e *Engine) compileHere(u unit) (*source, error) {
	vec, refusal := compileWith(e.demand, u.code, u.core)
	if refusal != "" {
		return nil, &Refused{invalid(refusal)}
	}
	return &source{vec: vec, size: int64(vec.size)}, nil
}

// costlyError is the refusal of a module that is not worth another attempt
// soon: its compilation was ended, or broke.
type costlyError struct{ refused *Refused }

func (c *costlyError) Error() string { return c.refused.Error() }
func (c *costlyError) Unwrap() error { return c.refused }

func costlyf(format string, args ...any) error {
	return &costlyError{&Refused{task.Failf(task.KindUnsupported, format, args...)}}
}

// spared is why a module is not tried again yet.
type spared struct {
	err   error
	until time.Time
}

// errCompileTime ends a compiler process that takes too long.
var errCompileTime = errors.New("the time to compile is over")

// compileApart compiles in a process of its own, whose whole standard output
// becomes a file.
func (e *Engine) compileApart(u unit) (*source, error) {
	out, err := e.artifact()
	if err != nil {
		return nil, fmt.Errorf("file for machine code: %w", err)
	}
	src := &source{file: out}
	if err = e.runCompiler(u, out); err == nil {
		var info os.FileInfo
		if info, err = out.Stat(); err == nil {
			src.size = info.Size()
		}
	}
	if err != nil {
		src.close()
		_ = os.Remove(out.Name())
		return nil, err
	}
	return src, nil
}

// artifact is a new file for machine code: in the cache, to be kept there, or
// one without a name.
func (e *Engine) artifact() (*os.File, error) {
	if e.cache != nil {
		e.cache.sweep()
		return writeTemp(e.cache.dir, nil)
	}
	f, err := os.CreateTemp("", "ipvm-code-*")
	if err == nil {
		_ = os.Remove(f.Name())
	}
	return f, err
}

// runCompiler has a compiler process write machine code to out.
func (e *Engine) runCompiler(u unit, out *os.File) error {
	ctx, cancel := context.WithTimeoutCause(u.s.ctx, e.cfg.CompileTime, errCompileTime)
	defer cancel()
	o := order{
		core: u.core, size: len(u.code), tight: e.tight, memory: e.cfg.CompileMemory,
		cpu: e.cfg.CompileTime * time.Duration(runtime.NumCPU()), config: cacheConfig(e.tight),
	}
	var complaint start
	cmd := exec.CommandContext(ctx, e.cfg.Compiler[0], e.cfg.Compiler[1:]...)
	cmd.Stdin = io.MultiReader(strings.NewReader(o.String()), bytes.NewReader(u.code))
	cmd.Stdout, cmd.Stderr = out, &complaint
	cmd.Env = compilerEnv()
	cmd.WaitDelay = time.Second
	setApart(cmd)
	// On Linux the child ends with the thread that started it.
	runtime.LockOSThread()
	err := cmd.Run()
	runtime.UnlockOSThread()
	switch {
	case err == nil:
		return nil
	case u.s.ctx.Err() != nil:
		return u.s.ctx.Err()
	case errors.Is(context.Cause(ctx), errCompileTime) || usedUp(cmd.ProcessState, o.cpu):
		return costlyf("compiling takes more than %v; this node allows no more", e.cfg.CompileTime)
	case cmd.ProcessState == nil:
		return fmt.Errorf("start the compiler: %w", err)
	}
	return e.complain(u, cmd.ProcessState, out, complaint.String())
}

// usedUp tells whether a process used all the time that it was given.
func usedUp(state *os.ProcessState, cpu time.Duration) bool {
	return state != nil && state.UserTime()+state.SystemTime() >= cpu
}

// complain is the error of a compiler process that ended by itself, without
// machine code.
func (e *Engine) complain(u unit, state *os.ProcessState, out *os.File, complaint string) error {
	switch state.ExitCode() {
	case compilerRefused:
		refusal := make([]byte, maxComplaint)
		n, err := out.ReadAt(refusal, 0)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		complaint = string(refusal[:n])
		if !noMemory(complaint) {
			return &Refused{invalid(complaint)}
		}
	case compilerFailed:
		if !noMemory(complaint) {
			return fmt.Errorf("the compiler failed: %s", cut(strings.TrimSpace(complaint), 300))
		}
	}
	if noMemory(complaint) {
		return costlyf("compiling takes more than %d MiB of memory; this node allows no more", e.cfg.CompileMemory>>20)
	}
	e.cfg.Logger.Warn("the compiler broke", "module", u.s.link.String(), "how", state.String(), "said", complaint)
	return costlyf("the compiler broke on the module (%v)", state)
}

// noMemory tells whether what a compiler process said before it ended is of
// memory: as Rust, Go and the system put it.
func noMemory(complaint string) bool {
	for _, words := range []string{"memory allocation of ", "out of memory", "annot allocate memory"} {
		if strings.Contains(complaint, words) {
			return true
		}
	}
	return false
}

// compilerEnv is the environment of a compiler process: how to find the
// libraries of the program, if that was said, and nothing else.
func compilerEnv() []string {
	env := []string{}
	for _, key := range []string{"LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH"} {
		if v, ok := os.LookupEnv(key); ok {
			env = append(env, key+"="+v)
		}
	}
	return env
}

// start keeps the first part of what is written to it: the cause stands before
// its traces.
type start struct{ data []byte }

func (s *start) Write(p []byte) (int, error) {
	s.data = append(s.data, p[:min(len(p), maxComplaint-len(s.data))]...)
	return len(p), nil
}

func (s *start) String() string { return string(s.data) }
