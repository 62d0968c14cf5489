//go:build unix && cgo

package crashtest

import (
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// crashes is how many kills a test makes: normally, or as IPVM_CRASHES says.
func crashes(t *testing.T, normal int) int {
	t.Helper()
	if text := os.Getenv("IPVM_CRASHES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			t.Fatalf("IPVM_CRASHES: %q is not a positive number", text)
		}
		return n
	}
	if testing.Short() {
		return max(normal/8, 1)
	}
	return normal
}

// random is a source of numbers whose seed the log tells.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

var pointCall = regexp.MustCompile(`fault\.Point\("([^"]+)"\)`)

// points are the names of all fault points of the program, from its sources.
func points(t *testing.T) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && (entry.Name() == "testdata" || entry.Name() == "node_modules" || strings.HasPrefix(entry.Name(), ".")) {
			return fs.SkipDir
		}
		if filepath.Ext(path) != ".go" || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		text, err := os.ReadFile(path)
		for _, m := range pointCall.FindAllSubmatch(text, -1) {
			all = append(all, string(m[1]))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	all = slices.Compact(all)
	if len(all) < 20 {
		t.Fatalf("only %d fault points: %v", len(all), all)
	}
	return all
}

// tally counts kills by name.
type tally struct {
	mu sync.Mutex
	n  map[string]int
}

func (k *tally) add(name string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.n == nil {
		k.n = make(map[string]int)
	}
	k.n[name]++
}

func (k *tally) log(t *testing.T) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	sum := 0
	for _, n := range k.n {
		sum += n
	}
	t.Logf("%d kills: %v", sum, k.n)
}

// TestKillAtPoints kills the program at each fault point that one process
// passes, after few and after many passes.
func TestKillAtPoints(t *testing.T) {
	t.Parallel()
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	each := crashes(t, 4)
	for _, point := range points(t) {
		if prefix, _, _ := strings.Cut(point, "."); slices.Contains([]string{"rpc", "runs", "export", "import", "rooms"}, prefix) {
			continue // see TestKillOwner, TestKillGuest, TestKillNode and TestKillMove; of rooms TestCollectionAtFaultPoints of the node
		}
		if keeping(point, "") != nil {
			continue // see TestKillKeeping
		}
		if point == "rooms.gone" {
			continue // see TestCollectionAtFaultPoints of the root package
		}
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			rng := random(t)
			s := &site{home: newHome(t)}
			for i := range each {
				s.crashAt(t, rng, point, i, &kills)
			}
		})
	}
}

// crashAt kills the program at the n-th pass of point, or an earlier one if it
// does not pass so often.
func (s *site) crashAt(t *testing.T, rng *rand.Rand, point string, i int, kills *tally) {
	t.Helper()
	n := []int{1, 2, 1 + rng.IntN(12), 1 + rng.IntN(60)}[i%4]
	needsLarge := strings.HasPrefix(point, "store.blob") || point == "store.files"
	for {
		c := crash{doc: mixed(rng, needsLarge), faults: fmt.Sprintf("%s:%d", point, n), json: i%5 == 3, out: i%3 == 2}
		if s.crash(t, c) {
			kills.add(point)
			return
		}
		if n == 1 {
			t.Fatalf("the program never passes %s", point)
		}
		n /= 2
	}
}

// TestResultsAreFiles makes sure that large results are what these tests say.
func TestResultsAreFiles(t *testing.T) {
	t.Parallel()
	d := newDocument()
	d.large("large", random(t), 3)
	report := expected(t, d.write(t))
	for i := range report.Jobs {
		if n := len(content(t, &report.Jobs[i])); n <= store.InlineBlock || n > ipld.ChunkSize {
			t.Errorf("job %s comes to %d bytes", report.Jobs[i].Label, n)
		}
	}
}

// TestKillAtRandom kills the program from outside, at any time from its start
// to its end.
func TestKillAtRandom(t *testing.T) {
	t.Parallel()
	const sites = 4
	kills := crashes(t, 96)
	var done tally
	t.Cleanup(func() { done.log(t) })
	for i := range sites {
		t.Run(strconv.Itoa(i), func(t *testing.T) {
			t.Parallel()
			rng := random(t)
			s := &site{home: newHome(t)}
			whole := 100 * time.Millisecond // what a run takes
			for n := 0; n < (kills+sites-1)/sites; {
				c := crash{doc: mixed(rng, n%6 == 5), json: n%8 == 7, out: n%4 == 1}
				c.after = 1 + rand.N(whole)
				if s.crash(t, c) {
					done.add("random")
					n++
					whole += whole / 50
				} else {
					whole -= whole / 4
				}
			}
		})
	}
}
