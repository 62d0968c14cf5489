package ipvmtest

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// secret is the one key of all tests, so that receipts can be compared byte by
// byte: "alice" of the UCAN 1.0 vectors.
const secret = "z3u2dxqL3xsnz6iBjzx1SY7ZbDHvfsn87oCw84iA12tUk4A2"

// Options say what an engine is made of. The zero value is a new store in
// memory and the key of all tests.
type Options struct {
	// Workers is how many steps run at once; 0 is 2.
	Workers int
	// Dir is a directory for the store; empty means memory.
	Dir string
	// Store is used instead of a new one, and not closed.
	Store *store.Store
	// Wasm is used instead of a new one, and not closed.
	Wasm *wasm.Engine
	// Key signs; the zero key is the one of all tests.
	Key did.PrivateKey
	// Wrap puts something between the engine and its store.
	Wrap func(engine.Store) engine.Store
	// Trusts, Fetcher, Quarantine, Policy and Now are those of [engine.Config].
	Trusts     func() engine.Trust
	Fetcher    engine.Fetcher
	Quarantine *quarantine.List
	engine.Policy
	Now func() time.Time
}

// Engine is an engine and what it is made of.
type Engine struct {
	*engine.Engine
	Store *store.Store
	Wasm  *wasm.Engine
	Key   did.PrivateKey
	Vault *store.Vault

	guests []*store.Vault
}

// New returns an engine that is closed when the test ends. It skips the test in
// a build without WebAssembly.
func New(tb testing.TB, o Options) *Engine {
	tb.Helper()
	e := &Engine{Store: o.Store, Wasm: o.Wasm, Key: o.Key}
	if e.Key.IsZero() {
		e.Key = Key(tb)
	}
	if o.Workers == 0 {
		o.Workers = 2
	}
	if e.Wasm == nil {
		e.Wasm = NewWasm(tb, wasm.Config{Calls: o.Workers})
	}
	if e.Store == nil {
		e.Store = newStore(tb, o.Dir)
	}
	v, err := store.OpenVaultMemory(store.Options{})
	must(tb, err)
	closeAtEnd(tb, func() error {
		for _, guest := range e.guests {
			must(tb, guest.Close())
		}
		return v.Close()
	})
	e.Vault = v
	c := engine.Config{
		Store: e.Store, Wasm: e.Wasm, Key: e.Key,
		Vault:   e.room,
		Workers: o.Workers, Trusts: o.Trusts, Fetcher: o.Fetcher, Quarantine: o.Quarantine, Policy: o.Policy, Now: o.Now,
	}
	if o.Wrap != nil {
		c.Store = o.Wrap(e.Store)
	}
	e.Engine = engine.New(c)
	closeAtEnd(tb, e.Engine.Close)
	return e
}

// room is the vault for the owner's secrets, and a new one for all else.
func (e *Engine) room(r engine.Room) (engine.Vault, error) {
	if r == (engine.Room{Secret: true}) {
		return e.Vault, nil
	}
	v, err := store.OpenVaultMemory(store.Options{})
	if err == nil {
		e.guests = append(e.guests, v)
	}
	return v, err
}

// NewWasm returns a WebAssembly engine that is closed when the test ends.
func NewWasm(tb testing.TB, c wasm.Config) *wasm.Engine {
	tb.Helper()
	w, err := wasm.New(c)
	if errors.Is(err, wasm.ErrNoEngine) {
		tb.Skip(err)
	}
	must(tb, err)
	closeAtEnd(tb, w.Close)
	return w
}

func newStore(tb testing.TB, dir string) *store.Store {
	tb.Helper()
	open := func() (*store.Store, error) { return store.OpenMemory(store.Options{}) }
	if dir != "" {
		open = func() (*store.Store, error) { return store.Open(dir, store.Options{}) }
	}
	s, err := open()
	must(tb, err)
	closeAtEnd(tb, s.Close)
	return s
}

// Key is the key of all tests.
func Key(tb testing.TB) did.PrivateKey {
	tb.Helper()
	key, err := did.ParseMultibase(secret)
	must(tb, err)
	return key
}

// Examples is the folder of the repository's examples.
func Examples() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Join(filepath.Dir(file), "..", "..", "examples")
}

// committed are the examples in languages whose modules are committed; the
// others are built.
var committed = []string{"iban", "slug", "wordfreq"}

// ExampleNames are the documents among the examples, as [Engine.Example] takes
// them.
func ExampleNames(tb testing.TB) []string {
	tb.Helper()
	var names []string
	patterns := []string{"*/*.json", "*/*.yaml"}
	for _, name := range committed {
		patterns = append(patterns, "languages/"+name+"/*.yaml")
	}
	for _, pattern := range patterns {
		paths, err := filepath.Glob(filepath.Join(Examples(), pattern))
		must(tb, err)
		for _, path := range paths {
			name, err := filepath.Rel(Examples(), path)
			must(tb, err)
			names = append(names, filepath.ToSlash(name))
		}
	}
	if len(names) < 5 {
		tb.Fatalf("only %d examples: %v", len(names), names)
	}
	return names
}

