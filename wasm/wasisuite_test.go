//go:build cgo

package wasm

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/component"
)

// suiteEnv names the folder of a checkout of WebAssembly/wasi-testsuite with
// built programs, as its branch prod/testsuite-base has them.
const suiteEnv = "IPVM_WASI_TESTSUITE"

// suiteKnown are the cases that do not pass, and why.
var suiteKnown = map[string]string{
	"sock_shutdown-invalid_fd": "expects descriptor 3 to be closed; here it is the root directory, which is no socket",
}

// notAdapted is why a case fails as a component, in jco's own host as well.
const notAdapted = "the preview 1 adapter that jco ships does not do it"

// suiteKnownComponents are the cases that do not pass when they were made into
// components of WASI 0.2.
var suiteKnownComponents = map[string]string{
	"args_get-multiple-arguments":    notAdapted,
	"environ_get-multiple-variables": notAdapted,
	"fd_fdstat_set_rights":           notAdapted,
	"fd_write-to-invalid-fd":         notAdapted,
	"proc_exit-failure":              "it expects the exit status 33, and wasi:cli/exit knows success and failure only",
	"renumber":                       notAdapted,
	"sock_shutdown-invalid_fd":       notAdapted,
	"sock_shutdown-not_sock":         notAdapted,
}

// TestWASISuite runs the cases for preview 1 of the public test suite, each as a
// function. The suite is no part of this repository.
func TestWASISuite(t *testing.T) {
	t.Parallel()
	root := os.Getenv(suiteEnv)
	if root == "" {
		t.Skipf("%s is not set to a checkout of WebAssembly/wasi-testsuite", suiteEnv)
	}
	cases, err := filepath.Glob(filepath.Join(root, "tests", "*", "testsuite", "wasm32-wasip1", "*.wasm"))
	if err != nil || len(cases) == 0 {
		t.Fatalf("no programs in %s: %v", root, err)
	}
	e := newEngine(t, Config{})
	passed := 0
	for _, path := range cases {
		name := strings.TrimSuffix(filepath.Base(path), ".wasm")
		why, isComponent := suiteCase(t, e, path)
		list := suiteKnown
		if isComponent {
			list = suiteKnownComponents
		}
		switch known := list[name]; {
		case why == "" && known == "":
			passed++
		case why == "":
			t.Errorf("%s passes: take it from the list", name)
		case known == "":
			t.Errorf("%s: %s", name, why)
		default:
			t.Logf("%s: %s: %s", name, why, known)
		}
	}
	t.Logf("%d of %d pass", passed, len(cases))
}

// suiteCase runs one case, says what is amiss, and whether it is a component.
func suiteCase(t *testing.T, e *Engine, path string) (amiss string, isComponent bool) {
	t.Helper()
	var spec struct {
		Args   []string          `json:"args"`
		Env    map[string]string `json:"env"`
		Root   string            `json:"root"`
		Exit   int64             `json:"exit_code"`
		Stdout *string           `json:"stdout"`
	}
	if text, err := os.ReadFile(strings.TrimSuffix(path, ".wasm") + ".json"); err == nil {
		if err := json.Unmarshal(text, &spec); err != nil {
			t.Fatal(err)
		}
	}
	code, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var args, env, files []ipld.Value
	for _, a := range spec.Args {
		args = append(args, ipld.String(a))
	}
	for name, value := range spec.Env {
		env = append(env, ipld.List(ipld.String(name), ipld.String(value)))
	}
	if spec.Root != "" {
		files = suiteFiles(t, filepath.Join(filepath.Dir(path), spec.Root))
	}
	isComponent = component.HeaderOf(code) == component.Component
	m := load(t, e, code)
	defer m.Close()
	r := run(t, m, roomy, m.Interface().Funcs[0].Name, ipld.List(args...), ipld.List(env...), ipld.Null, ipld.List(files...))
	out := r.Outcome.Value
	if f := r.Outcome.Failure; f != nil {
		if out = f.Value; out.IsNull() {
			return f.String() + " " + f.Message, isComponent
		}
	}
	exit, _ := out.Lookup("exit")
	stdout, _ := out.Lookup("stdout")
	stderr, _ := out.Lookup("stderr")
	said, _ := stderr.AsBytes()
	if n, _ := exit.AsInt64(); n != spec.Exit {
		return "exit " + exit.String() + ": " + cut(said, 200), isComponent
	}
	if got, _ := stdout.AsBytes(); spec.Stdout != nil && !bytes.Equal([]byte(got), []byte(*spec.Stdout)) {
		return "stdout " + cut(got, 200), isComponent
	}
	return "", isComponent
}

func suiteFiles(t *testing.T, root string) (files []ipld.Value) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		files = append(files, ipld.List(ipld.String(filepath.ToSlash(name)), ipld.Bytes(data)))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
