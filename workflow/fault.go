package workflow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Kind is the class of a [Fault]. The list is closed.
type Kind string

// The classes of faults.
const (
	Syntax       Kind = "syntax"        // not JSON, YAML or DAG-CBOR
	Size         Kind = "size"          // too large, too deep, too many
	UnknownField Kind = "unknown-field" // a field that does not exist
	Duplicate    Kind = "duplicate"     // given twice
	Type         Kind = "type"          // not the kind of value that belongs here
	Invalid      Kind = "invalid"       // the right kind with an impossible content
	Missing      Kind = "missing"       // something that must be there is not
	BadPromise   Kind = "promise"       // a promise that can never be kept
	File         Kind = "file"          // a file that can not be imported
	Unsupported  Kind = "unsupported"   // understood, but not done by this version
	Ignored      Kind = "ignored"       // only in warnings: read, without effect
	NotFound     Kind = "not-found"     // named well, but neither here nor to be had
	Lost         Kind = "lost"          // it was here and is no longer: the node is at fault
	Cycle        Kind = "cycle"         // for package graph: jobs that wait for each other
)

// Pos is a place in a document.
type Pos struct {
	File string
	// Line and Col count from 1, columns in characters; 0 means not known,
	// as always in DAG-CBOR.
	Line, Col int
	// Path is the place in the data as a JSON Pointer (RFC 6901), such as
	// /jobs/count/input/0; empty is the whole document.
	Path string
}

// String is "file:line:col: path", of which it leaves out what is not known.
func (p Pos) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		if b.Len() > 0 {
			b.WriteByte(':')
		}
		fmt.Fprintf(&b, "%d", p.Line)
		if p.Col > 0 {
			fmt.Fprintf(&b, ":%d", p.Col)
		}
	}
	if p.Path != "" {
		if b.Len() > 0 {
			b.WriteString(": ")
		}
		b.WriteString(p.Path)
	}
	return b.String()
}

// Fault is one thing that is wrong with a document.
type Fault struct {
	Pos
	Kind Kind
	// Msg says what is there and what was expected.
	Msg string
	// Hint says what to do about it, where there is something to say.
	Hint string
}

// Error is "file:line:col: path: message", with the hint on a second line.
func (f Fault) Error() string {
	s := f.line()
	if f.Hint != "" {
		s += "\n  hint: " + f.Hint
	}
	return s
}

// line is f without its hint.
func (f Fault) line() string {
	if p := f.Pos.String(); p != "" {
		return p + ": " + f.Msg
	}
	return f.Msg
}

// FaultList is everything that is wrong with a document, in the order of the
// document. It is never empty.
type FaultList []Fault

// maxShown bounds the faults that a FaultList's text has.
const maxShown = 100

// Error is one fault after the other, at most 100 of them. A hint that several
// in a row have follows the last of them.
func (l FaultList) Error() string {
	shown := l[:min(len(l), maxShown)]
	lines := make([]string, len(shown))
	for i, f := range shown {
		if i+1 < len(shown) && shown[i+1].Hint == f.Hint {
			lines[i] = f.line()
		} else {
			lines[i] = f.Error()
		}
	}
	if more := len(l) - len(shown); more > 0 {
		lines = append(lines, fmt.Sprintf("… and %d more", more))
	}
	return strings.Join(lines, "\n")
}

// maxFaults bounds the faults that are kept of one document.
const maxFaults = 1000

// faults collects.
type faults struct {
	all []Fault
	n   int // all that were found, also those beyond maxFaults
}

func (fs *faults) add(f Fault) {
	fs.n++
	if len(fs.all) < maxFaults {
		fs.all = append(fs.all, f)
	}
}

// list is the faults in order, each once.
func (fs *faults) list() FaultList {
	if len(fs.all) == 0 {
		return nil
	}
	return Merge(fs.all)
}

// Merge is the faults of all lists in the order of the document, each once.
func Merge(lists ...FaultList) FaultList {
	l := slices.Concat(lists...)
	slices.SortStableFunc(l, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return slices.Compact(l)
}
