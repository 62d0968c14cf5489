package ucan

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math/big"
	"reflect"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// fullDelegation is a delegation with every field.
func fullDelegation(t testing.TB) Delegation {
	t.Helper()
	ks := keys(t)
	return Delegation{
		Subject: ks[1].DID(), Audience: ks[2].DID(), Command: "/crud/read",
		Policy: policy(t, `[["==", ".uri", "https://example.com/é"], ["any", ".[\"to\"][0:2]", ["or", [["<", ".", 1.5], ["like", ".x?", "*"]]]]]`),
		Meta:   ipld.Map(entry("why", ipld.Bool(true))), Nonce: "\x00\xff nonce",
		NotBefore: seconds64(-5), Expires: seconds64(MaxTime),
	}
}

// leastDelegation has nothing that may be left out.
func leastDelegation(k did.PrivateKey) Delegation {
	return Delegation{Subject: k.DID(), Audience: k.DID(), Command: "/"}
}

func delegate(t testing.TB, k did.PrivateKey, dlg Delegation) *SignedDelegation {
	t.Helper()
	token, err := SignDelegation(k, dlg)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestSignParseDelegation(t *testing.T) {
	t.Parallel()
	for _, k := range keys(t) {
		powerline := leastDelegation(k)
		powerline.Subject, powerline.Powerline = "", true
		for name, dlg := range map[string]Delegation{"full": fullDelegation(t), "least": leastDelegation(k), "powerline": powerline} {
			t.Run(k.Type().String()+"/"+name, func(t *testing.T) {
				t.Parallel()
				token := delegate(t, k, dlg)
				input := bytes.Clone(token.Bytes())
				parsed, err := ParseDelegation(input)
				if err != nil {
					t.Fatal(err)
				}
				clear(input) // the token must not depend on the caller's bytes
				if err := parsed.Verify(); err != nil {
					t.Error(err)
				}
				dlg.Issuer = k.DID()
				sameDelegation(t, parsed.Delegation(), dlg)
				sameDelegation(t, token.Delegation(), dlg)
				if !bytes.Equal(parsed.Bytes(), token.Bytes()) || parsed.Link() != token.Link() || parsed.SigHash() != token.SigHash() || parsed.Tag() != DelegationTag ||
					parsed.Link() != ipld.LinkOf(ipld.CodecDagCBOR, token.Bytes()) {
					t.Error("parsed token differs")
				}
				if _, err := ParseInvocation(parsed.Bytes()); !errors.Is(err, ErrMalformed) {
					t.Errorf("read as an invocation: %v", err)
				}
			})
		}
	}
}

func sameDelegation(t *testing.T, got, want Delegation) {
	t.Helper()
	if !got.Policy.Value().Equal(want.Policy.Value()) || !got.Meta.Equal(want.Meta) {
		t.Errorf("policy %s, meta %s; want %s, %s", got.Policy.Value(), got.Meta, want.Policy.Value(), want.Meta)
	}
	got.Policy, got.Meta = want.Policy, want.Meta
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// The specification's delegation: the same bytes from the same fields, and its
// CID.
func TestDelegationFixtures(t *testing.T) {
	t.Parallel()
	for version := range versions {
		var file struct {
			Valid []struct {
				Token    []byte
				CID      string
				Envelope struct {
					Payload struct {
						Iss, Aud, Sub did.DID
						Cmd           string
						Exp           int64
						Nonce         []byte
					}
				}
			}
		}
		readJSON(t, version+"/delegation.json", &file)
		if len(file.Valid) != 1 {
			t.Fatalf("%s: %d delegations", version, len(file.Valid))
		}
		f := file.Valid[0]
		token, err := ParseDelegation(f.Token)
		if err != nil {
			t.Fatal(err)
		}
		if err := token.Verify(); err != nil {
			t.Error(err)
		}
		p := f.Envelope.Payload
		want := Delegation{Issuer: p.Iss, Audience: p.Aud, Subject: p.Sub, Command: p.Cmd, Expires: &p.Exp, Nonce: string(p.Nonce)}
		sameDelegation(t, token.Delegation(), want)
		if token.Link().String() != f.CID && token.Link().Base58() != f.CID {
			t.Errorf("%s: CID %s, want %s", version, token.Link(), f.CID)
		}
		again, err := signDelegation(principals(t, version)["bob"], want, token.Tag())
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Bytes(), f.Token) {
			t.Errorf("%s: made again: %x\nfixture: %x", version, again.Bytes(), f.Token)
		}
	}
}

func TestSignDelegationRefuses(t *testing.T) {
	t.Parallel()
	k, other := keys(t)[0], keys(t)[1]
	for name, edit := range map[string]func(*Delegation){
		"another's issuer":       func(d *Delegation) { d.Issuer = other.DID() },
		"no subject":             func(d *Delegation) { d.Subject = "" },
		"powerline with subject": func(d *Delegation) { d.Powerline = true },
		"pure subject":           func(d *Delegation) { d.Subject = did.Pure },
		"no audience":            func(d *Delegation) { d.Audience = "" },
		"pure audience":          func(d *Delegation) { d.Audience = did.Pure },
		"no command":             func(d *Delegation) { d.Command = "" },
		"upper case":             func(d *Delegation) { d.Command = "/Wasm" },
		"meta a string":          func(d *Delegation) { d.Meta = ipld.String("x") },
		"expires too late":       func(d *Delegation) { d.Expires = seconds64(MaxTime + 1) },
		"begins too early":       func(d *Delegation) { d.NotBefore = seconds64(-MaxTime - 1) },
		"too large":              func(d *Delegation) { d.Nonce = strings.Repeat("x", MaxSize) },
		"meta not UTF-8":         func(d *Delegation) { d.Meta = ipld.Map(entry("a", ipld.String("\xff"))) },
	} {
		dlg := leastDelegation(k)
		edit(&dlg)
		if token, err := SignDelegation(k, dlg); !errors.Is(err, ErrMalformed) || token != nil {
			t.Errorf("%s: %v, %v", name, token, err)
		}
	}
	if _, err := SignDelegation(did.PrivateKey{}, leastDelegation(k)); !errors.Is(err, ErrMalformed) {
		t.Errorf("no key: %v", err)
	}
}

var delegationFields = []struct {
	name     string
	kinds    []ipld.Kind
	required bool
}{
	{"iss", []ipld.Kind{ipld.KindString}, true},
	{"aud", []ipld.Kind{ipld.KindString}, true},
	{"sub", []ipld.Kind{ipld.KindString, ipld.KindNull}, true},
	{"cmd", []ipld.Kind{ipld.KindString}, true},
	{"pol", []ipld.Kind{ipld.KindList}, true},
	{"meta", []ipld.Kind{ipld.KindMap}, false},
	{"nonce", []ipld.Kind{ipld.KindBytes}, true},
	{"nbf", []ipld.Kind{ipld.KindInt}, false},
	{"exp", []ipld.Kind{ipld.KindInt, ipld.KindNull}, true},
}

// Every field missing, under another name, and of every wrong kind, in tokens
// that are rightly signed.
func TestParseDelegationFields(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	dlg := fullDelegation(t)
	dlg.Issuer = k.DID()
	payload := dlg.value()
	parse := func(payload ipld.Value) error {
		_, err := ParseDelegation(seal(t, k, did.Varsig(k.Type()), DelegationTag, payload))
		return err
	}
	if payload.Len() != len(delegationFields) || parse(payload) != nil {
		t.Fatalf("%d fields, %v", payload.Len(), parse(payload))
	}
	samples := []ipld.Value{
		ipld.Null, ipld.Bool(true), ipld.Int(7), ipld.Float(7), ipld.String("/x"), ipld.Bytes([]byte("x")), ipld.List(), ipld.Map(),
		ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil)),
	}
	for _, f := range delegationFields {
		if err := parse(without(payload, f.name)); f.required != errors.Is(err, ErrMalformed) || !f.required && err != nil {
			t.Errorf("without %s: %v", f.name, err)
		}
		if err := parse(with(payload, f.name+"x", ipld.Null)); !errors.Is(err, ErrMalformed) || !strings.Contains(err.Error(), "unknown field") {
			t.Errorf("with an unknown field %sx: %v", f.name, err)
		}
		value, _ := payload.Lookup(f.name)
		for _, sample := range samples {
			allowed := false
			for _, want := range f.kinds {
				allowed = allowed || sample.Kind() == want
			}
			if sample.Kind() == value.Kind() {
				sample = value
			}
			if err := parse(with(payload, f.name, sample)); allowed != (err == nil) || !allowed && !errors.Is(err, ErrMalformed) {
				t.Errorf("%s as %s: %v", f.name, sample.Kind(), err)
			}
		}
	}
	for name, tt := range map[string]struct {
		field string
		v     ipld.Value
	}{
		"policy malformed":    {"pol", dagJSON(t, `[["==", "a", 1]]`)},
		"policy of too much":  {"pol", ipld.List(make([]ipld.Value, MaxPolicyNodes+1)...)},
		"policy too deep":     {"pol", deepPolicy(t, MaxDepth)},
		"sub not a did:key":   {"sub", ipld.String("did:web:example.com")},
		"sub empty":           {"sub", ipld.String("")},
		"aud with a fragment": {"aud", ipld.String(string(k.DID()) + "#key")},
		"nbf too late":        {"nbf", ipld.Int(MaxTime + 1)},
		"exp above int64":     {"exp", ipld.Uint(1 << 63)},
		"cmd relative":        {"cmd", ipld.String("crud")},
		"cmd with a wildcard": {"cmd", ipld.String("/crud//*")},
	} {
		if err := parse(with(payload, tt.field, tt.v)); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func deepPolicy(t testing.TB, n int) ipld.Value {
	v := dagJSON(t, `["and", []]`)
	for range n {
		v = ipld.List(ipld.String("not"), v)
	}
	return ipld.List(v)
}

// Other bytes for what says the same.
func TestParseDelegationEnvelope(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	dlg := leastDelegation(k)
	dlg.Issuer = k.DID()
	good := delegate(t, k, dlg).Bytes()
	v, err := ipld.DecodeCBOR(good)
	if err != nil {
		t.Fatal(err)
	}
	sig, sigPayload := v.Elems()[0], v.Elems()[1]
	header := ipld.Bytes(did.Varsig(k.Type()))
	replace := func(old, new string) []byte {
		if !bytes.Contains(good, []byte(old)) {
			t.Fatalf("no %x", old)
		}
		return bytes.Replace(good, []byte(old), []byte(new), 1)
	}
	for name, data := range map[string][]byte{
		"empty":                nil,
		"cut":                  good[:len(good)-1],
		"trailing byte":        append(bytes.Clone(good), 0),
		"three elements":       encode(t, ipld.List(sig, sigPayload, ipld.Null)),
		"signature only":       encode(t, ipld.List(sig)),
		"invocation tag":       envelope(t, k, ipld.Map(entry("h", header), entry(Tag, dlg.value()))),
		"both tags":            envelope(t, k, ipld.Map(entry("h", header), entry(DelegationTag, dlg.value()), entry(Tag, dlg.value()))),
		"other version":        envelope(t, k, ipld.Map(entry("h", header), entry("ucan/dlg@1.0.1", dlg.value()))),
		"empty nonce in 1+1":   replace("\x65nonce\x40", "\x65nonce\x58\x00"),
		"indefinite nonce":     replace("\x65nonce\x40", "\x65nonce\x5f\xff"),
		"indefinite list":      append(replace("\x82\x58\x40", "\x9f\x58\x40"), 0xff),
		"null as undefined":    replace("\x63exp\xf6", "\x63exp\xf7"),
		"keys unsorted":        replace("\x63cmd\x61/\x63exp\xf6", "\x63exp\xf6\x63cmd\x61/"),
		"key given twice":      replace("\x63exp\xf6", "\x63cmd\x61/"),
		"policy list in 1+1":   replace("\x63pol\x80", "\x63pol\x98\x00"),
		"unknown varsig":       seal(t, k, []byte("\x34\x01\xed\x01\xed\x01\x13\x72"), DelegationTag, dlg.value()),
		"varsig of RSA, rs256": seal(t, k, []byte("\x34\x01\x85\x24\x12\x80\x02\x71"), DelegationTag, dlg.value()),
	} {
		if _, err := ParseDelegation(data); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The two forms of a P-256 signature know each other; other keys have one form.
func TestDelegationTwins(t *testing.T) {
	t.Parallel()
	for _, k := range keys(t) {
		token := delegate(t, k, leastDelegation(k))
		if k.Type() != did.P256 {
			if token.twin.Defined() {
				t.Errorf("%s has a twin", k.Type())
			}
			continue
		}
		twin, err := ParseDelegation(highS(t, token.Bytes()))
		if err != nil || twin.Verify() != nil {
			t.Fatal(err, twin.Verify())
		}
		if twin.Link() != token.twin || twin.twin != token.Link() || twin.Link() == token.Link() || twin.SigHash() != token.SigHash() {
			t.Error("the twins differ")
		}
	}
}

// highS is a token of P-256 with the other form of its signature.
func highS(t testing.TB, data []byte) []byte {
	t.Helper()
	order, _ := hex.DecodeString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551")
	data = bytes.Clone(data)
	s := new(big.Int).SetBytes(data[35:67])
	s.Sub(new(big.Int).SetBytes(order), s).FillBytes(data[35:67])
	return data
}

// No delegation that differs from a valid one in one bit is valid.
func TestDelegationBitFlips(t *testing.T) {
	t.Parallel()
	for _, k := range keys(t) {
		t.Run(k.Type().String(), func(t *testing.T) {
			t.Parallel()
			dlg := leastDelegation(k)
			if k.Type() == did.Ed25519 {
				dlg = fullDelegation(t)
			}
			data := bytes.Clone(delegate(t, k, dlg).Bytes())
			parsed := 0
			for bit := range 8 * len(data) {
				data[bit/8] ^= 1 << (bit % 8)
				if token, err := ParseDelegation(data); err == nil {
					parsed++
					if err := token.Verify(); !errors.Is(err, ErrSignature) {
						t.Errorf("bit %d: %v", bit, err)
					}
				}
				data[bit/8] ^= 1 << (bit % 8)
			}
			if parsed < 512 {
				t.Errorf("only %d of the changed tokens parsed", parsed)
			}
		})
	}
}

// FuzzParseDelegation: what is accepted says the same when it is encoded again.
func FuzzParseDelegation(f *testing.F) {
	for version := range versions {
		valid, invalid := readFixtures(f, version)
		for _, x := range append(valid, invalid...) {
			for _, p := range x.Proofs {
				f.Add([]byte(p))
			}
		}
	}
	for _, k := range keys(f) {
		f.Add(delegate(f, k, fullDelegation(f)).Bytes())
		f.Add(delegate(f, k, leastDelegation(k)).Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := ParseDelegation(data)
		if err != nil {
			return
		}
		dlg := token.Delegation()
		again := encode(t, ipld.List(ipld.Bytes(token.sig), ipld.Map(
			entry("h", ipld.Bytes(did.Varsig(token.alg))), entry(token.Tag(), dlg.value()),
		)))
		if !bytes.Equal(again, data) || !bytes.Equal(token.Bytes(), data) {
			t.Fatalf("%x was read as %x", data, again)
		}
		_ = token.Verify()
		_ = dlg.Policy.Match(ipld.Map())
	})
}
