package engine_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// receipts are all that the store of r has.
func (r *rig) receipts(t *testing.T) (all receipt.Evidence) {
	t.Helper()
	if err := r.Store.Scan(func(s *receipt.Signed) bool { all = append(all, s); return true }); err != nil {
		t.Fatal(err)
	}
	return all
}

// again runs the task of a receipt again, and keeps what proves it wrong.
func (r *rig) again(t *testing.T, s *receipt.Signed) engine.Again {
	t.Helper()
	a, err := r.Rerun(t.Context(), r.Store.Block, r.Store.Put, s, 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// Whatever is remembered comes out the same when it is run again, and nothing is
// kept of that.
func TestRerunSame(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	for _, call := range []string{
		`next(1)`, `spin(7)`, `loop(7), gas: 1000`, `grow(1000)`, `grow(1000), memory: 128 MiB`, `fail(1)`, `trap(1)`,
		`bytes(1000000)`, `numbers(100000)`, `length(b"aGk")`,
	} {
		r.MustRun(t, r.document(t, "job: "+call+"\n"), engine.Options{})
	}
	before := r.receipts(t)
	n := 0
	for _, s := range before {
		if !s.Remembered() {
			continue
		}
		n++
		if a := r.again(t, s); a.Verdict != engine.Same || a.Kept.Defined() {
			t.Errorf("%s (%v): %+v", s.Task, s.Out, a)
		}
	}
	if n < 9 || len(r.receipts(t)) != len(before) {
		t.Errorf("%d were run again; there were %d receipts, and now %d", n, len(before), len(r.receipts(t)))
	}
}

// A receipt by this node over a wrong value is found, and from then on counts no
// more: not that node's word, but what a run comes to, is what the job gets.
func TestRerunDifferent(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, why string
		edit      func(*receipt.Receipt)
		how       engine.How
	}{
		{"value", "the outcome", func(*receipt.Receipt) {}, engine.Ran},
		{"kind", "the outcome", func(r *receipt.Receipt) {
			r.Out = task.Outcome{Failure: &task.Failure{Kind: task.KindTrap, Trap: task.TrapUnreachable}}
		}, engine.Ran},
		{"out of gas", "the outcome", func(r *receipt.Receipt) {
			r.Out, r.Gas = task.Outcome{Failure: &task.Failure{Kind: task.KindOutOfGas}}, r.Limits.Gas
		}, engine.Ran},
		{"gas", "the gas that it used", func(r *receipt.Receipt) { r.Out.Value, r.Gas = ipld.Int(2), 1000 }, engine.Remembered},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBeliever(t)
			g := b.document(t, "job: next(1)\n")
			b.MustRun(t, b.document(t, "job: next(3)\n"), engine.Options{})    // so that the module is known
			if _, err := b.Run(t.Context(), g, engine.Options{}); err != nil { // and the task
				t.Fatal(err)
			}
			b.claim(t, g, b.Key, ipld.Int(7), tt.edit)
			found := 0
			for _, s := range b.receipts(t) {
				switch a := b.again(t, s); {
				case a.Verdict == engine.Different && a.Why == tt.why && a.Now.Out.Value.Equal(ipld.Int(2)) && a.Kept.Defined():
					found++
				case a.Verdict != engine.Same:
					t.Errorf("%v: %+v", s.Out, a)
				}
			}
			if j := b.MustRun(t, g, engine.Options{}).Jobs[0]; found != 1 || j.How != tt.how || !j.Outcome.Value.Equal(ipld.Int(2)) || j.Gas == 1000 {
				t.Errorf("%d found; then %s %v, gas %d", found, j.How, j.Outcome, j.Gas)
			}
		})
	}
}

