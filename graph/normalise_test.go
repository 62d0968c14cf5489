package graph

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// files gives each file that a document names a link of its name's.
type files struct{}

func (files) Import(path string) (ipld.Link, error) {
	return ipld.LinkOf(ipld.CodecRaw, []byte(path)), nil
}

// normalise returns w as native YAML, and fails the test where that is not the
// same workflow.
func normalise(tb testing.TB, w *workflow.Workflow) string {
	tb.Helper()
	before, buildErr := Build(w, Options{Owner: owner})
	written := func(label string) task.Task {
		i, _ := before.Find(label)
		return before.Step(i).Task
	}
	if buildErr != nil { // a cycle
		written = nil
	}
	text, err := w.Normalise(written)
	if err != nil {
		tb.Fatal(err)
	}
	again, err := workflow.Parse(workflow.Source{Data: text, Format: workflow.YAML})
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	twice, err := again.Normalise(written)
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	if diff := cmp.Diff(string(text), string(twice)); diff != "" {
		tb.Errorf("normalised twice (-once +twice):\n%s", diff)
	}
	if len(again.Warnings) > 0 && w.Config.Memory == 0 || again.Dialect != workflow.Native {
		tb.Errorf("%s, with warnings %v:\n%s", again.Dialect, again.Warnings, text)
	}
	if buildErr != nil {
		return string(text)
	}
	after, err := Build(again, Options{Owner: owner})
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	for i := range before.Len() {
		k, ok := after.Find(before.Label(i))
		if want := before.Step(i).ID; !ok || after.Step(k).ID != want {
			tb.Errorf("job %s is not task %s any more:\n%s", before.Label(i), want, text)
		}
	}
	if before.Link() != after.Link() {
		tb.Errorf("another workflow:\n%s", text)
	}
	return string(text)
}

// corpus is where the documents are that the reader is tested with.
const corpus = "../workflow/testdata/"

// documents are all the documents of this repository that are to be read.
func documents(tb testing.TB) (paths []string) {
	tb.Helper()
	for _, pattern := range []string{corpus + "valid/*", corpus + "homestar/*/*", "../examples/*/*.json", "../examples/*/*.yaml", "../examples/*/*/*.yaml"} {
		all, err := filepath.Glob(pattern)
		n := len(paths)
		for _, path := range all {
			if !strings.HasSuffix(path, ".golden") {
				paths = append(paths, path)
			}
		}
		if err != nil || len(paths) == n {
			tb.Fatalf("no documents match %s: %v", pattern, err)
		}
	}
	return paths
}

// Every document is, in native YAML, the same workflow, in every format that it
// can have.
func TestNormalise(t *testing.T) {
	t.Parallel()
	for _, path := range documents(t) {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			w, err := workflow.Parse(workflow.Source{Name: path, Data: data, Files: files{}})
			if err != nil && refused[strings.TrimPrefix(path, corpus)] {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			text := normalise(t, w)
			if name, ok := strings.CutPrefix(path, corpus); ok {
				golden(t, "testdata/normalised/"+strings.ReplaceAll(name, "/", "-")+".yaml", text)
			}
			g, err := Build(w, Options{Owner: owner})
			if err != nil {
				return // a cycle
			}
			lowered, err := workflow.Parse(workflow.Source{Data: g.Normal().Data, Format: workflow.CBOR})
			if err != nil {
				t.Fatal(err)
			}
			normalise(t, lowered)
		})
	}
}

// refused are the documents of the corpus that are not accepted: their promises
// wait for instructions that no task has. The tests of package workflow hold why.
var refused = map[string]bool{
	"homestar/head/test-workflow-add-one-part-two.json":   true,
	"homestar/head/test-workflow-jco.json":                true,
	"homestar/v0.3.0/test-workflow-add-one-part-two.json": true,
	"homestar/v0.3.0/test-workflow-jco.json":              true,
}

