package api_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// guest is on whose behalf signed documents run here.
const guest did.DID = "did:key:z6MkmuTr3fgeqSvKWc2iCzCrczBXm6M6Y4WoBiz3sCKfUE7N"

// stranger is somebody for whom nothing is kept.
const stranger did.DID = "did:key:z6MkrEVGLPYHhLGBQ25Bh5DXSakRiDpdoj7fdsNZSqYPcUGt"

// node is what the handlers of these tests stand in front of.
type node struct {
	*ipvmtest.Engine
	forgetful *atomic.Bool // it has collected its receipts
}

func (n node) DID(context.Context) (did.DID, error) { return n.Key.DID(), nil }

func (n node) Check(ctx context.Context, who did.DID, src workflow.Source, signed bool) (*graph.Graph, error) {
	w, err := workflow.Parse(src)
	if err != nil {
		return nil, err
	}
	if signed && len(w.Signature) == 0 {
		return nil, api.ErrUnsigned
	}
	if err := n.PutBlocks(ctx, who, w.Blocks); err != nil {
		return nil, err
	}
	g, err := graph.Build(w, graph.Options{Owner: n.Key.DID()})
	if err != nil {
		return nil, err
	}
	faults, err := engine.Check(ctx, n, g, engine.Policy{})
	if err == nil && len(faults) > 0 {
		err = faults
	}
	return g, err
}

func (n node) PutBlocks(_ context.Context, who did.DID, blocks []ipld.Block) error {
	if who == stranger {
		return errors.New("something is kept for a stranger")
	}
	return n.Store.Put(store.Batch{Blocks: blocks})
}

func (n node) Block(_ context.Context, _ did.DID, l ipld.Link) ([]byte, error) {
	return n.Store.Block(l)
}

func (n node) Receipts(_ context.Context, whose did.DID, id task.ID) ([]*receipt.Signed, error) {
	if whose != "" && whose != engine.Anyone && whose != guest {
		return nil, fmt.Errorf("%w: the receipts of %s", store.ErrNotFound, whose)
	}
	if n.forgetful.Load() {
		return nil, nil
	}
	return n.Store.Receipts(id)
}

func (n node) Quarantined(_ context.Context, whose did.DID) ([]quarantine.Record, error) {
	if whose != guest {
		return nil, nil
	}
	return []quarantine.Record{{
		Subject: quarantine.Subject{Task: task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte("a"))}, Module: ipld.LinkOf(ipld.CodecRaw, nil), Func: "f", For: guest},
		Strikes: 2, How: "SIGABRT", First: time.Unix(1, 0), Last: time.Unix(2, 0), Refused: true,
	}}, nil
}

// rig is a node that is served at a port, and a client that holds every answer to
// the description of the API.
type rig struct {
	*http.Client
	url    string // http://127.0.0.1:port
	node   node
	keeper *runs.Keeper
	server *api.Server

	mu      sync.Mutex
	gate    chan struct{}         // what runs wait for
	callers map[string]api.Caller // by what the Authorization header has and what is asked
	closed  map[string]bool       // by the address of the client: the server has closed its connection
}

// watched is a listener of a rig, which knows whose connections the server has closed.
type watched struct {
	net.Listener
	rig *rig
}

func (w watched) Accept() (net.Conn, error) {
	c, err := w.Listener.Accept()
	return watchedConn{c, w.rig}, err
}

type watchedConn struct {
	net.Conn
	rig *rig
}

func (c watchedConn) Close() error {
	c.rig.mu.Lock()
	defer c.rig.mu.Unlock()
	c.rig.closed[c.RemoteAddr().String()] = true
	return c.Conn.Close()
}

// gaveUp tells whether the server has closed a connection, whose client need not have
// read all that was sent.
func (r *rig) gaveUp(c net.Conn) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed[c.LocalAddr().String()]
}

type options struct {
	api.Bounds
	server         api.ServerOptions
	open           int // workflows that may be unfinished
	hosts, origins []string
	closed         bool // runs wait for pass
}

func newRig(t *testing.T, o options) *rig {
	t.Helper()
	r := &rig{node: node{ipvmtest.New(t, ipvmtest.Options{}), new(atomic.Bool)}, gate: make(chan struct{}), callers: make(map[string]api.Caller), closed: make(map[string]bool)}
	if !o.closed {
		close(r.gate)
	}
	r.keeper = runs.New(runs.Config{Store: r.node.Store, Judge: judge, Run: r.run, Open: o.open})
	h := api.New(api.Config{Node: r.node, Runs: r.keeper, Judge: r.caller, Version: "test", Bounds: o.Bounds})
	door, err := api.NewDoor(o.hosts, o.origins)
	must(t, err)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r.server, err = api.Serve(watched{l, r}, door, h, o.server)
	must(t, err)
	r.url = "http://" + l.Addr().String()
	transport := &http.Transport{}
	r.Client = &http.Client{Transport: &checking{t, transport}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = r.server.Close() // a test may have done so
		must(t, r.keeper.Close())
	})
	return r
}

