package ipld

import (
	"bytes"
	"encoding/binary"
	"math"
	"unicode/utf8"
)

// DecodeCBOR reads data, which must be exactly one DAG-CBOR item within
// [DefaultLimits] and in the encoding that [AppendCBOR] writes. Every other
// spelling of the same value is refused with a [*SyntaxError], so data that is
// accepted is the only encoding of the value returned. data is not retained;
// the strings in the value share one copy of it.
func DecodeCBOR(data []byte) (Value, error) { return DecodeCBORLimits(data, Limits{}) }

// DecodeCBORLimits is [DecodeCBOR] within the limits given.
func DecodeCBORLimits(data []byte, l Limits) (Value, error) {
	return decodeCBOR(data, l, true)
}

// CheckCBOR tells whether [DecodeCBORLimits] accepts data, with the same error,
// without building the value and without allocating.
func CheckCBOR(data []byte, l Limits) error {
	_, err := decodeCBOR(data, l, false)
	return err
}

func decodeCBOR(data []byte, l Limits, build bool) (Value, error) {
	l = l.filled()
	if len(data) > l.Bytes {
		return Value{}, faultf(l.Bytes, TooLong, "%d bytes, more than the limit of %d", len(data), l.Bytes)
	}
	d := cborReader{data: data, limits: l, build: build, owed: 1}
	if build {
		d.text = string(data)
	}
	v, err := d.item(0)
	if err != nil {
		return Value{}, err
	}
	if d.off != len(data) {
		return Value{}, faultf(d.off, Trailing, "%d bytes after the item", len(data)-d.off)
	}
	return v, nil
}

// cborReader walks DAG-CBOR once. With build unset it makes no values.
type cborReader struct {
	data   []byte
	text   string // data, for strings to share; only when build is set
	limits Limits
	build  bool
	off    int
	items  int // items begun
	// owed counts the items that open lists and maps still claim. Every item
	// takes at least a byte, so a claim that the remaining bytes cannot keep is
	// refused before memory is set aside for it, and all that is set aside
	// stays in proportion to len(data) however the claims are nested.
	owed int
}

// item reads the item at d.off, inside depth lists and maps.
func (d *cborReader) item(depth int) (Value, error) {
	start := d.off
	d.owed--
	d.items++
	if d.items > d.limits.Items {
		return Value{}, faultf(start, TooMany, "more than %d items", d.limits.Items)
	}
	if start >= len(d.data) {
		return Value{}, faultf(start, Truncated, "the data ends where an item should begin")
	}
	if d.data[start]>>5 == majorOther {
		return d.other(start)
	}
	major, n, err := d.head()
	if err != nil {
		return Value{}, err
	}
	switch major {
	case majorUint:
		return Uint(n), nil
	case majorNint:
		if n > math.MaxInt64 {
			return Value{}, faultf(start, IntegerRange, "an integer below −2^63")
		}
		return Value{kind: KindInt, neg: true, num: ^n}, nil
	case majorBytes:
		return d.payload(start, n, KindBytes)
	case majorText:
		return d.payload(start, n, KindString)
	case majorTag:
		return d.link(start, n)
	}
	if depth == d.limits.Depth {
		return Value{}, faultf(start, TooDeep, "more than %d nested lists and maps", d.limits.Depth)
	}
	if major == majorList {
		return d.list(start, n, depth+1)
	}
	return d.mapping(start, n, depth+1)
}

// head reads a head of major type 0 to 6: its type and its argument.
func (d *cborReader) head() (major byte, n uint64, err error) {
	start := d.off
	b := d.data[start]
	major, info := b>>5, b&0x1f
	d.off++
	if info < 24 {
		return major, uint64(info), nil
	}
	if info == 31 {
		return 0, 0, faultf(start, Indefinite, "an indefinite length")
	}
	if info > 27 {
		return 0, 0, faultf(start, Reserved, "the reserved head 0x%02x", b)
	}
	width := 1 << (info - 24)
	rest := d.data[d.off:]
	if len(rest) < width {
		return 0, 0, faultf(start, Truncated, "the data ends inside a head")
	}
	d.off += width
	least := uint64(24)
	switch width {
	case 1:
		n = uint64(rest[0])
	case 2:
		n, least = uint64(binary.BigEndian.Uint16(rest)), 1<<8
	case 4:
		n, least = uint64(binary.BigEndian.Uint32(rest)), 1<<16
	case 8:
		n, least = binary.BigEndian.Uint64(rest), 1<<32
	}
	if n < least {
		return 0, 0, faultf(start, NotMinimal, "%d written in %d bytes", n, width)
	}
	return major, n, nil
}

// other reads an item of major type 7.
func (d *cborReader) other(start int) (Value, error) {
	d.off++
	switch b := d.data[start]; b {
	case headFalse, headTrue:
		return Bool(b == headTrue), nil
	case headNull:
		return Null, nil
	case headFloat:
		if len(d.data)-d.off < 8 {
			return Value{}, faultf(start, Truncated, "the data ends inside a float")
		}
		f := math.Float64frombits(binary.BigEndian.Uint64(d.data[d.off:]))
		d.off += 8
		if math.IsNaN(f) || math.IsInf(f, 0) {
			return Value{}, faultf(start, NotFinite, "a float that is not finite")
		}
		return Float(f), nil
	case 0xf9, 0xfa:
		return Value{}, faultf(start, FloatWidth, "a float of less than 64 bits")
	case 0xf7:
		return Value{}, faultf(start, Simple, "the simple value undefined")
	case 0xff:
		return Value{}, faultf(start, Indefinite, "a break outside an indefinite length")
	case 0xfc, 0xfd, 0xfe:
		return Value{}, faultf(start, Reserved, "the reserved head 0x%02x", b)
	}
	return Value{}, faultf(start, Simple, "a simple value that is not false, true or null")
}

