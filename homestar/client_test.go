package homestar_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/homestar"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"

	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// slow never comes to an end.
const slow = `(component
  (core module $m (func (export "spin") (param i32) (result i32) (loop $l (br $l)) unreachable))
  (core instance $i (instantiate $m))
  (func (export "spin") (param "x" s32) (result s32) (canon lift (core func $i "spin"))))`

// TestPeer has both versions of the npm package run all that they can do: see
// testdata/clients/client.mjs.
func TestPeer(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat(filepath.FromSlash("testdata/clients/node_modules/homestar-2")); err != nil {
		t.Skip("NOT TESTED: the clients are not here; they come with: make homestar-clients")
	}
	for _, version := range []string{"1", "2"} {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			b := newBench(t, homestar.Config{})
			picture, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), "thumbnail/picture.png"))
			must(t, err)
			modules, err := json.Marshal(map[string]string{
				"addOne": b.module(t, "add-one/add-one.wasm").String(), "image": b.module(t, "thumbnail/image.wasm").String(),
				"picture": b.engine.Import(t, picture).String(), "slow": b.engine.Import(t, wasmtest.Compile(t, slow)).String(),
			})
			must(t, err)
			control := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if _, err := b.Cancel(r.Context(), b.last(t)); err != nil {
					t.Error(err)
				}
			}))
			defer control.Close()
			runClient(t, version, "ws"+strings.TrimPrefix(b.server.URL, "http"), control.URL, modules)
		})
	}
}

// runClient runs a version of the package.
func runClient(t *testing.T, version, url, control string, modules []byte) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "node", "client.mjs", version, url, control)
	cmd.Dir = filepath.FromSlash("testdata/clients")
	cmd.Stdin = bytes.NewReader(modules)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	t.Logf("version %s:\n%s", version, stderr.Bytes())
	if err != nil {
		t.Fatal(err)
	}
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
