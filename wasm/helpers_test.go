//go:build cgo

package wasm

import (
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "compiler" {
		os.Exit(Compiler(os.Stdin, os.Stdout, os.Stderr))
	}
	if run := os.Getenv("IPVM_WASM_CHILD"); run != "" {
		os.Exit(child(run))
	}
	if spec := os.Getenv("IPVM_WASM_COMPILE"); spec != "" {
		os.Exit(compileChild(spec))
	}
	if spec := os.Getenv("IPVM_WASM_LOAD"); spec != "" {
		os.Exit(loadChild(spec))
	}
	if spec := os.Getenv("IPVM_WASM_DEATH"); spec != "" {
		os.Exit(deathChild(spec))
	}
	goleak.VerifyTestMain(m)
}

var roomy = task.Limits{Gas: 1 << 40, Memory: 64 << 20, Time: 20 * time.Second}

// newEngine returns an engine that is closed when the test ends.
func newEngine(tb testing.TB, c Config) *Engine {
	tb.Helper()
	e, err := New(c)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := e.Close(); err != nil {
			tb.Error(err)
		}
	})
	return e
}

// guest returns the code of testdata/name.wat.
func guest(tb testing.TB, name string) []byte {
	tb.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", name+".wat"))
	if err != nil {
		tb.Fatal(err)
	}
	return wasmtest.Compile(tb, string(text))
}

func load(tb testing.TB, e *Engine, code []byte) *Module {
	tb.Helper()
	m, err := e.Load(tb.Context(), ipld.Link{}, code)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { m.Close() })
	return m
}

func run(tb testing.TB, m *Module, limits task.Limits, fn string, params ...ipld.Value) Result {
	tb.Helper()
	r, err := m.Run(tb.Context(), Call{Func: fn, Params: params, Limits: limits})
	if err != nil {
		tb.Fatalf("%s: %v", fn, err)
	}
	return r
}

// js reads DAG-JSON.
func js(tb testing.TB, text string) ipld.Value {
	tb.Helper()
	v, err := ipld.DecodeJSON([]byte(text))
	if err != nil {
		tb.Fatalf("%s: %v", text, err)
	}
	return v
}

// kindOf is the kind and trap code of a failure, "ok" of none.
func kindOf(r Result) string {
	f := r.Outcome.Failure
	switch {
	case f == nil:
		return "ok"
	case f.Trap != "":
		return string(f.Kind) + " " + f.Trap
	}
	return string(f.Kind)
}

// testLogger writes what is logged into w.
func testLogger(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }
