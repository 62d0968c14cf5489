//go:build unix && cgo

package crashtest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
)

// reference is a node that nobody kills. What it comes to is what every other
// node with its key must come to.
var reference = struct {
	once sync.Once
	dir  string
	node *ipvm.Node
	err  error
}{}

func referenceNode(t *testing.T) *ipvm.Node {
	t.Helper()
	r := &reference
	r.once.Do(func() {
		if r.dir, r.err = os.MkdirTemp("", "ipvm-crashtest-"); r.err == nil {
			r.node, r.err = ipvm.Open(filepath.Join(r.dir, "state"), ipvm.Options{Policy: ipvm.Policy{Defaults: limits}})
		}
		if r.err == nil { // have each module compiled
			runHere(t, r.node, mixed(random(t), true).write(t))
		}
	})
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.node
}

func closeReference() {
	if reference.node != nil {
		_ = reference.node.Close()
	}
	if reference.dir != "" {
		_ = os.RemoveAll(reference.dir)
	}
}

// expected is what an uncrashed run of the document comes to.
func expected(t *testing.T, path string) *ipvm.Report {
	t.Helper()
	return runHere(t, referenceNode(t), path)
}

// runHere runs the document at path on n.
func runHere(t *testing.T, n *ipvm.Node, path string) *ipvm.Report {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	w, err := n.Load(ctx, path)
	if err != nil {
		t.Fatal(err)
	}
	report, err := n.Run(ctx, w, ipvm.RunOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if report.Status != engine.StatusOK {
		t.Fatalf("the run is %s: %+v", report.Status, report.FirstError())
	}
	return report
}

// newHome is a state directory with the reference's key and compiled code, so
// that receipts are the same and starting takes no time.
func newHome(t *testing.T) string {
	t.Helper()
	from := referenceNode(t).Dir()
	home := filepath.Join(t.TempDir(), "state")
	if err := os.MkdirAll(filepath.Join(home, "compiled"), 0o700); err != nil {
		t.Fatal(err)
	}
	copyFile(t, filepath.Join(from, ipvm.KeyFile), filepath.Join(home, ipvm.KeyFile))
	entries, err := os.ReadDir(filepath.Join(from, "compiled"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); name == "key" || filepath.Ext(name) == ".code" {
			copyFile(t, filepath.Join(from, "compiled", name), filepath.Join(home, "compiled", name))
		}
	}
	return home
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(to, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
