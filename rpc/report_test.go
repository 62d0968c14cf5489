package rpc

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

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
