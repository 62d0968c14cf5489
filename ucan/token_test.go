package ucan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// keys are fixed, one of each type.
func keys(t testing.TB) []did.PrivateKey {
	t.Helper()
	var out []did.PrivateKey
	for _, codec := range []string{"\x80\x26", "\x86\x26", "\x81\x26"} {
		k, err := did.ParseMultibase("u" + base64url(codec+strings.Repeat("\x07", 32)))
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, k)
	}
	return out
}

func seconds64(n int64) *int64 { return &n }

func entry(key string, v ipld.Value) ipld.Entry { return ipld.Entry{Key: key, Value: v} }

// full is an invocation with every field.
func full(t testing.TB) Invocation {
	t.Helper()
	ks := keys(t)
	return Invocation{
		Subject: ks[1].DID(), Audience: ks[2].DID(), Command: "/crud/read",
		Args:     ipld.Map(entry("uri", ipld.String("https://example.com/é")), entry("n", ipld.Float(1.5))),
		Proofs:   []ipld.Link{ipld.LinkOf(ipld.CodecDagCBOR, []byte("root")), ipld.LinkOf(ipld.CodecDagCBOR, []byte("leaf"))},
		Meta:     ipld.Map(entry("why", ipld.Bool(true))),
		Nonce:    "\x00\xff nonce",
		IssuedAt: seconds64(-5), Expires: seconds64(MaxTime), Cause: ipld.LinkOf(ipld.CodecDagCBOR, []byte("cause")),
	}
}

// least is an invocation with nothing that may be left out.
func least(k did.PrivateKey) Invocation {
	return Invocation{Subject: k.DID(), Command: "/", Args: ipld.Map()}
}

func sign(t testing.TB, k did.PrivateKey, inv Invocation) *SignedInvocation {
	t.Helper()
	token, err := SignInvocation(k, inv)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignParse(t *testing.T) {
	t.Parallel()
	for _, k := range keys(t) {
		for name, inv := range map[string]Invocation{"full": full(t), "least": least(k)} {
			t.Run(k.Type().String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				token := sign(t, k, inv)
				if again := sign(t, k, inv); !bytes.Equal(token.Bytes(), again.Bytes()) {
					t.Error("signing twice gives two tokens")
				}
				if err := token.Verify(); err != nil {
					t.Errorf("as signed: %v", err)
				}
				input := bytes.Clone(token.Bytes())
				parsed, err := ParseInvocation(input)
				if err != nil {
					t.Fatal(err)
				}
				clear(input) // the token must not depend on the caller's bytes
				if err := parsed.Verify(); err != nil {
					t.Error(err)
				}
				inv.Issuer = k.DID()
				sameInvocation(t, parsed.Invocation(), inv)
				sameInvocation(t, token.Invocation(), inv)
				if !bytes.Equal(parsed.Bytes(), token.Bytes()) || parsed.Link() != token.Link() || parsed.SigHash() != token.SigHash() || parsed.Tag() != Tag {
					t.Error("parsed token differs")
				}
			})
		}
	}
}

