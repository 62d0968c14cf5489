package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/workflow"
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

// TestReport shows that each field of a report arrives, jobs in their places.
func TestReport(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	want := filled[engine.Report](t)[1]
	want.Workflow = g.Link()
	for i := range want.Jobs {
		want.Jobs[i].Label = g.Label(i)
		normal(&want.Jobs[i].Outcome)
	}
	b := &double{run: func(_ context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		if !o.KeepGoing {
			return nil, errors.New("the option got lost")
		}
		for i, k := range []int{1, 0} { // settled in another order than the graph's
			o.Listen(engine.Event{Kind: engine.JobSettled, Workflow: g.Link(), Seq: uint64(i + 1), Label: want.Jobs[k].Label, Job: &want.Jobs[k]})
		}
		return &want, nil
	}}
	_, c := serve(t, b)
	got, err := c.Run(bounded(t), g, engine.Options{KeepGoing: true})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&want, got, equal); diff != "" {
		t.Error(diff)
	}
}

// TestAnswersThatMakeNoSense shows that a client does not take a report on
// trust, nor for a broken connection.
func TestAnswersThatMakeNoSense(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	settled := func(seq uint64, label string) engine.Event {
		return engine.Event{Kind: engine.JobSettled, Workflow: g.Link(), Seq: seq, Label: label, Job: &engine.JobReport{Label: label}}
	}
	ended := &engine.Report{Workflow: g.Link(), Status: engine.StatusOK}
	elsewhere := settled(1, "a")
	elsewhere.Workflow = ipld.LinkOf(ipld.CodecDagCBOR, nil)
	mislabelled := settled(1, "a")
	mislabelled.Job.Label = "b"
	empty := settled(1, "a")
	empty.Job = nil
	for _, test := range []struct {
		name   string
		events []engine.Event
		report *engine.Report
		want   string
	}{
		{"a job is missing", []engine.Event{settled(1, "a")}, ended, "only 1 of 2 jobs settled"},
		{"a job twice", []engine.Event{settled(1, "a"), settled(2, "a")}, ended, `job "a" settled twice`},
		{"an unknown job", []engine.Event{settled(1, "c")}, ended, `job "c" of another workflow`},
		{"two labels", []engine.Event{mislabelled}, ended, `job "a" of another workflow`},
		{"no job", []engine.Event{empty}, ended, `job "a" of another workflow`},
		{"a gap", []engine.Event{settled(1, "a"), settled(3, "b")}, ended, "number 3 where 2 comes next"},
		{"another workflow", []engine.Event{elsewhere}, ended, "of workflow"},
		{"a report of another workflow", []engine.Event{settled(1, "a"), settled(2, "b")}, &engine.Report{}, "of workflow"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, c := serve(t, &double{run: func(_ context.Context, _ *graph.Graph, o engine.Options) (*engine.Report, error) {
				for _, ev := range test.events {
					o.Listen(ev)
				}
				return test.report, nil
			}})
			report, err := c.Run(bounded(t), g, engine.Options{})
			if report != nil || !errors.Is(err, errAnswer) || errors.Is(err, ErrGone) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, %v", report, err)
			}
		})
	}
}

// TestInlineBlocks shows that large bytes of the document travel with it,
// however many there are.
func TestInlineBlocks(t *testing.T) {
	t.Parallel()
	for name, count := range map[string]int{"few": 2, "many": 60} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var jobs []string
			for i := range count {
				data := ipld.Bytes([]byte(strings.Repeat(fmt.Sprintf("%05d", i), 40<<10)))
				jobs = append(jobs, fmt.Sprintf(`"j%d": {"with": %s, "func": "f", "args": [%s]}`, i, module, data))
			}
			g := build(t, nil, "{"+strings.Join(jobs, ",")+"}", "")
			if (size(g.Blocks()) > putBytes) != (name == "many") {
				t.Fatalf("%d bytes are not %s", size(g.Blocks()), name)
			}
			got := map[ipld.Link]bool{}
			ran, calls := false, 0
			_, c := serve(t, &double{
				putBlock: func(blocks []ipld.Block) error {
					if calls++; size(blocks) > putBytes {
						return fmt.Errorf("%d bytes at once", size(blocks))
					}
					for _, b := range blocks {
						got[b.Link] = b.Link.Verify(b.Data) == nil && !ran
					}
					return nil
				},
				run: func(context.Context, *graph.Graph, engine.Options) (*engine.Report, error) {
					ran = true
					return nil, errors.New("enough")
				},
			})
			if _, err := c.Run(bounded(t), g, engine.Options{}); err == nil || err.Error() != "enough" {
				t.Fatal(err)
			}
			if (calls > 1) != (name == "many") {
				t.Errorf("%s blocks in %d calls", name, calls)
			}
			for _, b := range g.Blocks() {
				if !got[b.Link] {
					t.Fatalf("block %s is not there", b.Link)
				}
			}
		})
	}
}

