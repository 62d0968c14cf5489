package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// lentNotes are the notes of blocks that were put on behalf of others and that the
// owner has not put as well: by link, the size of the block, a uvarint, and whose it is.
const lentNotes = "lent"

// lent counts these blocks.
type lent struct {
	some atomic.Bool // there is, or was, one
	mu   sync.Mutex
	of   map[string]int64 // bytes by whose they are; nil before the first look
}

// Lent tells how many bytes are kept on behalf of each other principal, as
// [Batch.Lent] has it.
func (s *Store) Lent() (map[string]uint64, error) {
	if err := s.gate.enter(); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	s.put.Lock() // what is put meanwhile would be counted twice, or not at all
	defer s.put.Unlock()
	s.lent.mu.Lock()
	defer s.lent.mu.Unlock()
	if s.lent.of == nil {
		of := make(map[string]int64)
		prefix := noteKey(lentNotes, "")
		err := s.each(prefix[0], prefix[1:], func(_, value []byte) error {
			size, whose, err := cutLent(value)
			of[whose] += size
			return err
		})
		if err != nil {
			return nil, &CorruptError{Path: s.path("db"), Err: err}
		}
		s.lent.of = of
	}
	all := make(map[string]uint64, len(s.lent.of))
	for whose, n := range s.lent.of {
		if n > 0 {
			all[whose] = uint64(n)
		}
	}
	return all, nil
}

// Reckoned is what the store holds beside what is lent, 0 until both were measured
// ([Store.Lent], [Store.Held]). It waits for nobody.
func (s *Store) Reckoned() uint64 {
	if !s.measured.Load() {
		return 0
	}
	own := uint64(max(s.held.Load(), 0))
	s.EachLent(func(_ string, bytes uint64) { own -= min(bytes, own) })
	return own
}

// EachLent calls visit with how many bytes are kept on behalf of each other principal, of
// none until [Store.Lent] has looked. It waits for nobody.
func (s *Store) EachLent(visit func(whose string, bytes uint64)) {
	s.lent.mu.Lock()
	defer s.lent.mu.Unlock()
	for whose, n := range s.lent.of {
		visit(whose, uint64(max(n, 0)))
	}
}

func cutLent(value []byte) (size int64, whose string, err error) {
	n, used := binary.Uvarint(value)
	if used <= 0 || int64(n) < 0 {
		return 0, "", errors.New("a note of a lent block without its size")
	}
	return int64(n), string(value[used:]), nil
}

// lentTo is whose a block is that was lent, and how large; empty if it was not.
func (s *Store) lentTo(l ipld.Link) (whose string, size int64, err error) {
	err = s.get(noteKey(lentNotes, l.Key()), func(value []byte) error {
		size, whose, err = cutLent(value)
		return err
	})
	if errors.Is(err, ErrNotFound) {
		return "", 0, nil
	}
	return whose, size, err
}

// count adds to what is lent, once that was looked at.
func (l *lent) count(whose string, bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.of == nil {
		return
	}
	if l.of[whose] += bytes; l.of[whose] <= 0 {
		delete(l.of, whose)
	}
}

// lend notes in batch which blocks of b are here on behalf of another alone, and
// returns by how much more or less that is of each. What is here already stays
// whose it is, and what the owner puts is the owner's. Called with s.put held.
func (s *Store) lend(batch *pebble.Batch, b Batch) (change map[string]int64, err error) {
	if b.Lent == "" && !s.lent.some.Load() {
		return nil, nil
	}
	for _, block := range b.Blocks {
		whose, size, err := s.lentTo(block.Link)
		switch {
		case err != nil:
			return nil, fmt.Errorf("block %s: %w", block.Link, err)
		case b.Lent == "" && whose != "":
			err, size = batch.Delete(noteKey(lentNotes, block.Link.Key()), nil), -size
		case b.Lent != "" && whose == "":
			here, recordErr := s.recorded(block.Link)
			if recordErr != nil {
				return nil, recordErr
			}
			if here {
				continue
			}
			s.lent.some.Store(true)
			whose, size = b.Lent, int64(len(block.Data))
			err = batch.Set(noteKey(lentNotes, block.Link.Key()), append(binary.AppendUvarint(nil, uint64(size)), whose...), nil)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		if change == nil {
			change = make(map[string]int64)
		}
		change[whose] += size
	}
	return change, nil
}

// lentChanged counts what lend returned, once it is applied.
func (s *Store) lentChanged(change map[string]int64) {
	for whose := range maps.Keys(change) {
		s.lent.count(whose, change[whose])
	}
}

// Recorded tells whether the store knows a block, without looking for its file and
// without counting as a use.
func (s *Store) Recorded(l ipld.Link) (bool, error) {
	if err := s.gate.enter(); err != nil {
		return false, err
	}
	defer s.gate.leave()
	return s.recorded(l)
}

func (s *Store) recorded(l ipld.Link) (bool, error) {
	key := linkKey(tableBlock, l)
	for _, table := range []byte{tableBlock, tableFile} {
		key[0] = table
		if err := s.get(key, func([]byte) error { return nil }); !errors.Is(err, ErrNotFound) {
			return err == nil, err
		}
	}
	return false, nil
}

// findLent looks whether anything is lent.
func (s *Store) findLent() error {
	prefix := noteKey(lentNotes, "")
	err := s.each(prefix[0], prefix[1:], func(_, _ []byte) error { return errFound })
	s.lent.some.Store(errors.Is(err, errFound))
	if errors.Is(err, errFound) {
		err = nil
	}
	return err
}

var errFound = errors.New("found")

// adopt makes what the owner's results rest on the owner's.
func (g *collector) adopt() error {
	if !g.store.lent.some.Load() {
		return nil
	}
	root := len(noteKey(lentNotes, ""))
	return g.eachKey(tableNote, noteKey(lentNotes, "")[1:], func(key, value []byte) (bool, error) {
		l, err := ipld.LinkFromBytes(key[root:])
		if err != nil {
			return false, nil // damage
		}
		mark, err := g.marks.of(markBlock, l)
		if err != nil || mark == 0 || mark == kept {
			return false, err
		}
		size, whose, err := cutLent(value)
		switch {
		case err != nil:
			return false, nil // damage
		case g.DryRun:
			g.adopted[whose] += uint64(size)
			return false, nil
		}
		g.store.lent.count(whose, -size)
		return true, nil
	})
}
