package client_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/client"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// cutting is a writer that breaks off at the end of the first event.
type cutting struct{ http.ResponseWriter }

func (c *cutting) Write(data []byte) (int, error) {
	text := string(data)
	if i := strings.Index(text, "\n\n"); i >= 0 {
		_, _ = c.ResponseWriter.Write(data[:i+2])
		_ = http.NewResponseController(c.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return c.ResponseWriter.Write(data)
}

func (c *cutting) Unwrap() http.ResponseWriter { return c.ResponseWriter }

// However often the stream breaks off, each event is told once, in order.
func TestWatchBroken(t *testing.T) {
	t.Parallel()
	c := dial(t)
	run, err := c.Submit(t.Context(), sum(upload(t, c, "add-one/add-one.wasm"), 1), client.Submission{})
	must(t, err)
	_, err = c.Wait(t.Context(), run.Workflow)
	must(t, err)
	var n times
	broken := open(t, proxy(t, c.URL(), func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		if strings.HasSuffix(r.URL.Path, "/events") {
			n.Add(1)
			w = &cutting{ResponseWriter: w}
		}
		next.ServeHTTP(w, r)
	}))
	var got []string
	must(t, broken.Watch(t.Context(), run.Workflow, client.Position{}, func(ev client.Event) bool {
		got = append(got, fmt.Sprintf("%d.%d %s %s", ev.At.Attempt, ev.At.Seq, ev.Kind, ev.Label))
		return true
	}))
	expect(t, "events", got, []string{"1.1 workflow-started ", "1.2 job-settled a", "1.3 job-settled b", "1.4 workflow-ended "})
	expect(t, "connections", n.Load(), 4)
	got = nil
	must(t, c.Watch(t.Context(), run.Workflow, client.Position{Attempt: 1, Seq: 3}, func(ev client.Event) bool {
		got = append(got, string(ev.Kind))
		return true
	}))
	expect(t, "after the third", got, []string{"workflow-ended"})
	must(t, c.Watch(t.Context(), run.Workflow, client.Position{Attempt: 1, Seq: 4}, func(ev client.Event) bool {
		t.Errorf("after the end: %+v", ev)
		return true
	}))
	must(t, c.Watch(t.Context(), run.Workflow, client.Position{}, func(ev client.Event) bool { return false }))
}

// A node that is started again goes on with the workflow, and the watcher with it.
func TestWatchRestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	node, service := start(t, dir)
	var at atomic.Value
	at.Store(service.Addr())
	c := open(t, proxy(t, "", func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		r.URL.Host, r.Host = at.Load().(string), at.Load().(string)
		next.ServeHTTP(w, r)
	}))
	run, err := c.Submit(t.Context(), endless(t, c), client.Submission{})
	must(t, err)
	seen := make(chan client.Event, 10)
	var watching sync.WaitGroup
	watching.Go(func() {
		if err := c.Watch(t.Context(), run.Workflow, client.Position{}, func(ev client.Event) bool { seen <- ev; return true }); err != nil {
			t.Error(err)
		}
		close(seen)
	})
	next := func(kind client.EventKind, attempt uint64) {
		t.Helper()
		for ev := range seen {
			if ev.Kind == kind && (ev.Run == nil || ev.Run.Attempt == attempt) {
				return
			}
		}
		t.Fatalf("no %s of attempt %d", kind, attempt)
	}
	next(client.JobStarted, 1)
	must(t, service.Close())
	must(t, node.Close())
	node, service = start(t, dir)
	t.Cleanup(func() {
		must(t, service.Close())
		must(t, node.Close())
	})
	at.Store(service.Addr())
	next(client.WorkflowStarted, 2)
	_, err = c.Cancel(t.Context(), run.Workflow)
	must(t, err)
	next(client.WorkflowEnded, 2)
	watching.Wait()
}

