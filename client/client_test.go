package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/did"
)

// Whoever answers has to be a node with which this client works.
func TestOpen(t *testing.T) {
	t.Parallel()
	const node = `"did":"did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg"`
	for name, test := range map[string]struct {
		status     int
		kind, body string
		node       did.DID
		want       error
		text       string
	}{
		"a node":          {200, "application/json; charset=utf-8", `{"schema":1,` + node + `,"revision":1,"serves":1}`, "", nil, ""},
		"a newer one":     {200, "application/json", `{"schema":1,` + node + `,"revision":9,"serves":1,"more":[1]}`, "", nil, ""},
		"of before":       {200, "application/json", `{"schema":1,` + node + `,"version":"v0"}`, "", client.ErrVersion, `it has revision 0, and this client needs 1: the node's program ("v0") has to be a newer one`},
		"of later":        {200, "application/json", `{"schema":1,` + node + `,"version":"v9","revision":9,"serves":7}`, "", client.ErrVersion, "it answers clients of revision 7 and later"},
		"another node":    {200, "application/json", `{"schema":1,` + node + `,"revision":1,"serves":1}`, "did:key:z6MkmuTr3fgeqSvKWc2iCzCrczBXm6M6Y4WoBiz3sCKfUE7N", nil, "the node is did:key:z6MkgGyk"},
		"a web page":      {200, "text/html", "<html>", "", client.ErrNoNode, "text/html"},
		"another service": {200, "application/json", `{"status":"ok"}`, "", client.ErrNoNode, "as a node does"},
		"no JSON":         {200, "application/json", `{`, "", client.ErrNoNode, "unexpected end"},
		"nothing there":   {404, "text/plain", "404 page not found", "", client.ErrNoNode, "404 Not Found"},
		"a redirect":      {307, "", "", "", client.ErrNoNode, "307"},
		"too much":        {200, "application/json", strings.Repeat(" ", 33<<20), "", client.ErrNoNode, "more than"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Content-Type", test.kind)
				w.Header().Set("Location", "/v1")
				w.WriteHeader(test.status)
				_, _ = w.Write([]byte(test.body))
			}))
			defer s.Close()
			c, err := client.Open(t.Context(), s.URL+"/", client.Options{Node: test.node})
			if c != nil {
				defer c.Close()
			}
			if ok := test.want == nil && test.text == ""; ok != (err == nil) {
				t.Fatal(err)
			}
			if test.want != nil && !errors.Is(err, test.want) || err != nil && (!strings.Contains(err.Error(), test.text) || !strings.Contains(err.Error(), s.URL)) {
				t.Errorf("%v, expected one that says %q", err, test.text)
			}
		})
	}
}

func TestOpenNothing(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"", "127.0.0.1:1337", "ftp://127.0.0.1", "http://", "http://a@127.0.0.1", "http://127.0.0.1/v1", "http://127.0.0.1?x", "http://127.0.0.1#x", "http://[::1"} {
		if _, err := client.Open(t.Context(), bad, client.Options{}); err == nil || !strings.Contains(err.Error(), "is not where a node is") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	s := httptest.NewServer(nil)
	s.Close()
	begun := time.Now()
	if _, err := client.Open(t.Context(), s.URL, client.Options{Patience: time.Hour}); err == nil {
		t.Error("nobody listens there")
	}
	if time.Since(begun) > soon {
		t.Error("it has waited for somebody")
	}
}

// Who is told to come back later does so, as long as there is time.
func TestLater(t *testing.T) {
	t.Parallel()
	const busy = `{"type":"https://github.com/ipvm-wg/go-ipvm/blob/main/docs/http.md#busy","title":"The node has enough to do","status":429,"detail":"20 others"}`
	var n times
	later := ""
	url := answer(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1) == 3 {
			about(w, `{"workflow":"bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy","state":"ok","attempt":1}`)
			return
		}
		w.Header().Set("Retry-After", later)
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(busy))
	})
	c := open(t, url)
	run, err := c.Submit(t.Context(), client.Document{Data: []byte("x")}, client.Submission{})
	must(t, err)
	expect(t, "state", run.State, client.OK)
	for name, test := range map[string]struct {
		patience, deadline time.Duration
		later              string
	}{
		"no patience":              {patience: -1},
		"longer than the patience": {patience: 30 * time.Second, later: "3600"},
		"longer than the deadline": {patience: 2 * time.Hour, deadline: time.Hour, later: "3601"},
	} {
		n.Store(10)
		later = test.later
		c, err := client.Open(t.Context(), url, client.Options{Patience: test.patience})
		must(t, err)
		ctx := t.Context()
		if test.deadline > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, test.deadline)
			defer cancel()
		}
		_, err = c.Submit(ctx, client.Document{Data: []byte("x")}, client.Submission{})
		var p *client.Problem
		if !errors.As(err, &p) || !errors.Is(err, client.Busy) || p.Status != 429 || err.Error() != "429 The node has enough to do: 20 others" || n.Load() != 11 {
			t.Errorf("%s: after %d times %v", name, n.Load(), err)
		}
		c.Close()
	}
}

// A question that nobody answered is asked again; a wish is not.
func TestBroken(t *testing.T) {
	t.Parallel()
	c := dial(t)
	link := upload(t, c, "add-one/add-one.wasm")
	var n times
	url := proxy(t, c.URL(), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if r.URL.Path != "/v1" && n.Add(1)%2 == 1 {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
	broken := open(t, url)
	if _, err := broken.Block(t.Context(), link); err != nil || n.Load() != 2 {
		t.Errorf("after %d times %v", n.Load(), err)
	}
	n.Store(0)
	if _, err := broken.Cancel(t.Context(), link); err == nil || n.Load() != 1 {
		t.Errorf("after %d times %v", n.Load(), err)
	}
}

// The kinds of problems are those that docs/http.md has.
func TestKinds(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../docs/http.md")
	must(t, err)
	var want []client.Kind
	for _, m := range regexp.MustCompile(`(?m)^### ([a-z-]+)$`).FindAllStringSubmatch(string(page), -1) {
		want = append(want, client.Kind(m[1]))
	}
	expect(t, "kinds", []client.Kind{
		client.BadRequest, client.Faults, client.Incomplete, client.Denied, client.Foreign, client.NotFound, client.NotAllowed, client.Upgrade, client.NotAcceptable,
		client.Timeout, client.Conflict, client.TooLarge, client.Unsupported, client.Busy, client.Full, client.Internal, client.Stopping, client.DiskFull, client.Quota,
	}, want)
}
