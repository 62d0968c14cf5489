package store

import (
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// removeAside removes what is kept beside that is below the cut.
func (g *collector) removeAside() error {
	if g.Aside == nil || g.cut == 0 {
		return nil
	}
	return g.Aside(func(about ipld.Link, used time.Time, bytes uint64) bool {
		if rankOf(hourOf(used), about) >= g.cut {
			return false
		}
		g.sum.Runs++
		g.gone(Gone{Kind: GoneRun, Link: about, Bytes: bytes}, hourOf(used))
		return true
	})
}

// removeResults removes the receipts that are below the cut.
func (g *collector) removeResults() error {
	var some []*result
	flush := func() error {
		err := g.forget(some)
		some = some[:0]
		return err
	}
	err := g.eachResult(func(r *result) error {
		if r.rank == kept { // perhaps only since its blocks were marked
			return g.spare(r)
		}
		if r.rank >= g.cut {
			return nil
		}
		if some = append(some, r); len(some) < chunk {
			return nil
		}
		return flush()
	})
	if err = errors.Join(err, flush()); err != nil || g.DryRun {
		return err
	}
	fault.Point("store.collect.receipts")
	return g.store.syncLog()
}

// forget removes results that nobody has come to need since they were looked at.
// One that somebody has keeps its blocks.
func (g *collector) forget(some []*result) error {
	err := g.forgetOthers(some)
	for _, r := range some {
		if err != nil {
			break
		}
		// Who touched it in time may have seen the receipts.
		var needed bool
		if needed, err = g.needs(r.task); err == nil && needed {
			r.rank = kept
			err = g.spare(r)
		}
	}
	return err
}

// needs tells whether somebody has come to need the receipts of a task.
func (g *collector) needs(id task.ID) (bool, error) {
	mark, err := g.marks.of(markTask, id.Link)
	return mark == kept || g.store.recent.touched(id.Link), err
}

func (g *collector) forgetOthers(some []*result) (err error) {
	s := g.store
	s.put.Lock()
	defer s.put.Unlock()
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for _, r := range some {
		needed, err := g.needs(r.task)
		if err == nil && !needed {
			err = g.drop(batch, r)
		}
		if err != nil {
			return err
		}
	}
	return g.apply(batch)
}

func (g *collector) drop(batch *pebble.Batch, r *result) error {
	if _, err := g.marks.raise(markGone, r.task.Link, kept); err != nil {
		return err
	}
	g.sum.Results++
	g.sum.Receipts += len(r.rows)
	g.inline += r.bytes
	g.gone(Gone{Kind: GoneResult, Link: r.task.Link, Bytes: r.bytes}, r.used)
	if g.DryRun {
		return nil
	}
	for _, have := range r.rows {
		if err := forget(batch, have); err != nil {
			return err
		}
	}
	if g.Notes != "" {
		if err := batch.Delete(noteKey(g.Notes, r.task.Key()), nil); err != nil {
			return err
		}
	}
	return batch.Delete(append([]byte{tableUse}, linkKey(tableReceipt, r.task.Link)...), nil)
}

func (g *collector) gone(what Gone, used uint64) {
	g.sum.Bytes += what.Bytes
	if what.Used = hourTime(used); g.Tell != nil {
		g.Tell(what)
	}
}

// apply removes what is in batch. The caller holds s.put.
func (g *collector) apply(batch *pebble.Batch) error {
	if g.DryRun || batch.Empty() {
		return nil
	}
	if err := g.store.free(uint64(batch.Len()), g.store.opts.MinFree/removeShare); err != nil {
		return err
	}
	g.store.syncing.applied.Add(1)
	if err := g.store.db.Apply(batch, pebble.NoSync); err != nil {
		return g.store.fail(err)
	}
	fault.Point("store.collect.applied")
	return g.store.failed()
}

// removeBlocks removes the blocks that are below the cut.
func (g *collector) removeBlocks() error {
	var some []stored
	flush := func() error {
		err := g.discard(some)
		some = some[:0]
		return err
	}
	err := g.eachBlock(func(b stored) error {
		if b.rank >= g.cut {
			return nil
		}
		if some = append(some, b); len(some) < chunk {
			return nil
		}
		return flush()
	})
	return errors.Join(err, flush())
}

// discard removes blocks that nobody has come to need since they were looked at:
// first, durably, the records, and then the files.
func (g *collector) discard(some []stored) error {
	files, err := g.discardRecords(some)
	if err != nil || len(files) == 0 {
		return err
	}
	if err := g.store.syncLog(); err != nil {
		return err
	}
	fault.Point("store.collect.records")
	return g.store.removeFiles(files)
}

func (g *collector) discardRecords(some []stored) (files []ipld.Link, err error) {
	s := g.store
	s.put.Lock()
	defer s.put.Unlock()
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	for _, b := range some {
		mark, err := g.marks.of(markBlock, b.link)
		if err == nil {
			err = g.rankBlock(&b, mark)
		}
		if err != nil {
			return nil, err
		}
		if b.rank >= g.cut {
			continue
		}
		g.sum.Blocks++
		g.gone(Gone{Kind: GoneBlock, Link: b.link, Bytes: b.bytes}, b.used)
		if g.DryRun {
			continue
		}
		key := linkKey(tableBlock, b.link)
		if b.file {
			key[0] = tableFile
			files = append(files, b.link)
		} else {
			g.inline += b.bytes
		}
		if err := errors.Join(batch.Delete(key, nil), batch.Delete(append([]byte{tableUse}, key...), nil)); err != nil {
			return nil, err
		}
		if b.whose == "" {
			continue
		}
		if err := batch.Delete(noteKey(lentNotes, b.link.Key()), nil); err != nil {
			return nil, err
		}
		_, size, err := s.lentTo(b.link)
		if err != nil {
			return nil, err
		}
		s.lent.count(b.whose, -size)
	}
	return files, g.apply(batch)
}

// removeFiles removes the files of large blocks of which there is no record. No
// Put is on its way meanwhile: it writes files before their records.
func (s *Store) removeFiles(links []ipld.Link) error {
	s.files.Lock()
	defer s.files.Unlock()
	for _, l := range links {
		err := s.get(linkKey(tableFile, l), func([]byte) error { return nil })
		if err == nil { // it was put anew
			continue
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		name := s.blobPath(l)
		if err := ignoreMissing(s.fs.Remove(name)); err != nil {
			return err
		}
		fault.Point("store.collect.file")
		s.put.Lock()
		delete(s.pending, name)
		s.put.Unlock()
	}
	return nil
}
