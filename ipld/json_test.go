package ipld_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

type refusedJSON struct {
	Name   string     `json:"name"`
	Text   string     `json:"text"`
	Hex    string     `json:"hex"` // instead of Text
	Class  ipld.Class `json:"class"`
	Offset int        `json:"offset"`
}

func (c refusedJSON) data(tb testing.TB) []byte {
	tb.Helper()
	if c.Hex == "" {
		return []byte(c.Text)
	}
	data, err := hex.DecodeString(c.Hex)
	if err != nil {
		tb.Fatal(err)
	}
	return data
}

func TestRefusedJSON(t *testing.T) {
	t.Parallel()
	for _, c := range readGolden[refusedJSON](t, "json-refused.json") {
		v, err := ipld.DecodeJSON(c.data(t))
		var fault *ipld.SyntaxError
		if !errors.As(err, &fault) {
			t.Errorf("%s: read as %v (%v)", c.Name, v, err)
			continue
		}
		if fault.Class != c.Class || fault.Offset != c.Offset {
			t.Errorf("%s: got %s (%v), want %s at offset %d", c.Name, fault.Class, fault, c.Class, c.Offset)
		}
	}
}

// TestDecodeJSON shows texts that are not in canonical form and are accepted.
func TestDecodeJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		" [ 1 ,\t2 ]\r\n":                 `[1,2]`,
		`{"b":1,"a":2}`:                   `{"a":2,"b":1}`,
		`"\u00fc\/\ud834\udd51"`:          "\"ü/\U0001d151\"",
		`-0`:                              `0`,
		`1E2`:                             `100.0`,
		`1e-400`:                          `0.0`,
		`0.10`:                            `0.1`,
		`18446744073709552000.0`:          `18446744073709552000.0`,
		`{ "/" : { "bytes" : "\u0041A"}}`: `{"/":{"bytes":"AA"}}`,
		`{"/":"zb2rhe5P4gXftAwvA4eXQ5HJwsER2owDyS9sKaQRRVQPn93bA"}`: `{"/":"bafkreidon73zkcrwdb5iafqtijxildoonbwnpv7dyd6ef3qdgads2jc4su"}`,
		`{"/":null,"a":1}`: `{"/":null,"a":1}`,
	} {
		v, err := ipld.DecodeJSON([]byte(text))
		if err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got := v.String(); got != want {
			t.Errorf("%s: read as %s, want %s", text, got, want)
		}
	}
}

// TestReservedMaps shows the maps that have no encoding in DAG-JSON, and
// neighbours that do.
func TestReservedMaps(t *testing.T) {
	t.Parallel()
	m := func(keysAndValues ...any) ipld.Value {
		var entries []ipld.Entry
		for i := 0; i < len(keysAndValues); i += 2 {
			entries = append(entries, ipld.Entry{Key: keysAndValues[i].(string), Value: keysAndValues[i+1].(ipld.Value)})
		}
		return ipld.Map(entries...)
	}
	one, text := ipld.Int(1), ipld.String("AA")
	for _, c := range []struct {
		v  ipld.Value
		ok bool
	}{
		{m("/", one), false},
		{m("/", text), false},
		{m("/", m("bytes", text)), false},
		{m("/", m("bytes", text), "b", one), false},
		{m("/", m("bytes", text, "c", one), "b", one), false},
		{m("/", text, "b", one), false},
		{ipld.List(m("/", ipld.Null)), false},
		{m("!", one, "/", text), true},
		{m("/", m("a", one, "bytes", text), "b", one), true},
		{m("/", m("bytes", one), "b", one), true},
		{m("/", m(), "b", one), true},
		{m("/", ipld.Bytes([]byte{1}), "b", one), true},
		{m("/a", text), true},
		{m(), true},
	} {
		b, err := ipld.AppendJSON(nil, c.v)
		if (err == nil) != c.ok || err != nil && !errors.Is(err, ipld.ErrReserved) {
			t.Errorf("%x: %s, %v; want an encoding: %t", mustCBOR(t, c.v), b, err, c.ok)
			continue
		}
		if back, err := ipld.DecodeJSON(b); c.ok && (err != nil || !back.Equal(c.v)) {
			t.Errorf("%s: comes back as %v (%v)", b, back, err)
		}
	}
}

