package wit

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// drawType draws a type that nests at most depth deep.
func drawType(t *rapid.T, depth int) *Type {
	kind := Kind(rapid.IntRange(int(Bool), int(Flags)).Draw(t, "kind"))
	if depth == 0 {
		kind = Kind(rapid.IntRange(int(Bool), int(StringKind)).Draw(t, "primitive"))
	}
	typ := &Type{Kind: kind}
	maybe := func() *Type {
		if rapid.Bool().Draw(t, "payload") {
			return drawType(t, depth-1)
		}
		return nil
	}
	switch kind {
	case List, Option:
		typ.Elem = drawType(t, depth-1)
	case Result:
		typ.Elem, typ.Err = maybe(), maybe()
	case Record:
		for _, n := range drawNames(t) {
			typ.Fields = append(typ.Fields, Field{n, drawType(t, depth-1)})
		}
	case Variant:
		for _, n := range drawNames(t) {
			typ.Fields = append(typ.Fields, Field{n, maybe()})
		}
	case Tuple:
		for range rapid.IntRange(1, 3).Draw(t, "items") {
			typ.Items = append(typ.Items, drawType(t, depth-1))
		}
	case Enum, Flags:
		typ.Names = drawNames(t)
	}
	return typ
}

func drawNames(t *rapid.T) []string {
	return rapid.SliceOfNDistinct(rapid.StringMatching(`[a-c]{1,2}(-[a-c]{1,2}){0,2}[0-9]?`), 1, 4, words).Draw(t, "names")
}

// drawValue draws a value of t in one of its accepted forms.
func drawValue(t *rapid.T, typ *Type) ipld.Value {
	if rapid.IntRange(0, 15).Draw(t, "link") == 0 {
		return ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil))
	}
	switch typ.Kind {
	case Bool:
		return ipld.Bool(rapid.Bool().Draw(t, "bool"))
	case F32, F64:
		return drawFloat(t, typ.Kind)
	case Char:
		return ipld.String(string(rapid.Rune().Draw(t, "char")))
	case StringKind:
		return ipld.String(rapid.StringN(0, 4, 8).Draw(t, "string"))
	case List:
		return drawList(t, typ)
	case Record:
		var entries []ipld.Entry
		for _, f := range typ.Fields {
			if f.Type.Kind != Option || rapid.Bool().Draw(t, "given") {
				entries = append(entries, ipld.Entry{Key: drawSpelling(t, f.Name), Value: drawValue(t, f.Type)})
			}
		}
		return ipld.Map(entries...)
	case Tuple:
		items := make([]ipld.Value, len(typ.Items))
		for i, item := range typ.Items {
			items[i] = drawValue(t, item)
		}
		return ipld.List(items...)
	case Variant:
		c := rapid.SampledFrom(typ.Fields).Draw(t, "case")
		if c.Type == nil && rapid.Bool().Draw(t, "short") {
			return ipld.String(c.Name)
		}
		return ipld.Map(ipld.Entry{Key: c.Name, Value: drawPayload(t, c.Type)})
	case Enum:
		return ipld.String(rapid.SampledFrom(typ.Names).Draw(t, "case"))
	case Flags:
		return stringList(rapid.SliceOfDistinct(rapid.SampledFrom(typ.Names), rapid.ID[string]).Draw(t, "flags"))
	case Option:
		v := drawValue(t, typ.Elem)
		switch {
		case rapid.Bool().Draw(t, "none"):
			return ipld.Null
		case typ.Elem.Kind == Option:
			return ipld.Map(ipld.Entry{Key: "some", Value: v})
		}
		return v
	case Result:
		return drawResult(t, typ)
	}
	return drawInteger(t, typ.Kind)
}

func drawInteger(t *rapid.T, k Kind) ipld.Value {
	least, most := k.bounds()
	if least < 0 && rapid.Bool().Draw(t, "negative") {
		i := rapid.Int64Range(least, -1).Draw(t, "int")
		if f := float64(i); int64(f) == i && f >= -1<<53 && rapid.Bool().Draw(t, "float") {
			return ipld.Float(f)
		}
		return ipld.Int(i)
	}
	u := rapid.Uint64Range(0, most).Draw(t, "uint")
	if u <= 1<<53 && rapid.Bool().Draw(t, "float") {
		return ipld.Float(float64(u))
	}
	return ipld.Uint(u)
}

func drawFloat(t *rapid.T, k Kind) ipld.Value {
	if rapid.Bool().Draw(t, "integer") {
		return drawInteger(t, S64)
	}
	if k == F32 {
		return ipld.Float(float64(rapid.Float32().Filter(func(f float32) bool { return f == f && !math.IsInf(float64(f), 0) }).Draw(t, "f32")))
	}
	return ipld.Float(rapid.Float64().Filter(func(f float64) bool { return f == f && !math.IsInf(f, 0) }).Draw(t, "f64"))
}

