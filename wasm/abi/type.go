package abi

import (
	"strings"

	"github.com/ipvm-wg/go-ipvm/wit"
)

// Signature is the type of a core function: one letter for each value, "i"
// for i32, "I" for i64, "f" for f32, "F" for f64.
type Signature struct{ Params, Results string }

func (s Signature) String() string { return s.Params + "→" + s.Results }

// Bounds of the canonical ABI: functions with more flat values pass a pointer.
const (
	MaxFlatParams  = 16
	MaxFlatResults = 1
)

// tooFlat is the flat form of a type with more values than ever count.
const tooFlat = "…"

// typ is a value type with its layout.
type typ struct {
	*wit.Type
	size, align uint32
	flat        string // core values, tooFlat when more than MaxFlatParams
	elem        *typ   // of a list; the payload of an option
	parts       []part // fields, items or cases
	payload     uint32 // offset of a case's payload
	tag         uint32 // size of a case's number
	cost        int    // what one value counts at least, see [Lift]
}

// part is a field of a record, an item of a tuple or a case of a variant,
// where a nil typ means no payload.
type part struct {
	name string
	*typ
	offset uint32
}

// layouts makes each type once.
type layouts map[*wit.Type]*typ

func (l layouts) of(t *wit.Type) *typ {
	if t == nil {
		return nil
	}
	if known, ok := l[t]; ok {
		return known
	}
	out := l.make(t)
	l[t] = out
	return out
}

// scalar is the layout of the types that are one core value.
var scalar = map[wit.Kind]struct {
	size uint32
	flat string
}{
	wit.Bool: {1, "i"}, wit.S8: {1, "i"}, wit.U8: {1, "i"}, wit.S16: {2, "i"}, wit.U16: {2, "i"},
	wit.S32: {4, "i"}, wit.U32: {4, "i"}, wit.S64: {8, "I"}, wit.U64: {8, "I"},
	wit.F32: {4, "f"}, wit.F64: {8, "F"}, wit.Char: {4, "i"}, wit.Resource: {4, "i"},
}

func (l layouts) make(t *wit.Type) *typ {
	out := &typ{Type: t, cost: valueCost}
	if s, ok := scalar[t.Kind]; ok {
		out.size, out.align, out.flat = s.size, s.size, s.flat
		return out
	}
	switch t.Kind {
	case wit.StringKind, wit.List:
		out.size, out.align, out.flat = 8, 4, "ii"
		out.elem = l.of(t.Elem)
	case wit.Record:
		for _, f := range t.Fields {
			out.parts = append(out.parts, part{name: f.Name, typ: l.of(f.Type)})
		}
		out.product()
	case wit.Tuple:
		for _, item := range t.Items {
			out.parts = append(out.parts, part{typ: l.of(item)})
		}
		out.product()
	case wit.Enum:
		out.parts = make([]part, len(t.Names))
		out.sum()
	case wit.Flags:
		out.size = flagBytes(len(t.Names))
		out.align, out.flat = out.size, "i"
	default:
		l.cases(out)
	}
	return out
}

// cases lays out a variant, option or result, which are variants all.
func (l layouts) cases(out *typ) {
	t := out.Type
	switch t.Kind {
	case wit.Option:
		out.elem = l.of(t.Elem)
		out.parts = []part{{name: "none"}, {name: "some", typ: out.elem}}
	case wit.Result:
		out.parts = []part{{name: "ok", typ: l.of(t.Elem)}, {name: "error", typ: l.of(t.Err)}}
	case wit.Variant:
		for _, f := range t.Fields {
			out.parts = append(out.parts, part{name: f.Name, typ: l.of(f.Type)})
		}
	}
	out.sum()
}

// product lays out parts one after the other.
func (t *typ) product() {
	t.align = 1
	for i := range t.parts {
		p := &t.parts[i]
		p.offset = alignUp(t.size, p.align)
		t.size = p.offset + p.typ.size
		t.align = max(t.align, p.typ.align)
		t.flat = cutFlat(t.flat + p.flat)
	}
	t.size = alignUp(t.size, t.align)
}

// sum lays out parts in one place, behind a number that tells which it is.
func (t *typ) sum() {
	t.tag = tagBytes(len(t.parts))
	t.align = t.tag
	var largest uint32
	var flat string
	for _, p := range t.parts {
		if p.typ == nil {
			continue
		}
		t.align = max(t.align, p.typ.align)
		t.payload = max(t.payload, p.typ.align)
		largest = max(largest, p.typ.size)
		flat = join(flat, p.flat)
	}
	t.payload = alignUp(t.tag, max(t.payload, 1))
	t.size = alignUp(t.payload+largest, t.align)
	t.flat = cutFlat("i" + flat)
}

// join is the flat form that can hold either of a and b.
func join(a, b string) string {
	if len(a) < len(b) {
		a, b = b, a
	}
	out := []byte(a)
	if a == tooFlat || b == tooFlat {
		return tooFlat
	}
	for i := range len(b) {
		switch {
		case a[i] == b[i]:
		case strings.IndexByte("if", a[i]) >= 0 && strings.IndexByte("if", b[i]) >= 0:
			out[i] = 'i'
		default:
			out[i] = 'I'
		}
	}
	return string(out)
}

// cutFlat keeps flat forms from growing past what counts. tooFlat is longer
// than no bound, and whatever holds a part that is too flat is so too.
func cutFlat(flat string) string {
	if len(flat) > MaxFlatParams || strings.Contains(flat, tooFlat) {
		return tooFlat
	}
	return flat
}

func alignUp(n, align uint32) uint32 { return (n + align - 1) &^ (align - 1) }

func tagBytes(cases int) uint32 {
	switch {
	case cases <= 1<<8:
		return 1
	case cases <= 1<<16:
		return 2
	}
	return 4
}

func flagBytes(flags int) uint32 {
	switch {
	case flags <= 8:
		return 1
	case flags <= 16:
		return 2
	}
	return 4
}
