package wit

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

var errAbsent = errors.New("block is not here")

// blocks is content in memory.
type blocks map[ipld.Link][]byte

func (b blocks) raw(data string) ipld.Link {
	l := ipld.LinkOf(ipld.CodecRaw, []byte(data))
	b[l] = []byte(data)
	return l
}

func (b blocks) value(t testing.TB, v ipld.Value) ipld.Link {
	t.Helper()
	data, l, err := ipld.Encode(v)
	if err != nil {
		t.Fatal(err)
	}
	b[l] = data
	return l
}

func (b blocks) File(l ipld.Link) ([]byte, error) {
	data, ok := b[l]
	if !ok {
		return nil, errAbsent
	}
	return data, nil
}

func (b blocks) Value(l ipld.Link) (ipld.Value, error) {
	data, ok := b[l]
	if !ok {
		return ipld.Value{}, errAbsent
	}
	return ipld.DecodeCBOR(data)
}

func TestContent(t *testing.T) {
	t.Parallel()
	b := blocks{}
	link := func(v ipld.Value) ipld.Value { return ipld.LinkValue(b.value(t, v)) }
	raw := func(s string) ipld.Value { return ipld.LinkValue(b.raw(s)) }
	list, str, null := ipld.List, ipld.String, ipld.Null
	one := func(key string, v ipld.Value) ipld.Value { return ipld.Map(ipld.Entry{Key: key, Value: v}) }

	absent := ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("absent")))
	notText, tooBig := raw("\xff"), link(list(ipld.Int(1), ipld.Int(300)))
	nested, chain := link(list(str("a"), tooBig)), link(tooBig)
	tests := []struct {
		name, typ string
		in, want  ipld.Value
		fault     string // with $ for the text of the link at fault
		at        ipld.Value
	}{
		{name: "no link", typ: "u8", in: ipld.Float(7), want: ipld.Int(7)},
		{name: "bytes", typ: "list<u8>", in: raw("abc"), want: ipld.Bytes([]byte("abc"))},
		{name: "no bytes", typ: "list<u8>", in: raw(""), want: ipld.Bytes(nil)},
		{name: "text", typ: "string", in: raw("abc"), want: str("abc")},
		{name: "optional bytes", typ: "option<list<u8>>", in: raw("abc"), want: ipld.Bytes([]byte("abc"))},
		{name: "optional text", typ: "option<string>", in: raw("null"), want: str("null")},
		{name: "option of option", typ: "option<option<string>>", in: link(one("some", raw("a"))), want: one("some", str("a"))},
		{name: "none", typ: "option<u8>", in: link(null), want: null},
		{name: "number", typ: "f64", in: link(ipld.Int(5)), want: ipld.Float(5)},
		{name: "inside a list", typ: "list<string>", in: list(str("a"), raw("b")), want: list(str("a"), str("b"))},
		{name: "a map of links", typ: "list<tuple<string, list<u8>>>", in: one("k", raw("v")), want: list(list(str("k"), ipld.Bytes([]byte("v"))))},
		{name: "record", typ: "record {a-b: u8, c: option<u8>}", in: link(one("aB", ipld.Float(1))), want: ipld.Map(ipld.Entry{Key: "a-b", Value: ipld.Int(1)}, ipld.Entry{Key: "c"})},
		{name: "links in blocks", typ: "list<list<u64>>", in: link(list(link(list(ipld.Int(1))), list())), want: list(list(ipld.Int(1)), list())},
		{name: "result", typ: "result<string, u8>", in: link(list(raw("a"), null)), want: one("ok", str("a"))},
		{name: "variant", typ: "variant {a, b(string)}", in: one("b", raw("x")), want: one("b", str("x"))},

		{name: "absent file", typ: "list<list<u8>>", in: list(absent), fault: "/0: in $: block is not here", at: absent},
		{name: "absent value", typ: "record {a: u8}", in: one("a", absent), fault: "/a: in $: block is not here", at: absent},
		{name: "not text", typ: "string", in: notText, fault: "in $: expected string, got 1 byte (not UTF-8)", at: notText},
		{name: "does not fit", typ: "list<u16>", in: link(list(str("a"))), fault: `/0: in $: expected u16, got "a"`, at: link(list(str("a")))},
		{name: "does not fit deeper", typ: "tuple<string, list<s8>>", in: nested, fault: "/1/1: in $: expected s8, got 300 (-128…127)", at: tooBig},
		{name: "link to a link", typ: "list<u64>", in: chain, fault: "in $: expected list<u64>, got the link " + linkText(tooBig), at: chain},
		{name: "not a value", typ: "u8", in: notText, fault: "in $: ", at: notText},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got, err := mustType(t, test.typ).Content(test.in, b)
			if test.fault == "" {
				if err != nil || !got.Equal(test.want) {
					t.Fatalf("got %s, %v; want %s", got, err, test.want)
				}
				return
			}
			var fault *Fault
			if !errors.As(err, &fault) {
				t.Fatalf("got %s, %v; want a fault", got, err)
			}
			want := strings.ReplaceAll(test.fault, "$", linkText(test.at))
			if !strings.HasPrefix(err.Error(), want) {
				t.Errorf("got  %s\nwant %s", err, want)
			}
			if linkText(ipld.LinkValue(fault.Link)) != linkText(test.at) {
				t.Errorf("fault names %s, want %s", fault.Link, linkText(test.at))
			}
			if isAbsent := errors.Is(err, errAbsent); isAbsent != strings.HasPrefix(test.name, "absent") {
				t.Errorf("errors.Is(%v, errAbsent) = %t", err, isAbsent)
			}
		})
	}
}

