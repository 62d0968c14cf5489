package abi

import (
	"encoding/binary"
	"fmt"
	"math"
	"strconv"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// Lower gives params to the guest, allocating as it needs, and appends the
// core arguments to flat. Values are in the canonical form of package wit;
// one that does not fit its type is a [*wit.Fault].
func (f *Func) Lower(g Guest, params []ipld.Value, flat []uint64) ([]uint64, error) {
	if len(params) != len(f.Params) {
		return flat, &wit.Fault{Want: fmt.Sprintf("%d arguments", len(f.Params)), Got: strconv.Itoa(len(params)), Msg: f.Signature()}
	}
	l := lowerer{g: g, encoding: f.encoding, flat: flat}
	var at uint32
	if f.spilled() {
		var err error
		if at, err = l.alloc(f.params.align, uint64(f.params.size)); err != nil {
			return flat, err
		}
		l.flat = append(l.flat, uint64(at))
	}
	for i, p := range f.params.parts {
		var err error
		if f.spilled() {
			err = l.store(p.typ, params[i], at+p.offset)
		} else {
			err = l.push(p.typ, params[i])
		}
		if fault, ok := err.(*wit.Fault); ok { //nolint:errorlint // made here
			fault.Param = p.name
		}
		if err != nil {
			return flat, err
		}
	}
	return l.flat, nil
}

// Check tells what [Func.Lower] finds wrong with params in themselves, whatever
// the guest: nil or a [*wit.Fault].
func (f *Func) Check(params []ipld.Value) error {
	_, err := f.Lower(new(drill), params, nil)
	return err
}

// drill is a guest that does as it is told.
type drill struct{ mem []byte }

func (d *drill) Memory() []byte { return d.mem }

func (d *drill) Realloc(old, oldSize, align, size uint32) (uint32, error) {
	at := (uint64(len(d.mem)) + uint64(align) - 1) &^ (uint64(align) - 1)
	if at+uint64(size) > math.MaxUint32 {
		return 0, &wit.Fault{Msg: "more than a call can take"}
	}
	d.mem = append(d.mem, make([]byte, at+uint64(size)-uint64(len(d.mem)))...)
	copy(d.mem[at:], d.mem[old:][:min(oldSize, size)])
	return uint32(at), nil
}

// LowerResult gives the guest what a host function returned, at the address
// out when the result is passed in memory, else appended to flat.
func (f *Func) LowerResult(g Guest, v ipld.Value, out uint32, flat []uint64) ([]uint64, error) {
	if f.result == nil {
		return flat, nil
	}
	l := lowerer{g: g, encoding: f.encoding, flat: flat}
	if !f.indirect() {
		err := l.push(f.result, v)
		return l.flat, err
	}
	if err := checkPlace(g.Memory(), out, f.result); err != nil {
		return flat, err
	}
	return flat, l.store(f.result, v, out)
}

// checkPlace tells whether a value of type t may be at an address.
func checkPlace(mem []byte, at uint32, t *typ) error {
	switch {
	case at%t.align != 0:
		return &Error{"pointer not aligned"}
	case uint64(at)+uint64(t.size) > uint64(len(mem)):
		return &Error{"pointer out of bounds of memory"}
	}
	return nil
}

// lowerer writes values.
type lowerer struct {
	g        Guest
	encoding Encoding
	flat     []uint64
}

// alloc asks the guest for size bytes.
func (l *lowerer) alloc(align uint32, size uint64) (uint32, error) {
	return l.realloc(0, 0, align, size)
}

func (l *lowerer) realloc(old, oldSize, align uint32, size uint64) (uint32, error) {
	if size > math.MaxInt32 {
		return 0, &wit.Fault{Msg: fmt.Sprintf("%d bytes are more than a call can take", size)}
	}
	at, err := l.g.Realloc(old, oldSize, align, uint32(size))
	switch {
	case err != nil:
		return 0, err
	case at%align != 0:
		return 0, &Error{"realloc return: result not aligned"}
	case uint64(at)+size > uint64(len(l.g.Memory())):
		return 0, &Error{"realloc return: beyond end of memory"}
	}
	return at, nil
}

// place is where n bytes at an address that was allocated or checked are.
func (l *lowerer) place(at, n uint32) []byte { return l.g.Memory()[at:][:n] }

// store writes v as a value of type t at an address that has room for it.
func (l *lowerer) store(t *typ, v ipld.Value, at uint32) error {
	switch t.Kind {
	case wit.StringKind, wit.List:
		p, n, err := l.indirect(t, v)
		if err != nil {
			return err
		}
		b := l.place(at, 8)
		binary.LittleEndian.PutUint32(b, p)
		binary.LittleEndian.PutUint32(b[4:], n)
		return nil
	case wit.Record, wit.Tuple:
		for i := range t.parts {
			e, err := t.field(v, i)
			if err != nil {
				return err
			}
			if err := l.store(t.parts[i].typ, e, at+t.parts[i].offset); err != nil {
				return under(err, t.step(i))
			}
		}
		return nil
	case wit.Variant, wit.Option, wit.Result:
		i, payload, err := t.choose(v)
		if err != nil {
			return err
		}
		putUint(l.place(at, t.tag), uint64(i))
		if t.parts[i].typ == nil {
			return nil
		}
		return under(l.store(t.parts[i].typ, payload, at+t.payload), t.caseStep(i))
	}
	u, err := t.bits(v)
	if err != nil {
		return err
	}
	putUint(l.place(at, t.size), u)
	return nil
}

// push appends v as flat values.
func (l *lowerer) push(t *typ, v ipld.Value) error {
	switch t.Kind {
	case wit.StringKind, wit.List:
		p, n, err := l.indirect(t, v)
		l.flat = append(l.flat, uint64(p), uint64(n))
		return err
	case wit.Record, wit.Tuple:
		for i := range t.parts {
			e, err := t.field(v, i)
			if err != nil {
				return err
			}
			if err := l.push(t.parts[i].typ, e); err != nil {
				return under(err, t.step(i))
			}
		}
		return nil
	case wit.Variant, wit.Option, wit.Result:
		i, payload, err := t.choose(v)
		if err != nil {
			return err
		}
		end := len(l.flat) + len(t.flat)
		l.flat = append(l.flat, uint64(i))
		if t.parts[i].typ != nil {
			if err := l.push(t.parts[i].typ, payload); err != nil {
				return under(err, t.caseStep(i))
			}
		}
		for len(l.flat) < end {
			l.flat = append(l.flat, 0)
		}
		return nil
	}
	u, err := t.bits(v)
	if t.flat == "i" {
		u &= math.MaxUint32
	}
	l.flat = append(l.flat, u)
	return err
}

// indirect writes text or a list where the guest wants it.
func (l *lowerer) indirect(t *typ, v ipld.Value) (at, n uint32, err error) {
	if t.Kind == wit.StringKind {
		s, ok := v.AsString()
		if !ok || !validUTF8(s) {
			return 0, 0, mismatch(t.Type, v)
		}
		return l.text(s)
	}
	if t.elem.Kind == wit.U8 {
		b, ok := v.AsBytes()
		if !ok {
			return 0, 0, mismatch(t.Type, v)
		}
		at, err = l.alloc(1, uint64(len(b)))
		if err == nil {
			copy(l.place(at, uint32(len(b))), b)
		}
		return at, uint32(len(b)), err
	}
	if v.Kind() != ipld.KindList {
		return 0, 0, mismatch(t.Type, v)
	}
	elems := v.Elems()
	at, err = l.alloc(t.elem.align, uint64(len(elems))*uint64(t.elem.size))
	if err != nil {
		return 0, 0, err
	}
	for i, e := range elems {
		if err := l.store(t.elem, e, at+uint32(i)*t.elem.size); err != nil {
			return 0, 0, under(err, strconv.Itoa(i))
		}
	}
	return at, uint32(len(elems)), nil
}

func putUint(b []byte, u uint64) {
	switch len(b) {
	case 1:
		b[0] = byte(u)
	case 2:
		binary.LittleEndian.PutUint16(b, uint16(u))
	case 4:
		binary.LittleEndian.PutUint32(b, uint32(u))
	case 8:
		binary.LittleEndian.PutUint64(b, u)
	}
}
