package ipld

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"
)

// ErrReserved reports a map that has no encoding in DAG-JSON because it looks
// like a link or bytes (the DAG-JSON specification, "The Reserved Namespace").
// Of the maps whose first key in bytewise order is "/" these are: those with no
// other key, those with text under it, and those with a map under it whose
// first key is "bytes" and holds text.
var ErrReserved = errors.New(`a map that looks like {"/": …} has no encoding in DAG-JSON`)

// AppendJSON appends the DAG-JSON encoding of v to dst: no spaces, keys in
// bytewise order (DAG-JSON orders them so; DAG-CBOR puts shorter ones first),
// links as {"/": "b…"}, bytes as {"/": {"bytes": base64 without padding}}. A
// float always has a "." or an exponent and an integer never does, so every
// value comes back from [DecodeJSON] as it was.
//
// The error wraps one of those of [AppendCBOR] or [ErrReserved]; dst is then
// returned as it was.
func AppendJSON(dst []byte, v Value) ([]byte, error) {
	out, err := appendJSON(dst, &v, 0)
	if err != nil {
		return dst, fmt.Errorf("encode DAG-JSON: %w", err)
	}
	return out, nil
}

func appendJSON(dst []byte, v *Value, depth int) ([]byte, error) {
	switch v.kind {
	case KindNull:
		return append(dst, "null"...), nil
	case KindBool:
		return strconv.AppendBool(dst, v.num != 0), nil
	case KindInt:
		if v.neg {
			return strconv.AppendInt(dst, int64(v.num), 10), nil
		}
		return strconv.AppendUint(dst, v.num, 10), nil
	case KindFloat:
		return appendJSONFloat(dst, math.Float64frombits(v.num))
	case KindString:
		if !utf8.ValidString(v.text()) {
			return nil, ErrNotUTF8
		}
		return appendJSONString(dst, v.text()), nil
	case KindBytes:
		dst = append(dst, `{"/":{"bytes":"`...)
		dst = base64.RawStdEncoding.AppendEncode(dst, unsafe.Slice((*byte)(v.ptr), int(v.num)))
		return append(dst, `"}}`...), nil
	case KindLink:
		if v.num == 0 {
			return nil, ErrNoLink
		}
		dst = append(dst, `{"/":"`...)
		dst = Link{v.text()}.appendString(dst)
		return append(dst, `"}`...), nil
	}
	if depth == MaxDepth {
		return nil, ErrTooDeep
	}
	if v.kind == KindList {
		return appendJSONList(dst, v.elems(), depth+1)
	}
	return appendJSONMap(dst, v.entries(), depth+1)
}

func appendJSONList(dst []byte, elems []Value, depth int) ([]byte, error) {
	dst = append(dst, '[')
	var err error
	for i := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		if dst, err = appendJSON(dst, &elems[i], depth); err != nil {
			return nil, err
		}
	}
	return append(dst, ']'), nil
}

func appendJSONMap(dst []byte, entries []Entry, depth int) ([]byte, error) {
	if reserved(entries) {
		return nil, ErrReserved
	}
	if !slices.IsSortedFunc(entries, bytewise) {
		entries = slices.Clone(entries)
		slices.SortFunc(entries, bytewise)
	}
	dst = append(dst, '{')
	var err error
	for i := range entries {
		if i > 0 {
			dst = append(dst, ',')
		}
		if !utf8.ValidString(entries[i].Key) {
			return nil, ErrNotUTF8
		}
		dst = append(appendJSONString(dst, entries[i].Key), ':')
		if dst, err = appendJSON(dst, &entries[i].Value, depth); err != nil {
			return nil, err
		}
	}
	return append(dst, '}'), nil
}

func bytewise(a, b Entry) int { return strings.Compare(a.Key, b.Key) }

// reserved tells whether a map is one that [ErrReserved] describes.
func reserved(entries []Entry) bool {
	if len(entries) == 0 {
		return false
	}
	first := slices.MinFunc(entries, bytewise)
	if first.Key != "/" {
		return false
	}
	if len(entries) == 1 || first.Value.kind == KindString {
		return true
	}
	if first.Value.Len() == 0 || first.Value.kind != KindMap {
		return false
	}
	inner := slices.MinFunc(first.Value.entries(), bytewise)
	return inner.Key == "bytes" && inner.Value.kind == KindString
}

// appendJSONFloat writes the shortest decimal that reads back as f, laid out
// as ECMAScript does, with ".0" where it would look like an integer.
func appendJSONFloat(dst []byte, f float64) ([]byte, error) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return nil, ErrNotFinite
	}
	if abs := math.Abs(f); abs != 0 && (abs < 1e-6 || abs >= 1e21) {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
		if n := len(dst); n-start > 4 && dst[n-4] == 'e' && dst[n-2] == '0' { // e-09 is e-9
			dst[n-2] = dst[n-1]
			dst = dst[:n-1]
		}
		return dst, nil
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
	if !slices.Contains(dst[start:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst, nil
}

// appendJSONString writes s, which is UTF-8, with the escapes that RFC 8259
// asks for and no others.
func appendJSONString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, '\\', 'b')
		case '\f':
			dst = append(dst, '\\', 'f')
		case '\n':
			dst = append(dst, '\\', 'n')
		case '\r':
			dst = append(dst, '\\', 'r')
		case '\t':
			dst = append(dst, '\\', 't')
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	return append(append(dst, s[from:]...), '"')
}

