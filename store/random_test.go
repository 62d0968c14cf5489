package store

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// model is what a store should hold, in plain maps.
type model struct {
	blocks   map[ipld.Link][]byte
	receipts map[task.ID]map[string]*receipt.Signed // by signer and what it says
	aliases  map[task.ID]task.ID
	notes    map[string][]byte
	runs     map[ipld.Link][]uint64
}

// TestRandomOperations compares the store with the model over random
// operations, among them flushes, compactions and opening it again.
func TestRandomOperations(t *testing.T) {
	t.Parallel()
	for seed := range 8 {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			randomOperations(t, rand.New(rand.NewPCG(5, uint64(seed))), 250)
		})
	}
}

func randomOperations(t *testing.T, rng *rand.Rand, ops int) {
	fs := vfs.NewMem()
	s, err := openOn(fs)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { closeStore(t, s) }()
	m := model{
		make(map[ipld.Link][]byte), make(map[task.ID]map[string]*receipt.Signed),
		make(map[task.ID]task.ID), make(map[string][]byte), make(map[ipld.Link][]uint64),
	}
	for op := 0; op < ops && !t.Failed(); op++ {
		switch rng.IntN(12) {
		case 0:
			syncStore(t, s)
		case 1:
			if err := s.db.Flush(); err != nil {
				t.Fatal(err)
			}
		case 2:
			if err := s.db.Compact(t.Context(), []byte{0}, []byte{255}, false); err != nil {
				t.Fatal(err)
			}
		case 3:
			closeStore(t, s)
			if s, err = openOn(fs); err != nil {
				t.Fatal(err)
			}
		case 4:
			m.compareAll(t, s)
		default:
			put(t, s, m.randomBatch(t, rng))
		}
		m.compare(t, s, rng)
	}
	m.compareAll(t, s)
	wantNoProblems(t, s)
}

// randomBatch makes a batch over few keys, so that they meet again, and does to
// the model what Put must do to the store.
func (m model) randomBatch(t *testing.T, rng *rand.Rand) (b Batch) {
	for range rng.IntN(4) {
		size := rng.IntN(500)
		if rng.IntN(6) == 0 {
			size = InlineBlock - 2 + rng.IntN(5)
		}
		block := rawBlock(noise(rng.IntN(40), size))
		b.Blocks = append(b.Blocks, block)
		m.blocks[block.Link] = block.Data
	}
	if rng.IntN(2) == 0 { // one a batch: receipts of a batch do not see each other
		id, signer, value := taskID(rng.IntN(12)), rng.IntN(3), rng.IntN(3)
		r := okReceipt(id, ipld.Int(int64(value)))
		slot := fmt.Sprint(signer, " ok ", value)
		if rng.IntN(3) == 0 {
			r = failReceipt(id, []task.Kind{task.KindTimeout, task.KindDenied, task.KindNotFound}[value])
			slot = fmt.Sprint(signer, " passing")
		}
		signed := issue(t, signer, r)
		if m.receipts[id] == nil {
			m.receipts[id] = make(map[string]*receipt.Signed)
		}
		m.receipts[id][slot] = signed
		if rng.IntN(2) == 0 {
			b.Receipts = append(b.Receipts, signed)
		} else {
			b.Foreign = append(b.Foreign, signed)
		}
	}
	if rng.IntN(3) == 0 {
		a := Alias{taskID(100 + rng.IntN(10)), taskID(rng.IntN(12))}
		b.Aliases = append(b.Aliases, a)
		m.aliases[a.From] = a.To
	}
	if rng.IntN(3) == 0 {
		n := Note{"kind", fmt.Sprint(rng.IntN(10)), noise(rng.IntN(9), 5)}
		m.notes[n.Key] = n.Value
		if rng.IntN(3) == 0 {
			n.Value = nil
			delete(m.notes, n.Key)
		}
		b.Notes = append(b.Notes, n)
	}
	if rng.IntN(4) == 0 {
		w := taskID(rng.IntN(4)).Link
		seq := uint64(len(m.runs[w]) + 1)
		m.runs[w] = append(m.runs[w], seq)
		b.Runs = append(b.Runs, Run{w, "", seq, ipld.Uint(seq)})
	}
	return b
}

// compare looks at a few keys, present or not.
func (m model) compare(t *testing.T, s *Store, rng *rand.Rand) {
	t.Helper()
	m.compareTask(t, s, taskID(rng.IntN(14)))
	from := taskID(100 + rng.IntN(11))
	to, ok, err := s.Resolve(from)
	if want, has := m.aliases[from]; to != want || ok != has || err != nil {
		t.Errorf("resolve: %t %v", ok, err)
	}
	note := fmt.Sprint(rng.IntN(11))
	value, ok, err := s.Note("kind", note)
	if want, has := m.notes[note]; !bytes.Equal(value, want) || ok != has || err != nil {
		t.Errorf("note %s: %x %t %v, want %x %t", note, value, ok, err, want, has)
	}
	block := rawBlock(noise(rng.IntN(40), rng.IntN(500)))
	got, err := s.Block(block.Link)
	if want, has := m.blocks[block.Link]; has != (err == nil) || !has && !errors.Is(err, ErrNotFound) || !bytes.Equal(got, want) {
		t.Errorf("block: %v, want %t", err, has)
	}
	if rng.IntN(4) == 0 {
		w := taskID(rng.IntN(5)).Link
		var seqs []uint64
		err := s.Runs(w, func(r Run) bool { seqs = append(seqs, r.Seq); return true })
		if err != nil || !slices.Equal(seqs, m.runs[w]) {
			t.Errorf("runs: %v %v, want %v", seqs, err, m.runs[w])
		}
	}
}

func (m model) compareTask(t *testing.T, s *Store, id task.ID) {
	t.Helper()
	var want []*receipt.Signed
	for _, r := range m.receipts[id] {
		want = append(want, r)
	}
	wantReceipts(t, s, id, want...)
}

func (m model) compareAll(t *testing.T, s *Store) {
	t.Helper()
	for l, data := range m.blocks {
		wantBlock(t, s, ipld.Block{Link: l, Data: data})
	}
	want := 0
	for id, rs := range m.receipts {
		m.compareTask(t, s, id)
		want += len(rs)
	}
	n := 0
	if err := s.Scan(func(*receipt.Signed) bool { n++; return true }); err != nil || n != want {
		t.Errorf("scan: %d receipts (%v), want %d", n, err, want)
	}
}
