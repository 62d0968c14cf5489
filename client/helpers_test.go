package client_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// serve is a node that answers HTTP until the test ends.
func serve(t *testing.T) *ipvm.Service {
	t.Helper()
	node, service := start(t, t.TempDir())
	t.Cleanup(func() {
		must(t, service.Close())
		must(t, node.Close())
	})
	return service
}

// start starts the node of a state directory.
func start(t *testing.T, dir string) (*ipvm.Node, *ipvm.Service) {
	t.Helper()
	return offering(t, dir, nil)
}

// offering starts a node that has something for strangers.
func offering(t *testing.T, dir string, offer *authority.Offer) (*ipvm.Node, *ipvm.Service) {
	t.Helper()
	node, err := ipvm.Open(dir, ipvm.Options{Workers: 2})
	if errors.Is(err, wasm.ErrNoEngine) {
		t.Skip(err)
	}
	must(t, err)
	service, err := node.Serve(context.Background(), ipvm.ServeOptions{Listen: "127.0.0.1:0", Version: "test", Offer: offer})
	must(t, err)
	return node, service
}

// open opens the node at a URL, as somebody of little patience.
func open(t *testing.T, url string) *client.Client {
	t.Helper()
	c, err := client.Open(t.Context(), url, client.Options{Patience: soon})
	must(t, err)
	t.Cleanup(c.Close)
	return c
}

// soon is when a test gives up.
const soon = 20 * time.Second

// dial is a node and a client of it.
func dial(t *testing.T) *client.Client {
	t.Helper()
	return open(t, "http://"+serve(t).Addr())
}

// upload puts a module of the examples into the node.
func upload(t *testing.T, c *client.Client, name string) ipld.Link {
	t.Helper()
	code, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), name))
	must(t, err)
	link, err := c.Upload(t.Context(), code)
	must(t, err)
	return link
}

// proxy stands between a client and a node, and does what change says.
func proxy(t *testing.T, to string, change func(w http.ResponseWriter, r *http.Request, next http.Handler)) string {
	t.Helper()
	host := strings.TrimPrefix(to, "http://")
	transport := &http.Transport{}
	next := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = "http", cmp.Or(r.In.URL.Host, host)
			r.Out.Host = r.Out.URL.Host
		},
		ErrorLog:  log.New(io.Discard, "", 0),
		Transport: transport, FlushInterval: -1,
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { change(w, r, next) }))
	t.Cleanup(func() {
		s.CloseClientConnections()
		s.Close()
		transport.CloseIdleConnections()
	})
	return s.URL
}

// answer is a server that gives one answer to everything but who asks who it is.
func answer(t *testing.T, do http.HandlerFunc) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/v1" {
			about(w, `{"schema":1,"did":"did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg","revision":1,"serves":1}`)
			return
		}
		do(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func about(w http.ResponseWriter, body string) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write([]byte(body))
}

// times counts how often something is asked for.
type times struct{ atomic.Int32 }

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func expect[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := gocmp.Diff(want, got, cmpopts.EquateComparable(ipld.Link{})); diff != "" {
		t.Errorf("%s (-expected +got):\n%s", what, diff)
	}
}
