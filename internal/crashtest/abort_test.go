//go:build unix && cgo

package crashtest

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/quarantine"
)

// enginePanics is the fault of a build in which the engine panics, and aborts the
// process, in every call of the function of that name.
const enginePanics = "wasm.panic=add-one"

// TestAbort has the engine abort a node under load, over and over while it runs one
// task. The node is there again, everything else is run to its end, and the task
// that did it is not tried for ever.
func TestAbort(t *testing.T) {
	t.Parallel()
	plain, faulty := programs(t)
	for range amount(1, 20) {
		aborts(t, plain, faulty)
	}
}

// aborts is TestAbort with one state directory.
func aborts(t *testing.T, plain, faulty string) {
	t.Helper()
	rng := random(t)
	s := &served{home: newHome(t), docs: map[string]string{}}
	addr := freeAddr(t)
	node := s.serveSupervised(t, faulty, enginePanics, addr)

	accepted := func(d *document) (workflow string) {
		path := d.write(t)
		workflow = submit(t, plain, s.home, path)
		s.docs[workflow] = path
		return workflow
	}
	beside := func() {
		for range 6 {
			d := newDocument()
			d.fan("fan", rng, 100)
			d.mesh("mesh", rng, 20)
			accepted(d)
		}
	}
	beside()
	later := newDocument() // for which two wait until then
	later.add("later", arithmetic, "square", rng.Int64N(1<<28))
	awaited := map[string]any{"await/ok": map[string]any{"/": expected(t, later.write(t)).Jobs[0].Task.String()}}
	waiting := func(n int) string {
		d := newDocument()
		d.fan("fan", rng, 10)
		d.add("waiting", arithmetic, "add", awaited, n)
		return accepted(d)
	}
	aside, given := waiting(1), waiting(2)
	direct(t, plain, s.home, "suspend", aside)
	direct(t, plain, s.home, "cancel", given)
	d := newDocument()
	d.chain("chain", rng, 3)
	path := d.write(t)

	asking, done := context.WithCancel(context.Background())
	defer done()
	longest := outage(asking, t, addr)
	bad := submit(t, plain, s.home, path)
	logs := start(t, plain, s.home, "", "logs", "-f", bad)
	beside()
	if code := logs.wait(t); code != 1 || !strings.Contains(strings.Join(logs.out, "\n"), "quarantined: add-one of module") {
		t.Errorf("who watches sees, with exit status %d:\n%s", code, strings.Join(logs.out, "\n"))
	}
	connections := follow(t, addr, s.submitOpen(t, addr, `{"bad": {"with": {"/": %q}, "args": [41]}}`))
	await(t, "all that was accepted", func() bool {
		p := start(t, plain, s.home, "", "ps")
		p.succeed(t)
		return len(p.out) == 1 && strings.Contains(p.out[0], "suspended")
	})
	toldOfDeaths(t, addr, 1, 2)
	check := start(t, plain, s.home, "", "check", path)
	if code := check.wait(t); code != 2 || !strings.Contains(check.stderr.String(), "is in quarantine: add-one of module") {
		t.Errorf("check ends with %d: %.1000s", code, &check.stderr)
	}
	done()
	t.Logf("the longest that a request took is %v; who watched by HTTP connected %d times", longest().Round(time.Millisecond), connections)
	s.imprisoned(t, plain)

	node.interrupt(t)
	if n := strings.Count(node.stderr.String(), "ipvm: the node died"); n != 2*quarantine.Most {
		t.Errorf("the node died %d times:\n%.3000s", n, &node.stderr)
	}

	node = s.serveSupervised(t, faulty, enginePanics, addr)
	direct(t, plain, s.home, "resume", aside)
	accepted(later)
	direct(t, plain, s.home, "resume", bad)
	logs = start(t, plain, s.home, "", "logs", "-f", bad)
	if code := logs.wait(t); code != 1 || !strings.Contains(strings.Join(logs.out, "\n"), "quarantined: ") {
		t.Errorf("tried again it comes, with exit status %d, to\n%s", code, strings.Join(logs.out, "\n"))
	}
	s.imprisoned(t, plain)
	await(t, "what was suspended", func() bool {
		p := start(t, plain, s.home, "", "ps")
		p.succeed(t)
		return len(p.out) == 0
	})
	s.cancelled = append(s.cancelled, given)
	s.wellEnded(t, plain)
	node.interrupt(t)
	if text := node.stderr.String(); strings.Contains(text, "died") {
		t.Errorf("the node died again:\n%.3000s", text)
	}
}

// freeAddr is a loopback address that nobody listens at.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// serveSupervised starts a node with its supervisor, and returns when it answers.
func (s *served) serveSupervised(t *testing.T, program, faults, addr string) *process {
	t.Helper()
	node := start(t, program, s.home, faults, "node", "--listen", addr)
	await(t, "the node to answer", func() bool { return ask(context.Background(), addr, patience) == nil })
	return node
}

// ask asks a node how it is.
func ask(ctx context.Context, addr string, wait time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/health", nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	return resp.Body.Close()
}

// outage asks a node, again and again until ctx ends. The func returned waits for
// that and tells how long it took at the longest until the node answered.
func outage(ctx context.Context, t *testing.T, addr string) func() time.Duration {
	t.Helper()
	var wg sync.WaitGroup
	var longest time.Duration
	wg.Go(func() {
		since := time.Now()
		for ctx.Err() == nil {
			if ask(ctx, addr, patience) != nil { // its connection broke with the node
				continue
			}
			longest = max(longest, time.Since(since))
			time.Sleep(time.Millisecond)
			since = time.Now()
		}
	})
	return func() time.Duration {
		wg.Wait()
		return longest
	}
}

