package ipvm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm"
)

// TestServe asks a node over HTTP in both of its languages.
func TestServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	node, err := ipvm.Open(dir, ipvm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	service, err := node.Serve(t.Context(), ipvm.ServeOptions{Listen: "127.0.0.1:0", Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	base := "http://" + service.Addr()
	ask := func(method, path, kind string, body []byte) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, base+path, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if kind != "" {
			req.Header.Set("Content-Type", kind)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		return fmt.Sprintf("%d %s", resp.StatusCode, data)
	}
	expect := func(what, got, want string) {
		t.Helper()
		if !strings.Contains(got, want) {
			t.Errorf("%s: %.600s\nexpected %s", what, got, want)
		}
	}
	code, err := os.ReadFile("examples/add-one/add-one.wasm")
	if err != nil {
		t.Fatal(err)
	}
	answer := ask("POST", "/ipfs", "", code)
	var put struct{ CID string }
	if _, object, _ := strings.Cut(answer, " "); json.Unmarshal([]byte(object), &put) != nil || put.CID == "" {
		t.Fatal(answer)
	}
	document := func(job string) []byte { return []byte(strings.ReplaceAll(job, "MODULE", put.CID)) }
	const yaml = "application/yaml"
	expect("a workflow", ask("POST", "/v1/workflows?wait", yaml, document("a: {with: MODULE, args: [41]}")), `"value":42`)
	expect("what can not be called", ask("POST", "/v1/workflows", yaml, document("a: {with: MODULE, args: [x]}")), `422 `)
	expect("an effect", ask("POST", "/v1/workflows", yaml, []byte("a: {with: https://example.com, do: crud/update}")), "a workflow with effects needs a nonce")
	expect("a secret", ask("POST", "/v1/workflows", yaml, document("a: {with: MODULE, args: [41], secret: true}")), "403 ")
	expect("health", ask("GET", "/health", "", nil), `"healthy":true`)
	expect("a method of Homestar", ask("POST", "/", "application/json", []byte(`{"jsonrpc":"2.0","id":1,"method":"health","params":[]}`)), `"peer_id"`)
	expect("no such path", ask("GET", "/v1/nothing", "", nil), "404 ")

	if _, err := node.Serve(t.Context(), ipvm.ServeOptions{Listen: "0.0.0.0:0"}); err == nil {
		t.Error("it listens to everybody")
	}
	guest, err := ipvm.Open(dir, ipvm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer guest.Close()
	if _, err := guest.Serve(t.Context(), ipvm.ServeOptions{}); !errors.Is(err, ipvm.ErrGuest) {
		t.Errorf("a guest serves: %v", err)
	}
}
