package store

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Collection says what [Store.Collect] is to remove. With neither bound that is
// nothing.
type Collection struct {
	// Bounded tells that what was used least recently goes until the store
	// holds at most MaxBytes; see [Store.Size].
	Bounded  bool
	MaxBytes uint64
	// Before, if it is not zero, lets everything go that was last used before it,
	// to the hour.
	Before time.Time
	// DryRun changes nothing.
	DryRun bool
	// Roots names what stays. It may read the store.
	Roots func(*Roots) error
	// Notes is the kind of the notes about tasks, by Task ID, which go with
	// the receipts.
	Notes string
	// Tell, if it is not nil, hears of each thing that goes.
	Tell func(Gone)
}

// GoneKind says what a [Gone] is.
type GoneKind string

// What a collection removes.
const (
	GoneResult GoneKind = "result" // all receipts of a task
	GoneBlock  GoneKind = "block"
	// A file of which the store knows nothing: a crash, or a Put that failed, left
	// it.
	GoneLeftover GoneKind = "leftover"
)

// Gone is one thing that was removed, or would be.
type Gone struct {
	Kind  GoneKind
	Link  ipld.Link // the task, or the block
	Bytes uint64
	Used  time.Time // last, to the hour
}

// Collected is what came of a collection.
type Collected struct {
	Results, Receipts, Blocks, Leftovers int
	// Bytes is how much went, Before how much the store held; Kept is how much
	// of that had to stay, because it is pinned or in use.
	Bytes, Before, Kept uint64
}

// ErrCollecting reports that a collection is under way already, or a backup, during
// which nothing may be removed.
var ErrCollecting = errors.New("a collection or a backup is under way")

// chunk bounds what goes in one step, during which nobody else can write.
const chunk = 128

// Collect removes what was used least recently, within the bounds of c: results,
// which are all receipts of a task, and blocks. What rests on something keeps it: the
// blocks of a result stay as long as its receipts. Nothing goes that c.Roots
// names, that is held ([Store.Hold]), or that somebody has touched in the last
// minutes or touches meanwhile.
//
// Receipts go before their blocks, durably, so that a crash leaves none without.
// Others can read and write all the time.
func (s *Store) Collect(ctx context.Context, c Collection) (sum Collected, err error) {
	if err := s.gate.enter(); err != nil {
		return Collected{}, err
	}
	defer s.gate.leave()
	if err := s.failed(); err != nil {
		return Collected{}, err
	}
	m, err := s.beginCollection()
	if err != nil {
		return Collected{}, err
	}
	g := &collector{Collection: c, store: s, ctx: ctx, marks: m}
	defer func() { err = errors.Join(err, s.endCollection(m)) }()
	for _, step := range []func() error{g.roots, g.markResults, g.markFiles, g.chooseCut, g.removeResults, g.removeBlocks, g.removeLeftovers, g.removeAliases, g.removeUses} {
		if err := step(); err != nil {
			return g.sum, explain(s.dir, fmt.Errorf("collect: %w", err))
		}
	}
	if c.DryRun {
		return g.sum, nil
	}
	s.held.Add(-int64(g.sum.Bytes))
	return g.sum, g.reclaim()
}

// collecting is the collection under way, if any, and what is held.
type collecting struct {
	mu     sync.Mutex
	marks  *marks // nil: none is under way
	copied bool   // the store is being copied, and nothing may be removed
	forget func() // lets the store forget what is recent again
	holds  map[*Hold]struct{}
}

func (s *Store) beginCollection() (*marks, error) {
	s.collecting.mu.Lock()
	defer s.collecting.mu.Unlock()
	if s.collecting.marks != nil || s.collecting.copied {
		return nil, ErrCollecting
	}
	m, err := s.openMarks()
	if err != nil {
		return nil, explain(s.dir, fmt.Errorf("collect: %w", err))
	}
	s.collecting.marks = m
	s.collecting.forget = s.recent.hold(s.opts.Now())
	return m, nil
}

func (s *Store) endCollection(m *marks) error {
	s.collecting.mu.Lock()
	defer s.collecting.mu.Unlock()
	s.collecting.marks = nil
	s.collecting.forget()
	return m.close()
}

