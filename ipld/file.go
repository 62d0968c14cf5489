package ipld

import (
	"errors"
	"fmt"
	"iter"
)

// How large bytes become files (docs/protocol.md, "Links for large bytes").
// These numbers are part of every identifier made from large bytes.
const (
	InlineBytes = 1024      // longest byte string that stays in place, in bytes
	ChunkSize   = 256 << 10 // longest raw block of a file, in bytes
	FileWidth   = 174       // most children of an inner node of a file
)

// Bounds on files that others laid out.
const (
	maxFileDepth  = 64   // nodes from the root to a chunk
	freeBlocks    = 1024 // blocks of any size that a file may have
	meanBlockSize = 1024 // beyond them, bytes of file for each block read
)

// Errors of [ReadFile].
var (
	ErrNotFile  = errors.New("not a file")
	ErrFileSize = errors.New("file is larger than the limit")
	ErrBadFile  = errors.New("malformed file")
)

// A Block is bytes and the link they hash to.
type Block struct {
	Link Link
	Data []byte
}

// FileLink is the link of data as a file, the one that
// "ipfs add --cid-version=1" gives: a raw block up to [ChunkSize] bytes; above,
// a UnixFS file of raw leaves, balanced, [FileWidth] children to a node.
func FileLink(data []byte) Link {
	link, _ := ImportFile(data, func(Block) error { return nil }) // only put fails
	return link
}

// ImportFile hands every block of data as a file to put, children before
// parents, and returns the link of the last one, which is [FileLink] of data.
// The leaves share memory with data. The error is the first that put returns.
func ImportFile(data []byte, put func(Block) error) (Link, error) {
	level := make([]filePart, 0, len(data)/ChunkSize+1)
	for first := true; first || len(data) > 0; first = false {
		chunk := data[:min(ChunkSize, len(data))]
		data = data[len(chunk):]
		b := Block{LinkOf(CodecRaw, chunk), chunk}
		if err := put(b); err != nil {
			return Link{}, err
		}
		level = append(level, filePart{b.Link, uint64(len(chunk)), uint64(len(chunk))})
	}
	for len(level) > 1 {
		var above []filePart
		for len(level) > 0 {
			width := min(FileWidth, len(level))
			b, part := joinParts(level[:width])
			if err := put(b); err != nil {
				return Link{}, err
			}
			above, level = append(above, part), level[width:]
		}
		level = above
	}
	return level[0].link, nil
}

// filePart is a chunk of a file or a node above chunks.
type filePart struct {
	link  Link
	size  uint64 // bytes of the file
	tsize uint64 // bytes of the blocks that hold them
}

func joinParts(parts []filePart) (Block, filePart) {
	node := pbNode{hasData: true}
	file := unixfsData{kind: unixfsFile}
	var whole filePart
	for _, p := range parts {
		node.links = append(node.links, pbLink{link: p.link, tsize: p.tsize})
		file.blockSizes = append(file.blockSizes, p.size)
		whole.size += p.size
		whole.tsize += p.tsize
	}
	file.fileSize = whole.size
	node.data = appendUnixFS(nil, file)
	block := appendPB(nil, node)
	whole.link = LinkOf(CodecDagPB, block)
	whole.tsize += uint64(len(block))
	return Block{whole.link, block}, whole
}

// ReadFile returns the bytes of the file at root: a raw block, or a UnixFS file
// of any layout, the links v0 or v1. Blocks come from get, in file order, and
// every one is verified against its link.
//
// A file of more than limit bytes is refused with [ErrFileSize] as soon as a
// node claims so, a directory, symlink or block of another codec with
// [ErrNotFile], and one whose nodes contradict each other with [ErrBadFile], as
// are empty parts, more than 64 levels, or more than 1,024 blocks that hold less
// than 1,024 bytes each on average. Bytes that do not match their link give
// [ErrMismatch]. An error of get is wrapped.
func ReadFile(root Link, limit int64, get func(Link) ([]byte, error)) ([]byte, error) {
	if limit < 0 {
		return nil, fmt.Errorf("file %s: %w of %d bytes", root, ErrFileSize, limit)
	}
	r := fileReader{get: get, limit: uint64(limit), blocks: freeBlocks}
	if err := r.read(root, nil, 0); err != nil {
		return nil, fmt.Errorf("file %s: %w", root, err)
	}
	return r.out, nil
}

