package receipt

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// RULES 13, every kind and every trap.
func TestRemembered(t *testing.T) {
	t.Parallel()
	remembered := map[task.Kind]bool{task.KindGuest: true, task.KindTrap: true, task.KindOutOfGas: true, task.KindOutOfMemory: true}
	for _, kind := range task.Kinds {
		f := task.Failure{Kind: kind}
		if kind == task.KindTrap {
			f.Trap = "unreachable"
		}
		r := failed(t, f)
		if got := r.Remembered(); got != remembered[kind] {
			t.Errorf("%s: %t", kind, got)
		}
		if !r.Remembered() && r.Answers(task.Limits{Gas: r.Limits.Gas, Memory: r.Limits.Memory}, schedule, 1) {
			t.Errorf("%s answers", kind)
		}
	}
	for _, trap := range task.Traps {
		r := failed(t, task.Failure{Kind: task.KindTrap, Trap: trap})
		if got := r.Remembered(); got != (trap != "stack-overflow" && trap != "other") {
			t.Errorf("trap %s: %t", trap, got)
		}
	}
	r := okReceipt(t, ipld.Null)
	if !r.Remembered() {
		t.Error("ok")
	}
}

const mib = 1 << 20

// RULES 11–13. Every receipt used 100 gas and had 128 MiB; the limit on gas
// was 1,000, or 100 where it ran out.
func TestAnswers(t *testing.T) {
	t.Parallel()
	type row struct {
		gas, memory uint64 // wanted; memory in MiB
		declared    uint64 // MiB
		want        bool
	}
	// What came to an end of its own.
	ended := []row{
		{1_000, 128, 0, true},
		{101, 128, 0, true},
		{100, 128, 0, false}, // it would end with none left
		{99, 128, 0, false},
		{0, 128, 0, false},
		{1 << 63, 128, 0, true},
		{1_000, 100, 0, true}, // rounds to 128
		{1_000, 65, 0, true},
		{1_000, 64, 0, false},
		{1_000, 0, 0, false}, // 0 is 64 MiB
		{1_000, 129, 0, false},
		{1_000, 256, 0, false},
		{1_000, 64, 64, true}, // the module can have 64 MiB at most
		{1_000, 64, 65, false},
		{1_000, 256, 128, true},
		{1_000, 256, 129, false},
		{1_000, 1 << 12, 128, true},
		{100, 256, 64, false},
		{1_000, 128, 1 << 12, true}, // equal limits need no declaration
	}
	// What a trap used up is known only to the last call before it.
	trap := []row{
		{1_000, 128, 0, true},
		{999, 128, 0, false},
		{101, 128, 0, false},
		{0, 128, 0, false},
		{1 << 63, 128, 0, true},
		{1_000, 64, 0, false},
		{1_000, 256, 0, false},
		{1_000, 256, 128, true},
		{1_000, 256, 129, false},
	}
	outOfGas := []row{
		{100, 128, 0, true},
		{99, 128, 0, true},
		{1, 128, 0, true},
		{0, 128, 0, false},
		{101, 128, 0, false},
		{1_000, 128, 0, false},
		{100, 127, 0, true},
		{100, 64, 0, false},
		{100, 256, 0, false},
		{50, 64, 64, true},
		{50, 64, 65, false},
		{50, 256, 128, true},
		{50, 256, 129, false},
		{101, 128, 64, false},
	}
	outOfMemory := []row{
		{1_000, 128, 0, true},
		{101, 128, 0, true},
		{100, 128, 0, false}, // gas would run out first
		{0, 128, 0, false},
		{1 << 40, 128, 0, true},
		{1_000, 64, 0, false}, // refused earlier, it may do without
		{1_000, 0, 0, false},
		{1_000, 129, 0, false},
		{1_000, 256, 0, false},
		{1_000, 256, 64, false}, // a declaration is no help here
	}
	receipts := map[string]struct {
		out  task.Outcome
		rows []row
	}{
		"ok":            {task.Outcome{Value: ipld.Int(1)}, ended},
		"guest":         {task.Outcome{Failure: &task.Failure{Kind: task.KindGuest}}, ended},
		"trap":          {task.Outcome{Failure: &task.Failure{Kind: task.KindTrap, Trap: "unreachable"}}, trap},
		"out of gas":    {task.Outcome{Failure: &task.Failure{Kind: task.KindOutOfGas}}, outOfGas},
		"out of memory": {task.Outcome{Failure: &task.Failure{Kind: task.KindOutOfMemory}}, outOfMemory},
	}
	for name, tt := range receipts {
		r := okReceipt(t, ipld.Null)
		r.Out, r.Gas, r.Limits = tt.out, 100, task.Limits{Gas: 1_000, Memory: 128 * mib}
		if name == "out of gas" {
			r.Limits.Gas = 100
		}
		r = issue(t, "alice", r).Receipt
		for _, row := range tt.rows {
			t.Run(fmt.Sprintf("%s/gas %d memory %d declared %d", name, row.gas, row.memory, row.declared), func(t *testing.T) {
				t.Parallel()
				want := task.Limits{Gas: row.gas, Memory: row.memory * mib}
				if got := r.Answers(want, schedule, row.declared*mib); got != row.want {
					t.Errorf("got %t", got)
				}
				if r.Answers(want, "wasmtime-45", row.declared*mib) {
					t.Error("answers under another schedule")
				}
			})
		}
	}
}

