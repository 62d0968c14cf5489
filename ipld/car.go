package ipld

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Bounds on what stands around the blocks of a CAR file.
const (
	maxCARHeader = 64 << 10
	maxCID       = 128
)

// ErrCAR reports bytes that are no CAR file of version 1.
var ErrCAR = errors.New("not a CAR file of version 1")

// errCut reports a CAR file whose end is not there.
type errCut struct{ within string }

func (e errCut) Error() string {
	return "a CAR file that is cut off, or damaged: it ends within a " + e.within
}

func (errCut) Is(target error) bool { return target == ErrCAR }

func badCAR(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrCAR, fmt.Errorf(format, args...))
}

// CARHeader is what a CAR file with the given roots begins with.
func CARHeader(roots ...Link) []byte {
	list := make([]Value, len(roots))
	for i, root := range roots {
		list[i] = LinkValue(root)
	}
	header, _ := AppendCBOR(nil, Map(
		Entry{Key: "roots", Value: List(list...)}, Entry{Key: "version", Value: Uint(1)},
	)) // links and a number
	return append(binary.AppendUvarint(nil, uint64(len(header))), header...)
}

// CARSection is what stands before the bytes of a block of the given size.
func CARSection(l Link, size int) []byte {
	cid := l.Bytes()
	return append(binary.AppendUvarint(nil, uint64(len(cid)+size)), cid...)
}

// CARReader reads a CAR file block by block.
type CARReader struct {
	in    *bufio.Reader
	most  int
	at    int64
	roots []Link
}

// NewCARReader reads the header of a CAR file whose blocks have at most maxBlock
// bytes. The error of this and of [CARReader.Next] wraps [ErrCAR] where the bytes are
// at fault.
func NewCARReader(in io.Reader, maxBlock int) (*CARReader, error) {
	c := &CARReader{in: bufio.NewReader(in), most: maxBlock}
	data, err := c.part(maxCARHeader)
	if errors.Is(err, io.EOF) {
		err = badCAR("it is empty")
	}
	if err != nil {
		return nil, err
	}
	header, err := DecodeCBOR(data)
	if err != nil {
		return nil, badCAR("its header: %w", err)
	}
	version, _ := header.Lookup("version")
	roots, ok := header.Lookup("roots")
	if !ok || header.Len() != 2 || !version.Equal(Uint(1)) || roots.Kind() != KindList {
		return nil, badCAR("its header is not {roots: […], version: 1}")
	}
	for _, v := range roots.Elems() {
		root, ok := v.AsLink()
		if !ok {
			return nil, badCAR("a root that is no link")
		}
		c.roots = append(c.roots, root)
	}
	return c, nil
}

// Roots are those that the header names. The caller must not change them.
func (c *CARReader) Roots() []Link { return c.roots }

// Next is the next block, which matches its link, or [io.EOF].
func (c *CARReader) Next() (Block, error) {
	data, err := c.part(uint64(c.most) + maxCID)
	if err != nil {
		return Block{}, err
	}
	n, err := cidLen(data)
	if err != nil {
		return Block{}, err
	}
	l, err := LinkFromBytes(data[:n])
	if err != nil {
		return Block{}, badCAR("%w", err)
	}
	return Block{Link: l, Data: data[n:]}, l.Verify(data[n:])
}

// part reads what has its length before it.
func (c *CARReader) part(most uint64) ([]byte, error) {
	if _, err := c.in.Peek(1); err != nil {
		return nil, err
	}
	size, err := c.length()
	switch {
	case err != nil:
		return nil, err
	case size == 0:
		return nil, badCAR("an empty part")
	case size > most:
		return nil, badCAR("a part of %d bytes (at most %d)", size, most)
	}
	data := make([]byte, size)
	c.at += int64(size)
	if _, err := io.ReadFull(c.in, data); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, c.cut("part")
	} else if err != nil {
		return nil, err
	}
	return data, nil
}

// cut is why the file ends within something. Before its header was read it may be
// anything.
func (c *CARReader) cut(within string) error {
	if c.roots == nil {
		return badCAR("it ends within a %s", within)
	}
	return errCut{within}
}

