//go:build linux && cgo && !race

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestLargeCheck checks a document of 100,000 jobs, each of which takes the
// results of two others, and holds the memory of the whole process against the
// size of the document. Built for the race detector, a program takes many times
// as much.
func TestLargeCheck(t *testing.T) {
	const (
		n       = 100_000
		ceiling = 64 // bytes for each byte of the document
	)
	dir := t.TempDir()
	module, err := os.ReadFile("../../examples/fan/arithmetic.wasm")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "arithmetic.wasm"), module, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var doc strings.Builder
	for i := range n {
		list := fmt.Sprint(i)
		if i > 0 {
			list += fmt.Sprintf(`, {"from": "j%d"}, {"from": "j%d"}`, i/2, i*7/8)
		}
		fmt.Fprintf(&doc, ",\n\"j%d\": {\"with\": \"./arithmetic.wasm\", \"func\": \"sum\", \"args\": [[%s]]}", i, list)
	}
	path := filepath.Join(dir, "document.json")
	if err := os.WriteFile(path, []byte("{"+doc.String()[1:]+"}"), 0o600); err != nil {
		t.Fatal(err)
	}
	program, err := exec.LookPath("ipvm") // which is this test, see TestMain
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, "check", "--dir", filepath.Join(dir, "state"), path)
	cmd.Env = append(os.Environ(), "HOME="+dir)
	out, err := cmd.CombinedOutput()
	if want := fmt.Sprintf("ok: %d jobs", n); err != nil || !strings.HasPrefix(string(out), want) {
		t.Fatalf("%v: %.500s", err, out)
	}
	peak := cmd.ProcessState.SysUsage().(*syscall.Rusage).Maxrss << 10
	if size := int64(doc.Len()); peak > ceiling*size {
		t.Errorf("checking a document of %d bytes takes %d bytes, %d times its size", size, peak, peak/size)
	}
}
