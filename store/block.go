package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

const hintBlock = "put the block again, for example with `ipvm block put`, or run again what made it"

// Block returns the block that l addresses, checked against its hash. The error
// is [ErrNotFound] when the store never had it, and a [*CorruptError] when it
// had but the bytes are damaged or gone.
func (s *Store) Block(l ipld.Link) ([]byte, error) {
	if err := s.gate.enter(); err != nil {
		return nil, err
	}
	defer s.gate.leave()
	return s.block(l)
}

func (s *Store) block(l ipld.Link) ([]byte, error) {
	s.recent.touch(l, s.opts.Now()) // before looking, so that what is found stays
	data, used, err := s.peek(l)
	if err == nil {
		s.use(used.key, used.hour)
	}
	return data, err
}

// lastUsed is when a record was last known to be used.
type lastUsed struct {
	key  []byte
	hour uint64
}

// peek reads a block without using it.
func (s *Store) peek(l ipld.Link) ([]byte, lastUsed, error) {
	data, used, err := s.inline(l)
	if errors.Is(err, ErrNotFound) {
		data, used, err = s.file(l)
	}
	return data, used, err
}

// inline reads a block out of the database.
func (s *Store) inline(l ipld.Link) ([]byte, lastUsed, error) {
	used := lastUsed{key: linkKey(tableBlock, l)}
	var data []byte
	err := s.get(used.key, func(value []byte) error {
		var rest []byte
		var err error
		used.hour, rest, err = cutUsed(value)
		data = append(make([]byte, 0, len(rest)), rest...)
		return err
	})
	if err == nil {
		err = l.Verify(data)
	}
	if err != nil {
		if errors.Is(err, ErrNotFound) {
			return nil, used, fmt.Errorf("block %s: %w", l, ErrNotFound)
		}
		return nil, used, &CorruptError{Link: l, Path: s.path("db"), Err: err, Hint: hintBlock}
	}
	return data, used, nil
}

// file reads a large block.
func (s *Store) file(l ipld.Link) ([]byte, lastUsed, error) {
	used := lastUsed{key: linkKey(tableFile, l)}
	size, hour, err := s.fileRecord(l)
	if err != nil {
		return nil, used, err
	}
	used.hour = hour
	name := s.blobPath(l)
	data, err := readSized(s.fs, name, size)
	if err == nil {
		err = l.Verify(data)
	}
	if errors.Is(err, os.ErrNotExist) { // unless it was collected between the two
		if _, _, again := s.fileRecord(l); errors.Is(again, ErrNotFound) {
			return nil, used, again
		}
	}
	if err != nil {
		return nil, used, &CorruptError{Link: l, Path: name, Err: err, Hint: hintBlock}
	}
	return data, used, nil
}

// fileRecord tells how long the file of a large block is.
func (s *Store) fileRecord(l ipld.Link) (size int64, used uint64, err error) {
	err = s.get(linkKey(tableFile, l), func(value []byte) error {
		u, rest, err := cutUsed(value)
		if err != nil {
			return err
		}
		n, len := binary.Uvarint(rest)
		if len <= 0 || n > 1<<40 {
			return fmt.Errorf("the record of file %s has no size", l)
		}
		size, used = int64(n), u
		return nil
	})
	switch {
	case errors.Is(err, ErrNotFound):
		return 0, 0, fmt.Errorf("block %s: %w", l, ErrNotFound)
	case err != nil:
		return 0, 0, &CorruptError{Link: l, Path: s.path("db"), Err: err, Hint: hintBlock}
	}
	return size, used, nil
}

// Has tells whether the store has the block. For a large block it looks for a
// file of the right length but does not hash it, so damage inside the file
// shows only in [Store.Block].
func (s *Store) Has(l ipld.Link) (bool, error) {
	if err := s.gate.enter(); err != nil {
		return false, err
	}
	defer s.gate.leave()
	s.recent.touch(l, s.opts.Now())
	err := s.get(linkKey(tableBlock, l), func([]byte) error { return nil })
	if err == nil {
		return true, nil
	}
	if !errors.Is(err, ErrNotFound) {
		return false, fmt.Errorf("block %s: %w", l, err)
	}
	size, _, err := s.fileRecord(l)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	info, err := s.fs.Stat(s.blobPath(l))
	if errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, explain(s.dir, err)
	}
	return info.Size() == size, nil
}

// get hands the value under key to read, which must not keep it.
func (s *Store) get(key []byte, read func(value []byte) error) error {
	value, closer, err := s.db.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return ErrNotFound
	}
	if err != nil {
		return err
	}
	return errors.Join(read(value), closer.Close())
}

// blobPath is where the file of a large block is. The two characters before
// the last one of the CID spread over all values.
func (s *Store) blobPath(l ipld.Link) string {
	name := l.String()
	return s.path("blobs", name[len(name)-3:len(name)-1], name)
}

// writeFiles writes the large ones among blocks and returns where they are.
// They are not durable yet.
func (s *Store) writeFiles(blocks []ipld.Block) (paths []string, err error) {
	for _, b := range blocks {
		if len(b.Data) <= InlineBlock {
			continue
		}
		name := s.blobPath(b.Link)
		paths = append(paths, name)
		// A good file of an earlier Put stays; a damaged one is replaced.
		if data, err := readSized(s.fs, name, int64(len(b.Data))); err == nil && b.Link.Verify(data) == nil {
			continue
		}
		if err := s.writeBlob(name, b.Data); err != nil {
			return nil, fmt.Errorf("block %s: %w", b.Link, explain(s.dir, err))
		}
	}
	return paths, nil
}

func (s *Store) writeBlob(name string, data []byte) error {
	if err := s.free(uint64(len(data)), s.opts.MinFree); err != nil {
		return err
	}
	if err := s.fs.MkdirAll(s.fs.PathDir(name), 0o700); err != nil {
		return err
	}
	temp := s.path("blobs", "tmp", strconv.FormatUint(uint64(s.tempID), 36)+"-"+strconv.FormatUint(s.temp.Add(1), 36))
	fault.Point("store.blob.write")
	if err := writeFile(s.fs, temp, data, false); err != nil {
		return errors.Join(err, ignoreMissing(s.fs.Remove(temp)))
	}
	fault.Point("store.blob.rename")
	if err := s.fs.Rename(temp, name); err != nil {
		return errors.Join(err, ignoreMissing(s.fs.Remove(temp)))
	}
	s.held.Add(int64(len(data)))
	fault.Point("store.blob.renamed")
	return nil
}

// clearTemp removes what a killed process left half written.
func (s *Store) clearTemp() error {
	if err := s.fs.RemoveAll(s.path("collect")); err != nil {
		return err
	}
	names, err := s.fs.List(s.path("blobs", "tmp"))
	if err != nil {
		return err
	}
	for _, n := range names {
		if err := s.fs.Remove(s.path("blobs", "tmp", n)); err != nil {
			return err
		}
	}
	return nil
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// readSized reads a file that must have the given length.
func readSized(fs vfs.FS, name string, size int64) ([]byte, error) {
	f, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil && info.Size() != size {
		err = fmt.Errorf("the file has %d bytes instead of %d", info.Size(), size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	data := make([]byte, size)
	_, err = io.ReadFull(f, data)
	return data, errors.Join(err, f.Close())
}

func syncFile(fs vfs.FS, name string) error {
	f, err := fs.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
