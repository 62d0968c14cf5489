package wit

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Args are the arguments of one call as a document gives them: by position, or
// by name.
type Args struct {
	Positional []ipld.Value
	Named      ipld.Value // a map
	IsNamed    bool       // Named counts, not Positional
}

// Canonical returns one value per parameter of f, each in the canonical form
// of its type, or a [*Fault] that names the parameter.
//
// The number of positional arguments must be exact; none at all leaves every
// parameter out, as no named ones do, where all are options. Named arguments match
// parameters exactly or by words, as the fields of a record do; a missing
// option is null.
func (f Func) Canonical(a Args) ([]ipld.Value, error) {
	given := a.Positional
	if a.IsNamed {
		if a.Named.Kind() != ipld.KindMap {
			return nil, &Fault{Want: "a map of named arguments", Got: describe(a.Named)}
		}
		var fault *Fault
		if given, fault = assign("parameter", f.Params, a.Named); fault != nil {
			return nil, fault
		}
	}
	if !a.IsNamed && len(given) == 0 && f.optional() {
		given = make([]ipld.Value, len(f.Params))
	}
	if len(given) != len(f.Params) {
		return nil, &Fault{Want: plural(len(f.Params), "argument"), Got: fmt.Sprint(len(given))}
	}
	out := make([]ipld.Value, len(given))
	for i, p := range f.Params {
		v, err := p.Type.Canonical(given[i])
		if err != nil {
			return nil, inParam(err, p.Name)
		}
		out[i] = v
	}
	return out, nil
}

// optional tells whether every parameter of f may be left out.
func (f Func) optional() bool {
	return !slices.ContainsFunc(f.Params, func(p Field) bool { return p.Type.Kind != Option })
}

// Content returns params, as Canonical gave them, with every link replaced by
// its content: [Type.Content] for each parameter, within the bounds for all of
// them together. The [*Fault] names the parameter.
func (f Func) Content(params []ipld.Value, get Content) ([]ipld.Value, error) {
	if len(params) != len(f.Params) {
		return nil, &Fault{Want: plural(len(f.Params), "argument"), Got: fmt.Sprint(len(params))}
	}
	out := make([]ipld.Value, len(params))
	r := reader{content: get}
	for i, p := range f.Params {
		v, err := r.contentOf(p.Type, params[i])
		if err != nil {
			return nil, inParam(err, p.Name)
		}
		out[i] = v
	}
	return out, nil
}

func inParam(err error, name string) error {
	var fault *Fault
	if errors.As(err, &fault) {
		fault.Param = name
	}
	return err
}
