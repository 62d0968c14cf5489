package ipld_test

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/ipld/go-ipld-prime/codec"
	"github.com/ipld/go-ipld-prime/codec/dagcbor"
	"github.com/ipld/go-ipld-prime/codec/dagjson"
	"github.com/ipld/go-ipld-prime/datamodel"
	cidlink "github.com/ipld/go-ipld-prime/linking/cid"
	"github.com/ipld/go-ipld-prime/node/basicnode"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// The oracle of these tests is go-ipld-prime. Where it accepts DAG-CBOR that
// this package refuses, what it read has another encoding than what it was
// given: it takes
//   - undefined for null,
//   - floats of 16 and 32 bits,
//   - map keys in any order,
//   - text, in keys as well, that is not UTF-8.
//
// [compareWithOracle] holds it to exactly that.

var oracleCBOR = dagcbor.DecodeOptions{AllowLinks: true, MaxDepth: ipld.MaxDepth + 8, AllocationBudget: 1 << 40}

func oracleDecodeCBOR(data []byte) (datamodel.Node, error) {
	nb := basicnode.Prototype.Any.NewBuilder()
	if err := oracleCBOR.Decode(nb, bytes.NewReader(data)); err != nil {
		return nil, err
	}
	return nb.Build(), nil
}

func oracleEncodeCBOR(n datamodel.Node) ([]byte, error) {
	var buf bytes.Buffer
	err := dagcbor.EncodeOptions{AllowLinks: true, MapSortMode: codec.MapSortMode_RFC7049}.Encode(n, &buf)
	return buf.Bytes(), err
}

func oracleEncodeJSON(n datamodel.Node) ([]byte, error) {
	var buf bytes.Buffer
	err := dagjson.EncodeOptions{EncodeLinks: true, EncodeBytes: true, MapSortMode: codec.MapSortMode_Lexical}.Encode(n, &buf)
	return buf.Bytes(), err
}

// oracleSpellsOtherwise tells whether v is one of the values that the oracle
// writes in another way: floats without ".0", which loses their kind, and
// escapes that no one asks for. JavaScript's dag-json writes as this package.
func oracleSpellsOtherwise(v ipld.Value, text string) bool {
	if strings.ContainsAny(text, "\u2028\u2029") || strings.Contains(text, `\b`) || strings.Contains(text, `\f`) {
		return true
	}
	return hasFloat(v)
}

func hasFloat(v ipld.Value) bool {
	for _, e := range v.Entries() {
		if hasFloat(e.Value) {
			return true
		}
	}
	return v.Kind() == ipld.KindFloat || slices.ContainsFunc(v.Elems(), hasFloat)
}

func oracleDecodeJSON(data []byte) (datamodel.Node, error) {
	nb := basicnode.Prototype.Any.NewBuilder()
	if err := (dagjson.DecodeOptions{ParseLinks: true, ParseBytes: true}).Decode(nb, bytes.NewReader(data)); err != nil {
		return nil, err
	}
	return nb.Build(), nil
}

// node is v as the oracle has it.
func node(tb testing.TB, v ipld.Value) datamodel.Node {
	tb.Helper()
	switch v.Kind() {
	case ipld.KindNull:
		return datamodel.Null
	case ipld.KindBool:
		b, _ := v.AsBool()
		return basicnode.NewBool(b)
	case ipld.KindInt:
		if i, ok := v.AsInt64(); ok {
			return basicnode.NewInt(i)
		}
		u, _ := v.AsUint64()
		return basicnode.NewUint(u)
	case ipld.KindFloat:
		f, _ := v.AsFloat()
		return basicnode.NewFloat(f)
	case ipld.KindString:
		s, _ := v.AsString()
		return basicnode.NewString(s)
	case ipld.KindBytes:
		s, _ := v.AsBytes()
		return basicnode.NewBytes([]byte(s))
	case ipld.KindLink:
		l, _ := v.AsLink()
		c, err := cid.Cast(l.Bytes())
		if err != nil {
			tb.Fatal(err)
		}
		return basicnode.NewLink(cidlink.Link{Cid: c})
	}
	nb := basicnode.Prototype.Any.NewBuilder()
	if v.Kind() == ipld.KindList {
		la, err := nb.BeginList(int64(v.Len()))
		for _, e := range v.Elems() {
			if err == nil {
				err = la.AssembleValue().AssignNode(node(tb, e))
			}
		}
		if err != nil || la.Finish() != nil {
			tb.Fatal(err)
		}
		return nb.Build()
	}
	ma, err := nb.BeginMap(int64(v.Len()))
	for _, e := range v.Entries() {
		if err == nil {
			err = ma.AssembleKey().AssignString(e.Key)
		}
		if err == nil {
			err = ma.AssembleValue().AssignNode(node(tb, e.Value))
		}
	}
	if err != nil || ma.Finish() != nil {
		tb.Fatal(err)
	}
	return nb.Build()
}

