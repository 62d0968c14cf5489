package ipvm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/gateway"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// Names inside the state directory.
const (
	// KeyFile is the name of the node's key in the state directory.
	KeyFile = "key.pem"
	// StoreDir is the name of the folder of the store there.
	StoreDir = "store"
	// VaultDir is the name of the folder of secret results there.
	VaultDir = "vault"
	// GuestsDir is the name of the folder of what others have run.
	GuestsDir = "guests"
	// CacheDir is the name of the folder of compiled code there.
	CacheDir = "compiled"
	// CallsFile is the name of the file there of calls that are under way.
	CallsFile = "calls"
)

// owner is a node whose parts live in this process. It is an [rpc.Backend].
type owner struct {
	*engine.Engine
	store *store.Store
	rooms *rooms
	wasm  *wasm.Engine
	// denials are those that were signed.
	denials pace
	// quarantine are the tasks that have ended the process.
	quarantine *quarantine.List
	// gateway is who is asked for what is not here; nil for nobody.
	gateway *gateway.Client
	key     did.PrivateKey
	guard   *authority.Guard
	// runs are the workflows that are accepted, and serving tells that this
	// process stays to run them.
	runs    *runs.Keeper
	serving atomic.Bool
	// trusted are those whose receipts count beside the node's own; trusting
	// orders changes of it.
	trusted    atomic.Pointer[engine.Trust]
	trusting   sync.Mutex
	trustDepth int
	// broken has the first failed write, after which a store writes no more.
	broken chan error
	quota  *quota
	// forgot is when what was noted was last looked through, and roomed when rooms were made.
	forgot, roomed time.Time
	// server serves the state directory's other users.
	server *rpc.Server
}

// broke puts down that a store writes no more.
func (o *owner) broke(err error) {
	select {
	case o.broken <- err:
	default: // it is not the first
	}
}

// newOwner takes the state directory and starts what a node consists of, from
// the store up. The error is a [*store.ErrLocked] when it is taken.
func newOwner(dir string, o Options) (own *owner, err error) {
	if err := os.MkdirAll(dir, 0o700); errors.Is(err, syscall.EROFS) {
		return nil, fmt.Errorf("state directory: %w: %w", store.ErrReadOnly, err)
	} else if err != nil {
		return nil, fmt.Errorf("state directory: %w", err)
	}
	own = &owner{broken: make(chan error, 1), trustDepth: o.TrustDepth}
	options := store.Options{Logger: o.Log, Now: o.Now, Failed: own.broke}
	own.rooms = newRooms(dir, options)
	defer func() {
		if err != nil {
			err = errors.Join(err, own.Close())
		}
	}()
	if own.store, err = store.Open(filepath.Join(dir, StoreDir), options); err != nil {
		return own, err
	}
	if err = own.rooms.clear(); err != nil {
		return own, err
	}
	fault.Point("node.opened")
	if own.key, err = loadKey(filepath.Join(dir, KeyFile)); err != nil {
		return own, err
	}
	fault.Point("node.key")
	if own.wasm, err = wasm.New(o.wasm(dir)); err != nil {
		return own, err
	}
	if own.guard, err = authority.New(authority.Config{Node: own.key.DID(), Store: own.store, Policy: o.Policy, Skew: o.ClockSkew, Now: o.Now}); err != nil {
		return own, err
	}
	if err = own.loadTrust(); err != nil {
		return own, err
	}
	if own.gateway, err = o.gateway(); err != nil {
		return own, err
	}
	if own.quarantine, err = quarantine.Open(context.Background(), quarantine.Config{
		Store: own.store, Path: filepath.Join(dir, CallsFile), Calls: 2*cmp.Or(o.Workers, runtime.GOMAXPROCS(0)) + spareCalls, Now: o.Now, Log: o.Log,
	}); err != nil {
		return own, err
	}
	own.Engine = engine.New(engine.Config{
		Store: own.store, Wasm: own.wasm, Key: own.key, Quarantine: own.quarantine, Vault: own.rooms.open, Trusts: own.trusts,
		Fetcher: fetcher(own.gateway),
		Workers: o.Workers, Policy: o.Policy, Now: o.Now,
	})
	own.runs = runs.New(runs.Config{Store: own.store, Judge: own.accept, Run: own.perform, Known: own.known, Now: o.Now, Log: o.Log})
	own.quota = newQuota(own, o)
	fault.Point("node.listen")
	own.server, err = rpc.Listen(dir, own)
	fault.Point("node.listening")
	return own, err
}

