package runs_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/runs"
)

// What a job came to comes with its event while it is small and the run's own.
func TestOutcomeAtHand(t *testing.T) {
	t.Parallel()
	b := newBench(t, false)
	g := b.engine.Document(t, `
small: {with: ./add-one/add-one.wasm, args: [1]}
fails: {with: ./fan/arithmetic.wasm, func: square, args: [4000000000]}
after: {with: ./add-one/add-one.wasm, args: [{from: fails}]}`)
	attempt, err := b.SubmitAttempt(t.Context(), g, runs.Options{KeepGoing: true})
	if err != nil {
		t.Fatal(err)
	}
	b.pass()
	got := make(map[string]string)
	watch := func(ev runs.Event) bool {
		switch {
		case ev.Kind != runs.JobSettled:
		case ev.Outcome == nil:
			got[ev.Label] = "not at hand"
		case ev.Outcome.OK():
			got[ev.Label] = ev.Outcome.Value.String()
		default:
			got[ev.Label] = string(ev.Outcome.Failure.Kind)
		}
		return true
	}
	if err := attempt.Watch(t.Context(), runs.Position{}, watch); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"small": "2", "fails": "trap", "after": "not at hand"}, got); diff != "" {
		t.Error(diff)
	}
	if err := b.Watch(t.Context(), runs.ID{Workflow: g.Link()}, runs.Position{}, watch); err != nil {
		t.Fatal(err)
	}
	if got["small"] != "not at hand" {
		t.Errorf("told again: %s", got["small"])
	}
}