// TestBlocks shows that blocks are verified on both sides.
func TestBlocks(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	var blocks []ipld.Block
	for i := range 50 {
		data := []byte(strings.Repeat(fmt.Sprint(i%10), 1<<20-i))
		blocks = append(blocks, ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, data), Data: data})
	}
	if err := c.PutBlocks(ctx, blocks); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		got, err := c.Block(ctx, b.Link)
		if err != nil || string(got) != string(b.Data) {
			t.Fatalf("block %s: %v", b.Link, err)
		}
	}
	wrong := slices.Clone(blocks[:2])
	wrong[1].Data = []byte("something else")
	if err := c.PutBlocks(ctx, wrong); !errors.Is(err, ipld.ErrMismatch) {
		t.Errorf("a wrong block: %v", err)
	}
	if err := c.PutBlocks(ctx, []ipld.Block{{Link: ipld.LinkOf(ipld.CodecRaw, make([]byte, maxBlock+1)), Data: make([]byte, maxBlock+1)}}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a block above the bound: %v", err)
	}
	_, liar := serve(t, &double{block: func(context.Context, ipld.Link) ([]byte, error) { return []byte("lie"), nil }})
	if _, err := liar.Block(ctx, blocks[0].Link); !errors.Is(err, ipld.ErrMismatch) || errors.Is(err, ErrGone) {
		t.Errorf("a lie: %v", err)
	}
}

// TestErrorsOfTheBackend shows that an error of the node stays one.
func TestErrorsOfTheBackend(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	signed := someReceipt(t)
	for _, test := range []struct {
		err  error
		gone bool
	}{
		{err: fmt.Errorf("the block: %w", store.ErrNotFound)},
		{err: errors.New("the disk is on fire")},
		{err: context.Canceled},
		{err: workflow.FaultList{{Msg: "bad"}}},
		{err: engine.ErrClosed, gone: true},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			t.Parallel()
			started := false
			_, c := serve(t, &double{
				block: func(context.Context, ipld.Link) ([]byte, error) { return nil, test.err },
				run: func(_ context.Context, _ *graph.Graph, o engine.Options) (*engine.Report, error) {
					if started = !started; !started {
						o.Listen(engine.Event{Kind: engine.WorkflowStarted, Workflow: g.Link(), Seq: 1})
					}
					return nil, test.err
				},
				preview: func(*graph.Graph) ([]engine.Forecast, error) { return nil, test.err },
				module:  func() (engine.ModuleInfo, *task.Failure, error) { return engine.ModuleInfo{}, nil, test.err },
				scan: func(_ context.Context, yield func(*receipt.Signed) bool) error {
					yield(signed)
					return test.err
				},
			})
			ctx := bounded(t)
			for what, ask := range map[string]func() error{
				"Block": func() error { _, err := c.Block(ctx, g.Link()); return err },
				"Run": func() error {
					if _, err := c.Run(ctx, g, engine.Options{}); err == nil || err.Error() != test.err.Error() {
						return err
					}
					_, err := c.Run(ctx, g, engine.Options{}) // after its first event
					return err
				},
				"Preview": func() error { _, err := c.Preview(ctx, g, engine.Options{}); return err },
				"Module":  func() error { _, _, err := c.Module(ctx, g.Link()); return err },
				"Scan":    func() error { return c.Scan(ctx, func(*receipt.Signed) bool { return true }) },
			} {
				err := ask()
				if err == nil || err.Error() != test.err.Error() || errors.Is(err, ErrGone) != test.gone {
					t.Errorf("%s: %v", what, err)
				}
			}
		})
	}
}

// TestNoEncoding shows a run that ends because it can not be told of.
func TestNoEncoding(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	_, c := serve(t, &double{run: func(ctx context.Context, _ *graph.Graph, o engine.Options) (*engine.Report, error) {
		o.Listen(engine.Event{Kind: engine.WorkflowStarted, Workflow: g.Link(), Seq: 1})
		job := engine.JobReport{Label: "a", Outcome: task.Outcome{Value: ipld.String("\xff")}}
		o.Listen(engine.Event{Kind: engine.JobSettled, Workflow: g.Link(), Seq: 2, Label: "a", Job: &job})
		<-ctx.Done()
		return &engine.Report{Workflow: g.Link(), Status: engine.StatusCancelled}, nil
	}})
	if _, err := c.Run(bounded(t), g, engine.Options{}); err == nil || errors.Is(err, ErrGone) || !strings.Contains(err.Error(), ipld.ErrNotUTF8.Error()) {
		t.Error(err)
	}
}

