//go:build unix && cgo

package crashtest

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
)

var fullName = filepath.Join(root, "examples/names/full-name.wasm")

// secrets is a document whose jobs are all secrets, small and large ones, and the
// text that one of them comes to.
func secrets(rng *rand.Rand) (d *document, name string) {
	d = newDocument()
	first, last := fmt.Sprintf("first%d", rng.Uint64()), fmt.Sprintf("last%d", rng.Uint64())
	key := d.add("key", fullName, "full-name", first, last)
	d.add("more", fullName, "full-name", key, key)
	d.large("large", rng, 3)
	for _, label := range []string{"key", "large"} { // the others depend on these
		d.jobs[label].(map[string]any)["secret"] = true
	}
	return d, first + " " + last
}

// TestKillWithSecrets kills the program while it runs secret jobs. What they come
// to is nowhere outside the vault, and what was told is remembered.
func TestKillWithSecrets(t *testing.T) {
	t.Parallel()
	plain, faulty := programs(t)
	rng := random(t)
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	home := newHome(t)
	all := points(t)
	for range crashes(t, 24) {
		point := all[rng.IntN(len(all))]
		doc, name := secrets(rng)
		path := doc.write(t)
		p := start(t, faulty, home, fmt.Sprintf("%s:%d", point, 1+rng.IntN(3)), "run", path)
		timer := time.AfterFunc(rand.N(400*time.Millisecond), p.kill)
		if p.wait(t) == -1 {
			kills.add(point)
		}
		timer.Stop()
		hidden(t, home, []byte(name))

		out := filepath.Join(t.TempDir(), "out")
		again := start(t, plain, home, "", "run", "--all", "--reveal", "-o", out, path)
		again.succeed(t)
		for _, line := range p.out {
			label, rest, _ := strings.Cut(line, " ")
			if doc.jobs[label] == nil || !strings.Contains(rest, "ran") {
				continue
			}
			if !strings.HasSuffix(rest, "(secret)") {
				t.Errorf("%s: the program tells %q", point, line)
			}
			if told := strings.Join(again.out, "\n"); !strings.Contains("\n"+told, "\n"+label+" ") || strings.Contains(told, label+"  ran") {
				t.Errorf("%s: %s was told, and is not remembered:\n%s", point, label, told)
			}
		}
		results, err := filepath.Glob(filepath.Join(out, "*"))
		if err != nil || len(results) != len(doc.jobs) {
			t.Fatalf("%d results of %d, %v", len(results), len(doc.jobs), err)
		}
		for _, file := range results {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			hidden(t, home, data[:min(len(data), 4096)])
		}
	}
}

// hidden wants a secret to be in no file of the state directory that is not of
// the vault, and no receipt to be in the store.
func hidden(t *testing.T, home string, secret []byte) {
	t.Helper()
	secret = bytes.Trim(secret, "\"\n")
	err := filepath.WalkDir(home, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		if in, err := filepath.Rel(home, path); err != nil || strings.HasPrefix(in, ipvm.VaultDir+"/") {
			return err
		}
		data, err := os.ReadFile(path)
		if bytes.Contains(data, secret) {
			t.Errorf("a secret is in %s", path)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	s, err := store.Open(filepath.Join(home, ipvm.StoreDir), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Scan(func(r *receipt.Signed) bool {
		t.Errorf("the store has a receipt of %s", r.Task)
		return true
	})
	if err != nil {
		t.Error(err)
	}
}
