package wasm

import (
	"crypto/hmac"
	"crypto/sha256"
	"io"
	"os"
	"path/filepath"
	"time"
)

// An entry of the cache is read in full when it is checked, which takes longer
// than all else of loading it. So a note beside it, an HMAC like the seal, says
// that a file was checked, or written by us, which the system knows by this number,
// with this size and these times: as long as that holds, nobody has written to it,
// and it need not be read again. The time of the last change (ctime) can not be
// set, and every write sets it. A note holds until the system is started again: entries
// are not synced, and what the disk has after a crash has to be looked at.
//
// Where the system or the file system does not keep such times, there are no
// notes.
const (
	seenEnd = ".seen"
	// settled is how long an entry that was checked must have stayed as it is to be
	// noted: what changes within one tick of the file system's clock shows the same
	// time.
	settled = 2 * time.Second
)

// seen tells whether the entry called name, which info is of, was checked as
// it is.
func (c *cache) seen(name string, is []byte) bool {
	if c.boot == nil {
		return false
	}
	f, err := openPrivate(filepath.Join(c.dir, name+seenEnd))
	if err != nil {
		return false
	}
	defer f.Close()
	mark, err := io.ReadAll(io.LimitReader(f, sha256.Size+1))
	return err == nil && hmac.Equal(mark, c.seenMark(name, is))
}

// see notes that the entry called name was checked. If that can not be noted it will
// be checked again.
func (c *cache) see(name string, is []byte) {
	if c.boot == nil {
		return
	}
	f, err := writeTemp(c.dir, c.seenMark(name, is))
	if err != nil {
		return
	}
	defer f.Close()
	if os.Rename(f.Name(), filepath.Join(c.dir, name+seenEnd)) != nil {
		_ = os.Remove(f.Name())
	}
}

func (c *cache) seenMark(name string, is []byte) []byte {
	return keyed(c.key, "seen", name, c.boot, is)
}
