package ipvm

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
)

// submit has the owner's workflow accepted.
func (n *open) submit(document string) runs.ID {
	n.Helper()
	w, err := n.node.Read(n.Context(), "", strings.NewReader(document), "")
	if err != nil {
		n.Fatal(err)
	}
	run, err := n.node.Submit(n.Context(), w, runs.Options{})
	if err != nil {
		n.Fatal(err)
	}
	return run.ID
}

// settled waits until so many jobs of a run have settled, or it has ended.
func (n *open) settled(id runs.ID, jobs int) {
	n.Helper()
	for ev := range watch(n.T, n.own.runs, id) {
		if ev.Kind == runs.JobSettled {
			jobs--
		}
		if jobs == 0 {
			return
		}
	}
}

// What is known of runs goes by its age, as results do; a dry run tells the same and
// changes nothing.
func TestCollectionOfRuns(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{})
	old := n.submit(n.zeros(10))
	n.settled(old, 2)
	suspended := n.submit(fmt.Sprintf("a: {with: %s, %s}", n.module, endless))
	if _, err := n.own.runs.Suspend(t.Context(), suspended); err != nil {
		t.Fatal(err)
	}
	n.later.Add(int64(48 * time.Hour))
	young := n.submit(n.zeros(11))
	n.settled(young, 2)
	var told []ipld.Link
	c := store.Collection{Before: n.own.Now().Add(-24 * time.Hour), DryRun: true, Tell: func(g store.Gone) {
		if g.Kind == store.GoneRun {
			told = append(told, g.Link)
		}
	}}
	for _, c.DryRun = range []bool{true, false} {
		told = nil
		sum, err := n.own.Collect(t.Context(), c)
		if err != nil || sum.Runs != 1 || len(told) != 1 || told[0] != old.Workflow {
			t.Errorf("%+v, %v, told %v", sum, err, told)
		}
		if _, err := n.own.runs.Get(old); errors.Is(err, runs.ErrUnknown) == c.DryRun {
			t.Errorf("dry run %t: %v", c.DryRun, err)
		}
	}
	for _, id := range []runs.ID{suspended, young} {
		if _, err := n.own.runs.Get(id); err != nil {
			t.Error(err)
		}
	}
}

// A workflow that was handed over half done can be exported again after a collection,
// with what its jobs had come to.
func TestCollectionAfterAHandOver(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{Workers: 1})
	id := n.submit(fmt.Sprintf(`
first: {with: %[1]s, func: zeros, args: [300000]}
second: {with: %[1]s, %[2]s, await: [first]}`, n.module, endless))
	n.settled(id, 1)
	first, err := n.node.HandOver(t.Context(), id, filepath.Join(t.TempDir(), "first.car"))
	if err != nil || first.Receipts != 1 {
		t.Fatalf("%+v, %v", first, err)
	}
	n.later.Add(int64(24 * time.Hour))
	if _, err := n.own.Collect(t.Context(), store.Collection{Bounded: true}); err != nil {
		t.Fatal(err)
	}
	second, err := n.node.HandOver(t.Context(), id, filepath.Join(t.TempDir(), "second.car"))
	if err != nil || second.Receipts != first.Receipts || second.Blocks != first.Blocks {
		t.Errorf("%+v after %+v, %v", second, first, err)
	}
}

// What is known of runs of others counts to them and not to the owner, and goes like what
// they came to, except for what ended a moment ago.
func TestRecordsOfOthers(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{})
	n.own.quota.close() // nothing is collected but by this test
	parts := func() (mine, theirs uint64) {
		t.Helper()
		if _, err := n.own.others(); err != nil {
			t.Fatal(err)
		}
		mine, err := n.own.heldOwn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return mine, n.own.heldFor()[guestFolder(engine.Anyone)]
	}
	mine, theirs := parts()
	const some = 50
	var jobs strings.Builder
	for i := range 20 {
		fmt.Fprintf(&jobs, "job%d: {with: %s, func: zeros, args: [%d]}\n", i, n.module, i)
	}
	var all []runs.ID
	for i := range some {
		if i == some-1 {
			n.later.Add(int64(time.Hour))
		}
		status, answer := n.ask("POST", "/v1/workflows", fmt.Sprintf("%slast: {with: %s, func: zeros, args: [%d]}\n", jobs.String(), n.module, 100+i))
		var sent struct{ Workflow string }
		if err := json.Unmarshal([]byte(answer), &sent); err != nil || status != http.StatusAccepted {
			t.Fatal(status, answer, err)
		}
		link, err := ipld.ParseLink(sent.Workflow)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, runs.ID{Workflow: link, For: engine.Anyone})
		n.settled(all[i], -1)
	}
	const weight = 200 + 21*150
	if more, of := parts(); of < theirs+some*weight || more > mine+some*weight/4 {
		t.Errorf("the owner had %d bytes and has %d, the others %d and %d", mine, more, theirs, of)
	}
	told := 0
	c := store.Collection{Bounded: true, Tell: func(g store.Gone) {
		if g.Kind == store.GoneRun && g.Where == guestFolder(engine.Anyone) {
			told++
		}
	}}
	for _, c.DryRun = range []bool{true, false} {
		told = 0
		if sum, err := n.own.Collect(t.Context(), c); err != nil || sum.Runs != some-1 || told != some-1 {
			t.Errorf("dry run %t: %+v, %v, told %d", c.DryRun, sum, err, told)
		}
		for i, id := range all {
			if _, err := n.own.runs.Get(id); errors.Is(err, runs.ErrUnknown) != (i < some-1 && !c.DryRun) {
				t.Errorf("dry run %t, run %d: %v", c.DryRun, i, err)
			}
		}
	}
}
