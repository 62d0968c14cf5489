//go:build unix && cgo

package crashtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// TestKillFirstStart kills the program while it makes its key and its store.
// The next start works, and a key that was there stays.
func TestKillFirstStart(t *testing.T) {
	t.Parallel()
	_, faulty := programs(t)
	rng := random(t)
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	d := newDocument()
	d.chain("chain", rng, 3)
	path := d.write(t)
	want := expected(t, path)
	faults := []string{"node.opened", "node.key", "node.listen", "node.listening", "store.apply", "store.sync", "engine.told", ""}
	for n := range crashes(t, 24) {
		home := filepath.Join(t.TempDir(), "state")
		p := start(t, faulty, home, faults[n%len(faults)], "run", path)
		if faults[n%len(faults)] == "" {
			defer time.AfterFunc(rand.N(60*time.Millisecond), p.kill).Stop()
		}
		if p.wait(t) == -1 {
			kills.add("first " + faults[n%len(faults)])
		}
		key, err := os.ReadFile(filepath.Join(home, ipvm.KeyFile))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		secondStart(t, home, path, want)
		after, err := os.ReadFile(filepath.Join(home, ipvm.KeyFile))
		if err != nil || key != nil && !bytes.Equal(key, after) {
			t.Errorf("%q: the key has changed (%v)", faults[n%len(faults)], err)
		}
	}
}

func secondStart(t *testing.T, home, path string, want *ipvm.Report) {
	t.Helper()
	n, err := ipvm.Open(home, ipvm.Options{Policy: ipvm.Policy{Defaults: limits}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	}()
	report := runHere(t, n, path)
	for i := range want.Jobs {
		a, b := &want.Jobs[i], &report.Jobs[i]
		if a.Task != b.Task || shown(a) != shown(b) {
			t.Errorf("job %s comes to %s, elsewhere to %s", a.Label, shown(b), shown(a))
		}
	}
	if _, err := n.Health(context.Background(), func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}

// TestKillPut kills `ipvm block put`. Each file whose CID was printed is there,
// whole.
func TestKillPut(t *testing.T) {
	t.Parallel()
	plain, faulty := programs(t)
	rng := random(t)
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	home := newHome(t)
	points := []string{
		"store.apply", "store.applied", "store.acknowledge", "store.files", "store.sync", "store.synced",
		"store.blob.write", "store.blob.rename", "store.blob.renamed", "node.close", "",
	}
	for n := range crashes(t, 22) {
		files := make(map[string][]byte)
		args := []string{"block", "put"}
		for i, size := range []int{100, 100 << 10, 600 << 10, 70 << 10} {
			name := filepath.Join(t.TempDir(), strconv.Itoa(i))
			data := make([]byte, size)
			for j := range data {
				data[j] = byte(rng.Uint32())
			}
			if err := os.WriteFile(name, data, 0o600); err != nil {
				t.Fatal(err)
			}
			files[name] = data
			args = append(args, name)
		}
		point := points[n%len(points)]
		p := start(t, faulty, home, fmt.Sprintf("%s:%d", point, 1+n/len(points)%2), args...)
		if point == "" {
			defer time.AfterFunc(rand.N(60*time.Millisecond), p.kill).Stop()
		}
		if p.wait(t) == -1 {
			kills.add("put " + point)
		}
		checkFiles(t, home, p.out, files)
		again := start(t, plain, home, "", args...)
		again.succeed(t)
		if len(again.out) != len(files) {
			t.Errorf("%d of %d files put", len(again.out), len(files))
		}
		checkFiles(t, home, again.out, files)
	}
}

// checkFiles wants what was printed of files to be in the store.
func checkFiles(t *testing.T, home string, lines []string, files map[string][]byte) {
	t.Helper()
	s, err := store.Open(filepath.Join(home, "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if err := s.Check(context.Background(), func(p store.Problem) { t.Error(p) }); err != nil {
		t.Error(err)
	}
	for _, line := range lines {
		cid, name, _ := strings.Cut(line, "  ")
		link, err := ipld.ParseLink(cid)
		if err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		got, err := ipld.ReadFile(link, 1<<20, s.Block)
		if err != nil || !bytes.Equal(got, files[name]) {
			t.Errorf("%s was put and has %d bytes (%v)", name, len(got), err)
		}
	}
}
