package gateway

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var block = []byte("a block")

var link = ipld.LinkOf(ipld.CodecRaw, block)

// quick are settings with which a test need not wait.
func quick() settings {
	s := defaults()
	s.patience, s.absent = 20*time.Millisecond, 0
	return s
}

// serve is the URL of a server that answers with handle.
func serve(t *testing.T, handle http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(handle)
	t.Cleanup(s.Close)
	return s.URL
}

// send answers with data as a gateway does.
func send(w http.ResponseWriter, data []byte) {
	w.Header().Set("Content-Type", typeBlock)
	_, _ = w.Write(data)
}

func client(t *testing.T, set settings, c Config) *Client {
	t.Helper()
	client, err := newClient(c, set, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	return client
}

// A gateway is asked as its specification has it.
func TestAsksGateway(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got := fmt.Sprintf("%s %s %s, %d bytes", r.Method, r.URL, r.Header.Get("Accept"), r.ContentLength)
		if want := "GET /base/ipfs/" + link.String() + "?format=raw application/vnd.ipld.raw, 0 bytes"; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		w.Header().Set("Content-Type", "Application/vnd.ipld.raw; x=y")
		_, _ = w.Write(block)
	})
	for _, base := range []string{url + "/base", url + "/base/"} {
		got, err := client(t, quick(), Config{Gateways: []string{base}}).Fetch(t.Context(), link)
		if err != nil || !bytes.Equal(got, block) {
			t.Errorf("%s: %q, %v", base, got, err)
		}
	}
}

// Kubo is asked by its RPC, and says in JSON why it has nothing.
func TestAsksKubo(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if got, want := r.Method+" "+r.URL.Path, "POST /api/v0/block/get"; got != want {
			t.Errorf("asked %s, want %s", got, want)
		}
		if r.URL.RawQuery == "arg="+link.String() {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = w.Write(block)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, `{"Message":"block was not found\u001b[31m","Code":0,"Type":"error"}`)
	})
	c := client(t, quick(), Config{Kubo: url})
	if got, err := c.Fetch(t.Context(), link); err != nil || !bytes.Equal(got, block) {
		t.Errorf("%q, %v", got, err)
	}
	_, err := c.Fetch(t.Context(), ipld.LinkOf(ipld.CodecRaw, nil))
	if err != nil {
		t.Errorf("the empty block: %v", err)
	}
	_, err = c.Fetch(t.Context(), ipld.LinkOf(ipld.CodecRaw, []byte("other")))
	if want := "asked for elsewhere in vain: kubo at " + url + ": not there (block was not found [31m)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// Whatever a gateway does, no wrong block comes of it, in bounded time and space,
// and what it did is told.
func TestLyingGateways(t *testing.T) {
	t.Parallel()
	bomb := new(bytes.Buffer)
	z := gzip.NewWriter(bomb)
	_, _ = z.Write(make([]byte, 64<<20))
	_ = z.Close()
	for name, test := range map[string]struct {
		handle http.HandlerFunc
		want   string
	}{
		"wrong bytes": {
			func(w http.ResponseWriter, _ *http.Request) { send(w, []byte("a bl0ck")) },
			"not what was asked for: its 7 bytes are not those of the CID",
		},
		"nothing": {
			func(w http.ResponseWriter, _ *http.Request) { send(w, nil) },
			"not what was asked for: its 0 bytes are not those of the CID",
		},
		"announced too long": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2097153")
			send(w, block)
		}, "not what was asked for: 2097153 bytes, at most 2097152 are taken"},
		"too long": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				send(w, make([]byte, 1<<16))
			}
		}, "not what was asked for: more than 2097152 bytes"},
		"truncated": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			send(w, block)
		}, "not what was asked for: it ends too early, after 7 bytes"},
		"truncated chunks": {func(w http.ResponseWriter, _ *http.Request) {
			send(w, block)
			w.(http.Flusher).Flush()
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.Close()
		}, "not what was asked for: it ends too early, after 7 bytes"},
		"slow loris": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				send(w, []byte("a"))
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, "no whole answer within 300ms"},
		"silence":     {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, "no whole answer within 300ms"},
		"404":         {http.NotFound, "not there (404 Not Found)"},
		"410":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }, "not there (410 Gone)"},
		"500":         {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }, "500 Internal Server Error"},
		"odd status":  {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(299) }, "299"},
		"another one": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(206); send(w, block) }, "206 Partial Content"},
		"wrong type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = w.Write(block)
		}, "not what was asked for: it is text/html, not application/vnd.ipld.raw"},
		"no type": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header()["Content-Type"] = nil
			_, _ = w.Write(block)
		}, "not what was asked for: it is nothing, not application/vnd.ipld.raw"},
		"gzip bomb": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Encoding", "gzip")
			send(w, bomb.Bytes())
		}, "not what was asked for: it has the encoding gzip"},
		"large header": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<20))
			send(w, block)
		}, "net/http: HTTP/1.x transport connection broken: net/http: server response headers exceeded 65536 bytes; aborted"},
		"no HTTP": {func(w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_, _ = io.WriteString(conn, "SSH-2.0-x\r\n")
			_ = conn.Close()
		}, `net/http: HTTP/1.x transport connection broken: malformed HTTP response "SSH-2.0-x"`},
		"redirects to http": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "http://example.com/", http.StatusFound)
		}, "it redirects to http, and only https is followed"},
		"redirects to a file": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
		}, "it redirects to file, and only https is followed"},
		"redirects into this network": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://127.0.0.1:1/", http.StatusFound)
		}, "dial tcp 127.0.0.1:1: it redirects to 127.0.0.1, which is no public address"},
		"redirects to the metadata of a cloud": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://169.254.169.254/latest", http.StatusFound)
		}, "dial tcp 169.254.169.254:443: it redirects to 169.254.169.254, which is no public address"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url, set := serve(t, test.handle), quick()
			if strings.HasSuffix(test.want, "within 300ms") {
				set.request = 300 * time.Millisecond
			}
			data, err := client(t, set, Config{Gateways: []string{url}}).Fetch(t.Context(), link)
			if want := "asked for elsewhere in vain: " + url + ": " + test.want; err == nil || err.Error() != want {
				t.Errorf("%v\nwant %s", err, want)
			}
			if data != nil {
				t.Errorf("%d bytes beside the error", len(data))
			}
		})
	}
}

