package ipld

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"unsafe"
)

// Kind is the kind of a [Value].
type Kind uint8

// The kinds of the IPLD data model.
const (
	KindNull Kind = iota
	KindBool
	KindInt
	KindFloat
	KindString
	KindBytes
	KindList
	KindMap
	KindLink
)

var kindNames = [...]string{"null", "bool", "integer", "float", "string", "bytes", "list", "map", "link"}

// String is the kind's name as error messages use it.
func (k Kind) String() string {
	if int(k) < len(kindNames) {
		return kindNames[k]
	}
	return fmt.Sprintf("kind(%d)", uint8(k))
}

// Value is one immutable value of the IPLD data model. The zero Value is null.
//
// Integers range from −2^63 to 2^64−1. A Value may hold a string that is not
// UTF-8 or a float that is not finite; such a value has no encoding and
// [AppendCBOR] refuses it.
//
// A Value is three words, and making one from a string, a link or a slice
// allocates nothing. Values are compared with [Value.Equal], not ==.
type Value struct {
	_    [0]func()      // == would compare addresses
	ptr  unsafe.Pointer // of the text (string, bytes, link), elements or entries
	num  uint64         // bool, integer, float bits; else the length of what ptr holds
	kind Kind
	neg  bool // KindInt: num is the two's complement of a negative integer
}

// Entry is one key of a map and its value.
type Entry struct {
	Key   string
	Value Value
}

// Null is the null value, the same as the zero Value.
var Null = Value{}

// Bool returns b as a value.
func Bool(b bool) Value {
	if b {
		return Value{kind: KindBool, num: 1}
	}
	return Value{kind: KindBool}
}

// Int returns i as an integer value.
func Int(i int64) Value { return Value{kind: KindInt, neg: i < 0, num: uint64(i)} }

// Uint returns u as an integer value.
func Uint(u uint64) Value { return Value{kind: KindInt, num: u} }

// Float returns f as a float value. NaN and infinities have no encoding.
func Float(f float64) Value { return Value{kind: KindFloat, num: math.Float64bits(f)} }

// String returns s, which should be UTF-8, as a string value.
func String(s string) Value { return textValue(KindString, s) }

// Bytes returns a value that holds a copy of b.
func Bytes(b []byte) Value { return textValue(KindBytes, string(b)) }

// BytesString returns the bytes of s as a bytes value, without a copy.
func BytesString(s string) Value { return textValue(KindBytes, s) }

// List returns a list of elems. The caller must not change elems afterwards.
func List(elems ...Value) Value {
	return Value{kind: KindList, num: uint64(len(elems)), ptr: dataOf(elems)}
}

// LinkValue returns l as a value.
func LinkValue(l Link) Value { return textValue(KindLink, l.s) }

// Map returns a map of entries in canonical order. Where a key is given twice
// the last one counts; callers that read documents refuse such input first.
// The caller must not change entries afterwards.
func Map(entries ...Entry) Value {
	if !slices.IsSortedFunc(entries, compareEntries) {
		slices.SortStableFunc(entries, compareEntries)
	}
	out := entries[:0]
	for i, e := range entries {
		if i+1 < len(entries) && entries[i+1].Key == e.Key {
			continue
		}
		out = append(out, e)
	}
	return Value{kind: KindMap, num: uint64(len(out)), ptr: dataOf(out)}
}

// CompareKeys orders map keys as DAG-CBOR does: shorter first, then bytewise.
func CompareKeys(a, b string) int {
	if len(a) != len(b) {
		return cmp.Compare(len(a), len(b))
	}
	return strings.Compare(a, b)
}

func compareEntries(a, b Entry) int { return CompareKeys(a.Key, b.Key) }

// Kind is the kind of v.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether v is null.
func (v Value) IsNull() bool { return v.kind == KindNull }

// AsBool returns the bool in v and whether v is one.
func (v Value) AsBool() (b, ok bool) { return v.num != 0, v.kind == KindBool }

