package store

import (
	"maps"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func wantLent(t testing.TB, s *Store, want map[string]uint64) {
	t.Helper()
	if got, err := s.Lent(); err != nil || !maps.Equal(got, want) {
		t.Errorf("lent: %v, %v; want %v", got, err, want)
	}
}

// What others had put counts to them, also after the store was opened anew, until the
// owner puts it too.
func TestLentIsCounted(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	small, large, owned := rawBlock(noise(1, 1000)), rawBlock(noise(2, 100_000)), rawBlock(noise(3, 500))
	s := aged(t, fs, c)
	put(t, s, Batch{Blocks: []ipld.Block{owned}})
	wantLent(t, s, nil)
	put(t, s, Batch{Blocks: []ipld.Block{small, owned}, Lent: "ann"})
	put(t, s, Batch{Blocks: []ipld.Block{large, small}, Lent: "bob"})
	wantLent(t, s, map[string]uint64{"ann": 1000, "bob": 100_000})
	closeStore(t, s)
	s = aged(t, fs, c)
	defer closeStore(t, s)
	put(t, s, Batch{Blocks: []ipld.Block{small}})
	wantLent(t, s, map[string]uint64{"bob": 100_000})
	put(t, s, Batch{Blocks: []ipld.Block{large, owned}})
	wantLent(t, s, nil)
}

// What others had put goes by a collection of its own, theirs alone, the least
// recently used first; a collection of what is the owner's leaves it.
func TestCollectLent(t *testing.T) {
	t.Parallel()
	fs, c := vfs.NewMem(), newClock()
	mine, base := rawBlock(noise(0, 100_000)), fileBlocks(t, 9, 300_000)
	s := aged(t, fs, c)
	put(t, s, Batch{Blocks: []ipld.Block{mine}})
	put(t, s, Batch{Blocks: base, Lent: "ann"})
	put(t, s, resultOf(t, 1, base[len(base)-1:])) // the owner's result rests on what ann brought
	held := rawBlock(noise(8, 70_000))
	put(t, s, Batch{Blocks: []ipld.Block{held}, Lent: "ann"})
	c.add(time.Hour)
	var files [][]ipld.Block
	for i := range 5 {
		files = append(files, fileBlocks(t, 10+i, 300_000))
		put(t, s, Batch{Blocks: files[i], Lent: "ann"})
		c.add(time.Hour)
	}
	other := rawBlock(noise(7, 100_000))
	put(t, s, Batch{Blocks: []ipld.Block{other}, Lent: "bob"})
	closeStore(t, s)

	s = aged(t, fs, c)
	defer closeStore(t, s)
	if _, err := s.Hold([]ipld.Link{held.Link}, nil); err != nil {
		t.Fatal(err)
	}
	of, err := s.Lent()
	if err != nil {
		t.Fatal(err)
	}
	all := Collection{Lent: "ann", Bounded: true, MaxBytes: 1_000_000, DryRun: true}
	dry, _ := collect(t, s, all)
	all.DryRun = false
	sum, gone := collect(t, s, all)
	if dry != sum {
		t.Errorf("a dry run: %+v, then %+v", dry, sum)
	}
	if sum.Before > of["ann"] || !gone[files[0][0].Link] || gone[files[4][0].Link] || gone[mine.Link] || gone[other.Link] || gone[held.Link] {
		t.Errorf("what ann brought: %+v", sum)
	}
	if after, err := s.Lent(); err != nil || after["ann"] > 1_000_000 || after["ann"] < 500_000 || after["bob"] != of["bob"] {
		t.Errorf("left: %v, %v", after, err)
	}
	for _, b := range base {
		wantBlock(t, s, b)
	}
	wantNoProblems(t, s)
	keep := Collection{Roots: func(r *Roots) error { return r.Block(mine.Link) }, Bounded: true}
	if sum, gone := collect(t, s, keep); sum.Results != 1 || gone[files[4][0].Link] || gone[other.Link] || gone[held.Link] {
		t.Errorf("a collection of what is the owner's: %+v", sum)
	}
	for _, b := range files[4] {
		wantBlock(t, s, b)
	}
}

// The interface of a module goes with the module, and the mark on a block with the
// block, also where these are kept elsewhere.
func TestCollectWhatIsAboutBlocks(t *testing.T) {
	t.Parallel()
	s := aged(t, vfs.NewMem(), newClock())
	defer closeStore(t, s)
	here, beside, gone := rawBlock([]byte("here")), rawBlock([]byte("beside")), rawBlock([]byte("gone"))
	put(t, s, Batch{Blocks: []ipld.Block{here}})
	for _, b := range []ipld.Block{here, beside, gone} {
		put(t, s, Batch{Modules: []Module{{Link: b.Link, Interface: ipld.Null}}, Notes: []Note{{Kind: "mark", Key: b.Link.Key(), Value: []byte{}}, {Kind: "markings", Key: b.Link.Key(), Value: []byte{}}}})
	}
	c := Collection{Marks: "mark", DryRun: true, Here: func(l ipld.Link) (bool, error) { return l == beside.Link, nil }}
	for _, c.DryRun = range []bool{true, false} {
		collect(t, s, c)
		for _, b := range []ipld.Block{here, beside, gone} {
			want := b.Link != gone.Link || c.DryRun
			_, known, err := s.Module(b.Link)
			_, marked, err2 := s.Note("mark", b.Link.Key())
			_, other, err3 := s.Note("markings", b.Link.Key())
			if known != want || marked != want || !other || err != nil || err2 != nil || err3 != nil {
				t.Errorf("%s, dry run %t: interface %t, mark %t, another note %t", b.Data, c.DryRun, known, marked, other)
			}
		}
	}
}
