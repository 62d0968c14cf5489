package rpc

import (
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// object is a map on its way to the wire. A field that has its zero value is
// left out.
type object []ipld.Entry

func (o *object) value(key string, v ipld.Value) { *o = append(*o, ipld.Entry{Key: key, Value: v}) }

// text adds a string, or its bytes where it is not UTF-8: what functions log
// and how they fail is not always.
func (o *object) text(key, s string) {
	switch {
	case s == "":
	case utf8.ValidString(s):
		o.value(key, ipld.String(s))
	default:
		o.value(key, ipld.BytesString(s))
	}
}

func (o *object) uint(key string, n uint64) {
	if n != 0 {
		o.value(key, ipld.Uint(n))
	}
}

func (o *object) int(key string, n int64) {
	if n != 0 {
		o.value(key, ipld.Int(n))
	}
}

func (o *object) bool(key string, b bool) {
	if b {
		o.value(key, ipld.Bool(b))
	}
}

func (o *object) link(key string, l ipld.Link) {
	if l.Defined() {
		o.value(key, ipld.LinkValue(l))
	}
}

// time adds a point in time, to the nanosecond, in UTC.
func (o *object) time(key string, t time.Time) {
	if !t.IsZero() {
		o.value(key, ipld.String(t.UTC().Format(time.RFC3339Nano)))
	}
}

func (o object) done() ipld.Value { return ipld.Map(o...) }

// fields reads a map from the wire. A field that is absent has its zero value.
// The first thing wrong is kept for end to return.
type fields struct {
	v     ipld.Value
	taken int
	err   error
}

func fieldsOf(v ipld.Value) *fields {
	f := &fields{v: v}
	if v.Kind() != ipld.KindMap {
		f.err = fmt.Errorf("a %s, not a map", v.Kind())
	}
	return f
}

// value takes the field key, and tells whether it is there.
func (f *fields) value(key string) (ipld.Value, bool) {
	v, ok := f.v.Lookup(key)
	if ok {
		f.taken++
	}
	return v, ok
}

// fail notes that field key is at fault.
func (f *fields) fail(key string, err error) {
	if f.err == nil && err != nil {
		f.err = fmt.Errorf("%s: %w", key, err)
	}
}

// take reads field key, if it is there, with read.
func take[T any](f *fields, key, want string, read func(ipld.Value) (T, bool)) (out T) {
	v, ok := f.value(key)
	if !ok {
		return out
	}
	if out, ok = read(v); !ok {
		f.fail(key, fmt.Errorf("a %s, not %s", v.Kind(), want))
	}
	return out
}

func (f *fields) text(key string) string { return take(f, key, "text", asText) }

func asText(v ipld.Value) (string, bool) {
	if s, ok := v.AsString(); ok {
		return s, true
	}
	return v.AsBytes()
}

func (f *fields) uint(key string) uint64 { return take(f, key, "a whole number", ipld.Value.AsUint64) }

func (f *fields) int(key string) int64 { return take(f, key, "a whole number", ipld.Value.AsInt64) }

func (f *fields) bool(key string) bool {
	return take(f, key, "a bool", func(v ipld.Value) (bool, bool) { return v.AsBool() })
}

func (f *fields) link(key string) ipld.Link { return take(f, key, "a link", ipld.Value.AsLink) }

func (f *fields) bytes(key string) []byte {
	return []byte(take(f, key, "bytes", ipld.Value.AsBytes))
}

func (f *fields) list(key string) []ipld.Value {
	return take(f, key, "a list", func(v ipld.Value) ([]ipld.Value, bool) { return v.Elems(), v.Kind() == ipld.KindList })
}

func (f *fields) time(key string) time.Time {
	s := take(f, key, "a time", ipld.Value.AsString)
	if s == "" {
		return time.Time{}
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	f.fail(key, err)
	return t.Local()
}

// end is what was wrong with the map, a field that nobody asked for included.
func (f *fields) end() error {
	if f.err == nil && f.taken != f.v.Len() {
		return fmt.Errorf("%d fields that are not known here", f.v.Len()-f.taken)
	}
	return f.err
}
