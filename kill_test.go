//go:build faults && unix

package ipvm

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
)

// killDir names the state directory that a child of this test collects in.
const killDir = "IPVM_COLLECT_CHILD"

// TestCollectionAtFaultPoints kills the process in the middle of a collection of what
// others had run. What is left is whole, what a suspended workflow came to is there, and
// collecting again is enough.
func TestCollectionAtFaultPoints(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		node, err := Open(dir, Options{Now: monthLater})
		if err == nil {
			_, err = node.Backend().Collect(t.Context(), store.Collection{Bounded: true})
		}
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println("collected")
		os.Exit(0)
	}
	t.Parallel()
	n := newOpen(t, Options{Workers: 1})
	n.own.quota.close() // which would remove the empty room
	status, answer := n.ask("POST", "/v1/workflows", fmt.Sprintf(`
first: {with: %[1]s, func: zeros, args: [300000]}
second: {with: %[1]s, %[2]s, await: [first]}`, n.module, endless))
	if status != 202 {
		t.Fatal(status, answer)
	}
	var id runs.ID
	if err := n.own.runs.List(runs.Query{}, func(r runs.Run) bool { id = r.ID; return false }); err != nil {
		t.Fatal(err)
	}
	var first runs.Job
	for ev := range watch(t, n.own.runs, id) {
		if ev.Kind == runs.JobSettled {
			first = *ev.Job
			break
		}
	}
	if _, err := n.own.runs.Suspend(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for i := range 3 {
		n.run(n.zeros(100_000 + i))
		n.run(n.zeros(2000 + i))
	}
	for i := range 2 {
		if status, answer := n.ask("PUT", "/ipfs/"+putOf(i).Link.String(), string(putOf(i).Data)); status != 201 {
			t.Fatal(status, answer)
		}
	}
	if _, err := n.own.View("did:key:nobody"); err != nil { // an empty room
		t.Fatal(err)
	}
	if err := n.node.Close(); err != nil {
		t.Fatal(err)
	}
	for _, point := range []string{
		"store.collect.receipts:1", "store.collect.applied:1", "store.collect.applied:2", "store.collect.applied:3",
		"store.collect.records:1", "store.collect.file:1", "store.collect.file:2", "store.collect.records:2", "store.collect.file:4", "rooms.gone:1",
	} {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "home")
			if err := errors.Join(os.CopyFS(dir, os.DirFS(n.node.Dir())), os.Chmod(filepath.Join(dir, KeyFile), 0o600)); err != nil {
				t.Fatal(err)
			}
			collectIn := func(fault string, killed bool) {
				t.Helper()
				cmd := exec.Command(os.Args[0], "-test.run=^TestCollectionAtFaultPoints$")
				cmd.Env = append(os.Environ(), killDir+"="+dir, "IPVM_FAULT="+fault)
				out, err := cmd.CombinedOutput()
				var exit *exec.ExitError
				if dead := errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL; dead != killed || err != nil && !dead {
					t.Fatalf("killed %t, %v: %.2000s", dead, err, out)
				}
			}
			collectIn(point, true)
			wantWhole(t, dir, first)
			collectIn("", false)
			wantWhole(t, dir, first)
			if _, err := os.Lstat(filepath.Join(dir, goneDir)); err == nil {
				t.Error("a room was not removed wholly")
			}
			if entries, err := os.ReadDir(filepath.Join(dir, GuestsDir)); err != nil || len(entries) != 1 {
				t.Errorf("rooms left: %v, %v", entries, err)
			}
		})
	}
}

func monthLater() time.Time { return time.Now().Add(30 * 24 * time.Hour) }

// wantWhole checks that nothing in dir lacks what it rests on, and that the job's result
// is there.
func wantWhole(t *testing.T, dir string, job runs.Job) {
	t.Helper()
	node, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	own := node.current().(*owner)
	if _, err := node.Health(t.Context(), func(p string) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	view, err := own.View(engine.Anyone)
	if err != nil {
		t.Fatal(err)
	}
	all, err := view.Receipts(job.Task)
	if err != nil || len(all) != 1 {
		t.Fatalf("the result of a suspended workflow: %d, %v", len(all), err)
	}
	for _, l := range store.References(all[0]) {
		if _, err := ipld.ReadFile(l, 1<<20, view.Block); err != nil {
			t.Error(err)
		}
	}
}
