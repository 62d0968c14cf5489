package engine

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/internal/crew"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// Store is what an engine needs of a store; [*store.Store] is one.
type Store interface {
	Memory
	// Put makes b visible at once; it is durable after the next Sync.
	Put(b store.Batch) error
	// Sync returns when everything that was put before is durable.
	Sync(ctx context.Context) error
	// Hold keeps blocks and the receipts of tasks from being collected.
	Hold(blocks []ipld.Link, tasks []task.ID) (*store.Hold, error)
}

// Memory is what can be asked of a store without changing it.
type Memory interface {
	Block(ipld.Link) ([]byte, error)
	Has(ipld.Link) (bool, error)
	// Receipts returns all evidence about one task.
	Receipts(task.ID) ([]*receipt.Signed, error)
	// Module returns what was kept about the module behind a link.
	Module(ipld.Link) (ipld.Value, bool, error)
	// Note returns a small value that was kept under kind and key.
	Note(kind, key string) ([]byte, bool, error)
	// Resolve returns the task that another one is, and whether there is one.
	Resolve(task.ID) (task.ID, bool, error)
}

// Config assembles an engine. Store, Wasm and Key are needed; the zero value
// of every other field means the default it names.
type Config struct {
	Store Store
	Wasm  *wasm.Engine
	// Key signs receipts; its DID is this node's.
	Key did.PrivateKey
	// Vault opens a room, which is asked for once; nil refuses jobs that are
	// secret, and workflows of others.
	Vault func(Room) (Vault, error)
	// Trusts tells whose receipts count beside this node's own; nil is nobody's.
	// They answer no secret, and nobody else's workflow.
	Trusts func() Trust
	// Fetcher is asked for modules and inputs that a document names and that are
	// not in the store; nil is nobody. It is not asked for what a secret job needs.
	Fetcher Fetcher
	// Quarantine takes note of calls that end the process; nil does not.
	Quarantine *quarantine.List
	// Workers is how many steps may be in progress at once; 0 is GOMAXPROCS.
	Workers int
	Policy
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Trust is whose receipts count beside a node's own.
type Trust struct {
	// Agents are those whose receipts all count.
	Agents []did.DID
	// Grants let some receipts of others count; their Owner is this node.
	Grants receipt.Grants
}

// hears tells whether some receipt of a signer can count.
func (t *Trust) hears(signer did.DID) bool {
	return slices.Contains(t.Agents, signer) || t.Grants.Name(signer)
}

// DefaultLimits are the limits of a job that names none.
var DefaultLimits = task.Limits{Gas: 10_000_000_000, Memory: 64 << 20, Time: 10 * time.Second, Disk: 64 << 20}

// MaxLimits are the highest limits that a job can have unless configured.
var MaxLimits = task.Limits{Gas: 1 << 62, Memory: 1 << 30, Time: time.Hour, Disk: 1 << 30}

// ErrClosed reports a call to an engine that was closed.
var ErrClosed = errors.New("engine is closed")

// Engine runs workflows. Its methods may be called by many goroutines.
type Engine struct {
	Config
	workers *workers
	pool    *crew.Crew
	flights flights
	own     *circle // of the owner's workflows
	rooms   rooms
	modules modules
	runs    sync.WaitGroup
	life    context.Context // ends when the engine closes
	end     context.CancelFunc
	mu      sync.Mutex // of the runs of circles; orders runs.Add before the wait of Close
}

// New returns an engine over c. Close it to wait for what it runs.
func New(c Config) *Engine {
	if c.Workers <= 0 {
		c.Workers = runtime.GOMAXPROCS(0)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Trusts == nil {
		c.Trusts = func() Trust { return Trust{} }
	}
	life, end := context.WithCancel(context.Background())
	p := crew.New(2 * c.Workers) // a step and its flight
	e := &Engine{Config: c, workers: newWorkers(c.Workers, c.memory(), time.Now), pool: p, flights: flights{pool: p}, life: life, end: end}
	e.own = newCircle(c.Store, c.Store.Put, &e.flights)
	return e
}

// Close cancels what runs, keeps what was finished, and returns when all is
// stopped. The store stays open: it is the caller's.
func (e *Engine) Close() error {
	e.mu.Lock()
	e.end()
	e.mu.Unlock()
	e.runs.Wait()
	e.flights.wait()
	e.rooms.wait()
	e.pool.Close()
	return nil
}

// enter counts a run in; the returned func counts it out. The context it
// returns ends when ctx does or when the engine closes.
func (e *Engine) enter(ctx context.Context) (context.Context, func(), error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.life.Err() != nil {
		return nil, nil, ErrClosed
	}
	e.runs.Add(1)
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(e.life, func() { cancel(ErrClosed) })
	return ctx, func() {
		stop()
		cancel(nil)
		e.runs.Done()
	}, nil
}

// seat is where a run waits for its workers.
func (e *Engine) seat(o Options) (*seat, error) {
	who := e.guest(o)
	if err := CheckPriority(who, o.Priority); err != nil {
		return nil, err
	}
	return e.workers.enter(who, o.Priority), nil
}

// withDefaults is l with each field that is zero taken from d.
func withDefaults(l, d task.Limits) task.Limits {
	if l.Gas == 0 {
		l.Gas = d.Gas
	}
	if l.Memory == 0 {
		l.Memory = d.Memory
	}
	if l.Time == 0 {
		l.Time = d.Time
	}
	if l.Disk == 0 {
		l.Disk = d.Disk
	}
	return l
}
