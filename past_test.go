package ipvm

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

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