type fileReader struct {
	get    func(Link) ([]byte, error)
	limit  uint64 // bytes that may still come
	blocks uint64 // blocks that may still be read
	out    []byte
}

// read appends the part at link, which has want bytes unless want is nil.
func (r *fileReader) read(link Link, want *uint64, depth int) error {
	if depth == maxFileDepth {
		return fmt.Errorf("%w: more than %d levels", ErrBadFile, maxFileDepth)
	}
	if codec := link.Codec(); codec != CodecRaw && codec != CodecDagPB {
		return fmt.Errorf("block %s: %w: codec 0x%x", link, ErrNotFile, codec)
	}
	if r.blocks == 0 {
		return fmt.Errorf("%w: too many blocks for its size", ErrBadFile)
	}
	r.blocks--
	block, err := r.get(link)
	if err != nil {
		return fmt.Errorf("block %s: %w", link, err)
	}
	if err := link.Verify(block); err != nil {
		return err
	}
	if link.Codec() == CodecRaw {
		return r.append(block, want)
	}
	if err := r.node(block, want, depth); err != nil {
		return fmt.Errorf("block %s: %w", link, err)
	}
	return nil
}

// sized checks a part's size against what its parent said, or against the
// limit if it is the root.
func (r *fileReader) sized(got uint64, want *uint64) error {
	if want == nil {
		if got > r.limit {
			return fmt.Errorf("%w: %d bytes where %d may be read", ErrFileSize, got, r.limit)
		}
		r.blocks += got / meanBlockSize
		return nil
	}
	if got != *want {
		return fmt.Errorf("%w: a part of %d bytes where %d were announced", ErrBadFile, got, *want)
	}
	return nil
}

func (r *fileReader) append(b []byte, want *uint64) error {
	if err := r.sized(uint64(len(b)), want); err != nil {
		return err
	}
	r.out = append(r.out, b...)
	return nil
}

func (r *fileReader) node(block []byte, want *uint64, depth int) error {
	node, err := decodePB(block)
	if err != nil {
		return fmt.Errorf("%w: dag-pb: %w", ErrBadFile, err)
	}
	file, err := decodeUnixFS(node.data)
	if err != nil {
		return fmt.Errorf("%w: UnixFS: %w", ErrBadFile, err)
	}
	if file.kind != unixfsFile && file.kind != unixfsRaw {
		if file.kind < uint64(len(unixfsTypes)) {
			return fmt.Errorf("%w: a %s", ErrNotFile, unixfsTypes[file.kind])
		}
		return fmt.Errorf("%w: UnixFS type %d", ErrNotFile, file.kind)
	}
	if len(file.blockSizes) != len(node.links) {
		return fmt.Errorf("%w: %d links with %d sizes", ErrBadFile, len(node.links), len(file.blockSizes))
	}
	size, err := file.sum()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrBadFile, err)
	}
	if err := r.sized(size, want); err != nil {
		return err
	}
	r.out = append(r.out, file.data...)
	for i, l := range node.links {
		part := file.blockSizes[i]
		if part == 0 {
			return fmt.Errorf("%w: an empty part", ErrBadFile)
		}
		if err := r.read(l.link, &part, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// Links yields every link inside v, in order, as often as it stands there.
func Links(v Value) iter.Seq[Link] {
	return func(yield func(Link) bool) { eachLink(&v, yield) }
}

func eachLink(v *Value, yield func(Link) bool) bool {
	switch v.kind {
	case KindLink:
		return yield(Link{v.text()})
	case KindList:
		for i := range v.elems() {
			if !eachLink(&v.elems()[i], yield) {
				return false
			}
		}
	case KindMap:
		for i := range v.entries() {
			if !eachLink(&v.entries()[i].Value, yield) {
				return false
			}
		}
	}
	return true
}
