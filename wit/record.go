package wit

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func (r *reader) record(t *Type, v ipld.Value) (ipld.Value, *Fault) {
	if v.Kind() != ipld.KindMap {
		return v, mismatch(t, v, "")
	}
	given, fault := assign("field", t.Fields, v)
	if fault != nil {
		return v, fault
	}
	entries := make([]ipld.Entry, len(t.Fields))
	for i, f := range t.Fields {
		c, fault := r.value(f.Type, given[i])
		if fault != nil {
			return v, fault.underKey(f.Name)
		}
		entries[i] = ipld.Entry{Key: f.Name, Value: c}
	}
	return ipld.Map(entries...), nil
}

// assign returns the value that the map v gives for each of fields: by its
// exact name, else by its words. A field that may be none may be missing and
// is null then. Everything else that does not match one to one is a fault.
func assign(noun string, fields []Field, v ipld.Value) ([]ipld.Value, *Fault) {
	values := make([]ipld.Value, len(fields))
	keys := make([]string, len(fields))
	given := make([]bool, len(fields))
	used := 0
	for i, f := range fields {
		if x, ok := v.Lookup(f.Name); ok {
			values[i], keys[i], given[i] = x, f.Name, true
			used++
		}
	}
	if used < v.Len() {
		byWords := fieldsByWords(fields)
		for _, e := range v.Entries() {
			i, fault := match(noun, byWords, fields, e.Key)
			switch {
			case fault != nil:
				return nil, fault
			case given[i] && keys[i] == e.Key:
			case given[i]:
				return nil, &Fault{Msg: fmt.Sprintf("%s %s given twice, as %q and %q", noun, fields[i].Name, cut(keys[i], 64), cut(e.Key, 64))}
			default:
				values[i], keys[i], given[i] = e.Value, e.Key, true
			}
		}
	}
	for i, f := range fields {
		if !given[i] && f.Type.Kind != Option {
			return nil, &Fault{Msg: fmt.Sprintf("missing %s %s: %s", noun, f.Name, f.Type.text(120))}
		}
	}
	return values, nil
}

// fieldIndex maps exact names and words to the position of a field. Several
// fields with the same words are at -1.
type fieldIndex struct{ exact, words map[string]int }

func fieldsByWords(fields []Field) fieldIndex {
	x := fieldIndex{make(map[string]int, len(fields)), make(map[string]int, len(fields))}
	for i, f := range fields {
		x.exact[f.Name] = i
		key := words(f.Name)
		if _, dup := x.words[key]; dup {
			x.words[key] = -1
		} else if key != "" {
			x.words[key] = i
		}
	}
	return x
}

func match(noun string, x fieldIndex, fields []Field, key string) (int, *Fault) {
	if i, ok := x.exact[key]; ok {
		return i, nil
	}
	i, ok := x.words[words(key)]
	switch {
	case ok && i >= 0:
		return i, nil
	case ok:
		return 0, &Fault{Key: key, Msg: fmt.Sprintf("%s %q could be any of several: spell it exactly", noun, cut(key, 64))}
	}
	return 0, &Fault{Key: key, Msg: unknown(noun, key, fieldNames(fields))}
}

func fieldNames(fields []Field) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	return names
}
