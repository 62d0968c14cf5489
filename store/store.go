package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/bloom"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// InlineBlock is the length in bytes up to which a block lives inside the
// database; a longer one is a file of its own.
const InlineBlock = 64 << 10

// Options configure a store. The zero value is ready to use.
type Options struct {
	// CacheBytes is how large the cache of database blocks may grow; 0 means
	// 16 MiB, with which 100,000 receipts are found twice as fast as with 8.
	CacheBytes int64
	// MinFree is how many bytes the disk must have free for Put to write; 0
	// means 32 MiB. The reserve lets the database tidy up on a full disk.
	MinFree uint64
	// Now is the clock for the time of last use; nil means [time.Now].
	Now func() time.Time
	// Logger receives what the database does, at debug level, and what went
	// wrong in the background, at error level; nil means silence.
	Logger *slog.Logger

	// Failed is told once of the failed write after which the store writes no more
	// until it is opened again; nil is nobody. It must not wait.
	Failed func(error)

	fs vfs.FS // nil means the disk
}

// Store is an open store. Its methods may be called concurrently.
type Store struct {
	dir  string
	opts Options
	fs   vfs.FS
	log  *slog.Logger
	db   *pebble.DB
	lock io.Closer

	gate gate

	filter      filter
	filterSaved bool // the file of the filter is as good as the filter
	filterBuilt sync.WaitGroup
	stopFilter  context.CancelFunc

	put     sync.Mutex // the one order of batches
	session uint64
	began   bool // this session has a number of its own
	pending map[string]bool
	unspent int64 // bytes put since free space was last looked at

	files      sync.RWMutex // held shared while files are written before their records
	recent     recent
	collecting collecting

	held     atomic.Int64 // bytes, about, once measured
	measured atomic.Bool
	lent     lent

	syncing syncer
	uses    uses
	failure atomic.Pointer[error] // set once: the store must be opened again
	temp    atomic.Uint64         // names of temporary files
	tempID  uint32
}

// Open opens the store in dir and creates it if there is none. Only one process
// can have it open: the error is an [*ErrLocked] while another one has.
func Open(dir string, o Options) (*Store, error) {
	if o.fs == nil {
		o.fs = vfs.Default
	}
	return open(dir, o)
}

// OpenMemory opens an empty store in memory. It behaves as one on disk, except
// that nothing outlives Close.
func OpenMemory(o Options) (*Store, error) {
	o.fs = vfs.NewMem()
	return open("memory", o)
}

func open(dir string, o Options) (*Store, error) {
	o = o.filled()
	s := &Store{dir: dir, opts: o, fs: o.fs, log: o.Logger, pending: make(map[string]bool), tempID: rand.Uint32()}
	if err := makeDir(s.fs, dir); err != nil {
		return nil, explain(dir, err)
	}
	lock, err := takeLock(s.fs, dir)
	if err != nil {
		return nil, err
	}
	s.lock = lock
	if err := s.openLocked(); err != nil {
		return nil, errors.Join(explain(dir, err), lock.Close())
	}
	return s, nil
}

