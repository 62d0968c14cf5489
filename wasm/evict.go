package wasm

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// DefaultCacheBytes bounds the compiled code on disk where the config does not.
const DefaultCacheBytes = 1 << 30

// touchEvery is how often at most the time of an entry is set that is used: it is the
// time of last use, to the hour.
const touchEvery = time.Hour

// touch notes that the entry in f is used now: by the time of the note that it was
// checked, if there is one, because to set its own would be a change.
func (c *cache) touch(f *os.File) {
	path := f.Name() + seenEnd
	info, err := os.Stat(path)
	if err != nil {
		path = f.Name()
		info, err = f.Stat()
	}
	if now := c.now(); err == nil && now.Sub(info.ModTime()).Abs() >= touchEvery {
		_ = os.Chtimes(path, now, now) // else it goes earlier, which costs time and no more
	}
}

// grown removes what was used least recently once the entries hold more than they may,
// which they do by the new one called name: that stays.
func (c *cache) grown(size int64, name string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.held += size; c.measured && c.held <= int64(c.most) {
		return nil
	}
	all, err := CodeIn(c.dir) // other processes may have put and removed some
	if err != nil {
		return err
	}
	c.held, c.measured = 0, true
	for _, e := range all {
		c.held += int64(e.Bytes)
	}
	if c.held <= int64(c.most) {
		return nil
	}
	_, left, err := TrimCode(c.dir, Trim{Bounded: true, Bytes: c.most / 10 * 9, Keep: name})
	c.held = int64(left)
	return err
}

// Trim says what [TrimCode] removes: what was used least recently, until the folder
// holds at most Bytes where it is Bounded, and what was last used before a time that is
// not zero.
type Trim struct {
	Bounded bool
	Bytes   uint64
	Before  time.Time
	DryRun  bool
	Keep    string // the name of an entry that stays
	// Gone, if it is not nil, hears of each entry that goes.
	Gone func(Code)
}

// Code is the machine code of a part of a module on disk.
type Code struct {
	Name  string
	Bytes uint64
	Used  time.Time // last, to the hour
}

// TrimCode removes machine code from the folder of an engine, and returns how much
// went and how much is left. Who runs it goes on: on Unix a file that is mapped stays
// until that ends. A folder that is not there is empty.
func TrimCode(dir string, t Trim) (went, left uint64, err error) {
	all, err := CodeIn(dir)
	if err != nil {
		return 0, 0, err
	}
	for _, c := range all {
		left += c.Bytes
	}
	for _, c := range all {
		over := t.Bounded && left > t.Bytes || !t.Before.IsZero() && c.Used.Before(t.Before)
		if !over || c.Name == t.Keep {
			continue
		}
		if !t.DryRun {
			if err := removeCode(dir, c.Name); err != nil {
				return went, left, err
			}
		}
		went, left = went+c.Bytes, left-c.Bytes
		if t.Gone != nil {
			t.Gone(c)
		}
	}
	return went, left, nil
}

// removeCode removes an entry, then its note.
func removeCode(dir, name string) error {
	for _, path := range []string{name, name + seenEnd} {
		if err := os.Remove(filepath.Join(dir, path)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// CodeIn are the entries in dir, the least recently used first.
func CodeIn(dir string) ([]Code, error) {
	files, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	var all []Code
	used := make(map[string]time.Time) // as the notes have it
	for _, f := range files {
		entry, note := strings.CutSuffix(f.Name(), seenEnd)
		if !strings.HasSuffix(entry, codeSuffix) {
			continue
		}
		info, err := f.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist): // it was removed meanwhile
		case err != nil:
			return nil, err
		case note:
			used[entry] = info.ModTime()
		default:
			all = append(all, Code{f.Name(), uint64(info.Size()), info.ModTime()})
		}
	}
	for i, c := range all {
		if at := used[c.Name]; at.After(c.Used) {
			all[i].Used = at
		}
	}
	slices.SortFunc(all, func(a, b Code) int { return a.Used.Compare(b.Used) })
	return all, nil
}
