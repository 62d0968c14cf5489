package workflow

import (
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// In DAG-CBOR a link is a link, and a map with the key "/" is only a map.
func TestCBORSlash(t *testing.T) {
	t.Parallel()
	link := ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil))
	slash := ipld.Map(entry("/", ipld.String("no CID")))
	data, err := ipld.AppendCBOR(nil, ipld.Map(entry("with", link), entry("args", ipld.List(slash, link))))
	if err != nil {
		t.Fatal(err)
	}
	w, err := Parse(Source{Data: data})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Jobs[0].Call.Params; !got.Equal(ipld.List(slash, link)) {
		t.Errorf("got %s", got)
	}
}

// A signed token as it travels is told as one, also without a name.
func TestCBOREnvelope(t *testing.T) {
	t.Parallel()
	data, err := ipld.AppendCBOR(nil, ipld.List(ipld.Bytes([]byte{1}), ipld.Map(entry("h", ipld.Bytes(nil)), entry("ucan/inv@1.0.0", ipld.Map()))))
	if err != nil {
		t.Fatal(err)
	}
	if got := describe(Source{Data: data}); !strings.HasPrefix(got, "[unsupported] a signed invocation") {
		t.Errorf("got %s", got)
	}
}

// The format is found by name first, then by content.
func TestFormat(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name, data string
		want       Format
	}{
		{"w.json", "a: 1", JSON},
		{"w.YAML", "{}", YAML},
		{"w.yml", "{}", YAML},
		{"w.cbor", "{}", CBOR},
		{"", "\xa1aa", CBOR},
		{"", "\x82aa", CBOR},
		{"", "\ufeff \n{\n \"a\": 1}", JSON},
		{"w.txt", "{}", JSON},
		{"", "{a: 1}", YAML},
		{"", "# comment\n{\"a\": 1}", YAML},
		{"", "", YAML},
	} {
		src := Source{Name: tc.name, Data: []byte(tc.data)}
		if got := src.format(); got != tc.want {
			t.Errorf("%q, %q: got %s, want %s", tc.name, tc.data, got, tc.want)
		}
	}
	if _, err := Parse(Source{Data: []byte("{}"), Format: "toml"}); err == nil || !strings.Contains(err.Error(), `unknown format "toml"`) {
		t.Errorf("got %v", err)
	}
}

// Without Files a document may not name any.
func TestNoFiles(t *testing.T) {
	t.Parallel()
	_, err := Parse(Source{Name: "w.yaml", Data: []byte("with: ./x.wasm\nargs: [{file: y}]\n")})
	for _, want := range []string{
		`w.yaml:1:7: /with: the file "./x.wasm" can not be read here: this document may not name files`,
		`w.yaml:2:8: /args/0: the file "y" can not be read here`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
