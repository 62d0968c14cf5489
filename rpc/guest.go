package rpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"syscall"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// cancelWait bounds how long a cancelled run has to report.
const cancelWait = 30 * time.Second

// submitWait bounds how long a node takes to read a submission.
const submitWait = time.Minute

// Run drives g to its end in the other process. See [engine.Engine.Run]: a
// cancelled context is in the report there as here.
func (c *Client) Run(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
	blocks := g.Blocks()
	if size(blocks) > putBytes {
		if err := c.PutBlocks(context.WithoutCancel(ctx), blocks); err != nil {
			return nil, err
		}
		blocks = nil
	}
	body, err := submit(g, blocks, o)
	if err != nil {
		return nil, err
	}
	// A connection of its own, whose sides are closed one by one: the first
	// says that the run is to be cancelled, and the report still comes back.
	dialCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), dialWait)
	defer cancel()
	conn, err := c.dial(dialCtx)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	defer context.AfterFunc(c.life, func() { conn.Close() })()
	if err := send(conn, body); err != nil {
		return nil, c.broken(context.Background(), err)
	}
	defer context.AfterFunc(ctx, func() {
		_ = conn.SetReadDeadline(time.Now().Add(cancelWait))
		_ = conn.CloseWrite() // a connection that is broken shows on reading
	})()
	fault.Point("rpc.sent")
	report, err := c.watch(conn, g, o.Listen)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return nil, fmt.Errorf("no report within %v of being cancelled: %w", cancelWait, context.Cause(ctx))
	}
	return report, err
}

func size(blocks []ipld.Block) (n int) {
	for _, b := range blocks {
		n += len(b.Data)
	}
	return n
}

// send writes the request that hands a workflow over.
func send(conn *net.UnixConn, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, "http://ipvm/v1/workflows?wait", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Close = true
	if err := conn.SetWriteDeadline(time.Now().Add(submitWait)); err != nil {
		return err
	}
	err = req.Write(conn)
	if errors.Is(err, syscall.EPIPE) {
		return nil // refused before all was sent: the answer tells why
	}
	return err
}

// watch reads what a node answers to a submission, to the end.
func (c *Client) watch(conn *net.UnixConn, g *graph.Graph, listen func(engine.Event)) (*engine.Report, error) {
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, c.broken(context.Background(), err)
	}
	if err := c.refused(context.Background(), resp); err != nil {
		return nil, err
	}
	w := watcher{
		graph: g, listen: listen, told: make([]bool, g.Len()),
		report: engine.Report{Jobs: make([]engine.JobReport, g.Len())},
	}
	in := receiver{r: bufio.NewReader(resp.Body)}
	for {
		item, err := in.next()
		if err != nil {
			return nil, c.broken(context.Background(), err)
		}
		done, err := w.take(item)
		if err != nil {
			return nil, err
		}
		fault.Point("rpc.taken")
		if done {
			return &w.report, nil
		}
	}
}

// watcher puts a report together from the events of a run.
type watcher struct {
	graph  *graph.Graph
	listen func(engine.Event)
	report engine.Report
	seq    uint64
	told   []bool // the jobs that settled
	n      int    // how many did
}

// take takes in one item of the stream and tells whether it was the last.
func (w *watcher) take(item ipld.Entry) (done bool, err error) {
	switch item.Key {
	case "event":
		err = w.event(item.Value)
	case "handled":
		err = w.handled(item.Value)
	case "report":
		done, err = true, w.end(item.Value)
	case "error":
		return true, remote(item.Value)
	default:
		err = errors.New("it is not known here")
	}
	if err != nil {
		err = fmt.Errorf("%w: %s: %w", errAnswer, item.Key, err)
	}
	return done, err
}

func (w *watcher) event(v ipld.Value) error {
	ev, err := decodeEvent(v)
	if err != nil {
		return err
	}
	w.seq++
	switch {
	case ev.Workflow != w.graph.Link():
		return fmt.Errorf("of workflow %s, not %s", ev.Workflow, w.graph.Link())
	case ev.Seq != w.seq:
		return fmt.Errorf("number %d where %d comes next", ev.Seq, w.seq)
	case ev.Kind == engine.JobSettled:
		if err := w.settle(&ev); err != nil {
			return err
		}
	}
	if w.listen != nil {
		w.listen(ev)
	}
	return nil
}

// settle keeps what a job came to in its place in the report.
func (w *watcher) settle(ev *engine.Event) error {
	i, ok := w.graph.Find(ev.Label)
	switch {
	case !ok || ev.Job == nil || ev.Job.Label != ev.Label:
		return fmt.Errorf("job %q of another workflow", ev.Label)
	case w.told[i]:
		return fmt.Errorf("job %q settled twice", ev.Label)
	}
	w.told[i] = true
	w.n++
	w.report.Jobs[i] = *ev.Job
	ev.Job = &w.report.Jobs[i]
	return nil
}

// handled takes in the labels of the jobs whose failure was taken care of.
func (w *watcher) handled(v ipld.Value) error {
	for _, label := range v.Elems() {
		text, _ := label.AsString()
		i, ok := w.graph.Find(text)
		if !ok || !w.told[i] {
			return fmt.Errorf("job %s, which has not settled", label)
		}
		w.report.Jobs[i].Handled = true
	}
	return nil
}

func (w *watcher) end(v ipld.Value) error {
	report, err := decodeReport(v)
	switch {
	case err != nil:
		return err
	case report.Workflow != w.graph.Link():
		return fmt.Errorf("of workflow %s, not %s", report.Workflow, w.graph.Link())
	case w.n != len(w.told):
		return fmt.Errorf("only %d of %d jobs settled", w.n, len(w.told))
	}
	report.Jobs = w.report.Jobs
	w.report = *report
	return nil
}
