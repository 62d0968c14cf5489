package ucan

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

var framings = []Framing{Plain, Base64, Base64URL, Gzip, GzipBase64, GzipBase64URL}

// container is that of a story.
func container(t testing.TB) (*story, *Container) {
	t.Helper()
	s := newStory(t)
	inv := s.invoke(t)
	return s, &Container{Invocations: []*SignedInvocation{inv}, Delegations: s.tokens}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	s, c := container(t)
	for _, f := range framings {
		t.Run(string(f), func(t *testing.T) {
			t.Parallel()
			data, err := c.Append([]byte("before"), f)
			if err != nil || string(data[:6]) != "before" || data[6] != byte(f) {
				t.Fatalf("%.10q, %v", data, err)
			}
			got, err := ReadContainer(data[6:], nil)
			if err != nil {
				t.Fatal(err)
			}
			if len(got.Invocations) != 1 || len(got.Delegations) != 3 || got.Invocations[0].Link() != c.Invocations[0].Link() {
				t.Fatalf("%d invocations, %d delegations", len(got.Invocations), len(got.Delegations))
			}
			facts := s.facts
			facts.Proofs = got.Proof
			if _, err := Authorize(got.Invocations[0], facts); err != nil {
				t.Error(err)
			}
			again, err := got.Append([]byte("before"), f)
			if err != nil || !bytes.Equal(again, data) {
				t.Errorf("written again it differs, %v", err)
			}
			if _, err := got.Proof(c.Invocations[0].Link()); err == nil {
				t.Error("an invocation is a proof")
			}
		})
	}
}

// The inner bytes, written down.
func TestContainerBytes(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	a, b := delegate(t, k, leastDelegation(k)), sign(t, k, least(k))
	first, second := a.Bytes(), b.Bytes()
	if bytes.Compare(first, second) > 0 {
		first, second = second, first
	}
	var want []byte
	want = append(want, "@\xa1\x66ctn-v1\x82"...)
	for _, token := range [][]byte{first, second} {
		if len(token) > 255 {
			want = append(want, 0x59, byte(len(token)>>8), byte(len(token)))
		} else {
			want = append(want, 0x58, byte(len(token)))
		}
		want = append(want, token...)
	}
	c := Container{Invocations: []*SignedInvocation{b, b}, Delegations: []*SignedDelegation{a}}
	got, err := c.Append(nil, Plain)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%v\ngot  %x\nwant %x", err, got, want)
	}
	if empty, err := new(Container).Append(nil, Base64URL); err != nil || string(empty) != "CoWZjdG4tdjGA" {
		t.Errorf("empty: %q, %v", empty, err)
	}
	if c, err := ReadContainer([]byte("CoWZjdG4tdjGA"), nil); err != nil || len(c.Invocations)+len(c.Delegations) != 0 {
		t.Error(err)
	}
}

