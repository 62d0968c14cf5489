package wasi

import (
	"math"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// The types that the interfaces of WASI 0.2 share.
var (
	boolType   = &wit.Type{Kind: wit.Bool}
	u8Type     = &wit.Type{Kind: wit.U8}
	u32Type    = &wit.Type{Kind: wit.U32}
	s32Type    = &wit.Type{Kind: wit.S32}
	u64Type    = &wit.Type{Kind: wit.U64}
	stringType = &wit.Type{Kind: wit.StringKind}
	bytesType  = listOf(u8Type)

	datetimeType = recordOf(field("seconds", u64Type), field("nanoseconds", u32Type))
)

func field(name string, t *wit.Type) wit.Field { return wit.Field{Name: name, Type: t} }

func listOf(t *wit.Type) *wit.Type           { return &wit.Type{Kind: wit.List, Elem: t} }
func optionOf(t *wit.Type) *wit.Type         { return &wit.Type{Kind: wit.Option, Elem: t} }
func tupleOf(items ...*wit.Type) *wit.Type   { return &wit.Type{Kind: wit.Tuple, Items: items} }
func resultOf(ok, err *wit.Type) *wit.Type   { return &wit.Type{Kind: wit.Result, Elem: ok, Err: err} }
func recordOf(fields ...wit.Field) *wit.Type { return &wit.Type{Kind: wit.Record, Fields: fields} }
func variantOf(cases ...wit.Field) *wit.Type { return &wit.Type{Kind: wit.Variant, Fields: cases} }
func enumOf(names ...string) *wit.Type       { return &wit.Type{Kind: wit.Enum, Names: names} }
func flagsOf(names ...string) *wit.Type      { return &wit.Type{Kind: wit.Flags, Names: names} }

// ownOf and borrowOf are the handles of a resource.
func ownOf(resource string) *wit.Type {
	return &wit.Type{Kind: wit.Resource, Names: []string{resource}}
}

func borrowOf(resource string) *wit.Type {
	return &wit.Type{Kind: wit.Resource, Names: []string{resource}, Borrow: true}
}

// fits tells whether v is a value of type t in canonical form. A nil t takes
// null only. Whether a handle is known is not asked.
func fits(t *wit.Type, v ipld.Value) bool {
	if t == nil {
		return v.IsNull()
	}
	switch t.Kind {
	case wit.Bool:
		return v.Kind() == ipld.KindBool
	case wit.U8:
		return upTo(v, math.MaxUint8)
	case wit.U32, wit.Resource:
		return upTo(v, math.MaxUint32)
	case wit.U64:
		return upTo(v, math.MaxUint64)
	case wit.StringKind:
		s, ok := v.AsString()
		return ok && utf8.ValidString(s)
	case wit.List:
		return fitsList(t.Elem, v)
	case wit.Option:
		return v.IsNull() || fits(t.Elem, v)
	case wit.Record:
		return fitsRecord(t.Fields, v)
	case wit.Variant:
		return fitsVariant(t.Fields, v)
	case wit.Enum:
		return named(t.Names, v)
	case wit.Flags:
		return fitsFlags(t.Names, v)
	case wit.Result:
		e, ok := v.Sole()
		return ok && (e.Key == "ok" && fits(t.Elem, e.Value) || e.Key == "error" && fits(t.Err, e.Value))
	}
	return false // no parameter of WASI 0.2 has another type
}

func upTo(v ipld.Value, most uint64) bool {
	u, ok := v.AsUint64()
	return ok && u <= most
}

func fitsList(elem *wit.Type, v ipld.Value) bool {
	if elem.Kind == wit.U8 {
		return v.Kind() == ipld.KindBytes
	}
	for _, e := range v.Elems() {
		if !fits(elem, e) {
			return false
		}
	}
	return v.Kind() == ipld.KindList
}

func fitsRecord(fields []wit.Field, v ipld.Value) bool {
	for _, f := range fields {
		if e, ok := v.Lookup(f.Name); !ok || !fits(f.Type, e) {
			return false
		}
	}
	return v.Len() == len(fields)
}

func fitsVariant(cases []wit.Field, v ipld.Value) bool {
	name, plain := v.AsString()
	e, _ := v.Sole()
	for _, c := range cases {
		switch {
		case plain && c.Name == name:
			return c.Type == nil
		case !plain && c.Name == e.Key:
			return c.Type != nil && fits(c.Type, e.Value)
		}
	}
	return false
}

func fitsFlags(names []string, v ipld.Value) bool {
	for _, e := range v.Elems() {
		if !named(names, e) {
			return false
		}
	}
	return v.Kind() == ipld.KindList
}

// named tells whether v is one of names.
func named(names []string, v ipld.Value) bool {
	s, ok := v.AsString()
	if !ok {
		return false
	}
	for _, n := range names {
		if n == s {
			return true
		}
	}
	return false
}
