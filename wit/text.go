package wit

import "strings"

// maxText bounds the text of one type or function, in bytes. What does not fit
// is cut off and ends with "…".
const maxText = 4096

var primitives = [...]string{
	Bool: "bool", S8: "s8", U8: "u8", S16: "s16", U16: "u16", S32: "s32", U32: "u32", S64: "s64", U64: "u64",
	F32: "f32", F64: "f64", Char: "char", StringKind: "string",
}

// primitive is the WIT name of k, or "" when k is a compound kind.
func (k Kind) primitive() string {
	if int(k) < len(primitives) {
		return primitives[k]
	}
	return ""
}

// String is t as WIT text. Types that WIT only knows by name are written out
// in place: "record {x: u32, y: u32}". The text of a very large type is cut
// off.
func (t *Type) String() string { return t.text(maxText) }

// text is String bounded to about limit bytes.
func (t *Type) text(limit int) string {
	p := printer{limit: limit}
	p.typ(t)
	return p.string()
}

// String is f as WIT text: "crop: func(image: list<u8>, x: u32) -> string".
func (f Func) String() string { return f.text(": func(") }

// Signature is f as a person calls it, for messages:
// "crop(image: list<u8>, x: u32) -> string".
func (f Func) Signature() string { return f.text("(") }

func (f Func) text(open string) string {
	p := printer{limit: maxText}
	p.write(f.Name)
	p.write(open)
	p.fields(f.Params)
	p.write(")")
	if f.Result != nil {
		p.write(" -> ")
		p.typ(f.Result)
	}
	return p.string()
}

// printer writes text until its limit is reached, and then does no more work:
// types may share parts and be far larger as text than in memory.
type printer struct {
	b     strings.Builder
	limit int
	full  bool
}

func (p *printer) string() string { return p.b.String() }

func (p *printer) write(s string) {
	if p.full {
		return
	}
	if p.b.Len()+len(s) > p.limit {
		p.full = true
		s = "…"
	}
	p.b.WriteString(s)
}

func (p *printer) typ(t *Type) {
	if t == nil {
		p.write("_")
		return
	}
	if name := t.Kind.primitive(); name != "" {
		p.write(name)
		return
	}
	switch t.Kind {
	case List:
		p.angle("list", t.Elem)
	case Option:
		p.angle("option", t.Elem)
	case Tuple:
		p.angle("tuple", t.Items...)
	case Result:
		p.result(t)
	case Record:
		p.write("record {")
		p.fields(t.Fields)
		p.write("}")
	case Variant:
		p.write("variant {")
		p.cases(t.Fields)
		p.write("}")
	case Enum:
		p.names("enum {", t.Names)
	case Flags:
		p.names("flags {", t.Names)
	case Resource:
		if t.Borrow {
			p.write("borrowed ")
		}
		p.write("resource")
		if len(t.Names) > 0 && t.Names[0] != "" {
			p.write(" " + t.Names[0])
		}
	default:
		p.write("unknown type")
	}
}

func (p *printer) result(t *Type) {
	switch {
	case t.Elem == nil && t.Err == nil:
		p.write("result")
	case t.Err == nil:
		p.angle("result", t.Elem)
	default:
		p.angle("result", t.Elem, t.Err)
	}
}

func (p *printer) angle(name string, items ...*Type) {
	p.write(name + "<")
	for i, t := range items {
		if p.full {
			return
		}
		if i > 0 {
			p.write(", ")
		}
		p.typ(t)
	}
	p.write(">")
}

func (p *printer) fields(fields []Field) {
	for i, f := range fields {
		if p.full {
			return
		}
		if i > 0 {
			p.write(", ")
		}
		p.write(f.Name)
		p.write(": ")
		p.typ(f.Type)
	}
}

func (p *printer) cases(cases []Field) {
	for i, c := range cases {
		if p.full {
			return
		}
		if i > 0 {
			p.write(", ")
		}
		p.write(c.Name)
		if c.Type != nil {
			p.write("(")
			p.typ(c.Type)
			p.write(")")
		}
	}
}

func (p *printer) names(open string, names []string) {
	p.write(open)
	for i, n := range names {
		if p.full {
			return
		}
		if i > 0 {
			p.write(", ")
		}
		p.write(n)
	}
	p.write("}")
}
