package api

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// maxBlock bounds a block that comes from outside, in bytes.
const maxBlock = 2 << 20

// Bounds on what stands around the blocks of a CAR file.
const (
	maxHeader = 64 << 10
	maxCID    = 128
)

// errCAR reports bytes that are no CAR file of version 1.
var errCAR = errors.New("not a CAR file of version 1")

func badCAR(format string, args ...any) error {
	return fmt.Errorf("%w: %w", errCAR, fmt.Errorf(format, args...))
}

// carHeader is what a CAR file with the given roots begins with.
func carHeader(roots ...ipld.Link) []byte {
	list := make([]ipld.Value, len(roots))
	for i, root := range roots {
		list[i] = ipld.LinkValue(root)
	}
	header, _ := ipld.AppendCBOR(nil, ipld.Map(
		ipld.Entry{Key: "roots", Value: ipld.List(list...)}, ipld.Entry{Key: "version", Value: ipld.Uint(1)},
	)) // links and a number
	return append(binary.AppendUvarint(nil, uint64(len(header))), header...)
}

// carSection is what stands before the bytes of a block of the given size.
func carSection(l ipld.Link, size int) []byte {
	cid := l.Bytes()
	return append(binary.AppendUvarint(nil, uint64(len(cid)+size)), cid...)
}

// carReader reads a CAR file block by block.
type carReader struct {
	in    *bufio.Reader
	roots []ipld.Link
}

func newCARReader(in io.Reader) (*carReader, error) {
	c := &carReader{in: bufio.NewReader(in)}
	data, err := c.part(maxHeader)
	if errors.Is(err, io.EOF) {
		err = badCAR("it is empty")
	}
	if err != nil {
		return nil, err
	}
	header, err := ipld.DecodeCBOR(data)
	if err != nil {
		return nil, badCAR("its header: %w", err)
	}
	version, _ := header.Lookup("version")
	roots, ok := header.Lookup("roots")
	if !ok || header.Len() != 2 || !version.Equal(ipld.Uint(1)) || roots.Kind() != ipld.KindList {
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

// next is the next block, which matches its link, or [io.EOF].
func (c *carReader) next() (ipld.Block, error) {
	data, err := c.part(maxBlock + maxCID)
	if err != nil {
		return ipld.Block{}, err
	}
	n, err := cidLen(data)
	if err != nil {
		return ipld.Block{}, err
	}
	l, err := ipld.LinkFromBytes(data[:n])
	if err != nil {
		return ipld.Block{}, badCAR("%w", err)
	}
	return ipld.Block{Link: l, Data: data[n:]}, l.Verify(data[n:])
}

// part reads what has its length before it.
func (c *carReader) part(most uint64) ([]byte, error) {
	if _, err := c.in.Peek(1); err != nil {
		return nil, err
	}
	size, err := binary.ReadUvarint(c.in)
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil, badCAR("it ends within a length")
	case err != nil && size != 0:
		return nil, badCAR("a length: %w", err)
	case err != nil:
		return nil, err
	case size == 0:
		return nil, badCAR("an empty part")
	case size > most:
		return nil, badCAR("a part of %d bytes (at most %d)", size, most)
	}
	data := make([]byte, size)
	if _, err := io.ReadFull(c.in, data); errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) {
		return nil, badCAR("it ends within a part")
	} else if err != nil {
		return nil, err
	}
	return data, nil
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

// children are the links in a block.
func children(b ipld.Block) (all []ipld.Link, err error) {
	switch b.Link.Codec() {
	case ipld.CodecDagPB:
		return ipld.FileLinks(b.Data)
	case ipld.CodecDagCBOR:
		v, err := ipld.DecodeCBORLimits(b.Data, ipld.Limits{Bytes: max(len(b.Data), 1)})
		for l := range ipld.Links(v) {
			all = append(all, l)
		}
		return all, err
	}
	return nil, nil
}
