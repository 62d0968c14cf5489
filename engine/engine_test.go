package engine_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// bench is an engine over a store in memory.
type bench struct {
	*engine.Engine
	store *store.Store
}

func newBench(t testing.TB, workers int) *bench {
	t.Helper()
	s, err := store.OpenMemory(store.Options{})
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
	b := &bench{engine.New(engine.Config{Store: s, Wasm: w, Key: key, Workers: workers}), s}
	t.Cleanup(func() {
		b.Close()
		w.Close()
		s.Close()
	})
	return b
}

// Import stores a file of examples.
func (b *bench) importer(dir string) importer { return importer{b.store, dir} }

type importer struct {
	store *store.Store
	dir   string
}

func (i importer) Import(path string) (ipld.Link, error) {
	data, err := os.ReadFile(filepath.Join(i.dir, path))
	if err != nil {
		return ipld.Link{}, err
	}
	return ipld.ImportFile(data, func(b ipld.Block) error { return i.store.Put(store.Batch{Blocks: []ipld.Block{b}}) })
}

func (b *bench) load(t testing.TB, path string) *graph.Graph {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	w, err := workflow.Parse(workflow.Source{Name: filepath.Base(path), Data: data, Files: b.importer(filepath.Dir(path))})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func TestExamples(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../examples/*/*.[jy][sa][om][nl]")
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d examples, %v", len(paths), err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(filepath.Dir(path))+"/"+filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			b := newBench(t, 2)
			g := b.load(t, path)
			cold, err := b.Run(context.Background(), g, engine.Options{Listen: func(ev engine.Event) { t.Log(ev.Kind, ev.Label) }})
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range cold.Jobs {
				t.Log(j.Label, j.Status, j.How, j.Outcome.Value, j.Outcome.Failure, j.Gas, j.Ended.Sub(j.Started))
			}
		})
	}
}
