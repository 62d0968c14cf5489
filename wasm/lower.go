package wasm

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Values cross the language border as flat little-endian bytes: a kind, then
// its payload. Counts and lengths are 32 bits. value.c has the same list.
const (
	wireBool    = 0
	wireS8      = 1
	wireU8      = 2
	wireS16     = 3
	wireU16     = 4
	wireS32     = 5
	wireU32     = 6
	wireS64     = 7
	wireU64     = 8
	wireF32     = 9
	wireF64     = 10
	wireChar    = 11
	wireString  = 12
	wireList    = 13 // count, values
	wireRecord  = 14 // count, to the guest (name, value)…, from it value…
	wireTuple   = 15 // count, values
	wireVariant = 16 // name, has, value
	wireEnum    = 17 // name
	wireOption  = 18 // has, value
	wireResult  = 19 // is ok, has, value
	wireFlags   = 20 // count, names
	wireBytes   = 0x40
)

// engineValue is the size of one value as the engine holds it, in bytes.
const engineValue = 32

// lowerer writes arguments. It is the last gate before the engine, which
// aborts the process on text that is not UTF-8 and on chars that are none: it
// trusts nothing of what it is given.
type lowerer struct {
	buf  []byte
	cost int // what the engine will need for the values so far
}

// lower appends v as a value of type t.
func (l *lowerer) lower(t *wit.Type, v ipld.Value) error {
	if l.cost += engineValue; l.cost > MaxValueBytes {
		return tooLarge("arguments")
	}
	switch t.Kind {
	case wit.Bool:
		b, ok := v.AsBool()
		if !ok {
			return mismatch(t, v)
		}
		l.buf = append(l.buf, wireBool, flag(b))
		return nil
	case wit.S8, wit.S16, wit.S32, wit.S64:
		return l.signed(t, v)
	case wit.U8, wit.U16, wit.U32, wit.U64:
		return l.unsigned(t, v)
	case wit.F32, wit.F64:
		return l.float(t, v)
	case wit.Char, wit.StringKind, wit.Enum:
		return l.textual(t, v)
	case wit.List:
		return l.list(t, v)
	case wit.Record:
		return l.record(t, v)
	case wit.Tuple:
		return l.tuple(t, v)
	case wit.Variant:
		return l.variant(t, v)
	case wit.Option:
		return l.option(t, v)
	case wit.Result:
		return l.result(t, v)
	case wit.Flags:
		return l.flags(t, v)
	}
	return &wit.Fault{Msg: "handles of resources can not be passed"}
}

var intBits = [...]uint{wit.S8: 8, wit.U8: 8, wit.S16: 16, wit.U16: 16, wit.S32: 32, wit.U32: 32, wit.S64: 64, wit.U64: 64}

var intKinds = [...]byte{
	wit.S8: wireS8, wit.U8: wireU8, wit.S16: wireS16, wit.U16: wireU16,
	wit.S32: wireS32, wit.U32: wireU32, wit.S64: wireS64, wit.U64: wireU64,
}

func (l *lowerer) signed(t *wit.Type, v ipld.Value) error {
	i, ok := v.AsInt64()
	bits := intBits[t.Kind]
	if !ok || i < -1<<(bits-1) || i > 1<<(bits-1)-1 {
		return mismatch(t, v)
	}
	l.integer(intKinds[t.Kind], uint64(i), bits)
	return nil
}

func (l *lowerer) unsigned(t *wit.Type, v ipld.Value) error {
	u, ok := v.AsUint64()
	bits := intBits[t.Kind]
	if !ok || u > math.MaxUint64>>(64-bits) {
		return mismatch(t, v)
	}
	l.integer(intKinds[t.Kind], u, bits)
	return nil
}

func (l *lowerer) integer(kind byte, u uint64, bits uint) {
	l.buf = append(l.buf, kind)
	for ; bits > 0; bits -= 8 {
		l.buf = append(l.buf, byte(u))
		u >>= 8
	}
}

func (l *lowerer) float(t *wit.Type, v ipld.Value) error {
	f, ok := v.AsFloat()
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return mismatch(t, v)
	}
	if t.Kind == wit.F64 {
		l.integer(wireF64, math.Float64bits(f), 64)
		return nil
	}
	g := float32(f)
	if math.IsInf(float64(g), 0) {
		return mismatch(t, v)
	}
	l.integer(wireF32, uint64(math.Float32bits(g)), 32)
	return nil
}

func (l *lowerer) textual(t *wit.Type, v ipld.Value) error {
	s, ok := v.AsString()
	if !ok || !utf8.ValidString(s) {
		return mismatch(t, v)
	}
	switch t.Kind {
	case wit.Char:
		r, n := utf8.DecodeRuneInString(s)
		if n == 0 || n != len(s) {
			return mismatch(t, v)
		}
		l.integer(wireChar, uint64(r), 32)
		return nil
	case wit.Enum:
		for _, name := range t.Names {
			if name == s {
				return l.text(wireEnum, s)
			}
		}
		return mismatch(t, v)
	}
	return l.text(wireString, s)
}

func (l *lowerer) text(kind byte, s string) error {
	l.buf = append(l.buf, kind)
	return l.name(s)
}

func (l *lowerer) name(s string) error {
	if l.cost += len(s); l.cost > MaxValueBytes {
		return tooLarge("arguments")
	}
	l.buf = binary.LittleEndian.AppendUint32(l.buf, uint32(len(s)))
	l.buf = append(l.buf, s...)
	return nil
}

func (l *lowerer) count(kind byte, n int) {
	l.buf = append(l.buf, kind)
	l.buf = binary.LittleEndian.AppendUint32(l.buf, uint32(n))
}

