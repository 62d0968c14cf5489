package store

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// TestConformance runs what every store must do on both kinds of store.
func TestConformance(t *testing.T) {
	t.Parallel()
	t.Run("disk", func(t *testing.T) {
		t.Parallel()
		conformance(t, func(t *testing.T, o Options) *Store {
			s, err := Open(t.TempDir(), o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
	t.Run("memory", func(t *testing.T) {
		t.Parallel()
		conformance(t, func(t *testing.T, o Options) *Store {
			s, err := OpenMemory(o)
			if err != nil {
				t.Fatal(err)
			}
			return s
		})
	})
}

func conformance(t *testing.T, open func(*testing.T, Options) *Store) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, *Store, *clock)
	}{
		{"blocks", conformBlocks},
		{"wrong block", conformWrongBlock},
		{"records", conformRecords},
		{"runs", conformRuns},
		{"notes", conformNotes},
		{"evidence", conformEvidence},
		{"out of gas", conformOutOfGas},
		{"variants", conformVariants},
		{"equivocation", conformEquivocation},
		{"signers", conformSigners},
		{"foreign", conformForeign},
		{"references", conformReferences},
		{"scan", conformScan},
		{"last use", conformLastUse},
		{"stats", conformStats},
		{"closed", conformClosed},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			clock := newClock()
			s := open(t, Options{Now: clock.Now})
			defer closeStore(t, s)
			c.run(t, s, clock)
		})
	}
}

func conformBlocks(t *testing.T, s *Store, _ *clock) {
	var blocks []ipld.Block
	for i, n := range []int{0, 1, 1000, InlineBlock, InlineBlock + 1, 1 << 20} {
		blocks = append(blocks, rawBlock(noise(i, n)))
	}
	identity, err := ipld.LinkWithHash(ipld.CodecRaw, 0, []byte("small"))
	if err != nil {
		t.Fatal(err)
	}
	blocks = append(blocks, ipld.Block{Link: identity, Data: []byte("small")})
	absent := rawBlock([]byte("absent")).Link
	if _, err := s.Block(absent); !errors.Is(err, ErrNotFound) {
		t.Errorf("absent block: %v", err)
	}
	if has, err := s.Has(absent); has || err != nil {
		t.Errorf("absent block: has %t, %v", has, err)
	}
	put(t, s, Batch{Blocks: blocks})
	for _, b := range blocks {
		wantBlock(t, s, b)
	}
	put(t, s, Batch{Blocks: blocks}) // again
	syncStore(t, s)
	for _, b := range blocks {
		wantBlock(t, s, b)
	}
	put(t, s, Batch{})
	wantNoProblems(t, s)
}

func conformWrongBlock(t *testing.T, s *Store, _ *clock) {
	for _, n := range []int{10, InlineBlock + 10} {
		good := rawBlock(noise(1, n))
		wrong := ipld.Block{Link: good.Link, Data: noise(2, n)}
		other := rawBlock(noise(3, 5))
		if err := s.Put(Batch{Blocks: []ipld.Block{other, wrong}}); !errors.Is(err, ipld.ErrMismatch) {
			t.Errorf("put of wrong bytes: %v", err)
		}
		for _, l := range []ipld.Link{good.Link, other.Link} {
			if _, err := s.Block(l); !errors.Is(err, ErrNotFound) {
				t.Errorf("after a refused put: %v", err)
			}
		}
	}
}

func conformRecords(t *testing.T, s *Store, _ *clock) {
	iface := ipld.Map(ipld.Entry{Key: "f", Value: ipld.Int(1)})
	put(t, s, Batch{
		Aliases: []Alias{{taskID(1), taskID(2)}},
		Modules: []Module{{taskID(3).Link, iface}},
	})
	if to, ok, err := s.Resolve(taskID(1)); to != taskID(2) || !ok || err != nil {
		t.Errorf("resolve: %s %t %v", to, ok, err)
	}
	if _, ok, err := s.Resolve(taskID(2)); ok || err != nil {
		t.Errorf("resolve absent: %t %v", ok, err)
	}
	if v, ok, err := s.Module(taskID(3).Link); !v.Equal(iface) || !ok || err != nil {
		t.Errorf("module: %s %t %v", v, ok, err)
	}
	if _, ok, err := s.Module(taskID(4).Link); ok || err != nil {
		t.Errorf("absent module: %t %v", ok, err)
	}
}

