package engine_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == compilerWord {
		os.Exit(wasm.Compiler(os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

var compileGuest = sync.OnceValues(func() ([]byte, error) { return os.ReadFile("testdata/guest.wat") })

// rig is an engine that knows the guests in testdata.
type rig struct {
	*ipvmtest.Engine
	guest   string // the link of the module, in DAG-JSON
	handler string // that of testdata/handler.wat
}

func readFile(tb testing.TB, name string) string {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return string(data)
}

func newRig(tb testing.TB, o ipvmtest.Options) *rig {
	tb.Helper()
	e := ipvmtest.New(tb, o)
	wat, err := compileGuest()
	if err != nil {
		tb.Fatal(err)
	}
	link := e.ImportShared(tb, wasmtest.Compile(tb, string(wat)))
	handler := e.ImportShared(tb, wasmtest.Compile(tb, readFile(tb, "testdata/handler.wat")))
	return &rig{e, fmt.Sprintf(`{"/": %q}`, link), fmt.Sprintf(`{"/": %q}`, handler)}
}

// document loads a document in which GUEST is the guest, and FUNC(ARGS) is short
// for {with: GUEST, func: FUNC, args: [ARGS]}.
func (r *rig) document(tb testing.TB, text string) *graph.Graph {
	tb.Helper()
	return r.Document(tb, r.expand(text))
}

func (r *rig) expand(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		label, call, ok := strings.Cut(strings.TrimRight(line, "\n"), ": ")
		name, args, isCall := strings.Cut(call, "(")
		args, limits, closed := strings.Cut(args, ")")
		if !ok || !isCall || !closed {
			b.WriteString(line)
			continue
		}
		fmt.Fprintf(&b, "%s: {with: GUEST, func: %s, args: [%s]%s}\n", label, name, args, limits)
	}
	return strings.NewReplacer("GUEST", r.guest, "HANDLER", r.handler).Replace(b.String())
}

// one runs a document of one job and returns what came of it.
func (r *rig) one(tb testing.TB, call string) engine.JobReport {
	tb.Helper()
	return r.MustRun(tb, r.document(tb, "job: "+call+"\n"), engine.Options{}).Jobs[0]
}

// kindOf is ok, or the kind and trap code of a failure.
func kindOf(out task.Outcome) string {
	switch f := out.Failure; {
	case f == nil:
		return "ok"
	case f.Trap != "":
		return string(f.Kind) + " " + f.Trap
	default:
		return string(f.Kind)
	}
}

// heard collects events; its lock lets a test look while a run goes on.
type heard struct {
	mu     sync.Mutex
	events []engine.Event
	on     func(engine.Event)
}

func (h *heard) listen(ev engine.Event) {
	h.mu.Lock()
	h.events = append(h.events, ev)
	on := h.on
	h.mu.Unlock()
	if on != nil {
		on(ev)
	}
}

func (h *heard) count(kind engine.EventKind) map[string]int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := make(map[string]int)
	for _, ev := range h.events {
		if ev.Kind == kind {
			n[ev.Label]++
		}
	}
	return n
}

// start runs g in the background; the func returned waits for its end.
func start(ctx context.Context, e *engine.Engine, g *graph.Graph, o engine.Options) func() (*engine.Report, error) {
	var report *engine.Report
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		report, err = e.Run(ctx, g, o)
	}()
	return func() (*engine.Report, error) {
		<-done
		return report, err
	}
}
