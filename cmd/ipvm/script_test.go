//go:build cgo

package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

var update = flag.Bool("update", false, "rewrite the expected texts in testdata")

// TestMain lets scripts run this very code as the command ipvm.
func TestMain(m *testing.M) {
	if len(os.Args) == 2 && os.Args[1] == compilerWord {
		main()
	}
	testscript.Main(m, map[string]func(){"ipvm": main})
}

func TestScripts(t *testing.T) {
	t.Parallel()
	runScripts(t, testscript.Params{Dir: "testdata/script"})
}

// TestGuide runs what the guide says to copy and paste about friends and HTTP.
func TestGuide(t *testing.T) {
	t.Parallel()
	page := string(readFile(t, "../../docs/guide.md"))
	for section, expect := range map[string]string{
		"Lend your laptop to a friend":   "stdout '^b +ran .* 50$'\nstdout '^revoked '\nstderr 'on behalf of did:key:z6Mk'\nstderr 'stripped.json is not signed'\nstderr 'MatchError'\nstderr 'Revoked'\n",
		"Believe what a friend computed": "stdout '^a +trusted +17 gas +9$'\nstdout '^a +ran +17 gas, .* 9$'\n",
		"Over HTTP":                      "stdout 'bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy'\nstdout '\"state\":\"ok\".*\"value\":3,'\nstdout '^b +remembered .* 3$'\nstdout 'ok +2/2 jobs'\n",
	} {
		_, text, ok := strings.Cut(page, "\n## "+section+"\n")
		_, commands, begins := strings.Cut(text, "```sh\n")
		commands, _, ends := strings.Cut(commands, "```\n")
		if !ok || !begins || !ends {
			t.Fatalf("the guide has no commands under %q", section)
		}
		commands = elsewhereAt(commands, freeAddress(t))
		// The shell goes on after a command that is to fail, and stops at one that is not.
		commands = regexp.MustCompile("(?m)^! (.*)$").ReplaceAllString(commands, "if $1; then exit 9; fi")
		script := filepath.Join(t.TempDir(), "guide.txtar")
		if err := os.WriteFile(script, []byte("exec sh -eu guide.sh\n"+expect+"-- guide.sh --\n"+commands), 0o600); err != nil {
			t.Fatal(err)
		}
		t.Run(section, func(t *testing.T) { runScripts(t, testscript.Params{Files: []string{script}}) })
	}
}

// freeAddress is a loopback address at which nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// elsewhereAt is commands with a node at another address than the usual one, which
// ends with them.
func elsewhereAt(commands, address string) string {
	started := "ipvm node --listen " + address + " &\ntrap \"kill $!\" EXIT\nuntil curl -sf http://" + address + "/v1; do sleep 0.1; done"
	commands = regexp.MustCompile("(?m)^ipvm node &.*$").ReplaceAllLiteralString(commands, started)
	return strings.ReplaceAll(commands, "127.0.0.1:1337", address)
}

// TestGuideGo runs the program in the guide against a node.
func TestGuideGo(t *testing.T) {
	t.Parallel()
	_, text, ok := strings.Cut(string(readFile(t, "../../docs/guide.md")), "\n## From Go\n")
	_, program, begins := strings.Cut(text, "```go\n")
	program, _, ends := strings.Cut(program, "```\n")
	if !ok || !begins || !ends {
		t.Fatal("the guide has no program")
	}
	node, err := ipvm.Open(t.TempDir(), ipvm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	service, err := node.Serve(t.Context(), ipvm.ServeOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "main.go"), []byte(strings.ReplaceAll(program, "127.0.0.1:1337", service.Addr())))
	writeFile(t, filepath.Join(dir, "add-one.wasm"), readFile(t, "../../examples/add-one/add-one.wasm"))
	binary := filepath.Join(dir, "first")
	build := exec.Command("go", "build", "-o", binary, filepath.Join(dir, "main.go"))
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run := exec.Command(binary)
	run.Dir = dir
	if out, err := run.CombinedOutput(); err != nil || string(out) != "a ok 41\nb ok 42\nok\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

func runScripts(t *testing.T, p testscript.Params) {
	t.Helper()
	modules := modules(t)
	testscript.Run(t, testscript.Params{
		Dir:                 p.Dir,
		Files:               p.Files,
		RequireExplicitExec: false,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("IPVM_HOME", filepath.Join(env.WorkDir, "h"))
			env.Setenv("IPVM_WORKERS", "2")
			for name, code := range modules {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), code, 0o600); err != nil {
					return err
				}
			}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"json":      cmdJSON,
			"mode":      cmdMode,
			"interrupt": cmdInterrupt,
			"waitfor":   cmdWaitFor,
			"capture":   cmdCapture,
			"subst":     cmdSubst,
			"corrupt":   cmdCorrupt,
			"lie":       cmdLie,
			"gateway":   cmdGateway,
		},
	})
}

