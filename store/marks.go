package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// rank orders what a collection may remove: what has the lowest goes first. It is
// the hour of last use and, so that an hour's work can go in part, 16 bits of the
// hash of what it is about.
type rank uint64

// kept is the rank of what stays in any case.
const kept rank = math.MaxUint64

func rankOf(hour uint64, l ipld.Link) rank {
	_, bits, _ := hashes(l)
	return rank(hour<<16 | bits&0xffff)
}

func (r rank) hour() uint64 { return uint64(r >> 16) }

// What a mark is about, before the link in its key.
const (
	markBlock = 'b' // the rank of what rests on a block
	markLent  = 'l' // the rank of the file, put on behalf of another, that a block is in
	markTask  = 't' // that the receipts of a task stay
	markGone  = 'g' // that they were removed
)

// marks are what a collection finds out, in a database of its own, so that it
// takes little memory however large the store is. Nothing in it outlives the
// collection.
type marks struct {
	db     *pebble.DB
	fs     vfs.FS
	dir    string
	failed atomic.Pointer[error]

	left atomic.Int64 // bytes that may still be marked
	most int64        // at first
}

// memoryMarks bounds the marks of a collection on a disk that has no room for them:
// they are in memory then.
const memoryMarks = 64 << 20

// placeMarks says where the marks are, and how many bytes there may be.
func (s *Store) placeMarks() (fs vfs.FS, most int64) {
	usage, err := s.fs.GetDiskUsage(s.dir)
	switch reserve := s.opts.MinFree; {
	case err != nil: // the file system does not say; a write will
		return s.fs, math.MaxInt64
	case usage.AvailBytes < reserve+memoryMarks:
		return vfs.NewMem(), memoryMarks
	default:
		return s.fs, int64(min(usage.AvailBytes-reserve, math.MaxInt64))
	}
}

// openMarks makes an empty one: in the store's folder, or in memory if the disk is
// almost full.
func (s *Store) openMarks() (*marks, error) {
	m := &marks{dir: s.path("collect")}
	m.fs, m.most = s.placeMarks()
	m.left.Store(m.most)
	if err := m.fs.RemoveAll(m.dir); err != nil {
		return nil, err
	}
	fs := newGuard(m.fs, m.dir, m.fail)
	o := s.pebbleOptions(fs)
	o.CacheSize, o.DisableWAL, o.EventListener = 4<<20, true, nil
	o.Logger = silent{m}
	var err error
	m.db, err = pebble.Open(m.dir, o)
	fs.opening.Store(false)
	if err == nil {
		return m, m.err()
	}
	return nil, errors.Join(err, m.err(), m.fs.RemoveAll(m.dir))
}

func (m *marks) fail(err error) error {
	m.failed.CompareAndSwap(nil, &err)
	return err
}

func (m *marks) err() error {
	if p := m.failed.Load(); p != nil {
		return fmt.Errorf("notes of the collection: %w", *p)
	}
	return nil
}

func (m *marks) close() error {
	return errors.Join(m.db.Close(), m.fs.RemoveAll(m.dir))
}

// markBytes is about what a mark takes beside its key.
const markBytes = 24

// of is the rank that was marked; 0 if none was.
func (m *marks) of(what byte, l ipld.Link) (r rank, err error) {
	value, closer, err := m.db.Get(linkKey(what, l))
	if errors.Is(err, pebble.ErrNotFound) {
		return 0, m.err()
	}
	if err != nil {
		return 0, err
	}
	if len(value) == 8 {
		r = rank(binary.BigEndian.Uint64(value))
	}
	return r, errors.Join(closer.Close(), m.err())
}

// cursor finds marks in the order of links, many times as fast as of. It does not see
// those that were made after it: a rank that it finds may be too low, and what is to be
// removed for that has to be looked at once more.
type cursor struct {
	it     *pebble.Iterator
	failed func() error
}

func (m *marks) cursor() (*cursor, error) {
	it, err := m.db.NewIter(nil)
	if err != nil {
		return nil, err
	}
	return &cursor{it, m.err}, nil
}

func (c *cursor) of(what byte, l ipld.Link) (r rank, err error) {
	key := linkKey(what, l)
	if c.it.SeekGE(key) && bytes.Equal(c.it.Key(), key) {
		value, err := c.it.ValueAndErr()
		if err != nil {
			return 0, err
		}
		if len(value) == 8 {
			r = rank(binary.BigEndian.Uint64(value))
		}
	}
	return r, errors.Join(c.it.Error(), c.failed())
}

func (c *cursor) close() error { return c.it.Close() }

// raise makes the rank at least r, and tells whether it was lower.
func (m *marks) raise(what byte, l ipld.Link, r rank) (bool, error) {
	was, err := m.of(what, l)
	if err != nil || was >= r {
		return false, err
	}
	key := linkKey(what, l)
	if m.left.Add(-int64(len(key)+markBytes)) < 0 {
		return false, fmt.Errorf("notes of the collection: %w: so many results and blocks need more than %d MiB for them", ErrDiskFull, m.most>>20)
	}
	err = m.db.Set(key, binary.BigEndian.AppendUint64(nil, uint64(r)), pebble.NoSync)
	return true, errors.Join(err, m.err())
}

// silent is the logger of a database whose failures the collection tells.
type silent struct{ m *marks }

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}

// Fatalf is where pebble would end the process.
func (l silent) Fatalf(format string, args ...any) { _ = l.m.fail(fmt.Errorf(format, args...)) }