func conformRuns(t *testing.T, s *Store, _ *clock) {
	w, x := taskID(1).Link, taskID(2).Link
	if _, ok, err := s.Run(w, "", 1); ok || err != nil {
		t.Errorf("run of none: %t %v", ok, err)
	}
	for _, seq := range []uint64{2, 1, 300} {
		put(t, s, Batch{Runs: []Run{{w, "", seq, ipld.Uint(seq)}, {x, "", seq, ipld.Null}}})
	}
	for who, seq := range map[string]uint64{"did:a": 9, "did:ab": 8} {
		put(t, s, Batch{Runs: []Run{{w, who, seq, ipld.String(who)}}})
		if r, ok, err := s.Run(w, who, seq); r.Seq != seq || r.For != who || !r.Record.Equal(ipld.String(who)) || !ok || err != nil {
			t.Errorf("run for %s: %+v %t %v", who, r, ok, err)
		}
	}
	if _, ok, err := s.Run(w, "", 3); ok || err != nil {
		t.Errorf("run of another number: %t %v", ok, err)
	}
	if r, ok, err := s.Run(w, "", 300); r.Seq != 300 || r.Workflow != w || !r.Record.Equal(ipld.Uint(300)) || !ok || err != nil {
		t.Errorf("run: %+v %t %v", r, ok, err)
	}
	var got []uint64
	if err := s.Runs(w, func(r Run) bool {
		got = append(got, r.Seq)
		return len(got) < 2
	}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]uint64{1, 2}, got); diff != "" {
		t.Errorf("runs: %s", diff)
	}
	n := 0
	if err := s.Runs(ipld.Link{}, func(Run) bool { n++; return true }); err != nil || n != 8 {
		t.Errorf("all runs: %d, %v", n, err)
	}
}

func conformNotes(t *testing.T, s *Store, _ *clock) {
	for _, n := range []Note{{"a", "k", []byte("1")}, {"a", "j", []byte{}}, {"ab", "k", []byte("2")}, {"", "ak", []byte("3")}} {
		if err := s.PutNote(n.Kind, n.Key, n.Value); err != nil {
			t.Fatal(err)
		}
	}
	if v, ok, err := s.Note("a", "k"); string(v) != "1" || !ok || err != nil {
		t.Errorf("note: %q %t %v", v, ok, err)
	}
	if v, ok, err := s.Note("a", "j"); v == nil || len(v) != 0 || !ok || err != nil {
		t.Errorf("empty note: %q %t %v", v, ok, err)
	}
	var got []string
	if err := s.Notes("a", func(n Note) bool { got = append(got, n.Key); return true }); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"j", "k"}, got); diff != "" {
		t.Errorf("notes: %s", diff)
	}
	for i, n := range []struct {
		prefix, from string
		want         []string
	}{{"", "", []string{"j", "k"}}, {"", "j", []string{"k"}}, {"k", "", []string{"k"}}, {"k", "a", []string{"k"}}, {"j", "k", nil}, {"j", "j", nil}, {"", "k", nil}} {
		got = nil
		if err := s.NotesAfter("a", n.prefix, n.from, func(n Note) bool { got = append(got, n.Key); return true }); err != nil {
			t.Error(err)
		}
		if diff := cmp.Diff(n.want, got); diff != "" {
			t.Errorf("notes %d: %s", i, diff)
		}
	}
	if err := s.PutNote("a", "k", nil); err != nil {
		t.Error(err)
	}
	if _, ok, err := s.Note("a", "k"); ok || err != nil {
		t.Errorf("removed note: %t %v", ok, err)
	}
}

func conformEvidence(t *testing.T, s *Store, _ *clock) {
	id := taskID(1)
	wantReceipts(t, s, id)
	one := issue(t, 0, okReceipt(id, ipld.Int(1)))
	put(t, s, Batch{Receipts: []*receipt.Signed{one}})
	wantReceipts(t, s, id, one)
	wantReceipts(t, s, taskID(2))

	// Another signer adds, whether it agrees or not, and never replaces.
	same := issue(t, 1, okReceipt(id, ipld.Int(1)))
	other := issue(t, 2, okReceipt(id, ipld.Int(2)))
	put(t, s, Batch{Receipts: []*receipt.Signed{same, other}})
	wantReceipts(t, s, id, one, same, other)

	// A signer that contradicts itself, or ran under another memory limit.
	contradiction := issue(t, 0, okReceipt(id, ipld.Int(3)))
	more := okReceipt(id, ipld.Int(1))
	more.Limits.Memory *= 2
	variant := issue(t, 0, more)
	put(t, s, Batch{Receipts: []*receipt.Signed{contradiction, variant}})
	wantReceipts(t, s, id, one, same, other, contradiction, variant)

	// What is not remembered: the latest of each signer, beside the rest.
	put(t, s, Batch{Receipts: []*receipt.Signed{issue(t, 0, failReceipt(id, task.KindTimeout))}})
	denied := issue(t, 0, failReceipt(id, task.KindDenied))
	cancelled := issue(t, 1, failReceipt(id, task.KindCancelled))
	put(t, s, Batch{Receipts: []*receipt.Signed{denied, cancelled}})
	wantReceipts(t, s, id, one, same, other, contradiction, variant, denied, cancelled)

	put(t, s, Batch{Receipts: []*receipt.Signed{one}}) // again
	wantReceipts(t, s, id, one, same, other, contradiction, variant, denied, cancelled)
	wantNoProblems(t, s)
}

