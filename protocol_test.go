package ipvm_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

var update = flag.Bool("update", false, "rewrite the computed halves of the vectors; for new vectors only")

// TestProtocol holds the code against the vectors of docs/protocol.md. What a
// vector expects never changes: that would forget every result there is.
func TestProtocol(t *testing.T) {
	t.Parallel()
	for file, compute := range map[string]func(testing.TB, json.RawMessage) any{
		"encoding.json": encodingVector, "links.json": linkVector, "sizes.json": sizeVector, "tasks.json": taskVector,
		"promises.json": promiseVector, "workflows.json": workflowVector, "remembered.json": rememberedVector, "homestar.json": homestarVector,
		"receipts.json": receiptVector, "random.json": randomVector, "authority.json": authorityVector, "containers.json": containerVector,
		"effects.json": effectVector, "judged.json": judgedVector, "submission.json": submissionVector,
	} {
		t.Run(file, func(t *testing.T) {
			t.Parallel()
			checkVectors(t, filepath.Join("testdata/protocol", file), compute)
		})
	}
}

// vector is one golden case: what goes in, and what must come out.
type vector struct {
	Name string          `json:"name"`
	In   json.RawMessage `json:"in"`
	Out  json.RawMessage `json:"out,omitempty"`
}

func checkVectors(t *testing.T, path string, compute func(testing.TB, json.RawMessage) any) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var all []vector
	if err := json.Unmarshal(data, &all); err != nil || len(all) == 0 {
		t.Fatalf("%d vectors, %v", len(all), err)
	}
	for i, v := range all {
		got, err := json.Marshal(compute(t, v.In))
		if err != nil {
			t.Fatal(err)
		}
		if *update && v.Out == nil {
			all[i].Out = got
			continue
		}
		var want bytes.Buffer
		if err := json.Compact(&want, v.Out); err != nil {
			t.Fatalf("%s: %v", v.Name, err)
		}
		if diff := cmp.Diff(want.String(), string(got)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", v.Name, diff)
		}
	}
	if *update {
		data, err := json.MarshalIndent(all, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, append(data, '\n'), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func read(t testing.TB, in json.RawMessage, v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(in))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		t.Fatalf("vector %s: %v", in, err)
	}
}

func value(t testing.TB, dagJSON []byte) ipld.Value {
	t.Helper()
	v, err := ipld.DecodeJSON(dagJSON)
	if err != nil {
		t.Fatalf("%s: %v", dagJSON, err)
	}
	return v
}

func raw(v ipld.Value) json.RawMessage { return json.RawMessage(v.String()) }
