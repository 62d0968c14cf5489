package homestar_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/homestar"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a handler at a port, and what is behind it.
type bench struct {
	*runs.Keeper
	engine  *ipvmtest.Engine
	handler *homestar.Handler
	server  *httptest.Server

	mu     sync.Mutex
	gate   chan struct{} // runs wait for its closing; nil is none
	graphs []*graph.Graph
	// keepGoing is how workflows are submitted.
	keepGoing bool
	broken    error         // with which runs end
	held      chan struct{} // the end of runs waits for its closing; nil is none
}

func newBench(t *testing.T, c homestar.Config) *bench {
	t.Helper()
	b := &bench{engine: ipvmtest.New(t, ipvmtest.Options{})}
	b.Keeper = runs.New(runs.Config{
		Store: b.engine.Store, Active: 4,
		Judge: func(*graph.Graph, runs.Options) (did.DID, error) { return engine.Anyone, nil },
		Run: func(ctx context.Context, _ did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
			b.mu.Lock()
			gate, broken := b.gate, b.broken
			b.mu.Unlock()
			if broken != nil {
				return nil, broken
			}
			if gate != nil {
				select {
				case <-gate:
				case <-ctx.Done():
				}
			}
			report, err := b.engine.Run(ctx, g, o)
			if b.held != nil {
				<-b.held
			}
			return report, err
		},
	})
	c.Runs, c.Store, c.DID, c.Version = b.Keeper, b.engine.Store, b.engine.Key.DID(), "test"
	if c.Submit == nil {
		c.Submit = b.submit
	}
	b.handler = homestar.New(c)
	b.server = httptest.NewServer(b.handler)
	t.Cleanup(func() {
		_ = b.handler.Close()
		b.server.Close()
		_ = b.Keeper.Close()
	})
	return b
}

func (b *bench) submit(ctx context.Context, w *workflow.Workflow) (*graph.Graph, runs.Attempt, error) {
	g, err := graph.Build(w, graph.Options{})
	if err != nil {
		return nil, runs.Attempt{}, err
	}
	faults, err := engine.Check(ctx, b.engine, g, engine.Policy{})
	if err != nil {
		return nil, runs.Attempt{}, err
	}
	if len(faults) > 0 {
		return nil, runs.Attempt{}, faults
	}
	attempt, err := b.Keeper.SubmitAttempt(ctx, g, runs.Options{KeepGoing: b.keepGoing})
	if err != nil {
		return nil, runs.Attempt{}, err
	}
	b.mu.Lock()
	b.graphs = append(b.graphs, g)
	b.mu.Unlock()
	return g, attempt, nil
}

// shut makes runs wait, until the returned function is called.
func (b *bench) shut() (open func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.gate = make(chan struct{})
	return sync.OnceFunc(func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		close(b.gate)
		b.gate = nil
	})
}

// last is the workflow that was submitted last.
func (b *bench) last(t *testing.T) runs.ID {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.graphs) == 0 {
		t.Fatal("no workflow was submitted")
	}
	return runs.ID{Workflow: b.graphs[len(b.graphs)-1].Link(), For: engine.Anyone}
}

// module imports a module of the examples.
func (b *bench) module(t *testing.T, path string) ipld.Link {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), path))
	must(t, err)
	return b.engine.Import(t, code)
}

// invocation is one task of a document in the dialect, as JSON.
func invocation(module ipld.Link, function string, args ...string) string {
	return fmt.Sprintf(`{"run":{"rsc":"ipfs://%s","op":"wasm/run","input":{"func":%q,"args":[%s]},"nnc":""},"meta":{"memory":4294967296,"time":100000},"prf":[],"cause":null}`,
		module, function, strings.Join(args, ","))
}

// document is a workflow of tasks.
func document(name string, tasks ...string) string {
	return fmt.Sprintf(`{"name":%q,"workflow":{"tasks":[%s]}}`, name, strings.Join(tasks, ","))
}

// parse reads a document.
func parse(t *testing.T, text string) *workflow.Workflow {
	t.Helper()
	w, err := workflow.Parse(workflow.Source{Data: []byte(text), Format: workflow.JSON})
	must(t, err)
	return w
}

// awaitOK is a promise of the result of a task.
func awaitOK(t *testing.T, task string) string {
	t.Helper()
	return fmt.Sprintf(`{"await/ok":{"/":"%s"}}`, parse(t, document("", task)).Jobs[0].Instruction)
}

// chain is a document of n tasks, each of which adds one to what the one before
// came to, beginning with from.
func (b *bench) chain(t *testing.T, name string, n, from int) string {
	t.Helper()
	module := b.module(t, "add-one/add-one.wasm")
	tasks := []string{invocation(module, "add_one", fmt.Sprint(from))}
	for len(tasks) < n {
		tasks = append(tasks, invocation(module, "add_one", awaitOK(t, tasks[len(tasks)-1])))
	}
	return document(name, tasks...)
}

