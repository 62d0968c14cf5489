package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func sum(module ipld.Link, n int) client.Document {
	return client.Document{Name: "sum.yaml", Data: fmt.Appendf(nil, "a: {with: %[1]s, args: [%[2]d]}\nb: {with: %[1]s, args: [{from: a}]}\n", module, n)}
}

// From a file to a receipt.
func TestWorkflow(t *testing.T) {
	t.Parallel()
	c := dial(t)
	ctx := t.Context()
	d := sum(upload(t, c, "add-one/add-one.wasm"), 1)
	run, err := c.Submit(ctx, d, client.Submission{KeepGoing: true, Priority: "low"})
	must(t, err)
	again, err := c.Wait(ctx, run.Workflow)
	must(t, err)
	if again.State != client.OK || again.Workflow != run.Workflow || again.Jobs != 2 || again.Settled != 2 || !again.KeepGoing || again.Priority != "low" || again.Ended.Before(again.Accepted) {
		t.Errorf("%+v", again)
	}
	jobs, err := c.Jobs(ctx, run.Workflow)
	must(t, err)
	expect(t, "jobs", len(jobs), 2)
	b := jobs[1]
	if b.Label != "b" || b.Status != "ok" || b.How != "ran" || !b.HasValue || !b.Value.Equal(ipld.Int(3)) || b.Gas == 0 {
		t.Errorf("%+v", b)
	}
	out, signed, err := c.Outcome(ctx, &b)
	must(t, err)
	if !out.Value.Equal(ipld.Int(3)) || signed.Executor != c.Node().DID || signed.Task != b.Task {
		t.Errorf("%+v of %+v", out, signed)
	}
	all, err := c.Receipts(ctx, b.Task)
	must(t, err)
	expect(t, "receipts", len(all), 1)
	none, err := c.Receipts(ctx, task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte("x"))})
	must(t, err)
	expect(t, "receipts of what never ran", len(none), 0)
	once, err := c.Submit(ctx, d, client.Submission{})
	must(t, err)
	expect(t, "the same workflow", once.Workflow, run.Workflow)
	_, err = c.Run(ctx, ipld.LinkOf(ipld.CodecDagCBOR, []byte("x")))
	if !errors.Is(err, client.NotFound) {
		t.Errorf("%v", err)
	}
	health, err := c.Health(ctx)
	must(t, err)
	expect(t, "health", health, c.Node())
	expect(t, "version", health.Version, "test")
}

// What is wrong with a document is told with its places.
func TestFaults(t *testing.T) {
	t.Parallel()
	c := dial(t)
	_, err := c.Submit(t.Context(), client.Document{Name: "bad.yaml", Data: []byte("a: {wiht: x}\n"), Type: "application/yaml"}, client.Submission{})
	var faults workflow.FaultList
	if !errors.As(err, &faults) || !errors.Is(err, client.Faults) || len(faults) != 1 || faults[0].Line != 1 || faults[0].Col != 5 || !strings.HasPrefix(err.Error(), "bad.yaml:1:5: /a/wiht: ") {
		t.Errorf("%#v", err)
	}
}

// Files that a document names by path are sent before it.
func TestFiles(t *testing.T) {
	t.Parallel()
	c := dial(t)
	module := upload(t, c, "add-one/add-one.wasm")
	d := client.Document{Data: []byte("a: {with: ./add.wasm, args: [1]}\n"), Type: "application/yaml", Files: map[string]ipld.Link{"./add.wasm": module}}
	run, err := c.Submit(t.Context(), d, client.Submission{})
	must(t, err)
	same, err := c.Submit(t.Context(), client.Document{Data: fmt.Appendf(nil, "a: {with: %s, args: [1]}\n", module)}, client.Submission{})
	must(t, err)
	expect(t, "workflow", run.Workflow, same.Workflow)
}

// A graph is known before it is sent.
func TestSubmitGraph(t *testing.T) {
	t.Parallel()
	c := dial(t)
	w, err := workflow.Parse(workflow.Source{Data: sum(upload(t, c, "add-one/add-one.wasm"), 5).Data})
	must(t, err)
	g, err := graph.Build(w, graph.Options{Owner: c.Node().DID})
	must(t, err)
	run, err := c.SubmitGraph(t.Context(), g, client.Submission{})
	must(t, err)
	expect(t, "workflow", run.Workflow, g.Link())
}

