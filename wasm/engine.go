//go:build cgo

package wasm

// #cgo CFLAGS: -std=gnu11 -O2 -Wall -Wextra
// #include "guest.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	_ "github.com/bytecodealliance/wasmtime-go/v44" // the static library and how to link it
	"golang.org/x/sys/cpu"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// engineVersion is the release of the static library.
const engineVersion = "44.0.0"

const (
	minStackLimit = 1 << 20
	// poolMemory is the largest memory limit served from the pool.
	poolMemory = 1 << 30
	// memoryReservation and memoryGuard are the address space kept per memory,
	// so that compiled code needs no bounds checks.
	memoryReservation = 4 << 30
	memoryGuard       = 32 << 20
	// memoryGrowth is kept behind a memory that had to move as it grew.
	memoryGrowth = 2 << 30
	// tightGuard and tightGrowth replace them where the address space is limited.
	tightGuard  = 64 << 10
	tightGrowth = 16 << 20
	// tightAddress is how much address space must be left for the pool.
	tightAddress = 64 << 30
	// tick is how often a running guest looks at its time limit.
	tick = 5 * time.Millisecond
	// idleTicks is how long the ticker goes on with nothing to do.
	idleTicks = 20
)

// Engine compiles modules and runs their functions. It is safe for concurrent
// use. The engine proper is loaded at the first [Engine.Load].
type Engine struct {
	cfg      Config
	compiles chan struct{}
	// modelOnly, of tests, leaves every component to the engine's model.
	modelOnly bool
	slots     chan *slot
	all       []*slot // every slot, to stop what runs

	mu      sync.Mutex
	closed  bool
	started bool
	broken  error // why it could not start
	why     string
	tight   bool             // the address space is limited
	pool    *C.wasm_engine_t // nil where there is none
	demand  *C.wasm_engine_t
	cache   *cache
	modules map[ipld.Link]*shared
	idle    []*shared // unused, oldest first
	spared  map[ipld.Link]spared
	work    sync.WaitGroup

	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	stopping atomic.Bool
	done     chan struct{}
	active   atomic.Int64 // calls that run
	parked   atomic.Bool  // the ticker waits for wake
	wake     chan struct{}
}

// New returns an engine. It refuses a process whose stack is too small to run
// guests in; it takes no other resources yet.
func New(cfg Config) (*Engine, error) {
	if stack, _ := processLimits(); stack != 0 && stack < minStackLimit {
		return nil, fmt.Errorf("the stack limit of this process is %d KiB, guests need 1024: raise it with ulimit -s 8192", stack>>10)
	}
	if cfg.MaxModuleBytes == 0 {
		cfg.MaxModuleBytes = DefaultModuleBytes
	}
	if cfg.Calls == 0 {
		cfg.Calls = runtime.GOMAXPROCS(0)
	}
	if cfg.Compiles == 0 {
		cfg.Compiles = 1
	}
	if cfg.IdleModules == 0 {
		cfg.IdleModules = defaultIdleModules
	}
	if cfg.IdleBytes == 0 {
		cfg.IdleBytes = defaultIdleBytes
	}
	if cfg.CompileTime == 0 {
		cfg.CompileTime = DefaultCompileTime
	}
	if cfg.CompileMemory == 0 {
		cfg.CompileMemory = DefaultCompileMemory
	}
	if cfg.CacheBytes == 0 {
		cfg.CacheBytes = DefaultCacheBytes
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Calls < 1 || cfg.Calls > 1024 || cfg.Compiles < 1 || cfg.MaxModuleBytes < 8 || cfg.IdleModules < 0 || cfg.IdleBytes < 0 || cfg.CompileTime < 0 {
		return nil, errors.New("WebAssembly engine: a bound is out of range")
	}
	e := &Engine{
		cfg:      cfg,
		compiles: make(chan struct{}, cfg.Compiles),
		slots:    make(chan *slot, cfg.Calls),
		modules:  make(map[ipld.Link]*shared),
		spared:   make(map[ipld.Link]spared),
		done:     make(chan struct{}),
		wake:     make(chan struct{}, 1),
	}
	e.ctx, e.cancel = context.WithCancel(context.Background())
	for range cfg.Calls {
		s := newSlot()
		e.all = append(e.all, s)
		e.slots <- s
	}
	return e, nil
}

// Doctor tells how the engine stands.
func (e *Engine) Doctor() Info {
	stack, address := processLimits()
	e.mu.Lock()
	defer e.mu.Unlock()
	return Info{
		Schedule: Schedule, Started: e.started, Pooled: e.pool != nil, Why: e.why, Calls: e.cfg.Calls,
		StackLimit: stack, AddressLimit: address, CacheDir: e.cfg.CacheDir, Modules: len(e.modules),
	}
}

// Close ends the calls that run and the compilations in processes of their
// own, waits for them and for a compilation in this process, which can not be
// ended early, and frees everything.
func (e *Engine) Close() error {
	e.mu.Lock()
	if e.closed {
		e.mu.Unlock()
		e.work.Wait()
		return nil
	}
	e.closed = true
	e.stopping.Store(true)
	e.cancel()
	close(e.done)
	for _, s := range e.all {
		s.stop()
	}
	e.mu.Unlock()
	e.work.Wait()

	e.mu.Lock()
	defer e.mu.Unlock()
	for _, s := range e.modules {
		s.unload()
	}
	e.modules, e.idle = nil, nil
	for _, s := range e.all {
		s.end()
	}
	e.all = nil
	for _, p := range []**C.wasm_engine_t{&e.pool, &e.demand} {
		if *p != nil {
			C.wasm_engine_delete(*p)
			*p = nil
		}
	}
	return nil
}

// Start loads the engine now, which the first Load does otherwise, and tells
// whether that can be done here.
func (e *Engine) Start() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return ErrClosed
	}
	return e.start()
}

