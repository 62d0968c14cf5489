package task

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Branch is the side of an outcome that a promise waits for.
type Branch string

// The branches, spelled as the promise's key in a document and in a task.
const (
	AwaitOK    Branch = "await/ok"    // the value of a success
	AwaitError Branch = "await/error" // the error of a failure
	AwaitAny   Branch = "await/*"     // the whole {ok: …} or {error: …}
)

// dataKey marks a literal that only looks like a promise.
const dataKey = "/data"

// Promise stands for the result of another task. While a document is read the
// task is known by Label; in a Task it is known by its as-written ID.
type Promise struct {
	Branch Branch
	Label  string // of a job in the same document; empty when Task is set
	Task   ID
	// Path selects a part of the value, outermost step first.
	Path []Step
}

// Step is one step into a value: an index into a list, or a key of a map.
type Step struct {
	Key   string
	Index int
	IsKey bool
}

func (s Step) value() ipld.Value {
	if s.IsKey {
		return ipld.String(s.Key)
	}
	return ipld.Int(int64(s.Index))
}

// Value is the one-key map that stands for p.
func (p Promise) Value() ipld.Value {
	target := ipld.LinkValue(p.Task.Link)
	if p.Label != "" {
		target = ipld.String(p.Label)
	}
	if len(p.Path) > 0 {
		elems := []ipld.Value{target}
		for _, s := range p.Path {
			elems = append(elems, s.value())
		}
		target = ipld.List(elems...)
	}
	return ipld.Map(ipld.Entry{Key: string(p.Branch), Value: target})
}

// reserved returns the entry of a one-key map whose key promises or escapes.
func reserved(v ipld.Value) (ipld.Entry, bool) {
	e, ok := v.Sole()
	if !ok {
		return e, false
	}
	switch e.Key {
	case string(AwaitOK), string(AwaitError), string(AwaitAny), dataKey:
		return e, true
	}
	return e, false
}

// AsPromise reads v as a promise. The bool tells whether v is one; the error
// that v has a promise's only key but not its content.
func AsPromise(v ipld.Value) (Promise, bool, error) {
	e, ok := reserved(v)
	if !ok || e.Key == dataKey {
		return Promise{}, false, nil
	}
	p := Promise{Branch: Branch(e.Key)}
	target := e.Value
	if elems := e.Value.Elems(); len(elems) > 0 {
		target = elems[0]
		for i, s := range elems[1:] {
			step, err := asStep(s)
			if err != nil {
				return p, true, fmt.Errorf("step %d of the promise: %w", i+1, err)
			}
			p.Path = append(p.Path, step)
		}
	}
	if label, ok := target.AsString(); ok && label != "" {
		p.Label = label
		return p, true, nil
	}
	if link, ok := target.AsLink(); ok {
		p.Task = ID{link}
		return p, true, nil
	}
	return p, true, fmt.Errorf("a promise names a job's label or a Task ID, not a %s", target.Kind())
}

func asStep(v ipld.Value) (Step, error) {
	if key, ok := v.AsString(); ok {
		return Step{Key: key, IsKey: true}, nil
	}
	if i, ok := v.AsInt64(); ok && i >= 0 && i < 1<<31 {
		return Step{Index: int(i)}, nil
	}
	return Step{}, fmt.Errorf("%s is neither a list index nor a map key", v)
}

// MapPromises returns v with each promise in it replaced by what f returns.
// It is one pass: what f returns is not looked into, nor is escaped data. Data
// that is wrapped without need is an error: it would be a second spelling.
func MapPromises(v ipld.Value, f func(Promise) (ipld.Value, error)) (ipld.Value, error) {
	e, ok := reserved(v)
	switch {
	case !ok:
		return mapChildren(v, func(child ipld.Value) (ipld.Value, error) { return MapPromises(child, f) })
	case e.Key == dataKey:
		if _, needed := reserved(e.Value); !needed {
			return v, fmt.Errorf("%q wraps %.80s, which is not to be wrapped", dataKey, e.Value)
		}
		return v, nil
	}
	p, _, err := AsPromise(v)
	if err != nil {
		return v, err
	}
	return f(p)
}

// Promises lists the promises in v in the order of its encoding.
func Promises(v ipld.Value) ([]Promise, error) {
	var all []Promise
	_, err := MapPromises(v, func(p Promise) (ipld.Value, error) {
		all = append(all, p)
		return p.Value(), nil
	})
	return all, err
}

// Escape wraps each one-key map in v that would be read as a promise or as an
// escape, so that v enters a task as the data that it is.
func Escape(v ipld.Value) ipld.Value {
	if _, ok := reserved(v); ok {
		return ipld.Map(ipld.Entry{Key: dataKey, Value: v})
	}
	out, _ := mapChildren(v, func(child ipld.Value) (ipld.Value, error) { return Escape(child), nil })
	return out
}

