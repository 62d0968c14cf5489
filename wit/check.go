package wit

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Bounds of an interface. A module beyond them is refused: types share parts,
// so that a small module can describe a type that is enormous when written
// out.
const (
	MaxTypeDepth = 64      // types within types
	MaxTypeSize  = 100_000 // types and names of an interface, written out
	MaxFuncs     = 10_000
	maxName      = 1024 // bytes of one name
)

// ErrInterface reports an interface that is not well formed or beyond its
// bounds.
var ErrInterface = errors.New("bad interface")

// Check tells whether i is well formed and within its bounds. Whoever builds
// an interface from a module checks it before anything else;
// [ParseInterface] returns no other. The error wraps [ErrInterface].
func (i Interface) Check() error {
	if len(i.Funcs) > MaxFuncs {
		return fmt.Errorf("%w: %d functions, at most %d", ErrInterface, len(i.Funcs), MaxFuncs)
	}
	c := checker{seen: map[*Type]extent{}}
	names := make(map[string]bool, len(i.Funcs))
	size := 0
	for _, f := range i.Funcs {
		if err := unique(names, "function", f.Name); err != nil {
			return err
		}
		n, err := c.function(f)
		if err != nil {
			return fmt.Errorf("function %q: %w", cut(f.Name, 64), err)
		}
		if size += n; size > MaxTypeSize {
			return fmt.Errorf("%w: %s", ErrInterface, tooLarge)
		}
	}
	return nil
}

var tooLarge = fmt.Sprintf("more than %d types and names, written out", MaxTypeSize)

// unique checks name and adds it to names.
func unique(names map[string]bool, noun, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: a %s without a name", ErrInterface, noun)
	case len(name) > maxName:
		return fmt.Errorf("%w: name of a %s of %d bytes, at most %d", ErrInterface, noun, len(name), maxName)
	case !utf8.ValidString(name):
		return fmt.Errorf("%w: name of a %s is not UTF-8: %q", ErrInterface, noun, cut(name, 64))
	case names[name]:
		return fmt.Errorf("%w: %s %q twice", ErrInterface, noun, cut(name, 64))
	}
	names[name] = true
	return nil
}

// extent is how large a type is when written out.
type extent struct{ depth, size int }

func (e *extent) add(part extent) error {
	e.depth = max(e.depth, part.depth+1)
	if e.size += part.size; e.size > MaxTypeSize {
		return fmt.Errorf("%w: %s", ErrInterface, tooLarge)
	}
	return nil
}

// checker measures types, each once however often it is shared.
type checker struct {
	seen map[*Type]extent // depth 0: being measured
}

// function returns the size of the types of f.
func (c checker) function(f Func) (int, error) {
	e, err := c.parts(0, "parameter", f.Params, nil)
	if err != nil {
		return 0, err
	}
	if f.Result != nil {
		part, err := c.typ(f.Result, 0)
		if err != nil {
			return 0, fmt.Errorf("result: %w", err)
		}
		return e.size + part.size, nil
	}
	return e.size, nil
}

// typ checks t, which lies within above other types.
func (c checker) typ(t *Type, above int) (extent, error) {
	if t == nil {
		return extent{}, fmt.Errorf("%w: a type is missing", ErrInterface)
	}
	e, ok := c.seen[t]
	if ok && e.depth == 0 {
		return e, fmt.Errorf("%w: a type within itself", ErrInterface)
	}
	if above >= MaxTypeDepth || above+e.depth > MaxTypeDepth {
		return e, fmt.Errorf("%w: types nest deeper than %d", ErrInterface, MaxTypeDepth)
	}
	if ok {
		return e, nil
	}
	c.seen[t] = extent{}
	e, err := c.compound(t, above+1)
	if err != nil {
		return e, err
	}
	c.seen[t] = e
	return e, nil
}

// compound measures t by its kind; its parts lie within above types.
func (c checker) compound(t *Type, above int) (extent, error) {
	switch t.Kind {
	case List, Option:
		return c.parts(above, "", nil, []*Type{t.Elem})
	case Result:
		var parts []*Type
		for _, p := range []*Type{t.Elem, t.Err} {
			if p != nil {
				parts = append(parts, p)
			}
		}
		return c.parts(above, "", nil, parts)
	case Tuple:
		if len(t.Items) == 0 {
			return extent{}, fmt.Errorf("%w: tuple without items", ErrInterface)
		}
		return c.parts(above, "", nil, t.Items)
	case Record:
		return c.named(t, above, "field")
	case Variant:
		return c.named(t, above, "case")
	case Enum:
		return enumerated(t.Names, "case")
	case Flags:
		return enumerated(t.Names, "flag")
	case Resource:
		if len(t.Names) > 1 {
			return extent{}, fmt.Errorf("%w: resource with %d names", ErrInterface, len(t.Names))
		}
		if len(t.Names) == 0 || t.Names[0] == "" {
			return extent{1, 1}, nil
		}
		return enumerated(t.Names, "resource")
	}
	if t.Kind.primitive() == "" {
		return extent{}, fmt.Errorf("%w: unknown kind of type %d", ErrInterface, t.Kind)
	}
	return extent{1, 1}, nil
}

func (c checker) named(t *Type, above int, noun string) (extent, error) {
	if len(t.Fields) == 0 {
		return extent{}, fmt.Errorf("%w: a type without a %s", ErrInterface, noun)
	}
	return c.parts(above, noun, t.Fields, nil)
}

// parts measures a type of the given fields and unnamed parts. Only a case may
// be without a type.
func (c checker) parts(above int, noun string, fields []Field, unnamed []*Type) (extent, error) {
	e := extent{1, 1}
	names := make(map[string]bool, len(fields))
	for _, f := range fields {
		if err := unique(names, noun, f.Name); err != nil {
			return e, err
		}
		part := extent{0, 1}
		if f.Type != nil || noun != "case" {
			p, err := c.typ(f.Type, above)
			if err != nil {
				return e, fmt.Errorf("%s %q: %w", noun, cut(f.Name, 64), err)
			}
			part = extent{p.depth, p.size + 1}
		}
		if err := e.add(part); err != nil {
			return e, err
		}
	}
	for _, t := range unnamed {
		part, err := c.typ(t, above)
		if err != nil {
			return e, err
		}
		if err := e.add(part); err != nil {
			return e, err
		}
	}
	return e, nil
}

func enumerated(names []string, noun string) (extent, error) {
	if len(names) == 0 {
		return extent{}, fmt.Errorf("%w: a type without a %s", ErrInterface, noun)
	}
	seen := make(map[string]bool, len(names))
	for _, n := range names {
		if err := unique(seen, noun, n); err != nil {
			return extent{}, err
		}
	}
	return extent{1, len(names) + 1}, nil
}