// Redirects are followed to https, three times.
func TestRedirects(t *testing.T) {
	t.Parallel()
	var hops atomic.Int64
	s := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if hops.Add(-1) < 0 {
			send(w, block)
			return
		}
		http.Redirect(w, r, r.URL.Path, http.StatusMovedPermanently)
	}))
	t.Cleanup(s.Close)
	first := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL+"/x", http.StatusFound) })
	for n, want := range map[int64]string{2: "", 3: "it redirects more than 3 times"} {
		c, err := newClient(Config{Gateways: []string{first}}, quick(), s.Client().Transport.(*http.Transport))
		if err != nil {
			t.Fatal(err)
		}
		c.hosts[s.Listener.Addr().String()] = true // as if it had a public address
		hops.Store(n)
		data, err := c.Fetch(t.Context(), link)
		if want == "" && (err != nil || !bytes.Equal(data, block)) || want != "" && (err == nil || !strings.HasSuffix(err.Error(), want)) {
			t.Errorf("%d hops after the first: %q, %v, want %q", n, data, err, want)
		}
		_ = c.Close()
	}
	kubo := serve(t, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, s.URL, http.StatusTemporaryRedirect) })
	if _, err := client(t, quick(), Config{Kubo: kubo}).Fetch(t.Context(), link); err == nil || !strings.HasSuffix(err.Error(), "it redirects, which is not followed") {
		t.Errorf("kubo redirects: %v", err)
	}
}

// A certificate that nobody vouches for is no gateway's.
func TestCertificates(t *testing.T) {
	t.Parallel()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { send(w, block) }))
	s.Config.ErrorLog = nil
	s.Config.ConnState = nil
	s.StartTLS()
	t.Cleanup(s.Close)
	if _, err := client(t, quick(), Config{Gateways: []string{s.URL}}).Fetch(t.Context(), link); err == nil || !strings.Contains(err.Error(), "certificate") {
		t.Errorf("got %v", err)
	}
}

// Where one does not answer well another does, and who fails is asked last from
// then on.
func TestOneOfTwoIsBroken(t *testing.T) {
	t.Parallel()
	for name, handle := range map[string]http.HandlerFunc{
		"lies":    func(w http.ResponseWriter, _ *http.Request) { send(w, []byte("lies")) },
		"is down": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(502) },
		"hangs":   func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		"has none": func(w http.ResponseWriter, r *http.Request) {
			http.NotFound(w, r)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			broken := serve(t, func(w http.ResponseWriter, r *http.Request) {
				asked.Add(1)
				handle(w, r)
			})
			whole := serve(t, func(w http.ResponseWriter, r *http.Request) {
				send(w, []byte(strings.TrimPrefix(r.URL.Path, "/ipfs/"+link.String())+string(block)))
			})
			set := quick()
			set.request = time.Hour // who hangs must not be waited for
			if name != "hangs" {
				set.patience = time.Hour
			}
			c := client(t, set, Config{Gateways: []string{broken, whole}})
			for range 3 {
				if got, err := c.Fetch(t.Context(), link); err != nil || !bytes.Equal(got, block) {
					t.Fatalf("%q, %v", got, err)
				}
				c.patience = time.Hour // from now on there is nobody to wait for in vain
			}
			want := int64(1)
			if name == "has none" { // which is no failure
				want = 3
			}
			if asked.Load() != want {
				t.Errorf("it was asked %d times, want %d", asked.Load(), want)
			}
		})
	}
}

