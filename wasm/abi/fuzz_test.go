package abi

import (
	"encoding/binary"
	"errors"
	"fmt"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// source takes numbers from bytes, and zeros when there are no more.
type source []byte

func (s *source) below(n int) int {
	if len(*s) == 0 {
		return 0
	}
	b := (*s)[0]
	*s = (*s)[1:]
	return int(b) % n
}

// typ is a type made of bytes, which nests depth deep at most.
func (s *source) typ(depth int) *wit.Type {
	kinds := int(wit.Flags)
	if depth == 0 {
		kinds = int(wit.StringKind)
	}
	t := &wit.Type{Kind: wit.Kind(1 + s.below(kinds))}
	switch t.Kind {
	case wit.List, wit.Option:
		t.Elem = s.typ(depth - 1)
	case wit.Result:
		t.Elem, t.Err = s.payload(depth), s.payload(depth)
	case wit.Record:
		for range 1 + s.below(4) {
			t.Fields = append(t.Fields, wit.Field{Type: s.typ(depth - 1)})
		}
	case wit.Variant:
		for range 1 + s.below(4) {
			t.Fields = append(t.Fields, wit.Field{Type: s.payload(depth)})
		}
	case wit.Tuple:
		for range 1 + s.below(4) {
			t.Items = append(t.Items, s.typ(depth-1))
		}
	case wit.Enum:
		t.Names = names(1 + 3*s.below(100))
	case wit.Flags:
		t.Names = names(1 + s.below(32))
	}
	for i := range t.Fields {
		t.Fields[i].Name = names(i + 1)[i]
	}
	return t
}

func (s *source) payload(depth int) *wit.Type {
	if s.below(3) == 0 {
		return nil
	}
	return s.typ(depth - 1)
}

// FuzzABI lifts values of any type from any memory. What a guest gives and is
// well formed is canonical, and is the same value after it crossed again.
func FuzzABI(f *testing.F) {
	for kind := range byte(wit.Flags) {
		f.Add([]byte{kind, 2, 1, 3, 1, 2, 12, 5, 12, 2, 12, 7}, []byte("\x10\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00text\xc3\xa4\x00\xd8\x00\xdc"), byte(kind), uint64(0))
		f.Add([]byte{13, kind, 1, 3, 2, 2, 12, 5, 12, 2, 12, 7}, []byte("\x08\x00\x00\x00\x02\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00text\xc3\xa4\x00\xd8\x00\xdc"), byte(kind), uint64(8))
	}
	f.Fuzz(func(t *testing.T, shape, memory []byte, encoding byte, number uint64) {
		if len(memory) > 256 || len(shape) > 64 {
			return
		}
		s := source(shape)
		typ := s.typ(3)
		enc := Encoding(encoding % 3)
		in, err := Lifted(wit.Func{Name: "f", Params: []wit.Field{{Name: "x", Type: typ}}, Result: typ}, enc)
		if err != nil {
			t.Fatal(err)
		}
		g := newFakeGuest()
		g.mem = append([]byte(nil), memory...)
		flat := make([]uint64, max(len(in.Core.Results), 1))
		flat[0] = number
		for i := range flat[1:] {
			flat[1+i] = uint64(binary.LittleEndian.Uint32(append(memory, 0, 0, 0, 0)[min(4*i, len(memory)):]))
		}
		v, err := in.Lift(g, flat)
		l := lifter{f: in, mem: g.mem, flat: flat}
		l.measure()
		if fmt.Sprint(l.refused) != fmt.Sprint(err) {
			t.Fatalf("measured %v, lifted %v", l.refused, err)
		}
		if err != nil {
			var breach *Error
			var fault *wit.Fault
			if !errors.As(err, &breach) && !errors.As(err, &fault) {
				t.Fatal(err)
			}
			return
		}
		canonical, err := typ.Canonical(v)
		if err != nil || !canonical.Equal(v) {
			t.Fatalf("%s: %s is not canonical, but %s, %v", typ, v, canonical, err)
		}
		again(t, in, enc, v)
	})
}

// again gives v to a guest and takes it back.
func again(t *testing.T, in *Func, enc Encoding, v ipld.Value) {
	t.Helper()
	g := newFakeGuest()
	g.mem = make([]byte, 1<<20)
	flat, err := in.Lower(g, []ipld.Value{v}, nil)
	if err != nil {
		if err.Error() == "no memory left" {
			return
		}
		t.Fatalf("%s: %v", v, err)
	}
	if len(flat) != len(in.Core.Params) {
		t.Fatalf("%d core values for %s", len(flat), in.Core)
	}
	out, err := Lowered(wit.Func{Name: "f", Params: in.Params}, enc)
	if err != nil {
		t.Fatal(err)
	}
	if back, _, err := out.LiftParams(g, flat); err != nil || !back[0].Equal(v) {
		t.Fatalf("%s: %s came back as %v, %v", in.Result, v, back, err)
	}
}
