package ipvm

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// zeros returns so many bytes; spin counts down from a number.
const zerosModule = `(component
  (core module $m
    (memory (export "memory") 32)
    (func (export "spin") (param i64) (result i32)
      (loop $l (br_if $l (i64.ne (local.tee 0 (i64.sub (local.get 0) (i64.const 1))) (i64.const 0))))
      (i32.const 7))
    (func (export "zeros") (param i32) (result i32)
      (i32.store (i32.const 0) (i32.const 16))
      (i32.store (i32.const 4) (local.get 0))
      (i32.const 0)))
  (core instance $i (instantiate $m))
  (alias core export $i "memory" (core memory $mem))
  (func (export "spin") (param "n" u64) (result u32) (canon lift (core func $i "spin")))
  (func (export "zeros") (param "n" u32) (result (list u8)) (canon lift (core func $i "zeros") (memory $mem))))`

// endless is a call of that module which goes on until it is given up.
const endless = "func: spin, args: [1000000000000000], gas: 1000000000000000000, time: 1h"

// open is a node that is open to anyone, and its clock.
type open struct {
	*testing.T
	node   *Node
	own    *owner
	base   string
	module ipld.Link
	later  atomic.Int64
}

func newOpen(t *testing.T, o Options) *open {
	t.Helper()
	n := newQuiet(t, o)
	s, err := n.node.Serve(t.Context(), ServeOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	n.base = "http://" + s.Addr()
	code := wasmtest.Compile(t, zerosModule)
	n.module = ipld.LinkOf(ipld.CodecRaw, code)
	if err := n.own.PutBlocks(t.Context(), []ipld.Block{{Link: n.module, Data: code}}); err != nil {
		t.Fatal(err)
	}
	if err := n.own.Share(t.Context(), n.module); err != nil {
		t.Fatal(err)
	}
	return n
}

// newQuiet is such a node that does not serve: nothing is looked at unless the test does.
func newQuiet(t *testing.T, o Options) *open {
	t.Helper()
	n := &open{T: t}
	o.Now = func() time.Time { return time.Now().Add(time.Duration(n.later.Load())) }
	var err error
	if n.node, err = Open(t.TempDir(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.node.Close() })
	own, ok := n.node.current().(*owner)
	if !ok {
		t.Fatal("the node has another owner")
	}
	n.own = own
	return n
}

// ask has anyone ask for something.
func (n *open) ask(method, path, body string) (status int, answer string) {
	n.Helper()
	req, err := http.NewRequestWithContext(n.Context(), method, n.base+path, strings.NewReader(body))
	if err != nil {
		n.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/yaml")
	if method == http.MethodPut {
		req.Header.Set("Content-Type", "application/vnd.ipld.raw")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		n.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		n.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

// zeros is a workflow with a result of so many bytes.
func (n *open) zeros(bytes int) string {
	return fmt.Sprintf("a: {with: %s, func: zeros, args: [%d]}", n.module, bytes)
}

// run has anyone run a workflow, and tells how its job was settled, with its value.
func (n *open) run(document string) (how string, value json.RawMessage) {
	n.Helper()
	status, answer := n.ask("POST", "/v1/workflows?wait", document)
	var out struct {
		Jobs []struct {
			How   string
			Value json.RawMessage
		}
	}
	if err := json.Unmarshal([]byte(answer), &out); err != nil || status != http.StatusOK {
		n.Fatalf("%d %.500s, %v", status, answer, err)
	}
	return out.Jobs[0].How, out.Jobs[0].Value
}

func (n *open) look() {
	n.Helper()
	if err := n.own.quota.look(n.Context()); err != nil {
		n.Fatal(err)
	}
}

// filesIn are the files in a folder of the state directory, by name there, with how long
// they are.
func (n *open) filesIn(folder string) map[string]uint64 {
	n.Helper()
	all := make(map[string]uint64)
	err := filepath.WalkDir(filepath.Join(n.node.Dir(), folder), func(path string, e fs.DirEntry, err error) error {
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err == nil {
			path, err = filepath.Rel(n.node.Dir(), path)
			all[path] = uint64(info.Size())
		}
		return err
	})
	if err != nil {
		n.Fatal(err)
	}
	return all
}

// sizeOf is how much the files in a folder of the state directory take.
func (n *open) sizeOf(folder string) (size uint64) {
	n.Helper()
	for _, bytes := range n.filesIn(folder) {
		size += bytes
	}
	return size
}

// Whoever floods a node that is open to anyone loses what it had run first. The folder
// stays within its bound, the owner's results stay, and what anyone still has is whole.
func TestFlood(t *testing.T) {
	t.Parallel()
	const quota, slack = 4 << 20, 8 << 20 // the slack is the database's own log
	n := newOpen(t, Options{GuestQuota: quota, StoreQuota: quota})
	w, err := n.node.Read(t.Context(), "", strings.NewReader(n.zeros(500_000)), "")
	if err != nil {
		t.Fatal(err)
	}
	mine, err := n.node.Run(t.Context(), w, RunOptions{})
	if err != nil || mine.Status != engine.StatusOK {
		t.Fatal(mine, err)
	}
	const runsInAll = 150
	refused := 0
	for i := range runsInAll {
		status, answer := n.ask("POST", "/v1/workflows?wait", n.zeros(200_000+i))
		switch status {
		case http.StatusOK:
		case http.StatusInsufficientStorage:
			refused++
		default:
			t.Fatalf("%d %s", status, answer)
		}
		if i%2 == 1 {
			n.later.Add(int64(20 * time.Minute))
			n.look()
		}
		if size := n.sizeOf(GuestsDir); size > quota+slack {
			t.Fatalf("after %d runs the rooms hold %d bytes", i, size)
		}
	}
	if refused > runsInAll/10 {
		t.Errorf("%d of %d were refused", refused, runsInAll)
	}
	if how, _ := n.run(n.zeros(200_000)); how != "ran" {
		t.Errorf("the first: %s", how)
	}
	how, value := n.run(n.zeros(200_000 + runsInAll - 1))
	var at struct {
		Link string `json:"/"`
	}
	if err := json.Unmarshal(value, &at); err != nil || how != "remembered" {
		t.Errorf("the last: %s, %s, %v", how, value, err)
	}
	if status, data := n.ask("GET", "/ipfs/"+at.Link+"?format=raw", ""); status != http.StatusOK || len(data) != 200_000+runsInAll-1 {
		t.Errorf("the last is not whole: %d, %d bytes", status, len(data))
	}
	again, err := n.node.Run(t.Context(), w, RunOptions{})
	if err != nil || again.Jobs[0].How != engine.Remembered {
		t.Errorf("the owner's result: %+v, %v", again.Jobs[0], err)
	}
}

// What one sends or has run too fast for anything to go yet is refused, and the others
// are not.
func TestFloodInNoTime(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{GuestQuota: 1 << 20})
	n.look()
	for i := range 2 {
		if status, answer := n.ask("PUT", "/ipfs/"+putOf(i).Link.String(), string(putOf(i).Data)); status != http.StatusCreated {
			t.Fatalf("%d %s", status, answer)
		}
	}
	if status, answer := n.ask("PUT", "/ipfs/"+putOf(2).Link.String(), string(putOf(2).Data)); status != http.StatusInsufficientStorage || !strings.Contains(answer, "guest-quota") {
		t.Errorf("a file too many: %d %s", status, answer)
	}
	if status, answer := n.ask("POST", "/v1/workflows", n.zeros(10)); status != http.StatusInsufficientStorage {
		t.Errorf("a workflow too many: %d %s", status, answer)
	}
	w, err := n.node.Read(t.Context(), "", strings.NewReader(n.zeros(100_000)), "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.node.Submit(t.Context(), w, runs.Options{}); err != nil {
		t.Errorf("the owner: %v", err)
	}
	for range 2 { // the node may have been looking at that moment
		n.later.Add(int64(time.Hour))
		n.look()
	}
	if status, answer := n.ask("POST", "/v1/workflows", n.zeros(10)); status != http.StatusAccepted && status != http.StatusCreated {
		t.Errorf("an hour later: %d %s", status, answer)
	}
	left := 0
	for i := range 2 {
		ok, err := n.own.store.Has(putOf(i).Link)
		if err != nil {
			t.Fatal(err)
		}
		if ok {
			left++
		}
	}
	if left > 1 {
		t.Error("nothing went")
	}
}

// putOf is the n-th of the blocks that somebody sends.
func putOf(n int) ipld.Block {
	data := make([]byte, 500_000)
	data[0] = byte(n)
	return ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, data), Data: data}
}

// A workflow of somebody else that has not ended keeps what it came to so far, in
// progress and suspended.
func TestCollectionDuringAGuestsRun(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{GuestQuota: 1 << 20, Workers: 1})
	document := fmt.Sprintf(`
first: {with: %[1]s, func: zeros, args: [300000]}
second: {with: %[1]s, %[2]s, await: [first]}`, n.module, endless)
	status, answer := n.ask("POST", "/v1/workflows", document)
	var sent struct{ Workflow string }
	if err := json.Unmarshal([]byte(answer), &sent); err != nil || status != http.StatusAccepted {
		t.Fatal(status, answer, err)
	}
	link, err := ipld.ParseLink(sent.Workflow)
	if err != nil {
		t.Fatal(err)
	}
	id := runs.ID{Workflow: link, For: engine.Anyone}
	kept := func(what string) {
		t.Helper()
		n.later.Add(int64(24 * time.Hour))
		if _, err := n.own.Collect(t.Context(), store.Collection{Bounded: true}); err != nil {
			t.Fatal(err)
		}
		jobs, err := n.own.runs.Jobs(id)
		if what == "suspended" {
			return
		}
		if err != nil || len(jobs) == 0 {
			t.Fatal(what, jobs, err)
		}
		view, err := n.own.View(engine.Anyone)
		if err != nil {
			t.Fatal(err)
		}
		if all, err := view.Receipts(jobs[0].Task); err != nil || len(all) != 1 {
			t.Errorf("%s: %d receipts, %v", what, len(all), err)
		}
	}
	for ev := range watch(t, n.own.runs, id) {
		if ev.Kind == runs.JobSettled {
			break
		}
	}
	kept("in progress")
	if _, err := n.own.runs.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	kept("suspended")
	if _, err := n.own.runs.Resume(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for ev := range watch(t, n.own.runs, id) {
		if ev.Kind == runs.JobSettled {
			if ev.Job.Label == "first" && ev.Job.How != engine.Remembered {
				t.Errorf("after it was resumed: %s", ev.Job.How)
			}
			break
		}
	}
	if _, err := n.own.runs.Cancel(t.Context(), id); err != nil {
		t.Fatal(err)
	}
}

// watch are the events of a run.
func watch(t *testing.T, k *runs.Keeper, id runs.ID) func(func(runs.Event) bool) {
	return func(yield func(runs.Event) bool) {
		if err := k.Watch(t.Context(), id, runs.Position{}, yield); err != nil {
			t.Error(err)
		}
	}
}

// A flood of one takes nothing from another who has little, nor from the owner.
func TestFloodOfOneAmongOthers(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{GuestQuota: 2 << 20})
	n.own.quota.close() // it looks when this test says so
	fill := func(who did.DID, from, to int) {
		t.Helper()
		v, err := n.own.rooms.open(engine.Room{Guest: who})
		if err != nil {
			t.Fatal(err)
		}
		for i := from; i < to; i++ {
			if err := v.Put(secret.New(store.Batch{Blocks: []ipld.Block{putOf(i)}})); err != nil {
				t.Fatal(err)
			}
			n.later.Add(int64(time.Hour))
		}
	}
	fill("did:key:little", 0, 1) // which lies longest
	fill("did:key:much", 1, 20)
	n.look()
	has := func(who did.DID, i int) bool {
		t.Helper()
		v, err := n.own.rooms.of(who)
		if err != nil {
			t.Fatal(err)
		}
		ok, err := v.Has(putOf(i).Link)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if !has("did:key:little", 0) {
		t.Error("who had little lost it")
	}
	if has("did:key:much", 1) || !has("did:key:much", 19) {
		t.Error("who had much did not lose what lay longest")
	}
	if ok, err := n.own.store.Has(n.module); err != nil || !ok {
		t.Errorf("the owner's module: %t, %v", ok, err)
	}
}
