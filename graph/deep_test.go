package graph

import (
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// TestDeepest shows that the normal form of every document that can be read
// can be read.
func TestDeepest(t *testing.T) {
	t.Parallel()
	const module = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"
	deepest := 0
	for depth := 180; depth < 210; depth++ {
		doc := `{"jobs": {"a": {"with": "` + module + `", "args": [` + strings.Repeat("[", depth) + strings.Repeat("]", depth) + `]}}}`
		w, err := workflow.Parse(workflow.Source{Name: "deep.json", Data: []byte(doc)})
		if err != nil {
			break
		}
		deepest = depth
		g, err := Build(w, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := workflow.Parse(workflow.Source{Data: g.Normal().Data, Format: workflow.CBOR}); err != nil {
			t.Fatalf("%d levels: %v", depth, err)
		}
	}
	if deepest < 190 {
		t.Errorf("documents of %d levels at most", deepest)
	}
}
