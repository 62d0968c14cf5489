package store

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
)

// A crash test runs this test binary again as a child that writes into a store
// and prints a line for every acknowledgement. The child is killed; the parent,
// who saw the lines, opens the store and looks whether they were true.
//
// IPVM_CRASHES is how many kills each test makes; the default is a quick run.

const crashWriters = 3

// crashBlock is the n-th block of a writer: now and then a large one.
func crashBlock(round, writer, n int) ipld.Block {
	size := 50 + n*37%3000
	if n%5 == 3 {
		size = InlineBlock + 1 + n*991%100_000
	}
	return rawBlock(append(noise(n, size), fmt.Sprintf("%d/%d/%d", round, writer, n)...))
}

func crashTask(round, writer, n int) int { return round*1_000_000 + writer*100_000 + n }

// crashBatch is the n-th batch of a writer: a receipt, its output's block, and
// an alias, which must all be there or none.
func crashBatch(k did.PrivateKey, round, writer, n int) (Batch, error) {
	block := crashBlock(round, writer, n)
	id := taskID(crashTask(round, writer, n))
	r, err := receipt.Issue(k, okReceipt(id, ipld.LinkValue(block.Link)))
	return Batch{
		Blocks:   []ipld.Block{block},
		Receipts: []*receipt.Signed{r},
		Aliases:  []Alias{{taskID(-crashTask(round, writer, n) - 1), id}},
	}, err
}

// crashChild is the child's whole life. It tells whether this process is one.
func crashChild() bool {
	mode := os.Getenv("STORE_CRASH_CHILD")
	if mode == "" {
		return false
	}
	if err := crashLife(mode); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	return true
}

func crashLife(mode string) error {
	round, _ := strconv.Atoi(os.Getenv("STORE_CRASH_ROUND"))
	s, err := open(os.Getenv("STORE_CRASH_DIR"), Options{fs: killerFS(os.Getenv("STORE_CRASH_OP"))})
	if err != nil || mode == "open" {
		return err
	}
	if mode == "collect" {
		_, err := s.Collect(context.Background(), Collection{Bounded: true})
		return err
	}
	// Small tables, so that flushes and compactions happen too.
	if mode == "flush" {
		go func() {
			for range time.Tick(3 * time.Millisecond) {
				_ = s.db.Flush()
			}
		}()
	}
	k, err := did.Generate(did.Ed25519)
	if err != nil {
		return err
	}
	var wg sync.WaitGroup
	for w := range crashWriters {
		wg.Go(func() {
			for n := range 10_000 {
				b, err := crashBatch(k, round, w, n)
				if err == nil {
					err = s.Put(b)
				}
				if err == nil && n%3 != 0 { // some are acknowledged with the next one
					err = s.Sync(context.Background())
				}
				if err != nil {
					fmt.Println(err)
					os.Exit(1)
				}
				if n%3 != 0 {
					os.Stdout.WriteString(fmt.Sprintf("ack %d %d\n", w, n))
				}
				fault.Point("store.test.acknowledged")
			}
		})
	}
	wg.Wait()
	return s.Close()
}

// killerFS dies at the n-th operation on files of one kind, given as "kind:n".
func killerFS(spec string) vfs.FS {
	kind, count, ok := strings.Cut(spec, ":")
	n, _ := strconv.ParseInt(count, 10, 64)
	if !ok {
		return vfs.Default
	}
	var seen atomic.Int64
	return errorfs.Wrap(vfs.Default, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if crashOps[kind](op) && seen.Add(1) == n {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
		return nil
	}))
}

func isBlob(op errorfs.Op) bool { return strings.Contains(op.Path, "/blobs/") }

func isSync(op errorfs.Op) bool {
	return op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo
}

// crashOps are the kinds of operations before which a child can die.
var crashOps = map[string]func(errorfs.Op) bool{
	"any":         func(op errorfs.Op) bool { return op.Kind.ReadOrWrite() == errorfs.OpIsWrite },
	"log-write":   func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && isLog(op.Path) },
	"log-sync":    func(op errorfs.Op) bool { return isSync(op) && isLog(op.Path) },
	"blob-create": func(op errorfs.Op) bool { return op.Kind == errorfs.OpCreate && isBlob(op) },
	"blob-write":  func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && isBlob(op) },
	"blob-rename": func(op errorfs.Op) bool { return op.Kind == errorfs.OpRename && isBlob(op) },
	"blob-sync":   func(op errorfs.Op) bool { return isSync(op) && isBlob(op) },
	"table":       func(op errorfs.Op) bool { return op.Kind == errorfs.OpFileWrite && strings.HasSuffix(op.Path, ".sst") },
	"manifest": func(op errorfs.Op) bool {
		return op.Kind == errorfs.OpFileWrite && strings.Contains(op.Path, "MANIFEST")
	},
	"remove": func(op errorfs.Op) bool { return op.Kind == errorfs.OpRemove },
}

