package homestar_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/homestar"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func TestRunWorkflow(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	doc := b.chain(t, "two", 2, 5)
	w := parse(t, doc)
	for round, replayed := range []bool{false, true} {
		got := c.notifications(t, c.subscribe(t, doc), 2)
		for i, n := range got {
			expect(t, "the workflow", n.Workflow, w.Origin.Workflow)
			expect(t, "its name", n.Name, "two")
			expect(t, fmt.Sprintf("replayed in round %d", round), n.Replayed, replayed)
			expect(t, "ran", n.Ran, w.Jobs[i].Ran)
			expect(t, "op", n.Op, "add_one")
			expect(t, "out", n.Out.String(), fmt.Sprintf(`["ok",%d]`, 6+i))
		}
	}
	c.silent(t)
}

// The identifier of a receipt is that of the very receipt that is sent, and has
// the form that the peers give theirs (workflow.TestHomestarRan).
func TestReceiptIdentifier(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	n := c.notifications(t, c.subscribe(t, b.chain(t, "one", 1, 1)), 1)[0]
	block, err := ipld.AppendCBOR(nil, at(n.Raw, "receipt"))
	must(t, err)
	const sha3 = 0x16
	want, err := ipld.LinkWithHash(ipld.CodecDagCBOR, sha3, block)
	must(t, err)
	expect(t, "receipt_cid", n.CID, want)
	expect(t, "the notification", keys(n.Raw), "receipt metadata receipt_cid")
	expect(t, "its receipt", keys(at(n.Raw, "receipt")), "iss out prf ran meta")
	expect(t, "iss, meta and prf", at(n.Raw, "receipt", "iss").String()+at(n.Raw, "receipt", "meta").String()+at(n.Raw, "receipt", "prf").String(), `null{"op":"add_one"}[]`)
}

func keys(v ipld.Value) string {
	var all []string
	for _, e := range v.Entries() {
		all = append(all, e.Key)
	}
	return strings.Join(all, " ")
}

// A document may come as its DAG-CBOR, and without a name.
func TestRunWorkflowCBOR(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	v, err := ipld.DecodeJSON([]byte(strings.Replace(b.chain(t, "x", 1, 1), `"name":"x",`, "", 1)))
	must(t, err)
	data, err := ipld.AppendCBOR(nil, v)
	must(t, err)
	numbers := make([]int, len(data))
	for i := range data {
		numbers[i] = int(data[i])
	}
	param, err := json.Marshal(numbers)
	must(t, err)
	n := c.notifications(t, c.subscribe(t, string(param)), 1)[0]
	expect(t, "out", n.Out.String(), `["ok",2]`)
	expect(t, "the name of a workflow without one", n.Name, n.Workflow.String())
}

// A task that fails, and those that wait for it, are told like all others, and
// again when the workflow is submitted again.
func TestFailures(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	arithmetic, image := b.module(t, "fan/arithmetic.wasm"), b.module(t, "thumbnail/image.wasm")
	trap := invocation(arithmetic, "square", "4611686018427387904")
	after := invocation(arithmetic, "square", awaitOK(t, trap))
	last := invocation(arithmetic, "square", awaitOK(t, after))
	guest := invocation(image, "grayscale", `{"/":{"bytes":"AAAA"}}`)
	doc := document("failing", trap, after, last, guest)
	w := parse(t, doc)
	for _, b.keepGoing = range []bool{false, true, true} {
		wants := []string{"trap", "cancelled", "cancelled", ""}
		if b.keepGoing {
			wants = []string{"trap", "branch-mismatch", "upstream", "guest"}
		}
		all := outs(c.notifications(t, c.subscribe(t, doc), 4))
		for i, want := range wants {
			got := all[w.Jobs[i].Ran.String()]
			if want == "cancelled" && !strings.Contains(got, want) { // the trap came before the other error
				want = []string{1: "branch-mismatch", 2: "upstream"}[i]
			}
			if !strings.HasPrefix(got, `["error",{"kind":"`+want) || strings.Contains(got, `"message":""`) {
				t.Errorf("task %d: %s, expected %s", i, got, want)
			}
		}
	}
	c.silent(t)
}

