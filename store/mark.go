package store

import (
	"bytes"
	"context"
	"errors"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Roots are what stays in a collection.
type Roots struct{ g *collector }

// Block keeps a block and all that it links to.
func (r *Roots) Block(l ipld.Link) error {
	return r.g.store.markBlocks(r.g.ctx, r.g.marks, markBlock, l, kept)
}

// Task keeps the receipts of a task, and the blocks that these rest on. It may
// be called any of its names.
func (r *Roots) Task(id task.ID) error { return r.g.store.markTask(r.g.marks, id) }

// maxNames bounds how many aliases lead to a task.
const maxNames = 4

func (s *Store) markTask(m *marks, id task.ID) error {
	for range maxNames {
		if _, err := m.raise(markTask, id.Link, kept); err != nil {
			return err
		}
		to, ok, err := s.resolve(id)
		if err != nil || !ok {
			return err
		}
		id = to
	}
	return nil
}

// markBlocks gives a block and all that it links to at least a rank of the given
// kind. What is not here, or damaged, leads no further.
func (s *Store) markBlocks(ctx context.Context, m *marks, kind byte, l ipld.Link, r rank) error {
	for todo := []ipld.Link{l}; len(todo) > 0; {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		raised, err := m.raise(kind, l, r)
		if err != nil {
			return err
		}
		if raised {
			todo = append(todo, s.linksIn(l)...)
		}
		if err := context.Cause(ctx); err != nil {
			return err
		}
	}
	return nil
}

// linksIn are the links in a block, as far as it is here.
func (s *Store) linksIn(l ipld.Link) []ipld.Link {
	var decode func([]byte) (ipld.Value, error)
	switch l.Codec() {
	case ipld.CodecDagCBOR:
		decode = ipld.DecodeCBOR
	case ipld.CodecDagJSON:
		decode = ipld.DecodeJSON
	case ipld.CodecDagPB:
	default:
		return nil
	}
	data, _, err := s.peek(l)
	if err != nil {
		return nil
	}
	if decode == nil {
		links, _ := ipld.FileLinks(data)
		return links
	}
	v, err := decode(data)
	if err != nil {
		return nil
	}
	return distinct(v)
}

func (g *collector) roots() error {
	for _, h := range g.store.allHolds() {
		if err := h.mark(g.ctx, g.marks); err != nil {
			return err
		}
	}
	if g.Roots == nil {
		return nil
	}
	return g.Roots(&Roots{g})
}

// result is all that is kept of a task.
type result struct {
	task  task.ID
	rank  rank
	used  uint64
	bytes uint64
	rows  []row
}

// eachResult calls visit with each task that has receipts.
func (g *collector) eachResult(visit func(*result) error) (err error) {
	marks, err := g.marks.cursor()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, marks.close()) }()
	var at *result
	var prefix []byte
	flush := func() error {
		if at == nil {
			return nil
		}
		var err error
		if err = g.rankResult(at, marks); err == nil {
			err = visit(at)
		}
		at = nil
		return err
	}
	err = g.store.each(tableReceipt, nil, func(key, value []byte) error {
		if at == nil || !bytes.HasPrefix(key, prefix) {
			if err := flush(); err != nil {
				return err
			}
			prefix = bytes.Clone(key[:split(key)])
			l, _, err := cutLink(prefix[1:])
			if err != nil {
				return nil // damage, which Check tells
			}
			at = &result{task: task.ID{Link: l}}
		}
		used, block, err := cutUsed(value)
		if err != nil {
			return nil
		}
		at.used = max(at.used, used)
		at.bytes += uint64(len(key) + len(value))
		at.rows = append(at.rows, row{bytes.Clone(key), used, bytes.Clone(block)})
		return context.Cause(g.ctx)
	})
	return errors.Join(err, flush())
}

func (g *collector) rankResult(r *result, marks *cursor) error {
	r.used = g.store.laterUse(linkKey(tableReceipt, r.task.Link), r.used)
	if err := g.store.get(noteKey(g.Notes, r.task.Key()), func(v []byte) error {
		r.bytes += uint64(len(v))
		return nil
	}); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	mark, err := marks.of(markTask, r.task.Link)
	r.rank = max(mark, rankOf(r.used, r.task.Link))
	if g.store.recent.touched(r.task.Link) {
		r.rank = kept
	}
	return err
}

// markResults makes blocks stay as long as the receipts that rest on them.
func (g *collector) markResults() error { return g.eachResult(g.spare) }

// spare gives the blocks of a result the rank of the result. The block of the task
// itself says what was called.
func (g *collector) spare(r *result) error {
	for _, have := range r.rows {
		signed, err := receipt.Parse(have.block)
		if err != nil {
			continue // damage, which Check tells
		}
		for _, l := range References(signed) {
			if err := g.store.markBlocks(g.ctx, g.marks, markBlock, l, r.rank); err != nil {
				return err
			}
		}
	}
	_, err := g.marks.raise(markBlock, r.task.Link, r.rank)
	return err
}

// markFiles makes the blocks of a file stay as long as its root.
func (g *collector) markFiles() error {
	return g.eachBlock(func(b stored) error {
		if b.link.Codec() != ipld.CodecDagPB || b.other {
			return nil
		}
		kind := byte(markBlock)
		if b.whose != "" {
			kind = markLent
		}
		return g.store.markBlocks(g.ctx, g.marks, kind, b.link, b.rank)
	})
}

// stored is one block.
type stored struct {
	link  ipld.Link
	file  bool
	rank  rank
	used  uint64
	bytes uint64
	whose string // to whom it was lent
	other bool   // it is none of those that this collection is about
}

// eachBlock calls visit with each block.
func (g *collector) eachBlock(visit func(stored) error) error {
	for _, table := range []byte{tableBlock, tableFile} {
		if err := g.eachIn(table, visit); err != nil {
			return err
		}
	}
	return nil
}

// eachIn is eachBlock for one table.
func (g *collector) eachIn(table byte, visit func(stored) error) (err error) {
	marks, err := g.marks.cursor()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, marks.close()) }()
	return g.store.each(table, nil, func(key, value []byte) error {
		l, _, err := cutLink(key[1:])
		used, _, err2 := cutUsed(value)
		if err != nil || err2 != nil {
			return nil // damage, which Check tells
		}
		b := stored{link: l, file: table == tableFile, used: g.store.laterUse(key, used), bytes: uint64(len(key) + len(value))}
		if b.file {
			b.bytes += fileSize(value)
		}
		mark, err := marks.of(markBlock, l)
		if err == nil {
			err = g.rankBlock(&b, mark)
		}
		if err == nil {
			err = visit(b)
		}
		return errors.Join(err, context.Cause(g.ctx))
	})
}

// rankBlock finds out the rank of b, which has this mark. What the owner's results rest on is the owner's,
// whoever put it.
func (g *collector) rankBlock(b *stored, mark rank) (err error) {
	if g.store.lent.some.Load() {
		if b.whose, _, err = g.store.lentTo(b.link); err != nil {
			return err
		}
	}
	switch lent := b.whose != ""; {
	case lent && mark != 0 && mark != kept:
		b.other = g.Lent != ""
	case lent:
		b.other = g.Lent != b.whose
	default:
		b.other = g.Lent != ""
	}
	if b.rank = kept; b.other || mark == kept || g.store.recent.touched(b.link) {
		return nil
	}
	if b.whose != "" && mark == 0 {
		if mark, err = g.marks.of(markLent, b.link); err != nil {
			return err
		}
	}
	if b.rank = mark; b.used > mark.hour() { // else it goes with what rests on it
		b.rank = rankOf(b.used, b.link)
	}
	return nil
}
