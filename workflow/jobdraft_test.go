package workflow

import (
	"slices"
	"testing"
)

// What a job needs is carried in every dialect that can say it.
func TestNeedsOfDrafts(t *testing.T) {
	t.Parallel()
	const module = "bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu"
	for _, text := range []string{
		`{with: ` + module + `, do: wasm/run, inputs: {}, meta: {ipvm/config: {needs: {labels: [gpu]}}}}`,
		`{type: ipvm/wasm, with: ` + module + `, needs: {labels: [gpu]}}`,
		`{type: ipvm/job, config: {needs: {labels: [gpu]}}, run: {a: {with: ` + module + `}}}`,
	} {
		w, err := Parse(Source{Data: []byte(text), Format: YAML})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Jobs[0].Needs; !slices.Equal(got, []string{"gpu"}) {
			t.Errorf("%s: needs %v", text, got)
		}
	}
}
