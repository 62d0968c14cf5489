package wasm

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// cache keeps machine code on disk. An entry is the engine's artifact followed
// by an HMAC over the entry's name and the artifact; the key is a file beside
// the entries and never leaves the machine, so that code from another node, or
// damaged code, is not run.
//
// Files are 0600 in a directory 0700: whoever can write them could as well
// change this process. An entry is opened once; owner, mode and HMAC are
// checked on the open file, and that same file, not its name, is what the
// engine maps, so an exchange of the name in between changes nothing. Entries
// are written whole, under another name first, and never changed in place.
type cache struct {
	dir    string
	key    []byte
	config string // engine, platform and settings: what the artifact depends on beside the module
}

const (
	cacheKeyFile = "key"
	cacheKeyLen  = 32
	macLen       = sha256.Size
)

var errEntry = errors.New("cache entry is not one of this node")

// openCache makes dir, and its key when there is none.
func openCache(dir, config string) (*cache, error) {
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
	return &cache{dir, key, config}, nil
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
		err = os.Link(tmp, path) // fails when there is one by now
		_ = os.Remove(tmp)
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
	h := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%d", c.config, link, part, size))
	return hex.EncodeToString(h[:20]) + ".code"
}

func (c *cache) mac(name string, artifact io.Reader) ([]byte, error) {
	m := hmac.New(sha256.New, c.key)
	fmt.Fprintf(m, "%s\x00", name)
	if _, err := io.Copy(m, artifact); err != nil {
		return nil, err
	}
	return m.Sum(nil), nil
}

// open returns the checked entry called name. The caller closes it.
func (c *cache) open(name string) (*os.File, error) {
	f, err := openPrivate(filepath.Join(c.dir, name))
	if err != nil {
		return nil, err
	}
	if err := c.check(f, name); err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func (c *cache) check(f *os.File, name string) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	size := info.Size() - macLen
	if size <= 0 {
		return errEntry
	}
	want, err := c.mac(name, io.NewSectionReader(f, 0, size))
	if err != nil {
		return err
	}
	got := make([]byte, macLen)
	if _, err := f.ReadAt(got, size); err != nil {
		return err
	}
	if !hmac.Equal(got, want) {
		return errEntry
	}
	return nil
}

// put writes the entry called name.
func (c *cache) put(name string, artifact []byte) error {
	mac, err := c.mac(name, bytes.NewReader(artifact))
	if err != nil {
		return err
	}
	tmp, err := writeTemp(c.dir, artifact, mac)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, filepath.Join(c.dir, name)); err != nil {
		_ = os.Remove(tmp)
		return err
	}
	return nil
}

// discard removes the entry called name.
func (c *cache) discard(name string) { _ = os.Remove(filepath.Join(c.dir, name)) }

// writeTemp writes parts to a new file 0600 in dir. Nothing is synced: a torn
// entry fails its check and is made again.
func writeTemp(dir string, parts ...[]byte) (string, error) {
	f, err := os.CreateTemp(dir, "new-*")
	if err != nil {
		return "", err
	}
	for _, p := range parts {
		if err == nil {
			_, err = f.Write(p)
		}
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		_ = os.Remove(f.Name())
		return "", err
	}
	return f.Name(), nil
}
