package ucan

import (
	"bytes"
	"encoding/base64"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

func base64url(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

// What is accepted says the same when it is encoded again: every field of the
// payload was understood.
func FuzzParseInvocation(f *testing.F) {
	for version := range versions {
		valid, invalid := readFixtures(f, version)
		for _, x := range append(valid, invalid...) {
			f.Add([]byte(x.Invocation))
		}
	}
	for _, k := range keys(f) {
		f.Add(sign(f, k, full(f)).Bytes())
		f.Add(sign(f, k, least(k)).Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		token, err := ParseInvocation(data)
		if err != nil {
			return
		}
		inv := token.Invocation()
		again := encode(t, ipld.List(ipld.Bytes(token.sig), ipld.Map(
			entry("h", ipld.Bytes(did.Varsig(token.alg))), entry(token.Tag(), inv.value()),
		)))
		if !bytes.Equal(again, data) || !bytes.Equal(token.Bytes(), data) {
			t.Fatalf("%x was read as %x", data, again)
		}
		_ = token.Verify()
	})
}

func BenchmarkSign(b *testing.B) {
	for _, k := range keys(b) {
		b.Run(k.Type().String(), func(b *testing.B) {
			b.ReportAllocs()
			inv := least(k)
			for b.Loop() {
				if _, err := SignInvocation(k, inv); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	for _, k := range keys(b) {
		b.Run(k.Type().String(), func(b *testing.B) {
			b.ReportAllocs()
			data := sign(b, k, least(k)).Bytes()
			for b.Loop() {
				if _, err := ParseInvocation(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkVerify(b *testing.B) {
	for _, k := range keys(b) {
		b.Run(k.Type().String(), func(b *testing.B) {
			token := sign(b, k, least(k))
			for b.Loop() {
				if err := token.verify(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseDelegation(b *testing.B) {
	for _, k := range keys(b) {
		b.Run(k.Type().String(), func(b *testing.B) {
			b.ReportAllocs()
			s := newStory(b)
			dlg := s.proofs[1]
			dlg.Subject, dlg.Audience = k.DID(), k.DID()
			data := delegate(b, k, dlg).Bytes()
			for b.Loop() {
				if _, err := ParseDelegation(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
