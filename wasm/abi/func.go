package abi

import (
	"errors"

	"github.com/ipvm-wg/go-ipvm/wit"
)

// Encoding is how a guest writes text.
type Encoding byte

// The encodings of text, by their numbers in canonical options.
const (
	UTF8 Encoding = iota
	UTF16
	Latin1OrUTF16
)

// MaxFlags is how many flags one type may have.
const MaxFlags = 32

// Guest is the instance on the other side of one call.
type Guest interface {
	// Memory is the guest's linear memory now. It is good until the next
	// Realloc.
	Memory() []byte
	// Realloc calls the guest's allocator. An error ends the call and comes
	// back from whatever asked, as it is.
	Realloc(old, oldSize, align, size uint32) (uint32, error)
}

// Error is the fault of a guest that broke the canonical ABI.
type Error struct{ Msg string }

func (e *Error) Error() string { return e.Msg }

// Func is one function's way across. It is immutable.
type Func struct {
	wit.Func
	encoding Encoding
	params   typ // of all parameters, as one tuple
	result   *typ
	lowers   bool // the host's function, which the guest calls
	plain    bool // a core function as it is: no value is passed by address
	// Core is the type of the core function.
	Core Signature
	// NeedsMemory and NeedsRealloc tell what the other side must have.
	NeedsMemory, NeedsRealloc bool
}

// ErrFlags reports a type with more flags than the ABI has room for.
var ErrFlags = errors.New("more than 32 flags in one type")

// Lifted is the way of f when the guest implements it and the host calls.
// The types of f must be within the bounds of [wit.Interface.Check].
func Lifted(f wit.Func, encoding Encoding) (*Func, error) { return newFunc(f, encoding, false) }

// Lowered is the way of f when the host implements it and the guest calls.
func Lowered(f wit.Func, encoding Encoding) (*Func, error) { return newFunc(f, encoding, true) }

// ErrPlain reports a function that can not be called as it is.
var ErrPlain = errors.New("more than 16 parameters or results, or others than numbers")

// Plain is the way of a core function whose parameters are numbers and whose
// result is none, one, or a tuple of them.
func Plain(f wit.Func) (*Func, error) {
	out, err := newFunc(f, UTF8, false)
	if err != nil {
		return nil, err
	}
	if out.spilled() || out.NeedsRealloc || out.result != nil && (out.result.flat == tooFlat || holdsPointer(out.result)) {
		return nil, ErrPlain
	}
	out.plain, out.NeedsMemory = true, false
	out.signature()
	return out, nil
}

func newFunc(f wit.Func, encoding Encoding, lowers bool) (*Func, error) {
	l := make(layouts)
	out := &Func{Func: f, encoding: encoding, lowers: lowers, result: l.of(f.Result)}
	out.params.Type = &wit.Type{Kind: wit.Tuple}
	for _, p := range f.Params {
		out.params.parts = append(out.params.parts, part{name: p.Name, typ: l.of(p.Type)})
	}
	out.params.product()
	pointers := false
	for _, t := range l {
		if t.Kind == wit.Flags && len(t.Names) > MaxFlags {
			return nil, ErrFlags
		}
		pointers = pointers || t.Kind == wit.StringKind || t.Kind == wit.List
	}
	out.signature()
	out.needs(pointers)
	return out, nil
}

// signature derives the core type.
func (f *Func) signature() {
	f.Core.Params = f.params.flat
	if f.spilled() {
		f.Core.Params = "i"
	}
	switch {
	case f.result == nil:
	case !f.indirect():
		f.Core.Results = f.result.flat
	case f.lowers:
		f.Core.Params += "i"
	default:
		f.Core.Results = "i"
	}
}

// needs tells what the guest must offer: memory when anything is passed by
// address, an allocator when the host must write where there is no place yet.
func (f *Func) needs(pointers bool) {
	f.NeedsMemory = pointers || f.spilled() || f.indirect()
	if f.lowers {
		f.NeedsRealloc = f.result != nil && holdsPointer(f.result)
		return
	}
	f.NeedsRealloc = f.spilled()
	for _, p := range f.params.parts {
		f.NeedsRealloc = f.NeedsRealloc || holdsPointer(p.typ)
	}
}

// holdsPointer tells whether a value of type t has parts elsewhere.
func holdsPointer(t *typ) bool {
	if t.Kind == wit.StringKind || t.Kind == wit.List {
		return true
	}
	for _, p := range t.parts {
		if p.typ != nil && holdsPointer(p.typ) {
			return true
		}
	}
	return false
}

// spilled tells that parameters are passed in memory.
func (f *Func) spilled() bool { return f.params.flat == tooFlat }

// indirect tells that the result is passed in memory.
func (f *Func) indirect() bool {
	return f.result != nil && !f.plain && (f.result.flat == tooFlat || len(f.result.flat) > MaxFlatResults)
}