func conformOutOfGas(t *testing.T, s *Store, _ *clock) {
	id := taskID(1)
	var all []*receipt.Signed
	for _, gas := range []uint64{100, 300, 200} {
		r := failReceipt(id, task.KindOutOfGas)
		r.Gas, r.Limits.Gas = gas, gas
		all = append(all, issue(t, 0, r))
		put(t, s, Batch{Receipts: all[len(all)-1:]})
	}
	wantReceipts(t, s, id, all[1])
}

func conformVariants(t *testing.T, s *Store, clock *clock) {
	id := taskID(1)
	block := rawBlock(noise(1, 2000))
	var all []*receipt.Signed
	for i := range MaxVariants + 2 {
		r := okReceipt(id, ipld.List(ipld.LinkValue(block.Link)))
		r.Schedule = fmt.Sprint("s-", i)
		all = append(all, issue(t, 0, r))
		put(t, s, Batch{Receipts: all[i:], Blocks: []ipld.Block{block}})
		clock.add(time.Hour)
	}
	wantReceipts(t, s, id, all[2:]...)
	wantNoProblems(t, s)
}

// However much an executor signs that contradicts itself, what shows it stays.
func conformEquivocation(t *testing.T, s *Store, clock *clock) {
	id := taskID(1)
	value := func(n int) *receipt.Signed { return issue(t, 0, okReceipt(id, ipld.Int(int64(n)))) }
	under := func(schedule string) *receipt.Signed {
		r := okReceipt(id, ipld.Int(0))
		r.Schedule = schedule
		return issue(t, 0, r)
	}
	shown := func() bool {
		all, err := s.Receipts(id)
		if err != nil || len(all) > MaxVariants {
			t.Fatalf("%d receipts, %v", len(all), err)
		}
		pairs := receipt.Evidence(all).Conflicts()
		return len(pairs) > 0 && pairs[0].Equivocation()
	}
	put(t, s, Batch{Foreign: []*receipt.Signed{value(0)}})
	for i := range MaxVariants - 1 {
		clock.add(time.Hour)
		put(t, s, Batch{Foreign: []*receipt.Signed{under(fmt.Sprint("before-", i))}})
	}
	if shown() {
		t.Fatal("one value is two")
	}
	clock.add(time.Hour)
	put(t, s, Batch{Foreign: []*receipt.Signed{value(1)}}) // and the other one is the oldest
	for i := range 2 * MaxVariants {
		clock.add(time.Hour)
		put(t, s, Batch{Foreign: []*receipt.Signed{under(fmt.Sprint("after-", i))}})
		if !shown() {
			t.Fatalf("%d receipts later nothing shows it", i)
		}
	}
	for i := range 2 * MaxVariants {
		clock.add(time.Hour)
		put(t, s, Batch{Foreign: []*receipt.Signed{value(i)}})
		if !shown() {
			t.Fatalf("%d values later nothing shows it", i)
		}
	}
}

func conformSigners(t *testing.T, s *Store, _ *clock) {
	id := taskID(1)
	var all []*receipt.Signed
	for i := range MaxSigners {
		all = append(all, issue(t, i, okReceipt(id, ipld.Int(1))))
		put(t, s, Batch{Foreign: all[i:]})
	}
	late := issue(t, MaxSigners, okReceipt(id, ipld.Int(1)))
	other := rawBlock([]byte("with it"))
	if err := s.Put(Batch{Foreign: []*receipt.Signed{late}, Blocks: []ipld.Block{other}}); !errors.Is(err, ErrEvidenceFull) {
		t.Errorf("one signer too many: %v", err)
	}
	if has, _ := s.Has(other.Link); has {
		t.Error("part of a refused batch was stored")
	}
	wantReceipts(t, s, id, all...)
	again := issue(t, 3, okReceipt(id, ipld.Int(2))) // a known signer may add
	put(t, s, Batch{Foreign: []*receipt.Signed{again}})
	put(t, s, Batch{Receipts: []*receipt.Signed{late}}) // our own is never refused
	wantReceipts(t, s, id, append(all, again, late)...)
}