// crashes is how many kills a test makes.
func crashes(t *testing.T, normal int) int {
	if text := os.Getenv("IPVM_CRASHES"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			t.Fatalf("IPVM_CRASHES: %v", err)
		}
		return n
	}
	return normal
}

// crashRun is a store that is crashed again and again.
type crashRun struct {
	dir    string
	rounds int
	acked  map[[2]int]int // round, writer → the last acknowledged batch
	kills  int
}

// crash runs a child, kills it after a time if it does not die by itself, and
// verifies the store.
func (c *crashRun) crash(t *testing.T, mode, op, faults string, after time.Duration) {
	t.Helper()
	c.rounds++
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "STORE_CRASH_CHILD="+mode, "STORE_CRASH_DIR="+c.dir,
		"STORE_CRASH_ROUND="+strconv.Itoa(c.rounds), "STORE_CRASH_OP="+op, "IPVM_FAULT="+faults)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd.Stderr = new(bytes.Buffer)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	timer := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
	defer timer.Stop()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var writer, n int
		if _, err := fmt.Sscanf(lines.Text(), "ack %d %d", &writer, &n); err != nil {
			t.Errorf("the child says %q", lines.Text())
			continue
		}
		c.acked[[2]int{c.rounds, writer}] = n
	}
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Fatalf("the child ended by itself: %v\n%s", err, cmd.Stderr)
	}
	c.kills++
	c.verify(t, fmt.Sprintf("round %d, mode %s, op %q, fault %q, after %s", c.rounds, mode, op, faults, after))
}

// verify opens the store and looks whether everything acknowledged is there,
// and whether what is there is whole and a prefix of what each writer put.
func (c *crashRun) verify(t *testing.T, what string) {
	t.Helper()
	s, err := Open(c.dir, Options{})
	if err != nil {
		t.Fatalf("%s: open: %v", what, err)
	}
	defer closeStore(t, s)
	for round := max(1, c.rounds-1); round <= c.rounds; round++ {
		for w := range crashWriters {
			last, ok := c.acked[[2]int{round, w}]
			if !ok {
				last = -1
			}
			c.verifyWriter(t, s, what, round, w, last)
		}
	}
	if c.kills%5 != 0 { // reading everything takes time
		return
	}
	if err := s.Check(context.Background(), func(p Problem) { t.Errorf("%s: %s", what, p) }); err != nil {
		t.Errorf("%s: check: %v", what, err)
	}
}

func (c *crashRun) verifyWriter(t *testing.T, s *Store, what string, round, w, acked int) {
	t.Helper()
	gone := -1
	for n := 0; n <= acked || gone < 0 || n < gone+10; n++ {
		id := taskID(crashTask(round, w, n))
		rs, err := s.Receipts(id)
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
		to, aliased, err := s.Resolve(taskID(-crashTask(round, w, n) - 1))
		if err != nil || aliased != (len(rs) == 1) || aliased && to != id {
			t.Errorf("%s: batch %d of writer %d is there in part: %d receipts, alias %t (%v)", what, n, w, len(rs), aliased, err)
		}
		switch {
		case len(rs) == 0 && n <= acked:
			t.Errorf("%s: batch %d of writer %d was acknowledged (up to %d) and is lost", what, n, w, acked)
		case len(rs) == 0 && gone < 0:
			gone = n
		case len(rs) == 1 && gone >= 0:
			t.Errorf("%s: batch %d of writer %d is there and %d is not", what, n, w, gone)
		case len(rs) == 1:
			block := crashBlock(round, w, n)
			if got, err := s.Block(block.Link); err != nil || !bytes.Equal(got, block.Data) {
				t.Errorf("%s: output %d of writer %d: %v", what, n, w, err)
			}
		}
	}
}

func newCrashRun(t *testing.T) *crashRun {
	return &crashRun{dir: t.TempDir(), acked: make(map[[2]int]int)}
}

// TestCrashAtOperations kills the child before file operations of every kind.
func TestCrashAtOperations(t *testing.T) {
	t.Parallel()
	kills := crashes(t, 40)
	c := newCrashRun(t)
	rng := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	var kinds []string
	for k := range crashOps {
		kinds = append(kinds, k)
	}
	for c.kills < kills && !t.Failed() {
		kind := kinds[c.kills%len(kinds)]
		mode := "write"
		n := 1 + rng.IntN(12)
		switch kind {
		case "any":
			n = 1 + rng.IntN(60)
		case "table", "manifest", "remove":
			mode = "flush"
			n = 1 + rng.IntN(4)
		}
		c.crash(t, mode, fmt.Sprintf("%s:%d", kind, n), "", 10*time.Second)
	}
	t.Logf("%d kills", c.kills)
}