// A receipt answers the very limits under which it was made.
func TestAnswersItself(t *testing.T) {
	t.Parallel()
	for name, sample := range samples(t) {
		if got := sample.r.Answers(sample.r.Limits, schedule, 0); got != sample.r.Remembered() {
			t.Errorf("%s: %t", name, got)
		}
	}
}

func TestBox(t *testing.T) {
	t.Parallel()
	text := func(n int) ipld.Value { return ipld.String(strings.Repeat("x", n)) }
	const head = 5 // of a text above 65,535 bytes; 3 below
	for _, tt := range []struct {
		name  string
		v     ipld.Value
		boxed bool
	}{
		{"null", ipld.Null, false},
		{"empty list", ipld.List(), false},
		{"small map", ipld.Map(entry("a", ipld.Int(1))), false},
		{"text of 64 KiB encoded", text(InlineSize - 3), false},
		{"text of 64 KiB", text(InlineSize), true},
		{"text above", text(InlineSize - 2), true},
		{"list of 64 KiB encoded", ipld.List(text(InlineSize - 4)), false},
		{"list above", ipld.List(text(InlineSize - 3)), true},
		{"large", large(), true},
		{"deepest inline", nested(InlineDepth), false},
		{"deeper", nested(InlineDepth + 1), true},
		{"largest", text(MaxValue - head), true},
		{"link", ipld.LinkValue(addOne(t).Link), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			out, block, err := Box(tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if tt.boxed != (block != nil) {
				t.Fatalf("block %v", block != nil)
			}
			r := okReceipt(t, out)
			if block != nil {
				r.Boxed = block.Link
			} else if !out.Equal(tt.v) {
				t.Error("the value changed")
			}
			s, err := Parse(issue(t, "alice", r).Bytes())
			if err != nil {
				t.Fatal(err)
			}
			back, err := s.Unbox(func(l ipld.Link) ([]byte, error) {
				if l != block.Link {
					t.Errorf("asked for %s", l)
				}
				return block.Data, nil
			})
			if err != nil || !back.Value.Equal(tt.v) {
				t.Errorf("unboxed: %v", err)
			}
		})
	}
	if _, _, err := Box(text(MaxValue - head + 1)); !errors.Is(err, task.ErrSize) {
		t.Errorf("too large: %v", err)
	}
	if _, _, err := Box(ipld.List(ipld.String("\xff"))); !errors.Is(err, ipld.ErrNotUTF8) {
		t.Errorf("no encoding: %v", err)
	}
}

