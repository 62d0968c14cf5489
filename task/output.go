package task

import (
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Output is what a program left behind that was run as a function: the record
// of stdout, stderr, exit and files that such a function returns.
type Output struct {
	// Stdout and Stderr are bytes or, where they are many, links to them.
	Stdout, Stderr ipld.Value
	Exit           uint64
	// Files are the files that the program made or changed: pairs of a path and
	// bytes or a link to them, by path.
	Files []ipld.Value
}

// Value is o as an IPLD value.
func (o Output) Value() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "stdout", Value: o.Stdout},
		ipld.Entry{Key: "stderr", Value: o.Stderr},
		ipld.Entry{Key: "exit", Value: ipld.Uint(o.Exit)},
		ipld.Entry{Key: "files", Value: ipld.List(o.Files...)},
	)
}

// ParseOutput reads what [Output.Value] gave, and tells whether v is that.
func ParseOutput(v ipld.Value) (o Output, ok bool) {
	if v.Kind() != ipld.KindMap || v.Len() != 4 {
		return o, false
	}
	var found [4]bool
	var exit, files ipld.Value
	o.Stdout, found[0] = v.Lookup("stdout")
	o.Stderr, found[1] = v.Lookup("stderr")
	exit, found[2] = v.Lookup("exit")
	files, found[3] = v.Lookup("files")
	o.Exit, ok = exit.AsUint64()
	o.Files = files.Elems()
	return o, ok && found == [4]bool{true, true, true, true} && files.Kind() == ipld.KindList
}

// failed says how a program failed: its exit status, and the last line that it
// wrote to its standard error.
func (o Output) failed() string {
	s := fmt.Sprintf("the program ended with exit status %d", o.Exit)
	said, _ := o.Stderr.AsBytes()
	said = strings.TrimSpace(strings.ToValidUTF8(said, "�"))
	if said = said[strings.LastIndexByte(said, '\n')+1:]; said == "" {
		return s
	}
	if len(said) > 300 {
		said = strings.ToValidUTF8(said[:300], "") + "…"
	}
	return s + ": " + said
}
