package wit

import (
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Value is i in the form in which a node keeps it, one value per interface:
//
//	{"funcs": [{"name": text, "params": [[name, type]…], "result": type|null}…],
//	 "types": [{"list": type} | {"option": type} | {"tuple": [type…]} |
//	           {"result": [type|null, type|null]} | {"record": [[name, type]…]} |
//	           {"variant": [[name, type|null]…]} | {"enum": [name…]} |
//	           {"flags": [name…]} | {"resource": name}…]}
//
// where a type is the name of a primitive type or the index of an earlier
// entry of "types". Entries are all different and in the order in which the
// functions first need them. i must pass [Interface.Check].
func (i Interface) Value() ipld.Value {
	w := tableWriter{known: map[*Type]ipld.Value{}, entries: map[string]ipld.Value{}}
	funcs := make([]ipld.Value, len(i.Funcs))
	for n, f := range i.Funcs {
		funcs[n] = ipld.Map(
			ipld.Entry{Key: "name", Value: ipld.String(f.Name)},
			ipld.Entry{Key: "params", Value: w.fields(f.Params)},
			ipld.Entry{Key: "result", Value: w.ref(f.Result)},
		)
	}
	return ipld.Map(
		ipld.Entry{Key: "funcs", Value: ipld.List(funcs...)},
		ipld.Entry{Key: "types", Value: ipld.List(w.types...)},
	)
}

// tableWriter writes types into a table, each once.
type tableWriter struct {
	types   []ipld.Value
	known   map[*Type]ipld.Value
	entries map[string]ipld.Value // by text of the entry
}

// ref returns the reference to t and adds t to the table if it is new.
func (w *tableWriter) ref(t *Type) ipld.Value {
	if t == nil {
		return ipld.Null
	}
	if name := t.Kind.primitive(); name != "" {
		return ipld.String(name)
	}
	if ref, ok := w.known[t]; ok {
		return ref
	}
	kind, body := w.entry(t)
	key := kind + body.String()
	ref, ok := w.entries[key]
	if !ok {
		ref = ipld.Int(int64(len(w.types)))
		w.types = append(w.types, ipld.Map(ipld.Entry{Key: kind, Value: body}))
		w.entries[key] = ref
	}
	w.known[t] = ref
	return ref
}

// entry returns the key and the value of the table entry of a compound type.
func (w *tableWriter) entry(t *Type) (string, ipld.Value) {
	switch t.Kind {
	case List:
		return "list", w.ref(t.Elem)
	case Option:
		return "option", w.ref(t.Elem)
	case Result:
		ok := w.ref(t.Elem)
		return "result", ipld.List(ok, w.ref(t.Err))
	case Tuple:
		items := make([]ipld.Value, len(t.Items))
		for i, item := range t.Items {
			items[i] = w.ref(item)
		}
		return "tuple", ipld.List(items...)
	case Record:
		return "record", w.fields(t.Fields)
	case Variant:
		return "variant", w.fields(t.Fields)
	case Enum:
		return "enum", stringList(t.Names)
	case Flags:
		return "flags", stringList(t.Names)
	}
	return "resource", ipld.String(resourceName(t))
}

func (w *tableWriter) fields(fields []Field) ipld.Value {
	out := make([]ipld.Value, len(fields))
	for i, f := range fields {
		out[i] = ipld.List(ipld.String(f.Name), w.ref(f.Type))
	}
	return ipld.List(out...)
}

func stringList(names []string) ipld.Value {
	out := make([]ipld.Value, len(names))
	for i, n := range names {
		out[i] = ipld.String(n)
	}
	return ipld.List(out...)
}

func resourceName(t *Type) string {
	if len(t.Names) == 0 {
		return ""
	}
	return t.Names[0]
}

// ParseInterface reads what [Interface.Value] wrote and refuses everything
// else. The error wraps [ErrInterface].
func ParseInterface(v ipld.Value) (Interface, error) {
	var r tableReader
	types, _ := v.Lookup("types")
	if types.Len() > MaxTypeSize {
		return Interface{}, fmt.Errorf("%w: %s", ErrInterface, tooLarge)
	}
	for i, e := range types.Elems() {
		t, err := r.entry(e)
		if err != nil {
			return Interface{}, fmt.Errorf("type %d: %w", i, err)
		}
		r.types = append(r.types, t)
	}
	funcs, _ := v.Lookup("funcs")
	if funcs.Len() > MaxFuncs {
		return Interface{}, fmt.Errorf("%w: %d functions, at most %d", ErrInterface, funcs.Len(), MaxFuncs)
	}
	var out Interface
	for i, e := range funcs.Elems() {
		f, err := r.function(e)
		if err != nil {
			return Interface{}, fmt.Errorf("function %d: %w", i, err)
		}
		out.Funcs = append(out.Funcs, f)
	}
	if err := out.Check(); err != nil {
		return Interface{}, err
	}
	// One interface has one form: whatever was overlooked above shows here.
	if !out.Value().Equal(v) {
		return Interface{}, fmt.Errorf("%w: not in its canonical form", ErrInterface)
	}
	return out, nil
}

// tableReader reads the table of types.
type tableReader struct {
	types      []*Type
	primitives [len(primitives)]*Type
}

// ref returns the type that v refers to.
func (r *tableReader) ref(v ipld.Value) (*Type, error) {
	if name, ok := v.AsString(); ok {
		k := slices.Index(primitives[1:], name) + 1
		if k == 0 {
			return nil, fmt.Errorf("%w: unknown type %s", ErrInterface, describe(v))
		}
		if r.primitives[k] == nil {
			r.primitives[k] = &Type{Kind: Kind(k)}
		}
		return r.primitives[k], nil
	}
	i, ok := v.AsUint64()
	if !ok || i >= uint64(len(r.types)) {
		return nil, fmt.Errorf("%w: expected a type, got %s", ErrInterface, describe(v))
	}
	return r.types[i], nil
}

// optional returns the type that v refers to, or nil for null.
func (r *tableReader) optional(v ipld.Value) (*Type, error) {
	if v.IsNull() {
		return nil, nil
	}
	return r.ref(v)
}

func (r *tableReader) entry(v ipld.Value) (*Type, error) {
	e, ok := v.Sole()
	if !ok {
		return nil, fmt.Errorf("%w: expected a map with one key, got %s", ErrInterface, describe(v))
	}
	t := &Type{}
	var err error
	switch e.Key {
	case "list":
		t.Kind = List
		t.Elem, err = r.ref(e.Value)
	case "option":
		t.Kind = Option
		t.Elem, err = r.ref(e.Value)
	case "result":
		t.Kind = Result
		t.Elem, t.Err, err = r.branches(e.Value)
	case "tuple":
		t.Kind = Tuple
		t.Items, err = r.items(e.Value)
	case "record":
		t.Kind = Record
		t.Fields, err = r.fields(e.Value)
	case "variant":
		t.Kind = Variant
		t.Fields, err = r.fields(e.Value)
	case "enum":
		t.Kind = Enum
		t.Names, err = nameList(e.Value)
	case "flags":
		t.Kind = Flags
		t.Names, err = nameList(e.Value)
	case "resource":
		t.Kind = Resource
		t.Names, err = nameList(ipld.List(e.Value))
	default:
		err = fmt.Errorf("%w: unknown kind of type %q", ErrInterface, cut(e.Key, 64))
	}
	return t, err
}

func (r *tableReader) branches(v ipld.Value) (ok, bad *Type, err error) {
	pair := v.Elems()
	if len(pair) != 2 {
		return nil, nil, fmt.Errorf("%w: expected two branches, got %s", ErrInterface, describe(v))
	}
	if ok, err = r.optional(pair[0]); err != nil {
		return nil, nil, err
	}
	bad, err = r.optional(pair[1])
	return ok, bad, err
}

func (r *tableReader) items(v ipld.Value) ([]*Type, error) {
	items := make([]*Type, v.Len())
	for i, e := range v.Elems() {
		t, err := r.ref(e)
		if err != nil {
			return nil, err
		}
		items[i] = t
	}
	return items, nil
}

func (r *tableReader) fields(v ipld.Value) ([]Field, error) {
	var fields []Field
	for _, e := range v.Elems() {
		pair := e.Elems()
		if len(pair) != 2 {
			return nil, fmt.Errorf("%w: expected a name and a type, got %s", ErrInterface, describe(e))
		}
		name, ok := pair[0].AsString()
		if !ok {
			return nil, fmt.Errorf("%w: expected a name, got %s", ErrInterface, describe(pair[0]))
		}
		t, err := r.optional(pair[1])
		if err != nil {
			return nil, err
		}
		fields = append(fields, Field{Name: name, Type: t})
	}
	return fields, nil
}

func nameList(v ipld.Value) ([]string, error) {
	var names []string
	for _, e := range v.Elems() {
		n, ok := e.AsString()
		if !ok {
			return nil, fmt.Errorf("%w: expected a name, got %s", ErrInterface, describe(e))
		}
		names = append(names, n)
	}
	return names, nil
}

func (r *tableReader) function(v ipld.Value) (Func, error) {
	name, _ := v.Lookup("name")
	params, _ := v.Lookup("params")
	result, _ := v.Lookup("result")
	var f Func
	var ok bool
	if f.Name, ok = name.AsString(); !ok {
		return f, fmt.Errorf("%w: expected a name, got %s", ErrInterface, describe(name))
	}
	var err error
	if f.Params, err = r.fields(params); err != nil {
		return f, err
	}
	f.Result, err = r.optional(result)
	return f, err
}