// take moves past n bytes of payload and returns where they begin.
func (d *cborReader) take(start int, n uint64) (int, error) {
	if n > uint64(len(d.data)-d.off) {
		return 0, faultf(start, Truncated, "%d bytes claimed where %d are left", n, len(d.data)-d.off)
	}
	from := d.off
	d.off += int(n)
	return from, nil
}

func (d *cborReader) payload(start int, n uint64, kind Kind) (Value, error) {
	from, err := d.take(start, n)
	if err != nil {
		return Value{}, err
	}
	if kind == KindString && !utf8.Valid(d.data[from:d.off]) {
		return Value{}, faultf(start, BadUTF8, "text that is not UTF-8")
	}
	if !d.build {
		return Value{}, nil
	}
	return textValue(kind, d.text[from:d.off]), nil
}

// link reads what follows the head of a tag.
func (d *cborReader) link(start int, tag uint64) (Value, error) {
	if tag != tagLink {
		return Value{}, faultf(start, BadTag, "tag %d, where only 42 is known", tag)
	}
	if d.off == len(d.data) {
		return Value{}, faultf(start, Truncated, "the data ends after a tag")
	}
	if d.data[d.off]>>5 != majorBytes {
		return Value{}, faultf(start, BadLink, "tag 42 over something other than bytes")
	}
	_, n, err := d.head()
	if err != nil {
		return Value{}, err
	}
	from, err := d.take(start, n)
	if err != nil {
		return Value{}, err
	}
	if n == 0 || d.data[from] != 0 {
		return Value{}, faultf(start, BadLink, "a link without its 0x00 prefix")
	}
	if err := checkLink(d.data[from+1 : d.off]); err != nil {
		return Value{}, faultf(start, BadLink, "a link that is %v", err)
	}
	if !d.build {
		return Value{}, nil
	}
	return textValue(KindLink, d.text[from+1:d.off]), nil
}

// claim accounts for n items that a list or map says it holds.
func (d *cborReader) claim(start int, n, each uint64) error {
	left := uint64(len(d.data) - d.off)
	if n > left || n*each+uint64(d.owed) > left {
		return faultf(start, Truncated, "%d members claimed, more than the data can hold", n)
	}
	if n*each+uint64(d.owed)+uint64(d.items) > uint64(d.limits.Items) {
		return faultf(start, TooMany, "more than %d items", d.limits.Items)
	}
	d.owed += int(n * each)
	return nil
}

func (d *cborReader) list(start int, n uint64, depth int) (Value, error) {
	if err := d.claim(start, n, 1); err != nil {
		return Value{}, err
	}
	var elems []Value
	if d.build && n > 0 {
		elems = make([]Value, n)
	}
	for i := range int(n) {
		v, err := d.item(depth)
		if err != nil {
			return Value{}, err
		}
		if d.build {
			elems[i] = v
		}
	}
	return List(elems...), nil // of nothing when values are not built
}

func (d *cborReader) mapping(start int, n uint64, depth int) (Value, error) {
	if err := d.claim(start, n, 2); err != nil {
		return Value{}, err
	}
	var entries []Entry
	if d.build && n > 0 {
		entries = make([]Entry, n)
	}
	var last []byte
	for i := range int(n) {
		from, err := d.key()
		if err != nil {
			return Value{}, err
		}
		key := d.data[from:d.off]
		if i > 0 {
			if err := checkOrder(from, last, key); err != nil {
				return Value{}, err
			}
		}
		last = key
		to := d.off
		v, err := d.item(depth)
		if err != nil {
			return Value{}, err
		}
		if d.build {
			entries[i] = Entry{Key: d.text[from:to], Value: v}
		}
	}
	return Value{kind: KindMap, num: uint64(len(entries)), ptr: dataOf(entries)}, nil
}

// key reads a map key, which ends at d.off, and returns where its text begins.
func (d *cborReader) key() (int, error) {
	start := d.off
	d.owed--
	d.items++
	if start >= len(d.data) {
		return 0, faultf(start, Truncated, "the data ends where a map key should begin")
	}
	if d.data[start]>>5 != majorText {
		return 0, faultf(start, KeyKind, "a map key that is not text")
	}
	_, n, err := d.head()
	if err != nil {
		return 0, err
	}
	from, err := d.take(start, n)
	if err != nil {
		return 0, err
	}
	if !utf8.Valid(d.data[from:d.off]) {
		return 0, faultf(start, BadUTF8, "a map key that is not UTF-8")
	}
	return from, nil
}

func checkOrder(at int, last, key []byte) error {
	if len(last) < len(key) {
		return nil
	}
	if len(last) == len(key) {
		switch bytes.Compare(last, key) {
		case -1:
			return nil
		case 0:
			return faultf(at, Duplicate, "the map key %q given twice", key)
		}
	}
	return faultf(at, Unsorted, "the map key %q out of order", key)
}