// length reads an unsigned varint, which has to be as short as it can be.
func (c *CARReader) length() (uint64, error) {
	var n uint64
	for i := 0; ; i++ {
		b, err := c.in.ReadByte()
		switch {
		case errors.Is(err, io.EOF):
			return 0, c.cut("length")
		case err != nil:
			return 0, err
		case i > 8, b == 0 && i > 0:
			return 0, badCAR("a length that is too long")
		}
		c.at++
		n |= uint64(b&0x7f) << (7 * i)
		if b < 0x80 {
			return n, nil
		}
	}
}

// cidLen is the length of the binary CID with which data begins.
func cidLen(data []byte) (int, error) {
	const cidV0 = 34 // sha2-256
	if len(data) >= cidV0 && data[0] == 0x12 && data[1] == 0x20 {
		return cidV0, nil
	}
	at := 0
	var last uint64
	for range 4 { // version, codec, hash, length
		n, size := binary.Uvarint(data[at:])
		if size <= 0 {
			return 0, badCAR("a part that does not begin with a CID")
		}
		last, at = n, at+size
	}
	if last > maxCID || uint64(at)+last > uint64(len(data)) {
		return 0, badCAR("a part that does not begin with a CID")
	}
	return at + int(last), nil
}

// Children are the links in a block: those of a file's node, or in a dag-cbor value.
func Children(b Block) (all []Link, err error) {
	switch b.Link.Codec() {
	case CodecDagPB:
		return FileLinks(b.Data)
	case CodecDagCBOR:
		v, err := DecodeCBORLimits(b.Data, Limits{Bytes: max(len(b.Data), 1)})
		for l := range Links(v) {
			all = append(all, l)
		}
		return all, err
	}
	return nil, nil
}

// CARFile is a CAR file whose blocks can be read in any order. Its methods may be
// called by many goroutines at once.
type CARFile struct {
	in     io.ReaderAt
	roots  []Link
	blocks map[Link]carPlace
}

type carPlace struct {
	at   int64
	size int
}

// OpenCAR reads a CAR file through, and knows then where its blocks are, each of
// which has at most maxBlock bytes and matches its link. It calls visit with each
// as it comes, and remembers one that comes twice once.
func OpenCAR(in io.ReaderAt, size int64, maxBlock, maxBlocks int, visit func(Block) error) (*CARFile, error) {
	c, err := NewCARReader(io.NewSectionReader(in, 0, size), maxBlock)
	if err != nil {
		return nil, err
	}
	f := &CARFile{in: in, roots: c.roots, blocks: make(map[Link]carPlace)}
	for {
		b, err := c.Next()
		if errors.Is(err, io.EOF) {
			return f, nil
		}
		if err != nil {
			return nil, err
		}
		if _, twice := f.blocks[b.Link]; twice {
			continue
		}
		if len(f.blocks) == maxBlocks {
			return nil, badCAR("more than %d blocks", maxBlocks)
		}
		f.blocks[b.Link] = carPlace{c.at - int64(len(b.Data)), len(b.Data)}
		if err := visit(b); err != nil {
			return nil, err
		}
	}
}

// Roots are those that the header names. The caller must not change them.
func (f *CARFile) Roots() []Link { return f.roots }

// Len is how many blocks there are.
func (f *CARFile) Len() int { return len(f.blocks) }

// Has tells whether a block is in the file.
func (f *CARFile) Has(l Link) bool {
	_, ok := f.blocks[l]
	return ok
}

// Block reads a block again, and checks it again, and tells whether it is there.
func (f *CARFile) Block(l Link) ([]byte, bool, error) {
	place, ok := f.blocks[l]
	if !ok {
		return nil, false, nil
	}
	data := make([]byte, place.size)
	if _, err := f.in.ReadAt(data, place.at); err != nil {
		return nil, true, fmt.Errorf("block %s of the CAR file: %w", l, err)
	}
	return data, true, l.Verify(data)
}