// Unescape is the inverse of [Escape].
func Unescape(v ipld.Value) ipld.Value {
	if e, ok := v.Sole(); ok && e.Key == dataKey {
		return e.Value
	}
	out, _ := mapChildren(v, func(child ipld.Value) (ipld.Value, error) { return Unescape(child), nil })
	return out
}

// mapChildren returns v with f applied to its elements or entries; v itself
// when nothing changed or there are none.
func mapChildren(v ipld.Value, f func(ipld.Value) (ipld.Value, error)) (ipld.Value, error) {
	switch v.Kind() {
	case ipld.KindList:
		elems := v.Elems()
		var out []ipld.Value
		for i, e := range elems {
			w, err := f(e)
			if err != nil {
				return v, err
			}
			if out == nil && !same(w, e) {
				out = slices.Clone(elems)
			}
			if out != nil {
				out[i] = w
			}
		}
		if out != nil {
			return ipld.List(out...), nil
		}
	case ipld.KindMap:
		entries := v.Entries()
		var out []ipld.Entry
		for i, e := range entries {
			w, err := f(e.Value)
			if err != nil {
				return v, err
			}
			if out == nil && !same(w, e.Value) {
				out = slices.Clone(entries)
			}
			if out != nil {
				out[i].Value = w
			}
		}
		if out != nil {
			return ipld.Map(out...), nil
		}
	}
	return v, nil
}

// same tells cheaply whether w is surely e unchanged: scalars by value,
// containers by being the same storage.
func same(w, e ipld.Value) bool {
	if w.Kind() != e.Kind() || w.Len() != e.Len() {
		return false
	}
	switch w.Kind() {
	case ipld.KindList:
		return w.Len() == 0 || &w.Elems()[0] == &e.Elems()[0]
	case ipld.KindMap:
		return w.Len() == 0 || &w.Entries()[0] == &e.Entries()[0]
	}
	return w.Equal(e)
}

// Select follows path into v. A list takes an index, a map a key; index 0 of
// a value that is no list is the value itself. Everything else is a failure of
// kind type.
func Select(v ipld.Value, path []Step) (ipld.Value, *Failure) {
	for i, s := range path {
		switch {
		case s.IsKey:
			child, ok := v.Lookup(s.Key)
			if !ok {
				return v, Failf(KindType, "step %d of the promise: no key %q in %s", i+1, s.Key, withKeys(v))
			}
			v = child
		case v.Kind() == ipld.KindList:
			if s.Index >= v.Len() {
				return v, Failf(KindType, "step %d of the promise: index %d of a list of %d", i+1, s.Index, v.Len())
			}
			v = v.Elems()[s.Index]
		case s.Index != 0:
			return v, Failf(KindType, "step %d of the promise: index %d of a %s, which is not a list", i+1, s.Index, v.Kind())
		}
	}
	return v, nil
}

// Resolve is what promise p comes to when the awaited task ended with out:
// the value selected from the right branch, or the failure of the waiting task.
func (p Promise) Resolve(out Outcome) (ipld.Value, *Failure) {
	switch {
	case p.Branch == AwaitAny:
		return Select(out.IPLD(), p.Path)
	case p.Branch == AwaitOK && out.OK():
		return Select(out.Value, p.Path)
	case p.Branch == AwaitError && !out.OK():
		return Select(out.Failure.IPLD(), p.Path)
	}
	got := "ok"
	if !out.OK() {
		got = "error"
	}
	return ipld.Null, Failf(KindBranchMismatch, "expected %s, got %s", p.Branch, got)
}

// Meets tells whether out is on the branch that p waits for.
func (p Promise) Meets(out Outcome) bool {
	return p.Branch == AwaitAny || (p.Branch == AwaitOK) == out.OK()
}

// withKeys names v by its kind and, of a map, by some of its keys.
func withKeys(v ipld.Value) string {
	if v.Kind() != ipld.KindMap || v.Len() == 0 {
		return a(v.Kind())
	}
	const most, longest = 8, 64 // keys, bytes
	keys := make([]string, 0, most)
	for _, e := range v.Entries()[:min(v.Len(), most)] {
		if len(e.Key) <= longest {
			keys = append(keys, strconv.Quote(e.Key))
		}
	}
	if len(keys) < v.Len() {
		keys = append(keys, "…")
	}
	return "a map of " + strings.Join(keys, ", ")
}

// a is k with its article.
func a(k ipld.Kind) string {
	if k == ipld.KindInt {
		return "an " + k.String()
	}
	return "a " + k.String()
}
