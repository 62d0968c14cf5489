package homestar

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

func TestParseRequest(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in     string
		code   int    // 0 for a request that is good
		id     string // as it is answered
		method string
		params []string
	}{
		{in: `{"jsonrpc":"2.0","method":"health","id":0}`, id: "0", method: "health"},
		{in: " {\"id\" : \"a\\\"b\" ,\n\"params\": [ ], \"method\":\"x\", \"jsonrpc\":\"2.0\"}\r\n", id: `"a\"b"`, method: "x"},
		{in: `{"jsonrpc":"2.0","method":"x","params":[{"a":[1,{"b":"]}\\"}]}],"id":-1.5e3}`, id: "-1.5e3", method: "x", params: []string{`{"a":[1,{"b":"]}\\"}]}`}},
		{in: `{"jsonrpc":"2.0","method":"x","params":[ true ],"id":1}`, id: "1", method: "x", params: []string{"true"}},
		{in: `{"jsonrpc":"2.0","method":"x","params":[[1, 2,3]],"id":1}`, id: "1", method: "x", params: []string{"[1, 2,3]"}},
		{in: `{"jsonrpc":"2.0","m\u0065thod":"x","id":1}`, id: "1", method: "x"},
		{in: `{"jsonrpc":"2.0","method":"x"}`, id: "", method: "x"},

		{in: ``, code: codeParse, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","id":1`, code: codeParse, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","id":1}{}`, code: codeParse, id: "null"},
		{in: "{\"jsonrpc\":\"2.0\",\"method\":\"\xff\",\"id\":1}", code: codeParse, id: "null"},
		{in: "\ufeff{}", code: codeParse, id: "null"},
		{in: `[]`, code: codeRequest, id: "null"},
		{in: `[{"jsonrpc":"2.0","method":"health","id":0}]`, code: codeRequest, id: "null"},
		{in: `7`, code: codeRequest, id: "null"},
		{in: `null`, code: codeRequest, id: "null"},
		{in: `{}`, code: codeRequest, id: ""},
		{in: `{"jsonrpc":"1.0","method":"x","id":1}`, code: codeRequest, id: "1"},
		{in: `{"method":"x","id":1}`, code: codeRequest, id: "1"},
		{in: `{"jsonrpc":"2.0","method":7,"id":1}`, code: codeRequest, id: "1"},
		{in: `{"jsonrpc":"2.0","id":1}`, code: codeRequest, id: "1"},
		{in: `{"jsonrpc":"2.0","method":"x","id":null}`, code: codeRequest, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","id":[1]}`, code: codeRequest, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","id":"` + strings.Repeat("1", 300) + `"}`, code: codeRequest, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","method":"y","id":1}`, code: codeRequest, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","ID":1,"id":1}`, code: codeRequest, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","id":1,"a":1,"b":1}`, code: codeRequest, id: "null"},
		{in: `{"jsonrpc":"2.0","method":"x","params":{"a":1},"id":1}`, code: codeParams, id: "1"},
		{in: `{"jsonrpc":"2.0","method":"x","params":"a","id":1}`, code: codeParams, id: "1"},
		{in: `{"jsonrpc":"2.0","method":"x","params":[1,2],"id":1}`, code: codeParams, id: "1"},
	} {
		r, f := parseRequest([]byte(c.in))
		code := 0
		if f != nil {
			code = f.Code
		}
		var params []string
		for _, p := range r.params {
			params = append(params, string(p))
		}
		if code != c.code || string(r.id) != c.id || c.code == 0 && (r.method != c.method || fmt.Sprint(params) != fmt.Sprint(c.params)) {
			t.Errorf("%s: %v, id %s, method %s, params %q", c.in, f, r.id, r.method, params)
		}
	}
}

func TestByteList(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`[]`: "", `[0]`: "\x00", ` [ 7 ,255]`[1:]: "\x07\xff",
	} {
		got, ok := byteList([]byte(in))
		if !ok || string(got) != want {
			t.Errorf("%s: %q, %v", in, got, ok)
		}
	}
	for _, in := range []string{`[256]`, `[-1]`, `[1.0]`, `[1e1]`, `[null]`, `["1"]`, `[[1]]`, `[{"a":1}]`} {
		if got, ok := byteList([]byte(in)); ok {
			t.Errorf("%s: %q", in, got)
		}
	}
}