// Example loads a document of the examples, such as "thumbnail/workflow.yaml".
func (e *Engine) Example(tb testing.TB, name string) *graph.Graph {
	tb.Helper()
	path := filepath.Join(Examples(), filepath.FromSlash(name))
	data, err := os.ReadFile(path)
	must(tb, err)
	return e.build(tb, workflow.Source{Name: filepath.Base(path), Data: data, Files: files{e, filepath.Dir(path)}})
}

// Document loads a document given as text, YAML or JSON. Files in it are
// relative to the folder of examples: ./add-one/add-one.wasm.
func (e *Engine) Document(tb testing.TB, text string) *graph.Graph {
	tb.Helper()
	return e.DocumentIn(tb, Examples(), text)
}

// DocumentIn is [Engine.Document] with files relative to the folder dir.
func (e *Engine) DocumentIn(tb testing.TB, dir, text string) *graph.Graph {
	tb.Helper()
	return e.build(tb, workflow.Source{Name: "document", Data: []byte(text), Files: files{e, dir}})
}

// Block loads a document that is a block, such as the normal form of another.
func (e *Engine) Block(tb testing.TB, b ipld.Block) *graph.Graph {
	tb.Helper()
	return e.build(tb, workflow.Source{Name: "block", Data: b.Data, Format: workflow.CBOR})
}

func (e *Engine) build(tb testing.TB, src workflow.Source) *graph.Graph {
	tb.Helper()
	w, err := workflow.Parse(src)
	must(tb, err)
	g, err := graph.Build(w, graph.Options{Owner: e.Key.DID()})
	must(tb, err)
	normalisable(tb, g, e.Key.DID())
	return g
}

// normalisable makes sure that each document that a test uses is the same
// workflow when it is written in the native dialect.
func normalisable(tb testing.TB, g *graph.Graph, owner did.DID) {
	tb.Helper()
	text, err := g.Workflow().Normalise(func(label string) task.Task {
		i, _ := g.Find(label)
		return g.Step(i).Task
	})
	must(tb, err)
	w, err := workflow.Parse(workflow.Source{Data: text, Format: workflow.YAML})
	must(tb, err)
	again, err := graph.Build(w, graph.Options{Owner: owner})
	must(tb, err)
	if again.Link() != g.Link() {
		tb.Fatalf("normalised it is another workflow:\n%s", text)
	}
}

// Import stores the code of a module and returns its link.
func (e *Engine) Import(tb testing.TB, code []byte) ipld.Link {
	tb.Helper()
	link, err := e.put(code)
	must(tb, err)
	return link
}

// ImportShared is [Engine.Import] for what the workflows of others may read.
func (e *Engine) ImportShared(tb testing.TB, code []byte) ipld.Link {
	tb.Helper()
	link := e.Import(tb, code)
	must(tb, engine.Share(e.Store, link))
	return link
}

func (e *Engine) put(data []byte) (ipld.Link, error) {
	return ipld.ImportFile(data, func(b ipld.Block) error { return e.Store.Put(store.Batch{Blocks: []ipld.Block{b}}) })
}

// files imports what a document names relative to dir.
type files struct {
	engine *Engine
	dir    string
}

func (f files) Import(path string) (ipld.Link, error) {
	data, err := os.ReadFile(filepath.Join(f.dir, path))
	if err != nil {
		return ipld.Link{}, err
	}
	return f.engine.put(data)
}

// MustRun drives g to its end; an error fails the test.
func (e *Engine) MustRun(tb testing.TB, g *graph.Graph, o engine.Options) *engine.Report {
	tb.Helper()
	report, err := e.Engine.Run(tb.Context(), g, o)
	must(tb, err)
	return report
}

// Receipts are the signed bytes of the receipts that the store has of the tasks
// in report.
func (e *Engine) Receipts(tb testing.TB, report *engine.Report) map[task.ID][]string {
	tb.Helper()
	all := make(map[task.ID][]string)
	for _, j := range report.Jobs {
		signed, err := e.Store.Receipts(j.Task)
		must(tb, err)
		all[j.Task] = nil
		for _, s := range signed {
			all[j.Task] = append(all[j.Task], string(s.Bytes()))
		}
	}
	return all
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func closeAtEnd(tb testing.TB, f func() error) {
	tb.Cleanup(func() {
		if err := f(); err != nil {
			tb.Error(err)
		}
	})
}