func TestDepthOfJSON(t *testing.T) {
	t.Parallel()
	lists := func(n int, inner string) []byte {
		return []byte(strings.Repeat("[", n) + inner + strings.Repeat("]", n))
	}
	for name, c := range map[string]struct {
		data []byte
		want ipld.Class
	}{
		"lists":          {lists(ipld.MaxDepth, ""), ""},
		"bytes inside":   {lists(ipld.MaxDepth, `{"/":{"bytes":"AA"}}`), ""},
		"link inside":    {lists(ipld.MaxDepth, `{"/":"bafkqaaa"}`), ""},
		"one list more":  {lists(ipld.MaxDepth+1, ""), ipld.TooDeep},
		"a map more":     {lists(ipld.MaxDepth, "{}"), ipld.TooDeep},
		"three more":     {lists(ipld.MaxDepth+3, ""), ipld.TooDeep},
		"100,000":        {lists(100_000, ""), ipld.TooDeep},
		"100,000 opened": {[]byte(strings.Repeat(`{"a":`, 100_000)), ipld.TooDeep},
	} {
		if _, err := ipld.DecodeJSON(c.data); class(err) != c.want {
			t.Errorf("%s: %v, want class %q", name, err, c.want)
		}
	}
}

func TestNumber(t *testing.T) {
	t.Parallel()
	for literal, want := range map[string]ipld.Value{
		"0": ipld.Int(0), "-1": ipld.Int(-1), "18446744073709551615": ipld.Uint(1<<64 - 1), "-9223372036854775808": ipld.Int(-1 << 63),
		"1.0": ipld.Float(1), "1e3": ipld.Float(1000), "-2.5E-1": ipld.Float(-0.25), "18446744073709552000.0": ipld.Float(1 << 64),
	} {
		if got, err := ipld.Number(literal); err != nil || !got.Equal(want) {
			t.Errorf("%s: %v, %v; want %v", literal, got, err, want)
		}
	}
	for _, literal := range []string{"", "-", "01", "1.", ".5", "1e", "+1", "0x10", "1_000", " 1", "1 ", "inf", "NaN", "1e309", "-1e309", "18446744073709551616", "-9223372036854775809"} {
		if got, err := ipld.Number(literal); err == nil {
			t.Errorf("%q: read as %v", literal, got)
		}
	}
}

