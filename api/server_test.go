package api_test

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/api"
)

// dial connects to the rig's port.
func (r *rig) dial(t *testing.T) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	must(t, c.SetDeadline(time.Now().Add(soon)))
	return c.(*net.TCPConn)
}

// closed waits until the server closes a connection, and returns what it said.
func closed(t *testing.T, c net.Conn) string {
	t.Helper()
	said, err := io.ReadAll(c)
	if err != nil && !strings.Contains(err.Error(), "reset") {
		t.Fatalf("it is still open: %v, %q", err, said)
	}
	return string(said)
}

// Who sends a byte now and then is not waited for.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	short := 100 * time.Millisecond
	server := newRig(t, options{server: api.ServerOptions{Header: short, Body: short, Idle: short}})
	handler := newRig(t, options{Bounds: api.Bounds{Body: short}})
	drip := func(t *testing.T, r *rig, begin string) string {
		t.Helper()
		c := r.dial(t)
		begin = strings.ReplaceAll(begin, "HOST", strings.TrimPrefix(r.url, "http://"))
		go func() {
			_, _ = c.Write([]byte(begin))
			for {
				time.Sleep(10 * time.Millisecond)
				if _, err := c.Write([]byte("x")); err != nil {
					return
				}
			}
		}()
		return closed(t, c)
	}
	for name, test := range map[string]struct {
		at          *rig
		begin, says string
	}{
		"a header":              {server, "GET /v1 HTTP/1.1\r\nHost: HOST\r\nX: ", ""},
		"a body":                {handler, "POST /v1/workflows HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000\r\n\r\n", "408"},
		"a body in pieces":      {handler, "POST /v1/workflows HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", "408"},
		"a body of a file":      {handler, "POST /ipfs HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000\r\n\r\n", "408"},
		"a body that none asks": {server, "GET /v1 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100000\r\n\r\n", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Now()
			if said := drip(t, test.at, test.begin); !strings.Contains(said, test.says) {
				t.Errorf("%q", said)
			}
			if took := time.Since(start); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
	t.Run("nothing", func(t *testing.T) {
		t.Parallel()
		closed(t, server.dial(t))
	})
}

// Who does not take what it asked for loses its connection, and what it held is
// free again.
func TestClientsThatDoNotRead(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{Bounds: api.Bounds{Write: 200 * time.Millisecond, Streams: 1}, closed: true})
	host := strings.TrimPrefix(r.url, "http://")
	data := make([]byte, 32<<20) // more than the buffers of the kernel
	rand.Read(data)
	path := r.do(t, "POST", "/ipfs", string(data)).Header.Get("Location")
	c := r.dial(t)
	_, err := fmt.Fprintf(c, "GET %s?format=car HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
	must(t, err)
	time.Sleep(600 * time.Millisecond)
	if said := closed(t, c); len(said) >= len(data) {
		t.Errorf("all %d bytes were sent", len(said))
	}

	// The same with events, of which there is one place.
	var document strings.Builder
	for n := range 200 {
		fmt.Fprintf(&document, "j%d: {with: %s, args: ['%d%s', y]}\n", n, r.example(t, "names/full-name.wasm"), n, strings.Repeat("x", 60_000))
	}
	events := r.do(t, "POST", "/v1/workflows", document.String(), yaml).Header.Get("Location") + "/events"
	c = r.dial(t)
	must(t, c.SetReadBuffer(4096))
	_, err = fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", events, host)
	must(t, err)
	_, err = io.ReadFull(c, make([]byte, 10))
	must(t, err)
	r.do(t, "GET", events, "").problem(t, http.StatusTooManyRequests, api.Busy, "wait")
	r.pass()
	eventually(t, "the place is free", func() bool {
		resp, err := r.Do(r.request(t, "GET", events, ""))
		must(t, err)
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// Connections that do nothing make way.
func TestConnections(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{server: api.ServerOptions{Conns: 20}, closed: true})
	var idle []net.Conn
	for range 200 {
		idle = append(idle, r.dial(t))
	}
	for range 10 {
		r.do(t, "GET", "/v1", "").json(t, http.StatusOK)
	}
	for _, c := range idle[:150] { // the oldest went first
		if said := closed(t, c); said != "" {
			t.Errorf("%q", said)
		}
	}

	// Those that do something do not.
	path := r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).Header.Get("Location") + "/events"
	host := strings.TrimPrefix(r.url, "http://")
	var busy []net.Conn
	for range 20 {
		// The connection of the client is idle a moment after its answer has arrived.
		eventually(t, "a place", func() bool {
			c := r.dial(t)
			_, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
			must(t, err)
			line, err := bufio.NewReader(c).ReadString('\n')
			if err != nil || !strings.Contains(line, "200") {
				return false
			}
			busy = append(busy, c)
			return true
		})
	}
	if said := closed(t, r.dial(t)); !strings.HasPrefix(said, "HTTP/1.1 503 ") || !strings.Contains(said, "Retry-After") {
		t.Errorf("one too many: %q", said)
	}
	_ = busy[0].Close()
	eventually(t, "a place again", func() bool {
		c := r.dial(t)
		defer c.Close()
		_, err := fmt.Fprintf(c, "GET /v1 HTTP/1.1\r\nHost: %s\r\n\r\n", host)
		line, readErr := bufio.NewReader(c).ReadString('\n')
		return err == nil && readErr == nil && strings.Contains(line, "200")
	})
}

func TestLargeHead(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	c := r.dial(t)
	_, _ = fmt.Fprintf(c, "GET /v1 HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", strings.Repeat("x", 64<<10))
	if said := closed(t, c); !strings.HasPrefix(said, "HTTP/1.1 431 ") {
		t.Errorf("%q", said)
	}
}

// Closing lets an answer that is being given be finished, and waits for no one for
// ever.
func TestClose(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{server: api.ServerOptions{Grace: 300 * time.Millisecond}})
	host := strings.TrimPrefix(r.url, "http://")
	document := r.sum(t, 1)
	half := r.dial(t)
	_, err := fmt.Fprintf(half, "POST /v1/workflows?wait HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\n\r\n%s", host, len(document), document[:10])
	must(t, err)
	never := r.dial(t)
	_, err = fmt.Fprintf(never, "POST /v1/workflows HTTP/1.1\r\nHost: %s\r\nContent-Length: 100\r\n\r\n", host)
	must(t, err)
	time.Sleep(50 * time.Millisecond)
	done := make(chan error)
	start := time.Now()
	go func() { done <- r.server.Close() }()
	time.Sleep(50 * time.Millisecond)
	_, err = half.Write([]byte(document[10:]))
	must(t, err)
	line, err := bufio.NewReader(half).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "HTTP/1.1 20") {
		t.Errorf("%q, %v", line, err)
	}
	must(t, <-done)
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("closing took %v", took)
	}
	closed(t, never)
	if _, err := net.Dial("tcp", host); err == nil {
		t.Error("it still listens")
	}
}