// Those who ask for a block at the same time make one request.
func TestOneFlight(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	come := make(chan struct{})
	url := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		<-come
		send(w, block)
	})
	c := client(t, defaults(), Config{Gateways: []string{url}})
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			if got, err := c.Fetch(t.Context(), link); err != nil || !bytes.Equal(got, block) {
				t.Errorf("%q, %v", got, err)
			}
		})
	}
	waitUntil(t, func() bool { return waiters(c) == 50 })
	close(come)
	all.Wait()
	if asked.Load() != 1 {
		t.Errorf("%d requests", asked.Load())
	}
}

func waiters(c *Client) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f := c.flights[link]; f != nil {
		return f.waiters
	}
	return 0
}

func waitUntil(t *testing.T, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !ok(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("it never came to that")
		}
	}
}

// Who gives up leaves the others their request; when the last one has, it ends.
func TestCancel(t *testing.T) {
	t.Parallel()
	ended := make(chan struct{})
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		close(ended)
	})
	c := client(t, defaults(), Config{Gateways: []string{url}})
	errEnough := errors.New("enough")
	one, leaveOne := context.WithCancelCause(t.Context())
	two, leaveTwo := context.WithCancelCause(t.Context())
	errs := make(chan error, 2)
	for _, ctx := range []context.Context{one, two} {
		go func() {
			_, err := c.Fetch(ctx, link)
			errs <- err
		}()
	}
	waitUntil(t, func() bool { return waiters(c) == 2 })
	leaveOne(errEnough)
	if err := <-errs; !errors.Is(err, errEnough) {
		t.Errorf("the first: %v", err)
	}
	select {
	case <-ended:
		t.Error("the request ended for the second, too")
	case <-time.After(20 * time.Millisecond):
	}
	leaveTwo(errEnough)
	if err := <-errs; !errors.Is(err, errEnough) {
		t.Errorf("the second: %v", err)
	}
	<-ended
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.absent) > 0 {
		t.Error("what nobody waited for counts as absent")
	}
}

// Close ends what is in progress, and nothing begins after it.
func TestClose(t *testing.T) {
	t.Parallel()
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c, err := New(Config{Gateways: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	errs := make(chan error)
	go func() {
		_, err := c.Fetch(t.Context(), link)
		errs <- err
	}()
	waitUntil(t, func() bool { return waiters(c) == 1 })
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-errs; !errors.Is(err, ErrClosed) {
		t.Errorf("in progress: %v", err)
	}
	if _, err := c.Fetch(t.Context(), link); !errors.Is(err, ErrClosed) {
		t.Errorf("after: %v", err)
	}
}

// That nobody has a block is known for a while; how many of these, is bounded.
func TestAbsent(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		http.NotFound(w, r)
	})
	set := quick()
	set.absent = time.Hour
	c := client(t, set, Config{Gateways: []string{url}})
	for range 5 {
		if _, err := c.Fetch(t.Context(), link); err == nil {
			t.Fatal("found")
		}
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
	c.mu.Lock()
	for l, a := range c.absent { // the hour is over
		a.until = time.Now()
		c.absent[l] = a
	}
	c.mu.Unlock()
	_, _ = c.Fetch(t.Context(), link)
	if n := asked.Load(); n != 2 {
		t.Errorf("after a while: asked %d times in all", n)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range maxAbsent + 5 {
		c.forget()
		c.absent[ipld.LinkOf(ipld.CodecRaw, []byte{byte(i), byte(i >> 8)})] = absence{until: time.Now().Add(time.Hour)}
	}
	if len(c.absent) > maxAbsent {
		t.Errorf("%d are kept", len(c.absent))
	}
}

// No more requests are in progress than the settings allow.
func TestParallel(t *testing.T) {
	t.Parallel()
	set := quick()
	set.parallel = 3
	var now, most atomic.Int64
	full, filled := make(chan struct{}), sync.Once{}
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == int64(set.parallel) {
			filled.Do(func() { close(full) })
		}
		select { // the first ones wait for one another
		case <-full:
		case <-r.Context().Done():
		}
		http.NotFound(w, r)
	})
	c := client(t, set, Config{Gateways: []string{url, url + "/2"}})
	var all sync.WaitGroup
	for i := range 40 {
		all.Go(func() { _, _ = c.Fetch(t.Context(), ipld.LinkOf(ipld.CodecRaw, []byte{byte(i)})) })
	}
	all.Wait()
	if most.Load() != int64(set.parallel) {
		t.Errorf("%d at once", most.Load())
	}
}