// spareCalls is how many calls can be given up and not have ended yet, beside those
// of the workers, before others wait for them.
const spareCalls = 8

// wasm configures the engine of the node in the state directory dir.
func (o Options) wasm(dir string) wasm.Config {
	return wasm.Config{
		Calls:    o.Workers, // each job in progress makes one at a time
		CacheDir: filepath.Join(dir, CacheDir), CacheBytes: o.CodeQuota, Logger: o.Log,
		Compiler: o.Compiler, CompileTime: o.CompileTime, CompileMemory: o.CompileMemory,
	}
}

// loadKey reads the node's key, or makes one on first use.
func loadKey(path string) (did.PrivateKey, error) {
	key, err := did.ReadKeyFile(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if key, err = did.Generate(did.Ed25519); err != nil {
		return key, fmt.Errorf("make the node's key: %w", err)
	}
	return key, did.WriteKeyFile(path, key)
}

// Close stops the parts in the reverse of the order in which they started.
func (o *owner) Close() error {
	var errs []error
	fault.Point("node.close")
	if o.quota != nil {
		o.quota.close()
	}
	if o.runs != nil {
		errs = append(errs, o.runs.Close())
	}
	if o.server != nil {
		errs = append(errs, o.server.Close())
	}
	if o.Engine != nil {
		errs = append(errs, o.Engine.Close())
	}
	if o.gateway != nil {
		errs = append(errs, o.gateway.Close())
	}
	fault.Point("node.stopped")
	if o.wasm != nil {
		errs = append(errs, o.wasm.Close())
	}
	if o.quarantine != nil {
		errs = append(errs, o.quarantine.Close())
	}
	errs = append(errs, o.rooms.close())
	if o.store != nil {
		errs = append(errs, o.store.Close())
	}
	fault.Point("node.closed")
	return errors.Join(errs...)
}

// Run drives g to its end, if whoever asks for it may have that. The guest of a
// state directory is its owner, unless it says that it acts for another.
func (o *owner) Run(ctx context.Context, g *graph.Graph, opts engine.Options) (*engine.Report, error) {
	if err := o.quota.admit(""); err != nil {
		return nil, err
	}
	began := o.Now()
	report, err := o.run(ctx, g, opts)
	if err != nil || report.Performed || opts.Recall {
		return report, err
	}
	return report, o.waited(g, opts, began, report)
}

// waited keeps what came of a run that somebody waits for.
func (o *owner) waited(g *graph.Graph, opts engine.Options, began time.Time, report *engine.Report) error {
	var who did.DID
	if len(opts.Authority) > 0 {
		signer, err := authority.Signer(opts.Authority)
		if err != nil {
			return err
		}
		if signer != o.key.DID() {
			who = signer
		}
	}
	return o.runs.Waited(g, who, runs.Options{KeepGoing: opts.KeepGoing, Priority: opts.Priority, Authority: opts.Authority, Brings: opts.Brings}, began, report)
}

func (o *owner) run(ctx context.Context, g *graph.Graph, opts engine.Options) (*engine.Report, error) {
	if len(opts.Authority) == 0 {
		return o.Engine.Run(ctx, g, opts)
	}
	permit, err := o.guard.Accept(opts.Authority, g)
	var performed *authority.Performed
	switch {
	case errors.As(err, &performed) && performed.Running != nil:
		select {
		case <-performed.Running:
			return o.run(ctx, g, opts)
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	case errors.As(err, &performed):
		return o.recall(ctx, g, opts, performed)
	case err != nil:
		return nil, o.denied(opts.Authority, err)
	}
	report, err := func() (*engine.Report, error) {
		if err := o.store.Sync(ctx); err != nil { // what is performed is known before it is
			return nil, err
		}
		opts.Permit = permit
		return o.Engine.Run(ctx, g, opts)
	}()
	return report, errors.Join(err, permit.End(report))
}

// denied is a refusal with the node's signed word for it, unless there is no
// invocation that it could be about, or many were signed just now: anybody can ask for
// what is denied. Nothing is kept.
func (o *owner) denied(container []byte, why error) error {
	err := fmt.Errorf("%w: %w", ErrDenied, why)
	if !o.denials.take(time.Now()) {
		return err
	}
	denial, signErr := authority.Deny(o.key, container, why, o.Now())
	if signErr != nil {
		return err
	}
	return &rpc.DeniedError{Err: err, Denial: denial}
}

// recall reports what came of a workflow that was performed, as far as it is kept,
// and runs nothing.
func (o *owner) recall(ctx context.Context, g *graph.Graph, opts engine.Options, p *authority.Performed) (*engine.Report, error) {
	opts.Permit, opts.Recall, opts.KeepGoing = p.Permit, true, true
	report, err := o.Engine.Run(ctx, g, opts)
	if err != nil || report.Status == engine.StatusCancelled {
		return report, err
	}
	report.Performed, report.Status = true, engine.StatusFailed
	switch {
	case p.Well:
		report.Status = engine.StatusOK
	case report.First == "" && report.Reason == "":
		report.Reason = "it did not end well when it was performed, and why is not kept"
	}
	return report, nil
}

// Revoke takes a delegation back.
func (o *owner) Revoke(ctx context.Context, container []byte) (ipld.Link, error) {
	r, err := o.guard.Revoke(container)
	if err != nil {
		return ipld.Link{}, fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return r.Delegation, o.store.Sync(ctx)
}

// Revoked tells what was taken back of delegations, by whom of their issuers.
func (o *owner) Revoked(_ context.Context, container []byte) ([]ucan.Revocation, error) {
	return o.guard.RevokedIn(container)
}

// DID is the principal that signs this node's receipts.
func (o *owner) DID(context.Context) (did.DID, error) { return o.key.DID(), nil }

// PutBlocks stores blocks durably. Each must match its link.
func (o *owner) PutBlocks(ctx context.Context, blocks []ipld.Block) error {
	return o.putBlocks(ctx, "", blocks)
}

// putBlocks stores blocks on behalf of who; empty is the owner.
func (o *owner) putBlocks(ctx context.Context, who did.DID, blocks []ipld.Block) error {
	for _, b := range blocks {
		if err := b.Link.Verify(b.Data); err != nil {
			return err
		}
	}
	if err := o.admitBlocks(who, blocks); err != nil {
		return err
	}
	if err := o.store.Put(store.Batch{Blocks: blocks, Lent: string(who)}); err != nil {
		return err
	}
	return o.store.Sync(ctx)
}

// admitBlocks is why blocks are not taken on behalf of who; those that are here already
// take no room.
func (o *owner) admitBlocks(who did.DID, blocks []ipld.Block) error {
	for _, b := range blocks {
		here, err := o.store.Recorded(b.Link)
		if err != nil {
			return err
		}
		if !here {
			return o.quota.admit(who)
		}
	}
	return nil
}

// Share lets the workflows of others read a file of the store, durably.
func (o *owner) Share(ctx context.Context, link ipld.Link) error {
	if err := engine.Share(o.store, link); err != nil {
		return err
	}
	return o.store.Sync(ctx)
}

// Block returns a verified block of the store, or of what a guest has run.
func (o *owner) Block(_ context.Context, link ipld.Link) ([]byte, error) {
	data, err := o.store.Block(link)
	if errors.Is(err, store.ErrNotFound) {
		if more, found, err := o.rooms.block(link); found || err != nil {
			return more, err
		}
	}
	return data, err
}

// durable is what read gives, once it is durable. The order matters: what is put
// by a run in progress after a sync could be read and then lost.
func durable[T any](ctx context.Context, sync func(context.Context) error, read func() (T, error)) (T, error) {
	v, err := read()
	if err == nil {
		err = sync(ctx)
	}
	if err != nil {
		var none T
		return none, err
	}
	return v, nil
}

// Receipts returns all evidence about one task.
func (o *owner) Receipts(ctx context.Context, id task.ID) ([]*receipt.Signed, error) {
	return durable(ctx, o.store.Sync, func() ([]*receipt.Signed, error) {
		all, err := o.store.Receipts(id)
		if err != nil {
			return nil, err
		}
		more, err := o.rooms.receipts(id)
		return distinct(append(all, more...)), err
	})
}

// Note returns what this node noted about the run of a task.
func (o *owner) Note(ctx context.Context, id task.ID) (engine.Note, error) {
	return durable(ctx, o.store.Sync, func() (engine.Note, error) { return o.Engine.Note(id) })
}

// Standing tells what is known of tasks.
func (o *owner) Standing(ctx context.Context, ids []task.ID) ([]engine.Standing, error) {
	return durable(ctx, o.store.Sync, func() ([]engine.Standing, error) { return o.Engine.Standing(ctx, ids) })
}

// Quarantined lists the tasks whose calls have ended the process.
func (o *owner) Quarantined(context.Context) ([]quarantine.Record, error) {
	return o.quarantine.All(), nil
}

// Release forgets what is held against a task or a module.
func (o *owner) Release(ctx context.Context, link ipld.Link) (int, error) {
	return o.quarantine.Release(ctx, link)
}

// Preview tells which jobs of g are remembered and which would run, if whoever asks
// may have that.
func (o *owner) Preview(ctx context.Context, g *graph.Graph, opts engine.Options) ([]engine.Forecast, error) {
	if len(opts.Authority) > 0 {
		permit, err := o.guard.Judge(opts.Authority, g)
		var performed *authority.Performed
		switch {
		case errors.As(err, &performed):
			permit, opts.Recall = performed.Permit, true
		case err != nil:
			return nil, o.denied(opts.Authority, err)
		}
		opts.Permit = permit
	}
	return durable(ctx, o.store.Sync, func() ([]engine.Forecast, error) { return o.Engine.Preview(ctx, g, opts) })
}

// Scan calls yield for each receipt until it returns false.
func (o *owner) Scan(ctx context.Context, yield func(*receipt.Signed) bool) error {
	return scan(ctx, o.store.Sync, o.walk, yield)
}

// walk visits all receipts but those of secrets: the owner's, and then those of
// each guest.
func (o *owner) walk(yield func(*receipt.Signed) bool) error {
	more := true
	seen := make(map[ipld.Link]bool) // who runs the same has the same receipt
	each := func(r *receipt.Signed) bool {
		if seen[r.Link()] {
			return true
		}
		seen[r.Link()] = true
		more = yield(r)
		return more
	}
	if err := o.store.Scan(each); err != nil || !more {
		return err
	}
	return o.rooms.guests(func(v *store.Vault) (bool, error) {
		err := v.Scan(each)
		return more, err
	})
}

// distinct is all without repetitions.
func distinct(all []*receipt.Signed) []*receipt.Signed {
	seen := make(map[ipld.Link]bool, len(all))
	return slices.DeleteFunc(all, func(r *receipt.Signed) bool {
		again := seen[r.Link()]
		seen[r.Link()] = true
		return again
	})
}

// scan is walk with a sync before the first receipt: walk shows what was there
// when it began, and nothing later.
func scan(ctx context.Context, sync func(context.Context) error, walk func(func(*receipt.Signed) bool) error, yield func(*receipt.Signed) bool) error {
	var err error
	synced := false
	return errors.Join(walk(func(r *receipt.Signed) bool {
		if !synced {
			synced, err = true, sync(ctx)
		}
		return err == nil && ctx.Err() == nil && yield(r)
	}), err)
}
