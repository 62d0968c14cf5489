package ipld_test

import (
	"math"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// TestEqual compares every pair of values that differ in kind or content.
func TestEqual(t *testing.T) {
	t.Parallel()
	link := ipld.LinkOf(ipld.CodecRaw, nil)
	values := []func() ipld.Value{
		func() ipld.Value { return ipld.Null },
		func() ipld.Value { return ipld.Bool(false) },
		func() ipld.Value { return ipld.Bool(true) },
		func() ipld.Value { return ipld.Int(0) },
		func() ipld.Value { return ipld.Int(1) },
		func() ipld.Value { return ipld.Int(-1) },
		func() ipld.Value { return ipld.Uint(math.MaxUint64) },
		func() ipld.Value { return ipld.Float(0) },
		func() ipld.Value { return ipld.Float(math.Copysign(0, -1)) },
		func() ipld.Value { return ipld.Float(1) },
		func() ipld.Value { return ipld.Float(math.NaN()) },
		func() ipld.Value { return ipld.String("") },
		func() ipld.Value { return ipld.String(string([]byte("a"))) },
		func() ipld.Value { return ipld.String("b") },
		func() ipld.Value { return ipld.Bytes(nil) },
		func() ipld.Value { return ipld.Bytes([]byte("a")) },
		func() ipld.Value { return ipld.LinkValue(link) },
		func() ipld.Value { return ipld.String(link.Key()) },
		func() ipld.Value { return ipld.LinkValue(ipld.Link{}) },
		func() ipld.Value { return ipld.List() },
		func() ipld.Value { return ipld.List(ipld.Null) },
		func() ipld.Value { return ipld.List(ipld.Null, ipld.Null) },
		func() ipld.Value { return ipld.List(ipld.List()) },
		func() ipld.Value { return ipld.Map() },
		func() ipld.Value { return ipld.Map(ipld.Entry{Key: "a"}) },
		func() ipld.Value { return ipld.Map(ipld.Entry{Key: "b"}) },
		func() ipld.Value { return ipld.Map(ipld.Entry{Key: "a", Value: ipld.Int(1)}) },
	}
	for i, a := range values {
		for j, b := range values {
			if got := a().Equal(b()); got != (i == j) {
				t.Errorf("%v and %v equal: %t", a(), b(), got)
			}
		}
	}
}

// TestAccessors shows that what a value holds comes out as its own kind and as
// no other.
func TestAccessors(t *testing.T) {
	t.Parallel()
	link := ipld.LinkOf(ipld.CodecRaw, nil)
	for _, v := range []ipld.Value{ipld.Null, ipld.Bool(true), ipld.Int(-3), ipld.Float(1.5), ipld.String("a"), ipld.Bytes([]byte("bc")), ipld.List(ipld.Int(1)), ipld.Map(ipld.Entry{Key: "k", Value: ipld.Int(2)}), ipld.LinkValue(link)} {
		b, isBool := v.AsBool()
		i, isInt := v.AsInt64()
		f, isFloat := v.AsFloat()
		s, isString := v.AsString()
		y, isBytes := v.AsBytes()
		l, isLink := v.AsLink()
		e, isSole := v.Sole()
		for kind, is := range map[ipld.Kind]bool{
			ipld.KindNull: v.IsNull(), ipld.KindBool: isBool && b, ipld.KindInt: isInt && i == -3, ipld.KindFloat: isFloat && f == 1.5,
			ipld.KindString: isString && s == "a", ipld.KindBytes: isBytes && y == "bc", ipld.KindLink: isLink && l == link,
			ipld.KindList: len(v.Elems()) == 1 && v.Elems()[0].Equal(ipld.Int(1)), ipld.KindMap: isSole && e.Key == "k" && e.Value.Equal(ipld.Int(2)),
		} {
			if is != (v.Kind() == kind) {
				t.Errorf("%v of kind %s is of kind %s: %t", v, v.Kind(), kind, is)
			}
		}
	}
	if u, ok := ipld.Uint(math.MaxUint64).AsUint64(); !ok || u != math.MaxUint64 {
		t.Errorf("2^64-1 is %d, %t", u, ok)
	}
	if _, ok := ipld.Uint(1 << 63).AsInt64(); ok {
		t.Error("2^63 fits an int64")
	}
	if _, ok := ipld.Int(-1).AsUint64(); ok {
		t.Error("-1 fits a uint64")
	}
}

func TestMap(t *testing.T) {
	t.Parallel()
	m := ipld.Map(ipld.Entry{Key: "bb"}, ipld.Entry{Key: "c", Value: ipld.Int(1)}, ipld.Entry{Key: "a"}, ipld.Entry{Key: "c", Value: ipld.Int(2)})
	if got := m.String(); got != `{"a":null,"bb":null,"c":2}` || m.Len() != 3 || m.Entries()[2].Key != "bb" {
		t.Errorf("got %s", got)
	}
	if v, ok := m.Lookup("c"); !ok || !v.Equal(ipld.Int(2)) {
		t.Errorf("c is %v, %t", v, ok)
	}
	if v, ok := m.Lookup("cc"); ok || !v.IsNull() {
		t.Errorf("cc is %v, %t", v, ok)
	}
	if v, ok := ipld.Int(1).Lookup("c"); ok || !v.IsNull() {
		t.Errorf("c of 1 is %v, %t", v, ok)
	}
}
