package engine_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
)

// TestFanIn passes the results of 10,000 jobs to one, in one list.
func TestFanIn(t *testing.T) {
	t.Parallel()
	const n = 10_000
	var doc, list strings.Builder
	want := 0
	for i := range n {
		fmt.Fprintf(&doc, "\"j%d\": {\"with\": \"./fan/arithmetic.wasm\", \"func\": \"square\", \"args\": [%d]},\n", i, i)
		fmt.Fprintf(&list, `, {"from": "j%d"}`, i)
		want += i * i
	}
	e := ipvmtest.New(t, ipvmtest.Options{})
	g := e.Document(t, fmt.Sprintf("{%s\"all\": {\"with\": \"./fan/arithmetic.wasm\", \"func\": \"sum\", \"args\": [[%s]]}}", &doc, list.String()[2:]))
	end(t, e.MustRun(t, g, engine.Options{}), "all", int64(want))
}

// TestLongChain passes a number through 10,000 jobs, each of which waits for the
// one before.
func TestLongChain(t *testing.T) {
	t.Parallel()
	const n = 10_000
	var doc strings.Builder
	from := "0"
	for i := range n {
		fmt.Fprintf(&doc, ",\n\"j%d\": {\"with\": \"./fan/arithmetic.wasm\", \"func\": \"add\", \"args\": [1, %s]}", i, from)
		from = fmt.Sprintf(`{"from": "j%d"}`, i)
	}
	e := ipvmtest.New(t, ipvmtest.Options{})
	end(t, e.MustRun(t, e.Document(t, "{"+doc.String()[1:]+"}"), engine.Options{}), fmt.Sprintf("j%d", n-1), n)
}

// end holds what the last job came to against want.
func end(t *testing.T, report *engine.Report, label string, want int64) {
	t.Helper()
	last, ok := report.Job(label)
	if !ok || report.Status != engine.StatusOK {
		t.Fatalf("%s %s: %v", report.Status, report.Reason, report.FirstError())
	}
	if got, ok := last.Outcome.Value.AsInt64(); !ok || got != want {
		t.Errorf("%s is %s, want %d", label, last.Outcome.Value, want)
	}
}