// TestCrashAtRandomTimes kills the child from outside.
func TestCrashAtRandomTimes(t *testing.T) {
	t.Parallel()
	kills := crashes(t, 30)
	c := newCrashRun(t)
	rng := rand.New(rand.NewPCG(2, uint64(time.Now().UnixNano())))
	spread := 60 // milliseconds
	for c.kills < kills && !t.Failed() {
		mode := []string{"write", "flush"}[c.kills%2]
		c.crash(t, mode, "", "", time.Duration(5+rng.IntN(spread))*time.Millisecond)
		if len(c.acked) == 0 { // a slow machine, or a slow build: give it longer
			spread = min(2*spread, 4000)
		}
	}
	acked := 0
	for _, n := range c.acked {
		acked += n + 1
	}
	t.Logf("%d kills, %d batches acknowledged", c.kills, acked)
	if acked == 0 {
		t.Error("nothing was ever acknowledged: this test proves nothing")
	}
}

// TestCrashAtFaultPoints kills the child at every named point of this package;
// only a build with the tag "faults" has them.
func TestCrashAtFaultPoints(t *testing.T) {
	if !fault.Enabled {
		t.Skip("run with -tags faults")
	}
	t.Parallel()
	points := []string{
		"store.apply", "store.applied", "store.acknowledge", "store.test.acknowledged", "store.files", "store.sync", "store.synced",
		"store.blob.write", "store.blob.rename", "store.blob.renamed",
	}
	kills := max(crashes(t, 2*len(points)), len(points))
	c := newCrashRun(t)
	rng := rand.New(rand.NewPCG(3, uint64(time.Now().UnixNano())))
	for c.kills < kills && !t.Failed() {
		point := points[c.kills%len(points)]
		c.crash(t, "write", "", fmt.Sprintf("%s:%d", point, 1+rng.IntN(12)), 10*time.Second)
	}
	t.Logf("%d kills", c.kills)
}

// TestPowerCut loses what was not synced, in whole or in part, as a power cut
// does and SIGKILL can not.
func TestPowerCut(t *testing.T) {
	t.Parallel()
	k := key(t, 0)
	for cut := range crashes(t, 30) {
		rng := rand.New(rand.NewPCG(4, uint64(cut)))
		fs := vfs.NewCrashableMem()
		s, err := openOn(fs)
		if err != nil {
			t.Fatal(err)
		}
		c := &crashRun{rounds: 1, acked: make(map[[2]int]int)}
		var order [][2]int // writer, n in the order of puts
		next := [crashWriters]int{}
		for range 5 + rng.IntN(60) {
			w := rng.IntN(crashWriters)
			b, err := crashBatch(k, 1, w, next[w])
			if err != nil {
				t.Fatal(err)
			}
			put(t, s, b)
			order = append(order, [2]int{w, next[w]})
			next[w]++
			switch rng.IntN(12) {
			case 0, 1, 2:
				syncStore(t, s)
				for w, n := range next {
					c.acked[[2]int{1, w}] = n - 1
				}
			case 3:
				if err := s.db.Flush(); err != nil {
					t.Fatal(err)
				}
			}
		}
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: []int{0, 50, 100}[cut%3], RNG: rng})
		_ = s.Close()
		s, err = openOn(after)
		if err != nil {
			t.Fatalf("cut %d: open: %v", cut, err)
		}
		c.verifyCut(t, s, cut, order)
		closeStore(t, s)
		if t.Failed() {
			return
		}
	}
}

// verifyCut is verify without the promise that an unacknowledged block is
// whole: its file may be lost after its record was kept. Then it must say so.
func (c *crashRun) verifyCut(t *testing.T, s *Store, cut int, order [][2]int) {
	t.Helper()
	gone := false
	for _, o := range order {
		w, n := o[0], o[1]
		acked := n <= c.acked[[2]int{1, w}] && len(c.acked) > 0
		rs, err := s.Receipts(taskID(crashTask(1, w, n)))
		if err != nil {
			t.Errorf("cut %d: %v", cut, err)
		}
		if len(rs) == 0 {
			gone = true
			if acked {
				t.Errorf("cut %d: batch %d of writer %d was acknowledged and is lost", cut, n, w)
			}
			continue
		}
		if gone {
			t.Errorf("cut %d: batch %d of writer %d is there although an earlier one is not", cut, n, w)
		}
		block := crashBlock(1, w, n)
		got, err := s.Block(block.Link)
		var corrupt *CorruptError
		if whole := err == nil && bytes.Equal(got, block.Data); !whole && (acked || !errors.As(err, &corrupt)) {
			t.Errorf("cut %d: output %d of writer %d (acknowledged: %t): %v", cut, n, w, acked, err)
		}
	}
}
