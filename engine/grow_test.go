package engine_test

import (
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// TestRefusedGrowth: a function that tells what memory.grow answered has another
// answer under another limit. Both are answers of one task, each with a receipt
// and remembered under its own limit; they do not conflict.
func TestRefusedGrowth(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	const pages = "grow(1000)" // beside the 32 that are there: more than 64 MiB
	var first engine.JobReport
	for i, tt := range []struct {
		call   string
		how    engine.How
		answer int64
		memory uint64
	}{
		{pages + ", memory: 64 MiB", engine.Ran, -1, 64 << 20},
		{pages + ", memory: 128 MiB", engine.Ran, 32, 128 << 20},
		{pages + ", memory: 64 MiB", engine.Remembered, -1, 64 << 20},
		{pages + ", memory: 128 MiB", engine.Remembered, 32, 128 << 20},
		{pages + ", memory: 65 MiB", engine.Remembered, 32, 128 << 20}, // rounded up
		{pages + ", memory: 256 MiB", engine.Ran, 32, 256 << 20},
	} {
		j := r.one(t, tt.call)
		if i == 0 {
			first = j
		}
		if j.How != tt.how || !j.Outcome.Value.Equal(ipld.Int(tt.answer)) || j.Limits.Memory != tt.memory {
			t.Errorf("%s: %s %s under %d bytes, want %s %d under %d", tt.call, j.How, j.Outcome.IPLD(), j.Limits.Memory, tt.how, tt.answer, tt.memory)
		}
		if j.Task != first.Task {
			t.Errorf("%s is task %s, not %s", tt.call, j.Task, first.Task)
		}
	}
	receipts, err := r.Store.Receipts(first.Task)
	if err != nil {
		t.Fatal(err)
	}
	answers := make(map[uint64]string)
	for _, s := range receipts {
		answers[s.Limits.Memory] = s.Out.IPLD().String()
	}
	if len(receipts) != 3 || answers[64<<20] != `{"ok":-1}` || answers[128<<20] != `{"ok":32}` || answers[256<<20] != `{"ok":32}` {
		t.Errorf("%d receipts: %v", len(receipts), answers)
	}
}
