package homestar_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// slow never comes to an end.
const slow = `(component
  (core module $m (func (export "spin") (param i32) (result i32) (loop $l (br $l)) unreachable))
  (core instance $i (instantiate $m))
  (func (export "spin") (param "x" s32) (result s32) (canon lift (core func $i "spin"))))`

// TestPeer has both versions of the npm package run all that they can do, against
// the program: see testdata/clients/client.mjs.
func TestPeer(t *testing.T) {
	t.Parallel()
	program := build(t)
	spin := wasmtest.Compile(t, slow)
	for _, version := range []string{"1", "2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			addr := serve(t, program)
			example := func(path string) []byte {
				data, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), path))
				must(t, err)
				return data
			}
			blocks := make(map[string]string)
			for name, data := range map[string][]byte{
				"addOne": example("add-one/add-one.wasm"), "image": example("thumbnail/image.wasm"), "picture": example("thumbnail/picture.png"), "slow": spin,
			} {
				blocks[name] = put(t, addr, data)
			}
			in, err := json.Marshal(blocks)
			must(t, err)
			runClient(t, version, addr, in)
		})
	}
}

// build is the program, where the clients are here to use it.
func build(t *testing.T) string {
	t.Helper()
	if _, err := os.Stat(filepath.FromSlash("testdata/clients/node_modules/homestar-2")); err != nil {
		t.Skip("NOT TESTED: the clients are not here; they come with: make homestar-clients")
	}
	program := filepath.Join(t.TempDir(), "ipvm")
	if text, err := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../cmd/ipvm").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	return program
}

// TestPeerGuide runs the program for npm's client that is in the guide, twice.
func TestPeerGuide(t *testing.T) {
	t.Parallel()
	program := build(t)
	page, err := os.ReadFile("../docs/guide.md")
	must(t, err)
	_, text, ok := strings.Cut(string(page), "```js\n// first.mjs: node first.mjs CID\n")
	text, _, end := strings.Cut(text, "```")
	if !ok || !end {
		t.Fatal("the guide has no program first.mjs")
	}
	addr := serve(t, program)
	code, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), "add-one", "add-one.wasm"))
	must(t, err)
	cid := put(t, addr, code)
	text = strings.NewReplacer("'@fission-codes/homestar", "'homestar-2", "127.0.0.1:1337", addr).Replace(text)
	for _, how := range []string{"ran", "remembered"} {
		cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-", cid)
		cmd.Dir = filepath.FromSlash("testdata/clients")
		cmd.Stdin = strings.NewReader(text)
		out, err := cmd.CombinedOutput()
		want := fmt.Sprintf("[ 'ok', 41 ] %s\n[ 'ok', 42 ] %[1]s\n", how)
		if err != nil || string(out) != want {
			t.Errorf("%s, %v, expected\n%s", out, err, want)
		}
	}
}

// serve starts a node with a state directory of its own and returns its address.
func serve(t *testing.T, program string) string {
	t.Helper()
	cmd := exec.Command(program, "node", "--listen", "127.0.0.1:0")
	cmd.Env = append(os.Environ(), "IPVM_HOME="+t.TempDir())
	stderr, err := cmd.StderrPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		end := time.AfterFunc(30*time.Second, func() { _ = cmd.Process.Kill() })
		defer end.Stop()
		rest, _ := io.ReadAll(stderr)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node: %v\n%.2000s", err, rest)
		}
	})
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		if _, addr, ok := strings.Cut(lines.Text(), "ipvm: http://"); ok {
			return addr
		}
	}
	t.Fatal("the node does not say where it listens")
	return ""
}

// put gives the node a file and returns its CID.
func put(t *testing.T, addr string, data []byte) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+addr+"/ipfs", bytes.NewReader(data))
	must(t, err)
	resp, err := http.DefaultClient.Do(req)
	must(t, err)
	defer resp.Body.Close()
	var answer struct{ CID string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || answer.CID == "" {
		t.Fatalf("POST /ipfs: %s, %v", resp.Status, err)
	}
	return answer.CID
}

// runClient runs a version of the package.
func runClient(t *testing.T, version, addr string, blocks []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "client.mjs", version, addr)
	cmd.Dir = filepath.FromSlash("testdata/clients")
	cmd.Stdin = bytes.NewReader(blocks)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	t.Logf("version %s:\n%s", version, stderr.Bytes())
	must(t, err)
	var got struct {
		Told         int
		Acknowledged map[string]struct{ Median, Slowest float64 } // in ms
		Scenarios    []string
	}
	must(t, json.Unmarshal(out, &got))
	for name, a := range got.Acknowledged {
		t.Logf("%s: acknowledged after %.1f ms, at most %.1f ms", name, a.Median, a.Slowest)
		if a.Slowest > 5000 {
			t.Errorf("%s: the client gives up after 5 s", name)
		}
	}
	if len(got.Scenarios) != 9 || got.Told != 4317 {
		t.Errorf("%+v", got)
	}
}
