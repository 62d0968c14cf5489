package wit

import (
	"fmt"
	"strings"
)

// NotFoundError reports a function that a module does not export.
type NotFoundError struct {
	Name string
	// Near are exports that may have been meant, closest first; at most 3.
	Near []string
	// Exports are the module's exports; at most 8, of Total.
	Exports []string
	Total   int
}

func (e *NotFoundError) Error() string {
	switch {
	case e.Total == 0:
		return "the module exports no function that can be called"
	case len(e.Near) > 0:
		return fmt.Sprintf("no function %q (did you mean %s?)", cut(e.Name, 64), listing(e.Near, len(e.Near), " or "))
	}
	return fmt.Sprintf("no function %q; the module exports %s", cut(e.Name, 64), e.Listed())
}

// Listed is the module's exports in a message.
func (e *NotFoundError) Listed() string { return listing(e.Exports, e.Total, ", ") }

// AmbiguousError reports a name that could mean several functions, or no name
// for a module that exports several.
type AmbiguousError struct {
	Name string // "" when no name was given
	// Candidates are exact names to choose from; at most 8, of Total.
	Candidates []string
	Total      int
}

func (e *AmbiguousError) Error() string {
	names := listing(e.Candidates, e.Total, ", ")
	if e.Name == "" {
		return fmt.Sprintf("name the function: the module exports %s", names)
	}
	return fmt.Sprintf("function %q could be any of %s: spell it exactly", cut(e.Name, 64), names)
}

// maxListed is the number of names an error lists.
const maxListed = 8

// listing joins names for a message and tells how many of total are left out.
func listing(names []string, total int, sep string) string {
	s := strings.Join(names, sep)
	if total > len(names) {
		s += fmt.Sprintf(" and %d more", total-len(names))
	}
	return s
}

// Find returns the function that name means.
//
// A name means the export that is spelled exactly so; else the one function
// with that name in any exported interface; else the one function with the
// same words. "iface#name" looks only into interfaces called iface, with or
// without package and version. The empty name means the only export.
//
// The error is a [*NotFoundError] or an [*AmbiguousError].
func (i Interface) Find(name string) (Func, error) {
	if name == "" {
		return i.sole()
	}
	for _, f := range i.Funcs {
		if f.Name == name {
			return f, nil
		}
	}
	space, base := split(name)
	key := words(base)
	var exact, same []Func
	for _, f := range i.Funcs {
		fspace, fbase := split(f.Name)
		if !inSpace(fspace, space) {
			continue
		}
		if fbase == base {
			exact = append(exact, f)
		}
		if key != "" && words(fbase) == key {
			same = append(same, f)
		}
	}
	found := exact
	if len(found) == 0 {
		found = same
	}
	switch len(found) {
	case 0:
		return Func{}, i.notFound(name)
	case 1:
		return found[0], nil
	}
	return Func{}, ambiguous(name, found)
}

func (i Interface) sole() (Func, error) {
	switch len(i.Funcs) {
	case 0:
		return Func{}, &NotFoundError{}
	case 1:
		return i.Funcs[0], nil
	}
	return Func{}, ambiguous("", i.Funcs)
}

func (i Interface) notFound(name string) error {
	names := namesOf(i.Funcs)
	return &NotFoundError{Name: name, Near: near(name, names), Exports: names[:min(len(names), maxListed)], Total: len(names)}
}

func ambiguous(name string, funcs []Func) error {
	return &AmbiguousError{Name: name, Candidates: namesOf(funcs[:min(len(funcs), maxListed)]), Total: len(funcs)}
}

func namesOf(funcs []Func) []string {
	names := make([]string, len(funcs))
	for i, f := range funcs {
		names[i] = f.Name
	}
	return names
}

// split divides an export name into the interface before "#", "" for the
// root, and the function.
func split(name string) (space, base string) {
	if i := strings.LastIndexByte(name, '#'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}

// inSpace tells whether an interface called name is meant by want: any by "",
// else by its full name, its name without version, or its last part.
func inSpace(name, want string) bool {
	if want == "" || name == want {
		return true
	}
	if i := strings.LastIndexByte(name, '@'); i >= 0 {
		name = name[:i]
	}
	return name == want || name[strings.LastIndexByte(name, '/')+1:] == want
}