func sameInvocation(t *testing.T, got, want Invocation) {
	t.Helper()
	if !got.Args.Equal(want.Args) || !got.Meta.Equal(want.Meta) {
		t.Errorf("args %s, meta %s; want %s, %s", got.Args, got.Meta, want.Args, want.Meta)
	}
	got.Args, got.Meta = want.Args, want.Meta
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// The signed bytes are those from the head of the second element on.
func TestSigHash(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	token := sign(t, k, least(k))
	if got, want := token.SigHash(), sha256.Sum256(token.Bytes()[67:]); got != want {
		t.Errorf("%x, want %x", got, want)
	}
}

// However long the signature is, the signed bytes are found behind it.
func TestSigHashBehindAnySignature(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	token := sign(t, k, least(k))
	v, err := ipld.DecodeCBOR(token.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 23, 24, 64, 255, 256, 65_535, 65_536, MaxSize - 500} {
		odd, err := ParseInvocation(encode(t, ipld.List(ipld.Bytes(make([]byte, n)), v.Elems()[1])))
		if err != nil {
			t.Fatal(err)
		}
		if odd.SigHash() != token.SigHash() || !errors.Is(odd.Verify(), ErrSignature) {
			t.Errorf("%d bytes: %x, %v", n, odd.SigHash(), odd.Verify())
		}
	}
}

func TestSignRefuses(t *testing.T) {
	t.Parallel()
	k, other := keys(t)[0], keys(t)[1]
	deep := ipld.Null
	for range MaxDepth {
		deep = ipld.List(deep)
	}
	for name, edit := range map[string]func(*Invocation){
		"another's issuer":      func(inv *Invocation) { inv.Issuer = other.DID() },
		"no subject":            func(inv *Invocation) { inv.Subject = "" },
		"pure subject":          func(inv *Invocation) { inv.Subject = did.Pure },
		"pure audience":         func(inv *Invocation) { inv.Audience = did.Pure },
		"subject without key":   func(inv *Invocation) { inv.Subject = "did:web:example.com" },
		"no command":            func(inv *Invocation) { inv.Command = "" },
		"command without slash": func(inv *Invocation) { inv.Command = "wasm/run" },
		"trailing slash":        func(inv *Invocation) { inv.Command = "/wasm/" },
		"empty segment":         func(inv *Invocation) { inv.Command = "/wasm//run" },
		"two slashes":           func(inv *Invocation) { inv.Command = "//" },
		"upper case":            func(inv *Invocation) { inv.Command = "/wasm/Run" },
		"upper case Ä":          func(inv *Invocation) { inv.Command = "/Ärger" },
		"no args":               func(inv *Invocation) { inv.Args = ipld.Null },
		"args a list":           func(inv *Invocation) { inv.Args = ipld.List() },
		"meta a string":         func(inv *Invocation) { inv.Meta = ipld.String("x") },
		"undefined proof":       func(inv *Invocation) { inv.Proofs = []ipld.Link{{}} },
		"too many proofs":       func(inv *Invocation) { inv.Proofs = make([]ipld.Link, MaxProofs+1) },
		"expires too late":      func(inv *Invocation) { inv.Expires = seconds64(MaxTime + 1) },
		"issued too early":      func(inv *Invocation) { inv.IssuedAt = seconds64(-MaxTime - 1) },
		"args not UTF-8":        func(inv *Invocation) { inv.Args = ipld.Map(entry("a", ipld.String("\xff"))) },
		"command not UTF-8":     func(inv *Invocation) { inv.Command = "/\xff" },
		"args too deep":         func(inv *Invocation) { inv.Args = ipld.Map(entry("a", deep)) },
		"too large":             func(inv *Invocation) { inv.Nonce = strings.Repeat("x", MaxSize) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			inv := least(k)
			edit(&inv)
			if token, err := SignInvocation(k, inv); !errors.Is(err, ErrMalformed) || token != nil {
				t.Errorf("%v, %v", token, err)
			}
		})
	}
	if _, err := SignInvocation(did.PrivateKey{}, least(k)); !errors.Is(err, ErrMalformed) {
		t.Errorf("no key: %v", err)
	}
	inv := least(k)
	inv.Nonce = strings.Repeat("x", MaxSize)
	if _, err := SignInvocation(k, inv); !errors.Is(err, ErrSize) {
		t.Errorf("too large: %v", err)
	}
}

// seal signs an arbitrary payload under an arbitrary header and tag.
func seal(t testing.TB, k did.PrivateKey, header []byte, tag string, payload ipld.Value) []byte {
	t.Helper()
	return envelope(t, k, ipld.Map(entry("h", ipld.Bytes(header)), entry(tag, payload)))
}

func envelope(t testing.TB, k did.PrivateKey, sigPayload ipld.Value) []byte {
	t.Helper()
	signed := encode(t, sigPayload)
	sig, err := k.Sign(signed)
	if err != nil {
		t.Fatal(err)
	}
	return encode(t, ipld.List(ipld.Bytes(sig), sigPayload))
}

