package component

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/wit"
)

// What a type index can stand for: *wit.Type, *wit.Func (without a name),
// *instance for the type of an instance, *world for that of a component, and
// *resource.

// resource is a type of handles.
type resource struct{ name string }

// world is the type of a component.
type world struct{ imports, exports []named }

// named is an import or export.
type named struct {
	name string
	entity
}

// entity is one thing of the component model.
type entity struct {
	sort byte
	of   any // *function, *instance, *definition or, for sortType, what a type index can stand for
}

// Sorts of definitions.
const (
	sortCore      = 0x00
	sortFunc      = 0x01
	sortType      = 0x03
	sortComponent = 0x04
	sortInstance  = 0x05
	sortModule    = 0x11 // of the core sorts
)

// instance is a component-level instance, or the type of one.
type instance struct{ exports []named }

func (i *instance) find(name string) (entity, bool) {
	for _, e := range i.exports {
		if e.name == name {
			return e.entity, true
		}
	}
	return entity{}, false
}

var primitives = map[byte]wit.Kind{
	0x7f: wit.Bool, 0x7e: wit.S8, 0x7d: wit.U8, 0x7c: wit.S16, 0x7b: wit.U16, 0x7a: wit.S32, 0x79: wit.U32,
	0x78: wit.S64, 0x77: wit.U64, 0x76: wit.F32, 0x75: wit.F64, 0x74: wit.Char, 0x73: wit.StringKind,
}

var primitiveTypes = func() map[byte]*wit.Type {
	out := make(map[byte]*wit.Type)
	for op, k := range primitives {
		out[op] = &wit.Type{Kind: k}
	}
	return out
}()

// typeSection defines the types of a section.
func (s *scope) typeSection(r *reader) error {
	for n := r.count(); n > 0 && !r.bad; n-- {
		t, err := s.typeDef(r)
		if err != nil {
			return err
		}
		s.types = append(s.types, t)
	}
	return r.end()
}

// typeDef reads one definition of a type.
func (s *scope) typeDef(r *reader) (any, error) {
	if err := s.e.spend(1); err != nil {
		return nil, err
	}
	if len(r.buf) > 0 {
		switch r.buf[0] {
		case 0x40:
			r.byte()
			return s.funcType(r)
		case 0x41:
			r.byte()
			return s.worldType(r)
		case 0x42:
			r.byte()
			return s.instanceType(r)
		}
	}
	return s.valueDef(r)
}

// valueDef reads the definition of a value type.
func (s *scope) valueDef(r *reader) (*wit.Type, error) {
	op := r.byte()
	if t := primitiveTypes[op]; t != nil {
		return t, nil
	}
	t := new(wit.Type)
	var err error
	switch op {
	case 0x72:
		t.Kind = wit.Record
		t.Fields, err = s.fields(r)
	case 0x71:
		t.Kind = wit.Variant
		t.Fields, err = s.caseList(r)
	case 0x70:
		t.Kind = wit.List
		t.Elem, err = s.value(r)
	case 0x6f:
		t.Kind = wit.Tuple
		for n := r.parts(); n > 0 && err == nil; n-- {
			var item *wit.Type
			item, err = s.value(r)
			t.Items = append(t.Items, item)
		}
	case 0x6e:
		t.Kind = wit.Flags
		t.Names, err = r.names()
	case 0x6d:
		t.Kind = wit.Enum
		t.Names, err = r.names()
	case 0x6b:
		t.Kind = wit.Option
		t.Elem, err = s.value(r)
	case 0x6a:
		t.Kind = wit.Result
		if t.Elem, err = s.optional(r); err == nil {
			t.Err, err = s.optional(r)
		}
	case 0x69, 0x68:
		return s.handle(r, op == 0x68)
	default:
		return nil, unrecognisedf("%s", otherType(op))
	}
	return t, err
}

// otherTypes are the kinds of types that this package does not read.
var otherTypes = map[byte]string{
	0x3e: "a resource of its own", 0x3f: "a resource of its own", 0x43: "an asynchronous function", 0x63: "a map", 0x64: "an error context",
	0x65: "a future", 0x66: "a stream", 0x67: "a list of fixed length",
}

func otherType(op byte) string {
	if what, ok := otherTypes[op]; ok {
		return what
	}
	return fmt.Sprintf("a type of kind %#x", op)
}

func (s *scope) handle(r *reader, borrow bool) (*wit.Type, error) {
	res, ok := at(s.types, r.u32()).(*resource)
	if !ok {
		return nil, errBytes
	}
	return &wit.Type{Kind: wit.Resource, Names: []string{res.name}, Borrow: borrow}, nil
}

// value reads a value type: a primitive one, or the index of another.
func (s *scope) value(r *reader) (*wit.Type, error) {
	if err := s.e.spend(1); err != nil {
		return nil, err
	}
	if len(r.buf) > 0 && r.buf[0]&0xc0 == 0x40 {
		op := r.byte()
		t := primitiveTypes[op]
		if t == nil {
			return nil, unrecognisedf("a value of %s", otherType(op))
		}
		return t, nil
	}
	t, ok := at(s.types, r.u32()).(*wit.Type)
	if !ok {
		return nil, errBytes
	}
	return t, nil
}

