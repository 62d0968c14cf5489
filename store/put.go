package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Batch is what one Put keeps, all or nothing.
type Batch struct {
	// Blocks are stored under their links, after a check that they match.
	Blocks []ipld.Block
	// Receipts are this node's own.
	Receipts []*receipt.Signed
	// Foreign are receipts from elsewhere: Put verifies their signatures and
	// refuses the batch if one is bad.
	Foreign []*receipt.Signed
	Aliases []Alias
	Modules []Module
	Runs    []Run
	Past    []Run // whose records are removed
	Notes   []Note
	// Lent is on whose behalf the blocks are put, who is not the owner of the store:
	// as long as the owner has not put them too, and nothing of the owner rests on
	// them, they count to that one and go apart; see [Collection]. Empty is the owner.
	Lent string
	// Spare tells that this is little, and should be kept on a full disk too: without
	// blocks or receipts it may take of the reserve that [Options] describe.
	Spare bool
}

// Alias says that the answer for the task From is under the task To.
type Alias struct{ From, To task.ID }

// Module is the interface of a Wasm module, kept so that calls can be resolved
// and recalled without its code.
type Module struct {
	Link      ipld.Link
	Interface ipld.Value
}

// Run is the record of one run of a workflow: what this node alone knows of it,
// such as labels, clock times and how each job was settled.
type Run struct {
	Workflow ipld.Link
	For      string // on whose behalf: a name without control characters; empty is the owner
	Seq      uint64 // counts these runs, below 2^56; the caller chooses it
	Record   ipld.Value
}

// Note is a small value that another package wants kept: Kind is its namespace.
// A nil Value removes the note.
type Note struct {
	Kind, Key string
	Value     []byte
}

// Put stores b atomically. It is visible to every reader when Put returns, and
// durable after the next [Store.Sync]. Batches become durable in the order in
// which they were put.
//
// The error wraps [ErrDiskFull], [ErrEvidenceFull] or [ipld.ErrMismatch] where
// these are the cause; then nothing of b is stored.
func (s *Store) Put(b Batch) error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := b.check(); err != nil {
		return fmt.Errorf("put: %w", err)
	}
	if err := s.failed(); err != nil {
		return err
	}
	var here holder
	if s.again(b) {
		here = s.holds
	}
	s.touch(b)
	s.files.RLock()
	defer s.files.RUnlock()
	paths, err := s.writeFiles(b.Blocks)
	if err != nil {
		return err
	}
	err = s.apply(b, paths, here)
	if errors.Is(err, ErrDiskFull) { // what is here already takes no room
		err = s.apply(b, paths, s.holdsOlder)
	}
	return err
}

// touch notes that what is in b, and what it rests on, is in use.
func (s *Store) touch(b Batch) {
	now := s.opts.Now()
	for _, block := range b.Blocks {
		s.recent.touch(block.Link, now)
	}
	for _, all := range [][]*receipt.Signed{b.Receipts, b.Foreign} {
		for _, r := range all {
			s.recent.touch(r.Task.Link, now)
			for _, l := range References(r) {
				s.recent.touch(l, now)
			}
		}
	}
}

// check refuses what must never be stored.
func (b Batch) check() error {
	for _, block := range b.Blocks {
		if err := block.Link.Verify(block.Data); err != nil {
			return err
		}
	}
	for _, r := range b.Foreign {
		if err := r.Verify(); err != nil {
			return fmt.Errorf("receipt %s: %w", r.Link(), err)
		}
	}
	for _, n := range b.Notes {
		if len(n.Kind) > 255 {
			return fmt.Errorf("note kind of %d bytes is too long", len(n.Kind))
		}
	}
	return nil
}

// apply adds b to the database in the one order of batches.
func (s *Store) apply(b Batch, paths []string, here holder) (err error) {
	s.put.Lock()
	defer s.put.Unlock()
	for _, p := range paths {
		s.pending[p] = true
	}
	batch := s.db.NewBatch()
	defer func() { err = errors.Join(err, batch.Close()) }()
	if err := s.fill(batch, b, here); err != nil {
		return err
	}
	lent, err := s.lend(batch, b)
	if err != nil {
		return err
	}
	if batch.Empty() {
		return nil
	}
	if !s.began {
		if err := batch.Set([]byte{tableSession}, binary.AppendUvarint(nil, s.session+1), nil); err != nil {
			return err
		}
	}
	if err := s.room(int64(batch.Len()), b.leaves(s.opts.MinFree)); err != nil {
		return err
	}
	fault.Point("store.apply")
	// Counted before it is visible, so that whoever reads it and then calls Sync
	// waits for it; syncNow reads the count under s.put, after Apply.
	s.syncing.applied.Add(1)
	if err := s.db.Apply(batch, pebble.NoSync); err != nil {
		return s.fail(err)
	}
	if err := s.failed(); err != nil { // the guard hides it from pebble
		return err
	}
	if !s.began {
		s.began, s.filterSaved = true, false
		s.session++
	}
	s.held.Add(int64(batch.Len()))
	s.lentChanged(lent)
	fault.Point("store.applied")
	return nil
}

func (s *Store) fill(batch *pebble.Batch, b Batch, here holder) error {
	now := s.now()
	set := func(key, value []byte) error {
		if here != nil && here(key, value) {
			return nil
		}
		return batch.Set(key, value, nil)
	}
	for _, block := range b.Blocks {
		table, rest := byte(tableBlock), block.Data
		if len(block.Data) > InlineBlock {
			table, rest = tableFile, binary.AppendUvarint(nil, uint64(len(block.Data)))
		}
		value := append(appendUsed(make([]byte, 0, 10+len(rest)), now), rest...)
		if err := set(linkKey(table, block.Link), value); err != nil {
			return err
		}
	}
	for _, r := range b.Receipts {
		if err := s.fillReceipt(batch, r, now, false); err != nil {
			return err
		}
	}
	for _, r := range b.Foreign {
		if err := s.fillReceipt(batch, r, now, true); err != nil {
			return err
		}
	}
	for _, a := range b.Aliases {
		if err := set(linkKey(tableAlias, a.From.Link), a.To.Bytes()); err != nil {
			return err
		}
	}
	return s.fillRecords(batch, b)
}