// A run whose guest returned an error has it as the value.
func TestGuestError(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	doc := document("failing", invocation(b.module(t, "thumbnail/image.wasm"), "grayscale", `{"/":{"bytes":"AAAA"}}`))
	for range 2 {
		out := c.notifications(t, c.subscribe(t, doc), 1)[0].Out.Elems()[1]
		kind, _ := at(out, "kind").AsString()
		value, _ := at(out, "value").AsString()
		message, _ := at(out, "message").AsString()
		if kind != "guest" || value == "" || message == "" {
			t.Errorf("out: %s", out)
		}
	}
}

// Bytes that are kept as files come as bytes, up to a bound; then a link comes.
func TestInline(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	picture, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), "thumbnail/picture.png"))
	must(t, err)
	link := b.engine.Import(t, picture)
	doc := document("picture", invocation(b.module(t, "thumbnail/image.wasm"), "rotate", fmt.Sprintf(`{"/":"%s"}`, link), "1"))
	for range 2 {
		n := c.notifications(t, c.subscribe(t, doc), 1)[0]
		data, ok := n.Out.Elems()[1].AsBytes()
		if !ok || len(data) < 1025 || !strings.HasPrefix(data, "\x89PNG") {
			t.Errorf("out: %.200s", n.Out)
		}
	}
}

// A task is told of a run that is cancelled while it runs, and of one whose turn
// has not come.
func TestCancelled(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	defer b.shut()()
	c := b.dial(t)
	for i := range 6 { // of which four are in progress at once
		doc := b.chain(t, "cancelled", 3, 10*i)
		id := c.subscribe(t, doc)
		if i == 0 || i == 5 {
			_, err := b.Cancel(t.Context(), b.last(t))
			must(t, err)
			w := parse(t, doc)
			all := outs(c.notifications(t, id, 3))
			for _, j := range w.Jobs {
				if got := all[j.Ran.String()]; !strings.HasPrefix(got, `["error",{"kind":"cancelled","message":"`) {
					t.Errorf("workflow %d, task %s: %s", i, j.Label, got)
				}
			}
		}
	}
	c.silent(t)
}

// A run that was put aside in the middle tells the rest when it goes on, and
// nothing twice.
func TestSuspended(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	id := c.subscribe(t, b.chain(t, "suspended", 1000, 1))
	all := c.notifications(t, id, 1)
	run, err := b.Suspend(t.Context(), b.last(t))
	must(t, err)
	expect(t, "the run", run.State, runs.Suspended)
	_, err = b.Resume(t.Context(), b.last(t))
	must(t, err)
	all = append(all, c.notifications(t, id, 999)...)
	expect(t, "tasks", len(outs(all)), 1000)
	for _, n := range all {
		if ok, _ := n.Out.Elems()[0].AsString(); ok != "ok" {
			t.Errorf("out: %s", n.Out)
		}
	}
	c.silent(t)
}

// Where the node can not do its part, each task has that for a reason.
func TestBroken(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	b.broken = errors.New("disk full")
	c := b.dial(t)
	for _, n := range c.notifications(t, c.subscribe(t, b.chain(t, "broken", 2, 1)), 2) {
		expect(t, "out", n.Out.String(), `["error",{"kind":"cancelled","message":"not started: disk full"}]`)
	}
}

// Who asks for a workflow that runs is told of all its tasks, and so is who had
// asked before.
func TestTwoSubscribers(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	open := b.shut()
	defer open()
	first, second := b.dial(t), b.dial(t)
	doc := b.chain(t, "both", 5, 1)
	one, two, three := first.subscribe(t, doc), second.subscribe(t, doc), second.subscribe(t, strings.Replace(doc, "both", "other", 1))
	open()
	for _, s := range []struct {
		client   *client
		id, name string
	}{{first, one, "both"}, {second, two, "both"}, {second, three, "other"}} {
		got := s.client.notifications(t, s.id, 5)
		if len(outs(got)) != 5 || got[0].Name != s.name {
			t.Errorf("%s: %v", s.name, outs(got))
		}
	}
	first.silent(t)
	second.silent(t)
}

