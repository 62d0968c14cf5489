//go:build faults

package store

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestCrashInCollection kills a process at each point of a collection. What is left is a
// sound store, in which the next collection finds the rest.
func TestCrashInCollection(t *testing.T) {
	t.Parallel()
	for _, at := range []string{
		"store.collect.applied:1", "store.collect.applied:2", "store.collect.receipts", "store.collect.records",
		"store.collect.file:1", "store.collect.file:3",
	} {
		dir := filepath.Join(t.TempDir(), "store")
		s, err := Open(dir, Options{Now: func() time.Time { return time.Now().Add(-48 * time.Hour) }})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 5 {
			put(t, s, resultOf(t, n, fileBlocks(t, n, 300_000)))
		}
		closeStore(t, s)
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "STORE_CRASH_CHILD=collect", "STORE_CRASH_DIR="+dir, "IPVM_FAULT="+at)
		out, err := cmd.CombinedOutput()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("%s: the child ended by itself: %v\n%s", at, err, out)
		}
		s = openDisk(t, dir)
		wantNoProblems(t, s)
		if sum, err := s.Collect(t.Context(), Collection{Bounded: true}); err != nil || sum.Bytes == 0 {
			t.Errorf("%s: the rest: %+v %v", at, sum, err)
		}
		if size, err := s.Size(t.Context()); err != nil || size > 2000 {
			t.Errorf("%s: %d bytes are left: %v", at, size, err)
		}
		closeStore(t, s)
	}
}
