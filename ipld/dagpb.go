package ipld

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Protobuf wire types.
const (
	wireVarint  = 0
	wireFixed64 = 1
	wireBytes   = 2
	wireFixed32 = 5
)

// pbNode is a DAG-PB block: links to children and opaque data.
type pbNode struct {
	links   []pbLink
	data    []byte
	hasData bool
}

// pbLink is one link of a DAG-PB block.
type pbLink struct {
	link  Link
	name  string
	tsize uint64 // encoded size of all that link leads to, in bytes
}

// appendPB appends the DAG-PB encoding of n: links, each with hash, name and
// cumulative size, before data (the DAG-PB specification, "Serial Format").
func appendPB(dst []byte, n pbNode) []byte {
	var one []byte
	for _, l := range n.links {
		one = appendPBBytes(one[:0], 1, l.link.s)
		one = appendPBBytes(one, 2, l.name)
		one = appendPBVarint(one, 3, l.tsize)
		dst = appendPBBytes(dst, 2, one)
	}
	if n.hasData {
		dst = appendPBBytes(dst, 1, n.data)
	}
	return dst
}

func appendPBVarint(dst []byte, field, n uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, field<<3|wireVarint), n)
}

func appendPBBytes[T string | []byte](dst []byte, field uint64, b T) []byte {
	dst = binary.AppendUvarint(dst, field<<3|wireBytes)
	return append(binary.AppendUvarint(dst, uint64(len(b))), b...)
}

var errPBTruncated = errors.New("the data ends inside a field")

// pbReader reads the fields of one protobuf message.
type pbReader struct{ rest []byte }

// field is one protobuf field: a number for wireVarint, bytes for wireBytes.
type pbField struct {
	number uint64
	wire   uint64
	n      uint64
	b      []byte
}

func (r *pbReader) varint() (uint64, error) {
	n, size := binary.Uvarint(r.rest)
	if size == 0 {
		return 0, errPBTruncated
	}
	if size < 0 {
		return 0, errors.New("a varint of more than 64 bits")
	}
	if size > 1 && r.rest[size-1] == 0 {
		return 0, errors.New("a varint that could be shorter")
	}
	r.rest = r.rest[size:]
	return n, nil
}

