package engine_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// TestMemo asks the same question again and again under other limits: what is
// remembered answers only where docs/protocol.md, section 9, says so.
func TestMemo(t *testing.T) {
	t.Parallel()
	const spin = 63 // gas of spin(7)
	for _, tt := range []struct {
		name  string
		calls []string // call: how, kind
	}{
		{"gas", []string{
			`spin(7): ran ok`,
			fmt.Sprintf(`spin(7), gas: %d: remembered ok`, spin+1),
			fmt.Sprintf(`spin(7), gas: %d: ran out-of-gas`, spin),
			fmt.Sprintf(`spin(7), gas: %d: remembered out-of-gas`, spin),
			`spin(7), gas: 10: remembered out-of-gas`,
			fmt.Sprintf(`spin(7), gas: %d: remembered ok`, spin+1),
		}},
		{"out of gas answers no higher limit", []string{
			`loop(7), gas: 1000: ran out-of-gas`,
			`loop(7), gas: 999: remembered out-of-gas`,
			`loop(7), gas: 1001: ran out-of-gas`,
			`loop(7), gas: 1001: remembered out-of-gas`,
		}},
		{"memory", []string{
			`grow(1000): ran ok`,
			`grow(1000), memory: 1 KiB: remembered ok`, // rounded up to 64 MiB
			`grow(1000), memory: 128 MiB: ran ok`,
			`grow(1000), memory: 100 MiB: remembered ok`, // rounded up to 128 MiB
			`grow(1000): remembered ok`,
		}},
		{"errors", []string{
			`fail(1): ran guest`, `fail(1): remembered guest`, `fail(1), memory: 1 GiB: ran guest`,
			`trap(1): ran trap unreachable`, `trap(1): remembered trap unreachable`,
		}},
		{"what depends on the machine", []string{
			`deep(1): ran trap stack-overflow`, `deep(1): ran trap stack-overflow`,
			`loop(1), time: 20ms, gas: 100000000000000: ran timeout`, `loop(1), time: 20ms, gas: 100000000000000: ran timeout`,
		}},
		{"large values", []string{
			`bytes(1000000): ran ok`, `bytes(1000000): remembered ok`,
			`numbers(100000): ran ok`, `numbers(100000): remembered ok`,
		}},
		{"a value that is too large", []string{`numbers(400000): ran type`, `numbers(400000): ran type`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, ipvmtest.Options{})
			for _, line := range tt.calls {
				at := strings.LastIndex(line, ": ")
				j := r.one(t, line[:at])
				if got := fmt.Sprintf("%s %s", j.How, kindOf(j.Outcome)); got != line[at+2:] {
					t.Errorf("%s: got %s (gas %d, %v)", line, got, j.Gas, j.Outcome.Failure)
				}
			}
		})
	}
}

// TestDeclaredMemory: where the module itself says how much memory it takes, the
// limit does not matter as long as it fits.
func TestDeclaredMemory(t *testing.T) {
	t.Parallel()
	e := ipvmtest.New(t, ipvmtest.Options{})
	for i, limit := range []string{"64 MiB", "128 MiB", "1 GiB"} {
		g := e.Document(t, `{with: ./add-one/add-one.wasm, args: [41], memory: `+limit+`}`)
		want := engine.Remembered
		if i == 0 {
			want = engine.Ran
		}
		if j := e.MustRun(t, g, engine.Options{}).Jobs[0]; j.How != want || !j.Outcome.OK() {
			t.Errorf("%s: %s %s", limit, j.How, kindOf(j.Outcome))
		}
	}
}

