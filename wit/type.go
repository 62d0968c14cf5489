package wit

import "slices"

// Kind is the kind of a [Type].
type Kind uint8

// The kinds of the component model's value types.
const (
	Bool Kind = iota + 1
	S8
	U8
	S16
	U16
	S32
	U32
	S64
	U64
	F32
	F64
	Char
	StringKind
	List
	Record
	Tuple
	Variant
	Enum
	Option
	Result
	Flags
	Resource // own and borrow handles: recognised, refused as arguments
)

// Type is one value type. Types are immutable once built and may be shared.
type Type struct {
	Kind Kind
	// Elem is the element of a List, the payload of an Option and the ok
	// payload of a Result, where nil means none.
	Elem *Type
	// Err is the error payload of a Result; nil means none.
	Err *Type
	// Fields are the fields of a Record, or the cases of a Variant, where a
	// nil Type means no payload.
	Fields []Field
	// Items are the items of a Tuple.
	Items []*Type
	// Names are the cases of an Enum or the names of Flags, in declaration
	// order. For a Resource, Names[0] is its name if known.
	Names []string
	// Borrow tells, of a Resource, a borrowed handle from one that is owned.
	// It is no part of an interface: functions with handles are not called.
	Borrow bool
}

// Field is a named part of a record, variant or parameter list.
type Field struct {
	Name string
	Type *Type
}

// Func is the type of one exported function.
type Func struct {
	// Name is the exact export name: "crop", or "pkg:ns/iface@1.0.0#crop"
	// for a function of an exported interface.
	Name string
	// Params are the parameters in order.
	Params []Field
	// Result is the result type; nil means the function returns nothing.
	Result *Type
}

// Interface is what one module exports: its functions, in the module's order.
type Interface struct {
	Funcs []Func
}

// HasHandle tells whether a value of type t, which may be nil, has a handle of
// a resource in it.
func (t *Type) HasHandle() bool {
	if t == nil {
		return false
	}
	if t.Kind == Resource || t.Elem.HasHandle() || t.Err.HasHandle() {
		return true
	}
	for _, f := range t.Fields {
		if f.Type.HasHandle() {
			return true
		}
	}
	return slices.ContainsFunc(t.Items, (*Type).HasHandle)
}