func conformForeign(t *testing.T, s *Store, _ *clock) {
	bad := issue(t, 0, okReceipt(taskID(1), ipld.Int(1))).Bytes()
	at := len(bad) - 1
	forged, err := receipt.Parse(append(bad[:at:at], bad[at]^1))
	if err != nil {
		// The signature is not at the end: find a byte whose change parses.
		for at := range bad {
			if forged, err = receipt.Parse(append(append(bad[:at:at], bad[at]^1), bad[at+1:]...)); err == nil && forged.Verify() != nil {
				break
			}
		}
	}
	if err := s.Put(Batch{Foreign: []*receipt.Signed{forged}}); err == nil {
		t.Error("a forged receipt was stored")
	}
	wantReceipts(t, s, taskID(1))
}

func conformReferences(t *testing.T, s *Store, _ *clock) {
	large := rawBlock(noise(1, 3000))
	data, link, err := ipld.Encode(ipld.List(ipld.String(strings.Repeat("x", InlineBlock)), ipld.LinkValue(large.Link)))
	if err != nil {
		t.Fatal(err)
	}
	boxed := ipld.Block{Link: link, Data: data}
	first := issue(t, 0, okReceipt(taskID(1), ipld.List(ipld.LinkValue(large.Link), ipld.LinkValue(large.Link))))
	r := okReceipt(taskID(2), ipld.Null)
	r.Out.Value, r.Boxed = ipld.LinkValue(boxed.Link), boxed.Link
	second := issue(t, 0, r)
	third := issue(t, 1, okReceipt(taskID(1), ipld.LinkValue(large.Link)))
	put(t, s, Batch{Receipts: []*receipt.Signed{first, second, third}})

	var problems []string
	if err := s.Check(context.Background(), func(p Problem) { problems = append(problems, p.String()) }); err != nil {
		t.Error(err)
	}
	if len(problems) == 0 {
		t.Error("check does not miss absent blocks")
	}
	put(t, s, Batch{Blocks: []ipld.Block{large, boxed}})
	wantNoProblems(t, s)

	for l, want := range map[ipld.Link]task.ID{large.Link: taskID(1), boxed.Link: taskID(2)} {
		var got []task.ID
		if err := s.Referrers(l, func(id task.ID) bool { got = append(got, id); return true }); err != nil {
			t.Error(err)
		}
		if len(got) != 1 || got[0] != want {
			t.Errorf("referrers of %s: %v, want %s", l, got, want)
		}
	}
}

func conformScan(t *testing.T, s *Store, _ *clock) {
	want := make(map[ipld.Link]bool)
	for i := range 20 {
		r := issue(t, i%3, okReceipt(taskID(i/2), ipld.Int(int64(i))))
		want[r.Link()] = true
		put(t, s, Batch{Receipts: []*receipt.Signed{r}, Blocks: []ipld.Block{rawBlock(noise(i, 10))}})
	}
	var last string
	if err := s.Scan(func(r *receipt.Signed) bool {
		if !want[r.Link()] || r.Task.Key() < last {
			t.Errorf("scan: unexpected %s", r.Link())
		}
		last = r.Task.Key()
		delete(want, r.Link())
		if _, err := s.Receipts(r.Task); err != nil { // reading inside is allowed
			t.Error(err)
		}
		return true
	}); err != nil || len(want) != 0 {
		t.Errorf("scan: %v, %d missing", err, len(want))
	}
	n := 0
	if err := s.Scan(func(*receipt.Signed) bool { n++; return n < 5 }); err != nil || n != 5 {
		t.Errorf("stopped scan: %d, %v", n, err)
	}
}