// fromNode is the value that n stands for.
func fromNode(tb testing.TB, n datamodel.Node) ipld.Value {
	tb.Helper()
	must := func(err error) {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
	}
	switch n.Kind() {
	case datamodel.Kind_Null:
		return ipld.Null
	case datamodel.Kind_Bool:
		b, err := n.AsBool()
		must(err)
		return ipld.Bool(b)
	case datamodel.Kind_Int:
		if un, ok := n.(datamodel.UintNode); ok {
			u, err := un.AsUint()
			must(err)
			return ipld.Uint(u)
		}
		i, err := n.AsInt()
		must(err)
		return ipld.Int(i)
	case datamodel.Kind_Float:
		f, err := n.AsFloat()
		must(err)
		return ipld.Float(f)
	case datamodel.Kind_String:
		s, err := n.AsString()
		must(err)
		return ipld.String(s)
	case datamodel.Kind_Bytes:
		b, err := n.AsBytes()
		must(err)
		return ipld.Bytes(b)
	case datamodel.Kind_Link:
		l, err := n.AsLink()
		must(err)
		link, err := ipld.LinkFromBytes([]byte(l.Binary()))
		if err != nil { // the oracle has no bound on links
			return ipld.LinkValue(ipld.Link{})
		}
		return ipld.LinkValue(link)
	case datamodel.Kind_List:
		var elems []ipld.Value
		for it := n.ListIterator(); !it.Done(); {
			_, e, err := it.Next()
			must(err)
			elems = append(elems, fromNode(tb, e))
		}
		return ipld.List(elems...)
	case datamodel.Kind_Map:
		var entries []ipld.Entry
		for it := n.MapIterator(); !it.Done(); {
			k, e, err := it.Next()
			must(err)
			key, err := k.AsString()
			must(err)
			entries = append(entries, ipld.Entry{Key: key, Value: fromNode(tb, e)})
		}
		return ipld.Map(entries...)
	}
	tb.Fatalf("kind %v", n.Kind())
	return ipld.Null
}

// compareWithOracle checks the verdict of DecodeCBOR on data.
func compareWithOracle(tb testing.TB, data []byte, v ipld.Value, verdict error) {
	tb.Helper()
	n, err := oracleDecodeCBOR(data)
	if verdict == nil {
		if err != nil {
			tb.Fatalf("%x: accepted, but the oracle says %v", data, err)
		}
		if got := fromNode(tb, n); !got.Equal(v) {
			tb.Fatalf("%x: read as %v, but the oracle reads %v", data, v, got)
		}
		if again, err := oracleEncodeCBOR(node(tb, v)); err != nil || !bytes.Equal(again, data) {
			tb.Fatalf("%x: the oracle encodes its value as %x (%v)", data, again, err)
		}
		return
	}
	if err != nil {
		return
	}
	if canonical, err := ipld.AppendCBOR(nil, fromNode(tb, n)); err == nil && bytes.Equal(canonical, data) {
		tb.Fatalf("%x: refused (%v), but it is what the oracle's value encodes to", data, verdict)
	}
}

// TestOracleLeniency shows each point at which the oracle accepts what is
// refused here, so that a stricter oracle does not go unnoticed.
func TestOracleLeniency(t *testing.T) {
	t.Parallel()
	for _, data := range []string{"\xf7", "\xf9\x3c\x00", "\xfa\x3f\x80\x00\x00", "\xa2\x61b\x01\x61a\x02", "\x61\xff", "\xa1\x61\xff\x01"} {
		if _, err := ipld.DecodeCBOR([]byte(data)); err == nil {
			t.Errorf("%x: accepted", data)
		}
		if _, err := oracleDecodeCBOR([]byte(data)); err != nil {
			t.Errorf("%x: the oracle refuses it now: %v", data, err)
		}
	}
}

// TestOracleScalars compares the encodings of integers and floats around every
// change of width.
func TestOracleScalars(t *testing.T) {
	t.Parallel()
	values := []ipld.Value{ipld.Float(math.SmallestNonzeroFloat64), ipld.Float(-math.MaxFloat64), ipld.Float(math.Copysign(0, -1))}
	for shift := range 64 {
		for _, d := range []int64{-1, 0, 1} {
			u := uint64(1)<<shift + uint64(d)
			values = append(values, ipld.Uint(u), ipld.Int(-int64(u>>1)-1), ipld.Float(float64(u)))
			values = append(values, ipld.Float(math.Float64frombits(u&^(0x7ff<<52)|uint64(shift)<<52)))
		}
	}
	for _, v := range values {
		data := mustCBOR(t, v)
		got, err := ipld.DecodeCBOR(data)
		if err != nil || !got.Equal(v) {
			t.Errorf("%v comes back as %v (%v)", v, got, err)
		}
		compareWithOracle(t, data, got, err)
		text := fmt.Sprint(v)
		if got, err := ipld.DecodeJSON([]byte(text)); err != nil || !got.Equal(v) {
			t.Errorf("%s comes back as %v (%v) from DAG-JSON", text, got, err)
		}
	}
}
