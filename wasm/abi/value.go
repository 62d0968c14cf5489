package abi

import (
	"math"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// intBits are the widths of the integer types.
var intBits = [...]uint{wit.S8: 8, wit.U8: 8, wit.S16: 16, wit.U16: 16, wit.S32: 32, wit.U32: 32, wit.S64: 64, wit.U64: 64}

// bits is a value of a type that is one core value.
func (t *typ) bits(v ipld.Value) (uint64, error) {
	switch t.Kind {
	case wit.Bool:
		if b, ok := v.AsBool(); ok {
			return flag(b), nil
		}
	case wit.S8, wit.S16, wit.S32, wit.S64:
		i, ok := v.AsInt64()
		if bits := intBits[t.Kind]; ok && i >= -1<<(bits-1) && i <= 1<<(bits-1)-1 {
			return uint64(i), nil
		}
	case wit.U8, wit.U16, wit.U32, wit.U64:
		if u, ok := v.AsUint64(); ok && u <= math.MaxUint64>>(64-intBits[t.Kind]) {
			return u, nil
		}
	case wit.Resource:
		if u, ok := v.AsUint64(); ok && u <= math.MaxUint32 {
			return u, nil
		}
	case wit.F32, wit.F64:
		return t.floatBits(v)
	case wit.Char:
		s, _ := v.AsString()
		if r, n := utf8.DecodeRuneInString(s); n > 0 && n == len(s) && utf8.ValidString(s) {
			return uint64(r), nil
		}
	case wit.Enum:
		s, ok := v.AsString()
		if i := slices.Index(t.Names, s); ok && i >= 0 {
			return uint64(i), nil
		}
	case wit.Flags:
		return t.flagBits(v)
	}
	return 0, mismatch(t.Type, v)
}

func (t *typ) floatBits(v ipld.Value) (uint64, error) {
	f, ok := v.AsFloat()
	if !ok || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, mismatch(t.Type, v)
	}
	if t.Kind == wit.F64 {
		return math.Float64bits(f), nil
	}
	if math.IsInf(float64(float32(f)), 0) {
		return 0, mismatch(t.Type, v)
	}
	return uint64(math.Float32bits(float32(f))), nil
}

// flagBits takes names in the order in which they are declared.
func (t *typ) flagBits(v ipld.Value) (uint64, error) {
	if v.Kind() != ipld.KindList {
		return 0, mismatch(t.Type, v)
	}
	var bits uint64
	next := 0
	for _, e := range v.Elems() {
		s, ok := e.AsString()
		i := slices.Index(t.Names[next:], s)
		if !ok || i < 0 { // unknown, given twice, or out of order
			return 0, mismatch(t.Type, v)
		}
		bits |= 1 << (next + i)
		next += i + 1
	}
	return bits, nil
}

// field is the part of v for the field or item i of t.
func (t *typ) field(v ipld.Value, i int) (ipld.Value, error) {
	if t.Kind == wit.Tuple {
		if v.Kind() != ipld.KindList || v.Len() != len(t.parts) {
			return v, mismatch(t.Type, v)
		}
		return v.Elems()[i], nil
	}
	e, ok := v.Lookup(t.parts[i].name)
	if !ok || v.Len() != len(t.parts) {
		return v, mismatch(t.Type, v)
	}
	return e, nil
}

// choose is the case that v is, and its payload.
func (t *typ) choose(v ipld.Value) (int, ipld.Value, error) {
	if t.Kind == wit.Option {
		return t.optional(v)
	}
	name, bare := v.AsString()
	var payload ipld.Value
	if e, ok := v.Sole(); ok {
		name, payload = e.Key, e.Value
	} else if !bare {
		return 0, v, mismatch(t.Type, v)
	}
	for i, p := range t.parts {
		if p.name != name {
			continue
		}
		switch {
		case t.Kind == wit.Result && !bare && (p.typ != nil || payload.IsNull()),
			t.Kind == wit.Variant && bare == (p.typ == nil):
			return i, payload, nil
		}
	}
	return 0, v, mismatch(t.Type, v)
}

func (t *typ) optional(v ipld.Value) (int, ipld.Value, error) {
	if v.IsNull() {
		return 0, v, nil
	}
	if t.elem.Kind != wit.Option {
		return 1, v, nil
	}
	e, ok := v.Sole()
	if !ok || e.Key != "some" {
		return 0, v, mismatch(t.Type, v)
	}
	return 1, e.Value, nil
}

// step is the name of the part i within a path.
func (t *typ) step(i int) string {
	if t.Kind == wit.Tuple {
		return strconv.Itoa(i)
	}
	return t.parts[i].name
}

// caseStep is the name of a case within a path. The payload of an option
// stands where the option does, unless options are nested.
func (t *typ) caseStep(i int) string {
	if t.Kind == wit.Option && t.elem.Kind != wit.Option {
		return ""
	}
	return t.parts[i].name
}

// under puts a fault one step further down.
func under(err error, step string) error {
	if f, ok := err.(*wit.Fault); ok && step != "" { //nolint:errorlint // made here
		f.Path = "/" + step + f.Path
	}
	return err
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

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Shortest is the float64 that reads as the shortest decimal of g: 0.1 for
// the f32 nearest to it. Where that is nearer to another f32, as for 0x15ae43fd,
// it is g itself: a guest must get back what a guest gave.
func Shortest(g float32) float64 {
	var digits [32]byte
	f, err := strconv.ParseFloat(string(strconv.AppendFloat(digits[:0], float64(g), 'g', -1, 32)), 64)
	if err != nil || float32(f) != g {
		return float64(g)
	}
	return f
}
