package abi

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/wit"
)

func of(k wit.Kind) *wit.Type              { return &wit.Type{Kind: k} }
func list(t *wit.Type) *wit.Type           { return &wit.Type{Kind: wit.List, Elem: t} }
func option(t *wit.Type) *wit.Type         { return &wit.Type{Kind: wit.Option, Elem: t} }
func result(ok, err *wit.Type) *wit.Type   { return &wit.Type{Kind: wit.Result, Elem: ok, Err: err} }
func tuple(items ...*wit.Type) *wit.Type   { return &wit.Type{Kind: wit.Tuple, Items: items} }
func record(fields ...*wit.Type) *wit.Type { return &wit.Type{Kind: wit.Record, Fields: named(fields)} }

func variant(cases ...*wit.Type) *wit.Type { return &wit.Type{Kind: wit.Variant, Fields: named(cases)} }
func enum(n int) *wit.Type                 { return &wit.Type{Kind: wit.Enum, Names: names(n)} }
func flagsOf(n int) *wit.Type              { return &wit.Type{Kind: wit.Flags, Names: names(n)} }

func named(types []*wit.Type) []wit.Field {
	out := make([]wit.Field, len(types))
	for i, t := range types {
		out[i] = wit.Field{Name: fmt.Sprintf("n%d", i), Type: t}
	}
	return out
}

func names(n int) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("n%d", i)
	}
	return out
}

func times(n int, t *wit.Type) []*wit.Type {
	out := make([]*wit.Type, n)
	for i := range out {
		out[i] = t
	}
	return out
}

// TestLayouts has sizes, alignments, flat types and where a payload lies, as
// the specification derives them (CanonicalABI.md: alignment, elem_size,
// flatten_type).
func TestLayouts(t *testing.T) {
	t.Parallel()
	u8, u16, u32, u64, f32, f64, str := of(wit.U8), of(wit.U16), of(wit.U32), of(wit.U64), of(wit.F32), of(wit.F64), of(wit.StringKind)
	tests := []struct {
		name        string
		typ         *wit.Type
		size, align uint32
		flat        string
		payload     uint32
	}{
		{"bool", of(wit.Bool), 1, 1, "i", 0},
		{"s8", of(wit.S8), 1, 1, "i", 0},
		{"u16", u16, 2, 2, "i", 0},
		{"s32", of(wit.S32), 4, 4, "i", 0},
		{"u64", u64, 8, 8, "I", 0},
		{"f32", f32, 4, 4, "f", 0},
		{"f64", f64, 8, 8, "F", 0},
		{"char", of(wit.Char), 4, 4, "i", 0},
		{"string", str, 8, 4, "ii", 0},
		{"list<u64>", list(u64), 8, 4, "ii", 0},
		{"a handle", of(wit.Resource), 4, 4, "i", 0},
		{"tuple<u8>", tuple(u8), 1, 1, "i", 0},
		{"tuple<u8, u64, u8>", tuple(u8, u64, u8), 24, 8, "iIi", 0},
		{"tuple<u8, u16, u8, u32>", tuple(u8, u16, u8, u32), 12, 4, "iiii", 0},
		{"record {u8, string}", record(u8, str), 12, 4, "iii", 0},
		{"tuple<tuple<u8, u32>, u8>", tuple(tuple(u8, u32), u8), 12, 4, "iii", 0},
		{"option<u8>", option(u8), 2, 1, "ii", 1},
		{"option<u64>", option(u64), 16, 8, "iI", 8},
		{"option<string>", option(str), 12, 4, "iii", 4},
		{"option<option<u8>>", option(option(u8)), 3, 1, "iii", 1},
		{"option<option<u16>>", option(option(u16)), 6, 2, "iii", 2},
		{"result", result(nil, nil), 1, 1, "i", 1},
		{"result<u32>", result(u32, nil), 8, 4, "ii", 4},
		{"result<f32, u32>", result(f32, u32), 8, 4, "ii", 4},
		{"result<f32, f32>", result(f32, f32), 8, 4, "if", 4},
		{"result<f32, u64>", result(f32, u64), 16, 8, "iI", 8},
		{"result<f64, u8>", result(f64, u8), 16, 8, "iI", 8},
		{"result<f64, f64>", result(f64, f64), 16, 8, "iF", 8},
		{"result<f64, f32>", result(f64, f32), 16, 8, "iI", 8},
		{"result<string, u64>", result(str, u64), 16, 8, "iIi", 8},
		{"variant of none", variant(nil), 1, 1, "i", 1},
		{"variant {u8, none, tuple<u8, u32>}", variant(u8, nil, tuple(u8, u32)), 12, 4, "iii", 4},
		{"variant of 256", variant(append(times(255, nil), u8)...), 2, 1, "ii", 1},
		{"variant of 257", variant(append(times(256, nil), u8)...), 4, 2, "ii", 2},
		{"enum of 1", enum(1), 1, 1, "i", 1},
		{"enum of 256", enum(256), 1, 1, "i", 1},
		{"enum of 257", enum(257), 2, 2, "i", 2},
		{"enum of 65,536", enum(1 << 16), 2, 2, "i", 2},
		{"enum of 65,537", enum(1<<16 + 1), 4, 4, "i", 4},
		{"flags of 1", flagsOf(1), 1, 1, "i", 0},
		{"flags of 8", flagsOf(8), 1, 1, "i", 0},
		{"flags of 9", flagsOf(9), 2, 2, "i", 0},
		{"flags of 16", flagsOf(16), 2, 2, "i", 0},
		{"flags of 17", flagsOf(17), 4, 4, "i", 0},
		{"flags of 32", flagsOf(32), 4, 4, "i", 0},
		{"16 flat values", tuple(times(16, u8)...), 16, 1, strings.Repeat("i", 16), 0},
		{"17 flat values", tuple(times(17, u8)...), 17, 1, tooFlat, 0},
		{"an option of 16 flat values", option(tuple(times(16, u8)...)), 17, 1, tooFlat, 1},
		{"a list of 17 flat values", list(tuple(times(17, u8)...)), 8, 4, "ii", 0},
		{"17 flat values in a case", result(u8, tuple(tuple(times(17, u8)...), u64)), 40, 8, tooFlat, 8},
	}
	for _, tt := range tests {
		got := make(layouts).of(tt.typ)
		if got.size != tt.size || got.align != tt.align || got.flat != tt.flat || got.payload != tt.payload {
			t.Errorf("%s: size %d, alignment %d, flat %s, payload at %d; want %d, %d, %s, %d",
				tt.name, got.size, got.align, got.flat, got.payload, tt.size, tt.align, tt.flat, tt.payload)
		}
	}
	fields := make(layouts).of(record(u8, u64, u16, str, u8)).parts
	for i, want := range []uint32{0, 8, 16, 20, 28} {
		if fields[i].offset != want {
			t.Errorf("field %d is at %d, want %d", i, fields[i].offset, want)
		}
	}
}