// submitOpen submits a document that calls add-one, as somebody who has shown no
// authority.
func (s *served) submitOpen(t *testing.T, addr, doc string) (workflow string) {
	t.Helper()
	code, err := os.ReadFile(addOne)
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ CID string }
	post(t, "http://"+addr+"/ipfs", "application/octet-stream", string(code), &file)
	var run struct{ Workflow string }
	post(t, "http://"+addr+"/v1/workflows", "application/json", fmt.Sprintf(doc, file.CID), &run)
	return run.Workflow
}

// post asks until there is an answer: the node may die of what is submitted before
// it gives one, and who asks again loses nothing.
func post(t *testing.T, url, kind, body string, answer any) {
	t.Helper()
	var resp *http.Response
	await(t, "an answer to POST "+url, func() (answered bool) {
		var err error
		resp, err = http.Post(url, kind, strings.NewReader(body))
		return err == nil
	})
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode >= 300 || json.Unmarshal(data, answer) != nil {
		t.Fatalf("POST %s: %s %.300s (%v)", url, resp.Status, data, err)
	}
}

// follow watches a workflow by HTTP to its end, going on where it was when the
// connection breaks, and tells how many connections that took.
func follow(t *testing.T, addr, workflow string) (connections int) {
	t.Helper()
	last, over := "", false
	await(t, "who watches by HTTP to see the end", func() bool {
		connections++
		over, last = events(addr, workflow, last)
		return over
	})
	return connections
}

// events reads the events of a workflow after one of them. It tells whether the
// workflow has ended, and which event was the last.
func events(addr, workflow, after string) (over bool, last string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/v1/workflows/"+workflow+"/events", nil)
	if err != nil {
		return false, after
	}
	if after != "" {
		req.Header.Set("Last-Event-ID", after)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return false, after
	}
	defer resp.Body.Close()
	for s := bufio.NewScanner(resp.Body); s.Scan(); {
		if id, ok := strings.CutPrefix(s.Text(), "id: "); ok {
			after = id
		}
		over = over || s.Text() == "event: workflow-ended"
	}
	return over, after
}

// interrupt ends p in order.
func (p *process) interrupt(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	p.succeed(t)
}

// submit has the document at path accepted, and returns its workflow.
func submit(t *testing.T, program, home, path string) string {
	t.Helper()
	p := start(t, program, home, "", "run", "--detach", path)
	p.succeed(t)
	return p.out[0]
}

func direct(t *testing.T, program, home, word, workflow string) {
	t.Helper()
	start(t, program, home, "", word, workflow).succeed(t)
}

// imprisoned wants one task of the owner's and one of everybody's to be in
// quarantine.
func (s *served) imprisoned(t *testing.T, program string) {
	t.Helper()
	p := start(t, program, s.home, "", "quarantine", "ls", "--json")
	p.succeed(t)
	type death struct {
		Func, How, For string
		Times          int
		Refused        bool
	}
	want := []death{{"add-one", "SIGABRT", "", quarantine.Most, true}, {"add-one", "SIGABRT", "anyone", quarantine.Most, true}}
	var got []death
	for _, line := range p.out {
		var d death
		if err := json.Unmarshal([]byte(line), &d); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		got = append(got, d)
	}
	if !slices.Equal(got, want) {
		t.Errorf("in quarantine are %+v", got)
	}
}

// toldOfDeaths wants strangers to be told of so many tasks in quarantine, and of the count of
// all.
func toldOfDeaths(t *testing.T, addr string, own, all int) {
	t.Helper()
	var list struct{ Tasks []struct{ For string } }
	get(t, "http://"+addr+"/v1/quarantine", &list)
	var health struct{ Quarantined int }
	get(t, "http://"+addr+"/health", &health)
	if len(list.Tasks) != own || list.Tasks[0].For != "anyone" || health.Quarantined != all {
		t.Errorf("the node tells of %+v, and of %d in all", list.Tasks, health.Quarantined)
	}
}

func get(t *testing.T, url string, answer any) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(answer); err != nil {
		t.Fatal(err)
	}
}

// wellEnded looks at what became of all documents that were accepted.
func (s *served) wellEnded(t *testing.T, program string) {
	t.Helper()
	for workflow, path := range s.docs {
		state := "ok"
		if slices.Contains(s.cancelled, workflow) {
			state = "cancelled"
		}
		show := start(t, program, s.home, "", "show", "--json", workflow)
		show.succeed(t)
		var got struct {
			State   string
			Results map[string]struct{ Receipt string }
		}
		if err := json.Unmarshal([]byte(strings.Join(show.out, "\n")), &got); err != nil || got.State != state {
			t.Errorf("workflow %s is %q, want %q (%v)", workflow, got.State, state, err)
		}
		if state != "ok" {
			continue
		}
		want := expected(t, path)
		for i := range want.Jobs {
			if j := &want.Jobs[i]; got.Results[j.Label].Receipt != j.Receipt.String() {
				t.Errorf("job %s of %s has receipt %s, elsewhere %s", j.Label, workflow, got.Results[j.Label].Receipt, j.Receipt)
			}
		}
	}
}
