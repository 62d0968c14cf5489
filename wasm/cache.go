package wasm

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// cache keeps machine code on disk. An entry is the engine's artifact followed
// by a seal, which is made with a key that is a file beside the entries and
// never leaves the machine, so that code from another node, or damaged code, is
// not run.
//
// Files are 0600 in a directory 0700: whoever can write them could as well
// change this process. An entry is opened once; owner, mode and seal are
// checked on the open file, and that same file, not its name, is what the
// engine maps, so an exchange of the name in between changes nothing. Entries
// are written whole, under another name first, and never changed in place.
type cache struct {
	dir    string
	key    []byte
	now    func() time.Time
	boot   []byte // of the running system: see seen
	config string // engine, platform and settings: what the artifact depends on beside the module

	most     uint64 // bytes of entries
	mu       sync.Mutex
	held     int64 // by entries, as far as this process knows
	measured bool
}

const (
	cacheKeyFile = "key"
	cacheKeyLen  = 32
	// cacheFormat is a part of every entry's name.
	cacheFormat = "slim"
	codeSuffix  = ".code" // of every entry
)

var errEntry = errors.New("cache entry is not one of this node")

// openCache makes dir, and its key when there is none.
func openCache(dir, config string, most uint64) (*cache, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("code cache: %w", err)
	}
	if err := os.Chmod(dir, 0o700); err != nil { // it may have been there, open to others
		return nil, fmt.Errorf("code cache: %w", err)
	}
	key, err := cacheKey(filepath.Join(dir, cacheKeyFile))
	if err != nil {
		return nil, fmt.Errorf("code cache: %w", err)
	}
	return &cache{dir: dir, key: key, now: time.Now, boot: bootID(), config: config, most: most}, nil
}

// cacheKey reads the key, or makes one. When two processes make one at the
// same time, both use the first.
func cacheKey(path string) ([]byte, error) {
	for range 3 {
		key, err := readKey(path)
		if err == nil || !errors.Is(err, fs.ErrNotExist) {
			return key, err
		}
		fresh := make([]byte, cacheKeyLen)
		if _, err := rand.Read(fresh); err != nil {
			return nil, err
		}
		tmp, err := writeTemp(filepath.Dir(path), fresh)
		if err != nil {
			return nil, err
		}
		tmp.Close()
		err = os.Link(tmp.Name(), path) // fails when there is one by now
		_ = os.Remove(tmp.Name())
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	}
	return nil, fmt.Errorf("%s comes and goes", path)
}

func readKey(path string) ([]byte, error) {
	f, err := openPrivate(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	key, err := io.ReadAll(io.LimitReader(f, cacheKeyLen+1))
	if err == nil && len(key) != cacheKeyLen {
		err = fmt.Errorf("%s is not a key of %d bytes", path, cacheKeyLen)
	}
	return key, err
}

// name is the file name of the machine code for piece number part of a module,
// of size bytes.
func (c *cache) name(link ipld.Link, part, size int) string {
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d\x00%d", cacheFormat, c.config, link, part, size))
	return hex.EncodeToString(h[:20]) + codeSuffix
}

// open returns the checked entry called name, and the size of the machine code
// in it. The caller closes it.
func (c *cache) open(name string) (*os.File, int64, error) {
	f, err := openPrivate(filepath.Join(c.dir, name))
	if err != nil {
		return nil, 0, err
	}
	size, err := c.check(f, name)
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	c.touch(f)
	return f, size, nil
}

func (c *cache) check(f *os.File, name string) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	size := info.Size() - sealLen
	if size <= 0 {
		return 0, errEntry
	}
	is, changed, known := identity(f, info)
	if known && c.seen(name, is) {
		return size, nil
	}
	mark := make([]byte, sealLen)
	if _, err := f.ReadAt(mark, size); err != nil {
		return 0, err
	}
	ok, err := sealed(c.key, mark, name, f, size)
	if err == nil && !ok {
		err = errEntry
	}
	if err == nil && known && c.now().Sub(changed) >= settled {
		c.see(name, is)
	}
	return size, err
}

// keep makes the new file f, which holds size bytes of machine code, the entry
// called name. The file stays open; it is removed if it can not be kept.
func (c *cache) keep(f *os.File, size int64, name string) error {
	mark, err := seal(c.key, name, f, size)
	if err == nil {
		_, err = f.WriteAt(mark, size)
	}
	if err == nil {
		err = os.Rename(f.Name(), filepath.Join(c.dir, name))
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return err
	}
	if info, err := f.Stat(); err == nil { // nobody but us has written to it, or ever will
		if is, _, known := identity(f, info); known {
			c.see(name, is)
		}
	}
	return nil
}

// discard removes the entry called name.
func (c *cache) discard(name string) { _ = removeCode(c.dir, name) }

// staleAfter is when a new file is taken for one that a killed process left.
const staleAfter = time.Hour

// sweep removes what killed processes left half done.
func (c *cache) sweep() {
	files, _ := filepath.Glob(filepath.Join(c.dir, "new-*"))
	for _, f := range files {
		if info, err := os.Lstat(f); err == nil && time.Since(info.ModTime()) > staleAfter {
			_ = os.Remove(f)
		}
	}
}

// writeTemp writes data to a new file 0600 in dir, which stays open. Nothing is
// synced: a torn entry fails its check and is made again.
func writeTemp(dir string, data []byte) (*os.File, error) {
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return nil, err
	}
	if _, err := f.Write(data); err != nil {
		f.Close()
		_ = os.Remove(f.Name())
		return nil, err
	}
	return f, nil
}
