//go:build unix && cgo

package ipvm_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ipvm-wg/go-ipvm"
)

// TestLoadOfNoFile shows that a document that names what is no file is refused
// with a word for it, and does not wait for a pipe that nobody writes to.
func TestLoadOfNoFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	node, err := ipvm.Open(filepath.Join(dir, "state"), ipvm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	for name, want := range map[string]string{"pipe": "it is a named pipe; name a regular file", "folder": "it is a directory; name a regular file"} {
		doc := `{"with": "bafkreibwny22bxrlspg6i5hystlbmx6re4jym2t6ey6tomgdexcgwq7ezy", "args": [{"file": "` + name + `"}]}`
		_, err := node.Read(context.Background(), "doc.json", strings.NewReader(doc), dir)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "doc.json:1:") {
			t.Errorf("%s: %v, want %q and its place", name, err, want)
		}
	}
}