func (o Options) filled() Options {
	if o.CacheBytes == 0 {
		o.CacheBytes = 16 << 20
	}
	if o.MinFree == 0 {
		o.MinFree = 32 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func (s *Store) openLocked() error {
	format, err := readFormat(s.fs, s.dir)
	if err != nil {
		return err
	}
	if format == noFormat {
		if err := writeFormat(s.fs, s.dir, Format); err != nil {
			return err
		}
		format = Format
		s.measured.Store(true) // there is nothing
	}
	for _, sub := range []string{"db", "blobs", "blobs/tmp"} {
		if err := makeDir(s.fs, s.path(sub)); err != nil {
			return err
		}
	}
	if err := s.clearTemp(); err != nil {
		return err
	}
	if err := s.lostDB(); err != nil {
		return err
	}
	if err := s.openDB(); err != nil {
		return err
	}
	err = s.migrate(format)
	if err == nil {
		err = s.findLent()
	}
	if err == nil {
		err = s.startFilter(format == Format)
	}
	if err != nil {
		return errors.Join(err, s.closeDB())
	}
	return nil
}

// lostDB reports a database that is gone while other files of the store are there: a new
// one would know nothing of them, and they would be removed.
func (s *Store) lostDB() error {
	dir := s.path("db")
	db, err := pebble.Peek(dir, s.fs)
	if err != nil {
		return fmt.Errorf("look for the database: %w", err)
	}
	if db.Exists {
		return nil
	}
	for folder, rests := range map[string]func(name string) bool{
		dir:             func(name string) bool { return strings.HasSuffix(name, ".sst") || strings.HasSuffix(name, ".log") },
		s.path("blobs"): func(name string) bool { return name != "tmp" },
		s.dir:           func(name string) bool { return name == "filter" },
	} {
		names, err := s.fs.List(folder)
		if err != nil {
			return err
		}
		if i := slices.IndexFunc(names, rests); i >= 0 {
			return &CorruptError{Path: dir, Err: fmt.Errorf("the database is gone, and %s is there", s.fs.PathJoin(folder, names[i])), Hint: hintLost}
		}
	}
	return nil
}

// hintLost is for who has lost the database.
const hintLost = "a copy that `ipvm backup` made can take the place of the folder; without one, move it away to begin anew"

func (s *Store) openDB() error {
	fs := newGuard(s.fs, s.path("db"), s.fail)
	db, err := pebble.Open(s.path("db"), s.pebbleOptions(fs))
	fs.opening.Store(false)
	if s.failed() != nil {
		if err == nil {
			_ = db.Close() // it says again what failed
		}
		return s.failed()
	}
	if err != nil {
		return fmt.Errorf("open the database: %w", err)
	}
	s.db = db
	return nil
}

func (s *Store) pebbleOptions(fs vfs.FS) *pebble.Options {
	o := &pebble.Options{
		FS:                          fs,
		CacheSize:                   s.opts.CacheBytes,
		Comparer:                    comparer(),
		FormatMajorVersion:          pebble.FormatTableFormatV6,
		MemTableSize:                4 << 20,
		MemTableStopWritesThreshold: 4,
		MaxOpenFiles:                256,
		Logger:                      (*logger)(s),
		EventListener: &pebble.EventListener{
			BackgroundError: s.backgroundError,
			DataCorruption:  func(i pebble.DataCorruptionInfo) { s.log.Error("store: damaged data", "info", i.String()) },
		},
	}
	o.Experimental.FileCacheShards = 1
	// The default scheduler wakes up ten times a second for the case that the
	// number of concurrent compactions changes, which is always 1 here, and its
	// goroutine outlives a failed Open.
	o.Experimental.CompactionScheduler = pebble.NewConcurrencyLimitSchedulerWithNoPeriodicGrantingForTest()
	for i := range o.Levels {
		o.Levels[i].IndexBlockSize = 256 << 10 // one level of index up to very large tables
		o.Levels[i].FilterPolicy = bloom.FilterPolicy(10)
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.SnappyCompression }
	}
	return o
}

// Dir is the directory of the store.
func (s *Store) Dir() string { return s.dir }

// Close makes everything durable that was put and lets go of the directory. It
// waits for operations under way.
func (s *Store) Close() error {
	if !s.gate.shut() {
		return nil
	}
	err := s.syncNow()
	s.endFilter()
	return errors.Join(err, s.closeDB(), s.fs.Remove(s.path("pid")), s.lock.Close())
}

// closeDB closes the database. After a failure its own report adds nothing.
func (s *Store) closeDB() error {
	err := s.db.Close()
	if s.failure.Load() != nil {
		return nil
	}
	return explain(s.dir, err)
}

// fail records that the database can no longer write. Reads go on; Put and Sync
// refuse with this error until the store is opened again, because after a
// failed fsync nobody knows what is on the disk.
func (s *Store) fail(err error) error {
	err = explain(s.dir, fmt.Errorf("an earlier write failed: %w", err))
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.Error("store: write failed", "dir", s.dir, "err", err)
		if s.opts.Failed != nil {
			s.opts.Failed(err)
		}
	}
	return *s.failure.Load()
}

// Failed is the write that failed, after which nothing is written until the store is
// opened again; nil where none did.
func (s *Store) Failed() error { return s.failed() }

func (s *Store) failed() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

func (s *Store) path(elem ...string) string {
	return s.fs.PathJoin(append([]string{s.dir}, elem...)...)
}

// now is the present hour since 1970.
func (s *Store) now() uint64 { return hourOf(s.opts.Now()) }

func hourOf(t time.Time) uint64 { return uint64(max(t.Unix(), 0)) / hour }
