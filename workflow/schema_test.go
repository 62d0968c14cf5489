package workflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// lax are the documents, or jobs in them, with faults that the schema does not
// show, and why.
var lax = map[string]string{
	"check-faults.yaml d":        "it does not count agents",
	"check-faults.yaml j":        sums,
	"credentials.yaml":           "it does not look for credentials",
	"duplicate-key-of-many.yaml": again,
	"duplicate-keys.json":        again,
	"duplicate-labels.yaml":      again,
	"effect-faults.yaml i":       "it does not read URIs",
	"effect-faults.yaml o":       "it does not compare the maps of a list",
	"file-broken.yaml":           "it does not open files",
	"lowered-mixed.json b":       "it does not compare jobs",
	"lowered-wrong.json b":       "it does not compute Task IDs",
	"memory-wrong.yaml a":        sums,
	"time-wrong.yaml b":          sums,
	"time-wrong.yaml h":          sums,
	"time-wrong.yaml j":          sums,
	"with-wrong.yaml a":          "it does not decode CIDs",
	"module-inline.yaml":         "it does not decode modules",
	"numbers.json":               "of numbers in general it does not know the size",
	"outside.yaml broken":        "it does not decode CIDs",
	"outside.yaml text":          "it does not know the labels",
	"promise-to-nowhere.yaml":    "it does not know the labels",
	"repeated-argument.yaml":     "it does not compare the maps of a list",
}

const (
	again = "keys that are given twice are gone before it sees them"
	sums  = "it does not know what an amount comes to"
)

func compiledSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("workflow.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("workflow.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// instance is n as the JSON that a validator sees.
func instance(t *testing.T, n *node) any {
	t.Helper()
	switch n.kind {
	case listNode:
		list := make([]any, len(n.items))
		for i := range n.items {
			list[i] = instance(t, &n.items[i])
		}
		return list
	case mapNode:
		m := make(map[string]any, len(n.items))
		for i := range n.items {
			m[n.keys[i].text] = instance(t, &n.items[i])
		}
		return m
	case boolNode:
		b, _ := n.value.AsBool()
		return b
	case stringNode:
		return n.text()
	case intNode, floatNode:
		text, err := ipld.AppendJSON(nil, n.value)
		if err != nil {
			t.Fatal(err)
		}
		return json.Number(text)
	case hugeNode:
		return json.Number(n.text())
	}
	return nil
}

// native tells whether a document of the corpus is of the native dialect and has
// a syntax tree, which it returns.
func native(t *testing.T, path string) (*node, bool) {
	t.Helper()
	name := filepath.Base(path)
	foreign := slices.ContainsFunc([]string{"homestar-", "ucan-", "draft-", "job-draft"}, func(dialect string) bool { return strings.HasPrefix(name, dialect) })
	if filepath.Ext(name) == ".cbor" || foreign {
		return nil, false
	}
	r := &reader{src: source(t, path)}
	root := r.tree()
	return root, root != nil && r.faults.n == 0
}

// What can be read validates; what can not does not, unless it is known that a
// schema can not tell.
func TestSchema(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	checked := 0
	var valid []string
	for _, pattern := range []string{"valid/*", "../../examples/*/*.yaml", "../../examples/*/*.json", "../../graph/testdata/normalised/*"} {
		valid = append(valid, corpus(t, pattern)...)
	}
	for _, path := range valid {
		if root, ok := native(t, path); ok {
			checked++
			if err := schema.Validate(instance(t, root)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	for _, path := range corpus(t, "invalid/*") {
		root, ok := native(t, path)
		if !ok {
			continue
		}
		_, err := Parse(source(t, path))
		var faults FaultList
		errors.As(err, &faults)
		name := filepath.Base(path)
		check := func(name string, doc any, wrong bool) {
			checked++
			err := schema.Validate(doc)
			document, _, _ := strings.Cut(name, " ")
			_, known := lax[name]
			if _, all := lax[document]; all {
				known = true
			}
			if invalid := err != nil; invalid == (known || !wrong) {
				t.Errorf("%s: wrong %t, known to be lax %t, but the schema says %v", name, wrong, known, err)
			}
		}
		check(name, instance(t, root), true)
		at, header := "/jobs/", root
		if inner := root.lookup(envelope); inner != nil {
			at, header = "/ipvm~1workflow/jobs/", inner
		}
		jobs := header.lookup("jobs")
		if jobs == nil || jobs.kind != mapNode || (&reader{}).fieldsBeside(jobs) { // one fault stands for all
			continue
		}
		for i := range jobs.items {
			label := jobs.keys[i].text
			place := at + pointerStep(label)
			check(name+" "+label, map[string]any{"jobs": map[string]any{label: instance(t, &jobs.items[i])}}, slices.ContainsFunc(faults, func(f Fault) bool {
				return f.Path == place || strings.HasPrefix(f.Path, place+"/")
			}))
		}
	}
	if checked < 150 {
		t.Errorf("only %d documents were checked", checked)
	}
}

// The schema has the parser's fields, and no others.
func TestSchemaFields(t *testing.T) {
	t.Parallel()
	var schema struct {
		Defs map[string]struct {
			Properties map[string]any `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(Schema, &schema); err != nil {
		t.Fatal(err)
	}
	for def, fields := range map[string]names{"header": headerFields, "job": jobFields, "limits": configFields} {
		var want, got []string
		for f := range fields {
			refused := def == "job" && f == "nonce"
			if !refused {
				want = append(want, f)
			}
		}
		for f := range schema.Defs[def].Properties {
			got = append(got, f)
		}
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-parser +schema):\n%s", def, diff)
		}
	}
}

// Every unit, in each way to write one, and every prefix is in the schema.
func TestSchemaUnits(t *testing.T) {
	t.Parallel()
	schema := compiledSchema(t)
	for field, units := range map[string]units{"time": timeUnits, "memory": byteUnits} {
		for unit := range units.names {
			for _, amount := range []any{"1" + unit, "2 " + strings.ToUpper(unit), []any{json.Number("1"), unit}, []any{json.Number("1"), "kilo", unit}, map[string]any{unit: json.Number("1.5")}} {
				if err := schema.Validate(map[string]any{"with": "./module.wasm", field: amount}); err != nil {
					t.Errorf("%s %v: %v", field, amount, err)
				}
			}
		}
	}
	for _, prefix := range append(slices.Collect(maps.Keys(prefixes)), slices.Collect(maps.Keys(symbols))...) {
		if err := schema.Validate(map[string]any{"with": "./module.wasm", "time": []any{json.Number("1"), prefix, "seconds"}}); err != nil {
			t.Errorf("prefix %s: %v", prefix, err)
		}
	}
	for _, prefix := range []string{"K", "g", "D", "mm"} {
		if err := schema.Validate(map[string]any{"with": "./module.wasm", "time": []any{json.Number("1"), prefix, "seconds"}}); err == nil {
			t.Errorf("prefix %s validates", prefix)
		}
	}
	if err := schema.Validate(map[string]any{"with": "./module.wasm", "await": []any{"a", "a"}}); err == nil {
		t.Error("a label given twice validates")
	}
}
