package ipld

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unicode/utf8"
)

// Errors of [AppendCBOR] and [AppendJSON]: values that have no encoding.
var (
	ErrNotFinite = errors.New("a float that is not finite has no encoding")
	ErrNotUTF8   = errors.New("a string that is not UTF-8 has no encoding")
	ErrNoLink    = errors.New("an undefined link has no encoding")
	ErrTooDeep   = errors.New("too many nested lists and maps have no encoding")
)

// CBOR major types and the heads that DAG-CBOR knows of major type 7.
const (
	majorUint  = 0
	majorNint  = 1
	majorBytes = 2
	majorText  = 3
	majorList  = 4
	majorMap   = 5
	majorTag   = 6
	majorOther = 7

	headFalse = 0xf4
	headTrue  = 0xf5
	headNull  = 0xf6
	headFloat = 0xfb
	tagLink   = 42
)

// Encode returns v as a DAG-CBOR block and the block's link (CIDv1, sha2-256).
// The errors are those of [AppendCBOR].
func Encode(v Value) (block []byte, link Link, err error) {
	block, err = AppendCBOR(make([]byte, 0, CBORLen(v)), v)
	if err != nil {
		return nil, Link{}, err
	}
	return block, LinkOf(CodecDagCBOR, block), nil
}

// AppendCBOR appends the DAG-CBOR encoding of v to dst. A value has exactly
// one encoding: definite and minimal lengths, map keys ordered by length and
// then bytewise, floats of 64 bits, links under tag 42 (the "Strictness" section of
// the DAG-CBOR specification). Apart from growing dst it does not allocate.
//
// The error wraps [ErrNotFinite], [ErrNotUTF8], [ErrNoLink] or [ErrTooDeep];
// dst is then returned as it was.
func AppendCBOR(dst []byte, v Value) ([]byte, error) {
	out, err := appendCBOR(dst, &v, 0)
	if err != nil {
		return dst, fmt.Errorf("encode DAG-CBOR: %w", err)
	}
	return out, nil
}

func appendCBOR(dst []byte, v *Value, depth int) ([]byte, error) {
	switch v.kind {
	case KindNull:
		return append(dst, headNull), nil
	case KindBool:
		return append(dst, headFalse+byte(v.num)), nil
	case KindInt:
		if v.neg {
			return appendHead(dst, majorNint, ^v.num), nil
		}
		return appendHead(dst, majorUint, v.num), nil
	case KindFloat:
		if f := math.Float64frombits(v.num); math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, ErrNotFinite
		}
		return binary.BigEndian.AppendUint64(append(dst, headFloat), v.num), nil
	case KindString:
		return appendText(dst, v.text())
	case KindBytes:
		return append(appendHead(dst, majorBytes, v.num), v.text()...), nil
	case KindLink:
		if v.num == 0 {
			return nil, ErrNoLink
		}
		dst = appendHead(dst, majorTag, tagLink)
		dst = append(appendHead(dst, majorBytes, v.num+1), 0)
		return append(dst, v.text()...), nil
	}
	if depth == MaxDepth {
		return nil, ErrTooDeep
	}
	if v.kind == KindList {
		return appendList(dst, v.elems(), depth+1)
	}
	return appendMap(dst, v.entries(), depth+1)
}

func appendList(dst []byte, elems []Value, depth int) ([]byte, error) {
	dst = appendHead(dst, majorList, uint64(len(elems)))
	var err error
	for i := range elems {
		if dst, err = appendCBOR(dst, &elems[i], depth); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendMap(dst []byte, entries []Entry, depth int) ([]byte, error) {
	dst = appendHead(dst, majorMap, uint64(len(entries)))
	var err error
	for i := range entries {
		if dst, err = appendText(dst, entries[i].Key); err != nil {
			return nil, err
		}
		if dst, err = appendCBOR(dst, &entries[i].Value, depth); err != nil {
			return nil, err
		}
	}
	return dst, nil
}

func appendText(dst []byte, s string) ([]byte, error) {
	if !utf8.ValidString(s) {
		return nil, ErrNotUTF8
	}
	return append(appendHead(dst, majorText, uint64(len(s))), s...), nil
}

// CBORLen is the length in bytes of what [AppendCBOR] appends for v if v has
// an encoding. It is much cheaper than encoding and does not allocate.
func CBORLen(v Value) int { return cborLen(&v, 0) }

func cborLen(v *Value, depth int) int {
	switch v.kind {
	case KindNull, KindBool:
		return 1
	case KindInt:
		if v.neg {
			return headLen(^v.num)
		}
		return headLen(v.num)
	case KindFloat:
		return 9
	case KindString, KindBytes:
		return headLen(v.num) + int(v.num)
	case KindLink:
		return headLen(tagLink) + headLen(v.num+1) + 1 + int(v.num)
	}
	n := headLen(v.num)
	if depth == MaxDepth {
		return n
	}
	if v.kind == KindList {
		elems := v.elems()
		for i := range elems {
			n += cborLen(&elems[i], depth+1)
		}
		return n
	}
	entries := v.entries()
	for i := range entries {
		key := len(entries[i].Key)
		n += headLen(uint64(key)) + key + cborLen(&entries[i].Value, depth+1)
	}
	return n
}

// appendHead appends the shortest head of a major type with its argument.
func appendHead(dst []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(dst, major|byte(n))
	case n <= math.MaxUint8:
		return append(dst, major|24, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, major|25), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(dst, major|27), n)
}

// headLen is how many bytes appendHead appends.
func headLen(n uint64) int {
	switch {
	case n < 24:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	case n <= math.MaxUint32:
		return 5
	}
	return 9
}
