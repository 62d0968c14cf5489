package ipld

import (
	"fmt"
	"strconv"
)

// Class is the class of a fault in encoded data. The list is closed.
type Class string

// The classes of faults that readers of this package report.
const (
	Truncated    Class = "truncated"     // the data ends inside an item
	Trailing     Class = "trailing"      // bytes follow the item
	NotMinimal   Class = "not-minimal"   // an integer or length could be shorter
	Indefinite   Class = "indefinite"    // an indefinite length, or a stray break
	Unsorted     Class = "unsorted"      // map keys out of canonical order
	Duplicate    Class = "duplicate"     // a map key given twice
	KeyKind      Class = "key-kind"      // a map key that is not text
	BadUTF8      Class = "utf-8"         // text that is not UTF-8, or half a surrogate pair
	FloatWidth   Class = "float-width"   // a float of 16 or 32 bits
	NotFinite    Class = "not-finite"    // NaN or an infinity
	IntegerRange Class = "integer-range" // an integer outside −2^63…2^64−1
	BadTag       Class = "tag"           // a tag other than 42
	BadLink      Class = "link"          // tag 42 or {"/": …} without a CID in it
	BadBytes     Class = "bytes"         // {"/": {"bytes": …}} without base64 in it
	Simple       Class = "simple"        // a simple value that is not false, true or null
	Reserved     Class = "reserved"      // a head or a DAG-JSON map with no meaning
	Syntax       Class = "syntax"        // text that is not JSON
	TooDeep      Class = "depth"         // more nested lists and maps than the limit
	TooLong      Class = "length"        // more bytes than the limit
	TooMany      Class = "items"         // more items than the limit
)

// A SyntaxError is a fault in encoded data. Every error of [DecodeCBOR],
// [CheckCBOR], [DecodeJSON] and [ParseJSON] has one in its chain.
type SyntaxError struct {
	Offset int    // where in the data, in bytes from 0
	Class  Class  // what sort of fault
	Msg    string // for people
}

// Error is "offset N: message".
func (e *SyntaxError) Error() string { return "offset " + strconv.Itoa(e.Offset) + ": " + e.Msg }

func faultf(offset int, class Class, format string, args ...any) *SyntaxError {
	return &SyntaxError{Offset: offset, Class: class, Msg: fmt.Sprintf(format, args...)}
}

// SyntaxErrors are two or more faults found in one text, in order. Only
// [ParseJSON] and [DecodeJSON] return it, for duplicate keys.
type SyntaxErrors []*SyntaxError

// Error is the first fault and how many more there are.
func (e SyntaxErrors) Error() string {
	return fmt.Sprintf("%v (and %d more)", e[0], len(e)-1)
}

// Unwrap lets [errors.As] find the first fault.
func (e SyntaxErrors) Unwrap() []error {
	out := make([]error, len(e))
	for i, fault := range e {
		out[i] = fault
	}
	return out
}

// MaxDepth is how many lists and maps may be nested in a value that is encoded
// or decoded. A scalar has depth 0, [] has depth 1, [[]] has depth 2.
const MaxDepth = 256

// Limits bound what a reader accepts, before memory is spent on it. A field
// that is zero has its value from [DefaultLimits].
type Limits struct {
	Depth int // nested lists and maps; never more than MaxDepth
	Bytes int // length of the encoded data, in bytes
	Items int // values, and keys of maps, in all
}

// DefaultLimits are the limits of [DecodeCBOR] and [DecodeJSON].
//
// A value decoded from CBOR takes a copy of its encoding and at most 24 bytes
// per item, so never more than 25 times its encoding; one from JSON passes
// through a tree of about 100 bytes per item. Readers of what strangers send
// set lower limits.
var DefaultLimits = Limits{Depth: MaxDepth, Bytes: 64 << 20, Items: 8 << 20}

func (l Limits) filled() Limits {
	if l.Depth == 0 || l.Depth > MaxDepth {
		l.Depth = MaxDepth
	}
	if l.Bytes == 0 {
		l.Bytes = DefaultLimits.Bytes
	}
	if l.Items == 0 {
		l.Items = DefaultLimits.Items
	}
	return l
}
