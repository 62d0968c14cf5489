package homestar_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/homestar"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// A method answers the same over a WebSocket, POST and GET.
func TestMethods(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{
		Listeners: func() []string { return []string{"/ip4/127.0.0.1/tcp/1337"} },
		Gauges:    func() []homestar.Gauge { return []homestar.Gauge{{Name: "tasks", Help: "of all", Value: 7}} },
	})
	c := b.dial(t)
	node := `{"static":{"peer_id":"` + string(b.engine.Key.DID()) + `"},"dynamic":{"listeners":["/ip4/127.0.0.1/tcp/1337"],"connections":{}}}`
	for method, want := range map[string]string{
		"health":       `{"healthy":true,"nodeInfo":` + node + `}`,
		"node":         node,
		"metrics":      `{"metric_type":"gauge","metric_name":"tasks","help":"of all","data":[{"type":"gauge","labels":null,"value":7}]}`,
		"rpc_discover": `"title":"ipvm","version":"test"`,
	} {
		over := string(c.request(t, method, "").Result)
		status, posted := b.post(t, "application/json; charset=utf-8", `{"jsonrpc":"2.0","method":"`+method+`","id":"a"}`)
		if !strings.Contains(over, want) || !strings.Contains(posted, want) || !strings.HasPrefix(posted, `{"jsonrpc":"2.0","result":{`) || !strings.HasSuffix(posted, `,"id":"a"}`) || status != 200 {
			t.Errorf("%s: %s\n%d %s\nexpected %s", method, over, status, posted, want)
		}
		status, got := b.get(t, "/"+method)
		if status != 200 || !strings.Contains(got, want) || strings.Contains(got, "jsonrpc\":\"2.0") {
			t.Errorf("GET /%s: %d %s", method, status, got)
		}
		if m := c.request(t, method, "1"); m.Error == nil || m.Error.Code != -32602 {
			t.Errorf("%s with a parameter: %+v", method, m)
		}
	}
	id := string(c.request(t, "subscribe_network_events", "").Result)
	expect(t, "the first subscription", id, `"1"`)
	expect(t, "its end", string(c.request(t, "unsubscribe_network_events", id).Result), "true")
	if m := c.request(t, "cat", ""); m.Error == nil || m.Error.Code != -32601 {
		t.Errorf("cat: %+v", m)
	}
}

// The description has the methods that there are.
func TestDiscover(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	_, got := b.get(t, "/rpc_discover")
	var document struct {
		OpenRPC string
		Methods []struct{ Name string }
	}
	must(t, json.Unmarshal([]byte(got), &document))
	var names []string
	c := b.dial(t)
	for _, m := range document.Methods {
		names = append(names, m.Name)
		if got := c.request(t, m.Name, ""); got.Error != nil && got.Error.Code == -32601 {
			t.Errorf("%s: %s", m.Name, got.Error.Message)
		}
	}
	slices.Sort(names)
	expect(t, "the methods", strings.Join(names, " "),
		"health metrics node rpc_discover subscribe_network_events subscribe_run_workflow unsubscribe_network_events unsubscribe_run_workflow")
}

func TestUnhealthy(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{Healthy: func() error { return errors.New("disk full") }})
	status, got := b.get(t, "/health")
	if status != http.StatusServiceUnavailable || !strings.HasPrefix(got, `{"healthy":false,"reason":"disk full","nodeInfo":{`) {
		t.Errorf("%d %s", status, got)
	}
}

// A node tells how much it keeps for others, and how much it may.
func TestGuestsInHealth(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{Guests: func() homestar.Guests { return homestar.Guests{Bytes: 5, Quota: 10} }})
	status, got := b.get(t, "/health")
	if status != http.StatusOK || !strings.HasPrefix(got, `{"healthy":true,"guests":{"bytes":5,"quota":10},"nodeInfo":{`) {
		t.Errorf("%d %s", status, got)
	}
}

// A node that refuses tasks is healthy, and tells of them.
func TestQuarantinedInHealth(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{Quarantined: func() int { return 3 }})
	status, got := b.get(t, "/health")
	if status != http.StatusOK || !strings.HasPrefix(got, `{"healthy":true,"quarantined":3,"nodeInfo":{`) {
		t.Errorf("%d %s", status, got)
	}
}

