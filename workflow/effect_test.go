package workflow

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// checkEffect holds an effect to what is promised of it.
func checkEffect(t *testing.T, j *Job) {
	t.Helper()
	if _, promised, _ := task.AsPromise(j.Effect.URI); !promised {
		text, _ := j.Effect.URI.AsString()
		if uri, scheme, err := NormalURI(text); err != nil || uri != text || scheme != j.Effect.Scheme {
			t.Fatalf("job %q: %q is no URI in normal form of scheme %q: %v", j.Label, text, j.Effect.Scheme, err)
		}
	}
	if j.Effect.Scheme == "" || j.Effect.Do == "" || j.Call.Params.Kind() != ipld.KindMap {
		t.Fatalf("job %q: %+v of %s", j.Label, j.Effect, j.Call.Params)
	}
}
