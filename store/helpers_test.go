package store

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

func TestMain(m *testing.M) {
	if crashChild() {
		return
	}
	goleak.VerifyTestMain(m)
}

// keys are signing keys, made once: the n-th is the same in every test of a run.
var keys = struct {
	sync.Mutex
	all []did.PrivateKey
}{}

func key(t testing.TB, n int) did.PrivateKey {
	t.Helper()
	keys.Lock()
	defer keys.Unlock()
	for len(keys.all) <= n {
		k, err := did.Generate(did.Ed25519)
		if err != nil {
			t.Fatal(err)
		}
		keys.all = append(keys.all, k)
	}
	return keys.all[n]
}

// taskID is the ID of the n-th test task.
func taskID(n int) task.ID {
	return task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, fmt.Appendf(nil, "task %d", n))}
}

func okReceipt(id task.ID, v ipld.Value) receipt.Receipt {
	return receipt.Receipt{
		Task: id, Out: task.Outcome{Value: v}, Gas: 12, Schedule: "test-1",
		Limits: task.Limits{Gas: 1000, Memory: 64 << 20},
	}
}

func failReceipt(id task.ID, kind task.Kind) receipt.Receipt {
	r := okReceipt(id, ipld.Null)
	r.Out.Failure = &task.Failure{Kind: kind}
	return r
}

func issue(t testing.TB, signer int, r receipt.Receipt) *receipt.Signed {
	t.Helper()
	s, err := receipt.Issue(key(t, signer), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func rawBlock(data []byte) ipld.Block {
	return ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, data), Data: data}
}

// noise is n bytes that do not compress, the same for the same seed.
func noise(seed, n int) []byte {
	data := make([]byte, n)
	src := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8), byte(seed >> 16)})
	_, _ = src.Read(data)
	return data
}

func put(t testing.TB, s *Store, b Batch) {
	t.Helper()
	if err := s.Put(b); err != nil {
		t.Fatal(err)
	}
}

func syncStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func closeStore(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

func wantBlock(t testing.TB, s *Store, b ipld.Block) {
	t.Helper()
	got, err := s.Block(b.Link)
	if err != nil || !bytes.Equal(got, b.Data) {
		t.Errorf("block %s: %d bytes, %v; want %d bytes", b.Link, len(got), err, len(b.Data))
	}
	if has, err := s.Has(b.Link); err != nil || !has {
		t.Errorf("has block %s: %t, %v", b.Link, has, err)
	}
}

// wantReceipts compares the evidence under id, in any order.
func wantReceipts(t testing.TB, s *Store, id task.ID, want ...*receipt.Signed) {
	t.Helper()
	got, err := s.Receipts(id)
	if err != nil {
		t.Errorf("receipts of %s: %v", id, err)
	}
	links := make(map[ipld.Link]bool)
	for _, r := range got {
		links[r.Link()] = true
	}
	for _, r := range want {
		if !links[r.Link()] {
			t.Errorf("receipts of %s: %s is missing", id, r.Link())
		}
	}
	if len(got) != len(want) {
		t.Errorf("receipts of %s: got %d, want %d", id, len(got), len(want))
	}
}

func wantNoProblems(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Check(context.Background(), func(p Problem) { t.Errorf("check: %s", p) }); err != nil {
		t.Errorf("check: %v", err)
	}
}

// clock is a clock that tests set.
type clock struct {
	mu  sync.Mutex
	now time.Time
}

func newClock() *clock { return &clock{now: time.Unix(1_800_000_000, 0)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}