// judge takes every document of this node's owner, of who shows no authority, and
// of who signs with an A.
func judge(g *graph.Graph, o runs.Options) (did.DID, error) {
	switch authority := o.Authority; {
	case o.Unsigned && slices.ContainsFunc(g.Workflow().Jobs, func(j workflow.Job) bool { return j.Secret == workflow.SecretAlways || j.Effect != nil }):
		return "", fmt.Errorf("%w: a secret or an effect", rpc.ErrDenied)
	case o.Unsigned:
		return engine.Anyone, nil
	case o.Offered != "":
		return o.Offered, nil
	case len(authority) == 0:
		return "", nil
	case authority[len(authority)-1] == 'A':
		return guest, nil
	}
	return "", fmt.Errorf("%w: the chain of proofs is broken", rpc.ErrDenied)
}

// caller is who makes a signed request, as signs has noted.
func (r *rig) caller(container []byte, method, target string) (api.Caller, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c, ok := r.callers[string(container)+" "+method+" "+target]
	if !ok {
		return c, &rpc.DeniedError{Err: fmt.Errorf("%w: not of this request", rpc.ErrDenied), Denial: []byte("Cdenial")}
	}
	return c, nil
}

// signs is the header of a request that somebody has signed.
func (r *rig) signs(c api.Caller, method, target, body string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	token := fmt.Sprintf("Ctoken%d", len(r.callers))
	c.Body = sha256.Sum256([]byte(body))
	r.callers[token+" "+method+" "+target] = c
	return "Authorization: UCAN " + token
}

// by sends a request that somebody has signed.
func (r *rig) by(t *testing.T, c api.Caller, method, target, body string) got {
	t.Helper()
	return r.do(t, method, target, body, r.signs(c, method, target, body))
}

// unfinished are the runs that have not ended.
func (r *rig) unfinished() (all []runs.Run, err error) {
	err = r.keeper.List(runs.Query{Unfinished: true}, func(run runs.Run) bool { all = append(all, run); return true })
	return all, err
}

func (r *rig) run(ctx context.Context, _ did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error) {
	r.mu.Lock()
	gate := r.gate
	r.mu.Unlock()
	select {
	case <-gate:
	case <-ctx.Done():
	}
	return r.node.Run(ctx, g, engine.Options{Listen: o.Listen, KeepGoing: o.KeepGoing})
}

// pass lets all runs go on.
func (r *rig) pass() {
	r.mu.Lock()
	defer r.mu.Unlock()
	close(r.gate)
}

// sum is a document of two jobs, the first of which adds one to n.
func (r *rig) sum(t *testing.T, n int) string {
	t.Helper()
	return fmt.Sprintf("a: {with: %[1]s, args: [%[2]d]}\nb: {with: %[1]s, args: [{from: a}]}\n", r.module(t), n)
}

// module is the CID of a function that adds one.
func (r *rig) module(t *testing.T) string {
	t.Helper()
	return r.example(t, "add-one/add-one.wasm")
}

// example is the CID of a module of the examples.
func (r *rig) example(t *testing.T, name string) string {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), name))
	must(t, err)
	return r.node.Import(t, code).String()
}

// got is an answer.
type got struct {
	*http.Response
	body []byte
}

// do sends a request; headers are "Name: value".
func (r *rig) do(t *testing.T, method, path, body string, headers ...string) got {
	t.Helper()
	resp, err := r.Do(r.request(t, method, path, body, headers...))
	must(t, err)
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	must(t, err)
	return got{resp, data}
}

func (r *rig) request(t *testing.T, method, path, body string, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
	must(t, err)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			req.Host = value
		}
		req.Header.Add(name, value)
	}
	return req
}

// json is the answer's body. Its status must be as expected.
func (g got) json(t *testing.T, status int) map[string]any {
	t.Helper()
	if g.StatusCode != status {
		t.Fatalf("status %d, expected %d: %.1000s", g.StatusCode, status, g.body)
	}
	var m map[string]any
	must(t, json.Unmarshal(g.body, &m))
	return m
}