func drawList(t *rapid.T, typ *Type) ipld.Value {
	if typ.Elem.Kind == U8 && rapid.Bool().Draw(t, "bytes") {
		return ipld.Bytes(rapid.SliceOfN(rapid.Byte(), 0, 4).Draw(t, "bytes"))
	}
	n := rapid.IntRange(0, 3).Draw(t, "len")
	if typ.Elem.isPair() && rapid.Bool().Draw(t, "map") {
		var entries []ipld.Entry
		for i := range n {
			entries = append(entries, ipld.Entry{Key: fmt.Sprint(i), Value: drawValue(t, typ.Elem.Items[1])})
		}
		return ipld.Map(entries...)
	}
	items := make([]ipld.Value, n)
	for i := range items {
		if typ.Elem.Kind == U8 {
			items[i] = drawInteger(t, U8) // bytes hold no links
		} else {
			items[i] = drawValue(t, typ.Elem)
		}
	}
	return ipld.List(items...)
}

func drawResult(t *rapid.T, typ *Type) ipld.Value {
	key, payload := "ok", typ.Elem
	if rapid.Bool().Draw(t, "error") {
		key, payload = "error", typ.Err
	}
	v := drawPayload(t, payload)
	if v.IsNull() || rapid.Bool().Draw(t, "map") {
		return ipld.Map(ipld.Entry{Key: key, Value: v})
	}
	if key == "ok" {
		return ipld.List(v, ipld.Null)
	}
	return ipld.List(ipld.Null, v)
}

func drawPayload(t *rapid.T, typ *Type) ipld.Value {
	if typ == nil {
		return ipld.Null
	}
	return drawValue(t, typ)
}

// drawSpelling draws a name with the words of name.
func drawSpelling(t *rapid.T, name string) string {
	switch rapid.IntRange(0, 3).Draw(t, "spelling") {
	case 0:
		return strings.ReplaceAll(name, "-", "_")
	case 1:
		return strings.ToUpper(name)
	case 2:
		var b strings.Builder
		for i, w := range strings.Split(name, "-") {
			if i > 0 {
				w = strings.ToUpper(w[:1]) + w[1:]
			}
			b.WriteString(w)
		}
		if words(b.String()) == words(name) { // a-a-b: aAB is two words
			return b.String()
		}
	}
	return name
}

// drawAny draws a value of no type in particular.
func drawAny(t *rapid.T, depth int) ipld.Value {
	if depth == 0 {
		return drawValue(t, &Type{Kind: Kind(rapid.IntRange(int(Bool), int(StringKind)).Draw(t, "kind"))})
	}
	return drawValue(t, drawType(t, depth))
}

func TestEveryFormIsAccepted(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t, 3)
		v := drawValue(t, typ)
		out, err := typ.Canonical(v)
		if err != nil {
			t.Fatalf("%s: %s: %v", typ, v, err)
		}
		again, err := typ.Canonical(out)
		if err != nil || !again.Equal(out) {
			t.Fatalf("%s: %s: canonical %s, again %s, %v", typ, v, out, again, err)
		}
		block, _, err := ipld.Encode(out)
		if err != nil {
			t.Fatalf("%s: %s has no encoding: %v", typ, out, err)
		}
		if back, err := ipld.DecodeCBOR(block); err != nil || !back.Equal(out) {
			t.Fatalf("%s: %s: decoded %s, %v", typ, out, back, err)
		}
	})
}

func TestCanonicalIsIdempotent(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t, 2)
		v := drawAny(t, rapid.IntRange(0, 2).Draw(t, "depth"))
		out, err := typ.Canonical(v)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("a fault without text")
			}
			return
		}
		if again, err := typ.Canonical(out); err != nil || !again.Equal(out) {
			t.Fatalf("%s: %s: canonical %s, again %s, %v", typ, v, out, again, err)
		}
	})
}

func TestRandomTypeText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		typ := drawType(t, 3)
		back, err := parseType(typ.String())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(typ, back); diff != "" {
			t.Fatalf("%s: %s", typ, diff)
		}
	})
}

func TestRandomInterface(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var i Interface
		for _, n := range drawNames(t) {
			f := Func{Name: n, Result: drawType(t, 2)}
			for _, p := range drawNames(t) {
				f.Params = append(f.Params, Field{p, drawType(t, 2)})
			}
			i.Funcs = append(i.Funcs, f)
		}
		if err := i.Check(); err != nil {
			t.Fatal(err)
		}
		back, err := ParseInterface(i.Value())
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(i, back); diff != "" {
			t.Fatal(diff)
		}
	})
}
