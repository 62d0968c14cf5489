package receipt

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"math"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

var update = flag.Bool("update", false, "rewrite testdata")

// Secrets of the principals in the UCAN 1.0 vectors, and one key of each of
// the other types.
var secrets = map[string]string{
	"alice": "MgCa9UfZv+yI5/rvUIt21DaGI7EZJlzFO1uDc5AyJ30c6/w==",
	"bob":   "MgCZfj9+RzU2U518TMBNK/fjdGQz34sB4iKE6z+9lQDpCIQ==",
	"p256":  "uhiYHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw",
	"k1":    "ugSYHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBw",
}

func key(t testing.TB, name string) did.PrivateKey {
	t.Helper()
	k, err := did.ParseMultibase(secrets[name])
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// addOne is the Task ID of the UCAN 1.0 vector "pure": add_one of [42].
func addOne(t testing.TB) task.ID {
	t.Helper()
	link, err := ipld.ParseLink("bafyreie2c4ttjebtddi2adde5jddpnfzufibatw4zugzwxu2aqkfcywvwa")
	if err != nil {
		t.Fatal(err)
	}
	return task.ID{Link: link}
}

const schedule = "wasmtime-44"

// okReceipt is a receipt of value v, all else as usual.
func okReceipt(t testing.TB, v ipld.Value) Receipt {
	t.Helper()
	return Receipt{
		Task: addOne(t), Out: task.Outcome{Value: v}, Gas: 11, Memory: 1 << 16, HasMemory: true,
		Limits: task.Limits{Gas: 1_000_000, Memory: 64 << 20}, Schedule: schedule,
	}
}

func failed(t testing.TB, f task.Failure) Receipt {
	t.Helper()
	r := okReceipt(t, ipld.Null)
	r.Out = task.Outcome{Failure: &f}
	if f.Kind == task.KindOutOfGas {
		r.Gas = r.Limits.Gas
	}
	return r
}

func boxed(t testing.TB, r Receipt) Receipt {
	t.Helper()
	out, block, err := BoxOutcome(r.Out)
	if err != nil || block == nil {
		t.Fatalf("block %v, %v", block, err)
	}
	r.Out, r.Boxed = out, block.Link
	return r
}

func large() ipld.Value {
	elems := make([]ipld.Value, 30_000)
	for i := range elems {
		elems[i] = ipld.Int(int64(i))
	}
	return ipld.List(elems...)
}

func guestError() ipld.Value {
	return ipld.Map(ipld.Entry{Key: "not-found", Value: ipld.String("grüße")})
}

// samples are receipts of every form, by name, with the name of a key.
func samples(t testing.TB) map[string]struct {
	key string
	r   Receipt
} {
	t.Helper()
	type sample = struct {
		key string
		r   Receipt
	}
	noMemory := okReceipt(t, ipld.Int(43))
	noMemory.Memory, noMemory.HasMemory = 0, false
	most := okReceipt(t, ipld.Null)
	most.Gas, most.Limits.Gas, most.Memory, most.Limits.Memory = math.MaxUint64-1, math.MaxUint64, math.MaxUint64, 1<<63
	oom := failed(t, task.Failure{Kind: task.KindOutOfMemory})
	oom.Gas, oom.Memory, oom.HasMemory = 0, 0, false
	cid := ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("picture")))
	out := map[string]sample{
		"ok small":               {"alice", okReceipt(t, ipld.Int(43))},
		"ok null":                {"alice", okReceipt(t, ipld.Null)},
		"ok map":                 {"alice", okReceipt(t, ipld.Map(ipld.Entry{Key: "ok", Value: ipld.List(ipld.Float(-0.5), ipld.Bytes([]byte{0, 255}))}))},
		"ok link":                {"alice", okReceipt(t, cid)},
		"ok boxed":               {"alice", boxed(t, okReceipt(t, large()))},
		"ok without memory":      {"alice", noMemory},
		"ok largest numbers":     {"alice", most},
		"ok by P-256":            {"p256", okReceipt(t, ipld.Int(43))},
		"ok by secp256k1":        {"k1", okReceipt(t, ipld.Int(43))},
		"error guest":            {"alice", failed(t, task.Failure{Kind: task.KindGuest, Value: guestError()})},
		"error guest null":       {"alice", failed(t, task.Failure{Kind: task.KindGuest})},
		"error guest boxed":      {"alice", boxed(t, failed(t, task.Failure{Kind: task.KindGuest, Value: large()}))},
		"error trap":             {"alice", failed(t, task.Failure{Kind: task.KindTrap, Trap: "unreachable"})},
		"error trap of stack":    {"alice", failed(t, task.Failure{Kind: task.KindTrap, Trap: task.TrapStackOverflow})},
		"error out of gas":       {"alice", failed(t, task.Failure{Kind: task.KindOutOfGas})},
		"error out of memory":    {"alice", oom},
		"error type":             {"alice", failed(t, task.Failure{Kind: task.KindType})},
		"error denied, by P-256": {"p256", failed(t, task.Failure{Kind: task.KindDenied})},
	}
	return out
}

