package rpc

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

func TestDialNobody(t *testing.T) {
	t.Parallel()
	ctx := bounded(t)
	if _, err := Dial(ctx, filepath.Join(t.TempDir(), "no", "directory")); !errors.Is(err, ErrGone) {
		t.Errorf("no directory: %v", err)
	}
	dir := t.TempDir()
	if _, err := Dial(ctx, dir); !errors.Is(err, ErrGone) {
		t.Errorf("no socket: %v", err)
	}
	leaveStale(t, dir)
	if _, err := Dial(ctx, dir); !errors.Is(err, ErrGone) {
		t.Errorf("stale socket: %v", err)
	}
}

// leaveStale leaves a socket in dir as a killed process does.
func leaveStale(t *testing.T, dir string) {
	t.Helper()
	l, err := bind(filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := os.Lstat(filepath.Join(dir, socketName)); err != nil {
		t.Fatal(err)
	}
}

// TestDialSilence shows a process that holds the socket and says nothing.
func TestDialSilence(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	l, err := bind(filepath.Join(dir, socketName))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := Dial(bounded(t), dir); !errors.Is(err, ErrGone) { // else it was the test that gave up
		t.Error(err)
	}
	ctx, cancel := context.WithTimeout(bounded(t), 20*time.Millisecond)
	defer cancel()
	if _, err := Dial(ctx, dir); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrGone) {
		t.Errorf("given up: %v", err)
	}
}

// TestDialOther shows what serves the socket and is no node of this release.
func TestDialOther(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]string{
		"another release": `{"healthy":true,"wire":1}`,
		"no node":         `<html>`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			l, err := bind(filepath.Join(dir, socketName))
			if err != nil {
				t.Fatal(err)
			}
			srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, answer) })}
			done := make(chan struct{})
			go func() { defer close(done); srv.Serve(l) }()
			defer func() { srv.Close(); <-done }()
			if _, err := Dial(bounded(t), dir); err == nil || errors.Is(err, ErrGone) {
				t.Error(err)
			}
		})
	}
}