// again tells whether what is in b was used a short while ago, so that it may be here
// as it is. Documents come again and again, and need not be written again; results are
// new.
func (s *Store) again(b Batch) bool {
	return len(b.Receipts)+len(b.Foreign) == 0 && slices.ContainsFunc(b.Blocks, func(block ipld.Block) bool {
		return s.recent.touched(block.Link)
	})
}

// holder tells whether a key has a value, which then is not written.
type holder func(key, value []byte) bool

// holds is a holder that wants that very value.
func (s *Store) holds(key, value []byte) (same bool) {
	err := s.get(key, func(v []byte) error {
		same = bytes.Equal(v, value)
		return nil
	})
	return same && err == nil
}

// holdsOlder is a holder to which it does not matter when a block was used last.
func (s *Store) holdsOlder(key, value []byte) (same bool) {
	err := s.get(key, func(v []byte) (err error) {
		if key[0] != tableAlias {
			_, v, err = cutUsed(v)
			_, value, _ = cutUsed(value)
		}
		same = bytes.Equal(v, value)
		return err
	})
	return same && err == nil
}

func (s *Store) fillRecords(batch *pebble.Batch, b Batch) error {
	for _, m := range b.Modules {
		value, err := ipld.AppendCBOR(nil, m.Interface)
		if err != nil {
			return fmt.Errorf("interface of module %s: %w", m.Link, err)
		}
		if err := batch.Set(linkKey(tableModule, m.Link), value, nil); err != nil {
			return err
		}
	}
	for _, r := range b.Runs {
		value, err := ipld.AppendCBOR(nil, r.Record)
		if err != nil {
			return fmt.Errorf("run %d of workflow %s: %w", r.Seq, r.Workflow, err)
		}
		s.filter.add(r.Workflow)
		key := binary.BigEndian.AppendUint64(runKey(r.Workflow, r.For), r.Seq)
		if err := batch.Set(key, value, nil); err != nil {
			return err
		}
	}
	for _, r := range b.Past {
		if err := batch.Delete(binary.BigEndian.AppendUint64(runKey(r.Workflow, r.For), r.Seq), nil); err != nil {
			return err
		}
	}
	for _, n := range b.Notes {
		if err := fillNote(batch, n); err != nil {
			return err
		}
	}
	return nil
}

func fillNote(batch *pebble.Batch, n Note) error {
	if n.Value == nil {
		return batch.Delete(noteKey(n.Kind, n.Key), nil)
	}
	return batch.Set(noteKey(n.Kind, n.Key), n.Value, nil)
}

// roomEvery is how many bytes are put between two looks at the free space.
const roomEvery = 256 << 10

// leaves is how much of the reserve must be left by who puts b.
func (b Batch) leaves(reserve uint64) uint64 {
	removes := len(b.Runs) == 0 && (len(b.Past) > 0 || !slices.ContainsFunc(b.Notes, func(n Note) bool { return n.Value != nil }))
	switch {
	case len(b.Blocks)+len(b.Receipts)+len(b.Foreign)+len(b.Aliases)+len(b.Modules) > 0:
		return reserve
	case removes:
		return reserve / removeShare
	case b.Spare:
		return reserve / spareShare
	}
	return reserve
}

// The reserve is there for these: what removes something leaves an eighth of it, and
// what is to be kept on a full disk too a quarter.
const (
	removeShare = 8
	spareShare  = 4
)

// room refuses a write that would leave less than so much of the disk. The database
// could not tidy up, nor even say clearly what is wrong, on a disk that it
// filled to the last byte. Called with s.put held.
func (s *Store) room(bytes int64, leave uint64) error {
	s.unspent -= bytes
	if s.unspent > 0 {
		return nil
	}
	if err := s.free(uint64(bytes), leave); err != nil {
		return err
	}
	if leave == s.opts.MinFree {
		s.unspent = roomEvery
	}
	return nil
}

// Room tells why the store takes nothing that is new, as far as one look shows: a
// write failed, or the disk has less free than the reserve.
func (s *Store) Room() error {
	if err := s.gate.enter(); err != nil {
		return err
	}
	defer s.gate.leave()
	if err := s.failed(); err != nil {
		return err
	}
	return s.free(0, s.opts.MinFree)
}

// Writable tells why a store that is opened in the place of this one could not be
// written, as far as one file shows: the disk is full or read-only.
func (s *Store) Writable() error {
	if err := s.free(0, s.opts.MinFree); err != nil {
		return err
	}
	name := s.path("writable")
	f, err := s.fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return explain(s.dir, err)
	}
	_, err = f.Write(make([]byte, 4<<10))
	err = errors.Join(err, f.Sync(), f.Close(), s.fs.Remove(name))
	return explain(s.dir, err)
}

// Free is how much the disk has left, in bytes, and whether it says so.
func (s *Store) Free() (bytes uint64, known bool) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	return usage.AvailBytes, err == nil
}

// free tells whether the disk has room for so many bytes, with so many left.
func (s *Store) free(bytes, leave uint64) error {
	left, known := s.Free()
	if known && left < leave+bytes { // where the file system does not say, a write will
		return explained{fmt.Errorf("store %s: %w: %d MiB free, %d MiB needed as a reserve", s.dir, ErrDiskFull, left>>20, (leave+bytes)>>20)}
	}
	return nil
}
