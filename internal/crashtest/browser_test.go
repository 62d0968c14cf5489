//go:build unix && cgo

package crashtest

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

//go:embed testdata/foreign.html
var foreignPage string

// browser is where Chromium is.
func browser(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("no Chromium here")
	return ""
}

// visit has a browser go to url. Names that end in .test are that address of this
// machine.
func visit(t *testing.T, program, name, at, url string) {
	t.Helper()
	cmd := exec.Command(
		program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--user-data-dir="+t.TempDir(), fmt.Sprintf("--host-resolver-rules=MAP %s %s", name, at), url,
	)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // its processes, too
		_ = cmd.Wait()
	})
}

// TestPeerBrowser has pages in a browser try to drive a node: of another site, of
// another port of this machine, and of a name that is made to resolve to the node
// after the page was loaded. Nothing happens on the node and nothing is read. A page
// of a configured origin does what they try.
func TestPeerBrowser(t *testing.T) {
	t.Parallel()
	program := browser(t)
	plain, _ := programs(t)
	reports := make(chan string, 1)
	site := httptest.NewUnstartedServer(nil)
	home := newHome(t)
	s := serveHTTP(t, plain, home, "--origin", "http://ui.test:"+port(site.Listener))
	module := s.put(t, addOne)
	s.serves(t, module, 1)
	victim := s.suspended(t, module)
	base := 1000
	page := func() string {
		config, err := json.Marshal(map[string]any{
			"node": "http://" + s.addr, "report": "http://" + site.Listener.Addr().String() + "/report", "module": module, "victim": victim, "base": base,
		})
		if err != nil {
			t.Fatal(err)
		}
		return strings.Replace(foreignPage, "CONFIG", string(config), 1)
	}
	site.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/":
			_, _ = io.WriteString(w, page())
		case "/report":
			body, _ := io.ReadAll(r.Body)
			reports <- string(body)
		}
	})
	site.Start()
	defer site.Close()
	rebound := s.rebound(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, strings.Replace(page(), "http://"+s.addr, "http://evil.test:"+port(s.addr), 1))
	})
	before := s.state(t)

	goTo := func(name, at, url string) map[string]string {
		base += 1000
		visit(t, program, name, at, url)
		var results map[string]string
		select {
		case text := <-reports:
			if err := json.Unmarshal([]byte(text), &results); err != nil || len(results) < 20 {
				t.Fatalf("the page says %q (%v)", text, err)
			}
		case <-time.After(patience):
			t.Fatalf("the page at %s says nothing", url)
		}
		return results
	}
	for _, foreign := range []struct{ what, name, at, url string }{
		{"another site", "evil.test", "127.0.0.1", "http://evil.test:" + port(site.Listener)},
		{"another port", "evil.test", "127.0.0.1", "http://" + site.Listener.Addr().String()},
		{"a rebound name", "evil.test", "127.0.0.2", "http://evil.test:" + port(s.addr)},
	} {
		results := goTo(foreign.name, foreign.at, foreign.url)
		for _, name := range forms {
			if results[name] == "nothing" {
				t.Errorf("%s: %s: it was not sent: this proves little", foreign.what, name)
			}
		}
		for _, name := range slices.Sorted(maps.Keys(results)) {
			got := results[name]
			if strings.HasPrefix(got, "read") && !(foreign.what == "a rebound name" && strings.HasPrefix(got, "read 403")) && !strings.Contains(got, "#foreign") {
				t.Errorf("%s: %s: the page got %.300q", foreign.what, name, got)
			}
		}
		if after := s.state(t); after != before {
			t.Errorf("%s: the node was\n%s\nand is\n%s", foreign.what, before, after)
		}
	}
	if rebound() == 0 {
		t.Error("nothing came to the node by the rebound name")
	}
	results := goTo("ui.test", "127.0.0.1", "http://ui.test:"+port(site.Listener))
	for name, want := range map[string]string{"fetch": "read 200", "simple post": "read 202", "preflighted post": "read 202", "WebSocket": "read", "call": "read 200"} {
		if got := results[name]; got != want && !(want == "read 202" && got == "read 200") {
			t.Errorf("a page of a configured origin: %s: %q", name, got)
		}
	}
	if after := s.state(t); after == before {
		t.Error("a page of a configured origin does nothing either: this proves little")
	}
	s.client.CloseIdleConnections()
}

// forms are the attempts that a page makes by forms.
var forms = []string{"form", "form of text", "form of parts", "form of a file", "form that resumes"}

// port is that of an address.
func port(at any) string {
	if l, ok := at.(net.Listener); ok {
		at = l.Addr().String()
	}
	_, port, _ := net.SplitHostPort(at.(string))
	return port
}

// suspended is a workflow that was suspended.
func (s *server) suspended(t *testing.T, module string) string {
	t.Helper()
	const nobodys = "bafyreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi" // a task: what awaits it goes on
	document := fmt.Sprintf(`{"a": {"with": %q, "args": [{"await/ok": {"/": %q}}], "time": "1h"}}`, module, nobodys)
	r := s.do(t, "POST", "/v1/workflows", document, "Content-Type", "application/json")
	workflow := r.ran(t).Workflow
	if r := s.do(t, "POST", "/v1/workflows/"+workflow+"/suspend", ""); r.ran(t).State != "suspended" {
		t.Fatalf("suspended: %v", r)
	}
	return workflow
}

// state is what a page may not change.
func (s *server) state(t *testing.T) string {
	t.Helper()
	metrics := s.do(t, "GET", "/metrics", "")
	var all struct {
		Metrics []struct {
			Name string `json:"metric_name"`
			Data []struct{ Value float64 }
		}
	}
	if err := json.Unmarshal(metrics.body, &all); err != nil {
		t.Fatal(err)
	}
	text := string(s.do(t, "GET", "/v1/workflows?limit=1000", "").body)
	for _, m := range all.Metrics {
		if strings.HasPrefix(m.Name, "ipvm_jsonrpc_") && m.Name != "ipvm_jsonrpc_requests" { // which this is
			text += fmt.Sprintf("\n%s %v", m.Name, m.Data)
		}
	}
	for _, file := range []string{"a file in a page", "a file in a form"} {
		link := ipld.LinkOf(ipld.CodecRaw, []byte(file)).String()
		text += fmt.Sprintf("\n%q: %d", file, s.do(t, "GET", "/ipfs/"+link+"?format=raw", "").status)
	}
	return text
}

// rebound listens at another address of this machine, at the node's port. Who
// comes first gets the page, and from then on connections go to the node, as if the
// name that the page came by had another address now. It returns how many did.
func (s *server) rebound(t *testing.T, page http.HandlerFunc) (connections func() int64) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.2:"+port(s.addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	var count atomic.Int64
	var given atomic.Bool
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { // browsers open connections that they may never use
				defer c.Close()
				asked := make([]byte, 64<<10)
				n, err := c.Read(asked)
				switch {
				case err != nil:
				case given.CompareAndSwap(false, true):
					w := httptest.NewRecorder()
					page(w, nil)
					_, _ = fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", w.Body.Len(), w.Body)
				default:
					count.Add(1)
					s.pass(c, asked[:n])
				}
			}()
		}
	}()
	return count.Load
}

// pass hands a connection to the node, from which some was read.
func (s *server) pass(c net.Conn, read []byte) {
	to, err := net.Dial("tcp", s.addr)
	if err != nil {
		return
	}
	defer to.Close()
	go func() {
		_, _ = to.Write(read)
		_, _ = io.Copy(to, c)
		_ = to.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(c, to)
}