func linkText(v ipld.Value) string {
	l, _ := v.AsLink()
	return l.String()
}

func TestContentOfCall(t *testing.T) {
	t.Parallel()
	b := blocks{}
	f, err := parseFunc("crop(image: list<u8>, x: u32)")
	if err != nil {
		t.Fatal(err)
	}
	params, err := f.Canonical(Args{Positional: []ipld.Value{ipld.LinkValue(b.raw("abc")), ipld.Int(1)}})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.Content(params, b)
	if want := ipld.List(ipld.Bytes([]byte("abc")), ipld.Int(1)); err != nil || !ipld.List(got...).Equal(want) {
		t.Errorf("got %s, %v; want %s", ipld.List(got...), err, want)
	}
	_, err = f.Content(params, blocks{})
	if !errors.Is(err, errAbsent) || !strings.HasPrefix(err.Error(), "parameter image: in baf") {
		t.Errorf("absent: %v", err)
	}
	if _, err = f.Content(params[:1], b); err == nil {
		t.Error("one argument for two parameters is accepted")
	}
	if _, err = f.Params[0].Type.Content(params[0], nil); err == nil {
		t.Error("a link is opened without a source of content")
	}
}

// A small block can name others many times over: what it unfolds to is
// bounded, not what it is.
func TestContentIsBounded(t *testing.T) {
	t.Parallel()
	b := blocks{}
	one := ipld.List(ipld.LinkValue(b.raw("12345")))
	typ := mustType(t, "list<string>")
	for _, test := range []struct {
		name string
		r    reader
		want string
	}{
		{"values", reader{values: MaxContentValues - 1}, "/0: more than 4194304 values with the content of links"},
		{"links", reader{links: MaxContentLinks}, "/0: in " + linkText(one.Elems()[0]) + ": more than 65536 links to open"},
		{"bytes", reader{bytes: MaxContentBytes - 4}, "/0: in " + linkText(one.Elems()[0]) + ": more than 268435456 bytes of content"},
		{"within", reader{values: MaxContentValues - 2, links: MaxContentLinks - 1, bytes: MaxContentBytes - 5}, ""},
	} {
		r := test.r
		r.content = b
		got := ""
		if _, fault := r.value(typ, one); fault != nil {
			got = fault.Error()
		}
		if got != test.want {
			t.Errorf("%s: got %q, want %q", test.name, got, test.want)
		}
	}

	fan := ipld.List(make([]ipld.Value, 100)...)
	deep := mustType(t, "list<option<bool>>")
	for range 6 {
		many := make([]ipld.Value, 100)
		for i := range many {
			many[i] = ipld.LinkValue(b.value(t, fan))
		}
		fan = ipld.List(many...)
		deep = &Type{Kind: List, Elem: deep}
	}
	r := reader{content: b, values: MaxContentValues - 50_000}
	if _, fault := r.value(deep, fan); fault == nil || !strings.Contains(fault.Error(), "more than 4194304 values") {
		t.Errorf("100^7 values: %v", fault)
	}
}

// The bounds are for one call: as many arguments as a function takes share them.
func TestArgumentsShareTheBounds(t *testing.T) {
	t.Parallel()
	b := blocks{}
	f, err := parseFunc("f(a: list<string>, b: list<string>)")
	if err != nil {
		t.Fatal(err)
	}
	links := make([]ipld.Value, MaxContentLinks/2+1)
	for i := range links {
		links[i] = ipld.LinkValue(b.raw("1"))
	}
	_, err = f.Content([]ipld.Value{ipld.List(links[2:]...), ipld.List(links...)}, b)
	if err != nil {
		t.Errorf("at the bound: %v", err)
	}
	_, err = f.Content([]ipld.Value{ipld.List(links...), ipld.List(links...)}, b)
	if err == nil || !strings.HasPrefix(err.Error(), "parameter b: /32767: ") || !strings.Contains(err.Error(), "more than 65536 links to open") {
		t.Errorf("above the bound: %v", err)
	}
}
