package ipvm_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// workflowVector: a document → its address and the as-written Task IDs.
func workflowVector(t testing.TB, in json.RawMessage) any {
	var v struct {
		Document string `json:"document"`
		Owner    string `json:"owner"`
	}
	read(t, in, &v)
	return identifiers(t, "document", []byte(v.Document), did.DID(v.Owner))
}

func identifiers(t testing.TB, name string, data []byte, owner did.DID) map[string]any {
	t.Helper()
	w, err := workflow.Parse(workflow.Source{Name: name, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{Owner: owner})
	if err != nil {
		t.Fatal(err)
	}
	tasks := map[string]string{}
	for i := range g.Len() {
		tasks[g.Label(i)] = g.Step(i).ID.String()
	}
	again, err := workflow.Parse(workflow.Source{Data: g.Normal().Data, Format: workflow.CBOR})
	if err != nil {
		t.Fatalf("the normal form as a document: %v", err)
	}
	h, err := graph.Build(again, graph.Options{})
	if err != nil || h.Link() != g.Link() {
		t.Errorf("the normal form of the normal form is another: %v", err)
	}
	return map[string]any{"workflow": g.Link().String(), "tasks": tasks}
}

// submissionVector: a document → what its workflow may use at most, as the
// arguments of /ipvm/run.
func submissionVector(t testing.TB, in json.RawMessage) any {
	var v struct{ Document, Owner string }
	read(t, in, &v)
	w, err := workflow.Parse(workflow.Source{Name: "document", Data: []byte(v.Document)})
	if err != nil {
		t.Fatal(err)
	}
	g, err := graph.Build(w, graph.Options{Owner: did.DID(v.Owner)})
	if err != nil {
		t.Fatal(err)
	}
	return raw(authority.DemandOf(g, engine.Policy{}).Value())
}

// homestarVector: a document of the other implementation → its identifiers
// there, and ours.
func homestarVector(t testing.TB, in json.RawMessage) any {
	var v struct{ File string }
	read(t, in, &v)
	data, err := os.ReadFile(filepath.Join("workflow/testdata/homestar", v.File))
	if err != nil {
		t.Fatal(err)
	}
	w, err := workflow.Parse(workflow.Source{Name: v.File, Data: data})
	if err != nil {
		t.Fatal(err)
	}
	out := identifiers(t, v.File, data, "did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg")
	instructions := map[string]string{}
	for _, j := range w.Jobs {
		instructions[j.Label] = j.Instruction.String()
	}
	out["origin"], out["instructions"] = w.Origin.Workflow.String(), instructions
	return out
}
