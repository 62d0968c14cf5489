package ipld

import (
	"cmp"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

var (
	// ErrNotDirectory reports a block that is no directory of files.
	ErrNotDirectory = errors.New("not a directory")
	// ErrNoEntry reports a name that a directory does not have.
	ErrNoEntry = errors.New("no such entry")
	// ErrDirectorySize reports a directory that is too large.
	ErrDirectorySize = errors.New("the directory is too large")
)

// Bounds of a directory.
const (
	maxEntries = 1 << 17
	maxShards  = 1 << 14
	// maxPlain is from when on kubo shards a directory: the bytes of its names and
	// links.
	maxPlain = 256 << 10
)

// UnixFS types of directories, and what may be an entry beside files.
const (
	unixfsDirectory = 1
	unixfsHAMT      = 5
)

// DirEntry is one entry of a directory: a file, or another directory.
type DirEntry struct {
	Name string
	Link Link
	// Size is the encoded size of all that the link leads to, in bytes, as the
	// directory has it.
	Size uint64
}

// ReadDirectory returns the entries of a UnixFS directory, sharded or not, in the
// order of their names. Blocks come from get, and every one is verified against its
// link. The error wraps [ErrNotDirectory], [ErrBadFile] if its nodes make no sense,
// [ErrDirectorySize] beyond 131,072 entries or 16,384 shards, [ErrMismatch], or what
// get said.
func ReadDirectory(root Link, get func(Link) ([]byte, error)) ([]DirEntry, error) {
	r := directoryReader{get: get, shards: maxShards}
	if err := r.read(root, false); err != nil {
		return nil, fmt.Errorf("directory %s: %w", root, err)
	}
	slices.SortFunc(r.all, func(a, b DirEntry) int { return cmp.Compare(a.Name, b.Name) })
	for i := range r.all {
		if i > 0 && r.all[i].Name == r.all[i-1].Name {
			return nil, fmt.Errorf("directory %s: %w: two entries %q", root, ErrBadFile, r.all[i].Name)
		}
	}
	return r.all, nil
}

// Resolve returns the link at path in the directory root: names between slashes,
// none of which is empty, "." or "..". A name that is not there is [ErrNoEntry].
func Resolve(root Link, path string, get func(Link) ([]byte, error)) (Link, error) {
	at := root
	for name := range strings.SplitSeq(path, "/") {
		if !isEntryName(name) {
			return Link{}, fmt.Errorf("%w: %q is no name of an entry", ErrNoEntry, name)
		}
		all, err := ReadDirectory(at, get)
		if err != nil {
			return Link{}, err
		}
		i, ok := slices.BinarySearchFunc(all, name, func(e DirEntry, name string) int { return cmp.Compare(e.Name, name) })
		if !ok {
			return Link{}, fmt.Errorf("directory %s: %w: %q", at, ErrNoEntry, name)
		}
		at = all[i].Link
	}
	return at, nil
}

// ImportDirectory returns the block of a directory with the given entries, which are
// sorted, as `ipfs add --cid-version=1` would. The error wraps [ErrDirectorySize]
// where that would shard it.
func ImportDirectory(entries []DirEntry) (Block, error) {
	slices.SortFunc(entries, func(a, b DirEntry) int { return cmp.Compare(a.Name, b.Name) })
	node := pbNode{hasData: true, data: appendPBVarint(nil, 1, unixfsDirectory)}
	size := 0
	for i, e := range entries {
		if !isEntryName(e.Name) || i > 0 && e.Name == entries[i-1].Name {
			return Block{}, fmt.Errorf("%w: the name %q", ErrBadFile, e.Name)
		}
		if size += len(e.Name) + len(e.Link.s); size > maxPlain {
			return Block{}, fmt.Errorf("%w: names and links of more than %d bytes", ErrDirectorySize, maxPlain)
		}
		node.links = append(node.links, pbLink{link: e.Link, name: e.Name, tsize: e.Size})
	}
	data := appendPB(nil, node)
	return Block{LinkOf(CodecDagPB, data), data}, nil
}

// EncodedSize is how many bytes all that b leads to has, b included, as b says: that
// of a [DirEntry] for it. The error wraps [ErrBadFile].
func EncodedSize(b Block) (uint64, error) {
	size := uint64(len(b.Data))
	if b.Link.Codec() != CodecDagPB {
		return size, nil
	}
	n, err := decodePB(b.Data)
	if err != nil {
		return 0, fmt.Errorf("%w: dag-pb: %w", ErrBadFile, err)
	}
	for _, l := range n.links {
		size += l.tsize
	}
	return size, nil
}

// isEntryName tells whether an entry may be called so.
func isEntryName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\x00")
}