// What a node tells twice is told once.
func TestWatchTwice(t *testing.T) {
	t.Parallel()
	link, err := ipld.ParseLink("bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy")
	must(t, err)
	c := open(t, answer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		started := "id: 2.1\ndata: {\"kind\":\"workflow-started\",\"run\":" + someRun + "}\n\n"
		_, _ = w.Write([]byte(started + started + "id: 2.2\ndata: {\"kind\":\"workflow-ended\",\"run\":" + someRun + "}\n\n"))
	}))
	n := 0
	must(t, c.Watch(t.Context(), link, client.Position{}, func(client.Event) bool { n++; return true }))
	expect(t, "events", n, 2)
}

// A stream that says nothing is given up.
func TestWatchSilence(t *testing.T) {
	t.Parallel()
	link := ipld.LinkOf(ipld.CodecRaw, []byte("x"))
	c, err := client.Open(t.Context(), answer(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}), client.Options{Patience: -1})
	must(t, err)
	defer c.Close()
	c.SetSilence(50 * time.Millisecond)
	err = c.Watch(t.Context(), link, client.Position{}, func(client.Event) bool { return true })
	if err == nil || !strings.Contains(err.Error(), "nothing was heard of the node") {
		t.Error(err)
	}
}

const someRun = `{"workflow":"bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy","state":"running","attempt":2,"total":3}`

// What no node says ends the watching at once, and what says nothing, in the end.
func TestWatchNonsense(t *testing.T) {
	t.Parallel()
	link, err := ipld.ParseLink("bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy")
	must(t, err)
	other := strings.Replace(someRun, "bafkrei", "bafyrei", 1)
	for name, test := range map[string]struct {
		kind, stream, text string
		want               error
	}{
		"no stream":         {"text/html", "", "text/html", client.ErrAnswer},
		"no JSON":           {"text/event-stream", "data: {\n\n", "an event", client.ErrAnswer},
		"another workflow":  {"text/event-stream", `id: 2.1` + "\n" + `data: {"kind":"workflow-started","run":` + other + "}\n\n", "is about workflow", client.ErrAnswer},
		"no number":         {"text/event-stream", `id: 2.x` + "\n" + `data: {"kind":"workflow-started","run":` + someRun + "}\n\n", `"2.x"`, client.ErrAnswer},
		"nothing to tell":   {"text/event-stream", `data: {"kind":"job-settled"}` + "\n\n", "nothing to tell", client.ErrAnswer},
		"an earlier one":    {"text/event-stream", "id: 2.1\ndata: {\"kind\":\"workflow-started\",\"run\":" + someRun + "}\n\nid: 1.1\ndata: {\"kind\":\"workflow-started\",\"run\":" + someRun + "}\n\n", "comes after 2.1", client.ErrAnswer},
		"a line too long":   {"text/event-stream", "data: " + strings.Repeat("x", 17<<20), "a line of more", client.ErrAnswer},
		"an event too long": {"text/event-stream", strings.Repeat("data: "+strings.Repeat("x", 1<<20)+"\n", 17), "an event of more", client.ErrAnswer},
		"nothing":           {"text/event-stream", ": hello\r\n\r\n", "ended before the workflow", nil},
		"news of later":     {"text/event-stream", "id: 2.1\ndata: {\"kind\":\"moved\"}\n\nnews: x\n\n", "ended before the workflow", nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			url := answer(t, func(w http.ResponseWriter, r *http.Request) {
				if !strings.HasSuffix(r.URL.Path, "/events") {
					about(w, someRun)
					return
				}
				w.Header().Set("Content-Type", test.kind)
				_, _ = w.Write([]byte(test.stream))
			})
			c, err := client.Open(t.Context(), url, client.Options{Patience: -1})
			must(t, err)
			defer c.Close()
			err = c.Watch(t.Context(), link, client.Position{}, func(ev client.Event) bool { return true })
			if err == nil || test.want != nil && !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
				t.Errorf("%.300v, expected one that says %q", err, test.text)
			}
		})
	}
}
