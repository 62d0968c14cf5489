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
	server := newRig(t, options{server: api.ServerOptions{Header: short}})
	unasked := newRig(t, options{server: api.ServerOptions{Body: short}})
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
		"a body that none asks": {unasked, "GET /v1 HTTP/1.1\r\nHost: HOST\r\nContent-Length: 100000\r\n\r\n", "200"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if said := drip(t, test.at, test.begin); !strings.Contains(said, test.says) {
				t.Errorf("%q", said)
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
	r := newRig(t, options{Bounds: api.Bounds{Write: time.Second, Streams: 1}, closed: true})
	host := strings.TrimPrefix(r.url, "http://")
	data := make([]byte, 32<<20) // more than the buffers of the kernel
	rand.Read(data)
	path := r.do(t, "POST", "/ipfs", string(data)).Header.Get("Location")
	c := r.dial(t)
	_, err := fmt.Fprintf(c, "GET %s?format=car HTTP/1.1\r\nHost: %s\r\n\r\n", path, host)
	must(t, err)
	eventually(t, "the connection is given up", func() bool { return r.gaveUp(c) })
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

// Closing lets an answer that is being given be finished.
func TestClose(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{server: api.ServerOptions{Grace: time.Minute}})
	document := r.sum(t, 1)
	c, answer := r.begin(t, "POST /v1/workflows?wait", len(document))
	done := make(chan error)
	go func() { done <- r.server.Close() }()
	eventually(t, "it takes no more", func() bool { return !r.listens() })
	_, err := io.WriteString(c, document)
	must(t, err)
	resp, err := http.ReadResponse(answer, nil)
	if err != nil || resp.StatusCode/100 != 2 {
		t.Errorf("%+v, %v", resp, err)
	}
	must(t, <-done)
}

// Closing waits for no one for ever.
func TestCloseBeforeAnEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{server: api.ServerOptions{Grace: 100 * time.Millisecond}})
	c, _ := r.begin(t, "POST /v1/workflows", 100)
	must(t, r.server.Close())
	closed(t, c)
	if r.listens() {
		t.Error("it still listens")
	}
}

// begin sends the head of a request whose body has so many bytes, and returns when
// these are being waited for.
func (r *rig) begin(t *testing.T, what string, length int) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	c := r.dial(t)
	_, err := fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: %s\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", what, strings.TrimPrefix(r.url, "http://"), length)
	must(t, err)
	answer := bufio.NewReader(c)
	resp, err := http.ReadResponse(answer, nil)
	if err != nil || resp.StatusCode != http.StatusContinue {
		t.Fatalf("%+v, %v", resp, err)
	}
	return c, answer
}

// listens tells whether the server takes connections.
func (r *rig) listens() bool {
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err == nil {
		_ = c.Close()
	}
	return err == nil
}
