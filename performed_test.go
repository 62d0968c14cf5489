package ipvm

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// lent is a workflow on n, signed by a friend who was granted it. GUEST is a
// module with the functions of the engine's tests.
func lent(t *testing.T, n *Node, text string) (*Workflow, []byte) {
	t.Helper()
	own := n.current().(*owner)
	wat, err := os.ReadFile("engine/testdata/guest.wat")
	if err != nil {
		t.Fatal(err)
	}
	module, err := n.ImportFrom(t.Context(), "guest.wasm", strings.NewReader(string(wasmtest.Compile(t, string(wat)))))
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Share(t.Context(), module); err != nil {
		t.Fatal(err)
	}
	w, err := n.Read(t.Context(), "test.yaml", strings.NewReader(strings.ReplaceAll(text, "GUEST", fmt.Sprintf(`{"/": %q}`, module))), ".")
	if err != nil {
		t.Fatal(err)
	}
	friend, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	d, err := ucan.Delegate(own.key, ucan.Grant{Audience: friend.DID(), Command: grant.RunCommand}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	signed, err := authority.Request{Node: own.key.DID(), Proofs: []*ucan.SignedDelegation{d}}.Sign(friend, w, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return w, signed
}

// What was performed is told when it is presented again, as far as it is kept,
// and nothing of it runs.
func TestPerformedIsTold(t *testing.T) {
	t.Parallel()
	n := opened(t, t.TempDir())
	w, signed := lent(t, n, `
a: {with: GUEST, func: next, args: [1]}
b: {with: GUEST, func: loop, args: [{from: a}], time: 30ms}
c: {with: GUEST, func: next, args: [{from: b}]}
`)
	status := func(r *Report) (text string) {
		for _, j := range r.Jobs {
			text += fmt.Sprintf("%s %s %s; ", j.Label, j.Status, j.How)
		}
		return text + string(r.Status)
	}
	first, err := n.Run(t.Context(), w, RunOptions{Authority: signed})
	if err != nil || status(first) != "a ok ran; b error ran; c upstream ; failed" || first.Performed {
		t.Fatalf("%+v, %v", first, err)
	}
	for range 2 {
		var started int
		again, err := n.Run(t.Context(), w, RunOptions{Authority: signed, Listen: func(e engine.Event) {
			if e.Kind == engine.JobStarted {
				started++
			}
		}})
		if err != nil {
			t.Fatal(err)
		}
		if got := status(again); got != "a ok remembered; b cancelled ; c cancelled ; failed" || !again.Performed || started > 0 || again.Gas > 0 {
			t.Errorf("%s, %d started, %+v", got, started, again)
		}
		b, _ := again.Job("b")
		if f := b.Outcome.Failure; f.Kind != task.KindCancelled || !strings.Contains(f.Message, "nothing is kept") || again.Reason == "" {
			t.Errorf("b: %v, reason %q", f, again.Reason)
		}
	}
}

// Who presents what runs already waits for it.
func TestPerformedWhileItRuns(t *testing.T) {
	t.Parallel()
	n := opened(t, t.TempDir())
	w, signed := lent(t, n, "a: {with: GUEST, func: loop, args: [1], gas: 1000000000000, time: 300ms}\n")
	began := make(chan struct{})
	done := make(chan error, 1)
	go func() {
		_, err := n.Run(t.Context(), w, RunOptions{Authority: signed, Listen: func(e engine.Event) {
			if e.Kind == engine.JobStarted {
				close(began)
			}
		}})
		done <- err
	}()
	select {
	case <-began:
	case err := <-done:
		t.Fatal("it has ended:", err)
	}
	again, err := n.Run(t.Context(), w, RunOptions{Authority: signed})
	if err != nil || !again.Performed || again.Status != engine.StatusFailed {
		t.Errorf("%+v, %v", again, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}