func TestHTTPRefuses(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{MaxMessage: 40 << 10})
	for _, c := range []struct {
		kind, body string
		status     int
		want       string
	}{
		{"text/plain", `{}`, 415, "application/json"},
		{"", `{}`, 415, "application/json"},
		{"application/json", strings.Repeat(" ", 41<<10), 413, "too large"},
		{"application/json", `{`, 200, `{"jsonrpc":"2.0","error":{"code":-32700,`},
		{"application/json", `{"jsonrpc":"2.0","method":"health"}`, 204, ""},
		{"application/json", `{"jsonrpc":"2.0","method":"subscribe_run_workflow","params":[{}],"id":1}`, 200, "needs a WebSocket"},
	} {
		status, got := b.post(t, c.kind, c.body)
		if status != c.status || !strings.Contains(got, c.want) {
			t.Errorf("%s %.80s: %d %s", c.kind, c.body, status, got)
		}
	}
	for path, want := range map[string]int{"/": 426, "/else": 404, "/subscribe_run_workflow": 404} {
		if status, got := b.get(t, path); status != want {
			t.Errorf("GET %s: %d %s", path, status, got)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, b.server.URL+"/health", nil)
	must(t, err)
	req.Header.Set("Upgrade", "h2c") // which nobody has to take up
	if status, got := b.do(t, req); status != 200 {
		t.Errorf("another upgrade: %d %s", status, got)
	}
	req, err = http.NewRequestWithContext(t.Context(), http.MethodDelete, b.server.URL, nil)
	must(t, err)
	if status, got := b.do(t, req); status != 405 {
		t.Errorf("DELETE: %d %s", status, got)
	}
}

// The reason why a workflow was not accepted reaches who asked.
func TestNotAccepted(t *testing.T) {
	t.Parallel()
	fail := fmt.Errorf("%w: 3", runs.ErrFull)
	b := newBench(t, homestar.Config{Submit: func(context.Context, *workflow.Workflow) (*graph.Graph, runs.Attempt, error) {
		return nil, runs.Attempt{}, fail
	}, MaxSubscriptions: 2})
	c := b.dial(t)
	doc := b.chain(t, "x", 1, 1)
	for range 3 { // which leaves no subscription
		if m := c.request(t, "subscribe_run_workflow", doc); m.Error == nil || m.Error.Code != -32000 || m.Error.Message != fail.Error() {
			t.Errorf("full: %+v", m)
		}
	}
}

func TestSubscriptionBound(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{MaxSubscriptions: 2})
	defer b.shut()()
	c := b.dial(t)
	doc := b.chain(t, "x", 1, 1)
	c.subscribe(t, doc)
	id := string(c.request(t, "subscribe_network_events", "").Result)
	for _, method := range []string{"subscribe_run_workflow", "subscribe_network_events"} {
		params := map[bool]string{true: doc}[method == "subscribe_run_workflow"]
		if m := c.request(t, method, params); m.Error == nil || m.Error.Code != -32000 || !strings.Contains(m.Error.Message, "2 subscriptions") {
			t.Errorf("%s: %+v", method, m)
		}
	}
	c.request(t, "unsubscribe_network_events", id)
	c.subscribe(t, doc)
}

// What subscriptions hold is bounded together, however small each is.
func TestHeldBound(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{MaxHeld: 30_000})
	open := b.shut()
	c, other := b.dial(t), b.dial(t)
	doc := func(n int) string { return b.chain(t, fmt.Sprint("w", n), 3, n) }
	id := c.subscribe(t, doc(1))
	m := other.request(t, "subscribe_run_workflow", doc(2))
	if m.Error == nil || m.Error.Code != -32000 || !strings.Contains(m.Error.Message, "30000 is the most") {
		t.Errorf("one too many: %+v", m.Error)
	}
	open()
	c.notifications(t, id, 3)
	for end := time.Now().Add(20 * time.Second); ; {
		if m = other.request(t, "subscribe_run_workflow", doc(2)); m.Error == nil || time.Now().After(end) {
			break
		}
	}
	if m.Error != nil {
		t.Errorf("when the first has ended: %+v", m.Error)
	}
}

// Subscriptions that came to their end are not counted.
func TestSubscriptionsEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{MaxSubscriptions: 1})
	c := b.dial(t)
	doc := b.chain(t, "x", 2, 1)
	for range 10 {
		c.notifications(t, c.subscribe(t, doc), 2)
		b.subscriptions(t, 0) // the end follows the last notification
	}
}

