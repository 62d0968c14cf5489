package ipvm

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

// How far workflows have come whose node was killed is told before anything takes them
// up again, and that changes nothing.
func TestProgressAfterAKill(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{})
	nobody := ipld.LinkOf(ipld.CodecDagCBOR, []byte("a task that nobody runs")) // so that no worker is needed
	document := fmt.Sprintf(`
first: {with: %[1]s, func: zeros, args: [3]}
second: {with: %[1]s, func: zeros, args: [{await/ok: %[2]s}], await: [first], time: 1h}
third: {with: %[1]s, func: zeros, args: [4], await: [second]}`, n.module, nobody)
	if status, answer := n.ask("POST", "/v1/workflows", document); status != 202 {
		t.Fatal(status, answer)
	}
	w, err := n.node.Read(t.Context(), "", strings.NewReader(document), "")
	if err != nil {
		t.Fatal(err)
	}
	run, err := n.node.Submit(t.Context(), w, runs.Options{})
	if err != nil {
		t.Fatal(err)
	}
	receipts := make(map[did.DID]string)
	for _, id := range []runs.ID{run.ID, {Workflow: run.Workflow, For: engine.Anyone}} {
		for ev := range watch(t, n.own.runs, id) {
			if ev.Kind == runs.JobSettled {
				receipts[id.For] = ev.Job.Receipt.String()
				break
			}
		}
	}
	dir := filepath.Join(t.TempDir(), "copy") // which is what a kill leaves
	if err := n.own.Backup(t.Context(), dir, true); err != nil {
		t.Fatal(err)
	}
	later, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { later.Close() })
	at := later.Backend()
	for range 2 {
		seen := 0
		err := at.Runs(t.Context(), runs.Query{}, func(r runs.Run) bool {
			seen++
			if r.State != runs.Running || r.Settled != 1 || r.Attempt != 1 {
				t.Errorf("listed: %+v", r)
			}
			if one, err := at.RunOf(t.Context(), r.ID); err != nil || one != r {
				t.Errorf("shown: %+v, %v", one, err)
			}
			jobs, err := at.JobsOf(t.Context(), r.ID)
			if err != nil || len(jobs) != 1 || jobs[0].Label != "first" || jobs[0].Status != engine.JobOK || jobs[0].Receipt.String() != receipts[r.For] {
				t.Errorf("jobs: %+v, %v", jobs, err)
			}
			return true
		})
		if err != nil || seen != 2 {
			t.Errorf("%d runs, %v", seen, err)
		}
	}
	own, ok := later.current().(*owner)
	if !ok {
		t.Fatal("the node has another owner")
	}
	if jobs, looked := own.runs.Found(t.Context(), run, 2); jobs != nil || looked {
		t.Error("it was looked for more jobs than allowed")
	}
}