// FuzzParseRequest holds the reading of requests against encoding/json: what is
// accepted has the parts that it finds, and what is a request is accepted.
func FuzzParseRequest(f *testing.F) {
	f.Add([]byte(`{"jsonrpc":"2.0","method":"subscribe_run_workflow","params":[{"name":"a","workflow":{"tasks":[]}}],"id":1}`))
	f.Add([]byte(`{"jsonrpc":"2.0","method":"subscribe_run_workflow","params":[[161,1,2]],"id":"x"}`))
	f.Add([]byte(`{"jsonrpc":"2.0","method":"a\"b\\","params":["]}\\\"",`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, fail := parseRequest(data)
		if fail != nil {
			if len(r.id) > 0 && !json.Valid(r.id) {
				t.Fatalf("id %q", r.id)
			}
			return
		}
		var want struct {
			Method string            `json:"method"`
			Params []json.RawMessage `json:"params"`
			ID     json.RawMessage   `json:"id"`
		}
		if err := json.Unmarshal(data, &want); err != nil {
			t.Fatal(err)
		}
		same := r.method == want.Method && bytes.Equal(r.id, want.ID) && len(r.params) == len(want.Params)
		for i := range r.params {
			same = same && bytes.Equal(r.params[i], want.Params[i])
			if list, ok := byteList(r.params[i]); r.params[i][0] == '[' && ok {
				var numbers []uint8
				var wide []int
				if err := json.Unmarshal(r.params[i], &wide); err != nil {
					t.Fatal(err)
				}
				for _, n := range wide {
					numbers = append(numbers, uint8(n))
				}
				same = same && bytes.Equal(list, numbers)
			}
			if _, fail := source(r.params[i]); fail != nil && r.params[i][0] == '{' {
				t.Fatal(fail)
			}
		}
		if !same {
			t.Fatalf("%+v, expected %+v", r, want)
		}
	})
}

func TestFailOf(t *testing.T) {
	t.Parallel()
	faults := make(workflow.FaultList, 150)
	for i := range faults {
		faults[i] = workflow.Fault{Pos: workflow.Pos{Path: "/a"}, Kind: workflow.Type, Msg: "wrong"}
	}
	for _, c := range []struct {
		err     error
		code    int
		message string
	}{
		{faults, codeParams, "the workflow at /a: wrong (and 149 more)"},
		{workflow.FaultList{{Kind: workflow.Size, Msg: "large"}}, codeParams, "the workflow: large"},
		{fmt.Errorf("%w: 15000", runs.ErrShare), codeBusy, "too many unfinished workflows of one principal: 15000"},
		{fmt.Errorf("%w: 20000", runs.ErrFull), codeBusy, "the node has too many unfinished workflows: 20000"},
		{fmt.Errorf("store /home/me/store: %w: 10 MiB free", store.ErrDiskFull), codeBusy, "disk full: nothing new is taken until there is room, and what was accepted is kept"},
		{errors.New("disk full"), codeInternal, "disk full"},
	} {
		f := failOf(fmt.Errorf("%w", c.err))
		if f.Code != c.code || f.Message != c.message {
			t.Errorf("%.100v: %d %s", c.err, f.Code, f.Message)
		}
	}
	if shown := failOf(faults).Data.(map[string]any)["faults"].([]shownFault); len(shown) != maxShownFaults {
		t.Errorf("%d faults are shown", len(shown))
	}
}

// Links that stand for large bytes are replaced up to a bound in all; others, and
// those whose bytes are not to be had, stay.
func TestInliner(t *testing.T) {
	t.Parallel()
	stored := make(map[ipld.Link][]byte)
	file := func(size int, b byte) ipld.Value {
		link, err := ipld.ImportFile(bytes.Repeat([]byte{b}, size), func(b ipld.Block) error {
			stored[b.Link] = b.Data
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return ipld.LinkValue(link)
	}
	in := inliner{left: MaxInline, get: func(l ipld.Link) ([]byte, error) {
		if b, ok := stored[l]; ok {
			return b, nil
		}
		return nil, errors.New("not here")
	}}
	half, more, rest := file(MaxInline/2, 1), file(MaxInline/2+1, 2), file(MaxInline/2, 3)
	gone := ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("gone")))
	written := ipld.LinkValue(ipld.LinkOf(ipld.CodecDagCBOR, []byte{0xf6}))
	got := in.value(ipld.Map(ipld.Entry{Key: "list", Value: ipld.List(half, more, gone, written, rest, file(2000, 4), ipld.Int(7))}))
	list := at(got, "list").Elems()
	for i, want := range []ipld.Value{
		ipld.BytesString(strings.Repeat("\x01", MaxInline/2)), more, gone, written, ipld.BytesString(strings.Repeat("\x03", MaxInline/2)),
		file(2000, 4), ipld.Int(7),
	} {
		if !list[i].Equal(want) {
			t.Errorf("element %d: %.80s", i, list[i])
		}
	}
}

func at(v ipld.Value, key string) ipld.Value {
	v, _ = v.Lookup(key)
	return v
}

