package ipvm_test

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// Two tasks of one submitter end while another has most of its many open, whoever
// of them is the node's owner. With IPVM_LONG=1 these are 100,000, and the log tells
// how long the two took.
func TestFewTasksAmongMany(t *testing.T) {
	workflows, jobs := 10, 2_000
	if os.Getenv("IPVM_LONG") != "" {
		workflows, jobs = 10, 10_000
	}
	for _, many := range []did.DID{"", engine.Anyone} {
		t.Run(fmt.Sprintf("many of %q", many), func(t *testing.T) {
			few := engine.Anyone
			if many == few {
				few = ""
			}
			n := newSubmitters(t, 2)
			n.wait(t, n.submit(t, few, false, numbers(fmt.Sprintf("with: %s", n.module), 1, 2_000_000))) // what they have is open from then on
			each, call := 0, fmt.Sprintf("with: %s", n.module)
			if os.Getenv("IPVM_LONG") == "" { // tiny ones would be done by when a slow disk has taken in the two
				each, call = 1<<22, fmt.Sprintf("with: %s, func: spin", n.guest(t))
			}
			var all []runs.ID
			for i := range workflows { // suspended, so that all begin together
				all = append(all, n.submit(t, many, true, numbers(call, jobs, each+i*jobs)))
			}
			for _, id := range all {
				if _, err := n.Backend().Direct(t.Context(), id, rpc.Resume); err != nil {
					t.Fatal(err)
				}
			}
			for n.open(t, all) > workflows*jobs-100 { // until they run
				time.Sleep(time.Millisecond)
			}
			began := time.Now()
			two := n.submit(t, few, false, fmt.Sprintf("a: {with: %s, args: [1000000]}\nb: {with: %[1]s, args: [{from: a}]}\n", n.module))
			if state := n.wait(t, two); state != runs.OK {
				t.Errorf("the two tasks came to %s", state)
			}
			took, open := time.Since(began), n.open(t, all)
			t.Logf("two tasks took %v, and then %d of %d were open", took.Round(time.Millisecond), open, workflows*jobs)
			if open < workflows*jobs/2 {
				t.Error("the few waited for the many")
			}
		})
	}
}

// A node has as many functions running at once as it has workers, also where these are
// more than the processors: some that have no end leave the last worker to others.
func TestMoreWorkersThanProcessors(t *testing.T) {
	t.Parallel()
	workers := runtime.GOMAXPROCS(0) + 2
	n := newSubmitters(t, workers)
	long := n.submit(t, "", false, numbers(fmt.Sprintf("with: %s, func: loop, gas: 1000000000000000, time: 1h", n.guest(t)), workers-1, 0))
	quick := n.submit(t, "", false, numbers(fmt.Sprintf("with: %s, time: 1h", n.module), 2, 0))
	if state := n.wait(t, quick); state != runs.OK {
		t.Errorf("the quick ones came to %s", state)
	}
	if open := n.open(t, []runs.ID{long}); open != workers-1 {
		t.Errorf("%d of %d without end are open", open, workers-1)
	}
}

// submitters is a node that serves the owner and others.
type submitters struct {
	*ipvm.Node
	module ipld.Link
}

func newSubmitters(t *testing.T, workers int) submitters {
	t.Helper()
	node, err := ipvm.Open(t.TempDir(), ipvm.Options{Workers: workers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = node.Close() })
	if _, err := node.Serve(t.Context(), ipvm.ServeOptions{}); err != nil {
		t.Fatal(err)
	}
	module, err := node.Import(t.Context(), "examples/add-one/add-one.wasm")
	if err == nil {
		err = node.Backend().Share(t.Context(), module)
	}
	if err != nil {
		t.Fatal(err)
	}
	return submitters{node, module}
}

// guest is the module of the engine's tests.
func (n submitters) guest(t *testing.T) ipld.Link {
	t.Helper()
	wat, err := os.ReadFile("engine/testdata/guest.wat")
	if err != nil {
		t.Fatal(err)
	}
	module, err := n.ImportFrom(t.Context(), "guest.wasm", bytes.NewReader(wasmtest.Compile(t, string(wat))))
	if err == nil {
		err = n.Backend().Share(t.Context(), module)
	}
	if err != nil {
		t.Fatal(err)
	}
	return module
}

// numbers is a document of n jobs from first on, which wait for nothing.
func numbers(call string, n, first int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "j%d: {%s, args: [%d]}\n", i, call, first+i)
	}
	return b.String()
}

func (n submitters) submit(t *testing.T, who did.DID, suspended bool, document string) runs.ID {
	t.Helper()
	w, err := n.Read(t.Context(), "", strings.NewReader(document), "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := n.Submit(t.Context(), w, runs.Options{Unsigned: who == engine.Anyone, Suspended: suspended})
	if err != nil {
		t.Fatal(err)
	}
	return r.ID
}

// open is how many jobs of these runs have come to nothing yet.
func (n submitters) open(t *testing.T, all []runs.ID) (open int) {
	t.Helper()
	for _, id := range all {
		r, err := n.Backend().RunOf(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		open += r.Jobs - r.Settled
	}
	return open
}

// wait is the state in which a run ends.
func (n submitters) wait(t *testing.T, id runs.ID) (state runs.State) {
	t.Helper()
	if err := n.Backend().Watch(t.Context(), id, runs.Position{}, func(ev runs.Event) bool {
		if ev.Kind == runs.Ended {
			state = ev.Run.State
		}
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return state
}
