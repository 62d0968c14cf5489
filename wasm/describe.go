package wasm

import (
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/wit"
)

// itemKind is what an import or export of a component is.
type itemKind byte

const (
	itemComponent itemKind = iota
	itemInstance
	itemModule
	itemFunc
	itemResource
	itemCoreFunc
	itemType
)

// item is one import or export.
type item struct {
	name  string
	kind  itemKind
	async bool
	fn    wit.Func
	items []item // of an instance
}

// described is what a component imports and exports.
type described struct{ imports, exports []item }

// describer reads the flat description that describe.c writes.
type describer struct{ lifter }

func parseComponent(data []byte) (c described, err error) {
	d := describer{lifter{data}}
	if c.imports, err = d.items(); err != nil {
		return c, err
	}
	if c.exports, err = d.items(); err != nil {
		return c, err
	}
	if len(d.buf) > 0 {
		return c, errWire
	}
	return c, nil
}

func (d *describer) items() ([]item, error) {
	n, err := d.count()
	if err != nil {
		return nil, err
	}
	out := make([]item, n)
	for i := range out {
		if out[i], err = d.item(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *describer) item() (it item, err error) {
	if it.name, err = d.name(); err != nil {
		return it, err
	}
	k, err := d.byte()
	if err != nil {
		return it, err
	}
	it.kind = itemKind(k)
	switch it.kind {
	case itemFunc:
		it.fn.Name = it.name
		return it, d.function(&it)
	case itemInstance:
		it.items, err = d.items()
	}
	return it, err
}

func (d *describer) function(it *item) (err error) {
	if it.async, err = d.flag(); err != nil {
		return err
	}
	n, err := d.count()
	if err != nil {
		return err
	}
	it.fn.Params = make([]wit.Field, n)
	for i := range it.fn.Params {
		if it.fn.Params[i].Name, err = d.name(); err != nil {
			return err
		}
		if it.fn.Params[i].Type, err = d.valtype(); err != nil {
			return err
		}
	}
	it.fn.Result, err = d.optional()
	return err
}

var plainTypes = [...]wit.Kind{
	wit.Bool, wit.S8, wit.S16, wit.S32, wit.S64, wit.U8, wit.U16, wit.U32, wit.U64, wit.F32, wit.F64, wit.Char, wit.StringKind,
}

// Numbers of the other types, as the C API has them.
const (
	typeList = 13 + iota
	typeRecord
	typeTuple
	typeVariant
	typeEnum
	typeOption
	typeResult
	typeFlags
	typeOwn
	typeBorrow
)

func (d *describer) valtype() (*wit.Type, error) {
	k, err := d.byte()
	if err != nil {
		return nil, err
	}
	if int(k) < len(plainTypes) {
		return &wit.Type{Kind: plainTypes[k]}, nil
	}
	t := new(wit.Type)
	switch k {
	case typeList:
		t.Kind = wit.List
		t.Elem, err = d.valtype()
	case typeOption:
		t.Kind = wit.Option
		t.Elem, err = d.valtype()
	case typeResult:
		t.Kind = wit.Result
		if t.Elem, err = d.optional(); err == nil {
			t.Err, err = d.optional()
		}
	case typeRecord:
		t.Kind = wit.Record
		t.Fields, err = d.fields(d.valtype)
	case typeVariant:
		t.Kind = wit.Variant
		t.Fields, err = d.fields(d.optional)
	case typeTuple:
		t.Kind = wit.Tuple
		t.Items, err = d.types()
	case typeEnum:
		t.Kind = wit.Enum
		t.Names, err = d.names()
	case typeFlags:
		t.Kind = wit.Flags
		t.Names, err = d.names()
	case typeOwn, typeBorrow:
		t.Kind = wit.Resource
	default:
		return nil, fmt.Errorf("value type %d is not known here", k)
	}
	return t, err
}

func (d *describer) optional() (*wit.Type, error) {
	has, err := d.flag()
	if err != nil || !has {
		return nil, err
	}
	return d.valtype()
}

func (d *describer) fields(read func() (*wit.Type, error)) ([]wit.Field, error) {
	n, err := d.count()
	if err != nil {
		return nil, err
	}
	out := make([]wit.Field, n)
	for i := range out {
		if out[i].Name, err = d.name(); err != nil {
			return nil, err
		}
		if out[i].Type, err = read(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *describer) types() ([]*wit.Type, error) {
	n, err := d.count()
	if err != nil {
		return nil, err
	}
	out := make([]*wit.Type, n)
	for i := range out {
		if out[i], err = d.valtype(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (d *describer) names() ([]string, error) {
	n, err := d.count()
	if err != nil {
		return nil, err
	}
	out := make([]string, n)
	for i := range out {
		if out[i], err = d.name(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// functions is the public face of a component: the functions at its root and
// those of the interfaces it exports, in its order. A function whose calls do
// not end by returning (async) is left out.
func (c described) functions() wit.Interface {
	var out wit.Interface
	for _, it := range c.exports {
		switch it.kind {
		case itemFunc:
			if !it.async {
				out.Funcs = append(out.Funcs, it.fn)
			}
		case itemInstance:
			for _, f := range it.items {
				if f.kind != itemFunc || f.async {
					continue
				}
				f.fn.Name = it.name + "#" + f.name
				out.Funcs = append(out.Funcs, f.fn)
			}
		}
	}
	return out
}

// splitExport is the inverse of the naming in functions: the interface, empty
// for the root, and the function.
func splitExport(name string) (iface, fn string) {
	if i := strings.IndexByte(name, '#'); i >= 0 {
		return name[:i], name[i+1:]
	}
	return "", name
}
