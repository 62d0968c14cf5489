package store

import (
	"strings"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// guard is the file system that pebble sees. Pebble ends the process when it
// can not write its log or manifest. Here the first failed write is reported to
// the store, which then refuses to write and to acknowledge anything, and from
// then on nothing reaches the disk: pebble's log goes nowhere and its other
// writes fail. The disk stays as a crash at that moment would have left it,
// which is what opening it again can handle, and readers go on.
//
// A failed write of a table also stops the store, but not pebble: it removes
// the table and tries again, so that a writer that waits for it gets on when
// the disk has room again.
//
// While the database is being opened nobody reads yet, and pebble waits until
// the log it replayed is written as a table, however often that fails. So then
// every write after a failed one pretends to succeed, and the store throws the
// database away as soon as it is open.
type guard struct {
	vfs.FS
	dir     string // of the database; what is written elsewhere, a copy, is no part of it
	failed  func(error) error
	dead    atomic.Pointer[error]
	opening atomic.Bool
}

// newGuard returns a guard for a database that is about to be opened.
func newGuard(fs vfs.FS, dir string, failed func(error) error) *guard {
	g := &guard{FS: fs, dir: dir, failed: failed}
	g.opening.Store(true)
	return g
}

// fatal reports that the log could not be written. The store knows before the
// first write is swallowed: otherwise it could take a sync of a log that goes
// nowhere for a success, and acknowledge what is lost.
func (g *guard) fatal(err error) {
	g.failed(err)
	g.dead.CompareAndSwap(nil, &err)
}

func (g *guard) err() error {
	if p := g.dead.Load(); p != nil {
		return *p
	}
	return nil
}

// do runs an operation that names files, unless nothing may reach the disk.
func (g *guard) do(name string, op func() error) error {
	err := g.err()
	if err == nil {
		err = g.wrote(name, op())
	}
	if err != nil && g.opening.Load() && g.err() != nil {
		return nil
	}
	return err
}

// wrote reports a failed write of the named file.
func (g *guard) wrote(name string, err error) error {
	switch {
	case err == nil:
	case strings.HasSuffix(name, ".sst") && !g.opening.Load():
		g.failed(err)
	default:
		g.fatal(err)
	}
	return err
}

func isLog(name string) bool { return strings.HasSuffix(name, ".log") }

func (g *guard) Unwrap() vfs.FS { return g.FS }

func (g *guard) elsewhere(name string) bool { return !strings.HasPrefix(name, g.dir) }

func (g *guard) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if g.elsewhere(name) {
		return g.FS.Create(name, c)
	}
	if err := g.err(); err != nil {
		return g.sink(name, nil, err)
	}
	f, err := g.FS.Create(name, c)
	return g.sink(name, f, err)
}

func (g *guard) ReuseForWrite(oldname, newname string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := g.err(); err != nil {
		return g.sink(newname, nil, err)
	}
	f, err := g.FS.ReuseForWrite(oldname, newname, c)
	return g.sink(newname, f, err)
}

// sink wraps a new file. A log that could not be created becomes one that
// swallows everything.
func (g *guard) sink(name string, f vfs.File, err error) (vfs.File, error) {
	if err != nil {
		if isLog(name) {
			g.fatal(err)
		} else {
			err = g.wrote(name, err)
		}
		if !isLog(name) && !g.opening.Load() {
			return nil, err
		}
		f = vfs.NewMemFile(nil)
	}
	return &guardFile{File: f, guard: g, name: name, log: isLog(name)}, nil
}

func (g *guard) OpenDir(name string) (vfs.File, error) {
	f, err := g.FS.OpenDir(name)
	if err != nil || g.elsewhere(name) {
		return f, err
	}
	return &guardFile{File: f, guard: g, log: true}, nil
}

func (g *guard) Remove(name string) error {
	if g.err() != nil {
		return g.do(name, nil)
	}
	return g.FS.Remove(name) // pebble minds no file that stays
}

func (g *guard) RemoveAll(name string) error {
	if g.err() != nil {
		return g.do(name, nil)
	}
	return g.FS.RemoveAll(name)
}

func (g *guard) Rename(oldname, newname string) error {
	if g.elsewhere(newname) {
		return g.FS.Rename(oldname, newname)
	}
	return g.do(newname, func() error { return g.FS.Rename(oldname, newname) })
}

func (g *guard) Link(oldname, newname string) error {
	if g.elsewhere(newname) {
		return g.FS.Link(oldname, newname)
	}
	return g.do(newname, func() error { return g.FS.Link(oldname, newname) })
}

// guardFile is a file that pebble writes. One with log set, a log or a
// directory, never fails in pebble's eyes.
type guardFile struct {
	vfs.File
	guard *guard
	name  string
	log   bool
}

func (f *guardFile) do(op func() error) error {
	if !f.log {
		return f.guard.do(f.name, op)
	}
	if f.guard.err() == nil {
		if err := op(); err != nil {
			f.guard.fatal(err)
		}
	}
	return nil
}

func (f *guardFile) Write(p []byte) (n int, err error) {
	err = f.do(func() error {
		n, err = f.File.Write(p)
		return err
	})
	if err == nil {
		n = len(p)
	}
	return n, err
}

func (f *guardFile) Sync() error     { return f.do(f.File.Sync) }
func (f *guardFile) SyncData() error { return f.do(f.File.SyncData) }

func (f *guardFile) SyncTo(length int64) (full bool, err error) {
	err = f.do(func() error {
		full, err = f.File.SyncTo(length)
		return err
	})
	return full, err
}

func (f *guardFile) Preallocate(offset, length int64) error {
	return f.do(func() error { return f.File.Preallocate(offset, length) })
}

// Close always closes, so that no descriptor stays open.
func (f *guardFile) Close() error {
	err := f.File.Close()
	if err == nil || f.guard.err() != nil {
		return nil
	}
	return f.do(func() error { return err })
}
