package authority

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

var fuzzTime = time.Unix(1_800_000_000, 0)

func fuzzKey(t testing.TB) did.PrivateKey {
	t.Helper()
	k, err := did.Generate(did.Ed25519)
	check(t, err)
	return k
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func encode(t testing.TB, v ipld.Value) []byte {
	t.Helper()
	data, err := ipld.AppendCBOR(nil, v)
	check(t, err)
	return data
}

// What is accepted as a demand says the same when it is written and read again.
func FuzzParseDemand(f *testing.F) {
	link := ipld.LinkOf(ipld.CodecRaw, []byte("module"))
	f.Add(encode(f, Demand{Workflow: link}.Value()))
	f.Add(encode(f, Demand{
		Workflow: link, Gas: 1 << 40, Memory: 1 << 26, Time: time.Second, Tasks: 4,
		Functions: []Function{{}, {link, "next"}},
		Effects:   []Effect{{Do: "crud/update"}, {"https://example.com/", "crud/read"}},
	}.Value()))
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := ipld.DecodeCBOR(data)
		if err != nil {
			return
		}
		d, err := ParseDemand(v)
		if err != nil {
			return
		}
		again, err := ParseDemand(d.Value())
		if err != nil || !reflect.DeepEqual(again, d) {
			t.Fatalf("%+v was read again as %+v: %v", d, again, err)
		}
		for _, e := range d.Value().Entries() {
			if was, ok := v.Lookup(e.Key); !ok || was.Kind() != ipld.KindList && !was.Equal(e.Value) || was.Len() < e.Value.Len() {
				t.Fatalf("%s: %s became %s", e.Key, was, e.Value)
			}
		}
	})
}

// What is accepted as the note of an account is exactly what is written of it.
func FuzzParseAccount(f *testing.F) {
	for _, until := range []int64{0, fuzzTime.Unix(), 1<<63 - 1} {
		f.Add(encode(f, account{used: 1 << 40, until: until}.value()))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if a, err := parseAccount(data); err == nil && !bytes.Equal(encode(t, a.value()), data) {
			t.Fatalf("%x was read as %+v", data, a)
		}
	})
}

// What is accepted as the note of a revocation is exactly what is written of it.
func FuzzParseRevoked(f *testing.F) {
	alice, bob := fuzzKey(f), fuzzKey(f)
	link := ipld.LinkOf(ipld.CodecDagCBOR, []byte("delegation"))
	container, err := SignRevocation(alice, link, fuzzTime)
	check(f, err)
	for _, by := range [][]did.DID{{alice.DID()}, {alice.DID(), bob.DID()}, nil} {
		data, err := appendRevoked(ucan.Revocation{Delegation: link, By: by}, container)
		check(f, err)
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		r, container, err := parseRevoked(data)
		if err != nil {
			return
		}
		if again, err := appendRevoked(r, []byte(container)); err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x was read as %x: %v", data, again, err)
		}
	})
}

// What is accepted as a denial has nothing in its arguments but what is read,
// and is signed.
func FuzzParseDenial(f *testing.F) {
	k := fuzzKey(f)
	inv, err := ucan.Invoke(k, ucan.Call{Command: grant.RunCommand, Args: ipld.Map()}, fuzzTime)
	check(f, err)
	c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}}
	wish, err := c.Append(nil, ucan.Plain)
	check(f, err)
	denial, err := Deny(k, wish, errors.New("no"), fuzzTime)
	check(f, err)
	opened, err := ucan.ReadContainer(denial, nil)
	check(f, err)
	plain, err := opened.Append(nil, ucan.Plain)
	check(f, err)
	for _, seed := range [][]byte{wish, denial, plain} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, parseErr := ParseDenial(data)
		_, inv, err := open(data, nil)
		if err != nil {
			if parseErr == nil {
				t.Fatalf("a denial: %v", err)
			}
			return
		}
		read, err := ReadDenial(inv)
		if err != nil {
			if parseErr == nil {
				t.Fatalf("a denial: %v", err)
			}
			return
		}
		args := inv.Invocation().Args
		want := ipld.Map(
			ipld.Entry{Key: "at", Value: ipld.Int(read.At.Unix())},
			ipld.Entry{Key: "out", Value: ipld.Map(ipld.Entry{Key: "error", Value: ipld.Map(
				ipld.Entry{Key: "kind", Value: ipld.String(string(task.KindDenied))},
				ipld.Entry{Key: "reason", Value: ipld.String(read.Reason)},
			)})},
			ipld.Entry{Key: "ran", Value: ipld.Bytes(read.Ran[:])},
		)
		if !args.Equal(want) || read.Node != inv.Invocation().Issuer {
			t.Fatalf("%s was read as %s", args, want)
		}
		if signed := inv.Verify() == nil; signed != (parseErr == nil) || d != read {
			t.Fatalf("signed %v: %v, %+v", signed, parseErr, d)
		}
	})
}
