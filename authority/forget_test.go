package authority_test

import (
	"errors"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// What was performed is forgotten once nobody can present it any more, and not while it
// runs.
func TestForget(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, one)
	signed, running := r.sign(t, g, r.grant(t, `[]`)), r.sign(t, g, r.grant(t, `[]`))
	permit, err := r.guard.Accept(signed, g)
	must(t, err)
	must(t, permit.End(&engine.Report{Status: engine.StatusOK}))
	runs, err := r.guard.Accept(running, g)
	must(t, err)
	forget := func(want, left int) {
		t.Helper()
		n, err := r.guard.Forget()
		must(t, err)
		kept := 0
		must(t, r.Store.Notes("performed", func(store.Note) bool { kept++; return true }))
		if n != want || kept != left {
			t.Errorf("%d went and %d are left; expected %d and %d", n, kept, want, left)
		}
	}
	forget(0, 2)
	r.now = r.now.Add(time.Hour + authority.MaxSkew)
	forget(0, 2)
	r.now = r.now.Add(time.Minute)
	forget(1, 1)
	must(t, runs.End(&engine.Report{Status: engine.StatusOK}))
	forget(1, 0)
	if _, err := r.guard.Accept(signed, g); !errors.Is(err, ucan.Expired) {
		t.Errorf("presented once more: %v", err)
	}
}
