package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
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
	// Lent selects what goes: the blocks that were put on behalf of this principal;
	// see [Batch.Lent]. Empty is all that is not lent.
	Lent string
	// NotOwn is how much of the store is not what this is about though it is not lent: it
	// counts for nothing.
	NotOwn uint64
	// Roots names what stays. It may read the store.
	Roots func(*Roots) error
	// Aside, if it is not nil, is what is kept in the store beside and goes by its age
	// as well. It calls visit with each thing, what it is about, when it was last used
	// and about how many bytes it takes; those for which that says so it removes, unless
	// this is a dry run.
	Aside func(visit func(about ipld.Link, used time.Time, bytes uint64) (goes bool)) error
	// Notes is the kind of the notes about tasks, by Task ID, which go with
	// the receipts.
	Notes string
	// Marks is the kind of the notes about blocks, by link, which go when the block
	// is not here any more; empty is none.
	Marks string
	// Here tells of blocks that are not in the store but beside it; nil is none.
	Here func(ipld.Link) (bool, error)
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
	GoneRun      GoneKind = "run"  // of [Collection.Aside]: what is known of a run
	GoneCode     GoneKind = "code" // compiled code, which is kept beside the store
)

// Gone is one thing that was removed, or would be.
type Gone struct {
	Kind  GoneKind
	Link  ipld.Link // the task, or the block
	Bytes uint64
	Used  time.Time // last, to the hour
	// Where is where it was, as whoever collects calls it.
	Where string
}

// Collected is what came of a collection.
type Collected struct {
	Results, Receipts, Blocks, Leftovers, Runs, Code int
	// Bytes is how much went, Before how much the store held; Kept is how much
	// of that had to stay, because it is pinned or in use.
	Bytes, Before, Kept uint64
}

// Add adds what came of another collection.
func (c *Collected) Add(d Collected) {
	c.Results += d.Results
	c.Receipts += d.Receipts
	c.Blocks += d.Blocks
	c.Leftovers += d.Leftovers
	c.Runs += d.Runs
	c.Code += d.Code
	c.Bytes += d.Bytes
	c.Before += d.Before
	c.Kept += d.Kept
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
	g := &collector{Collection: c, store: s, ctx: ctx, marks: m, adopted: make(map[string]uint64)}
	defer func() { err = errors.Join(err, s.endCollection(m)) }()
	for _, step := range g.steps() {
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

// steps are what a collection does, in this order.
func (g *collector) steps() []func() error {
	if g.Lent != "" {
		return []func() error{g.roots, g.markResults, g.markFiles, g.adopt, g.chooseCut, g.removeBlocks, g.removeUses}
	}
	return []func() error{
		g.roots, g.markResults, g.markFiles, g.adopt, g.chooseCut, g.removeAside, g.removeResults, g.removeBlocks,
		g.removeLeftovers, g.removeAliases, g.removeUses, g.removeModules, g.removeMarks,
	}
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
	// adopted is how much of what is lent a collection that is no dry run had made the
	// owner's.
	adopted map[string]uint64
	inline  uint64 // bytes that went and were in the database
	sum     Collected
}

// reclaim makes what went durable, and has the database give back the room.
func (g *collector) reclaim() error {
	s := g.store
	if err := s.Sync(g.ctx); err != nil {
		return err
	}
	used := s.db.Metrics().DiskSpaceUsage()
	stays := used - min(g.inline, used)
	if g.sum.Bytes < used/8 || s.free(stays, s.opts.MinFree/removeShare) != nil {
		return nil // it tidies up by and by; what stays has to be written again for it
	}
	for _, table := range []byte{tableBlock, tableReceipt} {
		if err := s.db.Compact(g.ctx, []byte{table}, []byte{table + 1}, false); err != nil {
			return explain(s.dir, fmt.Errorf("collect: give back the room: %w", err))
		}
	}
	return nil
}
