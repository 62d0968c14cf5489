package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
)

func TestFilter(t *testing.T) {
	t.Parallel()
	const n = 30_000 // three layers
	var f filter
	if !f.mayHave(taskID(1).Link) {
		t.Error("a filter that is not ready knows something")
	}
	f.ready.Store(true)
	for i := range n {
		f.add(taskID(i).Link)
	}
	layers, err := decodeFilter(f.encode(7), 7)
	if err != nil || len(layers) != 3 {
		t.Fatal(len(layers), err)
	}
	var again filter
	again.layers.Store(&layers)
	again.ready.Store(true)
	wrong := 0
	for i := range n {
		if !f.mayHave(taskID(i).Link) || !again.mayHave(taskID(i).Link) {
			t.Fatalf("task %d was added and is denied", i)
		}
		if again.mayHave(taskID(-i - 1).Link) {
			wrong++
		}
	}
	if wrong > n/200 {
		t.Errorf("%d of %d absent tasks may be there", wrong, n)
	}
}

// TestFilterFile wants the file of the filter to be used after a clean end and
// only then.
func TestFilterFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rs := make([]*receipt.Signed, 3)
	for i := range rs {
		rs[i] = issue(t, 0, okReceipt(taskID(i), ipld.Null))
	}
	session := func(loaded bool, has int, puts ...*receipt.Signed) {
		t.Helper()
		s := openDisk(t, dir)
		if s.filterSaved != loaded {
			t.Errorf("filter was loaded: %t, want %t", s.filterSaved, loaded)
		}
		for range 2 {
			for i := range has {
				wantReceipts(t, s, taskID(i), rs[i])
				if _, ok, err := s.Run(taskID(-i-1).Link, "x", 7); !ok || err != nil {
					t.Errorf("run %d: %t, %v", i, ok, err)
				}
			}
			s.filterBuilt.Wait()
			if s.filter.mayHave(taskID(99).Link) {
				t.Error("the filter is not ready")
			}
		}
		b := Batch{Receipts: puts}
		for i := range puts {
			b.Runs = append(b.Runs, Run{Workflow: taskID(-has - i - 1).Link, For: "x", Seq: 7})
		}
		put(t, s, b)
		closeStore(t, s)
	}
	name := filepath.Join(dir, "filter")
	session(false, 0, rs[0])
	session(true, 1)
	old, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	session(true, 1, rs[1])
	if err := os.WriteFile(name, old, 0o600); err != nil { // as if a crash had kept the new one from the disk
		t.Fatal(err)
	}
	session(false, 2)
	session(true, 2)
	old, err = os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	old[len(old)/2] ^= 1
	if err := os.WriteFile(name, old, 0o600); err != nil {
		t.Fatal(err)
	}
	session(false, 2, rs[2])
	session(true, 3)
}

// FuzzFilter wants any file to be refused or to round-trip.
func FuzzFilter(f *testing.F) {
	var one filter
	one.add(taskID(1).Link)
	f.Add(one.encode(0))
	f.Add(one.encode(1))
	f.Add([]byte(filterMagic))
	f.Fuzz(func(t *testing.T, data []byte) {
		layers, err := decodeFilter(data, 0)
		if err != nil {
			return
		}
		var again filter
		again.layers.Store(&layers)
		if string(again.encode(0)) != string(data) {
			t.Error("does not round-trip")
		}
	})
}