// collector is one collection. What it has marked is safe to be added to by
// others: see Hold.
type collector struct {
	Collection
	store *Store
	ctx   context.Context
	marks *marks
	cut   rank // what is below goes
	sum   Collected
}

// Roots are what stays in a collection.
type Roots struct{ g *collector }

// Block keeps a block and all that it links to.
func (r *Roots) Block(l ipld.Link) error { return r.g.store.markBlocks(r.g.ctx, r.g.marks, l, kept) }

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

// markBlocks gives a block and all that it links to at least a rank. What is not
// here, or damaged, leads no further.
func (s *Store) markBlocks(ctx context.Context, m *marks, l ipld.Link, r rank) error {
	for todo := []ipld.Link{l}; len(todo) > 0; {
		l := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		raised, err := m.raise(markBlock, l, r)
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
func (g *collector) eachResult(visit func(*result) error) error {
	var at *result
	var prefix []byte
	flush := func() error {
		if at == nil {
			return nil
		}
		var err error
		if err = g.rankResult(at); err == nil {
			err = visit(at)
		}
		at = nil
		return err
	}
	err := g.store.each(tableReceipt, nil, func(key, value []byte) error {
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

func (g *collector) rankResult(r *result) error {
	r.used = g.store.laterUse(linkKey(tableReceipt, r.task.Link), r.used)
	if err := g.store.get(noteKey(g.Notes, r.task.Key()), func(v []byte) error {
		r.bytes += uint64(len(v))
		return nil
	}); err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	mark, err := g.marks.of(markTask, r.task.Link)
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
			if err := g.store.markBlocks(g.ctx, g.marks, l, r.rank); err != nil {
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
		if b.link.Codec() != ipld.CodecDagPB {
			return nil
		}
		return g.store.markBlocks(g.ctx, g.marks, b.link, b.rank)
	})
}

// stored is one block.
type stored struct {
	link  ipld.Link
	file  bool
	rank  rank
	used  uint64
	bytes uint64
}

// eachBlock calls visit with each block.
func (g *collector) eachBlock(visit func(stored) error) error {
	for _, table := range []byte{tableBlock, tableFile} {
		err := g.store.each(table, nil, func(key, value []byte) error {
			l, _, err := cutLink(key[1:])
			used, _, err2 := cutUsed(value)
			if err != nil || err2 != nil {
				return nil // damage, which Check tells
			}
			b := stored{link: l, file: table == tableFile, used: g.store.laterUse(key, used), bytes: uint64(len(key) + len(value))}
			if b.file {
				b.bytes += fileSize(value)
			}
			if b.rank, err = g.rankBlock(b); err != nil {
				return err
			}
			if err := visit(b); err != nil {
				return err
			}
			return context.Cause(g.ctx)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (g *collector) rankBlock(b stored) (rank, error) {
	if g.store.recent.touched(b.link) {
		return kept, nil
	}
	mark, err := g.marks.of(markBlock, b.link)
	if b.used <= mark.hour() { // it goes with what rests on it
		return mark, err
	}
	return rankOf(b.used, b.link), err
}

// chooseCut decides which rank something must have to stay. It counts the bytes
// of each hour, and then those of the hour of which only a part has to go.
func (g *collector) chooseCut() error {
	size, err := g.store.size(g.ctx)
	if err != nil {
		return err
	}
	g.sum.Before = size
	if !g.Before.IsZero() {
		g.cut = rank(uint64(max(g.Before.Unix(), 0))/hour) << 16
	}
	if !g.Bounded && g.cut == 0 {
		return nil
	}
	hours := make(map[uint64]uint64)
	old := uint64(0)
	err = g.eachRank(func(r rank, bytes uint64) {
		switch {
		case r == kept:
			g.sum.Kept += bytes
		case r < g.cut:
			old += bytes
		default:
			hours[r.hour()] += bytes
		}
	})
	if err != nil || !g.Bounded || size-min(old, size) <= g.MaxBytes {
		return err
	}
	need := size - old - g.MaxBytes
	last, need, all := lastHour(hours, need)
	if all {
		g.cut = kept
		return nil
	}
	var parts [1 << 16]uint64
	err = g.eachRank(func(r rank, bytes uint64) {
		if r >= g.cut && r.hour() == last {
			parts[r&0xffff] += bytes
		}
	})
	part := uint64(0)
	for ; part < uint64(len(parts)) && need > 0; part++ {
		need -= min(parts[part], need)
	}
	g.cut = rank(last<<16 + part)
	return err
}

func (g *collector) eachRank(visit func(r rank, bytes uint64)) error {
	err := g.eachResult(func(r *result) error {
		visit(r.rank, r.bytes)
		return nil
	})
	if err != nil {
		return err
	}
	return g.eachBlock(func(b stored) error {
		visit(b.rank, b.bytes)
		return nil
	})
}

// lastHour is the first hour up to which there are need bytes, and how many of its
// own are needed. It tells whether all hours together have no more than that.
func lastHour(hours map[uint64]uint64, need uint64) (hour, rest uint64, all bool) {
	for _, h := range slices.Sorted(maps.Keys(hours)) {
		if hours[h] >= need {
			return h, need, false
		}
		need -= hours[h]
	}
	return 0, need, true
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
		r, err := g.rankBlock(b)
		if err != nil {
			return nil, err
		}
		if r >= g.cut {
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
		}
		if err := errors.Join(batch.Delete(key, nil), batch.Delete(append([]byte{tableUse}, key...), nil)); err != nil {
			return nil, err
		}
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
	return g.eachKey(tableAlias, func(key, value []byte) (bool, error) {
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
	return g.eachKey(tableUse, func(key, _ []byte) (bool, error) {
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

// eachKey removes the records of a table for which goes is true, under the lock of
// Put.
func (g *collector) eachKey(table byte, goes func(key, value []byte) (bool, error)) error {
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
	err := s.each(table, nil, func(key, value []byte) error {
		if some = append(some, record{bytes.Clone(key), bytes.Clone(value)}); len(some) < chunk {
			return context.Cause(g.ctx)
		}
		return flush()
	})
	return errors.Join(err, flush())
}

// reclaim makes what went durable, and has the database give back the room.
func (g *collector) reclaim() error {
	s := g.store
	if err := s.Sync(g.ctx); err != nil {
		return err
	}
	if used := s.db.Metrics().DiskSpaceUsage(); g.sum.Bytes < used/8 {
		return nil // it tidies up by and by
	}
	for _, table := range []byte{tableBlock, tableReceipt} {
		if err := s.db.Compact(g.ctx, []byte{table}, []byte{table + 1}, false); err != nil {
			return explain(s.dir, fmt.Errorf("collect: give back the room: %w", err))
		}
	}
	return nil
}

// Size is how many bytes the store holds: all records, and the files of large
// blocks. The database may take somewhat more or less on the disk.
func (s *Store) Size(ctx context.Context) (uint64, error) {
	if err := s.gate.enter(); err != nil {
		return 0, err
	}
	defer s.gate.leave()
	return s.size(ctx)
}

// Held is about [Store.Size], which is measured at first and then reckoned: it may be
// somewhat too high until the next collection measures again.
func (s *Store) Held(ctx context.Context) (uint64, error) {
	if !s.measured.Load() {
		return s.Size(ctx)
	}
	return uint64(max(s.held.Load(), 0)), nil
}

func (s *Store) size(ctx context.Context) (n uint64, err error) {
	it, err := s.db.NewIter(nil)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, it.Close()) }()
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		key := it.Key()
		var value []byte
		if key[0] == tableFile {
			if value, err = it.ValueAndErr(); err != nil {
				return n, err
			}
			n += fileSize(value)
		}
		lazy := it.LazyValue()
		n += uint64(len(key) + lazy.Len())
		err = context.Cause(ctx)
	}
	if err = errors.Join(err, it.Error()); err == nil {
		s.held.Store(int64(n))
		s.measured.Store(true)
	}
	return n, err
}
