package ipvm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/gateway"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/supervise"
)

// Options configure a node. The zero value works.
type Options struct {
	// Workers is how many jobs may be in progress at once; 0 is one for each
	// processor that the process may use.
	Workers int
	// Policy is what jobs and workflows get and may ask for.
	Policy
	// AllowCredentials lets documents pass that hold what looks like a credential.
	AllowCredentials bool
	// Requestor is on whose behalf the workflows run that are loaded, which a
	// document may name; empty is whoever signed the document, else the node.
	Requestor did.DID
	// Compiler is a command that compiles modules in a process of its own, and
	// CompileTime and CompileMemory bound that process; see [wasm.Config]. With
	// no command modules are compiled in this process, and nothing bounds that.
	Compiler      []string
	CompileTime   time.Duration
	CompileMemory uint64
	// ClockSkew is how far the clocks of those may be off who sign what comes here,
	// at most [authority.MaxSkew]; 0 is [authority.DefaultSkew], and below 0 is exact.
	ClockSkew time.Duration
	// Gateways are the base URLs of trustless gateways, and Kubo is that of the RPC
	// service of a kubo node, which are asked for modules and inputs that are not
	// here; empty is nobody. See [gateway.Config].
	Gateways []string
	Kubo     string
	// TrustDepth is how many delegations may lead from this node to one whose
	// receipts count by them, at most [ucan.MaxProofs]; 0 is 1.
	TrustDepth int
	// Supervised tells that this process is the child of one that holds the state
	// directory, as package supervise has it. Other processes leave the state
	// directory to it.
	Supervised bool
	// StoreQuota is how many bytes a node that serves may keep for its owner: above, it
	// removes what was used least recently, and if that is not enough it takes no new
	// work. 0 is no bound. GuestQuota is that of all others together; 0 is a quarter of
	// StoreQuota, and [DefaultGuestQuota] where there is none.
	StoreQuota, GuestQuota uint64
	// CodeQuota is how many bytes of compiled code are kept; 0 is
	// [wasm.DefaultCacheBytes].
	CodeQuota uint64
	// Log is where the node tells of its own troubles; nil is nowhere.
	Log *slog.Logger
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// lockWait bounds how long Open waits for an owner of the state directory that
// holds its lock but does not answer.
const lockWait = 5 * time.Second

// ErrDenied reports that whoever signed a workflow, or a revocation, has not the
// authority for it.
var ErrDenied = rpc.ErrDenied

// Node is a place where workflows run. Its methods may be called by many
// goroutines at once.
//
// One process owns a state directory at a time. A second one that opens it
// hands its work to the owner and sees the same results; should the owner end,
// it takes over.
type Node struct {
	dir     string
	options Options

	mu      sync.Mutex
	backend rpc.Backend
	close   func() error
	gateway *gateway.Client // of a guest; made when it is first needed
}

// RunOptions say how one workflow is run; see [engine.Options].
type RunOptions = engine.Options

// Policy is what a node gives and grants; see [engine.Policy].
type Policy = engine.Policy

// Report is what came of one run; see [engine.Report].
type Report = engine.Report

// Workflow is a document that was read, checked for faults and turned into the
// graph of its jobs; see [graph.Graph].
type Workflow = graph.Graph

// Value is an argument or a result: a value of the IPLD data model; see
// [ipld.Value].
type Value = ipld.Value

// Open opens the node of the state directory dir, made with mode 0700 if it is
// not there; empty means [DefaultDir]. Close it.
func Open(dir string, o Options) (*Node, error) {
	if dir == "" {
		var err error
		if dir, err = DefaultDir(); err != nil {
			return nil, err
		}
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	n := &Node{dir: dir, options: o}
	if err := n.open(context.Background()); err != nil {
		return nil, err
	}
	return n, nil
}

// DefaultDir is the state directory of the user: $IPVM_HOME, else
// $XDG_STATE_HOME/ipvm, else ~/.local/state/ipvm.
func DefaultDir() (string, error) {
	if dir := os.Getenv("IPVM_HOME"); dir != "" {
		return dir, nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "ipvm"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no state directory: set IPVM_HOME or HOME (%w)", err)
	}
	return filepath.Join(home, ".local", "state", "ipvm"), nil
}

// open becomes the owner of the state directory, or the guest of its owner.
func (n *Node) open(ctx context.Context) error {
	patience, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for {
		client, err := rpc.Dial(patience, n.dir)
		if err == nil {
			n.backend, n.close = client, client.Close
			return nil
		}
		if !errors.Is(err, rpc.ErrGone) && patience.Err() == nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		own, err := n.own()
		if err == nil {
			n.backend, n.close = own, own.Close
			return nil
		}
		var locked *store.ErrLocked
		if !errors.As(err, &locked) && !errors.Is(err, errKept) {
			return err
		}
		if patience.Err() != nil {
			return fmt.Errorf("%w, which has not answered for %v\n  hint: end that process, or use another state directory", err, lockWait)
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errKept reports a state directory whose node starts, or comes back.
var errKept = errors.New("a supervisor keeps the state directory for its node")

// own takes the state directory, unless it is kept for another process.
func (n *Node) own() (*owner, error) {
	if !n.options.Supervised {
		if held, err := supervise.Held(n.dir); held || err != nil {
			return nil, cmp.Or(err, errKept)
		}
	}
	return newOwner(n.dir, n.options)
}

// Close stops what this process runs, keeps what was finished, and returns
// when all is stopped. An owner first finishes the work of its guests.
func (n *Node) Close() error {
	// Not under the lock: the listener of a run that this waits for may use
	// the node.
	n.mu.Lock()
	stop, asks := n.close, n.gateway
	n.close, n.gateway = nil, nil
	n.mu.Unlock()
	if stop == nil {
		return nil
	}
	if asks != nil {
		return errors.Join(asks.Close(), stop())
	}
	return stop()
}

// Dir is the state directory.
func (n *Node) Dir() string { return n.dir }

// Owner tells whether this process owns the state directory.
func (n *Node) Owner() bool {
	_, own := n.current().(*owner)
	return own
}

// Backend is the node as the commands of ipvm use it. It stays good when the
// owner of the state directory ends.
func (n *Node) Backend() rpc.Backend { return steady{n} }

// DID is the principal that signs this node's receipts.
func (n *Node) DID(ctx context.Context) (did.DID, error) { return n.Backend().DID(ctx) }

// Run drives w to its end and reports what came of it, durably. A failed job
// is in the report, not an error; nor is a cancelled context, after which
// everything that was finished is kept. A workflow that is signed is run by that
// authority and no other; what that does not allow is refused with an error
// that wraps [ErrDenied], or ends a job with kind denied. Of this node's blocks it
// reads those that are shared and those that come with it: what its document
// holds itself and, where whoever calls Run has signed it just now, the files that
// it names by path.
func (n *Node) Run(ctx context.Context, w *Workflow, o RunOptions) (*Report, error) {
	return n.Backend().Run(ctx, w, behalf(w, o))
}

// Preview tells, without running anything, which jobs of w are remembered and
// which would run, or refuses w, as Run would.
func (n *Node) Preview(ctx context.Context, w *Workflow, o RunOptions) ([]engine.Forecast, error) {
	return n.Backend().Preview(ctx, w, behalf(w, o))
}

// behalf is o with the authority of w, and what comes with w.
func behalf(w *Workflow, o RunOptions) RunOptions {
	if o.Authority == nil {
		o.Authority = w.Workflow().Signature
	} else if w.Workflow().Signature == nil {
		o.Brings = append(slices.Clip(o.Brings), w.Workflow().Imported...)
	}
	if o.Authority != nil {
		o.Brings = append(slices.Clip(o.Brings), w.Held()...)
	}
	return o
}

// current is the owner of the state directory as far as this process knows.
func (n *Node) current() rpc.Backend {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.backend
}

// reopen turns to the next owner of the state directory, unless another
// goroutine has done so since gone was the current one.
func (n *Node) reopen(ctx context.Context, gone rpc.Backend) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	switch {
	case n.close == nil:
		return engine.ErrClosed
	case n.backend != gone:
		return nil
	}
	_ = n.close() // the connection is broken already
	return n.open(ctx)
}