func TestParseJSON(t *testing.T) {
	t.Parallel()
	text := ` {"a": [1.50, "x\ny", null], "\u00fc": {}, "t": true}`
	got, err := ipld.ParseJSON([]byte(text), ipld.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	want := &ipld.JSONNode{
		Kind: ipld.JSONObject, Offset: 1,
		Keys: []ipld.JSONKey{{Text: "a", Offset: 2}, {Text: "ü", Offset: 29}, {Text: "t", Offset: 43}},
		Items: []ipld.JSONNode{
			{Kind: ipld.JSONArray, Offset: 7, Items: []ipld.JSONNode{
				{Kind: ipld.JSONNumber, Offset: 8, Text: "1.50"},
				{Kind: ipld.JSONString, Offset: 14, Text: "x\ny"},
				{Kind: ipld.JSONNull, Offset: 22, Text: "null"},
			}},
			{Kind: ipld.JSONObject, Offset: 39},
			{Kind: ipld.JSONBool, Offset: 48, Text: "true"},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestParseJSONLimits(t *testing.T) {
	t.Parallel()
	text := []byte(`{"abc":[1,2]}`)
	for name, c := range map[string]struct {
		limits ipld.Limits
		want   ipld.Class
	}{
		"all fit": {ipld.Limits{Depth: 2, Bytes: 13, Items: 5}, ""},
		"depth":   {ipld.Limits{Depth: 1}, ipld.TooDeep},
		"bytes":   {ipld.Limits{Bytes: 12}, ipld.TooLong},
		"items":   {ipld.Limits{Items: 4}, ipld.TooMany},
	} {
		if _, err := ipld.ParseJSON(text, c.limits); class(err) != c.want {
			t.Errorf("%s: %v, want class %q", name, err, c.want)
		}
	}
}

// TestDuplicateNames shows that every name given twice is reported, beside the
// tree, in objects of few and of many names.
func TestDuplicateNames(t *testing.T) {
	t.Parallel()
	many := `"1":0,"2":0,"3":0,"4":0,"5":0,"6":0,"7":0,"8":0,"9":0,`
	text := `{"a":1,"b":{"c":1,"c":2},"a":3,` + many + `"9":1,"1":1,"b":0}`
	root, err := ipld.ParseJSON([]byte(text), ipld.Limits{})
	var all ipld.SyntaxErrors
	if !errors.As(err, &all) {
		t.Fatalf("%v is not SyntaxErrors", err)
	}
	var got []int
	for _, fault := range all {
		if fault.Class != ipld.Duplicate {
			t.Errorf("%v is of class %s", fault, fault.Class)
		}
		got = append(got, fault.Offset)
	}
	at := len(`{"a":1,"b":{"c":1,"c":2},"a":3,` + many)
	if diff := cmp.Diff([]int{18, 25, at, at + 6, at + 12}, got); diff != "" {
		t.Errorf("offsets: -want +got\n%s", diff)
	}
	if root == nil || len(root.Keys) != 15 {
		t.Errorf("the tree is %v", root)
	}
	var first *ipld.SyntaxError
	if !errors.As(err, &first) || first.Offset != 18 {
		t.Errorf("the first fault is %v", first)
	}
	hundreds := "{" + strings.Repeat(`"a":1,`, 500) + `"a":1}`
	if _, err := ipld.ParseJSON([]byte(hundreds), ipld.Limits{}); !errors.As(err, &all) || len(all) != 100 {
		t.Errorf("%d faults of 500 reported", len(all))
	}
}

// TestManyNames shows that reading an object takes time in proportion to its
// names: were each compared with all others, this would not end.
func TestManyNames(t *testing.T) {
	t.Parallel()
	text := []byte{'{'}
	for i := range 200_000 {
		text = fmt.Appendf(text, `"%d":0,`, i)
	}
	text = append(text, `"":0}`...)
	if v, err := ipld.DecodeJSON(text); err != nil || v.Len() != 200_001 {
		t.Errorf("%d names, %v", v.Len(), err)
	}
}

// FuzzDecodeJSON checks that a text is refused or read as a value whose
// DAG-JSON reads back as the same value, that only JSON is accepted, and that
// the oracle reads the canonical form as the same value.
func FuzzDecodeJSON(f *testing.F) {
	for _, c := range readGolden[canonicalCase](f, "canonical.json") {
		f.Add([]byte(c.JSON))
	}
	for _, c := range readGolden[refusedJSON](f, "json-refused.json") {
		f.Add(c.data(f))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ipld.DecodeJSON(data)
		if err != nil {
			if class(err) == "not a SyntaxError" {
				t.Fatalf("%v is not a SyntaxError", err)
			}
			return
		}
		if !json.Valid(data) {
			t.Fatalf("%q is not JSON", data)
		}
		text, err := ipld.AppendJSON(nil, v)
		if err != nil {
			t.Fatalf("%q: %v", data, err)
		}
		if back, err := ipld.DecodeJSON(text); err != nil || !back.Equal(v) {
			t.Fatalf("%s comes back as %v (%v)", text, back, err)
		}
		if back, err := ipld.DecodeCBOR(mustCBOR(t, v)); err != nil || !back.Equal(v) {
			t.Fatalf("%s comes back as %v (%v) from CBOR", text, back, err)
		}
		if again, err := oracleEncodeJSON(node(t, v)); err == nil && !bytes.Equal(again, text) && !oracleSpellsOtherwise(v, string(text)) {
			t.Fatalf("%s: the oracle writes %s", text, again)
		}
		n, err := oracleDecodeJSON(text)
		if errors.Is(err, strconv.ErrRange) {
			return // it tries an int64 first, even for 100000000000000000000.0
		}
		if err != nil {
			t.Fatalf("%s: the oracle says %v", text, err)
		}
		if got := fromNode(t, n); !got.Equal(v) {
			t.Fatalf("%s: the oracle reads %v", text, got)
		}
	})
}