func encode(t testing.TB, v ipld.Value) []byte {
	t.Helper()
	b, err := ipld.AppendCBOR(nil, v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// with returns the map m with key set to v; without returns it without key.
func with(m ipld.Value, key string, v ipld.Value) ipld.Value {
	return ipld.Map(append(without(m, key).Entries(), entry(key, v))...)
}

func without(m ipld.Value, key string) ipld.Value {
	var out []ipld.Entry
	for _, e := range m.Entries() {
		if e.Key != key {
			out = append(out, e)
		}
	}
	return ipld.Map(out...)
}

// fields are the kinds that each field may have, and whether it must be there.
var fields = []struct {
	name     string
	kinds    []ipld.Kind
	required bool
}{
	{"iss", []ipld.Kind{ipld.KindString}, true},
	{"sub", []ipld.Kind{ipld.KindString}, true},
	{"aud", []ipld.Kind{ipld.KindString}, false},
	{"cmd", []ipld.Kind{ipld.KindString}, true},
	{"args", []ipld.Kind{ipld.KindMap}, true},
	{"prf", []ipld.Kind{ipld.KindList}, true},
	{"meta", []ipld.Kind{ipld.KindMap}, false},
	{"nonce", []ipld.Kind{ipld.KindBytes}, true},
	{"exp", []ipld.Kind{ipld.KindInt, ipld.KindNull}, true},
	{"iat", []ipld.Kind{ipld.KindInt}, false},
	{"cause", []ipld.Kind{ipld.KindLink}, false},
}

// Every field missing, twice under another name, and of every wrong kind. All
// these tokens are rightly signed.
func TestParseFields(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	inv := full(t)
	inv.Issuer = k.DID()
	payload := inv.value()
	header := did.Varsig(k.Type())
	if _, err := ParseInvocation(seal(t, k, header, Tag, payload)); err != nil {
		t.Fatal(err)
	}
	if payload.Len() != len(fields) {
		t.Fatalf("%d fields", payload.Len())
	}
	samples := map[ipld.Kind]ipld.Value{
		ipld.KindNull: ipld.Null, ipld.KindBool: ipld.Bool(true), ipld.KindInt: ipld.Int(7), ipld.KindFloat: ipld.Float(7), ipld.KindString: ipld.String("/x"),
		ipld.KindBytes: ipld.Bytes([]byte("x")), ipld.KindList: ipld.List(ipld.Int(1)), ipld.KindMap: ipld.Map(), ipld.KindLink: ipld.LinkValue(inv.Cause),
	}
	for _, f := range fields {
		_, err := ParseInvocation(seal(t, k, header, Tag, without(payload, f.name)))
		if f.required != errors.Is(err, ErrMalformed) || !f.required && err != nil {
			t.Errorf("without %s: %v", f.name, err)
		}
		_, err = ParseInvocation(seal(t, k, header, Tag, with(payload, f.name+"x", ipld.Null)))
		if !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("with an unknown field %sx: %v", f.name, err)
		}
		value, _ := payload.Lookup(f.name)
		for kind, sample := range samples {
			allowed := false
			for _, want := range f.kinds {
				allowed = allowed || kind == want
			}
			if kind == value.Kind() {
				sample = value
			}
			_, err := ParseInvocation(seal(t, k, header, Tag, with(payload, f.name, sample)))
			if allowed != (err == nil) || !allowed && !errors.Is(err, ErrMalformed) {
				t.Errorf("%s as %s: %v", f.name, kind, err)
			}
		}
	}
}

// Contents of the right kind that are refused, rightly signed.
func TestParseContents(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	inv := full(t)
	inv.Issuer = k.DID()
	payload := inv.value()
	deep := func(n int) ipld.Value {
		v := ipld.Null
		for range n {
			v = ipld.List(v)
		}
		return ipld.Map(entry("a", v))
	}
	links := make([]ipld.Value, MaxProofs+1)
	for i := range links {
		links[i] = ipld.LinkValue(inv.Cause)
	}
	// The envelope, the SigPayload, the payload and args are around the lists.
	if _, err := ParseInvocation(seal(t, k, did.Varsig(k.Type()), Tag, with(payload, "args", deep(MaxDepth-4)))); err != nil {
		t.Errorf("deepest: %v", err)
	}
	if _, err := ParseInvocation(seal(t, k, did.Varsig(k.Type()), Tag, with(payload, "prf", ipld.List(links[1:]...)))); err != nil {
		t.Errorf("most proofs: %v", err)
	}
	for _, tt := range []struct {
		name, field string
		v           ipld.Value
	}{
		{"exp too late", "exp", ipld.Int(MaxTime + 1)},
		{"exp above int64", "exp", ipld.Uint(1 << 63)},
		{"iat too early", "iat", ipld.Int(-MaxTime - 1)},
		{"pure sub", "sub", ipld.String(string(did.Pure))},
		{"pure aud", "aud", ipld.String(string(did.Pure))},
		{"pure iss", "iss", ipld.String(string(did.Pure))},
		{"empty aud", "aud", ipld.String("")},
		{"sub no did:key", "sub", ipld.String("did:mailto:example.com:me")},
		{"iss with fragment", "iss", ipld.String(string(k.DID()) + "#k")},
		{"cmd upper case", "cmd", ipld.String("/Crud")},
		{"cmd relative", "cmd", ipld.String("crud")},
		{"prf of text", "prf", ipld.List(ipld.String(inv.Cause.String()))},
		{"prf too long", "prf", ipld.List(links...)},
		{"args too deep", "args", deep(MaxDepth - 3)},
		{"meta too deep", "meta", deep(MaxDepth - 3)},
		{"too large", "nonce", ipld.Bytes(make([]byte, MaxSize))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseInvocation(seal(t, k, did.Varsig(k.Type()), Tag, with(payload, tt.field, tt.v)))
			if !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
			if tt.name == "too large" != errors.Is(err, ErrSize) {
				t.Errorf("ErrSize: %v", err)
			}
		})
	}
}

