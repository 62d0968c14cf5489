package store

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// removeLeftovers removes files without a record.
func (g *collector) removeLeftovers() error {
	s := g.store
	folders, err := s.fs.List(s.path("blobs"))
	if err != nil {
		return err
	}
	for _, folder := range folders {
		if folder == "tmp" {
			continue
		}
		names, err := s.fs.List(s.path("blobs", folder))
		if err != nil {
			return err
		}
		for some := range slices.Chunk(names, chunk) {
			if err := errors.Join(context.Cause(g.ctx), g.leftovers(some)); err != nil {
				return err
			}
		}
	}
	return nil
}

func (g *collector) leftovers(names []string) error {
	s := g.store
	s.files.Lock()
	defer s.files.Unlock()
	for _, name := range names {
		l, err := ipld.ParseLink(name)
		if err != nil {
			continue // none of ours
		}
		err = s.get(linkKey(tableFile, l), func([]byte) error { return nil })
		if !errors.Is(err, ErrNotFound) {
			continue
		}
		info, err := s.fs.Stat(s.blobPath(l))
		if err != nil {
			continue
		}
		g.sum.Leftovers++
		g.gone(Gone{Kind: GoneLeftover, Link: l, Bytes: uint64(info.Size())}, uint64(max(info.ModTime().Unix(), 0))/hour)
		if g.DryRun {
			continue
		}
		if err := ignoreMissing(s.fs.Remove(s.blobPath(l))); err != nil {
			return err
		}
	}
	return nil
}

// removeAliases removes the names of tasks whose receipts went.
func (g *collector) removeAliases() error {
	if g.DryRun || g.sum.Results == 0 {
		return nil
	}
	return g.eachKey(tableAlias, nil, func(key, value []byte) (bool, error) {
		to, err := ipld.LinkFromBytes(value)
		if err != nil {
			return false, nil // damage, which Check tells
		}
		return g.wentAll(task.ID{Link: to})
	})
}

// wentAll tells whether the receipts of a task, by all its names, went in this
// collection.
func (g *collector) wentAll(id task.ID) (bool, error) {
	went := false
	for range maxNames {
		mark, err := g.marks.of(markGone, id.Link)
		if err != nil {
			return false, err
		}
		here := false
		if err := g.store.eachRow(id, func(row) error { here = true; return nil }); err != nil || here {
			return false, err
		}
		went = went || mark == kept
		to, ok, err := g.store.resolve(id)
		if err != nil || !ok {
			return went, err
		}
		id = to
	}
	return went, nil
}

// removeUses removes times of last use of what is not there any more.
func (g *collector) removeUses() error {
	if g.DryRun || g.sum.Bytes == 0 {
		return nil
	}
	return g.eachKey(tableUse, nil, func(key, _ []byte) (bool, error) {
		of := key[1:]
		if len(of) > 0 && of[0] == tableReceipt {
			l, _, err := cutLink(of[1:])
			if err != nil {
				return false, nil
			}
			here := false
			err = g.store.eachRow(task.ID{Link: l}, func(row) error { here = true; return nil })
			return !here, err
		}
		err := g.store.get(of, func([]byte) error { return nil })
		if errors.Is(err, ErrNotFound) {
			return true, nil
		}
		return false, err
	})
}

// removeModules removes the interfaces of modules that are not here any more.
func (g *collector) removeModules() error {
	if g.DryRun {
		return nil
	}
	return g.eachKey(tableModule, nil, func(key, _ []byte) (bool, error) {
		l, _, err := cutLink(key[1:])
		if err != nil {
			return false, nil // damage, which Check tells
		}
		return g.absent(l)
	})
}

// removeMarks removes the marks on blocks that are not here any more.
func (g *collector) removeMarks() error {
	if g.DryRun || g.Marks == "" {
		return nil
	}
	prefix := noteKey(g.Marks, "")
	return g.eachKey(tableNote, prefix[1:], func(key, _ []byte) (bool, error) {
		l, err := ipld.LinkFromBytes(key[len(prefix):])
		if err != nil {
			return false, nil // damage
		}
		return g.absent(l)
	})
}

// absent tells whether a block is neither in the store nor beside it.
func (g *collector) absent(l ipld.Link) (bool, error) {
	here, err := g.store.recorded(l)
	if !here && err == nil && g.Here != nil {
		here, err = g.Here(l)
	}
	return !here && err == nil, err
}

// eachKey removes the records of a table, with a prefix, for which goes is true, under
// the lock of Put.
func (g *collector) eachKey(table byte, prefix []byte, goes func(key, value []byte) (bool, error)) error {
	s := g.store
	type record struct{ key, value []byte }
	var some []record
	flush := func() (err error) {
		s.put.Lock()
		defer s.put.Unlock()
		batch := s.db.NewBatch()
		defer func() { err = errors.Join(err, batch.Close()) }()
		for _, r := range some {
			ok, err := goes(r.key, r.value)
			if err == nil && ok {
				err = batch.Delete(r.key, nil)
			}
			if err != nil {
				return err
			}
		}
		some = some[:0]
		return g.apply(batch)
	}
	err := s.each(table, prefix, func(key, value []byte) error {
		if some = append(some, record{bytes.Clone(key), bytes.Clone(value)}); len(some) < chunk {
			return context.Cause(g.ctx)
		}
		return flush()
	})
	return errors.Join(err, flush())
}