func zip(t testing.TB, data []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestReadContainerRefuses(t *testing.T) {
	t.Parallel()
	_, c := container(t)
	plain, err := c.Append(nil, Plain)
	if err != nil {
		t.Fatal(err)
	}
	inner := plain[1:]
	list := func(tokens ...ipld.Value) []byte {
		return encode(t, ipld.Map(entry("ctn-v1", ipld.List(tokens...))))
	}
	framed := func(f Framing, data []byte) []byte { return append([]byte{byte(f)}, data...) }
	dlg, inv := c.Delegations[0].Bytes(), c.Invocations[0].Bytes()
	std, url := base64.StdEncoding.EncodeToString(inner), base64.RawURLEncoding.EncodeToString(inner)
	zipped := zip(t, inner)
	if len(inner)%3 == 0 || !strings.ContainsAny(std, "+/") {
		t.Fatal("the base64 forms do not differ")
	}
	// The last character stands for fewer than six bits; the next one in the
	// alphabet for the same and one that is not 0.
	loose := func(text string) []byte {
		trimmed := strings.TrimRight(text, "=")
		at := len(trimmed) - 1
		return []byte(trimmed[:at] + string(trimmed[at]+1) + text[len(trimmed):])
	}
	many := make([]ipld.Value, MaxTokens+1)
	for i := range many {
		many[i] = ipld.Bytes(dlg)
	}
	malformed := bytes.Replace(inv, []byte("/crud/read"), []byte("/crud/Read"), 1)
	for name, tt := range map[string]struct {
		data []byte
		want string
	}{
		"nothing":                {nil, "empty"},
		"only a framing":         {[]byte("@"), ""},
		"no such framing":        {framed('A', inner), "first byte"},
		"without a framing":      {inner, "first byte"},
		"framing in lower case":  {framed('m', zipped), "first byte"},
		"trailing byte":          {framed(Plain, append(slices.Clone(inner), 0)), ""},
		"cut":                    {framed(Plain, inner[:len(inner)-1]), ""},
		"std as url":             {framed(Base64URL, []byte(std)), "base64"},
		"url as std":             {framed(Base64, []byte(url)), "base64"},
		"base64 with a line end": {framed(Base64, []byte(std[:40]+"\n"+std[40:])), "line ends"},
		"base64 and a line end":  {framed(Base64URL, []byte(url+"\n")), "line ends"},
		"base64 and a space":     {framed(Base64URL, []byte(url+" ")), "base64"},
		"std with loose bits":    {framed(Base64, loose(std)), "base64"},
		"url with loose bits":    {framed(Base64URL, loose(url)), "base64"},
		"gzip cut":               {framed(Gzip, zipped[:len(zipped)-1]), "gzip"},
		"gzip and a byte":        {framed(Gzip, append(slices.Clone(zipped), 0)), "follow"},
		"gzip twice":             {framed(Gzip, append(slices.Clone(zipped), zip(t, nil)...)), "follow"},
		"gzip of gzip":           {framed(Gzip, zip(t, zipped)), ""},
		"gzip, other checksum":   {framed(Gzip, append(zipped[:len(zipped)-8:len(zipped)-8], make([]byte, 8)...)), "gzip"},
		"not gzip":               {framed(Gzip, inner), "gzip"},
		"gzip bomb":              {framed(Gzip, zip(t, make([]byte, MaxContainer+1))), "too large"},
		"too large":              {framed(Plain, make([]byte, MaxContainer)), "too large"},
		"not a map":              {framed(Plain, encode(t, ipld.List())), "not a map"},
		"another version":        {framed(Plain, encode(t, ipld.Map(entry("ctn-v2", ipld.List())))), "not a map"},
		"two keys":               {framed(Plain, encode(t, ipld.Map(entry("ctn-v1", ipld.List()), entry("ctn-v2", ipld.List())))), "not a map"},
		"a map inside":           {framed(Plain, encode(t, ipld.Map(entry("ctn-v1", ipld.Map())))), "not a map"},
		"a text inside":          {framed(Plain, list(ipld.String("x"))), "[0] is string"},
		"a token as CBOR":        {framed(Plain, list(ipld.List())), ""},
		"no token":               {framed(Plain, list(ipld.Bytes([]byte("x")))), "[0]: delegation"},
		"malformed invocation":   {framed(Plain, list(ipld.Bytes(dlg), ipld.Bytes(malformed))), "[1]: invocation: cmd"},
		"twice":                  {framed(Plain, list(ipld.Bytes(dlg), ipld.Bytes(dlg))), "[1] is there twice"},
		"too many":               {framed(Plain, list(many...)), ""},
		"longer length of list":  {framed(Plain, bytes.Replace(inner, []byte("ctn-v1\x84"), []byte("ctn-v1\x98\x04"), 1)), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := ReadContainer(tt.data, nil)
			if c != nil || !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestAppendContainerRefuses(t *testing.T) {
	t.Parallel()
	_, c := container(t)
	if out, err := c.Append([]byte("x"), 'A'); err == nil || string(out) != "x" {
		t.Errorf("%q, %v", out, err)
	}
	k := keys(t)[0]
	many, large := new(Container), new(Container)
	dlg := leastDelegation(k)
	for i := range MaxTokens + 1 {
		dlg.Nonce = string(rune(i))
		many.Delegations = append(many.Delegations, delegate(t, k, dlg))
		if i < 50 {
			dlg.Nonce = strings.Repeat(string(rune('A'+i)), MaxSize-500)
			large.Delegations = append(large.Delegations, delegate(t, k, dlg))
		}
	}
	for name, c := range map[string]*Container{"many": many, "large": large} {
		if out, err := c.Append([]byte("x"), Gzip); !errors.Is(err, ErrSize) || string(out) != "x" {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
	many.Delegations = many.Delegations[1:]
	if data, err := many.Append(nil, Plain); err != nil {
		t.Error(err)
	} else if _, err := ReadContainer(data, nil); err != nil {
		t.Error(err)
	}
}

// Delegations that are known are not read again.
func TestContainerCache(t *testing.T) {
	t.Parallel()
	s, c := container(t)
	s.facts.Cache = new(Cache)
	if _, err := Authorize(c.Invocations[0], s.facts); err != nil {
		t.Fatal(err)
	}
	data, err := c.Append(nil, Plain)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ReadContainer(data, s.facts.Cache)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range got.Delegations {
		if !slices.Contains(s.tokens, d) {
			t.Errorf("%s was read again", d.Link())
		}
	}
}

// FuzzReadContainer: what is accepted is written as a container that is read
// as the same.
func FuzzReadContainer(f *testing.F) {
	_, c := container(f)
	for _, framing := range framings {
		data, err := c.Append(nil, framing)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	k := key(f, did.Ed25519, 1)
	f.Add(append([]byte("@"), encode(f, ipld.Map(entry("ctn-v1", ipld.List(ipld.Bytes(sign(f, k, least(k)).Bytes())))))...))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := ReadContainer(data, nil)
		if err != nil {
			return
		}
		for _, framing := range []Framing{Plain, Base64} {
			out, err := c.Append(nil, framing)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ReadContainer(out, nil)
			if err != nil || len(again.Invocations) != len(c.Invocations) || len(again.Delegations) != len(c.Delegations) {
				t.Fatalf("%x: %v", out, err)
			}
		}
	})
}