func (l *lowerer) list(t *wit.Type, v ipld.Value) error {
	if t.Elem.Kind == wit.U8 {
		return l.bytes(t, v)
	}
	if v.Kind() != ipld.KindList {
		return mismatch(t, v)
	}
	if v.Len() > MaxValueBytes/engineValue {
		return tooLarge("arguments")
	}
	l.count(wireList, v.Len())
	for i, e := range v.Elems() {
		if err := l.lower(t.Elem, e); err != nil {
			return under(err, strconv.Itoa(i))
		}
	}
	return nil
}

func (l *lowerer) bytes(t *wit.Type, v ipld.Value) error {
	b, ok := v.AsBytes()
	if !ok {
		return mismatch(t, v)
	}
	if len(b) > (MaxValueBytes-l.cost)/engineValue {
		return &wit.Fault{Msg: fmt.Sprintf("%d bytes are more than a call can take (%d)", len(b), MaxValueBytes/engineValue)}
	}
	l.cost += engineValue * len(b)
	l.count(wireBytes, len(b))
	l.buf = append(l.buf, b...)
	return nil
}

func (l *lowerer) record(t *wit.Type, v ipld.Value) error {
	if v.Kind() != ipld.KindMap || v.Len() != len(t.Fields) {
		return mismatch(t, v)
	}
	l.count(wireRecord, len(t.Fields))
	for _, f := range t.Fields {
		e, ok := v.Lookup(f.Name)
		if !ok {
			return mismatch(t, v)
		}
		if err := l.name(f.Name); err != nil {
			return err
		}
		if err := l.lower(f.Type, e); err != nil {
			return under(err, f.Name)
		}
	}
	return nil
}

func (l *lowerer) tuple(t *wit.Type, v ipld.Value) error {
	if v.Kind() != ipld.KindList || v.Len() != len(t.Items) {
		return mismatch(t, v)
	}
	l.count(wireTuple, len(t.Items))
	for i, e := range v.Elems() {
		if err := l.lower(t.Items[i], e); err != nil {
			return under(err, strconv.Itoa(i))
		}
	}
	return nil
}

func (l *lowerer) variant(t *wit.Type, v ipld.Value) error {
	name, bare := v.AsString()
	var payload ipld.Value
	if e, ok := v.Sole(); ok {
		name, payload = e.Key, e.Value
	} else if !bare {
		return mismatch(t, v)
	}
	for _, c := range t.Fields {
		if c.Name != name || (c.Type == nil) != bare {
			continue
		}
		if err := l.text(wireVariant, name); err != nil {
			return err
		}
		return l.payload(c.Type, name, payload)
	}
	return mismatch(t, v)
}

// payload writes the payload v of type t, or that there is none.
func (l *lowerer) payload(t *wit.Type, key string, v ipld.Value) error {
	if t == nil {
		l.buf = append(l.buf, 0)
		return nil
	}
	l.buf = append(l.buf, 1)
	if err := l.lower(t, v); err != nil {
		return under(err, key)
	}
	return nil
}

func (l *lowerer) option(t *wit.Type, v ipld.Value) error {
	if v.IsNull() {
		l.buf = append(l.buf, wireOption, 0)
		return nil
	}
	l.buf = append(l.buf, wireOption, 1)
	if t.Elem.Kind != wit.Option {
		return l.lower(t.Elem, v)
	}
	e, ok := v.Sole()
	if !ok || e.Key != "some" {
		return mismatch(t, v)
	}
	if err := l.lower(t.Elem, e.Value); err != nil {
		return under(err, "some")
	}
	return nil
}

func (l *lowerer) result(t *wit.Type, v ipld.Value) error {
	e, ok := v.Sole()
	payload := t.Elem
	if e.Key == "error" {
		payload = t.Err
	}
	if !ok || e.Key != "ok" && e.Key != "error" || payload == nil && !e.Value.IsNull() {
		return mismatch(t, v)
	}
	l.buf = append(l.buf, wireResult, flag(e.Key == "ok"))
	return l.payload(payload, e.Key, e.Value)
}

func (l *lowerer) flags(t *wit.Type, v ipld.Value) error {
	if v.Kind() != ipld.KindList || v.Len() > len(t.Names) {
		return mismatch(t, v)
	}
	l.count(wireFlags, v.Len())
	next := 0
	for _, e := range v.Elems() {
		s, ok := e.AsString()
		if !ok {
			return mismatch(t, v)
		}
		for next < len(t.Names) && t.Names[next] != s {
			next++
		}
		if next == len(t.Names) { // unknown, given twice, or out of order
			return mismatch(t, v)
		}
		next++
		if err := l.name(s); err != nil {
			return err
		}
	}
	return nil
}

func flag(b bool) byte {
	if b {
		return 1
	}
	return 0
}

func mismatch(t *wit.Type, v ipld.Value) *wit.Fault {
	got := v.Kind().String()
	if s, ok := v.AsString(); ok && !utf8.ValidString(s) {
		got = "text that is not UTF-8"
	} else if v.Kind() <= ipld.KindFloat {
		got = v.String()
	}
	return &wit.Fault{Want: t.String(), Got: got}
}

func tooLarge(what string) *wit.Fault {
	return &wit.Fault{Msg: fmt.Sprintf("%s need more than %d MiB in the engine", what, MaxValueBytes>>20)}
}

// under puts a fault one step further down.
func under(err error, step string) error {
	if f, ok := err.(*wit.Fault); ok { //nolint:errorlint // only our own faults come here
		f.Path = "/" + step + f.Path
	}
	return err
}
