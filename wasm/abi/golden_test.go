package abi

import (
	"errors"
	goflag "flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

var update = goflag.Bool("update", false, "rewrite the vectors in testdata")

// fakeGuest is a memory of 64 KiB and an allocator that never frees and keeps
// an account.
type fakeGuest struct {
	mem   []byte
	free  uint32
	calls strings.Builder
}

func newFakeGuest() *fakeGuest { return &fakeGuest{mem: make([]byte, 64<<10), free: 16} }

func (g *fakeGuest) Memory() []byte { return g.mem }

func (g *fakeGuest) Realloc(old, oldSize, align, size uint32) (uint32, error) {
	at := alignUp(g.free, align)
	fmt.Fprintf(&g.calls, "realloc(%d, %d, %d, %d) = %d\n", old, oldSize, align, size, at)
	if uint64(at)+uint64(size) > uint64(len(g.mem)) {
		return 0, errors.New("no memory left")
	}
	g.free = at + size
	copy(g.mem[at:][:size], g.mem[old:][:min(oldSize, size)])
	return at, nil
}

// dump is the memory that was given out, in hexadecimal.
func (g *fakeGuest) dump() string {
	var b strings.Builder
	for at := uint32(16); at < g.free; at += 16 {
		fmt.Fprintf(&b, "%04x  % x\n", at, g.mem[at:min(at+16, g.free)])
	}
	return b.String()
}

// vectors are values of one type each and how they cross.
var vectors = []struct {
	name     string
	typ      *wit.Type
	value    string // DAG-JSON
	encoding Encoding
}{
	{"s8", of(wit.S8), `-1`, UTF8},
	{"s64", of(wit.S64), `-2`, UTF8},
	{"u64", of(wit.U64), `18446744073709551615`, UTF8},
	{"f32", of(wit.F32), `0.1`, UTF8},
	{"f64", of(wit.F64), `-0.5`, UTF8},
	{"char", of(wit.Char), `"😀"`, UTF8},
	{"string", of(wit.StringKind), `"aä€😀"`, UTF8},
	{"string", of(wit.StringKind), `"aä€😀"`, UTF16},
	{"string", of(wit.StringKind), `"aä€😀"`, Latin1OrUTF16},
	{"string, Latin-1", of(wit.StringKind), `"aäÿ"`, Latin1OrUTF16},
	{"string, ASCII", of(wit.StringKind), `"abc"`, Latin1OrUTF16},
	{"string, ASCII", of(wit.StringKind), `"abc"`, UTF16},
	{"string, empty", of(wit.StringKind), `""`, UTF8},
	{"string, empty", of(wit.StringKind), `""`, UTF16},
	{"string, empty", of(wit.StringKind), `""`, Latin1OrUTF16},
	{"bytes", list(of(wit.U8)), `{"/":{"bytes":"AQID"}}`, UTF8},
	{"list of u16", list(of(wit.U16)), `[1,2,65535]`, UTF8},
	{"list of text", list(of(wit.StringKind)), `["a","bc",""]`, UTF8},
	{"list of lists", list(list(of(wit.U32))), `[[1],[],[2,3]]`, UTF8},
	{"empty list", list(of(wit.U64)), `[]`, UTF8},
	{"record", record(of(wit.U8), of(wit.StringKind), of(wit.U64)), `{"n0":1,"n1":"x","n2":2}`, UTF8},
	{"tuple", tuple(of(wit.Bool), of(wit.F64)), `[true,1.5]`, UTF8},
	{"17 values in memory", tuple(append(times(16, of(wit.U8)), of(wit.StringKind))...), `[0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,"end"]`, UTF8},
	{"none", option(of(wit.U64)), `null`, UTF8},
	{"some", option(of(wit.U64)), `7`, UTF8},
	{"some none", option(option(of(wit.U8))), `{"some":null}`, UTF8},
	{"ok of f32, joined with u64", result(of(wit.F32), of(wit.U64)), `{"ok":1.0}`, UTF8},
	{"error of u64", result(of(wit.F32), of(wit.U64)), `{"error":5}`, UTF8},
	{"case without a payload", variant(of(wit.StringKind), nil, of(wit.U64)), `"n1"`, UTF8},
	{"case of text, joined with u64", variant(of(wit.StringKind), nil, of(wit.U64)), `{"n0":"x"}`, UTF8},
	{"list of cases", list(variant(of(wit.U8), nil, of(wit.U32))), `[{"n0":1},"n1",{"n2":3}]`, UTF8},
	{"enum of 300", enum(300), `"n299"`, UTF8},
	{"list of enums of 300", list(enum(300)), `["n299","n0"]`, UTF8},
	{"flags", flagsOf(32), `["n0","n31"]`, UTF8},
	{"list of flags of 9", list(flagsOf(9)), `[["n8"],[],["n0","n1"]]`, UTF8},
}

// TestVectors lowers each vector and lifts it again. What crosses is in a
// golden file: core values, the calls of the allocator and the memory.
func TestVectors(t *testing.T) {
	t.Parallel()
	var got strings.Builder
	for _, v := range vectors {
		value, err := ipld.DecodeJSON([]byte(v.value))
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		f := wit.Func{Name: "f", Params: named([]*wit.Type{v.typ})}
		in, err := Lifted(f, v.encoding)
		if err != nil {
			t.Fatal(err)
		}
		g := newFakeGuest()
		flat, err := in.Lower(g, []ipld.Value{value}, nil)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if err := in.Check([]ipld.Value{value}); err != nil {
			t.Errorf("%s: %v", v.name, err)
		}
		fmt.Fprintf(&got, "# %s, %s: %s\n%s%s %x\n%s\n", v.name, [...]string{"UTF-8", "UTF-16", "Latin-1 or UTF-16"}[v.encoding], v.value, g.calls.String(), in.Core.Params, flat, g.dump())
		out, err := Lowered(f, v.encoding)
		if err != nil {
			t.Fatal(err)
		}
		if back, _, err := out.LiftParams(g, flat); err != nil || !back[0].Equal(value) {
			t.Errorf("%s: %s came back as %v, %v", v.name, v.value, back, err)
		}
	}
	path := filepath.Join("testdata", "vectors.txt")
	if *update {
		if err := os.WriteFile(path, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got.String()); diff != "" {
		t.Errorf("%s differs (-want +got):\n%s", path, diff)
	}
}

// TestResults writes what a host function returned where the guest wants it,
// and reads it as the result of a guest.
func TestResults(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		value, err := ipld.DecodeJSON([]byte(v.value))
		if err != nil {
			t.Fatal(err)
		}
		f := wit.Func{Name: "f", Result: v.typ}
		in, err := Lifted(f, v.encoding)
		if err != nil {
			t.Fatal(err)
		}
		out, err := Lowered(f, v.encoding)
		if err != nil {
			t.Fatal(err)
		}
		g := newFakeGuest()
		const at = 40_000
		flat, err := out.LowerResult(g, value, at, nil)
		if err != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
		if len(flat) == 0 {
			flat = []uint64{at}
		}
		if back, err := in.Lift(g, flat); err != nil || !back.Equal(value) {
			t.Errorf("%s: %s came back as %v, %v", v.name, v.value, back, err)
		}
	}
}

// TestMismatches has values that are none of their type, and where that is.
func TestMismatches(t *testing.T) {
	t.Parallel()
	u8, str := of(wit.U8), of(wit.StringKind)
	tests := []struct {
		typ   *wit.Type
		value ipld.Value
		path  string
	}{
		{u8, ipld.Int(256), ""},
		{of(wit.S8), ipld.Int(-129), ""},
		{of(wit.S64), ipld.Uint(1 << 63), ""},
		{of(wit.Bool), ipld.Int(1), ""},
		{of(wit.F32), ipld.Float(1e39), ""},
		{of(wit.F64), ipld.Int(1), ""},
		{of(wit.Char), ipld.String("ab"), ""},
		{of(wit.Char), ipld.String("\xff"), ""},
		{of(wit.Char), ipld.String(""), ""},
		{str, ipld.String("\xff"), ""},
		{str, ipld.Null, ""},
		{list(u8), ipld.List(ipld.Int(1)), ""},
		{list(str), ipld.List(ipld.String("a"), ipld.Int(1)), "/1"},
		{tuple(u8, u8), ipld.List(ipld.Int(1)), ""},
		{tuple(u8, u8), ipld.List(ipld.Int(1), ipld.Null), "/1"},
		{record(u8), ipld.Map(), ""},
		{record(u8), ipld.Map(ipld.Entry{Key: "n0", Value: ipld.Int(1)}, ipld.Entry{Key: "x", Value: ipld.Int(1)}), ""},
		{record(u8), ipld.Map(ipld.Entry{Key: "n0", Value: ipld.Null}), "/n0"},
		{option(option(u8)), ipld.Int(1), ""},
		{option(u8), ipld.String("x"), ""},
		{result(u8, nil), ipld.Map(ipld.Entry{Key: "ok", Value: ipld.Null}), "/ok"},
		{result(u8, nil), ipld.Map(ipld.Entry{Key: "error", Value: ipld.Int(1)}), ""},
		{variant(u8, nil), ipld.String("n0"), ""},
		{variant(u8, nil), ipld.Map(ipld.Entry{Key: "n1", Value: ipld.Null}), ""},
		{enum(2), ipld.String("n2"), ""},
		{flagsOf(3), ipld.List(ipld.String("n1"), ipld.String("n0")), ""},
		{flagsOf(3), ipld.List(ipld.String("n1"), ipld.String("n1")), ""},
	}
	for _, tt := range tests {
		f, err := Lifted(wit.Func{Name: "f", Params: named([]*wit.Type{tt.typ})}, UTF8)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.Lower(newFakeGuest(), []ipld.Value{tt.value}, nil)
		var fault *wit.Fault
		if !errors.As(err, &fault) || fault.Param != "n0" || fault.Path != tt.path {
			t.Errorf("%s: %s: %v", tt.typ, tt.value, err)
		}
		if check := f.Check([]ipld.Value{tt.value}); check == nil || check.Error() != err.Error() {
			t.Errorf("%s: %s: Check says %v", tt.typ, tt.value, check)
		}
	}
}