func issue(t testing.TB, by string, r Receipt) *Signed {
	t.Helper()
	s, err := Issue(key(t, by), r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sameReceipt(t *testing.T, got, want Receipt) {
	t.Helper()
	v, w := got.value(), want.value()
	if !v.Equal(w) {
		t.Errorf("value %s, want %s", v, w)
	}
	bare := func(r Receipt) Receipt {
		if r.Out.Failure == nil {
			r.Out = task.Outcome{}
			return r
		}
		r.Out = task.Outcome{Failure: &task.Failure{Kind: r.Out.Failure.Kind, Trap: r.Out.Failure.Trap}}
		return r
	}
	if g, w := bare(got), bare(want); !reflect.DeepEqual(g, w) {
		t.Errorf("got %+v\nwant %+v", g, w)
	}
}

func TestIssueParse(t *testing.T) {
	t.Parallel()
	for name, sample := range samples(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := issue(t, sample.key, sample.r)
			if again := issue(t, sample.key, sample.r); !bytes.Equal(again.Bytes(), s.Bytes()) {
				t.Error("issuing twice gives two receipts")
			}
			parsed, err := Parse(s.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(s.Verify(), parsed.Verify()); err != nil {
				t.Error(err)
			}
			want := sample.r
			want.Executor = key(t, sample.key).DID()
			sameReceipt(t, s.Receipt, want)
			sameReceipt(t, parsed.Receipt, want)
			if !bytes.Equal(parsed.Bytes(), s.Bytes()) || parsed.Link() != s.Link() || parsed.SigHash() != s.SigHash() || s.Link().Verify(s.Bytes()) != nil {
				t.Error("the parsed receipt differs")
			}
		})
	}
}

type golden struct {
	Name string `json:"name"`
	Key  string `json:"key"`  // multibase of the executor's secret
	CID  string `json:"cid"`  // of the receipt
	CBOR string `json:"cbor"` // the receipt, in hex
	JSON string `json:"json"` // the same as DAG-JSON
}

// TestGolden fails when the format changes. Then stored receipts no longer
// read, and executors contradict their own signatures.
func TestGolden(t *testing.T) {
	t.Parallel()
	const file = "testdata/receipts.json"
	all := samples(t)
	if *update {
		writeGolden(t, file)
	}
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var vectors []golden
	if err := json.Unmarshal(data, &vectors); err != nil {
		t.Fatal(err)
	}
	if len(vectors) != len(all) {
		t.Fatalf("%d vectors for %d samples", len(vectors), len(all))
	}
	for _, g := range vectors {
		t.Run(g.Name, func(t *testing.T) {
			t.Parallel()
			sample, ok := all[g.Name]
			if !ok {
				t.Fatal("no such sample")
			}
			s := issue(t, sample.key, sample.r)
			if got := hex.EncodeToString(s.Bytes()); got != g.CBOR {
				t.Errorf("got  %s\nwant %s", got, g.CBOR)
			}
			if s.Link().String() != g.CID {
				t.Errorf("CID %s, want %s", s.Link(), g.CID)
			}
		})
	}
}

func writeGolden(t *testing.T, file string) {
	t.Helper()
	var vectors []golden
	for name, sample := range samples(t) {
		s := issue(t, sample.key, sample.r)
		v, err := ipld.DecodeCBOR(s.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		vectors = append(vectors, golden{name, secrets[sample.key], s.Link().String(), hex.EncodeToString(s.Bytes()), v.String()})
	}
	sortByName(vectors)
	data, err := json.MarshalIndent(vectors, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(data, '\n'), 0o644); err != nil {
		t.Fatal(err)
	}
}

// No text for people enters a receipt: not by a field that is made for it, and
// not by one that is not.
func TestNoHumanText(t *testing.T) {
	t.Parallel()
	const text = "wasm backtrace: 0: 0x2f - main!secret_function (Wasmtime 44.0.0)"
	for name, sample := range samples(t) {
		if sample.r.Out.OK() {
			continue
		}
		plain := issue(t, sample.key, sample.r)
		chatty := sample.r
		failure := *chatty.Out.Failure
		failure.Message = text
		chatty.Out.Failure = &failure
		chatty.Limits.Time = time.Second
		s := issue(t, sample.key, chatty)
		if !bytes.Equal(s.Bytes(), plain.Bytes()) || bytes.Contains(s.Bytes(), []byte("backtrace")) {
			t.Errorf("%s: the message is in the receipt", name)
		}
		if s.Out.Failure.Message != "" || s.Limits.Time != 0 || failure.Message != text {
			t.Errorf("%s: %+v", name, s.Out.Failure)
		}
	}
	for _, r := range []Receipt{
		failed(t, task.Failure{Kind: task.KindTrap, Trap: text}),
		failed(t, task.Failure{Kind: task.Kind(text)}),
		failed(t, task.Failure{Kind: task.KindMalformed, Trap: text}),
		failed(t, task.Failure{Kind: task.KindMalformed, Value: ipld.String(text)}),
		func() Receipt { r := okReceipt(t, ipld.Null); r.Schedule = text; return r }(),
	} {
		if _, err := Issue(key(t, "alice"), r); !errors.Is(err, ErrMalformed) {
			t.Errorf("%+v: %v", r.Out.Failure, err)
		}
	}
}

func TestIssueRefuses(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*Receipt){
		"another's name":            func(r *Receipt) { r.Executor = key(t, "bob").DID() },
		"no task":                   func(r *Receipt) { r.Task = task.ID{} },
		"task that is raw":          func(r *Receipt) { r.Task.Link = ipld.LinkOf(ipld.CodecRaw, nil) },
		"no kind":                   func(r *Receipt) { r.Out.Failure = &task.Failure{} },
		"unknown kind":              func(r *Receipt) { r.Out.Failure = &task.Failure{Kind: "boom"} },
		"no trap code":              func(r *Receipt) { r.Out.Failure = &task.Failure{Kind: task.KindTrap} },
		"ok with no gas at all":     func(r *Receipt) { r.Gas, r.Limits.Gas = 0, 0 },
		"ok with no gas left":       func(r *Receipt) { r.Gas = r.Limits.Gas },
		"ok above the limit":        func(r *Receipt) { r.Gas = r.Limits.Gas + 1 },
		"guest with no gas left":    func(r *Receipt) { *r = failed(t, task.Failure{Kind: task.KindGuest}); r.Gas = r.Limits.Gas },
		"trap with no gas left":     func(r *Receipt) { *r = failed(t, task.Failure{Kind: task.KindTrap, Trap: "abi"}); r.Gas = r.Limits.Gas },
		"out of gas with gas left":  func(r *Receipt) { *r = failed(t, task.Failure{Kind: task.KindOutOfGas}); r.Gas-- },
		"out of memory without gas": func(r *Receipt) { *r = failed(t, task.Failure{Kind: task.KindOutOfMemory}); r.Gas = r.Limits.Gas },
		"timeout above the limit":   func(r *Receipt) { *r = failed(t, task.Failure{Kind: task.KindTimeout}); r.Gas = r.Limits.Gas + 1 },
		"memory limit not rounded":  func(r *Receipt) { r.Limits.Memory = 65 << 20 },
		"memory limit too small":    func(r *Receipt) { r.Limits.Memory = 32 << 20 },
		"no memory limit":           func(r *Receipt) { r.Limits.Memory = 0 },
		"memory that was not read":  func(r *Receipt) { r.HasMemory = false },
		"no schedule":               func(r *Receipt) { r.Schedule = "" },
		"schedule too long":         func(r *Receipt) { r.Schedule = strings.Repeat("x", 65) },
		"large and not boxed":       func(r *Receipt) { r.Out.Value = large() },
		"long and not boxed":        func(r *Receipt) { r.Out.Value = ipld.String(strings.Repeat("x", InlineSize)) },
		"deep and not boxed":        func(r *Receipt) { r.Out.Value = nested(InlineDepth + 1) },
		"boxed but inline":          func(r *Receipt) { r.Boxed = addOne(t).Link },
		"boxed as another block":    func(r *Receipt) { *r = boxed(t, okReceipt(t, large())); r.Boxed = addOne(t).Link },
		"boxed as raw": func(r *Receipt) {
			r.Boxed = ipld.LinkOf(ipld.CodecRaw, nil)
			r.Out.Value = ipld.LinkValue(r.Boxed)
		},
		"boxed where nothing is": func(r *Receipt) { *r = failed(t, task.Failure{Kind: task.KindType}); r.Boxed = addOne(t).Link },
		"not UTF-8":              func(r *Receipt) { r.Out.Value = ipld.String("\xff") },
		"not finite":             func(r *Receipt) { r.Out.Value = ipld.List(ipld.Float(math.Inf(1))) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := okReceipt(t, ipld.Int(1))
			edit(&r)
			s, err := Issue(key(t, "alice"), r)
			if s != nil || !errors.Is(err, ErrMalformed) && !errors.Is(err, ucan.ErrMalformed) {
				t.Errorf("%v, %v", s, err)
			}
		})
	}
	if _, err := Issue(did.PrivateKey{}, okReceipt(t, ipld.Null)); err == nil {
		t.Error("issued without a key")
	}
}

func nested(n int) ipld.Value {
	v := ipld.Null
	for range n {
		v = ipld.List(v)
	}
	return v
}

func TestTraps(t *testing.T) {
	t.Parallel()
	for _, trap := range task.Traps {
		if _, err := Parse(issue(t, "alice", failed(t, task.Failure{Kind: task.KindTrap, Trap: trap})).Bytes()); err != nil {
			t.Error(err)
		}
		if !validSchedule(trap) { // the same characters
			t.Errorf("trap %q", trap)
		}
	}
}

func TestRoundMemory(t *testing.T) {
	t.Parallel()
	for in, want := range map[uint64]uint64{
		0: 64 << 20, 1: 64 << 20, 64 << 20: 64 << 20, 64<<20 + 1: 128 << 20, 100 << 20: 128 << 20, 1<<32 - 1: 1 << 32, 1 << 32: 1 << 32,
		1<<32 + 1: 1 << 33, 1 << 63: 1 << 63, 1<<63 + 1: 1 << 63, math.MaxUint64: 1 << 63,
	} {
		if got := RoundMemory(in); got != want || RoundMemory(got) != got {
			t.Errorf("%d: %d, want %d", in, got, want)
		}
	}
}
