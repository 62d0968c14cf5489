package receipt

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

func sortByName(vectors []golden) {
	slices.SortFunc(vectors, func(a, b golden) int { return strings.Compare(a.Name, b.Name) })
}

func entry(key string, v ipld.Value) ipld.Entry { return ipld.Entry{Key: key, Value: v} }

// with returns m with the keys of more set; a key set to remove is left out.
func with(m ipld.Value, more ...ipld.Entry) ipld.Value {
	all := append(slices.Clone(m.Entries()), more...)
	return ipld.Map(slices.DeleteFunc(ipld.Map(all...).Entries(), func(e ipld.Entry) bool { return e.Value.Equal(remove) })...)
}

var remove = ipld.String("remove this key")

// Tokens that are well formed and rightly signed, and no receipts.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	alice := key(t, "alice")
	good := issue(t, "alice", okReceipt(t, ipld.Int(1)))
	guest := issue(t, "alice", failed(t, task.Failure{Kind: task.KindGuest, Value: ipld.Int(1)}))
	trap := issue(t, "alice", failed(t, task.Failure{Kind: task.KindTrap, Trap: "abi"}))
	refused := issue(t, "alice", failed(t, task.Failure{Kind: task.KindType}))
	box := issue(t, "alice", boxed(t, okReceipt(t, large())))
	zero := int64(0)
	ok := func(v ipld.Value) ipld.Value { return ipld.Map(entry("ok", v)) }
	setArgs := func(more ...ipld.Entry) func(*ucan.Invocation) {
		return func(inv *ucan.Invocation) { inv.Args = with(inv.Args, more...) }
	}
	setMeta := func(more ...ipld.Entry) func(*ucan.Invocation) {
		return func(inv *ucan.Invocation) { inv.Meta = with(inv.Meta, more...) }
	}
	setError := func(more ...ipld.Entry) func(*ucan.Invocation) {
		return func(inv *ucan.Invocation) {
			out, _ := inv.Args.Lookup("out")
			failure, _ := out.Lookup("error")
			inv.Args = with(inv.Args, entry("out", ipld.Map(entry("error", with(failure, more...)))))
		}
	}
	for _, tt := range []struct {
		name string
		of   *Signed
		edit func(*ucan.Invocation)
	}{
		{"another command", good, func(inv *ucan.Invocation) { inv.Command = "/ucan/assert/receipts" }},
		{"another subject", good, func(inv *ucan.Invocation) { inv.Subject = key(t, "bob").DID() }},
		{"an audience", good, func(inv *ucan.Invocation) { inv.Audience = key(t, "bob").DID() }},
		{"its own audience", good, func(inv *ucan.Invocation) { inv.Audience = alice.DID() }},
		{"a proof", good, func(inv *ucan.Invocation) { inv.Proofs = []ipld.Link{addOne(t).Link} }},
		{"a cause", good, func(inv *ucan.Invocation) { inv.Cause = addOne(t).Link }},
		{"a nonce", good, func(inv *ucan.Invocation) { inv.Nonce = "x" }},
		{"an end", good, func(inv *ucan.Invocation) { inv.Expires = &zero }},
		{"a time", good, func(inv *ucan.Invocation) { inv.IssuedAt = &zero }},
		{"no meta", good, func(inv *ucan.Invocation) { inv.Meta = ipld.Null }},
		{"empty meta", good, func(inv *ucan.Invocation) { inv.Meta = ipld.Map() }},

		{"no out", good, setArgs(entry("out", remove))},
		{"no ran", good, setArgs(entry("ran", remove))},
		{"ran as text", good, setArgs(entry("ran", ipld.String(addOne(t).String())))},
		{"ran raw", good, setArgs(entry("ran", ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil))))},
		{"unknown argument", good, setArgs(entry("run", ipld.List()))},
		{"unknown argument, boxed", box, setArgs(entry("run", ipld.List()))},
		{"boxed false", good, setArgs(entry("boxed", ipld.Bool(false)))},
		{"boxed inline", good, setArgs(entry("boxed", ipld.Bool(true)))},
		{"boxed 1", box, setArgs(entry("boxed", ipld.Int(1)))},
		{"boxed raw", box, setArgs(entry("out", ok(ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, nil)))))},
		{"out null", good, setArgs(entry("out", ipld.Null))},
		{"out empty", good, setArgs(entry("out", ipld.Map()))},
		{"out of both", good, setArgs(entry("out", ipld.Map(entry("ok", ipld.Null), entry("error", ipld.Null))))},
		{"out of another name", good, setArgs(entry("out", ipld.Map(entry("okay", ipld.Null))))},
		{"out a list", good, setArgs(entry("out", ipld.List(ipld.String("ok"), ipld.Null)))},
		{"too large inline", good, setArgs(entry("out", ok(ipld.Bytes(make([]byte, InlineSize)))))},
		{"too deep inline", good, setArgs(entry("out", ok(nested(InlineDepth+1))))},
		{"error null", good, setArgs(entry("out", ipld.Map(entry("error", ipld.Null))))},
		{"error text", good, setArgs(entry("out", ipld.Map(entry("error", ipld.String("type")))))},
		{"too deep error", guest, setError(entry("value", nested(InlineDepth+1)))},
		{"no kind", refused, setError(entry("kind", remove))},
		{"kind a number", refused, setError(entry("kind", ipld.Int(1)))},
		{"unknown kind", refused, setError(entry("kind", ipld.String("boom")))},
		{"text for people", refused, setError(entry("message", ipld.String("it went boom")))},
		{"text in a trap", trap, setError(entry("message", ipld.String("it went boom")))},
		{"trap with another kind", refused, setError(entry("trap", ipld.String("abi")))},
		{"value with another kind", refused, setError(entry("value", ipld.Null))},
		{"trap without code", trap, setError(entry("trap", remove))},
		{"trap with null", trap, setError(entry("trap", ipld.Null))},
		{"unknown trap", trap, setError(entry("trap", ipld.String("it went boom")))},
		{"trap with a value", trap, setError(entry("value", ipld.Null))},
		{"guest without value", guest, setError(entry("value", remove))},
		{"guest with a trap", guest, setError(entry("trap", ipld.String("abi")))},

		{"no gas", good, setMeta(entry("gas", remove))},
		{"no gasLimit", good, setMeta(entry("gasLimit", remove))},
		{"no memoryLimit", good, setMeta(entry("memoryLimit", remove))},
		{"no schedule", good, setMeta(entry("schedule", remove))},
		{"unknown remark", good, setMeta(entry("time", ipld.Int(1)))},
		{"unknown for memory", good, setMeta(entry("memory", remove), entry("time", ipld.Int(1)))},
		{"negative gas", good, setMeta(entry("gas", ipld.Int(-1)))},
		{"gas a float", good, setMeta(entry("gas", ipld.Float(11)))},
		{"gas at the limit", good, setMeta(entry("gas", ipld.Int(1_000_000)))},
		{"memory null", good, setMeta(entry("memory", ipld.Null))},
		{"memory limit odd", good, setMeta(entry("memoryLimit", ipld.Int(64<<20+1)))},
		{"schedule bytes", good, setMeta(entry("schedule", ipld.Bytes([]byte(schedule))))},
		{"schedule empty", good, setMeta(entry("schedule", ipld.String("")))},
		{"schedule with a space", good, setMeta(entry("schedule", ipld.String("wasmtime 44")))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			token, err := ucan.ParseInvocation(tt.of.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			inv := token.Invocation()
			unchanged, err := ucan.SignInvocation(alice, inv)
			if err != nil || !bytes.Equal(unchanged.Bytes(), tt.of.Bytes()) {
				t.Fatalf("cannot make the receipt itself this way: %v", err)
			}
			tt.edit(&inv)
			changed, err := ucan.SignInvocation(alice, inv)
			if err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(changed.Bytes(), tt.of.Bytes()) {
				t.Fatal("nothing was changed")
			}
			if _, err := Parse(changed.Bytes()); !errors.Is(err, ErrMalformed) {
				t.Error(err)
			}
		})
	}
}

