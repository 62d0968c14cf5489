package graph

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// TestLabelOrder draws documents with labels that differ early, late and in length,
// and holds the order of the steps and their edges against their definition.
func TestLabelOrder(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		var labels, lines []string
		for i := range 40 {
			label := strings.Repeat("x", r.IntN(12)) + fmt.Sprintf("%c%d", 'a'+rune(r.IntN(26)), i)
			from := ""
			for range r.IntN(3) {
				if i > 0 {
					from += fmt.Sprintf(`, {"from": %q}`, labels[r.IntN(i)])
				}
			}
			labels = append(labels, label)
			lines = append(lines, fmt.Sprintf(`%q: {"with": %s, "args": [%d%s]}`, label, module, i, from))
		}
		r.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
		w, err := workflow.Parse(workflow.Source{Name: "doc.json", Data: []byte("{" + strings.Join(lines, ",") + "}")})
		if err != nil {
			t.Fatal(err)
		}
		g, err := Build(w, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.IsSortedFunc(g.steps, func(a, b Step) int {
			return cmp.Or(cmp.Compare(a.Depth, b.Depth), ipld.CompareKeys(a.Label, b.Label))
		}) {
			t.Errorf("seed %d: the steps are not in order", seed)
		}
		for i, s := range g.steps {
			named := make(map[string]bool)
			for _, e := range s.Job.Edges {
				named[e.Promise.Label] = true
			}
			for _, e := range s.Deps {
				if e.From >= i || !named[g.Label(e.From)] {
					t.Errorf("seed %d: step %d %s waits for step %d %s", seed, i, s.Label, e.From, g.Label(e.From))
				}
			}
			if k, ok := g.Find(s.Label); !ok || k != i || len(s.Deps) != len(named) {
				t.Errorf("seed %d: step %d %s is found at %d, and waits for %d of %d", seed, i, s.Label, k, len(s.Deps), len(named))
			}
		}
	}
}
