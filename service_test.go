package ipvm_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
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

// Who submits without authority sees nothing of what the owner has, nor what the
// owner had run, and the owner is not asked what it remembers for them.
func TestServeKeepsApart(t *testing.T) {
	t.Parallel()
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
	ask := func(method, path string, body string) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+service.Addr()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/yaml")
		if strings.HasPrefix(path, "/ipfs") {
			req.Header.Set("Content-Type", "application/vnd.ipld.raw")
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
	module, err := node.Import(t.Context(), "examples/add-one/add-one.wasm")
	if err != nil {
		t.Fatal(err)
	}
	document := fmt.Sprintf("a: {with: %s, args: [41]}", module)
	w, err := node.Read(t.Context(), "", strings.NewReader(document), "")
	if err != nil {
		t.Fatal(err)
	}
	report, err := node.Run(t.Context(), w, ipvm.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	mine, err := node.Submit(t.Context(), w, runs.Options{})
	if err != nil {
		t.Fatal(err)
	}

	// The owner's module, results and runs are not there.
	expect("the module", ask("GET", "/ipfs/"+module.String()+"?format=raw", ""), "404 ")
	expect("a receipt", ask("GET", "/v1/receipts/"+report.Jobs[0].Task.String(), ""), "404 ")
	expect("a run", ask("GET", "/v1/workflows/"+mine.Workflow.String(), ""), "404 ")
	expect("another's end", ask("DELETE", "/v1/workflows/"+mine.Workflow.String(), ""), "404 ")
	expect("a document", ask("POST", "/v1/workflows?wait", document), "not shared by `ipvm block share`")
	expect("the list", ask("GET", "/v1/workflows", ""), `"workflows":[]`)

	// What they bring themselves they have, and what is shared.
	code, err := os.ReadFile("examples/add-one/add-one.wasm")
	if err != nil {
		t.Fatal(err)
	}
	expect("their own file", ask("PUT", "/ipfs/"+module.String(), string(code)), "201 ")
	expect("what the owner remembers", ask("POST", "/v1/workflows?wait", document), `"how":"ran"`)
	expect("what they do", ask("POST", "/v1/workflows?wait", document), `"how":"remembered"`)
	expect("their list", ask("GET", "/v1/workflows", ""), mine.Workflow.String())
	file := ipld.LinkOf(ipld.CodecRaw, []byte("of the owner"))
	if err := node.Backend().PutBlocks(t.Context(), []ipld.Block{{Link: file, Data: []byte("of the owner")}}); err != nil {
		t.Fatal(err)
	}
	expect("before it is shared", ask("GET", "/ipfs/"+file.String()+"?format=raw", ""), "404 ")
	if err := node.Backend().Share(t.Context(), file); err != nil {
		t.Fatal(err)
	}
	expect("after", ask("GET", "/ipfs/"+file.String()+"?format=raw", ""), "200 of the owner")

	// The owner sees who had what.
	var whom []string
	if err := node.Backend().Runs(t.Context(), runs.Query{}, func(r runs.Run) bool {
		whom = append(whom, string(r.For))
		return true
	}); err != nil || len(whom) != 2 || !slices.Contains(whom, "") || !slices.Contains(whom, "anyone") {
		t.Errorf("runs for %q, %v", whom, err)
	}
}