// Runs are told page after page.
func TestRuns(t *testing.T) {
	t.Parallel()
	c := dial(t)
	module := upload(t, c, "add-one/add-one.wasm")
	want := map[ipld.Link]bool{}
	for i := range 5 {
		run, err := c.Submit(t.Context(), sum(module, 10*i), client.Submission{})
		must(t, err)
		want[run.Workflow] = true
	}
	var all []ipld.Link
	small := open(t, proxy(t, c.URL(), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if q := r.URL.Query(); q.Has("limit") {
			q.Set("limit", "1")
			r.URL.RawQuery = q.Encode()
		}
		next.ServeHTTP(w, r)
	}))
	for run, err := range small.Runs(t.Context(), false) {
		must(t, err)
		all = append(all, run.Workflow)
		delete(want, run.Workflow)
	}
	if len(all) != 5 || len(want) != 0 {
		t.Errorf("%d workflows, not %v", len(all), want)
	}
	_, err := c.Wait(t.Context(), all[0])
	must(t, err)
	jobs, err := small.Jobs(t.Context(), all[0])
	must(t, err)
	expect(t, "jobs", len(jobs), 2)
}

// endless is a workflow that runs until somebody ends it.
func endless(t *testing.T, c *client.Client) client.Document {
	t.Helper()
	module, err := c.Upload(t.Context(), wasmtest.Compile(t, `(module (func (export "spin") (param i32) (result i32) (loop (br 0)) (i32.const 0)))`))
	must(t, err)
	return client.Document{Data: fmt.Appendf(nil, "defaults: {gas: 1000000000000, time: 5m}\njobs:\n  spin: {with: %s, args: [1]}\n", module)}
}

// A workflow is suspended, resumed and cancelled.
func TestDirect(t *testing.T) {
	t.Parallel()
	c := dial(t)
	ctx := t.Context()
	run, err := c.Submit(ctx, endless(t, c), client.Submission{})
	must(t, err)
	for run, err := range c.Runs(ctx, true) {
		must(t, err)
		expect(t, "state", run.State, client.Running)
	}
	var waiting sync.WaitGroup
	waiting.Go(func() { // a suspended workflow ends the waiting
		if run, err := c.Wait(ctx, run.Workflow); err != nil || run.State == client.Cancelled {
			t.Errorf("%+v, %v", run, err)
		}
	})
	for _, step := range []struct {
		do   func() (client.Run, error)
		want client.State
	}{
		{func() (client.Run, error) { return c.Suspend(ctx, run.Workflow) }, client.Suspended},
		{func() (client.Run, error) { waiting.Wait(); return c.Resume(ctx, run.Workflow) }, client.Running},
		{func() (client.Run, error) { return c.Cancel(ctx, run.Workflow) }, client.Cancelled},
	} {
		run, err := step.do()
		must(t, err)
		expect(t, "state", run.State, step.want)
	}
	if _, err := c.Cancel(ctx, run.Workflow); !errors.Is(err, client.Conflict) {
		t.Errorf("cancelled twice: %v", err)
	}
}

// A file of several blocks comes back as it was sent.
func TestContent(t *testing.T) {
	t.Parallel()
	c := dial(t)
	data := []byte(strings.Repeat("many blocks ", 50_000))
	link, err := c.Upload(t.Context(), data)
	must(t, err)
	got, err := c.File(t.Context(), link)
	must(t, err)
	expect(t, "the file", string(got) == string(data), true)
	b := ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, []byte("b")), Data: []byte("b")}
	has, err := c.Has(t.Context(), b.Link)
	expect(t, "has", has, false)
	must(t, err)
	must(t, c.PutBlock(t.Context(), b))
	has, err = c.Has(t.Context(), b.Link)
	expect(t, "has", has, true)
	must(t, err)
	b.Data = []byte("c")
	if err := c.PutBlock(t.Context(), b); !errors.Is(err, ipld.ErrMismatch) {
		t.Errorf("%v", err)
	}
	if _, err := c.Block(t.Context(), ipld.LinkOf(ipld.CodecRaw, []byte("d"))); !errors.Is(err, client.NotFound) {
		t.Errorf("%v", err)
	}
	if _, err := c.Upload(t.Context(), make([]byte, client.MaxFile+1)); err == nil {
		t.Error("a file that is too large")
	}
}
