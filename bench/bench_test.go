package bench

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
)

// chain is a document of n jobs, each of which adds one to what the one before
// it came to; first makes it different from others.
func chain(n, first int) string {
	return document(n, func(i int) string {
		if i == 0 {
			return fmt.Sprint(first)
		}
		return fmt.Sprintf(`{"from": "j%d"}`, i-1)
	})
}

// flat is a document of n jobs that do not wait for each other.
func flat(n, first int) string {
	return document(n, func(i int) string { return fmt.Sprint(first + i) })
}

func document(n int, arg func(int) string) string {
	var b strings.Builder
	b.WriteString("{\"jobs\": {\n")
	for i := range n {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, `"j%d": {"with": "./add-one/add-one.wasm", "args": [%s]}`, i, arg(i))
	}
	b.WriteString("\n}}\n")
	return b.String()
}

var shapes = []struct {
	name     string
	document func(n, first int) string
}{{"chain", chain}, {"flat", flat}}

// program is ipvm, built once for all benchmarks, in a folder with the module
// that the documents name.
type program struct{ dir string }

func newProgram(b *testing.B) program {
	b.Helper()
	if testing.Short() {
		b.Skip("builds the program")
	}
	p := program{b.TempDir()}
	build := exec.Command("go", "build", "-o", filepath.Join(p.dir, "ipvm"), "../cmd/ipvm")
	if out, err := build.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	code, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), "add-one", "add-one.wasm"))
	if err != nil {
		b.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(p.dir, "add-one"), 0o700); err != nil {
		b.Fatal(err)
	}
	p.write(b, "add-one/add-one.wasm", string(code))
	return p
}

func (p program) write(b *testing.B, name, text string) {
	b.Helper()
	if err := os.WriteFile(filepath.Join(p.dir, name), []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
}

// run is `ipvm run` of one document over the given state directory; the last
// line that it prints must hold want.
func (p program) run(b *testing.B, name, state, want string) {
	b.Helper()
	cmd := exec.Command(filepath.Join(p.dir, "ipvm"), "run", filepath.Join(p.dir, name))
	cmd.Env = append(os.Environ(), "IPVM_HOME="+filepath.Join(p.dir, state))
	out, err := cmd.CombinedOutput()
	if err != nil {
		b.Fatalf("%v\n%.2000s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; !strings.HasPrefix(last, want) {
		b.Fatalf("the last line is %q, not %q…", last, want)
	}
}

// BenchmarkProcessCold is `ipvm run` as a whole process over an empty state
// directory: start, key, store, compiling, n tasks signed and on the disk.
func BenchmarkProcessCold(b *testing.B) {
	p := newProgram(b)
	for _, shape := range shapes {
		for _, n := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("%s/%d", shape.name, n), func(b *testing.B) {
				p.write(b, "flow.json", shape.document(n, 0))
				for b.Loop() {
					b.StopTimer()
					if err := os.RemoveAll(filepath.Join(p.dir, "state")); err != nil {
						b.Fatal(err)
					}
					b.StartTimer()
					p.run(b, "flow.json", "state", fmt.Sprintf("ok: %d ran", n))
				}
			})
		}
	}
}

// BenchmarkProcessWarm is `ipvm run` of what is fully remembered.
func BenchmarkProcessWarm(b *testing.B) {
	p := newProgram(b)
	for _, n := range []int{1, 100, 1000} {
		b.Run(fmt.Sprintf("chain/%d", n), func(b *testing.B) {
			p.write(b, "flow.json", chain(n, 0))
			state, err := os.MkdirTemp(p.dir, "state")
			if err != nil {
				b.Fatal(err)
			}
			state = filepath.Base(state)
			p.run(b, "flow.json", state, fmt.Sprintf("ok: %d ran", n))
			for b.Loop() {
				p.run(b, "flow.json", state, fmt.Sprintf("ok: %d remembered", n))
			}
		})
	}
}

// BenchmarkProcessNothing is what every command costs: start, and print.
func BenchmarkProcessNothing(b *testing.B) {
	p := newProgram(b)
	for b.Loop() {
		if err := exec.Command(filepath.Join(p.dir, "ipvm"), "version").Run(); err != nil {
			b.Fatal(err)
		}
	}
}

// newEngine is an engine with its store on the disk and add-one compiled.
func newEngine(b *testing.B) *ipvmtest.Engine {
	b.Helper()
	e := ipvmtest.New(b, ipvmtest.Options{Dir: b.TempDir(), Workers: 2})
	e.MustRun(b, e.Document(b, flat(1, -1)), engine.Options{})
	return e
}

func perTask(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(n), "ns/task")
}

// BenchmarkRun is one workflow of n tasks inside a process: not remembered, then
// signed and on the disk when Run returns; or all remembered.
func BenchmarkRun(b *testing.B) {
	for _, shape := range shapes {
		for _, n := range []int{1000, 10_000} {
			b.Run(fmt.Sprintf("miss/%s/%d", shape.name, n), func(b *testing.B) {
				e := newEngine(b)
				first := 0
				for b.Loop() {
					b.StopTimer()
					g := e.Document(b, shape.document(n, first))
					first += n
					b.StartTimer()
					e.MustRun(b, g, engine.Options{})
				}
				perTask(b, n)
			})
			b.Run(fmt.Sprintf("hit/%s/%d", shape.name, n), func(b *testing.B) {
				e := newEngine(b)
				g := e.Document(b, shape.document(n, 0))
				e.MustRun(b, g, engine.Options{})
				for b.Loop() {
					e.MustRun(b, g, engine.Options{})
				}
				perTask(b, n)
			})
		}
	}
}

// BenchmarkClients is distinct workflows of one task, durable, from as many
// clients inside the process.
func BenchmarkClients(b *testing.B) {
	for _, clients := range []int{1, 8, 32} {
		b.Run(fmt.Sprint(clients), func(b *testing.B) {
			e := newEngine(b)
			graphs := make([]*graph.Graph, b.N)
			for i := range graphs {
				graphs[i] = e.Document(b, flat(1, i))
			}
			var next atomic.Int64
			var wg sync.WaitGroup
			b.ResetTimer()
			for range clients {
				wg.Go(func() {
					for i := next.Add(1) - 1; i < int64(b.N); i = next.Add(1) - 1 {
						if _, err := e.Run(context.Background(), graphs[i], engine.Options{}); err != nil {
							b.Error(err)
							return
						}
					}
				})
			}
			wg.Wait()
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "workflows/s")
		})
	}
}

// TestDocuments: the workloads are what they are taken for.
func TestDocuments(t *testing.T) {
	t.Parallel()
	e := ipvmtest.New(t, ipvmtest.Options{})
	for _, shape := range shapes {
		g := e.Document(t, shape.document(50, 5))
		report := e.MustRun(t, g, engine.Options{})
		last, _ := report.Job("j49")
		if report.Status != engine.StatusOK || last.Outcome.Value.String() != "55" || shape.name == "chain" != (g.Step(49).Depth == 49) {
			t.Errorf("%s: %s, %s, depth %d", shape.name, report.Status, last.Outcome.Value, g.Step(49).Depth)
		}
	}
}