type directoryReader struct {
	get    func(Link) ([]byte, error)
	shards int // that may still be read
	all    []DirEntry
}

// read takes in a directory, or a shard of one.
func (r *directoryReader) read(link Link, shard bool) error {
	if link.Codec() != CodecDagPB {
		return fmt.Errorf("block %s: %w", link, ErrNotDirectory)
	}
	if r.shards--; r.shards < 0 {
		return fmt.Errorf("%w: more than %d shards", ErrDirectorySize, maxShards)
	}
	block, err := r.get(link)
	if err != nil {
		return fmt.Errorf("block %s: %w", link, err)
	}
	if err := link.Verify(block); err != nil {
		return err
	}
	node, err := decodePB(block)
	if err != nil {
		return fmt.Errorf("block %s: %w: dag-pb: %w", link, ErrBadFile, err)
	}
	d, err := decodeUnixFS(node.data)
	switch {
	case err != nil:
		return fmt.Errorf("block %s: %w: UnixFS: %w", link, ErrBadFile, err)
	case d.kind == unixfsHAMT:
		return r.shard(link, node, d)
	case shard:
		return fmt.Errorf("block %s: %w: a shard that is none", link, ErrBadFile)
	case d.kind != unixfsDirectory && d.kind < uint64(len(unixfsTypes)):
		return fmt.Errorf("block %s: %w, but a %s", link, ErrNotDirectory, unixfsTypes[d.kind])
	case d.kind != unixfsDirectory:
		return fmt.Errorf("block %s: %w, but of UnixFS type %d", link, ErrNotDirectory, d.kind)
	}
	for _, l := range node.links {
		if err := r.entry(l.name, l); err != nil {
			return fmt.Errorf("block %s: %w", link, err)
		}
	}
	return nil
}

// shard takes in a node of a sharded directory: the name of each link begins with the
// digits of its place, after which comes that of the entry, or nothing where the
// link leads to another shard.
func (r *directoryReader) shard(link Link, node pbNode, d unixfsData) error {
	if d.fanout < 2 || d.fanout > 1<<10 || bits.OnesCount64(d.fanout) != 1 {
		return fmt.Errorf("block %s: %w: a fanout of %d", link, ErrBadFile, d.fanout)
	}
	digits := len(fmt.Sprintf("%X", d.fanout-1))
	for _, l := range node.links {
		if len(l.name) < digits || strings.Trim(l.name[:digits], "0123456789ABCDEF") != "" {
			return fmt.Errorf("block %s: %w: the name %q in a shard", link, ErrBadFile, l.name)
		}
		var err error
		if name := l.name[digits:]; name != "" {
			err = r.entry(name, l)
		} else {
			err = r.read(l.link, true)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (r *directoryReader) entry(name string, l pbLink) error {
	if !isEntryName(name) {
		return fmt.Errorf("%w: an entry named %q", ErrBadFile, name)
	}
	if len(r.all) == maxEntries {
		return fmt.Errorf("%w: more than %d entries", ErrDirectorySize, maxEntries)
	}
	r.all = append(r.all, DirEntry{name, l.link, l.tsize})
	return nil
}