// TestSignatures has core types, and what the other side must have for them.
func TestSignatures(t *testing.T) {
	t.Parallel()
	u32, u64, f64, str := of(wit.U32), of(wit.U64), of(wit.F64), of(wit.StringKind)
	tests := []struct {
		name            string
		params          []*wit.Type
		result          *wit.Type
		lifted          string
		memory, realloc bool
		lowered         string
		needs, takes    bool
	}{
		{"nothing", nil, nil, "→", false, false, "→", false, false},
		{"numbers", []*wit.Type{u32, f64}, u64, "iF→I", false, false, "iF→I", false, false},
		{"text in", []*wit.Type{str}, nil, "ii→", true, true, "ii→", true, false},
		{"text out", nil, str, "→i", true, false, "i→", true, true},
		{"text both ways", []*wit.Type{str}, str, "ii→i", true, true, "iii→", true, true},
		{"two numbers out", nil, tuple(u32, u64), "→i", true, false, "i→", true, false},
		{"one number in a tuple", nil, tuple(f64), "→F", false, false, "→F", false, false},
		{"16 numbers", times(16, u64), nil, strings.Repeat("I", 16) + "→", false, false, strings.Repeat("I", 16) + "→", false, false},
		{"17 numbers", times(17, u64), nil, "i→", true, true, "i→", true, false},
		{"17 numbers, two out", times(17, u64), tuple(u32, u32), "i→i", true, true, "ii→", true, false},
		{"text in a case", []*wit.Type{option(str)}, u32, "iii→i", true, true, "iii→i", true, false},
		{"list in a list out", nil, option(list(list(u32))), "→i", true, false, "i→", true, true},
	}
	for _, tt := range tests {
		f := wit.Func{Name: "f", Params: named(tt.params), Result: tt.result}
		in, err := Lifted(f, UTF8)
		if err != nil {
			t.Fatal(err)
		}
		if in.Core.String() != tt.lifted || in.NeedsMemory != tt.memory || in.NeedsRealloc != tt.realloc {
			t.Errorf("%s, lifted: %s, memory %v, allocator %v", tt.name, in.Core, in.NeedsMemory, in.NeedsRealloc)
		}
		out, err := Lowered(f, UTF8)
		if err != nil {
			t.Fatal(err)
		}
		if out.Core.String() != tt.lowered || out.NeedsMemory != tt.needs || out.NeedsRealloc != tt.takes {
			t.Errorf("%s, lowered: %s, memory %v, allocator %v", tt.name, out.Core, out.NeedsMemory, out.NeedsRealloc)
		}
	}
	if _, err := Lifted(wit.Func{Result: list(flagsOf(33))}, UTF8); err == nil {
		t.Error("33 flags have a way")
	}
	for _, f := range []wit.Func{{Params: named(times(17, u32))}, {Params: named([]*wit.Type{str})}, {Result: str}} {
		if _, err := Plain(f); err == nil {
			t.Errorf("%s is plain", f)
		}
	}
	if p, err := Plain(wit.Func{Params: named(times(2, f64)), Result: tuple(u32, u64)}); err != nil || p.Core.String() != "FF→iI" || p.NeedsMemory {
		t.Errorf("plain: %+v, %v", p, err)
	}
}
