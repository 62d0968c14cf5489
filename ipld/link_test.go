package ipld_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multibase"
	mh "github.com/multiformats/go-multihash"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

func TestLinkForms(t *testing.T) {
	t.Parallel()
	const v1, v1z, v0 = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku", "zb2rhmy65F3REf8SZp7De11gxtECBGgUKaLdiDj7MCGCHxbDW", "QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH"
	empty := ipld.LinkOf(ipld.CodecRaw, nil)
	if empty.String() != v1 || empty.Base58() != v1z || empty.Codec() != ipld.CodecRaw || empty.HashCode() != mh.SHA2_256 {
		t.Errorf("the empty block is %s, %s, codec %x, hash %x", empty, empty.Base58(), empty.Codec(), empty.HashCode())
	}
	for _, text := range []string{v1, v1z, strings.ToUpper(v1), "f01551220e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"} {
		if l, err := ipld.ParseLink(text); err != nil || l != empty {
			t.Errorf("%s is read as %s (%v)", text, l, err)
		}
	}
	l, err := ipld.ParseLink(v0)
	if err != nil || l.String() != v0 || l.Base58() != v0 || l.Codec() != ipld.CodecDagPB || len(l.Bytes()) != 34 {
		t.Errorf("%s is read as %s (%v)", v0, l, err)
	}
	for _, l := range []ipld.Link{l, empty} {
		if back, err := ipld.LinkFromBytes(l.Bytes()); err != nil || back != l || l.Key() != string(l.Bytes()) {
			t.Errorf("%s comes back as %s (%v)", l, back, err)
		}
	}
	var none ipld.Link
	if none.Defined() || none.String() != "" || none.Base58() != "" || none.Codec() != 0 || none.HashCode() != 0 {
		t.Error("the zero Link has content")
	}
	for _, text := range []string{"", "b", "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyk", v1[1:], v0[:45], "\x00" + string(empty.Bytes()), strings.Repeat("b", 300), "mAVUABQ"} {
		if l, err := ipld.ParseLink(text); err == nil {
			t.Errorf("%q is read as %s", text, l)
		}
	}
}

