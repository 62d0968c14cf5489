package rpc

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
)

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