// problem expects the answer to be a problem of a kind, whose text contains what is
// given.
func (g got) problem(t *testing.T, status int, kind api.Kind, text string) map[string]any {
	t.Helper()
	m := g.json(t, status)
	if m["type"] != "https://github.com/ipvm-wg/go-ipvm/blob/main/docs/http.md#"+string(kind) || !strings.Contains(string(g.body), text) {
		t.Errorf("not a problem of kind %s that says %q: %s", kind, text, g.body)
	}
	return m
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-expected +got):\n%s", what, diff)
	}
}

// event is a server-sent event.
type event struct{ id, name, data string }

// events reads a stream to its end, or until there are most of them. What is no
// event is returned as comments.
func events(t *testing.T, body io.Reader, most int) (all []event, comments []string) {
	t.Helper()
	var ev event
	for lines := bufio.NewScanner(body); len(all) < most && lines.Scan(); {
		name, value, _ := strings.Cut(lines.Text(), ": ")
		switch name {
		case "":
			if ev != (event{}) {
				validate(t, "Event", []byte(ev.data))
				all = append(all, ev)
			}
			ev = event{}
		case "id":
			ev.id = value
		case "event":
			ev.name = value
		case "data":
			ev.data = value
		default:
			comments = append(comments, lines.Text())
		}
		if name == "" && value != "" || lines.Text() == ":" {
			comments = append(comments, lines.Text())
		}
	}
	return all, comments
}

// schemas compiles the description of the API once.
var schemas = sync.OnceValues(func() (*jsonschema.Compiler, error) {
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(api.OpenAPI))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	return c, c.AddResource("openapi.json", doc)
})

var compiling sync.Mutex

// validate holds a JSON text to a schema of the description.
func validate(t *testing.T, schema string, data []byte) {
	t.Helper()
	c, err := schemas()
	must(t, err)
	compiling.Lock()
	s, err := c.Compile("openapi.json#/components/schemas/" + schema)
	compiling.Unlock()
	must(t, err)
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	must(t, err)
	if err := s.Validate(v); err != nil {
		t.Errorf("not a %s: %v\n%.1000s", schema, err, data)
	}
}

// description is what the tests read of the description.
type description struct {
	Paths map[string]map[string]struct {
		Responses map[string]response
	}
	Components struct{ Responses map[string]response }
}

type response struct {
	Ref     string `json:"$ref"`
	Headers map[string]any
	Content map[string]struct {
		Schema struct {
			Ref string `json:"$ref"`
		}
	}
}

var described = sync.OnceValues(func() (d description, err error) {
	return d, json.Unmarshal(api.OpenAPI, &d)
})

// checking holds each answer to the description of the API.
type checking struct {
	t    *testing.T
	next http.RoundTripper
}

func (c *checking) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err == nil {
		err = c.check(req, resp)
	}
	return resp, err
}

func (c *checking) check(req *http.Request, resp *http.Response) error {
	d, err := described()
	if err != nil {
		return err
	}
	where := fmt.Sprintf("%s %s: %d", req.Method, req.URL.Path, resp.StatusCode)
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "application/problem+json" {
		return c.body(req, resp, "Problem")
	}
	path := template(d, req.URL.Path)
	want, ok := d.Paths[path][strings.ToLower(req.Method)].Responses[strconv.Itoa(resp.StatusCode)]
	if !ok {
		c.t.Errorf("%s is not described", where)
		return nil
	}
	for name := range want.Headers {
		if resp.Header.Get(name) == "" && name != "Link" && kind != "text/event-stream" {
			c.t.Errorf("%s has no header %s", where, name)
		}
	}
	content, ok := want.Content[kind]
	switch {
	case !ok && (kind != "" || len(want.Content) > 0):
		c.t.Errorf("%s is not described as %q", where, kind)
	case content.Schema.Ref != "":
		return c.body(req, resp, strings.TrimPrefix(content.Schema.Ref, "#/components/schemas/"))
	}
	return nil
}

// body validates a body, and leaves it to be read.
func (c *checking) body(req *http.Request, resp *http.Response, schema string) error {
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	resp.Body = io.NopCloser(bytes.NewReader(data))
	if req.Method != http.MethodHead {
		validate(c.t, schema, data)
	}
	return nil
}

// template is the path of the description that a request's path fits.
func template(d description, path string) string {
	if d.Paths[path] != nil {
		return path
	}
	for pattern := range d.Paths {
		if regexp.MustCompile("^" + regexp.MustCompile(`\{\w+\}`).ReplaceAllString(pattern, "[^/]+") + "$").MatchString(path) {
			return pattern
		}
	}
	return ""
}

// soon is when a test gives up.
const soon = 20 * time.Second

// eventually waits for something to become so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(soon); !is(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("not in time: " + what)
		}
	}
}