func TestListen(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	leaveStale(t, dir)
	s, err := Listen(dir, newNode(t))
	if err != nil {
		t.Fatalf("over a stale socket: %v", err)
	}
	info, err := os.Lstat(s.path)
	if err != nil || info.Mode() != os.ModeSocket|0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if _, err := Listen(dir, newNode(t)); err == nil || !strings.Contains(err.Error(), "another node answers") {
		t.Errorf("two servers of one directory: %v", err)
	}
	c, err := Dial(bounded(t), dir)
	if err != nil {
		t.Fatalf("after a second server was refused: %v", err)
	}
	c.Close()
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Lstat(s.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
	if err := os.WriteFile(s.path, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Listen(dir, newNode(t)); err == nil {
		t.Error("a file made way for a socket")
	}
}

// TestLongPath shows a state directory that is too long for a socket address.
func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	leaveStale(t, dir)
	n := newNode(t)
	s, err := Listen(dir, n)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Dial(bounded(t), dir)
	if err != nil {
		t.Fatal(errors.Join(err, s.Close()))
	}
	defer c.Close()
	if id, err := c.DID(bounded(t)); id != n.key.DID() {
		t.Error(id, err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if _, err := os.Lstat(filepath.Join(dir, socketName)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is still there: %v", err)
	}
}

// TestTooLongPath does without t.Parallel, as it changes the environment.
func TestTooLongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long/", 40))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", dir)
	if _, err := Listen(dir, nil); err == nil || !strings.Contains(err.Error(), "short enough") {
		t.Error(err)
	}
}

// TestStranger shows that both sides look at whose process the other is.
func TestStranger(t *testing.T) {
	t.Parallel()
	set := defaults()
	set.uid++
	dir := t.TempDir()
	s, err := listen(dir, &double{}, set)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Dial(bounded(t), dir); err == nil {
		t.Error("a stranger was let in")
	}
	conn, err := dialSocket(bounded(t), s.path, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if data, err := io.ReadAll(conn); len(data) != 0 {
		t.Errorf("a stranger was told %q, %v", data, err)
	}
	if _, err := dialSocket(bounded(t), s.path, os.Getuid()+1); !errors.Is(err, errStranger) || errors.Is(err, ErrGone) {
		t.Errorf("a stranger's node: %v", err)
	}
}

// TestRequests shows requests as any HTTP client can make them.
func TestRequests(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	g := build(t, n, fmt.Sprintf(addOne, 1), addOneDir)
	good, err := submit(g, nil, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	submitting := func(workflow []byte) string {
		body, err := submission{workflow: workflow}.encode()
		if err != nil {
			t.Fatal(err)
		}
		return string(body)
	}
	stranger, err := submission{workflow: g.Normal().Data, instructions: map[string]ipld.Link{"x": g.Link()}}.encode()
	if err != nil {
		t.Fatal(err)
	}
	cycle, _, err := ipld.Encode(ipld.Map(ipld.Entry{Key: "jobs", Value: ipld.Map()}))
	if err != nil {
		t.Fatal(err)
	}
	document, _, err := ipld.Encode(ipld.Map(ipld.Entry{Key: "a", Value: ipld.Map(
		ipld.Entry{Key: "with", Value: ipld.LinkValue(g.Link())}, ipld.Entry{Key: "func", Value: ipld.String("f")}, ipld.Entry{Key: "args", Value: ipld.List()})}))
	if err != nil {
		t.Fatal(err)
	}
	abc := ipld.LinkOf(ipld.CodecRaw, []byte("abc")).String()
	for _, test := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"health", "GET", "/health", "", 200, `{"healthy":true,"wire":19}`},
		{"node", "GET", "/v1/node", "", 200, string(n.key.DID())},
		{"put a block", "PUT", "/ipfs/" + abc, "abc", 201, ""},
		{"get it", "GET", "/ipfs/" + abc, "", 200, "abc"},
		{"its head", "HEAD", "/ipfs/" + abc, "", 200, ""},
		{"a wrong block", "PUT", "/ipfs/" + abc, "abd", 400, `"kind":"mismatch"`},
		{"a block that is not there", "GET", "/ipfs/" + g.Link().String(), "", 404, `"kind":"not-found"`},
		{"head of one that is not there", "HEAD", "/ipfs/" + g.Link().String(), "", 404, ""},
		{"no CID", "GET", "/ipfs/hello", "", 400, `"kind":"bad-request"`},
		{"no CID of a module", "GET", "/v1/modules/hello", "", 400, `"kind":"bad-request"`},
		{"no Task ID", "GET", "/v1/receipts/hello", "", 400, `"kind":"bad-request"`},
		{"no such path", "GET", "/v2", "", 400, `GET /v2 is not known here`},
		{"no such method", "DELETE", "/v1/workflows", "", 400, `DELETE /v1/workflows is not known here`},
		{"blocks that are no CBOR", "POST", "/v1/blocks", "hello", 400, `"kind":"bad-request"`},
		{"blocks that are no list", "POST", "/v1/blocks", "\xa0", 400, `not a list`},
		{"blocks that are no blocks", "POST", "/v1/blocks", "\x81\x01", 400, `entry 0`},
		{"tasks that are no CBOR", "POST", "/v1/standing", "hello", 400, `"kind":"bad-request"`},
		{"tasks that are no list", "POST", "/v1/standing", "\xa0", 400, `not a list`},
		{"tasks that are no links", "POST", "/v1/standing", "\x81\x01", 400, `entry 0: integer, not a link`},
		{"an instruction of no job", "POST", "/v1/workflows?wait", string(stranger), 400, `which there is not`},
		{"a run that nobody waits for", "POST", "/v1/workflows", string(good), 400, `?wait`},
		{"no submission", "POST", "/v1/workflows?wait", "hello", 400, `"kind":"bad-request"`},
		{"an empty submission", "POST", "/v1/workflows?wait", "", 400, `"kind":"bad-request"`},
		{"half a submission", "POST", "/v1/workflows?wait", string(good[:len(good)/2]), 400, `"kind":"bad-request"`},
		{"a workflow at fault", "POST", "/v1/workflows?wait", submitting(cycle), 422, `"kind":"faults"`},
		{"a workflow that is no CBOR", "POST", "/v1/preview", submitting([]byte("hello")), 422, `"kind":"faults"`},
		{"a document that is not normal", "POST", "/v1/workflows?wait", submitting(document), 400, "normal form"},
		{"a run", "POST", "/v1/workflows?wait", string(good), 200, `"status":"ok"`},
	} { // in this order
		req, err := http.NewRequestWithContext(bounded(t), test.method, "http://ipvm"+test.path, strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := c.http.Do(req)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		data, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != test.status || !strings.Contains(string(data), test.want) {
			t.Errorf("%s: %s %q %v, want %d %s", test.name, resp.Status, data, err, test.status, test.want)
		}
	}
}

// TestWrongBlock shows that a backend never sees a block that is not what its
// link says.
func TestWrongBlock(t *testing.T) {
	t.Parallel()
	_, c := serve(t, &double{putBlock: func(blocks []ipld.Block) error { return fmt.Errorf("asked to put %d blocks", len(blocks)) }})
	link := ipld.LinkOf(ipld.CodecRaw, []byte("abc"))
	for path, body := range map[string]string{
		"PUT /ipfs/" + link.String(): "abd",
		"POST /v1/blocks":            "\x81\x82\xd8\x2a\x58\x25\x00" + link.Key() + "\x43abd",
	} {
		method, path, _ := strings.Cut(path, " ")
		if _, _, err := c.do(bounded(t), method, path, []byte(body)); !errors.Is(err, ipld.ErrMismatch) && !strings.Contains(fmt.Sprint(err), ipld.ErrMismatch.Error()) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }

// TestBodyBounds shows bodies above the bound, announced and not.
func TestBodyBounds(t *testing.T) {
	t.Parallel()
	_, c := serve(t, &double{})
	for _, size := range []int64{maxBody + 1, -1} {
		req, err := http.NewRequestWithContext(bounded(t), http.MethodPost, "http://ipvm/v1/blocks", zeros{})
		if err != nil {
			t.Fatal(err)
		}
		req.ContentLength = size
		resp, err := c.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.refused(bounded(t), resp); !errors.Is(err, ErrTooLarge) {
			t.Errorf("size %d: %v", size, err)
		}
		resp.Body.Close()
	}
}

// TestHeaderBound shows a header without end.
func TestHeaderBound(t *testing.T) {
	t.Parallel()
	s, _ := serve(t, &double{})
	conn, err := dialSocket(bounded(t), s.path, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	go io.Copy(conn, io.MultiReader(strings.NewReader("GET / HTTP/1.1\r\nX: "), bytes.NewReader(make([]byte, 1<<20))))
	line, err := bufio.NewReader(conn).ReadString('\n')
	if !strings.Contains(line, " 4") {
		t.Errorf("%q, %v", line, err)
	}
}

// TestSlowBody shows a client that does not finish its request.
func TestSlowBody(t *testing.T) {
	t.Parallel()
	set := defaults()
	set.body = 50 * time.Millisecond
	s, _ := serveWith(t, &double{}, set)
	conn, err := dialSocket(bounded(t), s.path, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "POST /v1/blocks HTTP/1.1\r\nHost: ipvm\r\nContent-Length: 10\r\n\r\nabc"); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%v, %v", resp, err)
	}
}

// TestLongRun shows that the time for a body is not the time for an answer.
func TestLongRun(t *testing.T) {
	t.Parallel()
	set := defaults()
	set.body, set.write = time.Second, time.Second
	g := twoJobs(t)
	_, c := serveWith(t, &double{run: func(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		o.Listen(engine.Event{Kind: engine.WorkflowStarted, Workflow: g.Link(), Seq: 1})
		select {
		case <-time.After(set.body + set.write/2):
			return nil, errors.New("went well")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}}, set)
	if _, err := c.Run(bounded(t), g, engine.Options{}); err == nil || err.Error() != "went well" {
		t.Error(err)
	}
}

// TestStuckClient shows that a client which takes nothing loses its run, and
// that the run does not hold up its node.
func TestStuckClient(t *testing.T) {
	t.Parallel()
	set := defaults()
	set.write = 50 * time.Millisecond
	g := twoJobs(t)
	ended := make(chan int, 1)
	s, c := serveWith(t, &double{run: func(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		n := 0
		job := engine.JobReport{Label: strings.Repeat("x", 1<<16)}
		for ; ctx.Err() == nil; n++ {
			o.Listen(engine.Event{Kind: engine.JobStarted, Workflow: g.Link(), Seq: uint64(n + 1), Job: &job})
		}
		ended <- n
		return nil, ctx.Err()
	}}, set)
	stuck := make(chan struct{})
	done := make(chan error)
	go func() {
		_, err := c.Run(context.Background(), g, engine.Options{Listen: func(engine.Event) { <-stuck }})
		done <- err
	}()
	<-ended
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	close(stuck)
	if err := <-done; !errors.Is(err, ErrGone) {
		t.Errorf("the client that was too slow: %v", err)
	}
}

// TestClientLeaves shows that a run ends with the process that asked for it.
func TestClientLeaves(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	started, ended := make(chan struct{}), make(chan struct{})
	s, _ := serve(t, &double{run: func(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		close(started)
		<-ctx.Done()
		close(ended)
		return nil, ctx.Err()
	}})
	conn, err := dialSocket(bounded(t), s.path, os.Getuid())
	if err != nil {
		t.Fatal(err)
	}
	body, err := submit(g, nil, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := send(conn, body); err != nil {
		t.Fatal(err)
	}
	<-started
	conn.Close()
	<-ended
}

// TestCloseWaits shows that a node that closes finishes the work of its guests,
// serves others meanwhile, and then nobody.
func TestCloseWaits(t *testing.T) {
	t.Parallel()
	g := twoJobs(t)
	set := defaults()
	set.last = time.Millisecond
	release := make(chan struct{})
	started := make(chan struct{})
	s, c := serveWith(t, &double{run: func(ctx context.Context, g *graph.Graph, o engine.Options) (*engine.Report, error) {
		close(started)
		<-release
		return nil, fmt.Errorf("finished, %v", ctx.Err())
	}}, set)
	result := make(chan error)
	go func() {
		_, err := c.Run(context.Background(), g, engine.Options{})
		result <- err
	}()
	<-started
	closed := make(chan error)
	go func() { closed <- s.Close() }()
	select {
	case <-closed:
		t.Error("closed before its guest's work was done")
	case <-time.After(50 * time.Millisecond):
	}
	if err := c.greet(bounded(t)); err != nil {
		t.Errorf("asked of a node that has a guest: %v", err)
	}
	next, err := Dial(bounded(t), filepath.Dir(s.path))
	if err != nil {
		t.Fatalf("dialled a node that has a guest: %v", err)
	}
	defer next.Close()
	close(release)
	if err := <-result; err == nil || err.Error() != "finished, <nil>" {
		t.Errorf("the guest's run: %v", err)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if _, err := next.DID(bounded(t)); !errors.Is(err, ErrGone) {
		t.Errorf("asked of a closed node: %v", err)
	}
	if _, err := Dial(bounded(t), filepath.Dir(s.path)); !errors.Is(err, ErrGone) {
		t.Errorf("dialled a closed node: %v", err)
	}
}

func TestBusy(t *testing.T) {
	t.Parallel()
	set := defaults()
	set.requests = 1
	release := make(chan struct{})
	started := make(chan struct{}, 1)
	g := twoJobs(t)
	_, c := serveWith(t, &double{run: func(context.Context, *graph.Graph, engine.Options) (*engine.Report, error) {
		started <- struct{}{}
		<-release
		return nil, net.ErrClosed
	}}, set)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.Run(context.Background(), g, engine.Options{})
	}()
	<-started
	if _, err := c.DID(bounded(t)); !errors.Is(err, ErrBusy) || errors.Is(err, ErrGone) {
		t.Error(err)
	}
	close(release)
	<-done
}