// TestNormaliseOdd is about what is easily read as something else.
func TestNormaliseOdd(t *testing.T) {
	t.Parallel()
	const mod = "bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu"
	for doc, want := range map[string]string{
		`{"with": "MOD", "args": [{"/data": {"from": "a", "out": [1]}}, {"/data": {"file": "x"}}, {"/data": {"await/ok": {"file": "y"}}}, {"/data": {"/data": 1}}]}`: `- {"/data": {await/ok: {file: "y"}}}`,
		`{"with": "MOD", "args": [{"/data": {"ucan/promise": ["/", "x"]}}, {"/data": {"from": {"/data": 1}}}]}`:                                                      `[{"/data": {ucan/promise: ["/", x]}}, {"/data": {from: {"/data": 1}}}]`,
		`{"with": "MOD", "input": {}}`: "input: {}\n",
		`{"with": "MOD", "args": ["", " x", "x ", "- a", "a: b", "# c", "a #c", "\u2028", "\u0085", "\ufeff", "\u0000", "😀", "\ud83d\ude00", "~", "Null", "1e3", ".5", "0x1f", "12:30", "=", "<<", "\\", "\"", "\r\n"]}`: `- "\u2028"`,
		`{"with": "MOD", "args": [1e300, -0.0, 5.0, 5, 18446744073709551615, 1e21, 1e-7]}`:                                                                                                         "args: [1e+300, -0.0, 5.0, 5, 18446744073709551615, 1e+21, 1e-7]",
		`{"with": "MOD", "input": {"` + strings.Repeat("k", 1500) + `": 1, "a": {"` + strings.Repeat("\\u0001", 250) + `": [2]}}}`:                                                                 "? kkk",
		`{"on": {"with": "MOD"}, "n": {"with": {"from": "on", "out": "y"}, "await": ["on"], "args": [{"from": "on", "on": "error"}, {"await/*": "on"}, {"await/error": ["on", 1, "2"]}]}}`:         `args: [{from: "on", on: error}, {"await/*": "on"}, {await/error: ["on", 1, "2"]}]`,
		`{"jobs": {"a": {"with": "MOD", "on": {"error": ["c", "b"], "success": ["d"]}}, "b": {"with": "MOD"}, "c": {"with": "MOD"}, "d": {"with": "MOD"}}, "catch": {"with": "MOD", "func": "h"}}`: "catch: {with: MOD, func: h}\n",
		`{"jobs": {"a": {"with": "MOD", "catch": {"with": "MOD"}}, "b": {"with": "MOD", "time": "90m", "memory": 65537}}}`:                                                                         "catch: {with: MOD}\n  b:\n    with: MOD\n    memory: 65537\n    time: 1h30m\n",
		// Arguments that only the task has: a parameter called from, data with a promise in it.
		`{"jobs": {"a": {"run": {"sub": "did:ipvm:pure", "cmd": "/wasm/run", "nonce": {"/": {"bytes": ""}}, "args": {"mod": {"/": "MOD"}, "fun": "f", "params": {"from": 1}}}}}}`: "params: {from: 1}\n",
	} {
		w, err := workflow.Parse(workflow.Source{Name: "odd.json", Data: []byte(strings.ReplaceAll(doc, "MOD", mod)), Files: files{}})
		if err != nil {
			t.Errorf("%s: %v", doc, err)
			continue
		}
		if text := normalise(t, w); !strings.Contains(strings.ReplaceAll(text, mod, "MOD"), want) {
			t.Errorf("%s\nhas no %s:\n%s", doc, want, text)
		}
	}
}

// What JSON and YAML can not say is no silent change.
func TestNormaliseRefuses(t *testing.T) {
	t.Parallel()
	link := ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("m")))
	entry := func(key string, v ipld.Value) ipld.Entry { return ipld.Entry{Key: key, Value: v} }
	for name, arg := range map[string]ipld.Value{
		"a map with / only": ipld.Map(entry("/", ipld.Int(1))),
		"it, deep inside":   ipld.Map(entry("a", ipld.List(ipld.Map(entry("/", ipld.String("x")))))),
	} {
		doc, err := ipld.AppendCBOR(nil, ipld.Map(entry("with", link), entry("args", ipld.List(arg))))
		if err != nil {
			t.Fatal(err)
		}
		w, err := workflow.Parse(workflow.Source{Data: doc, Format: workflow.CBOR})
		if err != nil {
			t.Fatal(err)
		}
		if text, err := w.Normalise(nil); !errors.Is(err, ipld.ErrReserved) {
			t.Errorf("%s: %v\n%s", name, err, text)
		}
	}
}

// FuzzNormalise holds that what can be read can be written as native YAML, but for
// what is too large or too deep then, and for what only DAG-CBOR can say.
func FuzzNormalise(f *testing.F) {
	for _, path := range documents(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		if len(data) > 8<<10 {
			continue
		}
		f.Add(data)
		w, err := workflow.Parse(workflow.Source{Name: path, Data: data, Files: files{}})
		if err != nil {
			continue
		}
		if g, err := Build(w, Options{Owner: owner}); err == nil {
			f.Add(g.Normal().Data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, format := range []workflow.Format{workflow.JSON, workflow.YAML, workflow.CBOR} {
			w, err := workflow.Parse(workflow.Source{Data: data, Format: format, Files: files{}})
			if err != nil {
				continue
			}
			_, err = w.Normalise(nil)
			var faults workflow.FaultList
			if errors.Is(err, ipld.ErrReserved) || errors.As(err, &faults) && faults[0].Kind == workflow.Size {
				continue
			}
			normalise(t, w)
		}
	})
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