func TestParseOtherBytes(t *testing.T) {
	t.Parallel()
	good := issue(t, "alice", okReceipt(t, ipld.Int(1))).Bytes()
	rc1 := bytes.Replace(good, []byte("\x6e"+ucan.Tag), []byte("\x73"+ucan.TagRC1), 1)
	if _, err := ucan.ParseInvocation(rc1); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"empty": nil, "cut": good[:len(good)-1], "trailing": append(bytes.Clone(good), 0), "rc.1": rc1,
	} {
		if _, err := Parse(data); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestVerifyRefuses(t *testing.T) {
	t.Parallel()
	good := issue(t, "alice", okReceipt(t, ipld.Int(1))).Bytes()
	for bit := range 8 * len(good) {
		data := bytes.Clone(good)
		data[bit/8] ^= 1 << (bit % 8)
		s, err := Parse(data)
		if err != nil {
			continue
		}
		if err := s.Verify(); !errors.Is(err, ucan.ErrSignature) {
			t.Errorf("bit %d: %v", bit, err)
		}
	}
	forged := bytes.Replace(good, []byte(key(t, "alice").DID()), []byte(key(t, "bob").DID()), 2)
	s, err := Parse(forged)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(); !errors.Is(err, ucan.ErrSignature) || !strings.Contains(err.Error(), string(key(t, "bob").DID())) {
		t.Error(err)
	}
}

// What is accepted is the one encoding of what was read.
func FuzzParse(f *testing.F) {
	for _, sample := range samples(f) {
		f.Add(issue(f, sample.key, sample.r).Bytes())
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Parse(data)
		if err != nil {
			return
		}
		_ = s.Verify()
		envelope, err := ipld.DecodeCBOR(data)
		if err != nil {
			t.Fatal(err)
		}
		h, _ := envelope.Elems()[1].Lookup("h")
		text := func(d did.DID) ipld.Value { return ipld.String(string(d)) }
		again, err := ipld.AppendCBOR(nil, ipld.List(envelope.Elems()[0], ipld.Map(entry("h", h), entry(ucan.Tag, ipld.Map(
			entry("iss", text(s.Executor)), entry("sub", text(s.Executor)), entry("cmd", ipld.String(Command)), entry("prf", ipld.List()),
			entry("exp", ipld.Null), entry("nonce", ipld.BytesString("")), entry("args", s.args()), entry("meta", s.meta()),
		)))))
		if err != nil || !bytes.Equal(again, data) {
			t.Fatalf("%x was read as %x, %v", data, again, err)
		}
	})
}

func BenchmarkIssue(b *testing.B) {
	k, r := key(b, "alice"), okReceipt(b, ipld.Int(43))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Issue(k, r); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	data := issue(b, "alice", okReceipt(b, ipld.Int(43))).Bytes()
	b.ReportAllocs()
	b.ReportMetric(float64(len(data)), "B/receipt")
	for b.Loop() {
		if _, err := Parse(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerify(b *testing.B) {
	s := issue(b, "alice", okReceipt(b, ipld.Int(43)))
	for b.Loop() {
		if err := s.Verify(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkSignAlone is the part of Issue that is the signature.
func BenchmarkSignAlone(b *testing.B) {
	k := key(b, "alice")
	msg := issue(b, "alice", okReceipt(b, ipld.Int(43))).Bytes()[67:]
	for b.Loop() {
		if _, err := k.Sign(msg); err != nil {
			b.Fatal(err)
		}
	}
}
