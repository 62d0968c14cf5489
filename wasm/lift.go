package wasm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wasm/abi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// errWire reports flat bytes that are not what their type says: a fault of
// this package or of the engine, never of a guest.
var errWire = errors.New("engine gave a value of another type")

// lifter reads a result. A [*wit.Fault] from it is the guest's.
type lifter struct{ buf []byte }

// liftAll reads one value that fills data.
func liftAll(t *wit.Type, data []byte) (ipld.Value, error) {
	l := lifter{data}
	v, err := l.lift(t)
	if err == nil && len(l.buf) > 0 {
		return ipld.Value{}, errWire
	}
	return v, err
}

func (l *lifter) take(n int) ([]byte, error) {
	if n < 0 || n > len(l.buf) {
		return nil, errWire
	}
	b := l.buf[:n]
	l.buf = l.buf[n:]
	return b, nil
}

func (l *lifter) byte() (byte, error) {
	b, err := l.take(1)
	if err != nil {
		return 0, err
	}
	return b[0], nil
}

func (l *lifter) count() (int, error) {
	b, err := l.take(4)
	if err != nil {
		return 0, err
	}
	n := binary.LittleEndian.Uint32(b)
	if uint64(n) > uint64(len(l.buf)) { // everything counted takes a byte at least
		return 0, errWire
	}
	return int(n), nil
}

func (l *lifter) kind(want byte) error {
	k, err := l.byte()
	if err == nil && k != want {
		err = errWire
	}
	return err
}

func (l *lifter) flag() (bool, error) {
	b, err := l.byte()
	if err == nil && b > 1 {
		err = errWire
	}
	return b == 1, err
}

// lift reads a value of type t.
func (l *lifter) lift(t *wit.Type) (ipld.Value, error) {
	switch t.Kind {
	case wit.Bool:
		if err := l.kind(wireBool); err != nil {
			return ipld.Value{}, err
		}
		b, err := l.flag()
		return ipld.Bool(b), err
	case wit.S8, wit.S16, wit.S32, wit.S64, wit.U8, wit.U16, wit.U32, wit.U64:
		return l.integer(t)
	case wit.F32, wit.F64:
		return l.float(t)
	case wit.Char:
		u, err := l.fixed(wireChar, 4)
		if err != nil || u > utf8.MaxRune || !utf8.ValidRune(rune(u)) {
			return ipld.Value{}, errWire
		}
		return ipld.String(string(rune(u))), nil
	case wit.StringKind:
		return l.text(wireString)
	case wit.Enum:
		return l.text(wireEnum)
	case wit.List:
		return l.list(t)
	case wit.Record:
		return l.record(t)
	case wit.Tuple:
		return l.tuple(t)
	case wit.Variant:
		return l.variant(t)
	case wit.Option:
		return l.option(t)
	case wit.Result:
		return l.result(t)
	case wit.Flags:
		return l.flags()
	}
	return ipld.Value{}, &wit.Fault{Msg: "handles of resources can not be returned"}
}

// fixed reads a kind and n bytes as an integer.
func (l *lifter) fixed(kind byte, n int) (uint64, error) {
	if err := l.kind(kind); err != nil {
		return 0, err
	}
	b, err := l.take(n)
	if err != nil {
		return 0, err
	}
	var u uint64
	for i := n - 1; i >= 0; i-- {
		u = u<<8 | uint64(b[i])
	}
	return u, nil
}

func (l *lifter) integer(t *wit.Type) (ipld.Value, error) {
	bits := intBits[t.Kind]
	u, err := l.fixed(intKinds[t.Kind], int(bits/8))
	if err != nil {
		return ipld.Value{}, err
	}
	switch t.Kind {
	case wit.S8, wit.S16, wit.S32, wit.S64:
		return ipld.Int(int64(u<<(64-bits)) >> (64 - bits)), nil
	}
	return ipld.Uint(u), nil
}

func (l *lifter) float(t *wit.Type) (ipld.Value, error) {
	var f float64
	if t.Kind == wit.F64 {
		u, err := l.fixed(wireF64, 8)
		if err != nil {
			return ipld.Value{}, err
		}
		f = math.Float64frombits(u)
	} else {
		u, err := l.fixed(wireF32, 4)
		if err != nil {
			return ipld.Value{}, err
		}
		f = abi.Shortest(math.Float32frombits(uint32(u)))
	}
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return ipld.Value{}, &wit.Fault{Want: "a finite " + t.String(), Got: strconv.FormatFloat(f, 'g', -1, 64), Msg: "IPLD has no such number"}
	}
	return ipld.Float(f), nil
}

func (l *lifter) text(kind byte) (ipld.Value, error) {
	if err := l.kind(kind); err != nil {
		return ipld.Value{}, err
	}
	s, err := l.name()
	return ipld.String(s), err
}

