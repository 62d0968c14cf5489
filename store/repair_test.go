package store

import (
	"errors"
	"os"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
)

// TestRepair damages a store in every way that Check knows, and mends it. What was
// intact stays, and what was damaged can be put again.
func TestRepair(t *testing.T) {
	t.Parallel()
	s := openDisk(t, t.TempDir())
	defer closeStore(t, s)
	own := key(t, 0).DID()
	var files [4][]ipld.Block
	for n := range files {
		files[n] = fileBlocks(t, n, 300_000)
		put(t, s, resultOf(t, n, files[n]))
	}
	small := rawBlock([]byte("a small one"))
	put(t, s, resultOf(t, 10, []ipld.Block{small}))
	lost := rawBlock([]byte("never here"))
	put(t, s, Batch{Receipts: []*receipt.Signed{issue(t, 0, okReceipt(taskID(11), ipld.LinkValue(lost.Link)))}})
	elsewhere := issue(t, 1, okReceipt(taskID(12), ipld.LinkValue(lost.Link)))
	put(t, s, Batch{Foreign: []*receipt.Signed{elsewhere}})
	put(t, s, Batch{Aliases: []Alias{{taskID(20), taskID(0)}}, Modules: []Module{{taskID(21).Link, ipld.String("interface")}}})
	syncStore(t, s)

	set := func(key, value []byte) {
		t.Helper()
		if err := s.db.Set(key, value, pebble.Sync); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(os.Truncate(s.blobPath(files[1][0].Link), 1000), os.Remove(s.blobPath(files[2][0].Link))); err != nil {
		t.Fatal(err)
	}
	set(linkKey(tableBlock, small.Link), append(appendUsed(nil, s.now()), "a smell one"...))
	forged := issue(t, 0, okReceipt(taskID(3), ipld.Int(1)))
	stray := append(linkKey(tableReceipt, taskID(30).Link), make([]byte, executorLen+1+slotLen)...)
	set(stray, append(appendUsed(nil, s.now()), forged.Bytes()...))
	set(append(linkKey(tableReceipt, taskID(31).Link), make([]byte, executorLen+1+slotLen)...), []byte("\x01no receipt"))
	set(linkKey(tableAlias, taskID(22).Link), []byte("no link"))
	set(linkKey(tableModule, taskID(23).Link), []byte{0xff})
	set(refKey(small.Link, stray), nil)
	whole := resultOf(t, 0, files[0]).Receipts[0]
	place, err := receiptKey(whole)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.db.Delete(refKey(files[0][len(files[0])-1].Link, place), pebble.Sync); err != nil {
		t.Fatal(err)
	}

	did := make(map[string]int)
	if err := s.Repair(t.Context(), own, func(p Problem) { did[p.What]++ }); err != nil {
		t.Fatal(err)
	}
	for what, n := range map[string]int{
		"removed receipt": 6, "put aside block": 2, "forgot lost block": 1, "removed alias of task": 1, "removed interface of module": 1,
		"added reference of receipt": 1,
	} {
		if did[what] != n {
			t.Errorf("%s: %d, want %d", what, did[what], n)
		}
	}
	for _, l := range []ipld.Link{files[1][0].Link, small.Link} {
		if _, err := os.Stat(s.path("damaged", l.String())); err != nil {
			t.Error(err)
		}
	}
	for _, n := range []int{0, 3} {
		if rs, err := s.Receipts(taskID(n)); len(rs) != 1 || err != nil {
			t.Errorf("task %d: %d receipts, %v", n, len(rs), err)
		}
		for _, b := range files[n] {
			wantBlock(t, s, b)
		}
	}
	wantReceipts(t, s, taskID(12), elsewhere)
	for _, n := range []int{1, 2, 10, 11, 30, 31} {
		wantReceipts(t, s, taskID(n))
	}
	for _, l := range []ipld.Link{files[1][0].Link, files[2][0].Link, small.Link} {
		if _, err := s.Block(l); !errors.Is(err, ErrNotFound) {
			t.Errorf("block %s: %v", l, err)
		}
	}
	if to, ok, err := s.Resolve(taskID(20)); to != taskID(0) || !ok || err != nil {
		t.Errorf("alias: %t %v", ok, err)
	}
	put(t, s, resultOf(t, 1, files[1]))
	put(t, s, resultOf(t, 2, files[2]))
	for _, n := range []int{1, 2} {
		for _, b := range files[n] {
			wantBlock(t, s, b)
		}
	}
	problems := 0
	if err := s.Check(t.Context(), func(p Problem) {
		if problems++; p.Link != elsewhere.Link() {
			t.Errorf("check: %s", p)
		}
	}); err != nil || problems != 1 {
		t.Errorf("%d problems, %v", problems, err)
	}
	clear(did)
	if err := s.Repair(t.Context(), own, func(p Problem) { t.Errorf("again: %s", p) }); err != nil {
		t.Error(err)
	}
}
