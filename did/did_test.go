package did

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"strings"
	"testing"
)

// Keys whose DIDs others have published: RFC 8032, the did:key method
// specification, the principals of the UCAN 1.0 delegation vectors.
var published = []struct {
	name   string
	typ    KeyType
	secret string // multibase, or hex of the 32 bytes
	did    DID
}{
	{"zero seed", Ed25519, strings.Repeat("00", 32), "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp"},
	{"alice", Ed25519, "MgCa9UfZv+yI5/rvUIt21DaGI7EZJlzFO1uDc5AyJ30c6/w==", "did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg"},
	{"bob", Ed25519, "MgCZfj9+RzU2U518TMBNK/fjdGQz34sB4iKE6z+9lQDpCIQ==", "did:key:z6MkmT9j6fVZqzXV8u2wVVSu49gYSRYGSQnduWXF6foAJrqz"},
	{"carol", Ed25519, "MgCZC43QGw7ZvYQuKTtBwBy+tdjYrKf0hXU3dd+J0HON5dw==", "did:key:z6MkmJceVoQSHs45cReEXoLtWm1wosCG8RLxfKwhxoqzoTkC"},
	{"did:key method", Secp256k1, "9085d2bef69286a6cbb51623c8fa258629945cd55ca705cc4e66700396894e0c", "did:key:zQ3shokFTS3brHcDQrn82RUDfCZESWL1ZdCEJwekUDPQiYBme"},
	{"generator", Secp256k1, strings.Repeat("00", 31) + "01", "did:key:zQ3shVc2UkAfJCdc1TR8E66J85h48P43r93q8jGPkPpjF9Ef9"},
	{"RFC 6979", P256, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721", "did:key:zDnaepBuvsQ8cpsWrVKw8fbpGpvPeNSjVPTWoq6cRqaYzBKVP"},
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// publishedKey returns the key named in published.
func publishedKey(t testing.TB, name string) PrivateKey {
	t.Helper()
	for _, p := range published {
		if p.name != name {
			continue
		}
		if strings.HasPrefix(p.secret, "M") {
			k, err := ParseMultibase(p.secret)
			if err != nil {
				t.Fatal(err)
			}
			return k
		}
		k, err := newPrivateKey(p.typ, unhex(t, p.secret))
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	t.Fatalf("no key %q", name)
	return PrivateKey{}
}

func TestPublishedKeys(t *testing.T) {
	t.Parallel()
	for _, p := range published {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			k := publishedKey(t, p.name)
			if k.DID() != p.did || k.Type() != p.typ {
				t.Errorf("got %s of type %s, want %s of %s", k.DID(), k.Type(), p.did, p.typ)
			}
			d, err := Parse(string(p.did))
			if err != nil || d != p.did {
				t.Fatalf("Parse: %q, %v", d, err)
			}
			public, err := d.PublicKey()
			if err != nil {
				t.Fatal(err)
			}
			if public.DID() != d || public.Type() != p.typ || !bytes.Equal(public.Bytes(), k.PublicKey().Bytes()) {
				t.Errorf("public key %s %s %x", public.DID(), public.Type(), public.Bytes())
			}
		})
	}
}

func TestParseOthers(t *testing.T) {
	t.Parallel()
	for _, s := range []string{
		string(Pure),
		"did:key:zDnaerDaTF5BXEavCrfRZEk316dpbLsfPDZ3WJ5hRTPFU2169", // did:key method
		"did:key:zDnaerx9CtbPJ1q36T5Ln5wYt3MQYeGRG5ehnPAmxcf5mDZpv",
		"did:key:zQ3shtxV1FrJfhqE1dvxYRcCknWNjHc3c5X1y3ZSoPDi2aur2",
	} {
		if d, err := Parse(s); err != nil || string(d) != s {
			t.Errorf("Parse(%s): %q, %v", s, d, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	key := func(codec string, raw []byte) string {
		return string(appendBase58([]byte(keyPrefix), append([]byte(codec), raw...)))
	}
	good := bytes.Repeat([]byte{9}, 32)
	point := publishedKey(t, "did:key method").PublicKey().Bytes()
	p256 := publishedKey(t, "RFC 6979").PublicKey()
	highY := append([]byte(nil), fieldPrime...) // y = p, the same point as y = 0
	var noPoint []byte
	for x := byte(1); noPoint == nil; x++ { // about every other x has no y
		raw := append([]byte{2, x}, make([]byte, 31)...)
		if _, err := newPublicKey(P256, raw); err != nil {
			noPoint = raw
		}
	}
	tests := []struct {
		name, in string
		want     error
	}{
		{"empty", "", ErrSyntax},
		{"other method", "did:web:example.com", ErrSyntax},
		{"other ipvm", "did:ipvm:impure", ErrSyntax},
		{"pure with fragment", "did:ipvm:pure#x", ErrSyntax},
		{"prefix only", "did:key:z", ErrSyntax},
		{"capitals", strings.ToUpper("did:key:") + "z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDooWp", ErrSyntax},
		{"other base", "did:key:u7QE7aie8zrakLWKjqNAqbw1zZTIVdx3iQ6Y6wEihi1naKQ", ErrSyntax},
		{"fragment", string(published[0].did) + "#key", ErrSyntax},
		{"trailing space", string(published[0].did) + " ", ErrSyntax},
		{"leading zero byte", strings.Replace(string(published[0].did), "z6", "z16", 1), ErrSyntax},
		{"not base58", "did:key:z6MkiTBz1ymuepAQ4HEHYSF1H8quG5GLVVQR3djdX3mDoo0O", ErrSyntax},
		{"not ascii", "did:key:zé", ErrSyntax},
		{"long", "did:key:z" + strings.Repeat("6", 5000), ErrSyntax},
		{"codec not minimal", key("\xed\x81\x00", good), ErrSyntax},
		{"x25519", key("\xec\x01", good), ErrSyntax},
		{"P-384", key("\x81\x24", append([]byte{2}, make([]byte, 48)...)), ErrSyntax},
		{"private codec", key("\x80\x26", good), ErrSyntax},
		{"short", key("\xed\x01", good[1:]), ErrSyntax},
		{"long key", key("\xed\x01", append(good, 1)), ErrSyntax},
		{"uncompressed P-256", key("\x80\x24", make([]byte, 65)), ErrSyntax},
		{"P-256 not on the curve", key("\x80\x24", noPoint), ErrPoint},
		{"P-256 infinity", key("\x80\x24", make([]byte, 33)), ErrPoint},
		{"P-256 wrong sign byte", key("\x80\x24", append([]byte{4}, p256.Bytes()[1:]...)), ErrPoint},
		{"secp256k1 x above p", key("\xe7\x01", append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...)), ErrPoint},
		{"secp256k1 wrong sign byte", key("\xe7\x01", append([]byte{5}, point[1:]...)), ErrPoint},
		{"Ed25519 y = p", key("\xed\x01", highY), ErrPoint},
		{"Ed25519 y = 2^255-1", key("\xed\x01", bytes.Repeat([]byte{0xff}, 32)), ErrPoint},
	}
	for _, y := range smallOrder {
		signed := []byte(y)
		signed[31] |= 0x80
		tests = append(tests,
			struct {
				name, in string
				want     error
			}{"small order " + hex.EncodeToString([]byte(y[:4])), key("\xed\x01", []byte(y)), ErrPoint},
			struct {
				name, in string
				want     error
			}{"small order, sign set " + hex.EncodeToString([]byte(y[:4])), key("\xed\x01", signed), ErrPoint})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, err := Parse(tt.in)
			if !errors.Is(err, tt.want) || d != "" {
				t.Fatalf("got %q, %v; want %v", d, err, tt.want)
			}
			if len(err.Error()) > 400 {
				t.Errorf("error of %d bytes", len(err.Error()))
			}
			if _, err := DID(tt.in).PublicKey(); err == nil {
				t.Error("PublicKey gives a key")
			}
		})
	}
}

func TestPureHasNoKey(t *testing.T) {
	t.Parallel()
	for _, d := range []DID{Pure, ""} {
		if _, err := d.PublicKey(); !errors.Is(err, ErrNoKey) {
			t.Errorf("%q: %v", d, err)
		}
	}
}

// Signatures that others have published. Where the published s is the high
// one, ours is the order minus it.
func TestSignVectors(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, key, msg, want string
		high                 bool
	}{
		{name: "RFC 6979 A.2.5 sample", key: "RFC 6979", msg: "sample", high: true, want: "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" + "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"},
		{name: "RFC 6979 A.2.5 test", key: "RFC 6979", msg: "test", want: "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367" + "019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083"},
		{name: "secp256k1 Satoshi", key: "generator", msg: "Satoshi Nakamoto", want: "934b1ea10a4b3c1757e2b0c017d0b6143ce3c9a7e6a4a49860d7a6ab210ee3d8" + "2442ce9d2b916064108014783e923ec36b49743e2ffa1c4496f01a512aafd9e5"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			k := publishedKey(t, tt.key)
			got, err := k.Sign([]byte(tt.msg))
			if err != nil {
				t.Fatal(err)
			}
			want := unhex(t, tt.want)
			if tt.high {
				want = flipS(k.Type(), want)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got %x, want %x", got, want)
			}
		})
	}
}