// Receipts have the identifiers that the peers gave theirs.
func TestPeersIdentifiers(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../workflow/testdata/homestar/v0.3.0/test-workflow-add-one.json")
	if err != nil {
		t.Fatal(err)
	}
	w, err := workflow.Parse(workflow.Source{Data: data, Format: workflow.JSON})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"bafyrmifcyuxc2zdf5kw3b7ad3jju76je4q3zw5rem3ag4z5he2z7ipzjje", "bafyrmiaus6dzibeo3evqq75r4ty5qim5iteqplxmvp6t7sac7jcikkibaa"} {
		s := newSubscription(g, time.Time{})
		_, got, err := project(&s.tasks[s.byLabel[strconv.Itoa(i)]], ipld.List(ipld.String("ok"), ipld.Int(int64(i)+2)))
		if err != nil || got.String() != want {
			t.Errorf("receipt %d: %s, %v", i, got, err)
		}
	}
}

// single is a store with one receipt.
type single struct{ *receipt.Signed }

func (s single) Receipts(task.ID) ([]*receipt.Signed, error) { return []*receipt.Signed{s.Signed}, nil }
func (single) Block(ipld.Link) ([]byte, error)               { return nil, errors.New("not here") }

// Every task is told, also where a run has ended without a word of it, where its
// receipt can not be read, and where its value has no form in DAG-JSON.
func TestNotificationAlways(t *testing.T) {
	t.Parallel()
	w, err := workflow.Parse(workflow.Source{Format: workflow.JSON, Data: []byte(
		`{"tasks":[{"run":{"rsc":"ipfs://bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu","op":"wasm/run","input":{"func":"f","args":[]},"nnc":""},"meta":{},"prf":[]}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := newSubscription(g, time.Time{})
	reserved, err := receipt.Issue(ipvmtest.Key(t), receipt.Receipt{
		Task: g.Step(0).ID, Schedule: "x", Out: task.Outcome{Value: ipld.Map(ipld.Entry{Key: "/", Value: ipld.String("x")})},
		Limits: task.Limits{Gas: 10, Memory: 1 << 26},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		job  *runs.Job
		want string
	}{
		{lastWord("0", &runs.Run{State: runs.Cancelled}), `"out":["error",{"kind":"cancelled","message":"not started"}]`},
		{lastWord("0", &runs.Run{State: runs.Failed, Reason: "too long"}), `"out":["error",{"kind":"cancelled","message":"not started: too long"}]`},
		{lastWord("0", &runs.Run{State: runs.Broken, Reason: "disk full"}), `"out":["error",{"kind":"cancelled","message":"not started: disk full"}]`},
		{&runs.Job{Status: "skipped"}, `"out":["error",{"kind":"skipped","message":"the task was not called for"}]`},
		{&runs.Job{Status: "upstream", Kind: "upstream", Upstream: "7"}, `"out":["error",{"kind":"upstream","message":"task 7 did not end as it should"}]`},
		{&runs.Job{Status: "error", Kind: "timeout", Message: "took 5 s"}, `"out":["error",{"kind":"timeout","message":"took 5 s"}]`},
		{&runs.Job{Status: "ok", Receipt: g.Link()}, `"out":["error",{"kind":"lost","message":"the task has ended (ok); what it came to can not be read: receipt ` + g.Link().String()},
		{&runs.Job{Status: "ok", Receipt: reserved.Link()}, `"out":["error",{"kind":"type","message":"the task has ended (ok); what it came to can not be shown: `},
		{&runs.Job{Status: "error", Kind: "out-of-disk", Message: "takes 9 bytes", Receipt: reserved.Link()}, `"out":["error",{"kind":"out-of-disk","message":"takes 9 bytes"}]`},
	} {
		data, err := s.notification(&s.tasks[0], c.job, nil, single{reserved})
		if err != nil || !strings.Contains(string(data), c.want) {
			t.Errorf("%+v: %v\n%s", c.job, err, data)
		}
	}
}

// What is at hand is told as what its receipt says.
func TestNotificationAtHand(t *testing.T) {
	t.Parallel()
	s := &subscription{name: "n", origin: ipld.LinkOf(ipld.CodecDagCBOR, nil)}
	of := &called{function: "f", ran: s.origin}
	for _, out := range []task.Outcome{
		{Value: ipld.Int(7)},
		{Value: ipld.String("text")},
		{Failure: &task.Failure{Kind: task.KindGuest, Value: ipld.String("why")}},
		{Failure: &task.Failure{Kind: task.KindTrap, Trap: "unreachable"}},
	} {
		signed, err := receipt.Issue(ipvmtest.Key(t), receipt.Receipt{Schedule: "x", Task: task.ID{Link: s.origin}, Out: out, Limits: task.Limits{Gas: 10, Memory: 1 << 26}})
		if err != nil {
			t.Fatal(err)
		}
		job := &runs.Job{Status: engine.JobOK, Receipt: signed.Link()}
		if !out.OK() {
			job.Status, job.Kind, job.Message = engine.JobError, out.Failure.Kind, "for people"
		}
		want, err := s.notification(of, job, nil, single{signed})
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.notification(of, job, &out, single{})
		if err != nil || string(got) != string(want) {
			t.Errorf("%v: %v, %s\nwant %s", out, err, got, want)
		}
	}
}