func TestConnectionBound(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{MaxConnections: 2})
	b.dial(t)
	second := b.dial(t)
	_, resp, err := websocket.Dial(t.Context(), b.server.URL, nil)
	if err == nil || resp.StatusCode != 503 || resp.Header.Get("Retry-After") == "" {
		t.Errorf("a third connection: %v", err)
	}
	must(t, second.Close(websocket.StatusNormalClosure, ""))
	await(t, func() string { // its place is free
		conn, _, err := websocket.Dial(t.Context(), b.server.URL, nil)
		if err != nil {
			return err.Error()
		}
		_ = conn.CloseNow()
		return ""
	})
}

// closing is the status with which a connection is closed.
func closing(t *testing.T, c *client) websocket.StatusCode {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		if _, _, err := c.Read(ctx); err != nil {
			return websocket.CloseStatus(err)
		}
	}
}

func TestBadMessages(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{MaxMessage: 64 << 10})
	c := b.dial(t)
	for _, data := range []string{`{`, `[]`, `{"jsonrpc":"2.0","method":"health","id":null}`} { // after which the connection is as good as before
		must(t, c.Write(t.Context(), websocket.MessageText, []byte(data)))
		if m := c.read(t); m.Error == nil || string(m.ID) != "null" {
			t.Errorf("%s: %+v", data, m)
		}
	}
	c.silent(t)
	must(t, c.Write(t.Context(), websocket.MessageBinary, []byte(`{}`)))
	expect(t, "a binary message", closing(t, c), websocket.StatusUnsupportedData)
	c = b.dial(t)
	must(t, c.Write(t.Context(), websocket.MessageText, make([]byte, 64<<10+1)))
	expect(t, "a large message", closing(t, c), websocket.StatusMessageTooBig)
}

// raw opens a WebSocket whose frames the test writes itself.
func (b *bench) raw(t *testing.T) net.Conn {
	t.Helper()
	var d net.Dialer
	conn, err := d.DialContext(t.Context(), "tcp", b.server.Listener.Addr().String())
	must(t, err)
	t.Cleanup(func() { _ = conn.Close() })
	_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n")
	must(t, err)
	head := make([]byte, 12)
	_, err = io.ReadFull(conn, head)
	must(t, err)
	expect(t, "the answer", string(head), "HTTP/1.1 101")
	return conn
}

// ends fails unless the connection ends.
func ends(t *testing.T, conn net.Conn) {
	t.Helper()
	must(t, conn.SetReadDeadline(time.Now().Add(20*time.Second)))
	if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection did not end")
	}
}

func TestMalformedFrames(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	for name, frame := range map[string]string{
		"not masked":             "\x81\x02{}",
		"reserved bits":          "\xf1\x80\x00\x00\x00\x00",
		"reserved opcode":        "\x83\x80\x00\x00\x00\x00",
		"a long control frame":   "\x89\xfe\x01\x00\x00\x00\x00\x00",
		"a ping in pieces":       "\x09\x80\x00\x00\x00\x00",
		"a piece of nothing":     "\x80\x80\x00\x00\x00\x00",
		"a length of 2^63":       "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
		"a length of 2^62":       "\x81\xff\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" + strings.Repeat("x", 100<<10),
		"an invalid close":       "\x88\x81\x00\x00\x00\x00\x00",
		"no WebSocket any more":  "GET / HTTP/1.1\r\n\r\n",
		"a second text in there": "\x01\x81\x00\x00\x00\x00{\x81\x81\x00\x00\x00\x00{",
	} {
		conn := b.raw(t)
		if _, err := io.WriteString(conn, frame); err == nil && name == "a length of 2^62" {
			_ = conn.(*net.TCPConn).CloseWrite()
		}
		t.Run(name, func(t *testing.T) { ends(t, conn) })
	}
	b.dial(t).silent(t)
}