// client is a WebSocket.
type client struct {
	*websocket.Conn
	next int
	kept []message // that came while an answer was awaited
}

// message is what a server sends.
type message struct {
	ID     json.RawMessage
	Result json.RawMessage
	Error  *struct {
		Code    int
		Message string
		Data    json.RawMessage
	}
	Method string
	Params struct {
		Subscription string
		Result       []int
	}
}

func (b *bench) dial(t *testing.T) *client {
	t.Helper()
	conn, _, err := websocket.Dial(t.Context(), b.server.URL, nil)
	must(t, err)
	conn.SetReadLimit(64 << 20)
	t.Cleanup(func() { _ = conn.CloseNow() })
	return &client{Conn: conn}
}

// read is the next message.
func (c *client) read(t *testing.T) message {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	_, data, err := c.Read(ctx)
	must(t, err)
	var m message
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatalf("%v: %.300s", err, data)
	}
	return m
}

// request sends a request and returns the answer to it.
func (c *client) request(t *testing.T, method, params string) message {
	t.Helper()
	c.next++
	must(t, c.Write(t.Context(), websocket.MessageText, fmt.Appendf(nil, `{"jsonrpc":"2.0","method":%q,"params":[%s],"id":%d}`, method, params, c.next)))
	for {
		m := c.read(t)
		if string(m.ID) == fmt.Sprint(c.next) {
			return m
		}
		c.kept = append(c.kept, m)
	}
}

// subscribe submits a workflow and returns its subscription.
func (c *client) subscribe(t *testing.T, doc string) string {
	t.Helper()
	m := c.request(t, "subscribe_run_workflow", doc)
	var id string
	if m.Error != nil {
		t.Fatal(m.Error.Message)
	}
	must(t, json.Unmarshal(m.Result, &id))
	return id
}

// told is one notification.
type told struct {
	Name     string
	Replayed bool
	Workflow ipld.Link
	Ran      ipld.Link
	Op       string
	Out      ipld.Value
	CID      ipld.Link
	Raw      ipld.Value
}

// notifications are the next n of a subscription.
func (c *client) notifications(t *testing.T, id string, n int) []told {
	t.Helper()
	var all []told
	kept := c.kept
	c.kept = nil
	for len(all) < n {
		var m message
		if len(kept) > 0 {
			m, kept = kept[0], kept[1:]
		} else {
			m = c.read(t)
		}
		if m.Method != "subscribe_run_workflow" || m.Params.Subscription != id {
			c.kept = append(c.kept, m)
			continue
		}
		all = append(all, decode(t, m))
	}
	c.kept = append(c.kept, kept...)
	return all
}

// silent fails if anything was or is sent.
func (c *client) silent(t *testing.T) {
	t.Helper()
	m := c.request(t, "health", "")
	if m.Error != nil || len(c.kept) > 0 {
		t.Errorf("more was sent: %+v, %v", c.kept, m.Error)
	}
}

func decode(t *testing.T, m message) told {
	t.Helper()
	data := make([]byte, len(m.Params.Result))
	for i, b := range m.Params.Result {
		data[i] = byte(b)
	}
	v, err := ipld.DecodeJSON(data)
	must(t, err)
	n := told{Raw: v, Out: at(v, "receipt", "out")}
	n.Name, _ = at(v, "metadata", "name").AsString()
	n.Replayed, _ = at(v, "metadata", "replayed").AsBool()
	n.Workflow, _ = at(v, "metadata", "workflow").AsLink()
	n.Ran, _ = at(v, "receipt", "ran").AsLink()
	n.Op, _ = at(v, "receipt", "meta", "op").AsString()
	n.CID, _ = at(v, "receipt_cid").AsLink()
	return n
}

// at is the value at a path of keys; null where there is none.
func at(v ipld.Value, path ...string) ipld.Value {
	for _, key := range path {
		v, _ = v.Lookup(key)
	}
	return v
}

// outs are the outcomes by the task, as text.
func outs(all []told) map[string]string {
	m := make(map[string]string)
	for _, n := range all {
		m[n.Ran.String()] += n.Out.String()
	}
	return m
}

// post sends body and returns the status and the answer.
func (b *bench) post(t *testing.T, kind, body string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.server.URL, strings.NewReader(body))
	must(t, err)
	req.Header.Set("Content-Type", kind)
	return b.do(t, req)
}

func (b *bench) get(t *testing.T, path string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.URL+path, nil)
	must(t, err)
	return b.do(t, req)
}

func (b *bench) do(t *testing.T, req *http.Request) (int, string) {
	t.Helper()
	resp, err := b.server.Client().Do(req)
	must(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	return resp.StatusCode, string(bytes.TrimSpace(data))
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %v, expected %v", what, got, want)
	}
}