// Nobody is asked for what can not be told from anything else, nor for what the
// CID holds itself.
func TestNotAskedFor(t *testing.T) {
	t.Parallel()
	url := serve(t, func(_ http.ResponseWriter, r *http.Request) { t.Errorf("asked for %s", r.URL) })
	c := client(t, quick(), Config{Gateways: []string{url}})
	sha1, err := ipld.LinkWithHash(ipld.CodecRaw, 0x11, block)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Fetch(t.Context(), sha1); !errors.Is(err, ipld.ErrHash) {
		t.Errorf("sha1: %v", err)
	}
	inline, err := ipld.LinkWithHash(ipld.CodecRaw, 0, block)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := c.Fetch(t.Context(), inline); err != nil || !bytes.Equal(got, block) {
		t.Errorf("inline: %q, %v", got, err)
	}
}

func TestParseURL(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"https://example.com":           "",
		"http://127.0.0.1:5001":         "",
		"https://example.com/base/":     "",
		"http://[::1]:8080":             "",
		"":                              `"" does not begin with http:// or https://`,
		"example.com":                   `"example.com" does not begin with http:// or https://`,
		"ftp://example.com":             `"ftp://example.com" does not begin with http:// or https://`,
		"unix:///var/run/x":             `"unix:///var/run/x" does not begin with http:// or https://`,
		"https://":                      `"https://" names no host`,
		"https://:80":                   `"https://:80" names no host`,
		"https://me:secret@example.com": `"https://me:xxxxx@example.com" has a user name or a password, which are not sent`,
		"https://example.com?a=b":       `"https://example.com?a=b" has more than a host, a port and a path`,
		"https://example.com#a":         `"https://example.com#a" has more than a host, a port and a path`,
		"https://exa mple.com":          `"https://exa mple.com" is no URL`,
	} {
		got := ""
		if _, err := ParseURL(in); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
	many := make([]string, MaxSources+1)
	for i := range many {
		many[i] = "https://example.com"
	}
	if _, err := New(Config{Gateways: many}); err == nil {
		t.Error("too many are taken")
	}
}

func TestPublicAddresses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]bool{
		"93.184.215.14": true, "[2606:2800:21f:cb07:6820:80da:af6b:8b2c]": true,
		"127.0.0.1": false, "[::1]": false, "0.0.0.0": false, "[::]": false, "10.1.2.3": false, "172.16.0.1": false, "192.168.1.1": false,
		"169.254.169.254": false, "[fe80::1]": false, "[fd00::1]": false, "100.64.0.1": false, "224.0.0.1": false, "255.255.255.255": false,
		"[::ffff:127.0.0.1]": false, "[::ffff:10.0.0.1]": false, "[::ffff:100.64.0.1]": false, "[64:ff9b::7f00:1]": false, "[2002:7f00:1::]": false, "198.18.0.1": false,
	} {
		if err := public(net.JoinHostPort(strings.Trim(address, "[]"), "443")); (err == nil) != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}

func TestDownload(t *testing.T) {
	t.Parallel()
	url := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.String() {
		case "/file?a=b":
			_, _ = w.Write(block)
		case "/zipped":
			w.Header().Set("Content-Encoding", "gzip")
			_, _ = w.Write(block)
		case "/down":
			http.Redirect(w, r, "http://"+r.Host+"/file?a=b", http.StatusFound)
		default:
			http.NotFound(w, r)
		}
	})
	if got, err := Download(t.Context(), url+"/file?a=b", 7); err != nil || !bytes.Equal(got, block) {
		t.Errorf("%q, %v", got, err)
	}
	for path, want := range map[string]string{
		"/file?a=b": "not what was asked for: 7 bytes, at most 6 are taken",
		"/zipped":   "not what was asked for: it has the encoding gzip",
		"/down":     "it redirects to http, and only https is followed",
		"/nowhere":  "404 Not Found",
	} {
		if _, err := Download(t.Context(), url+path, 6); err == nil || err.Error() != url+path+": "+want {
			t.Errorf("%s: %v, want %s", path, err, want)
		}
	}
}