// The text of a CID is read only as it is written in its multibase.
func TestLinkSpelling(t *testing.T) {
	t.Parallel()
	empty := ipld.LinkOf(ipld.CodecRaw, nil)
	v0, err := ipld.ParseLink("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH")
	if err != nil {
		t.Fatal(err)
	}
	in := func(base multibase.Encoding, l ipld.Link) string {
		s, err := multibase.Encode(base, l.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	for name, base := range multibase.Encodings {
		if base == multibase.Identity || base == multibase.Base2 { // which is longer than what is read
			continue
		}
		if l, err := ipld.ParseLink(in(base, empty)); err != nil || l != empty {
			t.Errorf("%s: %s is read as %s (%v)", name, in(base, empty), l, err)
		}
		if l, err := ipld.ParseLink(in(base, v0)); err == nil || !strings.HasSuffix(err.Error(), "is written "+v0.String()) {
			t.Errorf("%s: version 0 with a multibase is read as %s (%v)", name, l, err)
		}
	}
	last := func(s, c string) string { return s[:len(s)-1] + c }
	inline, err := ipld.LinkWithHash(ipld.CodecRaw, mh.IDENTITY, []byte("x")) // whose bytes do not fill the last character of base64
	if err != nil {
		t.Fatal(err)
	}
	b32, hex, b64 := in(multibase.Base32, empty), in(multibase.Base16, empty), in(multibase.Base64, inline)
	if _, err := ipld.ParseLink(b64); err != nil {
		t.Error(err)
	}
	for name, text := range map[string]string{
		"stray bits in base32":      last(b32, "v"),
		"more of them":              last(b32, "7"),
		"stray bits in upper case":  last(strings.ToUpper(b32), "V"),
		"stray bits in base64":      last(b64, "B"),
		"one letter in upper case":  b32[:10] + strings.ToUpper(b32[10:11]) + b32[11:],
		"all after b in upper case": "b" + strings.ToUpper(b32[1:]),
		"all after B in lower case": "B" + b32[1:],
		"upper case in base16":      "f" + strings.ToUpper(hex[1:]),
		"upper case in base36":      "k" + strings.ToUpper(in(multibase.Base36, empty)[1:]),
		"padding":                   b32 + "=",
		"a line break":              b32[:10] + "\n" + b32[10:],
		"a line break in base64":    b64[:4] + "\n" + b64[4:],
		"a line break at the end":   b32 + "\n",
		"a space":                   " " + b32,
	} {
		if text == b32 || text == hex || text == b64 {
			t.Errorf("%s: nothing is changed", name)
		}
		if l, err := ipld.ParseLink(text); err == nil {
			t.Errorf("%s: %q is read as %s", name, text, l)
		}
	}
	if _, err := ipld.ParseLink(last(b32, "v")); err == nil || err.Error() != "not a CID: what it looks like is written "+b32 {
		t.Errorf("the error is %q", err)
	}
}

// What is read is the text of a CID: nothing else is read as that CID in that
// multibase.
func FuzzParseLink(f *testing.F) {
	empty := ipld.LinkOf(ipld.CodecRaw, nil)
	for _, base := range multibase.Encodings {
		if s, err := multibase.Encode(base, empty.Bytes()); err == nil {
			f.Add(s)
		}
	}
	f.Add("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH")
	f.Add("bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvykv")
	f.Fuzz(func(t *testing.T, s string) {
		l, err := ipld.ParseLink(s)
		if err != nil {
			return
		}
		text := l.String()
		if l.Bytes()[0] == 1 {
			base, _, err := multibase.Decode(s)
			if err != nil {
				t.Fatal(err)
			}
			if text, err = multibase.Encode(base, l.Bytes()); err != nil {
				t.Fatal(err)
			}
		}
		if text != s {
			t.Fatalf("%q is read as what is written %q", s, text)
		}
		if back, err := ipld.LinkFromBytes(l.Bytes()); err != nil || back != l {
			t.Fatalf("%q: %v, %v", s, back, err)
		}
	})
}

func TestVerify(t *testing.T) {
	t.Parallel()
	block := []byte("block")
	with := func(hash uint64, length int) ipld.Link {
		h, err := mh.Sum(block, hash, length)
		if err != nil {
			t.Fatal(err)
		}
		l, err := ipld.LinkFromBytes(cid.NewCidV1(ipld.CodecRaw, h).Bytes())
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	sha2, err := mh.Sum(block, mh.SHA2_256, -1)
	if err != nil {
		t.Fatal(err)
	}
	v0, err := ipld.LinkFromBytes(cid.NewCidV0(sha2).Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		link ipld.Link
		want error
	}{
		"sha2-256":           {ipld.LinkOf(ipld.CodecDagCBOR, block), nil},
		"codec of two bytes": {ipld.LinkOf(ipld.CodecDagJSON, block), nil},
		"v0":                 {v0, nil},
		"sha3-256":           {with(mh.SHA3_256, -1), nil},
		"sha2-512":           {with(mh.SHA2_512, -1), nil},
		"sha2-512 cut":       {with(mh.SHA2_512, 32), nil},
		"blake2b-256":        {with(mh.BLAKE2B_MIN+31, -1), nil},
		"blake3":             {with(mh.BLAKE3, 32), nil},
		"identity":           {with(mh.IDENTITY, -1), nil},
		"sha2-256 cut":       {with(mh.SHA2_256, 16), ipld.ErrHash},
		"sha2-512 cut short": {with(mh.SHA2_512, 31), ipld.ErrHash},
		"sha1":               {with(mh.SHA1, -1), ipld.ErrHash},
		"blake2b-160":        {with(mh.BLAKE2B_MIN+19, -1), ipld.ErrHash},
		"undefined":          {ipld.Link{}, ipld.ErrMismatch},
	} {
		if err := c.link.Verify(block); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		want := c.want
		if want == nil {
			want = ipld.ErrMismatch
		}
		for _, other := range [][]byte{nil, []byte("Block"), bytes.Repeat(block, 100)} {
			if err := c.link.Verify(other); !errors.Is(err, want) {
				t.Errorf("%s of other bytes: %v, want %v", name, err, want)
			}
		}
	}
	inside, err := mh.Sum(sha2, mh.IDENTITY, -1) // ends as a sha2-256 link to block does
	if err != nil {
		t.Fatal(err)
	}
	if l, err := ipld.LinkFromBytes(cid.NewCidV1(ipld.CodecRaw, inside).Bytes()); err != nil || !errors.Is(l.Verify(block), ipld.ErrMismatch) {
		t.Errorf("an identity that holds the hash of a block is taken for the block (%v)", err)
	}
	if l, err := ipld.LinkWithHash(ipld.CodecRaw, mh.SHA3_256, block); err != nil || l != with(mh.SHA3_256, -1) {
		t.Errorf("LinkWithHash gives %s (%v)", l, err)
	}
	if l, err := ipld.LinkWithHash(ipld.CodecRaw, 0x99999, block); err == nil {
		t.Errorf("an unknown hash gives %s", l)
	}
}

// A link with the hash identity holds its block, and no other does.
func TestInline(t *testing.T) {
	t.Parallel()
	block := []byte("small")
	held, err := ipld.LinkWithHash(ipld.CodecRaw, mh.IDENTITY, block)
	if err != nil {
		t.Fatal(err)
	}
	if got, ok := held.Inline(); !ok || string(got) != "small" {
		t.Errorf("%q, %t", got, ok)
	}
	for _, l := range []ipld.Link{ipld.LinkOf(ipld.CodecRaw, block), {}} {
		if got, ok := l.Inline(); ok {
			t.Errorf("%q: %q", l, got)
		}
	}
}
