package engine_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/task"
)

func TestBoundOf(t *testing.T) {
	const jobs = `jobs:
  a: next(1), time: 2s, gas: 20
  b: next(2), time: 3s, gas: 30
  c: next({from: a}), time: 5s, gas: 50
`
	const open = "a: next(1)\nb: next(2)\n"
	tests := []struct {
		name, text string
		policy     engine.Policy
		want       engine.Bound
	}{
		{"a chain and one beside", jobs, engine.Policy{}, engine.Bound{Gas: 100, Time: 10 * time.Second, Longest: 7 * time.Second}},
		{
			"a handler", strings.Replace(jobs, "gas: 30", "gas: 30, catch: {with: HANDLER, func: ok}", 1),
			engine.Policy{},
			engine.Bound{Gas: 130, Time: 13 * time.Second, Longest: 13 * time.Second},
		},
		{
			"a task of another workflow", strings.Replace(jobs, "next(2)", `next({from: {"/": `+never+`}})`, 1),
			engine.Policy{},
			engine.Bound{Gas: 100, Time: 13 * time.Second, Longest: 7 * time.Second},
		},
		{
			"a task of another workflow on the longest chain", strings.Replace(jobs, "{from: a}", `[{from: a}, {from: {"/": `+never+`}}]`, 1),
			engine.Policy{},
			engine.Bound{Gas: 100, Time: 15 * time.Second, Longest: 12 * time.Second},
		},
		{"time of the whole", "config: {time: 6s}\n" + jobs, engine.Policy{}, engine.Bound{Gas: 100, Time: 6 * time.Second, Longest: 6 * time.Second}},
		{"capped", jobs, engine.Policy{Max: task.Limits{Gas: 25, Time: time.Second}}, engine.Bound{Gas: 70, Time: 3 * time.Second, Longest: 2 * time.Second}},
		{"defaults of the node", open, engine.Policy{Defaults: task.Limits{Gas: 7, Time: time.Minute}}, engine.Bound{Gas: 14, Time: 2 * time.Minute, Longest: time.Minute}},
		{"more than there are numbers", open, engine.Policy{
			Defaults: task.Limits{Gas: math.MaxUint64, Time: math.MaxInt64}, Max: task.Limits{Gas: math.MaxUint64, Time: math.MaxInt64},
		}, engine.Bound{Gas: math.MaxUint64, Time: math.MaxInt64, Longest: math.MaxInt64}},
	}
	r := newRig(t, ipvmtest.Options{})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := engine.BoundOf(r.document(t, test.text), test.policy); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// An engine holds to its own policy, whatever was checked elsewhere.
func TestRunRefusesAboveBound(t *testing.T) {
	for _, policy := range []engine.Policy{{MaxGas: 29}, {MaxTime: 2*time.Second - 1}} {
		r := newRig(t, ipvmtest.Options{Policy: policy})
		g := r.document(t, "a: next(1), gas: 10, time: 1s\nb: next(2), gas: 20, time: 1s\n")
		var h heard
		if _, err := r.Run(t.Context(), g, engine.Options{Listen: h.listen}); err == nil || !strings.Contains(err.Error(), "this node grants a workflow at most") {
			t.Errorf("%+v: %v", policy, err)
		}
		if len(h.events) > 0 {
			t.Errorf("%+v: %v", policy, h.events)
		}
	}
}

func TestRunRefusesWithoutLabel(t *testing.T) {
	r := newRig(t, ipvmtest.Options{Policy: engine.Policy{Labels: []string{"gpu"}}})
	for label, ok := range map[string]bool{"gpu": true, "tpu": false} {
		g := r.document(t, "a: next(1), needs: {labels: ["+label+"]}\n")
		report, err := r.Run(t.Context(), g, engine.Options{})
		if ok && (err != nil || report.Status != engine.StatusOK) || !ok && (err == nil || !strings.Contains(err.Error(), "job a: the job needs a node with the label tpu; this one has gpu")) {
			t.Errorf("%s: %v, %v", label, report, err)
		}
	}
}
