package rpc

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bounded ends with the test, or long before the test binary gives up.
func bounded(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// node is a whole node over a store in memory.
type node struct {
	*engine.Engine
	store   *store.Store
	key     did.PrivateKey
	trusted []Signer
	pins    []Pin
	left    Room
	later   *atomic.Int64 // how far the store's clock is ahead
	runs    *runs.Keeper

	quarantine *quarantine.List
}

func newNode(t testing.TB) *node {
	t.Helper()
	later := new(atomic.Int64)
	s, err := store.OpenMemory(store.Options{Now: func() time.Time { return time.Now().Add(time.Duration(later.Load())) }})
	if err != nil {
		t.Fatal(err)
	}
	w, err := wasm.New(wasm.Config{})
	if err != nil {
		t.Fatal(err)
	}
	key, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	q, err := quarantine.Open(t.Context(), quarantine.Config{Store: s})
	if err != nil {
		t.Fatal(err)
	}
	n := &node{quarantine: q, Engine: engine.New(engine.Config{Store: s, Wasm: w, Key: key, Workers: 4}), store: s, key: key, later: later}
	n.runs = runs.New(runs.Config{
		Store: s,
		Run: func(ctx context.Context, _ did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
			return n.Engine.Run(ctx, g, o)
		},
		Judge: func(_ *graph.Graph, o runs.Options) (did.DID, error) {
			if o.Unsigned {
				return engine.Anyone, nil
			}
			return "", nil
		},
	})
	t.Cleanup(func() {
		if err := errors.Join(n.runs.Close(), n.Engine.Close(), w.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return n
}

func (n *node) DID(context.Context) (did.DID, error) { return n.key.DID(), nil }

func (n *node) PutBlocks(ctx context.Context, blocks []ipld.Block) error {
	if err := n.store.Put(store.Batch{Blocks: blocks}); err != nil {
		return err
	}
	return n.store.Sync(ctx)
}

// Revoke is refused, but for "revoke me".
func (n *node) Revoke(_ context.Context, container []byte) (ipld.Link, error) {
	if string(container) != "revoke me" {
		return ipld.Link{}, errors.New("not a revocation")
	}
	return ipld.LinkOf(ipld.CodecRaw, container), nil
}

// Revoked knows of "revoke me".
func (n *node) Revoked(_ context.Context, container []byte) ([]ucan.Revocation, error) {
	if string(container) != "revoke me" {
		return nil, errors.New("not a container")
	}
	return []ucan.Revocation{{Delegation: ipld.LinkOf(ipld.CodecRaw, container), By: []did.DID{n.key.DID(), "did:key:zOther"}}}, nil
}

func (n *node) Share(_ context.Context, link ipld.Link) error { return engine.Share(n.store, link) }

func (n *node) Block(_ context.Context, link ipld.Link) ([]byte, error) { return n.store.Block(link) }

func (n *node) Receipts(_ context.Context, id task.ID) ([]*receipt.Signed, error) {
	return n.store.Receipts(id)
}

func (n *node) PutReceipt(ctx context.Context, r *receipt.Signed) error {
	if err := n.store.Put(store.Batch{Foreign: []*receipt.Signed{r}}); err != nil {
		return err
	}
	return n.store.Sync(ctx)
}

func (n *node) Rerun(ctx context.Context, r *receipt.Signed, limit time.Duration) (engine.Again, error) {
	return n.Engine.Rerun(ctx, n.store.Block, n.store.Put, r, limit)
}

func (n *node) Trusted(context.Context) ([]Signer, error) { return n.trusted, nil }

func (n *node) Trust(_ context.Context, s Signer) error {
	if err := s.Check(); err != nil {
		return err
	}
	n.trusted = append(n.trusted, s)
	return nil
}

func (n *node) Word(_ context.Context, signer did.DID, id task.ID) (Word, error) {
	i := slices.IndexFunc(n.trusted, func(s Signer) bool { return s.DID == signer })
	if i < 0 {
		return Word{Why: "nothing is known of " + id.String()}, nil
	}
	return Word{Counts: true, Signer: n.trusted[i]}, nil
}

func (n *node) Distrust(_ context.Context, id did.DID) error {
	n.trusted = slices.DeleteFunc(n.trusted, func(s Signer) bool { return s.DID == id })
	return nil
}

func (n *node) Quarantined(context.Context) ([]quarantine.Record, error) {
	return n.quarantine.All(), nil
}

func (n *node) Release(ctx context.Context, link ipld.Link) (int, error) {
	return n.quarantine.Release(ctx, link)
}

func (n *node) Scan(_ context.Context, yield func(*receipt.Signed) bool) error {
	return n.store.Scan(yield)
}

func (n *node) Note(_ context.Context, id task.ID) (engine.Note, error) { return n.Engine.Note(id) }

// double is a backend of which a test sets the methods that it needs. The
// others panic.
type double struct {
	Backend
	run      func(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error)
	preview  func(g *graph.Graph) ([]engine.Forecast, error)
	block    func(ctx context.Context, link ipld.Link) ([]byte, error)
	module   func() (engine.ModuleInfo, *task.Failure, error)
	scan     func(ctx context.Context, yield func(*receipt.Signed) bool) error
	putBlock func(blocks []ipld.Block) error
}

func (d *double) Run(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
	return d.run(ctx, g, o)
}

func (d *double) Preview(_ context.Context, g *graph.Graph, _ engine.Options) ([]engine.Forecast, error) {
	return d.preview(g)
}

func (d *double) Block(ctx context.Context, link ipld.Link) ([]byte, error) {
	return d.block(ctx, link)
}

func (d *double) Module(context.Context, ipld.Link) (engine.ModuleInfo, *task.Failure, error) {
	return d.module()
}

func (d *double) Scan(ctx context.Context, yield func(*receipt.Signed) bool) error {
	return d.scan(ctx, yield)
}

func (d *double) Revoke(context.Context, []byte) (ipld.Link, error) {
	return ipld.Link{}, errors.New("not asked for")
}

func (d *double) PutBlocks(_ context.Context, blocks []ipld.Block) error { return d.putBlock(blocks) }

// serve serves b in a directory of its own and returns a client of it.
func serve(t testing.TB, b Backend) (*Server, *Client) {
	t.Helper()
	return serveWith(t, b, defaults())
}

func serveWith(t testing.TB, b Backend, set settings) (*Server, *Client) {
	t.Helper()
	dir := t.TempDir()
	s, err := listen(dir, b, set)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(bounded(t), dir)
	if err != nil {
		t.Fatal(errors.Join(err, s.Close()))
	}
	t.Cleanup(func() {
		if err := errors.Join(c.Close(), s.Close()); err != nil {
			t.Error(err)
		}
	})
	return s, c
}

// kill ends s as the death of its process would.
func (s *Server) kill() { s.http.Close() }

// importer imports files of dir into backend.
type importer struct {
	ctx     context.Context
	backend Backend
	dir     string
}

func (i importer) Import(path string) (ipld.Link, error) {
	data, err := os.ReadFile(filepath.Join(i.dir, path))
	if err != nil {
		return ipld.Link{}, err
	}
	var blocks []ipld.Block
	link, err := ipld.ImportFile(data, func(b ipld.Block) error {
		blocks = append(blocks, b)
		return nil
	})
	if err != nil {
		return link, err
	}
	return link, i.backend.PutBlocks(i.ctx, blocks)
}

// build is the graph of a document, whose files are imported into b.
func build(t testing.TB, b Backend, document, dir string) *graph.Graph {
	t.Helper()
	src := workflow.Source{Name: "test.json", Data: []byte(document)}
	if b != nil {
		src.Files = importer{bounded(t), b, dir}
	}
	w, err := workflow.Parse(src)
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

const module = `{"/": "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}`

// twoJobs is a workflow for doubles, which never look at the module.
func twoJobs(t testing.TB) *graph.Graph {
	t.Helper()
	return build(t, nil, `{"a": {"with": `+module+`, "func": "f", "args": [1]}, "b": {"with": `+module+`, "func": "f", "args": [{"from": "a"}]}}`, "")
}

// equal compares what engines say.
var equal = cmp.Options{
	cmp.Comparer(func(a, b ipld.Value) bool { return a.Equal(b) }),
	cmp.Comparer(func(a, b ipld.Link) bool { return a == b }),
	cmp.Comparer(func(a, b time.Time) bool { return a.Equal(b) && a.Location() == b.Location() }),
}

// recorder is a listener.
type recorder struct {
	mu  sync.Mutex
	all []engine.Event
}

func (r *recorder) listen(ev engine.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, ev)
}

func (n *node) Submit(ctx context.Context, g *graph.Graph, o runs.Options) (runs.Run, error) {
	return n.runs.Submit(ctx, g, o)
}

func (n *node) RunOf(_ context.Context, id runs.ID) (runs.Run, error) {
	return n.runs.Get(id)
}

func (n *node) Submission(_ context.Context, id runs.ID) (runs.Submission, error) {
	return n.runs.Submission(id)
}

func (n *node) JobsOf(_ context.Context, id runs.ID) ([]runs.Job, error) {
	return n.runs.Jobs(id)
}

func (n *node) Runs(_ context.Context, q runs.Query, yield func(runs.Run) bool) error {
	return n.runs.List(q, yield)
}

func (n *node) Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error {
	return n.runs.Watch(ctx, id, after, yield)
}

func (n *node) Direct(ctx context.Context, id runs.ID, what Direction) (runs.Run, error) {
	switch what {
	case Suspend:
		return n.runs.Suspend(ctx, id)
	case Resume:
		return n.runs.Resume(ctx, id)
	case HandOver:
		return n.runs.HandOver(ctx, id)
	}
	return n.runs.Cancel(ctx, id)
}

func (n *node) Sizes(context.Context) (Sizes, error) {
	return Sizes{Store: 1, Runs: 2, Secrets: 3, Guests: 4, Sent: 5, Code: 6, Rooms: 7}, nil
}

func (n *node) Room(context.Context) (Room, error) { return n.left, nil }

func (n *node) Collect(ctx context.Context, c store.Collection) (store.Collected, error) {
	return n.store.Collect(ctx, c)
}

// Pin pins anything but what is not there.
func (n *node) Pin(_ context.Context, link ipld.Link) (Pin, error) {
	if _, err := n.store.Block(link); err != nil {
		return Pin{}, err
	}
	n.pins = append(n.pins, Pin{Link: link, What: PinBlocks, Added: time.Unix(1_800_000_000, 5)})
	return n.pins[len(n.pins)-1], nil
}

func (n *node) Unpin(_ context.Context, link ipld.Link) error {
	for i, p := range n.pins {
		if p.Link == link {
			n.pins = slices.Delete(n.pins, i, i+1)
			return nil
		}
	}
	return ErrNotPinned
}

func (n *node) Pins(_ context.Context, yield func(Pin) bool) error {
	for _, p := range n.pins {
		if !yield(p) {
			break
		}
	}
	return nil
}

func (n *node) Backup(ctx context.Context, dir string, withKey bool) error {
	if !withKey {
		return ErrDenied
	}
	return n.store.Backup(ctx, dir)
}