// modules are the components that scripts find in their folder: those of the
// examples, and odd ones made from text.
func modules(tb testing.TB) map[string][]byte {
	tb.Helper()
	all := map[string][]byte{}
	var examples []string
	for _, pattern := range []string{"../../examples/*/*.*", "../../examples/languages/*/*.wasm"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			tb.Fatal("no examples", err)
		}
		examples = append(examples, files...)
	}
	for _, file := range examples {
		if ext := filepath.Ext(file); ext == ".wasm" || ext == ".png" {
			all[filepath.Base(file)] = readFile(tb, file)
		}
	}
	odd, err := filepath.Glob("testdata/wat/*.wat")
	odd = append(odd, "../../engine/testdata/handler.wat")
	if err != nil || len(odd) == 0 {
		tb.Fatal("no odd modules", err)
	}
	for _, file := range odd {
		all[strings.TrimSuffix(filepath.Base(file), ".wat")+".wasm"] = wasmtest.Compile(tb, string(readFile(tb, file)))
	}
	all["slow.wasm"] = wasmtest.Compile(tb, slowText(1500))
	return all
}

// slowText is a module that takes the compiler seconds and a GiB: n nested
// loops, within which n variables live.
func slowText(n int) string {
	var body strings.Builder
	for i := range n {
		fmt.Fprintf(&body, "(local.set %d (i32.add (local.get %d) (i32.const 1)))", i, i)
	}
	return `(module (func (export "f") (local ` + strings.Repeat("i32 ", n) + ")" + strings.Repeat("loop ", n) + body.String() +
		strings.Repeat("local.get 0 br_if 0 end ", n) + "))"
}

func readFile(tb testing.TB, name string) []byte {
	tb.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

// cmdJSON is "[!] json FILE PATH [VALUE]": what is at PATH, such as jobs.a.gas
// or faults.0.line or jobs.len (how many), is there, and is VALUE.
func cmdJSON(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) < 2 || len(args) > 3 {
		ts.Fatalf("usage: json FILE PATH [VALUE]")
	}
	var v any
	d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0])))
	d.UseNumber()
	ts.Check(d.Decode(&v))
	got, err := jsonAt(v, args[1])
	ok := err == nil && (len(args) == 2 || got == args[2])
	if ok == neg {
		ts.Fatalf("%s is %s (%v), wanted %v: %t", args[1], got, err, args[2:], !neg)
	}
}

func jsonAt(v any, path string) (string, error) {
	for _, step := range strings.Split(path, ".") {
		switch x := v.(type) {
		case map[string]any:
			if step == "len" {
				return strconv.Itoa(len(x)), nil
			}
			var ok bool
			if v, ok = x[step]; !ok {
				return "", fmt.Errorf("no field %s", step)
			}
		case []any:
			if step == "len" {
				return strconv.Itoa(len(x)), nil
			}
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(x) {
				return "", fmt.Errorf("no item %s", step)
			}
			v = x[i]
		default:
			return "", fmt.Errorf("nothing inside %v", v)
		}
	}
	if s, ok := v.(string); ok {
		return s, nil
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return strings.TrimSpace(b.String()), err
}

// cmdMode is "[!] mode FILE 0600".
func cmdMode(ts *testscript.TestScript, neg bool, args []string) {
	info, err := os.Stat(ts.MkAbs(args[0]))
	ts.Check(err)
	want, err := strconv.ParseUint(args[1], 8, 32)
	ts.Check(err)
	if (info.Mode().Perm() == fs.FileMode(want)) == neg {
		ts.Fatalf("%s has mode %o", args[0], info.Mode().Perm())
	}
}

// cmdInterrupt sends SIGINT to the last command in the background.
func cmdInterrupt(ts *testscript.TestScript, _ bool, _ []string) {
	all := ts.BackgroundCmds()
	ts.Check(all[len(all)-1].Process.Signal(syscall.SIGINT))
}

// cmdWaitFor is "waitfor FILE TEXT": it returns when FILE, or one of the files
// that it is a pattern of, holds TEXT.
func cmdWaitFor(ts *testscript.TestScript, _ bool, args []string) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		files, _ := filepath.Glob(ts.MkAbs(args[0]))
		for _, file := range files {
			if data, err := os.ReadFile(file); err == nil && strings.Contains(string(data), args[1]) {
				return
			}
		}
	}
	ts.Fatalf("%s never held %q", args[0], args[1])
}