// A workflow that is asked for again when all its tasks are told, and before its
// run has ended, is replayed.
func TestReplayBeforeEnd(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	b.held = make(chan struct{})
	defer close(b.held)
	c := b.dial(t)
	doc := b.chain(t, "again", 3, 1)
	for _, replayed := range []bool{false, true} {
		for _, n := range c.notifications(t, c.subscribe(t, doc), 3) {
			expect(t, "replayed", n.Replayed, replayed)
		}
	}
}

// Who no longer wants to be told is not, and the run goes on.
func TestUnsubscribe(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	open := b.shut()
	defer open()
	c := b.dial(t)
	doc := b.chain(t, "left", 3, 1)
	id := c.subscribe(t, doc)
	for range 2 { // one that has ended counts as ended
		expect(t, "the answer", string(c.request(t, "unsubscribe_run_workflow", `"`+id+`"`).Result), "true")
	}
	open()
	other := b.dial(t)
	other.notifications(t, other.subscribe(t, doc), 3)
	c.silent(t)
	for _, param := range []string{`"2"`, `"0"`, `"01"`, `1`, `""`, ``, `"a"`} {
		if m := c.request(t, "unsubscribe_run_workflow", param); m.Error == nil || m.Error.Code != -32602 {
			t.Errorf("unsubscribe %s: %+v", param, m)
		}
	}
}

// A client that goes away takes no run with it.
func TestClientGone(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	open := b.shut()
	defer open()
	c := b.dial(t)
	doc := b.chain(t, "alone", 3, 1)
	c.subscribe(t, doc)
	must(t, c.CloseNow())
	open()
	other := b.dial(t)
	other.notifications(t, other.subscribe(t, doc), 3)
}

// What is wrong with a document is said, with its place.
func TestDocumentFaults(t *testing.T) {
	t.Parallel()
	b := newBench(t, homestar.Config{})
	c := b.dial(t)
	module := b.module(t, "add-one/add-one.wasm")
	for name, doc := range map[string]string{
		"two arguments":   document("x", invocation(module, "add_one", "1", "2")),
		"no function":     document("x", invocation(module, "add-two", "1")),
		"no tasks":        `{"name":"x","workflow":{"tasks":[]}}`,
		"twice":           strings.Replace(document("x", invocation(module, "add_one", "1")), `"nnc":""`, `"nnc":"","nnc":""`, 1),
		"native":          `{"one":{"with":"` + module.String() + `","args":[0]}}`,
		"a number":        `7`,
		"no document":     ``,
		"two":             `{},{}`,
		"not bytes":       `[1,256]`,
		"not canonical":   `[191,255]`,
		"unknown promise": document("x", invocation(module, "add_one", `{"await/ok":{"/":"bafyrmigpfy6vvnfmv2wpsnpjmrn6iurejcjhz2doqdl6cfext27etqvi54"}}`)),
	} {
		m := c.request(t, "subscribe_run_workflow", doc)
		if m.Error == nil || m.Error.Code != -32602 {
			t.Errorf("%s: %+v %s", name, m.Error, m.Result)
			continue
		}
		t.Logf("%s: %s %.300s", name, m.Error.Message, m.Error.Data)
	}
	m := c.request(t, "subscribe_run_workflow", document("x", invocation(module, "add_one", "1", "2")))
	var data struct {
		Faults []struct{ Path, Kind, Message, Hint string }
	}
	must(t, json.Unmarshal(m.Error.Data, &data))
	if f := data.Faults; len(f) != 1 || !strings.HasPrefix(f[0].Path, "/workflow/tasks/0/run/input/args") || f[0].Kind != string(workflow.Type) || f[0].Message == "" {
		t.Errorf("faults: %+v", f)
	}
	c.silent(t)
}