func TestParseEnvelope(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	inv := least(k)
	inv.Issuer = k.DID()
	payload, header := inv.value(), ipld.Bytes(did.Varsig(k.Type()))
	good := sign(t, k, inv).Bytes()
	v, err := ipld.DecodeCBOR(good)
	if err != nil {
		t.Fatal(err)
	}
	sig, sigPayload := v.Elems()[0], v.Elems()[1]
	replace := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %x", old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	for name, data := range map[string][]byte{
		"empty":                   nil,
		"cut":                     good[:len(good)-1],
		"trailing byte":           append(bytes.Clone(good), 0),
		"trailing element":        encode(t, ipld.List(sig, sigPayload, ipld.Null)),
		"signature only":          encode(t, ipld.List(sig)),
		"swapped":                 encode(t, ipld.List(sigPayload, sig)),
		"a map":                   encode(t, ipld.Map(entry("sig", sig), entry("p", sigPayload))),
		"payload only":            encode(t, sigPayload),
		"nested":                  encode(t, ipld.List(v)),
		"signature as text":       encode(t, ipld.List(ipld.String("x"), sigPayload)),
		"signature as list":       encode(t, ipld.List(ipld.List(sig), sigPayload)),
		"signed part as bytes":    encode(t, ipld.List(sig, ipld.Bytes(good[67:]))),
		"no h":                    envelope(t, k, ipld.Map(entry(Tag, payload))),
		"no tag":                  envelope(t, k, ipld.Map(entry("h", header))),
		"h twice":                 envelope(t, k, ipld.Map(entry("h", header), entry("i", header), entry(Tag, payload))),
		"h as text":               envelope(t, k, ipld.Map(entry("h", ipld.String("x")), entry(Tag, payload))),
		"both tags":               envelope(t, k, ipld.Map(entry("h", header), entry(Tag, payload), entry(TagRC1, payload))),
		"delegation tag":          envelope(t, k, ipld.Map(entry("h", header), entry("ucan/dlg@1.0.0", payload))),
		"tag of another version":  envelope(t, k, ipld.Map(entry("h", header), entry("ucan/inv@1.0.1", payload))),
		"tag without version":     envelope(t, k, ipld.Map(entry("h", header), entry("ucan/inv", payload))),
		"payload a list":          envelope(t, k, ipld.Map(entry("h", header), entry(Tag, ipld.List(payload)))),
		"payload null":            envelope(t, k, ipld.Map(entry("h", header), entry(Tag, ipld.Null))),
		"unknown varsig":          seal(t, k, []byte("\x34\x01\xed\x01\xed\x01\x13\x72"), Tag, payload),
		"empty varsig":            seal(t, k, nil, Tag, payload),
		"varsig and more":         seal(t, k, append(did.Varsig(k.Type()), 0), Tag, payload),
		"head of 2 in 1+1 bytes":  replace("\x82\x58\x40", "\x98\x02\x58\x40"),
		"head of 64 in 1+2 bytes": replace("\x82\x58\x40", "\x82\x59\x00\x40"),
		"indefinite list":         append(replace("\x82\x58\x40", "\x9f\x58\x40"), 0xff),
		"indefinite bytes":        replace("\x65nonce\x40", "\x65nonce\x5f\xff"),
		"null as undefined":       replace("\x63exp\xf6", "\x63exp\xf7"),
		"tagged":                  append([]byte("\xd9\xd9\xf7"), good...),
		"keys unsorted":           replace("\x63cmd\x61/\x63exp\xf6", "\x63exp\xf6\x63cmd\x61/"),
		"key given twice":         replace("\x63exp\xf6", "\x63cmd\x61/"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseInvocation(data); !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
		})
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	for i, k := range keys(t) {
		other := keys(t)[(i+1)%3]
		inv := least(k)
		inv.Issuer = k.DID()
		good := sign(t, k, inv).Bytes()
		v, err := ipld.DecodeCBOR(good)
		if err != nil {
			t.Fatal(err)
		}
		sig, _ := v.Elems()[0].AsBytes()
		resigned := func(s []byte) []byte { return encode(t, ipld.List(ipld.Bytes(s), v.Elems()[1])) }
		stranger := inv
		stranger.Issuer = other.DID()
		long := append([]byte(sig), 0)
		for name, data := range map[string][]byte{
			"no signature":           resigned(nil),
			"short signature":        resigned([]byte(sig[:63])),
			"long signature":         resigned(long),
			"signature of 300 bytes": resigned(make([]byte, 300)),
			"zero signature":         resigned(make([]byte, 64)),
			"halves swapped":         resigned([]byte(sig[32:] + sig[:32])),
			"varsig of another type": seal(t, k, did.Varsig(other.Type()), Tag, inv.value()),
			"issuer of another type": seal(t, k, did.Varsig(k.Type()), Tag, stranger.value()),
			"issued by a stranger":   seal(t, k, did.Varsig(other.Type()), Tag, stranger.value()),
		} {
			t.Run(k.Type().String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				token, err := ParseInvocation(data)
				if err != nil {
					t.Fatal(err)
				}
				if err := token.Verify(); !errors.Is(err, ErrSignature) {
					t.Error(err)
				}
			})
		}
	}
}