func conformLastUse(t *testing.T, s *Store, clock *clock) {
	small, large := rawBlock(noise(1, 10)), rawBlock(noise(2, InlineBlock+1))
	id := taskID(1)
	put(t, s, Batch{Blocks: []ipld.Block{small, large}, Receipts: []*receipt.Signed{issue(t, 0, okReceipt(id, ipld.Null))}})
	start := clock.Now().Truncate(time.Hour)
	used := func(want time.Time) {
		t.Helper()
		for _, l := range []ipld.Link{small.Link, large.Link} {
			if got, err := s.BlockUsed(l); !got.Equal(want) || err != nil {
				t.Errorf("block used %s (%v), want %s", got, err, want)
			}
		}
		if got, err := s.TaskUsed(id); !got.Equal(want) || err != nil {
			t.Errorf("task used %s (%v), want %s", got, err, want)
		}
	}
	read := func() {
		wantBlock(t, s, small)
		wantBlock(t, s, large)
		if _, err := s.Receipts(id); err != nil {
			t.Error(err)
		}
	}
	used(start)
	clock.add(5 * time.Hour)
	used(start) // asking is no use
	read()
	used(start.Add(5 * time.Hour))
	put(t, s, Batch{Blocks: []ipld.Block{rawBlock(noise(3, 3))}})
	syncStore(t, s)
	used(start.Add(5 * time.Hour))
	before := s.syncing.applied.Load()
	read()
	if err := s.flushUses(); err != nil || s.syncing.applied.Load() != before {
		t.Errorf("reading again within the hour writes (%v)", err)
	}
	if _, err := s.BlockUsed(taskID(9).Link); !errors.Is(err, ErrNotFound) {
		t.Errorf("use of an absent block: %v", err)
	}
	if _, err := s.TaskUsed(taskID(9)); !errors.Is(err, ErrNotFound) {
		t.Errorf("use of an absent task: %v", err)
	}
}

func conformStats(t *testing.T, s *Store, _ *clock) {
	put(t, s, Batch{
		Blocks:   []ipld.Block{rawBlock(noise(1, 10)), rawBlock(noise(2, 100_000)), rawBlock(noise(3, 200_000))},
		Receipts: []*receipt.Signed{issue(t, 0, okReceipt(taskID(1), ipld.Null))},
		Aliases:  []Alias{{taskID(2), taskID(1)}, {taskID(3), taskID(1)}},
		Modules:  []Module{{taskID(3).Link, ipld.Null}},
		Runs:     []Run{{taskID(3).Link, "", 1, ipld.Null}},
	})
	got, err := s.Stats(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if got.DatabaseBytes == 0 {
		t.Error("no bytes in the database")
	}
	got.DatabaseBytes, got.FreeBytes = 0, 0
	want := Stats{Blocks: 1, Files: 2, Receipts: 1, Aliases: 2, Modules: 1, Runs: 1, FileBytes: 300_000}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Stats(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func conformClosed(t *testing.T, s *Store, _ *clock) {
	closeStore(t, s)
	_, e1 := s.Block(taskID(1).Link)
	_, e2 := s.Receipts(taskID(1))
	_, _, e3 := s.Resolve(taskID(1))
	for i, err := range []error{e1, e2, e3, s.Put(Batch{}), s.Sync(context.Background()), s.Scan(nil), s.Check(context.Background(), nil)} {
		if !errors.Is(err, ErrClosed) {
			t.Errorf("%d: %v", i, err)
		}
	}
	closeStore(t, s) // again
}

// TestPutAgain shows that a document which is there is not written again within the
// hour of its use, and that all else is.
func TestPutAgain(t *testing.T) {
	t.Parallel()
	c := newClock()
	s := aged(t, vfs.NewMem(), c)
	defer closeStore(t, s)
	batch := Batch{Blocks: []ipld.Block{rawBlock([]byte("a document"))}, Aliases: []Alias{{taskID(1), taskID(2)}}}
	writes := func(what string, b Batch, want bool) {
		t.Helper()
		before := s.syncing.applied.Load()
		put(t, s, b)
		if wrote := s.syncing.applied.Load() > before; wrote != want {
			t.Errorf("%s: written %t, want %t", what, wrote, want)
		}
	}
	writes("the first time", batch, true)
	writes("again", batch, false)
	more := batch
	more.Blocks = append(slices.Clone(batch.Blocks), rawBlock([]byte("another")))
	writes("with another block", more, true)
	writes("with another meaning", Batch{Aliases: []Alias{{taskID(1), taskID(3)}}}, true)
	c.add(time.Hour)
	writes("an hour later", batch, true)
	writes("again then", batch, false)
	if data, err := s.Block(batch.Blocks[0].Link); err != nil || string(data) != "a document" {
		t.Errorf("%q, %v", data, err)
	}
}
