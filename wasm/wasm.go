package wasm

import (
	"errors"
	"log/slog"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
)

// Schedule names what gas counts and the constants that bound a guest beside
// its limits. Receipts of different schedules do not compare.
const Schedule = "wasmtime-44"

// Reader is the version of how modules are read: it grows when a module shows
// another interface than it did before. What was kept of a module by another
// version is not relied on.
const Reader = 2

// Constants of the schedule: a guest that needs more of them fails the same
// way everywhere.
const (
	// MaxStack is the stack of a guest, in bytes.
	MaxStack = 256 << 10
	// MaxTableElements is the size of each table, in elements.
	MaxTableElements = 1 << 16
	// MaxTables and MaxInstances count the tables and core instances of one
	// component.
	MaxTables    = 64
	MaxInstances = 128
	// MaxMemories is how many linear memories one component may have. Each
	// gets an equal share of the memory limit.
	MaxMemories = component.MaxMemories
	// MaxMemory is the largest memory limit, in bytes; more asked for counts
	// as this.
	MaxMemory = 4 << 30
)

// Bounds of what crosses between host and guest, and of what a guest may log.
const (
	// MaxValueBytes bounds the arguments of one call, and its result: what
	// text and bytes are long, and 32 bytes for each value. On [PathModel],
	// each byte is a value.
	MaxValueBytes = abi.MaxLifted
	// MaxLogBytes and MaxLogLines bound the log of one call. What comes
	// after is dropped, and the last line says so.
	MaxLogBytes = 1 << 20
	MaxLogLines = 10_000
	// MaxLogMessage bounds one message or context; the rest of it is cut.
	MaxLogMessage = 16 << 10
)

var (
	// ErrNoEngine reports a build without cgo.
	ErrNoEngine = errors.New("this build has no WebAssembly engine: rebuild with CGO_ENABLED=1 and a C compiler")
	// ErrClosed reports use of an engine or module after Close.
	ErrClosed = errors.New("WebAssembly engine closed")
)

// Path is a way in which the functions of a module are called.
type Path string

// The paths. Both give the same results and count the same gas.
const (
	// PathDirect drives the core modules within a module directly.
	PathDirect Path = "direct"
	// PathModel leaves a component to the engine's component model, through
	// which each byte costs as much as a value of its own.
	PathModel Path = "component-model"
)

// Config says how an engine works. The zero Config works: no cache on disk.
type Config struct {
	// CacheDir is a directory for compiled code; it is made 0700. Empty means
	// that nothing is kept on disk.
	CacheDir string
	// CacheBytes bounds the compiled code there: what was used least recently goes. 0
	// means [DefaultCacheBytes].
	CacheBytes uint64
	// MaxModuleBytes bounds the code of a module; 0 means [DefaultModuleBytes].
	MaxModuleBytes int
	// Calls bounds the guest calls that run at the same time; 0 means
	// GOMAXPROCS.
	Calls int
	// Compiles bounds the compilations that run at the same time; 0 means 1.
	// One compilation uses every core.
	Compiles int
	// Compiler is a command, its name and its arguments, that compiles in a
	// process of its own: a program that calls [Compiler] and does nothing else,
	// such as this one with an argument that it knows. Empty means that code is
	// compiled in this process, where nothing bounds and nothing can end it. Core
	// modules of up to 2 KiB always are: the worst of them takes 0.2 seconds.
	Compiler []string
	// CompileTime and CompileMemory bound a compiler process; 0 means
	// [DefaultCompileTime] and [DefaultCompileMemory]. Memory is bounded on
	// Linux only.
	CompileTime   time.Duration
	CompileMemory uint64
	// IdleModules bounds the modules that stay loaded after their last Close,
	// and IdleBytes their machine code; 0 means 64, and 512 MiB.
	IdleModules int
	IdleBytes   int64
	// OnDemand makes every instance on demand, without a pool: slower, and
	// needs little address space.
	OnDemand bool
	// Logger is told about discarded cache entries and fallbacks; nil means
	// silence.
	Logger *slog.Logger
}

// The usual bounds of a compiler process. A component of 12 MB, half a
// JavaScript engine in it, takes 16 seconds on two cores and 0.4 GiB.
const (
	DefaultCompileTime   = 2 * time.Minute
	DefaultCompileMemory = 4 << 30
)

// DefaultModuleBytes is how large a module may be.
const DefaultModuleBytes = 64 << 20

const (
	defaultIdleModules = 64
	defaultIdleBytes   = 512 << 20
)

// Call is one call of one function.
type Call struct {
	// Func is the exact export name, as [wit.Func.Name] has it.
	Func string
	// Seed is where a guest's random numbers come from, made of the task: the
	// same task sees the same numbers. They must never become keys.
	Seed [32]byte
	// Params are the arguments in canonical form, links already replaced by
	// their content.
	Params []ipld.Value
	// Limits bound the call. All must be set; Gas 0 means no gas.
	Limits task.Limits
	// Log receives what the guest logs, on the goroutine of Run and before
	// Run returns; nil drops it. Level is one of trace, debug, info, warn,
	// error and critical.
	Log func(level, context, msg string)
	// Died, if it is set, is memory outside of Go's heap, such as that of a mapped
	// file: should the process die by a signal within this call, by the engine's
	// doing, the number of the signal is put there.
	Died *uint32
}

// Result is what one call came to.
type Result struct {
	Outcome task.Outcome
	// Gas is what the call used, at most the limit. It is zero after a timeout
	// or a cancellation, where the engine's count is stale.
	Gas uint64
	// Memory is the peak of linear memory in bytes, where HasMemory.
	Memory    uint64
	HasMemory bool
	// Time is the wall clock of the call: instance, arguments, call, result.
	Time time.Duration
	// StackExhausted tells a trap for want of stack, which is never
	// remembered, from the others.
	StackExhausted bool
}

// Refused is the error of [Engine.Load] for a module that is itself at fault:
// not WebAssembly, or not what this node offers.
type Refused struct{ Failure *task.Failure }

func (r *Refused) Error() string { return "module refused: " + r.Failure.String() }

// Info is what [Engine.Doctor] tells about the engine.
type Info struct {
	Schedule string `json:"schedule"`
	// Started tells whether the engine is loaded; it is at the first Load.
	Started bool `json:"started"`
	// Pooled tells whether instances come from a pool; if not, Why says why.
	Pooled bool   `json:"pooled"`
	Why    string `json:"why,omitempty"`
	Calls  int    `json:"calls"`
	// StackLimit is the process's stack limit in bytes; 0 means none.
	StackLimit uint64 `json:"stackLimit"`
	// AddressLimit is the process's address space limit in bytes; 0 means none.
	AddressLimit uint64 `json:"addressLimit"`
	CacheDir     string `json:"cacheDir,omitempty"`
	Modules      int    `json:"modules"`
}