// The other half of s: refused for secp256k1; a second token for P-256, which
// is why what must not be repeated is remembered by SigHash.
func TestHighS(t *testing.T) {
	t.Parallel()
	orders := map[did.KeyType]string{
		did.P256:      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
		did.Secp256k1: "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
	}
	for _, k := range keys(t)[1:] {
		token := sign(t, k, least(k))
		order, _ := hex.DecodeString(orders[k.Type()])
		data := bytes.Clone(token.Bytes())
		s := new(big.Int).SetBytes(data[35:67])
		s.Sub(new(big.Int).SetBytes(order), s).FillBytes(data[35:67])
		twin, err := ParseInvocation(data)
		if err != nil {
			t.Fatal(err)
		}
		switch err := twin.Verify(); k.Type() {
		case did.Secp256k1:
			if !errors.Is(err, ErrSignature) {
				t.Errorf("secp256k1: %v", err)
			}
		case did.P256:
			if err != nil || twin.Link() == token.Link() || twin.SigHash() != token.SigHash() {
				t.Errorf("P-256: %v, same link %t", err, twin.Link() == token.Link())
			}
		}
	}
}

// No token that differs from a valid one in one bit is valid.
func TestBitFlips(t *testing.T) {
	t.Parallel()
	for _, k := range keys(t) {
		t.Run(k.Type().String(), func(t *testing.T) {
			t.Parallel()
			inv := least(k)
			if k.Type() == did.Ed25519 {
				inv = full(t)
			}
			good := sign(t, k, inv).Bytes()
			data := bytes.Clone(good)
			parsed := 0
			for bit := range 8 * len(data) {
				data[bit/8] ^= 1 << (bit % 8)
				if token, err := ParseInvocation(data); err == nil {
					parsed++
					if err := token.Verify(); !errors.Is(err, ErrSignature) {
						t.Errorf("bit %d: %v", bit, err)
					}
				}
				data[bit/8] ^= 1 << (bit % 8)
			}
			if !bytes.Equal(data, good) || parsed < 512 {
				t.Errorf("only %d of the changed tokens parsed", parsed)
			}
		})
	}
}
