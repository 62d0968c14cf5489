package wit

import (
	"fmt"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Canonical returns v in the one IPLD form that a value of type t has, or a
// [*Fault] when v is not such a value. It is idempotent, and serves both for
// arguments and for what a function returned.
//
// A link stands for content of any type and passes unopened, except where
// [Type.Content] could not put content: within a list of integers given for
// list<u8>, among the names of flags, and for a resource.
func (t *Type) Canonical(v ipld.Value) (ipld.Value, error) {
	var r reader
	out, fault := r.value(t, v)
	if fault != nil {
		return ipld.Value{}, fault
	}
	return out, nil
}

// reader brings values into canonical form. With a source of content it also
// replaces links, within its bounds.
type reader struct {
	content Content // nil: links pass
	links   int     // links opened
	bytes   int64   // bytes of files loaded
	values  int     // values seen
}

// value returns v in the canonical form of t.
func (r *reader) value(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	if r.content != nil {
		if r.values++; r.values > MaxContentValues {
			return v, &Fault{Msg: fmt.Sprintf("more than %d values with the content of links", MaxContentValues)}
		}
	}
	if link, ok := v.AsLink(); ok && t.Kind != Resource {
		if r.content == nil {
			return v, nil
		}
		return r.open(t, link)
	}
	switch t.Kind {
	case Bool:
		if v.Kind() == ipld.KindBool {
			return v, nil
		}
	case S8, U8, S16, U16, S32, U32, S64, U64:
		return integer(t, v)
	case F32, F64:
		return float(t, v)
	case Char, StringKind:
		return text(t, v)
	case List:
		return r.list(t, v)
	case Record:
		return r.record(t, v)
	case Tuple:
		return r.tuple(t, v)
	case Variant:
		return r.variant(t, v)
	case Enum:
		return enum(t, v)
	case Option:
		return r.option(t, v)
	case Result:
		return r.result(t, v)
	case Flags:
		return flags(t, v)
	case Resource:
		return v, mismatch(t, v, "handles of resources can not be passed")
	default:
		return v, &Fault{Msg: fmt.Sprintf("type of unknown kind %d", t.Kind)}
	}
	return v, mismatch(t, v, "")
}

func text(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	s, ok := v.AsString()
	switch {
	case !ok:
		return v, mismatch(t, v, "")
	case !utf8.ValidString(s):
		return v, mismatch(t, v, "not UTF-8")
	case t.Kind == Char && utf8.RuneCountInString(s) != 1:
		return v, mismatch(t, v, plural(utf8.RuneCountInString(s), "character"))
	}
	return v, nil
}

func (r *reader) list(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	switch {
	case t.Elem.Kind == U8:
		return byteList(t, v)
	case v.Kind() == ipld.KindMap && t.Elem.isPair():
		return r.pairs(t, v)
	case v.Kind() != ipld.KindList:
		return v, mismatch(t, v, "")
	}
	in := v.Elems()
	out := make([]ipld.Value, len(in))
	for i, e := range in {
		c, fault := r.value(t.Elem, e)
		if fault != nil {
			return v, fault.underIndex(i)
		}
		out[i] = c
	}
	return ipld.List(out...), nil
}

// byteList returns what is given for list<u8> as bytes.
func byteList(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	switch v.Kind() {
	case ipld.KindBytes:
		return v, nil
	case ipld.KindString:
		return v, mismatch(t, v, `text is not bytes: give {"/": {"bytes": base64}}, a list of integers or a link`)
	case ipld.KindList:
	default:
		return v, mismatch(t, v, "")
	}
	elems := v.Elems()
	b := make([]byte, len(elems))
	for i, e := range elems {
		c, fault := integer(t.Elem, e)
		if fault != nil {
			return v, fault.underIndex(i)
		}
		u, _ := c.AsUint64()
		b[i] = byte(u)
	}
	return ipld.Bytes(b), nil
}

// isPair tells whether a list of t can be given as a map.
func (t *Type) isPair() bool {
	return t.Kind == Tuple && len(t.Items) == 2 && t.Items[0].Kind == StringKind
}

// pairs returns the map v as the list of its pairs, in canonical key order.
func (r *reader) pairs(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	entries := v.Entries()
	out := make([]ipld.Value, len(entries))
	for i, e := range entries {
		key, fault := text(t.Elem.Items[0], ipld.String(e.Key))
		if fault != nil {
			return v, fault.underKey(e.Key)
		}
		c, fault := r.value(t.Elem.Items[1], e.Value)
		if fault != nil {
			return v, fault.underKey(e.Key)
		}
		out[i] = ipld.List(key, c)
	}
	return ipld.List(out...), nil
}

func (r *reader) tuple(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	in := v.Elems()
	if v.Kind() != ipld.KindList || len(in) != len(t.Items) {
		return v, mismatch(t, v, "")
	}
	out := make([]ipld.Value, len(in))
	for i, e := range in {
		c, fault := r.value(t.Items[i], e)
		if fault != nil {
			return v, fault.underIndex(i)
		}
		out[i] = c
	}
	return ipld.List(out...), nil
}

func (r *reader) option(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	if v.IsNull() {
		return v, nil
	}
	if t.Elem.Kind != Option {
		return r.value(t.Elem, v)
	}
	e, ok := v.Sole()
	if !ok || e.Key != "some" {
		return v, mismatch(t, v, `an option of an option is null or {"some": …}`)
	}
	return r.payload(t.Elem, "some", e.Value)
}

func (r *reader) result(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	if v.Kind() == ipld.KindList {
		return r.resultPair(t, v)
	}
	e, ok := v.Sole()
	switch {
	case ok && e.Key == "ok":
		return r.payload(t.Elem, "ok", e.Value)
	case ok && e.Key == "error":
		return r.payload(t.Err, "error", e.Value)
	}
	return v, mismatch(t, v, `a result is {"ok": …} or {"error": …}`)
}

// resultPair reads the two-element form of a result, [ok, null] or
// [null, error]. Where both are null, the branch is the one that can be.
func (r *reader) resultPair(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	pair := v.Elems()
	if len(pair) != 2 {
		return v, mismatch(t, v, "a result as a list is [ok, null] or [null, error]")
	}
	ok, bad := !pair[0].IsNull(), !pair[1].IsNull()
	if !ok && !bad {
		ok, bad = t.Elem.takesNull(), t.Err.takesNull()
	}
	switch {
	case ok && bad:
		return v, mismatch(t, v, `could be either: give {"ok": …} or {"error": …}`)
	case ok:
		out, fault := r.payload(t.Elem, "ok", pair[0])
		return out, fault.fromKey(0)
	case bad:
		out, fault := r.payload(t.Err, "error", pair[1])
		return out, fault.fromKey(1)
	}
	return v, mismatch(t, v, "neither branch can be null")
}

// fromKey makes a path that starts with a key start with the index i, where
// the value was given.
func (f *Fault) fromKey(i int) *Fault {
	if f == nil {
		return nil
	}
	rest := ""
	for j := 1; j < len(f.Path); j++ {
		if f.Path[j] == '/' {
			rest = f.Path[j:]
			break
		}
	}
	f.Path = rest
	return f.underIndex(i)
}

// takesNull tells whether null is a payload of type t; nil is no payload.
func (t *Type) takesNull() bool { return t == nil || t.Kind == Option }

// payload returns {key: v} with v in the canonical form of t. A nil t takes
// null only.
func (r *reader) payload(t *Type, key string, v ipld.Value) (ipld.Value, *Fault) {
	if t == nil {
		if !v.IsNull() {
			return v, (&Fault{Want: "null", Got: describe(v), Msg: key + " carries no value"}).underKey(key)
		}
		return ipld.Map(ipld.Entry{Key: key}), nil
	}
	c, fault := r.value(t, v)
	if fault != nil {
		return v, fault.underKey(key)
	}
	return ipld.Map(ipld.Entry{Key: key, Value: c}), nil
}

func (r *reader) variant(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	name, isName := v.AsString()
	var payload ipld.Value
	if !isName {
		e, ok := v.Sole()
		if !ok {
			return v, mismatch(t, v, "one key, the case, is wanted")
		}
		name, payload = e.Key, e.Value
	}
	for _, c := range t.Fields {
		if c.Name != name {
			continue
		}
		switch {
		case c.Type != nil && isName:
			return v, mismatch(t, v, fmt.Sprintf("the case %s carries a value: {%q: …}", name, name))
		case c.Type != nil:
			return r.payload(c.Type, name, payload)
		case !payload.IsNull():
			return v, (&Fault{Want: "null", Got: describe(payload), Msg: name + " carries no value"}).underKey(name)
		}
		return ipld.String(name), nil
	}
	return v, mismatch(t, v, unknown("case", name, fieldNames(t.Fields)))
}

func enum(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	name, ok := v.AsString()
	if !ok {
		return v, mismatch(t, v, "")
	}
	for _, n := range t.Names {
		if n == name {
			return v, nil
		}
	}
	return v, mismatch(t, v, unknown("case", name, t.Names))
}

func flags(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	if v.Kind() != ipld.KindList {
		return v, mismatch(t, v, "a list of names is wanted")
	}
	index := make(map[string]int, len(t.Names))
	for i, n := range t.Names {
		index[n] = i
	}
	set := make([]bool, len(t.Names))
	for i, e := range v.Elems() {
		name, ok := e.AsString()
		if !ok {
			return v, (&Fault{Want: "the name of a flag", Got: describe(e)}).underIndex(i)
		}
		at, ok := index[name]
		switch {
		case !ok:
			return v, (&Fault{Msg: unknown("flag", name, t.Names)}).underIndex(i)
		case set[at]:
			return v, (&Fault{Msg: fmt.Sprintf("flag %s given twice", name)}).underIndex(i)
		}
		set[at] = true
	}
	out := make([]ipld.Value, 0, v.Len())
	for i, on := range set {
		if on {
			out = append(out, ipld.String(t.Names[i]))
		}
	}
	return ipld.List(out...), nil
}

// unknown is the message for a name that is none of names.
func unknown(noun, name string, names []string) string {
	msg := fmt.Sprintf("unknown %s %q", noun, cut(name, 64))
	if meant := near(name, names); len(meant) > 0 {
		return msg + ", did you mean " + listing(meant, len(meant), " or ") + "?"
	}
	if len(names) == 0 {
		return msg + ", there is none"
	}
	return msg + ", there is " + listing(names[:min(len(names), maxListed)], len(names), ", ")
}