// start loads the engine; e.mu is held.
func (e *Engine) start() error {
	if e.started || e.broken != nil {
		return e.broken
	}
	_, address := processLimits()
	e.tight = address != 0 && address < tightAddress
	c := engineSettings(e.tight)
	if e.cfg.CacheDir != "" {
		cache, err := openCache(e.cfg.CacheDir, cacheConfig(e.tight), e.cfg.CacheBytes)
		if err != nil {
			e.broken = err
			return err
		}
		e.cache = cache
	}
	if e.demand = C.ipvm_engine_new(&c); e.demand == nil {
		e.broken = errors.New("the WebAssembly engine does not start")
		return e.broken
	}
	need := uint64(e.cfg.Calls)*2*(memoryReservation+2*memoryGuard) + 8<<30
	switch {
	case e.cfg.OnDemand:
		e.why = "as configured, instances are made on demand"
	case e.tight || address != 0 && address < 2*need:
		e.why = fmt.Sprintf("the address space is limited to %d MiB: instances are made on demand", address>>20)
		e.cfg.Logger.Info("no instance pool", "why", e.why)
	case !bool(C.ipvm_address_space(C.uint64_t(need))):
		e.why = fmt.Sprintf("%d GiB of address space can not be had: instances are made on demand", need>>30)
		e.cfg.Logger.Info("no instance pool", "why", e.why)
	default:
		c.calls, c.pool_memory = C.uint32_t(e.cfg.Calls), poolMemory
		e.pool = C.ipvm_engine_new(&c)
	}
	e.started = true
	e.work.Add(1)
	go e.ticker()
	return nil
}

// engineSettings are those of an engine without a pool; tight is for a process
// whose address space is limited.
func engineSettings(tight bool) C.ipvm_engine_config {
	c := C.ipvm_engine_config{
		table_elements: MaxTableElements, max_stack: MaxStack,
		memory_reservation: memoryReservation, memory_growth: memoryGrowth, memory_guard: memoryGuard,
		relaxed_simd: C.bool(canonicalRelaxed()),
	}
	if tight {
		c.memory_reservation, c.memory_growth, c.memory_guard = 0, tightGrowth, tightGuard
	}
	return c
}

// canonicalRelaxed tells whether relaxed SIMD gives canonical NaNs here. Without
// a fused multiply and add the engine calls a function for it, whose NaNs it
// leaves as they are; then modules that use relaxed SIMD are unsupported.
func canonicalRelaxed() bool { return runtime.GOARCH != "amd64" || cpu.X86.HasFMA }

// cacheConfig is everything that machine code depends on beside the module.
func cacheConfig(tight bool) string {
	settings := "v1 reserved"
	if tight {
		settings = "v1 tight"
	}
	return fmt.Sprintf("%s %s %s %s %+v %+v %s", Schedule, engineVersion, runtime.GOOS, runtime.GOARCH, cpu.X86, cpu.ARM64, settings)
}

// ticker moves the engines' epochs on while calls run.
func (e *Engine) ticker() {
	defer e.work.Done()
	for {
		e.parked.Store(true)
		if e.active.Load() > 0 && e.parked.CompareAndSwap(true, false) {
			e.ticks()
			continue
		}
		select {
		case <-e.wake:
			e.ticks()
		case <-e.done:
			e.parked.Store(false)
			e.lastTicks()
			return
		}
	}
}

// ticks goes on until nothing has run for a while.
func (e *Engine) ticks() {
	t := time.NewTicker(tick)
	defer t.Stop()
	for quiet := 0; quiet < idleTicks; quiet++ {
		select {
		case <-t.C:
		case <-e.done:
			return
		}
		if e.active.Load() > 0 {
			quiet = 0
		}
		for _, s := range e.all {
			s.look()
		}
		e.increment()
	}
}

// lastTicks ends what still runs after Close.
func (e *Engine) lastTicks() {
	for e.active.Load() > 0 {
		e.increment()
		time.Sleep(tick)
	}
}

func (e *Engine) increment() {
	C.wasmtime_engine_increment_epoch(e.demand)
	if e.pool != nil {
		C.wasmtime_engine_increment_epoch(e.pool)
	}
}

// running tells the ticker that a call starts.
func (e *Engine) running() {
	e.active.Add(1)
	if e.parked.Load() && e.parked.CompareAndSwap(true, false) {
		e.wake <- struct{}{}
	}
}

// acquire takes one of n places, unless ctx or the engine ends first.
func acquire[T any](ctx context.Context, e *Engine, from chan T) (T, error) {
	var none T
	select {
	case s := <-from:
		return s, nil
	default:
	}
	select {
	case s := <-from:
		return s, nil
	case <-ctx.Done():
		return none, ctx.Err()
	case <-e.done:
		return none, ErrClosed
	}
}

// text is what C wrote into b; b is freed.
func text(b *C.ipvm_buf) string {
	s := C.GoStringN((*C.char)(unsafe.Pointer(b.data)), C.int(b.len))
	C.ipvm_buf_free(b)
	return s
}

// abiLayout is the size and alignment of our structs, as ipvm_abi lists them.
func abiLayout() []uint64 {
	out := make([]uint64, 64)
	n := C.ipvm_abi((*C.uint64_t)(&out[0]), C.size_t(len(out)))
	return out[:n]
}