func TestUnboxRefuses(t *testing.T) {
	t.Parallel()
	r := boxed(t, failed(t, task.Failure{Kind: task.KindGuest, Value: large()}))
	data, link, err := ipld.Encode(large())
	if err != nil || link != r.Boxed {
		t.Fatal(link, err)
	}
	out, err := r.Unbox(func(ipld.Link) ([]byte, error) { return data, nil })
	if err != nil || out.OK() || out.Failure.Kind != task.KindGuest || !out.Failure.Value.Equal(large()) {
		t.Errorf("guest error: %v", err)
	}
	if _, ok := r.Out.Failure.Value.AsLink(); !ok {
		t.Error("unboxing changed the receipt")
	}
	gone := errors.New("gone")
	if _, err := r.Unbox(func(ipld.Link) ([]byte, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Error(err)
	}
	if _, err := r.Unbox(func(ipld.Link) ([]byte, error) { return []byte{0xf6}, nil }); !errors.Is(err, ipld.ErrMismatch) {
		t.Error(err)
	}
	bad := []byte{0xff}
	r.Boxed = ipld.LinkOf(ipld.CodecDagCBOR, bad)
	var fault *ipld.SyntaxError
	if _, err := r.Unbox(func(ipld.Link) ([]byte, error) { return bad, nil }); !errors.As(err, &fault) {
		t.Error(err)
	}
}

func TestSameOut(t *testing.T) {
	t.Parallel()
	failure := func(kind task.Kind, trap string, v ipld.Value) Receipt {
		return failed(t, task.Failure{Kind: kind, Trap: trap, Value: v})
	}
	// Each differs from all others.
	receipts := []Receipt{
		okReceipt(t, ipld.Int(1)), okReceipt(t, ipld.Float(1)), okReceipt(t, ipld.Null), okReceipt(t, large()), okReceipt(t, ipld.LinkValue(addOne(t).Link)),
		failure(task.KindGuest, "", ipld.Int(1)), failure(task.KindGuest, "", ipld.Null), failure(task.KindGuest, "", large()),
		failure(task.KindTrap, "abi", ipld.Null), failure(task.KindTrap, "unreachable", ipld.Null), failure(task.KindOutOfGas, "", ipld.Null),
	}
	for i := range receipts {
		for j := range receipts {
			a, b := receipts[i], receipts[j]
			b.Gas, b.Memory, b.Schedule = 12, 99, "other"
			if got := a.SameOut(&b); got != (i == j) {
				t.Errorf("%d and %d: %t", i, j, got)
			}
		}
	}
	box, inline := boxed(t, okReceipt(t, large())), okReceipt(t, large())
	if !box.SameOut(&inline) || !inline.SameOut(&box) || !box.SameOut(&box) {
		t.Error("a boxed value is not itself")
	}
	link := okReceipt(t, ipld.LinkValue(box.Boxed)) // a function that returned the link
	if box.SameOut(&link) || link.SameOut(&box) {
		t.Error("a boxed value is its own link")
	}
}

func add(t *testing.T, e Evidence, all ...*Signed) Evidence {
	t.Helper()
	for _, s := range all {
		var err error
		if e, err = e.Add(s); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func TestEvidence(t *testing.T) {
	t.Parallel()
	one := okReceipt(t, ipld.Int(1))
	wide := one
	wide.Limits.Memory = 128 * mib
	a, b, aWide := issue(t, "alice", one), issue(t, "bob", one), issue(t, "alice", wide)
	again, err := Parse(a.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	e := add(t, nil, a, b, again, aWide, b)
	if !slices.Equal(e, Evidence{a, b, aWide}) {
		t.Errorf("%d receipts", len(e))
	}
	if got := e.Signers(); !slices.Equal(got, []did.DID{a.Executor, b.Executor}) {
		t.Errorf("signers %v", got)
	}
	if got := e.By(a.Executor); !slices.Equal(got, Evidence{a, aWide}) {
		t.Errorf("by alice: %d", len(got))
	}
	if got := e.Answers(a.Executor, wide.Limits, schedule, 0); !slices.Equal(got, Evidence{aWide}) {
		t.Errorf("answers %v", got)
	}
	if got := e.Answers(a.Executor, one.Limits, schedule, 1); !slices.Equal(got, Evidence{a, aWide}) {
		t.Errorf("answers %v", got)
	}
	if got := e.Answers(a.Executor, one.Limits, "other", 0); got != nil {
		t.Errorf("answers %v", got)
	}
	two, outOfGas := okReceipt(t, ipld.Int(2)), failed(t, task.Failure{Kind: task.KindOutOfGas})
	twoWide := two
	twoWide.Limits.Memory = wide.Limits.Memory
	for name, other := range map[string]Receipt{"another value": two, "another value under other limits": twoWide, "no gas": outOfGas} {
		with := add(t, e, issue(t, "alice", other))
		if got := with.Answers(a.Executor, one.Limits, schedule, 0); got != nil {
			t.Errorf("%s: one who contradicts itself answers: %v", name, got)
		}
		if got := with.Answers(b.Executor, one.Limits, schedule, 0); !slices.Equal(got, Evidence{b}) {
			t.Errorf("%s: bob: %v", name, got)
		}
	}
	other := one
	other.Task.Link = ipld.LinkOf(ipld.CodecDagCBOR, []byte("other"))
	if got, err := e.Add(issue(t, "alice", other)); err == nil || len(got) != 3 {
		t.Error("a receipt of another task was added")
	}
	// Adding to one set does not write into another that shares its start.
	x, y := add(t, e[:2], issue(t, "p256", one)), add(t, e[:2], issue(t, "k1", one))
	if x[2] == y[2] || e[2] != aWide {
		t.Error("sets share memory")
	}
	if len(e.Conflicts()) != 0 {
		t.Error("agreement is a conflict")
	}
}

func TestConflicts(t *testing.T) {
	t.Parallel()
	ok := func(n int64) Receipt { return okReceipt(t, ipld.Int(n)) }
	edit := func(r Receipt, f func(*Receipt)) Receipt { f(&r); return r }
	guest := failed(t, task.Failure{Kind: task.KindGuest, Value: ipld.Int(1)})
	type by struct {
		key string
		r   Receipt
	}
	for _, tt := range []struct {
		name string
		set  []by
		want [][2]int // indices of pairs
	}{
		{"none", nil, nil},
		{"agreement", []by{{"alice", ok(1)}, {"bob", ok(1)}}, nil},
		{"two values", []by{{"alice", ok(1)}, {"bob", ok(2)}}, [][2]int{{0, 1}}},
		{"other gas limit", []by{{"alice", ok(1)}, {"bob", edit(ok(2), func(r *Receipt) { r.Limits.Gas = 5000 })}}, [][2]int{{0, 1}}},
		{"other gas used", []by{{"alice", ok(1)}, {"bob", edit(ok(1), func(r *Receipt) { r.Gas++ })}}, nil},
		{"other memory limit", []by{{"alice", ok(1)}, {"bob", edit(ok(2), func(r *Receipt) { r.Limits.Memory *= 2 })}}, nil},
		{"other schedule", []by{{"alice", ok(1)}, {"bob", edit(ok(2), func(r *Receipt) { r.Schedule = "wasmtime-45" })}}, nil},
		{"value and error", []by{{"alice", ok(1)}, {"bob", guest}}, [][2]int{{0, 1}}},
		{"value and trap", []by{{"alice", ok(1)}, {"bob", failed(t, task.Failure{Kind: task.KindTrap, Trap: "abi"})}}, [][2]int{{0, 1}}},
		{"value and no stack", []by{{"alice", ok(1)}, {"bob", failed(t, task.Failure{Kind: task.KindTrap, Trap: task.TrapStackOverflow})}}, nil},
		{"value and no gas", []by{{"alice", ok(1)}, {"bob", failed(t, task.Failure{Kind: task.KindOutOfGas})}}, nil},
		{"value and no memory", []by{{"alice", ok(1)}, {"bob", failed(t, task.Failure{Kind: task.KindOutOfMemory})}}, nil},
		{"value and type", []by{{"alice", ok(1)}, {"bob", failed(t, task.Failure{Kind: task.KindType})}}, nil},
		{"three values", []by{{"alice", ok(1)}, {"bob", ok(2)}, {"p256", ok(3)}, {"k1", ok(1)}}, [][2]int{{0, 1}, {0, 2}}},
		{"equivocation", []by{{"alice", ok(1)}, {"alice", ok(2)}}, [][2]int{{0, 1}}},
		{"equivocation behind agreement", []by{{"alice", ok(1)}, {"bob", ok(2)}, {"bob", ok(1)}}, [][2]int{{0, 1}, {1, 2}}},
		{"boxed", []by{{"alice", boxed(t, okReceipt(t, large()))}, {"bob", ok(1)}, {"k1", boxed(t, okReceipt(t, large()))}}, [][2]int{{0, 1}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var e Evidence
			for _, x := range tt.set {
				e = add(t, e, issue(t, x.key, x.r))
			}
			var got [][2]int
			for _, c := range e.Conflicts() {
				got = append(got, [2]int{slices.Index(e, c.A), slices.Index(e, c.B)})
				if c.Equivocation() != (c.A.Executor == c.B.Executor) {
					t.Error("equivocation")
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
