package component

import (
	"regexp"
	"strings"
)

// Names of the component model. The engine has them be so, and refuses a
// component in which they are not; what is odd here is left to its judgement.
var (
	label   = `(?:[a-z][a-z0-9]*|[A-Z][A-Z0-9]*)(?:-(?:[a-z0-9]+|[A-Z0-9]+))*`
	labels  = regexp.MustCompile(`^` + label + `$`)
	plain   = regexp.MustCompile(`^(?:\[(?:constructor|async)\]` + label + `|\[(?:method|static|async method|async static)\]` + label + `\.` + label + `|` + label + `)$`)
	ofPlace = regexp.MustCompile(`^[a-z][a-z0-9]*(?:-[a-z][a-z0-9]*)*:` + label + `/` + label + `(?:@[0-9]+\.[0-9]+\.[0-9]+(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z.-]+)?)?$`)
)

// maxName bounds the names that are looked at.
const maxName = 1024

// goodLabel tells a name of a field, case, flag or parameter.
func goodLabel(name string) bool { return len(name) <= maxName && labels.MatchString(name) }

// goodName tells a name of an import or export.
func goodName(name string) bool {
	if len(name) > maxName {
		return false
	}
	if strings.Contains(name, ":") {
		return ofPlace.MatchString(name)
	}
	return plain.MatchString(name)
}

// distinct notes names, which must all differ in more than upper and lower case.
type distinct map[string]bool

func (d distinct) add(name string) error {
	key := strings.ToLower(name)
	if d[key] {
		return unrecognisedf("%q twice", name)
	}
	d[key] = true
	return nil
}

// label takes a name of a part, which no part before it has.
func (d distinct) label(r *reader) (string, error) {
	name := r.name()
	if r.bad || !goodLabel(name) {
		return "", unrecognisedf("%q is no name of a part", name)
	}
	return name, d.add(name)
}
