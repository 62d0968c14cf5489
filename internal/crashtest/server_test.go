//go:build unix && cgo

package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// long tells whether the faults that a node survives are tried at full length.
func long() bool { return os.Getenv("IPVM_LONG") != "" }

// amount is how much of something a test does: in a quick run, or at full length.
func amount[T any](quick, full T) T {
	if long() {
		return full
	}
	return quick
}

// server is an `ipvm node` that answers HTTP.
type server struct {
	*process
	addr   string // host and port
	client *http.Client
}

var listening = regexp.MustCompile(`(?m)^ipvm: http://(\S+)$`)

// serveHTTP starts a node on the state directory home, and returns when it answers.
func serveHTTP(t *testing.T, program, home string, args ...string) *server {
	t.Helper()
	return asServer(t, start(t, program, home, "", append([]string{"node", "--no-supervisor", "--listen", "127.0.0.1:0"}, args...)...))
}

// asServer waits until p, a node, answers.
func asServer(t *testing.T, p *process) *server {
	t.Helper()
	s := &server{process: p}
	await(t, "the node to say where it listens", func() bool {
		if m := listening.FindStringSubmatch(s.stderr.String()); m != nil {
			s.addr = m[1]
		}
		return s.addr != "" || s.ended()
	})
	if s.addr == "" {
		s.wait(t)
		t.Fatalf("the node has ended: %s", &s.stderr)
	}
	s.client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: patience}
	t.Cleanup(s.client.CloseIdleConnections)
	return s
}

// reply is what a node has answered.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) String() string { return fmt.Sprintf("%d %.500s", r.status, r.body) }

// try sends one request, whose answer may be none: the node may be gone.
func (s *server) try(ctx context.Context, method, path, body string, headers ...string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, "http://"+s.addr+path, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, data}, err
}

// do sends one request, which must be answered.
func (s *server) do(t *testing.T, method, path, body string, headers ...string) reply {
	t.Helper()
	r, err := s.try(t.Context(), method, path, body, headers...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", method, path, err, &s.stderr)
	}
	return r
}

// put stores the file at path and returns its link.
func (s *server) put(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r := s.do(t, "POST", "/ipfs", string(data))
	var stored struct{ CID string }
	if err := json.Unmarshal(r.body, &stored); err != nil || stored.CID == "" {
		t.Fatalf("POST /ipfs: %v (%v)", r, err)
	}
	return stored.CID
}

// small is a document that asks for n+1, and is accepted by every node that has
// the module.
func small(module string, n int) string {
	return fmt.Sprintf(`{"a": {"with": %q, "args": [%d]}}`, module, n)
}

// ran is a workflow as a node shows it.
type ran struct {
	Workflow, State, Reason string
	Jobs                    []struct {
		Label, Status, How string
		Value              json.RawMessage
	}
}

func (r reply) ran(t *testing.T) (shown ran) {
	t.Helper()
	if err := json.Unmarshal(r.body, &shown); err != nil || shown.Workflow == "" {
		t.Fatalf("expected a workflow, got %v (%v)", r, err)
	}
	return shown
}

// serves wants the node to run a workflow now, for somebody new.
func (s *server) serves(t *testing.T, module string, n int) {
	t.Helper()
	r := s.do(t, "POST", "/v1/workflows?wait", small(module, n), "Content-Type", "application/json", "Connection", "close")
	if r.status != http.StatusOK {
		t.Fatalf("a workflow while others are a burden: %v", r)
	}
	wantAddOne(t, r.ran(t), n)
}

// wantAddOne wants what small(n) must come to.
func wantAddOne(t *testing.T, shown ran, n int) {
	t.Helper()
	if shown.State != "ok" || len(shown.Jobs) != 1 || string(shown.Jobs[0].Value) != strconv.Itoa(n+1) {
		t.Errorf("%d + 1 comes to %+v", n, shown)
	}
}

// dial opens a bare connection to the node.
func (s *server) dial(t *testing.T) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// vitals are what a process takes of the machine.
type vitals struct {
	resident int64 // bytes
	files    int   // descriptors that are open
}

func (v vitals) String() string { return fmt.Sprintf("%d MiB, %d files", v.resident>>20, v.files) }

// vitals reads what the node takes now; nothing where the system does not tell.
func (s *server) vitals(t *testing.T) (v vitals) {
	t.Helper()
	dir := filepath.Join("/proc", strconv.Itoa(s.cmd.Process.Pid))
	status, err := os.ReadFile(filepath.Join(dir, "status"))
	if err != nil {
		return v
	}
	_, rest, ok := bytes.Cut(status, []byte("VmRSS:"))
	if !ok {
		t.Fatalf("the node has ended: %s", &s.stderr)
	}
	kib, err := strconv.ParseInt(strings.Fields(string(rest))[0], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(filepath.Join(dir, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	return vitals{kib << 10, len(files)}
}

// recovers waits until the node has closed what it opened for others, and has given
// back its memory but for that many bytes. The collector of a node that does nothing
// runs every two minutes.
func (s *server) recovers(t *testing.T, before vitals, growth int64) {
	t.Helper()
	s.client.CloseIdleConnections()
	await(t, "the files that the node opened to be closed", func() bool { return s.vitals(t).files <= before.files+2 })
	after := s.vitals(t)
	if after.resident-before.resident > growth {
		t.Logf("%v, and not yet at rest", after)
	}
	await(t, "the node to give back its memory", func() bool {
		after = s.vitals(t)
		return after.resident-before.resident <= growth
	})
	t.Logf("before %v, after %v", before, after)
}

var goroutineHead = regexp.MustCompile(`(?m)^goroutine [1-9]\d* `)

// idleGoroutines is more than a node that does nothing has.
const idleGoroutines = 100

// stop ends the node so that it tells what it was doing, which must be little.
func (s *server) stop(t *testing.T) {
	t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	s.client.CloseIdleConnections()
	<-s.read
	_ = s.cmd.Wait()
	n := len(goroutineHead.FindAllString(s.stderr.String(), -1))
	t.Logf("%d goroutines at the end", n)
	if n == 0 || n > idleGoroutines {
		t.Errorf("%d goroutines at the end, expected at most %d:\n%.20000s", n, idleGoroutines, &s.stderr)
	}
}

// within fails unless a connection has ended by then, and returns what was said on
// it.
func within(t *testing.T, c net.Conn, end time.Time) string {
	t.Helper()
	_ = c.SetReadDeadline(end)
	text, err := io.ReadAll(c)
	if ne, ok := err.(net.Error); ok && ne.Timeout() {
		t.Errorf("a connection that should be closed is open: %q", text)
	}
	return string(text)
}