// DecodeJSON reads data as one DAG-JSON value within [DefaultLimits]. The text
// is strict JSON as [ParseJSON] takes it, in any layout and key order. A
// number is read by [Number]. A map whose only key is "/" is a link or bytes;
// every other map that [ErrReserved] describes is a fault. For other limits
// there are [ParseJSON] and [JSONNode.Value]. The error is a [*SyntaxError], or
// [SyntaxErrors] of several keys given twice.
func DecodeJSON(data []byte) (Value, error) {
	// {"/": {"bytes": …}} nests two maps deeper than the value it stands for.
	root, err := parseJSON(data, Limits{}.filled(), MaxDepth+2)
	if err != nil {
		return Value{}, err
	}
	return root.Value()
}

// Value is the DAG-JSON value that n stands for. The error is a [*SyntaxError]
// at the offset of the node at fault.
func (n *JSONNode) Value() (Value, error) { return n.value(0) }

func (n *JSONNode) value(depth int) (Value, error) {
	switch n.Kind {
	case JSONNull:
		return Null, nil
	case JSONBool:
		return Bool(n.Text == "true"), nil
	case JSONNumber:
		v, err := Number(n.Text)
		if err != nil {
			return Value{}, faultf(n.Offset, numberClass(n.Text), "%v", err)
		}
		return v, nil
	case JSONString:
		return String(n.Text), nil
	}
	if n.Kind == JSONObject && len(n.Keys) == 1 && n.Keys[0].Text == "/" {
		return n.Items[0].special()
	}
	if depth == MaxDepth {
		return Value{}, faultf(n.Offset, TooDeep, "more than %d nested lists and maps", MaxDepth)
	}
	if n.Kind == JSONArray {
		return n.list(depth + 1)
	}
	return n.mapping(depth + 1)
}

func (n *JSONNode) list(depth int) (Value, error) {
	elems := make([]Value, len(n.Items))
	for i := range n.Items {
		v, err := n.Items[i].value(depth)
		if err != nil {
			return Value{}, err
		}
		elems[i] = v
	}
	return List(elems...), nil
}

func (n *JSONNode) mapping(depth int) (Value, error) {
	entries := make([]Entry, len(n.Items))
	for i := range n.Items {
		v, err := n.Items[i].value(depth)
		if err != nil {
			return Value{}, err
		}
		entries[i] = Entry{Key: n.Keys[i].Text, Value: v}
	}
	v := Map(entries...)
	if reserved(v.entries()) {
		return Value{}, faultf(n.Offset, Reserved, `a map that looks like {"/": …} but is no link and no bytes`)
	}
	return v, nil
}

// special is the link or bytes that n, the value under the only key "/",
// stands for.
func (n *JSONNode) special() (Value, error) {
	if n.Kind == JSONString {
		link, err := ParseLink(n.Text)
		if err != nil {
			return Value{}, faultf(n.Offset, BadLink, "%v", err)
		}
		return LinkValue(link), nil
	}
	if n.Kind != JSONObject || len(n.Keys) != 1 || n.Keys[0].Text != "bytes" || n.Items[0].Kind != JSONString {
		return Value{}, faultf(n.Offset, Reserved, `a map with the only key "/" that holds neither a CID nor {"bytes": …}`)
	}
	content := &n.Items[0]
	if strings.ContainsAny(content.Text, "\r\n") { // which encoding/base64 skips
		return Value{}, faultf(content.Offset, BadBytes, "a line break in base64")
	}
	b, err := base64.RawStdEncoding.Strict().DecodeString(content.Text)
	if err != nil {
		return Value{}, faultf(content.Offset, BadBytes, "not base64 without padding: %v", err)
	}
	return Bytes(b), nil
}

// Number reads a number written as JSON writes it (RFC 8259, section 6): with
// a "." or an exponent it is a float and must be finite, else an integer from
// −2^63 to 2^64−1.
func Number(literal string) (Value, error) {
	if n := numberLen(literal); n == 0 || n != len(literal) {
		return Value{}, fmt.Errorf("%.40q is not a number", literal)
	}
	if numberClass(literal) == NotFinite {
		f, err := strconv.ParseFloat(literal, 64)
		if err != nil {
			return Value{}, fmt.Errorf("%.40s is beyond the range of a float", literal)
		}
		return Float(f), nil
	}
	if literal[0] == '-' {
		if i, err := strconv.ParseInt(literal, 10, 64); err == nil {
			return Int(i), nil
		}
	} else if u, err := strconv.ParseUint(literal, 10, 64); err == nil {
		return Uint(u), nil
	}
	return Value{}, fmt.Errorf("the integer %.40s is outside −2^63…2^64−1", literal)
}

// numberClass is what may be wrong with a well-formed number.
func numberClass(literal string) Class {
	if strings.ContainsAny(literal, ".eE") {
		return NotFinite
	}
	return IntegerRange
}