// What can not be said is told apart from what is wrong.
func TestRerunUnclear(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	g := r.document(t, "job: loop(7), gas: 100000000000000, time: 20ms\n")
	timedOut := r.MustRun(t, g, engine.Options{}).Jobs[0]
	r.MustRun(t, r.document(t, "job: next(1)\n"), engine.Options{})
	next := r.one(t, "next(1)")
	sign := func(key did.PrivateKey, id task.ID, edit func(*receipt.Receipt)) *receipt.Signed {
		t.Helper()
		rc := receipt.Receipt{Task: id, Out: task.Outcome{Value: ipld.Int(2)}, Gas: next.Gas, Limits: task.Limits{Gas: 1 << 40, Memory: 64 << 20}, Schedule: "wasmtime-44"}
		edit(&rc)
		s, err := receipt.Issue(key, rc)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	nowhere := task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte{0xa0})}
	missing := func(ipld.Link) ([]byte, error) { return nil, store.ErrNotFound }
	for _, tt := range []struct {
		name  string
		s     *receipt.Signed
		block func(ipld.Link) ([]byte, error)
		want  engine.Verdict
		why   string
	}{
		{"time", sign(r.Key, timedOut.Task, func(*receipt.Receipt) {}), nil, engine.Unclear, "it took longer than 30ms"},
		{"a moment's", sign(r.Key, next.Task, func(rc *receipt.Receipt) {
			rc.Out = task.Outcome{Failure: &task.Failure{Kind: task.KindTimeout}}
		}), nil, engine.Unclear, "never remembered"},
		{"another schedule", sign(r.Key, next.Task, func(rc *receipt.Receipt) { rc.Schedule, rc.Gas = "other-1", 9999 }), nil, engine.Same, ""},
		{"another schedule, a wrong value", sign(r.Key, next.Task, func(rc *receipt.Receipt) { rc.Schedule, rc.Out.Value = "other-1", ipld.Int(3) }), nil, engine.Different, "the outcome"},
		{"another schedule, out of gas", sign(r.Key, next.Task, func(rc *receipt.Receipt) {
			rc.Schedule, rc.Limits.Gas, rc.Gas = "other-1", 2, 2
			rc.Out = task.Outcome{Failure: &task.Failure{Kind: task.KindGuest, Value: ipld.Int(1)}}
			rc.Gas = 1
		}), nil, engine.Unclear, "counted by the schedule other-1"},
		{"no task", sign(r.Key, nowhere, func(*receipt.Receipt) {}), nil, engine.Unclear, "its task is not here"},
		{"no blocks", sign(r.Key, next.Task, func(*receipt.Receipt) {}), missing, engine.Unclear, "its task is not here"},
		{"no module", sign(r.Key, next.Task, func(*receipt.Receipt) {}), func(l ipld.Link) ([]byte, error) {
			if l == next.Task.Link {
				return r.Store.Block(l)
			}
			return missing(l)
		}, engine.Same, ""}, // it is loaded
		{"no call", sign(r.Key, task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte{0xf6})}, func(*receipt.Receipt) {}), func(ipld.Link) ([]byte, error) { return []byte{0xf6}, nil }, engine.Unclear, "its task is none"},
		{"memory", sign(r.Key, next.Task, func(rc *receipt.Receipt) { rc.Limits.Memory = 1 << 40 }), nil, engine.Unclear, "max-memory"},
		{"gas", sign(r.Key, next.Task, func(rc *receipt.Receipt) { rc.Limits.Gas = 1 << 63 }), nil, engine.Unclear, "max-gas"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			block := tt.block
			if block == nil {
				block = r.Store.Block
			}
			a, err := r.Rerun(t.Context(), block, nil, tt.s, 30*time.Millisecond)
			if err != nil || a.Verdict != tt.want || !strings.Contains(a.Why, tt.why) || a.Kept.Defined() {
				t.Errorf("%+v, %v; want %s, %q", a, err, tt.want, tt.why)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := r.Rerun(ctx, r.Store.Block, nil, sign(r.Key, next.Task, func(*receipt.Receipt) {}), time.Second); !errors.Is(err, context.Canceled) {
		t.Error("cancelled:", err)
	}
}

// A receipt whose signature does not hold is nobody's word.
func TestRerunForged(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	r.MustRun(t, r.document(t, "job: next(1)\n"), engine.Options{})
	data := append([]byte{}, r.receipts(t)[0].Bytes()...)
	i := strings.Index(string(data), "\x63out\xa1\x62ok\x02")
	if i < 0 {
		t.Fatal("the receipt does not say 2")
	}
	data[i+8] = 3
	s, err := receipt.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if a := r.again(t, s); a.Verdict != engine.Forged || a.Kept.Defined() {
		t.Errorf("%+v", a)
	}
}
