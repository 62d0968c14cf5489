//go:build unix && cgo

package crashtest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/ipvm-wg/go-ipvm/store"
)

// holdLock is the whole life of a process that has the store open and serves
// nobody. It tells whether this process is one.
func holdLock() bool {
	home := os.Getenv("CRASHTEST_HOLD")
	if home == "" {
		return false
	}
	s, err := store.Open(filepath.Join(home, "store"), store.Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("held")
	_, _ = io.Copy(io.Discard, os.Stdin) // until the test lets go
	if err := s.Close(); err != nil {
		os.Exit(1)
	}
	return true
}

// hold starts a process that holds the lock of the state directory until
// release is called.
func hold(t *testing.T, home string) (pid int, release func()) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CRASHTEST_HOLD="+home)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); err != nil || line != "held\n" {
		t.Fatalf("the holder says %q (%v)", line, err)
	}
	return cmd.Process.Pid, func() {
		t.Helper()
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Error(err)
		}
	}
}
