//go:build cgo

package main

import (
	"bytes"
	"os"
	"testing"
)

// TestGuidePicture holds the picture in the guide to what the program draws.
func TestGuidePicture(t *testing.T) {
	t.Parallel()
	var out, errOut bytes.Buffer
	if code := run([]string{"graph", "--svg", "--dir", t.TempDir(), "../../examples/thumbnail/workflow.yaml"}, nil, &out, &errOut); code != exitOK {
		t.Fatalf("exit status %d: %s", code, &errOut)
	}
	const file = "../../docs/thumbnail.svg"
	if *update {
		if err := os.WriteFile(file, out.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if want := readFile(t, file); !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%s is not what is drawn now; look at it after -update", file)
	}
}