// A client that does not answer pings is cut off, as is one that stops in the
// middle of a frame; what they asked for goes on.
func TestSilentClients(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{WriteTimeout: 200 * time.Millisecond, PingInterval: 200 * time.Millisecond})
	idle, half := b.raw(t), b.raw(t)
	_, err := io.WriteString(half, "\x81\xfe\x10\x00\x00\x00\x00\x00{")
	must(t, err)
	ends(t, half)
	ends(t, idle)

	b = newBench(t, homestar.Config{WriteTimeout: time.Second, PingInterval: time.Hour}) // the ping is that of the subscription
	mute, _, err := websocket.Dial(t.Context(), b.server.URL, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool { return false }})
	must(t, err)
	c := &client{Conn: mute}
	c.subscribe(t, b.chain(t, "mute", 2, 1))
	if _, data, err := c.Read(t.Context()); err == nil {
		t.Errorf("who has not answered a ping was sent: %.200s", data)
	}
	var end runs.State
	must(t, b.Watch(t.Context(), b.last(t), runs.Position{}, func(ev runs.Event) bool {
		if ev.Kind == runs.Ended {
			end = ev.Run.State
		}
		return true
	}))
	expect(t, "the run", end, runs.OK)
}

// A client that never reads is cut off, and holds up nobody.
func TestNeverReads(t *testing.T) {
	t.Parallel()
	var log buffer
	b := newBench(t, homestar.Config{WriteTimeout: time.Second, Log: slog.New(slog.NewTextHandler(&log, nil))})
	conn := b.raw(t)
	request := `{"jsonrpc":"2.0","method":"rpc_discover","id":1}`
	message := append([]byte{0x81, 0x80 | byte(len(request)), 0, 0, 0, 0}, request...)
	must(t, conn.SetWriteDeadline(time.Now().Add(20*time.Second)))
	var err error
	for err == nil { // until nothing is taken in any more, or it is cut off
		_, err = conn.Write(message)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection did not end")
	}
	b.dial(t).silent(t)
	for limit := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "it takes in nothing"); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the log: %q", log.String())
		}
	}
}

// buffer is a log that is written and read at once.
type buffer struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *buffer) Write(data []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(data)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// Closing tells clients, and ends what was started for them.
func TestClose(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	defer b.shut()()
	c := b.dial(t)
	c.subscribe(t, b.chain(t, "x", 2, 1))
	done := make(chan error)
	go func() { done <- b.handler.Close() }()
	expect(t, "the status", closing(t, c), websocket.StatusGoingAway)
	must(t, <-done)
	if _, resp, err := websocket.Dial(t.Context(), b.server.URL, nil); err == nil || resp.StatusCode != 503 {
		t.Errorf("a connection after closing: %v", err)
	}
	run, err := b.Get(b.last(t))
	must(t, err)
	expect(t, "the run", run.State, runs.Running)
}

// A client that is being pinged when the node stops is told so, too.
func TestCloseDuringAPing(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{WriteTimeout: time.Hour, PingInterval: 10 * time.Millisecond})
	pinged := make(chan struct{}, 1)
	conn, _, err := websocket.Dial(t.Context(), b.server.URL, &websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool {
		pinged <- struct{}{}
		return false
	}})
	must(t, err)
	done := make(chan error)
	go func() {
		<-pinged
		done <- b.handler.Close()
	}()
	expect(t, "the status", closing(t, &client{Conn: conn}), websocket.StatusGoingAway)
	must(t, <-done)
}

// Fifty clients with ten workflows each of a thousand tasks together: every task
// is told once.
func TestManyClients(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{WriteTimeout: time.Hour, PingInterval: time.Hour}) // they are read one after the other
	docs := make([]string, 10)
	for i := range docs {
		docs[i] = b.chain(t, fmt.Sprint("w", i), 10, i)
	}
	clients := make([]*client, 50)
	ids := make([][]string, len(clients))
	for i := range clients {
		clients[i] = b.dial(t)
		for _, doc := range docs {
			ids[i] = append(ids[i], clients[i].subscribe(t, doc))
		}
	}
	for i, c := range clients {
		for j, id := range ids[i] {
			got := c.notifications(t, id, 10)
			if all := outs(got); len(all) != 10 || got[9].Out.String() != fmt.Sprintf(`["ok",%d]`, j+10) {
				t.Errorf("client %d, workflow %d: %v", i, j, all)
			}
		}
		c.silent(t)
	}
}

func TestLargeWorkflow(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	doc := b.chain(t, "large", 1000, 1)
	started := time.Now()
	id := c.subscribe(t, doc)
	t.Logf("acknowledged after %v", time.Since(started))
	if all := outs(c.notifications(t, id, 1000)); len(all) != 1000 {
		t.Errorf("%d tasks", len(all))
	}
	c.silent(t)
}
