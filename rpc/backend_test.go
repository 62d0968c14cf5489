package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

const addOne = `{"one": {"with": "./add-one.wasm", "args": [%d]}, "two": {"with": "./add-one.wasm", "args": [{"from": "one"}]}}`

const addOneDir = "../examples/add-one"

// TestBackend holds what a client says against what its node says itself.
func TestBackend(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	g := build(t, c, fmt.Sprintf(addOne, 1), addOneDir)

	var told recorder
	cold, err := c.Run(ctx, g, engine.Options{Listen: told.listen})
	if err != nil {
		t.Fatal(err)
	}
	two, _ := cold.Job("two")
	if cold.Status != engine.StatusOK || !two.Outcome.Value.Equal(ipld.Int(3)) || two.How != engine.Ran || cold.Time <= 0 {
		t.Fatalf("add-one came to %+v", cold)
	}
	kinds := map[engine.EventKind]int{}
	for i, ev := range told.all {
		kinds[ev.Kind]++
		if ev.Seq != uint64(i+1) || ev.Workflow != g.Link() {
			t.Errorf("event %d: %+v", i, ev)
		}
	}
	if diff := cmp.Diff(map[engine.EventKind]int{engine.WorkflowStarted: 1, engine.JobStarted: 2, engine.JobSettled: 2, engine.WorkflowEnded: 1}, kinds); diff != "" {
		t.Error(diff)
	}

	there, err := c.Run(ctx, g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	here, err := n.Run(ctx, g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	there.Time = here.Time
	if diff := cmp.Diff(here, there, equal); diff != "" {
		t.Errorf("Run, remembered:\n%s", diff)
	}
	same(t, "DID", func(b Backend) (any, error) { return b.DID(ctx) }, n, c)
	same(t, "Revoke", func(b Backend) (any, error) { return b.Revoke(ctx, []byte("revoke me")) }, n, c)
	if _, err := c.Revoke(ctx, []byte("nonsense")); err == nil || !strings.Contains(err.Error(), "not a revocation") {
		t.Errorf("Revoke of nonsense: %v", err)
	}
	same(t, "Revoked", func(b Backend) (any, error) { return b.Revoked(ctx, []byte("revoke me")) }, n, c)
	if _, err := c.Revoked(ctx, []byte("nonsense")); err == nil || !strings.Contains(err.Error(), "not a container") {
		t.Errorf("Revoked of nonsense: %v", err)
	}
	same(t, "Block", func(b Backend) (any, error) { return b.Block(ctx, two.Written.Link) }, n, c)
	same(t, "Block", func(b Backend) (any, error) { return b.Block(ctx, g.Link()) }, n, c)
	same(t, "Preview", func(b Backend) (any, error) { return b.Preview(ctx, g, engine.Options{}) }, n, c)
	other := build(t, n, fmt.Sprintf(addOne, 7), addOneDir)
	same(t, "Preview of another", func(b Backend) (any, error) { return b.Preview(ctx, other, engine.Options{}) }, n, c)
	same(t, "Standing", func(b Backend) (any, error) {
		return b.Standing(ctx, []task.ID{two.Task, two.Written, {Link: g.Link()}})
	}, n, c)
	same(t, "Standing of none", func(b Backend) (any, error) { return b.Standing(ctx, nil) }, n, c)
	same(t, "Receipts", func(b Backend) (any, error) { return links(b.Receipts(ctx, two.Task)) }, n, c)
	same(t, "Receipts of none", func(b Backend) (any, error) { return links(b.Receipts(ctx, task.ID{Link: g.Link()})) }, n, c)
	same(t, "Scan", func(b Backend) (any, error) { return scanned(ctx, b, 10) }, n, c)
	same(t, "Scan of one", func(b Backend) (any, error) { return scanned(ctx, b, 1) }, n, c)
	ran, err := n.Receipts(ctx, two.Task)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "Rerun", func(b Backend) (any, error) {
		a, err := b.Rerun(ctx, ran[0], time.Minute)
		return []any{a.Verdict, a.Why, a.Kept}, err
	}, n, c)
	lie := ran[0].Receipt
	lie.Out.Value, lie.Gas = ipld.Int(4), 1
	lied, err := receipt.Issue(n.key, lie)
	if err != nil {
		t.Fatal(err)
	}
	if a, err := c.Rerun(ctx, lied, time.Minute); err != nil || a.Verdict != engine.Different || !a.Now.Out.Value.Equal(ipld.Int(3)) || a.Now.Gas != ran[0].Gas || a.Kept != ran[0].Link() {
		t.Errorf("Rerun of a lie: %+v, %v", a, err)
	}
	note := engine.Note{Message: "it went well", Log: []engine.LogLine{{Level: "info", Context: "test", Message: "hello"}}}
	data, _, err := ipld.Encode(note.Value())
	if err == nil {
		err = n.store.PutNote("task", two.Task.Key(), data)
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Note(ctx, two.Task); err != nil || !cmp.Equal(got, note, equal) {
		t.Errorf("Note: %v, %v", got, err)
	}
	same(t, "Note of none", func(b Backend) (any, error) { return b.Note(ctx, task.ID{Link: g.Link()}) }, n, c)
	call, err := g.Step(0).Task.Call()
	if err != nil {
		t.Fatal(err)
	}
	code, _ := call.Module.AsLink()
	for _, link := range []ipld.Link{code, two.Written.Link, ipld.LinkOf(ipld.CodecRaw, []byte("no module"))} {
		same(t, "Module", func(b Backend) (any, error) {
			about, failure, err := b.Module(ctx, link)
			return []any{about.Interface.Value(), about.MaxMemory, failure}, err
		}, n, c)
	}
}

// That a failure was taken care of shows at the end, and reaches a guest too.
func TestHandled(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	g := build(t, n, `{"a": {"with": "./add-one.wasm", "args": [1], "gas": 1, "on": {"error": ["b"]}}, "b": {"with": "./add-one.wasm", "args": [1]}}`, addOneDir)
	report, err := c.Run(bounded(t), g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if a, _ := report.Job("a"); !a.Handled || report.Status != engine.StatusOK {
		t.Errorf("%+v", report)
	}
}

// The identifiers of a foreign dialect, which are not in the normal form of a
// document, reach the node: it knows its tasks by them.
func TestInstructions(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	call, err := build(t, n, fmt.Sprintf(addOne, 1), addOneDir).Step(0).Task.Call()
	if err != nil {
		t.Fatal(err)
	}
	module, _ := call.Module.AsLink()
	g := build(t, n, fmt.Sprintf(`{"tasks": [{"run": {"rsc": "ipfs://%s", "op": "wasm/run", "input": {"func": "add-one", "args": [5]}, "nnc": ""}, "meta": {}, "prf": []}]}`, module), addOneDir)
	ids := []task.ID{{Link: g.Step(0).Job.Instruction}}
	for _, want := range []engine.Standing{engine.Unknown, engine.Settled} {
		got, err := c.Standing(ctx, ids)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]engine.Standing{want}, got); diff != "" {
			t.Error(diff)
		}
		if _, err := c.Run(ctx, g, engine.Options{}); err != nil {
			t.Fatal(err)
		}
	}
}

// same runs ask against both backends.
func same(t *testing.T, what string, ask func(Backend) (any, error), here, there Backend) {
	t.Helper()
	want, err := ask(here)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		t.Fatalf("%s here: %v", what, err)
	}
	got, err2 := ask(there)
	if fmt.Sprint(err) != fmt.Sprint(err2) || errors.Is(err, store.ErrNotFound) != errors.Is(err2, store.ErrNotFound) {
		t.Fatalf("%s: %v here, %v there", what, err, err2)
	}
	if diff := cmp.Diff(want, got, equal); diff != "" {
		t.Errorf("%s:\n%s", what, diff)
	}
}

func links(all []*receipt.Signed, err error) ([]ipld.Link, error) {
	var links []ipld.Link
	for _, r := range all {
		links = append(links, r.Link())
	}
	return links, err
}

func scanned(ctx context.Context, b Backend, most int) ([]ipld.Link, error) {
	var all []*receipt.Signed
	err := b.Scan(ctx, func(r *receipt.Signed) bool {
		all = append(all, r)
		return len(all) < most
	})
	if len(all) == 0 {
		return nil, errors.New("nothing scanned")
	}
	return links(all, err)
}
