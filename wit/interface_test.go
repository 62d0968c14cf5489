package wit

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// sample has every kind of type, and types that are shared.
func sample(t testing.TB) Interface {
	t.Helper()
	var i Interface
	for _, sig := range []string{
		"add-one(x: s32) -> s32",
		"numbers(a: s8, b: u8, c: s16, d: u16, e: u32, f: s64, g: u64, h: f32, i: f64, j: char, k: bool)",
		"demo:image/ops@1.0.0#crop(image: list<u8>, at: record {x: u32, y: u32}) -> result<list<u8>, string>",
		"demo:image/ops@1.0.0#move(image: list<u8>, at: record {x: u32, y: u32}) -> result<_, string>",
		"classify(image: option<list<u8>>) -> variant {nothing, one(string), many(list<tuple<string, f32>>)}",
		"turn(way: enum {left, right}, how: flags {smooth, fast}) -> result",
		"look(at: resource) -> resource image",
	} {
		f, err := parseFunc(sig)
		if err != nil {
			t.Fatal(err)
		}
		i.Funcs = append(i.Funcs, f)
	}
	i.Funcs[6].Params[0].Type.Names = []string{""}
	return i
}

func TestInterfaceValue(t *testing.T) {
	t.Parallel()
	i := sample(t)
	if err := i.Check(); err != nil {
		t.Fatal(err)
	}
	got, err := ipld.AppendJSON(nil, i.Value())
	if err != nil {
		t.Fatal(err)
	}
	got = append(bytes.ReplaceAll(got, []byte("},{"), []byte("},\n{")), '\n')
	const path = "testdata/interface.json"
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Error(diff)
	}
	v, err := ipld.DecodeJSON(want)
	if err != nil {
		t.Fatal(err)
	}
	back, err := ParseInterface(v)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(i, back); diff != "" {
		t.Error(diff)
	}
}

func TestParseInterfaceRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, json string }{
		{"null", `null`},
		{"empty map", `{}`},
		{"no types", `{"funcs":[]}`},
		{"extra key", `{"funcs":[],"types":[],"x":1}`},
		{"types is a map", `{"funcs":[],"types":{}}`},
		{"unused type", `{"funcs":[],"types":[{"list":"u8"}]}`},
		{"unknown primitive", `{"funcs":[{"name":"f","params":[],"result":"u9"}],"types":[]}`},
		{"empty primitive", `{"funcs":[{"name":"f","params":[],"result":""}],"types":[]}`},
		{"unknown kind", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"set":"u8"}]}`},
		{"index out of range", `{"funcs":[{"name":"f","params":[],"result":1}],"types":[{"list":"u8"}]}`},
		{"negative index", `{"funcs":[{"name":"f","params":[],"result":-1}],"types":[{"list":"u8"}]}`},
		{"forward reference", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"list":1},{"list":"u8"}]}`},
		{"reference to itself", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"list":0}]}`},
		{"same type twice", `{"funcs":[{"name":"f","params":[["a",0]],"result":1}],"types":[{"list":"u8"},{"list":"u8"}]}`},
		{"other order", `{"funcs":[{"name":"f","params":[["a",1]],"result":0}],"types":[{"list":"u8"},{"list":"s8"}]}`},
		{"list of nothing", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"list":null}]}`},
		{"tuple of nothing", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"tuple":[null]}]}`},
		{"empty tuple", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"tuple":[]}]}`},
		{"empty record", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"record":[]}]}`},
		{"empty variant", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"variant":[]}]}`},
		{"empty enum", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"enum":[]}]}`},
		{"empty flags", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"flags":[]}]}`},
		{"result with one branch", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"result":["u8"]}]}`},
		{"field without type", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"record":[["a",null]]}]}`},
		{"field without name", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"record":[["","u8"]]}]}`},
		{"field twice", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"record":[["a","u8"],["a","u8"]]}]}`},
		{"case twice", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"enum":["a","a"]}]}`},
		{"name is a number", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"enum":[1]}]}`},
		{"two keys", `{"funcs":[{"name":"f","params":[],"result":0}],"types":[{"list":"u8","option":"u8"}]}`},
		{"parameter without type", `{"funcs":[{"name":"f","params":[["a",null]],"result":null}],"types":[]}`},
		{"parameter twice", `{"funcs":[{"name":"f","params":[["a","u8"],["a","u8"]],"result":null}],"types":[]}`},
		{"params is null", `{"funcs":[{"name":"f","params":null,"result":null}],"types":[]}`},
		{"result missing", `{"funcs":[{"name":"f","params":[]}],"types":[]}`},
		{"function without name", `{"funcs":[{"name":"","params":[],"result":null}],"types":[]}`},
		{"function twice", `{"funcs":[{"name":"f","params":[],"result":null},{"name":"f","params":[],"result":null}],"types":[]}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			v, err := ipld.DecodeJSON([]byte(test.json))
			if err != nil {
				t.Fatal(err)
			}
			if i, err := ParseInterface(v); !errors.Is(err, ErrInterface) {
				t.Errorf("got %v, %v; want ErrInterface", i, err)
			}
		})
	}
}

func TestCheckBounds(t *testing.T) {
	t.Parallel()
	u8 := &Type{Kind: U8}
	nest := func(n int) *Type {
		typ := u8
		for range n {
			typ = &Type{Kind: List, Elem: typ}
		}
		return typ
	}
	// double is 2^n leaves in n types.
	double := func(n int) *Type {
		typ := u8
		for range n {
			typ = &Type{Kind: Tuple, Items: []*Type{typ, typ}}
		}
		return typ
	}
	cycle := &Type{Kind: List}
	cycle.Elem = &Type{Kind: Option, Elem: cycle}
	shared := nest(40)
	record := &Type{Kind: Record, Fields: []Field{{"a", shared}}}
	// over is typ within n lists, beside typ itself.
	over := func(typ *Type, n int) *Type {
		deep := typ
		for range n {
			deep = &Type{Kind: List, Elem: deep}
		}
		return &Type{Kind: Tuple, Items: []*Type{typ, deep}}
	}
	names := make([]string, MaxTypeSize)
	for i := range names {
		names[i] = fmt.Sprint("n", i)
	}
	for _, test := range []struct {
		name string
		typ  *Type
		ok   bool
	}{
		{"as deep as may be", nest(MaxTypeDepth - 1), true},
		{"too deep", nest(MaxTypeDepth), false},
		{"much too deep", nest(1 << 20), false},
		{"shared, as deep as may be", over(shared, MaxTypeDepth-42), true},
		{"shared, too deep", over(shared, MaxTypeDepth-41), false},
		{"shared record, as deep as may be", over(record, MaxTypeDepth-43), true},
		{"shared record, too deep", over(record, MaxTypeDepth-42), false},
		{"large", double(15), true},
		{"too large", double(16), false},
		{"much too large", double(MaxTypeDepth - 1), false},
		{"within itself", cycle, false},
		{"many names", &Type{Kind: Enum, Names: names[2:]}, true},
		{"too many names", &Type{Kind: Enum, Names: names[1:]}, false},
		{"missing", &Type{Kind: Option}, false},
		{"unknown kind", &Type{Kind: 99}, false},
		{"no kind", &Type{}, false},
		{"name not UTF-8", &Type{Kind: Enum, Names: []string{"\xff"}}, false},
		{"name too long", &Type{Kind: Enum, Names: []string{strings.Repeat("a", maxName+1)}}, false},
		{"resource with two names", &Type{Kind: Resource, Names: []string{"a", "b"}}, false},
		{"resource without name", &Type{Kind: Resource}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := Interface{Funcs: []Func{{Name: "f", Result: test.typ}}}.Check()
			if ok := err == nil; ok != test.ok || (err != nil && !errors.Is(err, ErrInterface)) {
				t.Errorf("got %v, want ok %t", err, test.ok)
			}
		})
	}
	large := double(15)
	if err := (Interface{Funcs: []Func{{Name: "f", Result: large}, {Name: "g", Result: large}}}).Check(); err == nil {
		t.Error("two large types are accepted together")
	}
	if err := (Interface{Funcs: make([]Func, MaxFuncs+1)}).Check(); err == nil || !strings.Contains(err.Error(), "10001 functions") {
		t.Errorf("too many functions: %v", err)
	}
}

// One type in the table may be written out more than once: the stored form
// stays small where the text does not.
func TestParseInterfaceBoundsWhatIsShared(t *testing.T) {
	t.Parallel()
	types := []ipld.Value{ipld.Map(ipld.Entry{Key: "list", Value: ipld.String("u8")})}
	for i := range int64(40) {
		types = append(types, ipld.Map(ipld.Entry{Key: "tuple", Value: ipld.List(ipld.Int(i), ipld.Int(i))}))
	}
	v := ipld.Map(
		ipld.Entry{Key: "types", Value: ipld.List(types...)},
		ipld.Entry{Key: "funcs", Value: ipld.List(ipld.Map(
			ipld.Entry{Key: "name", Value: ipld.String("f")},
			ipld.Entry{Key: "params", Value: ipld.List()},
			ipld.Entry{Key: "result", Value: ipld.Int(40)},
		))},
	)
	if _, err := ParseInterface(v); !errors.Is(err, ErrInterface) || !strings.Contains(err.Error(), "more than 100000") {
		t.Errorf("got %v", err)
	}
}

func FuzzParseInterface(f *testing.F) {
	seed, _, err := ipld.Encode(sample(f).Value())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte("\xa2\x65funcs\x80\x65types\x80"))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ipld.DecodeCBOR(data)
		if err != nil {
			return
		}
		i, err := ParseInterface(v)
		if err != nil {
			if !errors.Is(err, ErrInterface) {
				t.Errorf("refused with %v", err)
			}
			return
		}
		if back, _, err := ipld.Encode(i.Value()); err != nil || !bytes.Equal(back, data) {
			t.Errorf("%x came back as %x, %v", data, back, err)
		}
		for _, fn := range i.Funcs {
			if found, err := i.Find(fn.Name); err != nil || found.Name != fn.Name {
				t.Errorf("Find(%q) = %q, %v", fn.Name, found.Name, err)
			}
			if len(fn.String()) > maxText+4*maxName {
				t.Errorf("text of %d bytes", len(fn.String()))
			}
			_, _ = fn.Canonical(Args{Positional: []ipld.Value{v}})
		}
	})
}