func (r *pbReader) take(n uint64) ([]byte, error) {
	if n > uint64(len(r.rest)) {
		return nil, errPBTruncated
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b, nil
}

func (r *pbReader) next() (f pbField, err error) {
	key, err := r.varint()
	if err != nil {
		return f, err
	}
	f.number, f.wire = key>>3, key&7
	switch f.wire {
	case wireVarint:
		f.n, err = r.varint()
	case wireFixed64:
		f.b, err = r.take(8)
	case wireFixed32:
		f.b, err = r.take(4)
	case wireBytes:
		var n uint64
		if n, err = r.varint(); err == nil {
			f.b, err = r.take(n)
		}
	default:
		err = fmt.Errorf("wire type %d", f.wire)
	}
	return f, err
}

// decodePB reads a DAG-PB block as strictly as its specification asks for:
// known fields only, none twice, those of a link in order; data may stand
// before or after the links but not between them. The node shares data.
func decodePB(data []byte) (n pbNode, err error) {
	r := pbReader{data}
	closed := false // data came after links: no more links
	for len(r.rest) > 0 {
		f, err := r.next()
		if err != nil {
			return n, err
		}
		switch {
		case f.wire != wireBytes || f.number != 1 && f.number != 2:
			return n, fmt.Errorf("unknown field %d of wire type %d", f.number, f.wire)
		case f.number == 1 && n.hasData:
			return n, errors.New("data given twice")
		case f.number == 1:
			n.data, n.hasData = f.b, true
			closed = len(n.links) > 0
		case closed:
			return n, errors.New("data between links")
		default:
			l, err := decodePBLink(f.b)
			if err != nil {
				return n, fmt.Errorf("link %d: %w", len(n.links), err)
			}
			n.links = append(n.links, l)
		}
	}
	return n, nil
}

func decodePBLink(data []byte) (l pbLink, err error) {
	r := pbReader{data}
	last := uint64(0)
	for len(r.rest) > 0 {
		f, err := r.next()
		if err != nil {
			return l, err
		}
		if f.number <= last {
			return l, errors.New("fields out of order or given twice")
		}
		last = f.number
		switch {
		case f.number == 1 && f.wire == wireBytes:
			if l.link, err = LinkFromBytes(f.b); err != nil {
				return l, err
			}
		case f.number == 2 && f.wire == wireBytes:
			if !utf8.Valid(f.b) {
				return l, errors.New("a name that is not UTF-8")
			}
			l.name = string(f.b)
		case f.number == 3 && f.wire == wireVarint:
			l.tsize = f.n
		default:
			return l, fmt.Errorf("unknown field %d of wire type %d", f.number, f.wire)
		}
	}
	if !l.link.Defined() {
		return l, errors.New("no hash")
	}
	return l, nil
}

// UnixFS node types (the UnixFS specification, "Data").
const (
	unixfsRaw  = 0
	unixfsFile = 2
)

var unixfsTypes = [...]string{"raw", "directory", "file", "metadata", "symlink", "sharded directory"}

// unixfsData is what the data of a DAG-PB block says of a file.
type unixfsData struct {
	kind       uint64
	data       []byte
	fileSize   uint64
	hasSize    bool
	blockSizes []uint64
	fanout     uint64 // of a sharded directory
}

// appendUnixFS appends the message of an inner node of a file.
func appendUnixFS(dst []byte, u unixfsData) []byte {
	dst = appendPBVarint(dst, 1, u.kind)
	dst = appendPBVarint(dst, 3, u.fileSize)
	for _, n := range u.blockSizes {
		dst = appendPBVarint(dst, 4, n)
	}
	return dst
}

// decodeUnixFS reads a UnixFS message. Fields beyond those of files and directories
// (mode, time, what is yet to come) are skipped, as protobuf has it.
func decodeUnixFS(data []byte) (u unixfsData, err error) {
	r := pbReader{data}
	var seen [4]bool
	for len(r.rest) > 0 {
		f, err := r.next()
		if err != nil {
			return u, err
		}
		if f.number >= 1 && f.number <= 3 {
			if seen[f.number] {
				return u, fmt.Errorf("field %d given twice", f.number)
			}
			seen[f.number] = true
		}
		switch {
		case f.number == 1 && f.wire == wireVarint:
			u.kind = f.n
		case f.number == 2 && f.wire == wireBytes:
			u.data = f.b
		case f.number == 3 && f.wire == wireVarint:
			u.fileSize, u.hasSize = f.n, true
		case f.number == 6 && f.wire == wireVarint:
			u.fanout = f.n
		case f.number == 4 && f.wire == wireVarint:
			u.blockSizes = append(u.blockSizes, f.n)
		case f.number == 4 && f.wire == wireBytes: // packed
			packed := pbReader{f.b}
			for len(packed.rest) > 0 {
				n, err := packed.varint()
				if err != nil {
					return u, err
				}
				u.blockSizes = append(u.blockSizes, n)
			}
		case f.number <= 4:
			return u, fmt.Errorf("field %d of wire type %d", f.number, f.wire)
		}
	}
	if !seen[1] {
		return u, errors.New("no type")
	}
	return u, nil
}

// sum is the size that the parts of u add up to.
func (u *unixfsData) sum() (uint64, error) {
	sum := uint64(len(u.data))
	for _, n := range u.blockSizes {
		if sum+n < sum || sum+n > math.MaxInt64 {
			return 0, errors.New("block sizes beyond 2^63")
		}
		sum += n
	}
	if u.hasSize && u.fileSize != sum {
		return 0, fmt.Errorf("a file size of %d where the parts have %d", u.fileSize, sum)
	}
	return sum, nil
}
