package wit

import (
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Bounds of what the links of one value, or of all arguments of one call, may
// bring in. They keep a small document from unfolding into more than a machine
// can hold.
const (
	MaxContentLinks  = 1 << 16   // links opened
	MaxContentBytes  = 256 << 20 // bytes of files
	MaxContentValues = 1 << 22   // values, those of the document included
)

// Content is where the content of links comes from. Both methods verify what
// they return against the link and bound its size.
type Content interface {
	// File returns the bytes of a raw block or a UnixFS file.
	File(ipld.Link) ([]byte, error)
	// Value returns the decoded value of a block.
	Value(ipld.Link) (ipld.Value, error)
}

var errNoContent = errors.New("no source of content")

// Content returns v with every link replaced by what it addresses, in
// canonical form: the file's bytes for list<u8>, its text for string, the
// decoded block for any other type; for option<list<u8>> and option<string>
// the content of the payload. Links within a decoded block are followed too.
//
// The error is a [*Fault] that names the link. It wraps the error of get when
// the content could not be loaded, and no other when it does not fit.
func (t *Type) Content(v ipld.Value, get Content) (ipld.Value, error) {
	r := reader{content: get}
	return r.contentOf(t, v)
}

// contentOf is [Type.Content] within what is left of the bounds of r.
func (r *reader) contentOf(t *Type, v ipld.Value) (ipld.Value, error) {
	if r.content == nil {
		return ipld.Value{}, &Fault{Err: errNoContent}
	}
	out, fault := r.value(t, v)
	if fault != nil {
		return ipld.Value{}, fault
	}
	return out, nil
}

// open returns the content of link in the canonical form of t.
func (r *reader) open(t *Type, link ipld.Link) (ipld.Value, *Fault) {
	if r.links++; r.links > MaxContentLinks {
		return ipld.Value{}, &Fault{Link: link, Msg: fmt.Sprintf("more than %d links to open", MaxContentLinks)}
	}
	if f := t.fileType(); f != nil {
		return r.file(f, link)
	}
	v, err := r.content.Value(link)
	if err != nil {
		return ipld.Value{}, &Fault{Link: link, Err: err}
	}
	if next, ok := v.AsLink(); ok {
		// A block that is nothing but a link can be the start of a long
		// chain; nothing needs one.
		return ipld.Value{}, &Fault{Link: link, Want: t.text(120), Got: "the link " + next.String()}
	}
	out, fault := r.value(t, v)
	if fault != nil && !fault.Link.Defined() {
		fault.Link = link
	}
	return out, fault
}

// fileType is the type in t whose content is a file, not a decoded block: t or
// the payload of the option t; nil when there is none.
func (t *Type) fileType() *Type {
	switch {
	case t.Kind == StringKind, t.Kind == List && t.Elem.Kind == U8:
		return t
	case t.Kind == Option && t.Elem.Kind != Option:
		return t.Elem.fileType()
	}
	return nil
}

func (r *reader) file(t *Type, link ipld.Link) (ipld.Value, *Fault) {
	b, err := r.content.File(link)
	if err != nil {
		return ipld.Value{}, &Fault{Link: link, Err: err}
	}
	if r.bytes += int64(len(b)); r.bytes > MaxContentBytes {
		return ipld.Value{}, &Fault{Link: link, Msg: fmt.Sprintf("more than %d bytes of content", MaxContentBytes)}
	}
	if t.Kind != StringKind {
		return ipld.Bytes(b), nil
	}
	if !utf8.Valid(b) {
		return ipld.Value{}, &Fault{Link: link, Want: "string", Got: plural(len(b), "byte"), Msg: "not UTF-8"}
	}
	return ipld.String(string(b)), nil
}