func (l *lifter) name() (string, error) {
	n, err := l.count()
	if err != nil {
		return "", err
	}
	b, err := l.take(n)
	if err != nil || !utf8.Valid(b) {
		return "", errWire
	}
	return string(b), nil
}

func (l *lifter) list(t *wit.Type) (ipld.Value, error) {
	k, err := l.byte()
	if err != nil {
		return ipld.Value{}, err
	}
	n, err := l.count()
	if err != nil {
		return ipld.Value{}, err
	}
	if t.Elem.Kind == wit.U8 {
		if k != wireBytes && (k != wireList || n != 0) {
			return ipld.Value{}, errWire
		}
		b, err := l.take(n)
		return ipld.Bytes(b), err
	}
	if k != wireList {
		return ipld.Value{}, errWire
	}
	return l.values(n, func(int) *wit.Type { return t.Elem })
}

func (l *lifter) tuple(t *wit.Type) (ipld.Value, error) {
	if err := l.kind(wireTuple); err != nil {
		return ipld.Value{}, err
	}
	n, err := l.count()
	if err != nil || n != len(t.Items) {
		return ipld.Value{}, errWire
	}
	return l.values(n, func(i int) *wit.Type { return t.Items[i] })
}

func (l *lifter) values(n int, typeOf func(int) *wit.Type) (ipld.Value, error) {
	out := make([]ipld.Value, n)
	for i := range out {
		v, err := l.lift(typeOf(i))
		if err != nil {
			return ipld.Value{}, under(err, strconv.Itoa(i))
		}
		out[i] = v
	}
	return ipld.List(out...), nil
}

func (l *lifter) record(t *wit.Type) (ipld.Value, error) {
	if err := l.kind(wireRecord); err != nil {
		return ipld.Value{}, err
	}
	n, err := l.count()
	if err != nil || n != len(t.Fields) {
		return ipld.Value{}, errWire
	}
	out := make([]ipld.Entry, n)
	for i, f := range t.Fields {
		v, err := l.lift(f.Type)
		if err != nil {
			return ipld.Value{}, under(err, f.Name)
		}
		out[i] = ipld.Entry{Key: f.Name, Value: v}
	}
	return ipld.Map(out...), nil
}

func (l *lifter) variant(t *wit.Type) (ipld.Value, error) {
	if err := l.kind(wireVariant); err != nil {
		return ipld.Value{}, err
	}
	name, err := l.name()
	if err != nil {
		return ipld.Value{}, err
	}
	for _, c := range t.Fields {
		if c.Name != name {
			continue
		}
		v, err := l.payload(c.Type, name)
		if err != nil || c.Type != nil {
			return ipld.Map(ipld.Entry{Key: name, Value: v}), err
		}
		return ipld.String(name), nil
	}
	return ipld.Value{}, fmt.Errorf("%w: case %q", errWire, name)
}

// payload reads the payload of type t, or that there is none.
func (l *lifter) payload(t *wit.Type, key string) (ipld.Value, error) {
	has, err := l.flag()
	if err != nil || has != (t != nil) {
		return ipld.Value{}, errWire
	}
	if !has {
		return ipld.Null, nil
	}
	v, err := l.lift(t)
	if err != nil {
		return ipld.Value{}, under(err, key)
	}
	return v, nil
}

func (l *lifter) option(t *wit.Type) (ipld.Value, error) {
	if err := l.kind(wireOption); err != nil {
		return ipld.Value{}, err
	}
	has, err := l.flag()
	if err != nil || !has {
		return ipld.Null, err
	}
	v, err := l.lift(t.Elem)
	if err != nil || t.Elem.Kind != wit.Option {
		return v, err
	}
	return ipld.Map(ipld.Entry{Key: "some", Value: v}), nil
}

func (l *lifter) result(t *wit.Type) (ipld.Value, error) {
	if err := l.kind(wireResult); err != nil {
		return ipld.Value{}, err
	}
	ok, err := l.flag()
	if err != nil {
		return ipld.Value{}, err
	}
	key, payload := "error", t.Err
	if ok {
		key, payload = "ok", t.Elem
	}
	v, err := l.payload(payload, key)
	return ipld.Map(ipld.Entry{Key: key, Value: v}), err
}

func (l *lifter) flags() (ipld.Value, error) {
	if err := l.kind(wireFlags); err != nil {
		return ipld.Value{}, err
	}
	n, err := l.count()
	if err != nil {
		return ipld.Value{}, err
	}
	out := make([]ipld.Value, n)
	for i := range out {
		s, err := l.name()
		if err != nil {
			return ipld.Value{}, err
		}
		out[i] = ipld.String(s)
	}
	return ipld.List(out...), nil
}
