package api_test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/api"
)

// names are events as "id name".
func names(all []event) (out []string) {
	for _, ev := range all {
		out = append(out, strings.TrimSpace(ev.id+" "+ev.name))
	}
	return out
}

// follow opens a stream of events, which is closed when the test ends.
func (r *rig) follow(t *testing.T, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	resp, err := r.Do(r.request(t, method, path, body, headers...))
	must(t, err)
	t.Cleanup(func() { _ = resp.Body.Close() })
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "text/event-stream" {
		data, _ := io.ReadAll(resp.Body)
		t.Fatalf("%s %s: %d %s", method, path, resp.StatusCode, data)
	}
	return resp
}

func TestEvents(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	path := r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).Header.Get("Location") + "/events"
	live := r.follow(t, "GET", path, "", "Accept: text/event-stream")
	first, _ := events(t, live.Body, 1)
	expect(t, "the first", names(first), []string{"1.1 workflow-started"})
	r.pass()
	rest, _ := events(t, live.Body, 99)
	want := []string{"job-started", "1.2 job-settled", "job-started", "1.3 job-settled", "1.4 workflow-ended"}
	expect(t, "the rest", names(rest), want)
	if !strings.Contains(rest[3].data, `"value":3`) || !strings.Contains(rest[4].data, `"state":"ok"`) {
		t.Errorf("%v", rest)
	}

	// Who comes back gets what is missing; who has all is told not to come back.
	for after, want := range map[string][]string{
		"1.2": {"1.3 job-settled", "1.4 workflow-ended"},
		"1.3": {"1.4 workflow-ended"},
		"0.9": {"1.1 workflow-started", "1.2 job-settled", "1.3 job-settled", "1.4 workflow-ended"},
	} {
		all, _ := events(t, r.follow(t, "GET", path, "", "Last-Event-ID: "+after).Body, 99)
		expect(t, "after "+after, names(all), want)
	}
	if resp := r.do(t, "GET", path, "", "Last-Event-ID: 1.4"); resp.StatusCode != http.StatusNoContent {
		t.Errorf("after the end: %d", resp.StatusCode)
	}
	r.do(t, "GET", path, "", "Last-Event-ID: 1").problem(t, http.StatusBadRequest, api.BadRequest, "Last-Event-ID")
	r.do(t, "GET", path, "", "Accept: text/html").problem(t, http.StatusNotAcceptable, api.NotAcceptable, "text/event-stream")
}

// Each job is told once, whenever the client comes back.
func TestEventsInPieces(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	var document strings.Builder
	for n := range 40 {
		fmt.Fprintf(&document, "j%d: {with: %s, args: [%d]}\n", n, r.module(t), n)
	}
	path := r.do(t, "POST", "/v1/workflows", document.String(), yaml).Header.Get("Location") + "/events"
	seen := map[string]int{}
	last, ended := "", false
	for piece := 1; !ended; piece++ {
		resp := r.follow(t, "GET", path, "", "Last-Event-ID: "+last)
		some, _ := events(t, resp.Body, piece)
		_ = resp.Body.Close()
		for _, ev := range some {
			if ev.id != "" {
				last = ev.id
			}
			ended = ended || ev.name == "workflow-ended"
			if ev.name == "job-settled" {
				seen[ev.data]++
			}
		}
	}
	expect(t, "jobs", len(seen), 40)
	for data, n := range seen {
		if n != 1 {
			t.Errorf("%d times: %s", n, data)
		}
	}
}

func TestSubmitAndFollow(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	resp := r.follow(t, "POST", "/v1/workflows?wait", r.sum(t, 1), yaml, "Accept: text/event-stream")
	all, _ := events(t, resp.Body, 99)
	if got := names(all); len(got) < 4 || got[len(got)-1] != "1.4 workflow-ended" {
		t.Errorf("%v", got)
	}
	if !strings.HasPrefix(resp.Header.Get("Location"), "/v1/workflows/b") {
		t.Errorf("Location: %q", resp.Header.Get("Location"))
	}
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestHeartbeat(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true, Bounds: api.Bounds{Beat: 5 * time.Millisecond}})
	path := r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).Header.Get("Location")
	resp := r.follow(t, "GET", path+"/events", "")
	beats := 0
	all, comments := events(t, readerFunc(func(p []byte) (int, error) {
		n, err := resp.Body.Read(p)
		before := beats
		if beats += bytes.Count(p[:n], []byte(":\n")); before < 3 && beats >= 3 {
			r.pass()
		}
		return n, err
	}), 99)
	if len(all) != 6 || len(comments) < 3 || comments[0] != ":" {
		t.Errorf("%v, %q", names(all), comments)
	}
}

// A stream that ends before the workflow does says when to come back.
func TestStreamsEnd(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true, server: api.ServerOptions{Grace: time.Minute}})
	path := r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).Header.Get("Location")
	resp := r.follow(t, "GET", path+"/events", "")
	r.do(t, "POST", path+"/suspend", "").json(t, http.StatusOK)
	_, comments := events(t, resp.Body, 99)
	expect(t, "suspended", comments, []string{": suspended", "retry: 10000"})

	r.do(t, "POST", path+"/resume", "").json(t, http.StatusOK)
	resp = r.follow(t, "GET", path+"/events", "")
	waiting := make(chan got)
	document := r.sum(t, 2)
	go func() { waiting <- r.do(t, "POST", "/v1/workflows?wait", document, yaml) }()
	eventually(t, "someone waits", func() bool { all, err := r.unfinished(); return err == nil && len(all) == 2 })
	start := time.Now()
	must(t, r.server.Close())
	if took := time.Since(start); took > soon {
		t.Errorf("closing took %v", took)
	}
	_, comments = events(t, resp.Body, 99)
	expect(t, "stopping", comments, []string{": the node is stopping", "retry: 2000"})
	expect(t, "state", (<-waiting).json(t, http.StatusAccepted)["state"], any("running"))
}

func TestStreamsAreBounded(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true, Bounds: api.Bounds{Streams: 2}})
	path := r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).Header.Get("Location") + "/events"
	one := r.follow(t, "GET", path, "")
	r.follow(t, "GET", path, "")
	resp := r.do(t, "GET", path, "")
	resp.problem(t, http.StatusTooManyRequests, api.Busy, "2 others")
	expect(t, "Retry-After", resp.Header.Get("Retry-After"), "5")
	_ = one.Body.Close()
	eventually(t, "a place", func() bool {
		resp, err := r.Do(r.request(t, "GET", path, ""))
		must(t, err)
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}