func TestPanicOfTheBackend(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	started := false
	_, c := serve(t, &double{run: func(_ context.Context, _ *graph.Graph, o engine.Options) (*engine.Report, error) {
		if started = !started; !started {
			o.Listen(engine.Event{Kind: engine.WorkflowStarted, Workflow: g.Link(), Seq: 1})
		}
		panic("out of cheese")
	}})
	for range 2 {
		if _, err := c.Run(bounded(t), g, engine.Options{}); !errors.Is(err, errPanic) || errors.Is(err, ErrGone) || !strings.Contains(err.Error(), "cheese") {
			t.Error(err)
		}
	}
}

// someReceipt is a receipt of add-one.
func someReceipt(t *testing.T) *receipt.Signed {
	t.Helper()
	n := newNode(t)
	g := build(t, n, fmt.Sprintf(addOne, 1), addOneDir)
	report, err := n.Run(bounded(t), g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	all, err := n.Receipts(bounded(t), report.Jobs[0].Task)
	if err != nil || len(all) != 1 {
		t.Fatal(len(all), err)
	}
	return all[0]
}

// TestCancel shows that a cancelled run reports, as it does without a socket.
func TestCancel(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	g := build(t, n, fmt.Sprintf(addOne, 5), addOneDir)
	ctx, cancel := context.WithCancel(bounded(t))
	cancel()
	want, err := n.Run(ctx, g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got, err := c.Run(ctx, g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want.Status != engine.StatusCancelled {
		t.Errorf("%s here", want.Status)
	}
	if got.Status != want.Status && got.Status != engine.StatusOK { // it was done before the word came
		t.Errorf("%s there", got.Status)
	}
}

// TestCancelInTheMiddle shows a run that is cancelled after its first event.
func TestCancelInTheMiddle(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	_, c := serve(t, &double{run: untilCancelled})
	ctx, cancel := context.WithCancel(bounded(t))
	report, err := c.Run(ctx, g, engine.Options{Listen: func(engine.Event) { cancel() }})
	if err != nil || report.Status != engine.StatusCancelled || report.Jobs[1].Status != engine.JobCancelled {
		t.Errorf("%+v, %v", report, err)
	}
}

// untilCancelled is a run of twoJobs that ends when its context does.
func untilCancelled(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
	o.Listen(engine.Event{Kind: engine.WorkflowStarted, Workflow: g.Link(), Seq: 1, Jobs: g.Len()})
	<-ctx.Done()
	report := &engine.Report{Workflow: g.Link(), Status: engine.StatusCancelled, Jobs: make([]engine.JobReport, g.Len())}
	for i := range report.Jobs {
		report.Jobs[i] = engine.JobReport{Label: g.Label(i), Status: engine.JobCancelled}
		o.Listen(engine.Event{Kind: engine.JobSettled, Workflow: g.Link(), Seq: uint64(i + 2), Label: g.Label(i), Job: &report.Jobs[i]})
	}
	return report, nil
}

// TestGone shows that the death of the node is told from everything else.
func TestGone(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	signed := someReceipt(t)
	stopped := make(chan error, 2)
	hang := func(ctx context.Context) { <-ctx.Done(); stopped <- ctx.Err() }
	newDouble := func() *double {
		return &double{
			run: func(ctx context.Context, _ *graph.Graph, o engine.Options) (*engine.Report, error) {
				o.Listen(engine.Event{Kind: engine.WorkflowStarted, Workflow: g.Link(), Seq: 1})
				hang(ctx)
				return nil, ctx.Err()
			},
			block: func(ctx context.Context, _ ipld.Link) ([]byte, error) { hang(ctx); return nil, ctx.Err() },
			scan: func(ctx context.Context, yield func(*receipt.Signed) bool) error {
				for yield(signed) {
				}
				stopped <- nil
				return nil
			},
		}
	}
	for name, ask := range map[string]func(ctx context.Context, c *Client, now func()) error{
		"Run": func(ctx context.Context, c *Client, now func()) error {
			_, err := c.Run(ctx, g, engine.Options{Listen: func(engine.Event) { now() }})
			return err
		},
		"Block": func(ctx context.Context, c *Client, now func()) error {
			time.AfterFunc(20*time.Millisecond, now)
			_, err := c.Block(ctx, g.Link())
			return err
		},
		"Scan": func(ctx context.Context, c *Client, now func()) error {
			return c.Scan(ctx, func(*receipt.Signed) bool { now(); return true })
		},
	} {
		t.Run(name, func(t *testing.T) {
			for _, how := range []string{"killed", "client closed"} {
				s, c := serve(t, newDouble())
				var once sync.Once
				err := ask(bounded(t), c, func() {
					once.Do(func() {
						if how == "killed" {
							s.kill()
						} else {
							c.Close()
						}
					})
				})
				if !errors.Is(err, ErrGone) {
					t.Errorf("%s: %v", how, err)
				}
				<-stopped // the node has noticed
				if how == "killed" {
					_, err := c.DID(bounded(t))
					if !errors.Is(err, ErrGone) {
						t.Errorf("asked again: %v", err)
					}
				}
			}
		})
	}
}

// TestManyGuests runs equal and different workflows of many clients at once.
func TestManyGuests(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	dir := t.TempDir()
	s, err := Listen(dir, n)
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 24 {
		wg.Go(func() {
			ctx := bounded(t)
			c, err := Dial(ctx, dir)
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			g := build(t, c, fmt.Sprintf(addOne, i%5), addOneDir)
			report, err := c.Run(ctx, g, engine.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if two, _ := report.Job("two"); !two.Outcome.Value.Equal(ipld.Int(int64(i%5 + 2))) {
				t.Errorf("%d: %+v", i, two)
			}
		})
	}
	wg.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(s.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestStreamEnd shows streams of frames that do not end as they should.
func TestStreamEnd(t *testing.T) {
	t.Parallel()
	_, c := serve(t, &double{})
	frame := func(key string, v ipld.Value) []byte {
		s := sender{frames: true}
		data, err := s.encode(func(encoder) ipld.Value { return ipld.Map(ipld.Entry{Key: key, Value: v}) })
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	item, end := frame("item", ipld.Null), frame("end", ipld.Int(1))
	for _, test := range []struct {
		name   string
		stream []byte
		want   error
	}{
		{"whole", slices.Concat(item, end), nil},
		{"one too few", end, errAnswer},
		{"one too many", slices.Concat(item, item, end), errAnswer},
		{"something after it", slices.Concat(item, end, item), errAnswer},
		{"an unknown item", frame("other", ipld.Null), errAnswer},
		{"no end", item, ErrGone},
		{"half an item", item[:len(item)-1], ErrGone},
		{"half a length", []byte{0x80}, ErrGone},
		{"an item without bound", []byte{0xff, 0xff, 0xff, 0xff, 0x7f}, errAnswer},
		{"an item that is no CBOR", []byte{1, 0xff}, errAnswer},
	} {
		err := c.items(bounded(t), bytes.NewReader(test.stream), "item", func(ipld.Value) (bool, error) { return true, nil })
		if !errors.Is(err, test.want) || test.want == errAnswer && errors.Is(err, ErrGone) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
}

// What others may read, and what comes with a workflow, through the socket.
func TestShare(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	var got engine.Options
	_, c := serve(t, &double{Backend: n, run: func(_ context.Context, _ *graph.Graph, o engine.Options) (*engine.Report, error) {
		got = o
		return nil, store.ErrNotFound
	}})
	ctx := bounded(t)
	file, gone := ipld.LinkOf(ipld.CodecRaw, []byte("a file")), ipld.LinkOf(ipld.CodecRaw, []byte("gone"))
	if err := n.PutBlocks(ctx, []ipld.Block{{Link: file, Data: []byte("a file")}}); err != nil {
		t.Fatal(err)
	}
	if err := c.Share(ctx, file); err != nil {
		t.Fatal(err)
	}
	var marked []string
	if err := n.store.Notes("shared", func(note store.Note) bool { marked = append(marked, note.Key); return true }); err != nil || !slices.Equal(marked, []string{file.Key()}) {
		t.Errorf("marks of %q, %v", marked, err)
	}
	if err := c.Share(ctx, gone); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
	brings := []ipld.Link{file, gone}
	if _, err := c.Run(ctx, twoJobs(t), engine.Options{Brings: brings}); !errors.Is(err, store.ErrNotFound) || !slices.Equal(got.Brings, brings) {
		t.Errorf("%v, %v", got.Brings, err)
	}
}

// Whose receipts count, and receipts from elsewhere, through the socket.
func TestTrust(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	key, err := did.Generate(did.P256)
	if err != nil {
		t.Fatal(err)
	}
	friend := Signer{DID: key.DID(), Name: "Bob's laptop, grüße"}
	if all, err := c.Trusted(ctx); err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	nameless := Signer{DID: n.key.DID()}
	for _, s := range []Signer{friend, nameless} {
		if err := c.Trust(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := c.Trusted(ctx); err != nil || !reflect.DeepEqual(all, []Signer{friend, nameless}) {
		t.Errorf("%v, %v", all, err)
	}
	if err := c.Distrust(ctx, friend.DID); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(n.trusted, []Signer{nameless}) {
		t.Errorf("%v", n.trusted)
	}
	dlg, err := ucan.SignDelegation(n.key, ucan.Delegation{Audience: friend.DID, Subject: n.key.DID(), Command: receipt.Command})
	if err != nil {
		t.Fatal(err)
	}
	granted := Signer{DID: friend.DID, Name: "for a while", Proofs: []*ucan.SignedDelegation{dlg}, Refused: "it is late"}
	if err := c.Trust(ctx, granted); err != nil {
		t.Fatal(err)
	}
	same := func(s Signer) bool {
		return s.DID == granted.DID && s.Name == granted.Name && s.Refused == granted.Refused && len(s.Proofs) == 1 && s.Proofs[0].Link() == dlg.Link()
	}
	if all, err := c.Trusted(ctx); err != nil || len(all) != 2 || !same(all[1]) || !same(n.trusted[1]) {
		t.Errorf("%v, %v", all, err)
	}
	of := task.ID{Link: dlg.Link()}
	if w, err := c.Word(ctx, friend.DID, of); err != nil || !w.Counts || !same(w.Signer) {
		t.Errorf("%v, %v", w, err)
	}
	if w, err := c.Word(ctx, "did:key:zNobody", of); err != nil || w.Counts || !strings.Contains(w.Why, of.String()) {
		t.Errorf("%v, %v", w, err)
	}
	n.trusted = n.trusted[:1]
	for _, bad := range []Signer{
		{DID: "did:web:example.com"}, {DID: friend.DID, Name: strings.Repeat("x", maxName+1)}, {DID: friend.DID, Name: "two\nlines"}, {DID: friend.DID, Name: "\xff"},
	} {
		if err := c.Trust(ctx, bad); !errors.Is(err, ErrRequest) && !errors.Is(err, ErrTooLarge) || len(n.trusted) != 1 {
			t.Errorf("%v is taken: %v", bad, err)
		}
	}

	id := task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte("a task"))}
	signed, err := receipt.Issue(key, receipt.Receipt{
		Task: id, Out: task.Outcome{Value: ipld.Int(1)}, Gas: 1, Limits: task.Limits{Gas: 2, Memory: 64 << 20}, Schedule: "s",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutReceipt(ctx, signed); err != nil {
		t.Fatal(err)
	}
	all, err := c.Receipts(ctx, id)
	if err != nil || len(all) != 1 || all[0].Link() != signed.Link() {
		t.Errorf("%v, %v", all, err)
	}
	data := slices.Clone(signed.Bytes())
	data[10] ^= 1 // in the signature
	forged, err := receipt.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutReceipt(ctx, forged); err == nil {
		t.Error("a forged receipt is taken")
	}
	if _, err := c.ask(ctx, http.MethodPost, "/v1/receipts", []byte("nonsense"), 0); !errors.Is(err, ErrRequest) {
		t.Errorf("nonsense: %v", err)
	}
}

// TestQuarantine lists and releases what ended the process of a node.
func TestQuarantine(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	first, last := time.Unix(1, 2).UTC(), time.Unix(3, 4).UTC()
	for i, who := range []did.DID{"", "did:key:somebody"} {
		s := quarantine.Subject{Task: task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte{byte(i)})}, Module: ipld.LinkOf(ipld.CodecRaw, []byte("module")), Func: "f", For: who}
		data, err := ipld.AppendCBOR(nil, (&quarantine.Record{Subject: s, Strikes: 2, How: "SIGABRT", First: first, Last: last}).Value())
		if err != nil {
			t.Fatal(err)
		}
		if err := n.store.PutNote("quarantine", string(data[:4])+string(who), data); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if n.quarantine, err = quarantine.Open(ctx, quarantine.Config{Store: n.store}); err != nil {
		t.Fatal(err)
	}
	all, err := c.Quarantined(ctx)
	if err != nil || !slices.Equal(all, n.quarantine.All()) || len(all) != 2 || !all[0].Refused || all[0].Last != last {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, want := range []int{2, 0} {
		if got, err := c.Release(ctx, all[0].Module); got != want || err != nil {
			t.Errorf("released %d, want %d: %v", got, want, err)
		}
	}
}