// AsInt64 returns the integer in v and whether v is one that fits int64.
func (v Value) AsInt64() (int64, bool) {
	return int64(v.num), v.kind == KindInt && (v.neg || v.num <= math.MaxInt64)
}

// AsUint64 returns the integer in v and whether v is one that fits uint64.
func (v Value) AsUint64() (uint64, bool) { return v.num, v.kind == KindInt && !v.neg }

// AsFloat returns the float in v and whether v is of kind float.
func (v Value) AsFloat() (float64, bool) { return math.Float64frombits(v.num), v.kind == KindFloat }

// AsString returns the string in v and whether v is one.
func (v Value) AsString() (string, bool) {
	if v.kind != KindString {
		return "", false
	}
	return v.text(), true
}

// AsBytes returns the bytes in v, as an immutable string, and whether v holds
// bytes.
func (v Value) AsBytes() (string, bool) {
	if v.kind != KindBytes {
		return "", false
	}
	return v.text(), true
}

// AsLink returns the link in v and whether v is one.
func (v Value) AsLink() (Link, bool) {
	if v.kind != KindLink {
		return Link{}, false
	}
	return Link{v.text()}, true
}

// Elems returns the elements of a list and nil for every other kind. The
// caller must not change them.
func (v Value) Elems() []Value {
	if v.kind != KindList {
		return nil
	}
	return v.elems()
}

// Entries returns the entries of a map in canonical order and nil for every
// other kind. The caller must not change them.
func (v Value) Entries() []Entry {
	if v.kind != KindMap {
		return nil
	}
	return v.entries()
}

// Len is the number of elements of a list, entries of a map, bytes of a string
// or of bytes, and 0 for every other kind.
func (v Value) Len() int {
	switch v.kind {
	case KindList, KindMap, KindString, KindBytes:
		return int(v.num)
	}
	return 0
}

// Lookup returns the value under key of a map and whether there is one.
func (v Value) Lookup(key string) (Value, bool) {
	entries := v.Entries()
	i, ok := slices.BinarySearchFunc(entries, key, func(e Entry, key string) int { return CompareKeys(e.Key, key) })
	if !ok {
		return Value{}, false
	}
	return entries[i].Value, true
}

// Sole returns the only entry of a map with one entry.
func (v Value) Sole() (Entry, bool) {
	entries := v.Entries()
	if len(entries) != 1 {
		return Entry{}, false
	}
	return entries[0], true
}

// Equal tells whether v and w are the same value: same kind, same content.
// 1 and 1.0 differ; −0.0 and 0.0 differ; NaN equals itself bit by bit.
func (v Value) Equal(w Value) bool {
	if v.kind != w.kind || v.num != w.num || v.neg != w.neg {
		return false // num is also the length of what ptr holds
	}
	switch v.kind {
	case KindString, KindBytes, KindLink:
		return v.text() == w.text()
	case KindList:
		return slices.EqualFunc(v.Elems(), w.Elems(), Value.Equal)
	case KindMap:
		return slices.EqualFunc(v.Entries(), w.Entries(), func(a, b Entry) bool { return a.Key == b.Key && a.Value.Equal(b.Value) })
	}
	return true
}

// String is the DAG-JSON of v, for messages; it never fails.
func (v Value) String() string {
	b, err := AppendJSON(nil, v)
	if err != nil {
		return fmt.Sprintf("!(%s: %v)", v.kind, err)
	}
	return string(b)
}

func textValue(kind Kind, s string) Value {
	return Value{kind: kind, num: uint64(len(s)), ptr: unsafe.Pointer(unsafe.StringData(s))}
}

func dataOf[T any](s []T) unsafe.Pointer { return unsafe.Pointer(unsafe.SliceData(s)) }

// text is what a string, bytes or link holds.
func (v *Value) text() string { return unsafe.String((*byte)(v.ptr), int(v.num)) }

func (v *Value) elems() []Value { return unsafe.Slice((*Value)(v.ptr), int(v.num)) }

func (v *Value) entries() []Entry { return unsafe.Slice((*Entry)(v.ptr), int(v.num)) }