// TestForeignReceipt: that somebody else signed an answer is no reason to
// believe it.
func TestForeignReceipt(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	other, err := did.Generate(did.P256)
	if err != nil {
		t.Fatal(err)
	}
	g := r.document(t, "job: next(1)\n")
	forecast, err := r.Preview(t.Context(), g, engine.Options{})
	if err != nil || !forecast[0].Known {
		t.Fatal(forecast, err)
	}
	lie, err := receipt.Issue(other, receipt.Receipt{
		Task: forecast[0].Task, Out: task.Outcome{Value: ipld.Int(666)}, Gas: 4,
		Limits: task.Limits{Gas: 1 << 40, Memory: 64 << 20}, Schedule: wasm.Schedule,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Store.Put(store.Batch{Foreign: []*receipt.Signed{lie}}); err != nil {
		t.Fatal(err)
	}
	if forecast, err = r.Preview(t.Context(), g, engine.Options{}); err != nil || forecast[0].Remembered != nil {
		t.Errorf("the forecast believes it: %v, %v", forecast, err)
	}
	for _, how := range []engine.How{engine.Ran, engine.Remembered} {
		j := r.MustRun(t, g, engine.Options{}).Jobs[0]
		if j.How != how || !j.Outcome.Value.Equal(ipld.Int(2)) || j.Task != forecast[0].Task {
			t.Errorf("%s %s, want %s 2", j.How, j.Outcome.Value, how)
		}
	}
	if all, err := r.Store.Receipts(forecast[0].Task); err != nil || len(all) != 2 {
		t.Errorf("%d receipts, %v", len(all), err)
	}
}

// TestSingleFlight: 32 runs of one workflow at the same time run each task once.
func TestSingleFlight(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 8})
	g := r.document(t, "a: spin(1000000)\nb: spin(1000001)\nc: next({from: a})\nd: next({from: c})\n")
	var h heard
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			report, err := r.Run(context.Background(), g, engine.Options{Listen: h.listen})
			if err != nil || report.Status != engine.StatusOK {
				t.Error(report, err)
			}
		})
	}
	wg.Wait()
	started := h.count(engine.JobStarted)
	if len(started) != 4 || started["a"] != 1 || started["b"] != 1 || started["c"] != 1 || started["d"] != 1 {
		t.Errorf("started: %v", started)
	}
	ran := 0
	for _, ev := range h.events {
		if ev.Kind == engine.JobSettled && ev.Job.How == engine.Ran {
			ran++
		}
	}
	if settled := h.count(engine.JobSettled); ran != 4 || settled["a"] != 32 || settled["d"] != 32 {
		t.Errorf("%d ran, settled: %v", ran, settled)
	}
}

// TestFlightThatDoesNotAnswer: who waits for a flight under a lower gas limit
// than it can do with starts a run of its own.
func TestFlightThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 2})
	poor := r.document(t, "poor: spin(30000000), gas: 50000000\n") // needs more
	rich := r.document(t, "rich: spin(30000000)\n")
	var h heard
	started := make(chan struct{})
	h.on = func(ev engine.Event) {
		if ev.Kind == engine.JobStarted && ev.Label == "poor" {
			close(started)
		}
	}
	wait := start(context.Background(), r.Engine.Engine, poor, engine.Options{Listen: h.listen})
	<-started
	second := r.MustRun(t, rich, engine.Options{Listen: h.listen})
	first, err := wait()
	if err != nil {
		t.Fatal(err)
	}
	if got := kindOf(first.Jobs[0].Outcome); got != "out-of-gas" {
		t.Errorf("the poor one: %s", got)
	}
	if j := second.Jobs[0]; j.How != engine.Ran || !j.Outcome.OK() {
		t.Errorf("the rich one: %s %s", j.How, kindOf(j.Outcome))
	}
}

// TestThousandWorkflows runs many at the same time.
func TestThousandWorkflows(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 4})
	var wg sync.WaitGroup
	for i := range 1000 {
		g := r.document(t, fmt.Sprintf("a: next(%d)\nb: next({from: a})\nc: next({from: a})\n", i))
		wg.Go(func() {
			report, err := r.Run(context.Background(), g, engine.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			if j, _ := report.Job("b"); report.Status != engine.StatusOK || !j.Outcome.Value.Equal(ipld.Int(int64(i+2))) {
				t.Errorf("%d: %s, b is %s", i, report.Status, j.Outcome.Value)
			}
		})
	}
	wg.Wait()
}
