package workflow

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

func entry(key string, v ipld.Value) ipld.Entry { return ipld.Entry{Key: key, Value: v} }

// lower writes jobs, each awaiting only earlier ones, in the normalised form.
func lower(t *testing.T, jobs []Job) ipld.Value {
	t.Helper()
	ids := map[string]task.ID{}
	var entries []ipld.Entry
	for _, j := range jobs {
		params, err := task.MapPromises(j.Call.Params, func(p task.Promise) (ipld.Value, error) {
			p.Task, p.Label = ids[p.Label], ""
			return p.Value(), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		j.Call.Params = params
		ran := j.task()
		if ids[j.Label], err = ran.ID(); err != nil {
			t.Fatal(err)
		}
		fields := []ipld.Entry{entry("run", ran.Value())}
		if j.Limits != (task.Limits{}) {
			fields = append(fields, entry("config", ipld.Map(
				entry("gas", ipld.Uint(j.Limits.Gas)), entry("memory", ipld.Uint(j.Limits.Memory)), entry("time", ipld.Int(int64(j.Limits.Time))))))
		}
		entries = append(entries, entry(j.Label, ipld.Map(fields...)))
	}
	return ipld.Map(entry(envelope, ipld.Map(
		entry("v", ipld.String(Version)),
		entry("jobs", ipld.Map(entries...)),
		entry("config", ipld.Map(entry("time", ipld.Int(5e9)))),
		entry("nonce", ipld.Bytes(make([]byte, 16))),
	)))
}

// The normalised form is read back as what it was made from, in every format.
func TestLowered(t *testing.T) {
	t.Parallel()
	module := ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("module")))
	key, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	want := []Job{
		{Label: "a", Call: task.Call{Module: module, Func: "f", Params: ipld.List(ipld.Float(5), task.Escape(ipld.Map(entry("await/ok", ipld.Int(1)))), ipld.Bytes([]byte{1}), module)}},
		{Label: "b", Limits: task.Limits{Gas: 1, Memory: 2, Time: 3 * time.Nanosecond}, Call: task.Call{Module: module, Params: ipld.Map(
			entry("x", task.Promise{Branch: task.AwaitOK, Label: "a"}.Value()),
			entry("from", ipld.String("data")),
			entry("file", ipld.Map(entry("from", ipld.String("data")))))}},
		{Label: "c", Subject: key.DID(), Nonce: "\x00\xff", Call: task.Call{Module: module, Func: "g", Params: ipld.List(
			task.Promise{Branch: task.AwaitOK, Label: "b", Path: []task.Step{{Index: 1}, {Key: "k", IsKey: true}}}.Value(),
			task.Promise{Branch: task.AwaitOK, Label: "a"}.Value())}},
	}
	doc := lower(t, want)
	asCBOR, err := ipld.AppendCBOR(nil, doc)
	if err != nil {
		t.Fatal(err)
	}
	asJSON, err := ipld.AppendJSON(nil, doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, src := range []Source{{Data: asCBOR}, {Data: asJSON}, {Data: asJSON, Format: YAML}, {Data: append(asJSON, '\n', '#'), Format: YAML}} {
		w, err := Parse(src)
		if err != nil {
			t.Fatal(err)
		}
		if w.Config.Time != 5*time.Second || len(w.Nonce) != 16 || w.Version != Version {
			t.Errorf("header: %+v", w)
		}
		if len(w.Jobs) != len(want) {
			t.Fatalf("%d jobs", len(w.Jobs))
		}
		for i, j := range w.Jobs {
			edges := len(j.Edges)
			j.Pos, j.Edges = Pos{}, nil
			if diff := cmp.Diff(want[i], j, cmp.Comparer(ipld.Value.Equal), cmp.Comparer(func(a, b ipld.Link) bool { return a == b })); diff != "" {
				t.Errorf("job %d (-want +got):\n%s", i, diff)
			}
			if edges != i {
				t.Errorf("job %s has %d edges, want %d", j.Label, edges, i)
			}
		}
	}
}

// What has two spellings would have two addresses.
func TestLoweredRefuses(t *testing.T) {
	t.Parallel()
	for params, want := range map[string]string{
		`[{"/data":5}]`:             `"/data" wraps 5, which is not to be wrapped`,
		`{"await/ok":{"/":"LINK"}}`: "a promise can stand for an argument, not for all of them",
	} {
		link := ipld.LinkOf(ipld.CodecDagCBOR, []byte("task")).String()
		doc := `{"a":{"run":{"sub":"did:ipvm:pure","cmd":"/wasm/run","nonce":{"/":{"bytes":""}},"args":{"fun":"f","mod":{"/":"LINK"},"params":` + params + `}}}}`
		_, err := Parse(Source{Data: []byte(strings.ReplaceAll(doc, "LINK", link))})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", params, err)
		}
	}
}