// cmdCapture is "capture NAME FILE PATH": $NAME becomes what json finds there,
// or with no PATH the first word of FILE.
func cmdCapture(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[1])
	if len(args) == 2 {
		ts.Setenv(args[0], strings.Fields(text)[0])
		return
	}
	var v any
	ts.Check(json.Unmarshal([]byte(text), &v))
	got, err := jsonAt(v, args[2])
	ts.Check(err)
	ts.Setenv(args[0], got)
}

// cmdSubst is "subst FROM TO OLD NEW": TO is FROM with OLD replaced.
func cmdSubst(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile(args[0])
	if !strings.Contains(text, args[2]) {
		ts.Fatalf("%s does not hold %q", args[0], args[2])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(strings.ReplaceAll(text, args[2], args[3])), 0o600))
}

// cmdCorrupt changes one byte in the middle of each file of a folder that is
// as large as the given one.
func cmdCorrupt(ts *testscript.TestScript, _ bool, args []string) {
	like, err := os.Stat(ts.MkAbs(args[1]))
	ts.Check(err)
	n := 0
	ts.Check(filepath.WalkDir(ts.MkAbs(args[0]), func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		if err != nil || len(data) != int(like.Size()) {
			return err
		}
		data[len(data)/2] ^= 1
		n++
		return os.WriteFile(path, data, 0o600) //nolint:gosec // a path of the test's own
	}))
	if n == 0 {
		ts.Fatalf("no file in %s is as large as %s", args[0], args[1])
	}
}

// cmdLie is "lie KEY FROM N TO": TO is what the receipt FROM says with the value
// N, signed with the key of a file.
func cmdLie(ts *testscript.TestScript, _ bool, args []string) {
	key, err := did.ReadKeyFile(ts.MkAbs(args[0]))
	ts.Check(err)
	signed, err := receipt.Parse([]byte(ts.ReadFile(args[1])))
	ts.Check(err)
	n, err := strconv.ParseInt(args[2], 10, 64)
	ts.Check(err)
	r := signed.Receipt
	r.Executor, r.Out.Value = "", ipld.Int(n)
	lie, err := receipt.Issue(key, r)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[3]), lie.Bytes(), 0o600))
}

// cmdGateway is "gateway NAME FILE…": $NAME becomes the URL of a trustless gateway
// that has the blocks of each FILE. Below /files/ it has the files themselves, and
// below /kubo the same blocks as kubo has them; what is below /lies is wrong.
func cmdGateway(ts *testscript.TestScript, _ bool, args []string) {
	blocks := make(map[string][]byte)
	files := make(map[string][]byte)
	for _, name := range args[1:] {
		files[name] = []byte(ts.ReadFile(name))
		_, err := ipld.ImportFile(files[name], func(b ipld.Block) error {
			blocks[b.Link.String()] = b.Data
			return nil
		})
		ts.Check(err)
	}
	mux := http.NewServeMux()
	send := func(w http.ResponseWriter, r *http.Request, data []byte, ok bool) {
		if !ok {
			http.NotFound(w, r)
			return
		}
		w.Header().Set("Content-Type", "application/vnd.ipld.raw")
		_, _ = w.Write(data)
	}
	mux.HandleFunc("GET /ipfs/{cid}", func(w http.ResponseWriter, r *http.Request) {
		data, ok := blocks[r.PathValue("cid")]
		send(w, r, data, ok && r.URL.RawQuery == "format=raw")
	})
	mux.HandleFunc("GET /lies/", func(w http.ResponseWriter, r *http.Request) { send(w, r, []byte("lies"), true) })
	mux.HandleFunc("GET /files/{name}", func(w http.ResponseWriter, r *http.Request) {
		data, ok := files[r.PathValue("name")]
		send(w, r, data, ok)
	})
	mux.HandleFunc("POST /kubo/api/v0/block/get", func(w http.ResponseWriter, r *http.Request) {
		data, ok := blocks[r.FormValue("arg")]
		if !ok {
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = io.WriteString(w, `{"Message":"block was not found locally (offline)","Code":0,"Type":"error"}`)
			return
		}
		_, _ = w.Write(data)
	})
	s := httptest.NewServer(mux)
	ts.Defer(s.Close)
	ts.Setenv(args[0], s.URL)
}