func (s *scope) optional(r *reader) (*wit.Type, error) {
	switch r.byte() {
	case 0x00:
		return nil, nil
	case 0x01:
		return s.value(r)
	}
	return nil, errBytes
}

func (s *scope) fields(r *reader) (out []wit.Field, err error) {
	known := make(distinct)
	for n := r.parts(); n > 0; n-- {
		var f wit.Field
		if f.Name, err = known.label(r); err != nil {
			return nil, err
		}
		if f.Type, err = s.value(r); err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

func (s *scope) caseList(r *reader) (out []wit.Field, err error) {
	known := make(distinct)
	for n := r.parts(); n > 0; n-- {
		var f wit.Field
		if f.Name, err = known.label(r); err != nil {
			return nil, err
		}
		if f.Type, err = s.optional(r); err != nil {
			return nil, err
		}
		if r.byte() != 0x00 {
			return nil, errBytes
		}
		out = append(out, f)
	}
	return out, nil
}

func (r *reader) names() (out []string, err error) {
	known := make(distinct)
	for n := r.parts(); n > 0; n-- {
		name, err := known.label(r)
		if err != nil {
			return nil, err
		}
		out = append(out, name)
	}
	return out, nil
}

// parts takes the count of the parts of a type. What has too many is made
// unreadable.
func (r *reader) parts() int {
	n := r.count()
	if n > maxParts {
		r.fail()
		return 1 // so that its first part fails
	}
	return n
}

func (s *scope) funcType(r *reader) (*wit.Func, error) {
	params, err := s.fields(r)
	if err != nil {
		return nil, err
	}
	f := &wit.Func{Params: params}
	switch r.byte() {
	case 0x00:
		f.Result, err = s.value(r)
		return f, err
	case 0x01:
		if r.byte() == 0x00 {
			return f, nil
		}
	}
	return nil, errBytes
}

// instanceType reads the declarations of an instance's type.
func (s *scope) instanceType(r *reader) (*instance, error) {
	w, err := s.worldType(r)
	if err != nil {
		return nil, err
	}
	if len(w.imports) > 0 {
		return nil, errBytes
	}
	return &instance{w.exports}, nil
}

// worldType reads the declarations of a component's type.
func (s *scope) worldType(r *reader) (*world, error) {
	inner, err := s.inner()
	if err != nil {
		return nil, err
	}
	w := new(world)
	for n := r.count(); n > 0; n-- {
		if err := inner.declaration(r, w); err != nil {
			return nil, err
		}
	}
	return w, nil
}

func (s *scope) declaration(r *reader, w *world) error {
	if err := s.e.spend(1); err != nil {
		return err
	}
	switch kind := r.byte(); kind {
	case 0x01:
		t, err := s.typeDef(r)
		s.types = append(s.types, t)
		return err
	case 0x02:
		return s.alias(r)
	case 0x03, 0x04:
		known := &s.imported
		if kind == 0x04 {
			known = &s.exported
		}
		name, err := r.newName(known)
		if err != nil {
			return err
		}
		n := named{name: name}
		if n.entity, err = s.extern(r, n.name); err != nil {
			return err
		}
		s.define(n.entity)
		if kind == 0x03 {
			w.imports = append(w.imports, n)
		} else {
			w.exports = append(w.exports, n)
		}
		return nil
	}
	return unrecognisedf("a declaration of core types")
}

// extern reads the type of an import or export and gives something of that
// type: a function without an implementation, an instance of such functions,
// or the type itself.
func (s *scope) extern(r *reader, name string) (entity, error) {
	sort := r.byte()
	switch sort {
	case sortFunc, sortComponent, sortInstance:
	case sortType:
		switch r.byte() {
		case 0x00:
		case 0x01:
			return entity{sortType, &resource{name}}, nil
		default:
			return entity{}, errBytes
		}
	default:
		return entity{}, unrecognisedf("import or export %q is a value or a module", name)
	}
	t := at(s.types, r.u32())
	if t != nil && sort == sortType {
		return entity{sortType, t}, nil
	}
	switch t := t.(type) {
	case *wit.Func:
		if sort == sortFunc {
			return entity{sort, &function{typ: *t}}, nil
		}
	case *instance:
		if sort == sortInstance {
			return entity{sort, t}, nil
		}
	case *world:
		if sort == sortComponent {
			return entity{sort, t}, nil
		}
	}
	return entity{}, errBytes
}

// externName takes the name of an import or export.
func (r *reader) externName() string {
	form := r.byte()
	name := r.name()
	if form > 0x01 { // attributes
		r.fail()
	}
	return name
}

// newName takes the name of an import or export that known has not.
func (r *reader) newName(known *distinct) (string, error) {
	name := r.externName()
	if r.bad || !goodName(name) {
		return "", unrecognisedf("%q is no name of an import or export", name)
	}
	if *known == nil {
		*known = make(distinct)
	}
	return name, known.add(name)
}