// RFC 8032, 7.1, test 1.
func TestSignEd25519(t *testing.T) {
	t.Parallel()
	k, err := newPrivateKey(Ed25519, unhex(t, "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := k.Sign(nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b"; hex.EncodeToString(got) != want {
		t.Errorf("got %x", got)
	}
}

// flipS is the other signature of r: order minus s.
func flipS(t KeyType, sig []byte) []byte {
	n, _ := new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)
	if t == Secp256k1 {
		n, _ = new(big.Int).SetString("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", 16)
	}
	out := append([]byte(nil), sig...)
	n.Sub(n, new(big.Int).SetBytes(sig[32:])).FillBytes(out[32:])
	return out
}

func TestSignVerify(t *testing.T) {
	t.Parallel()
	for _, typ := range []KeyType{Ed25519, P256, Secp256k1} {
		t.Run(typ.String(), func(t *testing.T) {
			t.Parallel()
			k, err := Generate(typ)
			if err != nil {
				t.Fatal(err)
			}
			other, err := Generate(typ)
			if err != nil {
				t.Fatal(err)
			}
			if k.DID() == other.DID() {
				t.Fatal("two generated keys are the same")
			}
			public, err := k.DID().PublicKey()
			if err != nil {
				t.Fatal(err)
			}
			for i := range 16 { // several, so that both halves of s come up before normalisation
				msg := bytes.Repeat([]byte{byte(i)}, i*11)
				sig, err := k.Sign(msg)
				if err != nil {
					t.Fatal(err)
				}
				again, err := k.Sign(msg)
				if err != nil || !bytes.Equal(sig, again) {
					t.Fatalf("signing twice: %x, then %x, %v", sig, again, err)
				}
				if err := public.Verify(msg, sig); err != nil {
					t.Fatal(err)
				}
				checkForgeries(t, public, other.PublicKey(), msg, sig)
				if i < 2 {
					checkBitFlips(t, public, msg, sig)
				}
			}
		})
	}
}

func checkBitFlips(t *testing.T, public PublicKey, msg, sig []byte) {
	t.Helper()
	for bit := range 8 * len(sig) {
		bad := append([]byte(nil), sig...)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := public.Verify(msg, bad); !errors.Is(err, ErrSignature) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
}

func checkForgeries(t *testing.T, public, other PublicKey, msg, sig []byte) {
	t.Helper()
	forgeries := map[string][]byte{
		"none": nil, "short": sig[:63], "long": append(append([]byte(nil), sig...), 0), "zero": make([]byte, 64),
		"ones": bytes.Repeat([]byte{0xff}, 64), "swapped": append(append([]byte(nil), sig[32:]...), sig[:32]...),
	}
	switch flipped := flipS(public.Type(), sig); public.Type() {
	case Secp256k1:
		forgeries["high s"] = flipped
	case P256:
		if err := public.Verify(msg, flipped); err != nil {
			t.Errorf("P-256 with high s: %v", err)
		}
		if new(big.Int).SetBytes(sig[32:]).Cmp(new(big.Int).SetBytes(flipped[32:])) > 0 {
			t.Errorf("P-256 signed with high s")
		}
	}
	for name, bad := range forgeries {
		if err := public.Verify(msg, bad); !errors.Is(err, ErrSignature) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := public.Verify(append([]byte("x"), msg...), sig); !errors.Is(err, ErrSignature) {
		t.Errorf("other message: %v", err)
	}
	if err := other.Verify(msg, sig); !errors.Is(err, ErrSignature) {
		t.Errorf("other key: %v", err)
	}
}

// 32 bytes that are no point of edwards25519 make a DID for which nothing
// verifies.
func TestNoPointVerifiesNothing(t *testing.T) {
	t.Parallel()
	raw := make([]byte, 32)
	raw[0] = 2 // y = 2 has no x
	public, err := newPublicKey(Ed25519, raw)
	if err != nil {
		t.Fatal(err)
	}
	if err := public.Verify([]byte("m"), make([]byte, 64)); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	if err := (PublicKey{}).Verify(nil, make([]byte, 64)); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
}

func TestVarsig(t *testing.T) {
	t.Parallel()
	for typ, want := range map[KeyType]string{Ed25519: "3401ed01ed011371", P256: "3401ec0180241271", Secp256k1: "3401ec01e7011271"} {
		got := Varsig(typ)
		if hex.EncodeToString(got) != want {
			t.Errorf("%s: %x", typ, got)
		}
		if back, err := ParseVarsig(got); err != nil || back != typ {
			t.Errorf("%s: %v, %v", typ, back, err)
		}
		for _, bad := range [][]byte{got[1:], got[:7], append(Varsig(typ), 0), append(Varsig(typ)[:7], 0x55), nil} {
			if back, err := ParseVarsig(bad); err == nil {
				t.Errorf("%x is %s", bad, back)
			}
		}
	}
	if Varsig(0) != nil || Varsig(99) != nil {
		t.Error("an unknown type has a header")
	}
}

func TestParseKeyType(t *testing.T) {
	t.Parallel()
	for _, typ := range []KeyType{Ed25519, P256, Secp256k1} {
		if got, err := ParseKeyType(typ.String()); err != nil || got != typ {
			t.Errorf("%s: %v, %v", typ, got, err)
		}
	}
	if _, err := ParseKeyType("rsa"); err == nil {
		t.Error("rsa is a key type")
	}
	if KeyType(0).String() == "" || KeyType(200).known() {
		t.Error("unknown types")
	}
}

func TestBase58(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ hex, text string }{ // draft-msporny-base58, Bitcoin's base58_encode_decode.json
		{"", ""},
		{"61", "2g"},
		{"626262", "a3gV"},
		{"516b6fcd0f", "ABnLTmg"},
		{"00000000000000000000", "1111111111"},
		{"0000287fb4cd", "11233QC4"},
		{"48656c6c6f20576f726c6421", "2NEpo7TZRRrLZSi2U"},
		{"00eb15231dfceb60925886b67d065299925915aeb172c06647", "1NS17iag9jJgTHD1VXjvLCEnZuQ3rJDE9L"},
	} {
		b := unhex(t, tt.hex)
		if got := string(appendBase58(nil, b)); got != tt.text {
			t.Errorf("%s: %q, want %q", tt.hex, got, tt.text)
		}
		if got, err := appendUnbase58(nil, tt.text); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%q: %x, %v", tt.text, got, err)
		}
	}
	for n := range 47 {
		for i := range 20 {
			sum := sha256.Sum256([]byte{byte(n), byte(i)})
			b := append(sum[:], sum[:]...)[:n]
			got, err := appendUnbase58(nil, string(appendBase58(nil, b)))
			if err != nil || !bytes.Equal(got, b) {
				t.Fatalf("%x: %x, %v", b, got, err)
			}
		}
	}
	if got, err := appendUnbase58(nil, strings.Repeat("z", maxBase58)); err != nil || len(got) != 47 {
		t.Errorf("longest: %x, %v", got, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, p := range published {
		f.Add(string(p.did))
	}
	f.Add(string(Pure))
	f.Fuzz(func(t *testing.T, s string) {
		d, err := Parse(s)
		if err != nil {
			return
		}
		if string(d) != s {
			t.Fatalf("%q became %q", s, d)
		}
		if d == Pure {
			return
		}
		k, err := d.PublicKey()
		if err != nil {
			t.Fatal(err)
		}
		if back := formatKey(k.Type(), k.Bytes()); back != d {
			t.Fatalf("%q has a second spelling %q", d, back)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	for _, name := range []string{"alice", "RFC 6979", "generator"} {
		d := publishedKey(b, name).DID()
		b.Run(publishedKey(b, name).Type().String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := Parse(string(d)); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	for _, name := range []string{"alice", "RFC 6979", "generator"} {
		k := publishedKey(b, name)
		b.Run(k.Type().String(), func(b *testing.B) {
			msg := make([]byte, 300)
			for b.Loop() {
				if _, err := k.Sign(msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, name := range []string{"alice", "RFC 6979", "generator"} {
		k := publishedKey(b, name)
		b.Run(k.Type().String(), func(b *testing.B) {
			msg := make([]byte, 300)
			sig, err := k.Sign(msg)
			if err != nil {
				b.Fatal(err)
			}
			public := k.PublicKey()
			for b.Loop() {
				if err := public.Verify(msg, sig); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func FuzzParseVarsig(f *testing.F) {
	for t := range KeyType(16) {
		f.Add(Varsig(t))
	}
	f.Fuzz(func(t *testing.T, header []byte) {
		if k, err := ParseVarsig(header); err == nil && (k == 0 || !bytes.Equal(Varsig(k), header)) {
			t.Fatalf("%x was read as %v", header, k)
		}
	})
}
