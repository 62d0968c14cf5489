package wit

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// parseType reads the text that Type.String writes.
func parseType(s string) (*Type, error) {
	p := typeParser{rest: s}
	t := p.typ()
	if p.err == nil && p.rest != "" {
		p.fail("text after the type")
	}
	return t, p.err
}

// parseFunc reads the text that Func.Signature writes.
func parseFunc(s string) (Func, error) {
	name, rest, _ := strings.Cut(s, "(")
	p := typeParser{rest: rest}
	f := Func{Name: name, Params: p.fields(")")}
	if p.eat(" -> ") {
		f.Result = p.typ()
	}
	if p.err == nil && p.rest != "" {
		p.fail("text after the signature")
	}
	return f, p.err
}

func mustType(t testing.TB, s string) *Type {
	t.Helper()
	typ, err := parseType(s)
	if err != nil {
		t.Fatal(err)
	}
	return typ
}

type typeParser struct {
	rest string
	err  error
}

func (p *typeParser) fail(msg string) {
	if p.err == nil {
		p.err = fmt.Errorf("%s at %q", msg, p.rest)
	}
	p.rest = ""
}

func (p *typeParser) eat(s string) bool {
	ok := strings.HasPrefix(p.rest, s)
	p.rest = strings.TrimPrefix(p.rest, s)
	return ok
}

func (p *typeParser) want(s string) {
	if !p.eat(s) {
		p.fail("want " + s)
	}
}

func (p *typeParser) word() string {
	i := strings.IndexAny(p.rest, "<>(){},: ")
	if i < 0 {
		i = len(p.rest)
	}
	w := p.rest[:i]
	p.rest = p.rest[i:]
	return w
}

func (p *typeParser) typ() *Type {
	word := p.word()
	if i := slices.Index(primitives[:], word); i > 0 {
		return &Type{Kind: Kind(i)}
	}
	switch word {
	case "_":
		return nil
	case "list":
		return &Type{Kind: List, Elem: p.angle()[0]}
	case "option":
		return &Type{Kind: Option, Elem: p.angle()[0]}
	case "tuple":
		return &Type{Kind: Tuple, Items: p.angle()}
	case "result":
		args := append(p.angle(), nil, nil)
		return &Type{Kind: Result, Elem: args[0], Err: args[1]}
	case "record":
		p.want(" {")
		return &Type{Kind: Record, Fields: p.fields("}")}
	case "variant":
		p.want(" {")
		return &Type{Kind: Variant, Fields: p.cases()}
	case "enum":
		p.want(" {")
		return &Type{Kind: Enum, Names: p.names()}
	case "flags":
		p.want(" {")
		return &Type{Kind: Flags, Names: p.names()}
	case "resource":
		if p.eat(" ") {
			return &Type{Kind: Resource, Names: []string{p.word()}}
		}
		return &Type{Kind: Resource}
	}
	p.fail("unknown type " + word)
	return nil
}

func (p *typeParser) angle() []*Type {
	if !p.eat("<") {
		return nil
	}
	var items []*Type
	for p.err == nil {
		items = append(items, p.typ())
		if !p.eat(", ") {
			break
		}
	}
	p.want(">")
	return items
}

func (p *typeParser) fields(end string) []Field {
	var fields []Field
	for p.err == nil && !p.eat(end) {
		name := p.word()
		p.want(": ")
		fields = append(fields, Field{name, p.typ()})
		p.eat(", ")
	}
	return fields
}

func (p *typeParser) cases() []Field {
	var cases []Field
	for p.err == nil && !p.eat("}") {
		c := Field{Name: p.word()}
		if p.eat("(") {
			c.Type = p.typ()
			p.want(")")
		}
		cases = append(cases, c)
		p.eat(", ")
	}
	return cases
}

func (p *typeParser) names() []string {
	var names []string
	for p.err == nil && !p.eat("}") {
		names = append(names, p.word())
		p.eat(", ")
	}
	return names
}

func TestTypeText(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"bool", "s8", "u8", "s16", "u16", "s32", "u32", "s64", "u64", "f32", "f64", "char", "string",
		"list<u8>", "list<list<string>>", "option<option<bool>>", "tuple<u8, string>",
		"result", "result<u8>", "result<_, string>", "result<list<u8>, string>",
		"record {full-name: string, age: option<u8>}", "variant {all, none, some(list<string>)}",
		"enum {a, b}", "flags {read, write}", "resource", "resource image",
	} {
		typ, err := parseType(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := typ.String(); got != text {
			t.Errorf("String() = %s, want %s", got, text)
		}
	}
}

func TestFuncText(t *testing.T) {
	t.Parallel()
	const sig = "crop(image: list<u8>, x: u32) -> result<list<u8>, string>"
	f, err := parseFunc(sig)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Signature(); got != sig {
		t.Errorf("Signature() = %s, want %s", got, sig)
	}
	want := "crop: func(image: list<u8>, x: u32) -> result<list<u8>, string>"
	if got := f.String(); got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
	if got, want := (Func{Name: "tick"}).String(), "tick: func()"; got != want {
		t.Errorf("String() = %s, want %s", got, want)
	}
}

// A type that shares its parts is exponentially larger as text than in memory.
func TestTextIsBounded(t *testing.T) {
	t.Parallel()
	typ := &Type{Kind: U8}
	for range 60 {
		typ = &Type{Kind: Tuple, Items: []*Type{typ, typ}}
	}
	if got := typ.String(); len(got) > maxText+len("…") || !strings.HasSuffix(got, "…") {
		t.Errorf("text of %d bytes, ends with %q", len(got), got[max(0, len(got)-5):])
	}
	long := &Type{Kind: Enum, Names: []string{strings.Repeat("a", 40), strings.Repeat("b", 40), strings.Repeat("c", 60)}}
	want := "enum {" + long.Names[0] + ", " + long.Names[1] + ", …"
	if diff := cmp.Diff(want, long.text(120)); diff != "" {
		t.Error(diff)
	}
}
