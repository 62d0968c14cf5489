package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
)

func TestViewNow(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	v := &view{out: &out, jobs: 4}
	for _, label := range []string{"slow", "\x1b[31mred", strings.Repeat("long ", 20)} {
		v.event(engine.Event{Kind: engine.JobStarted, Label: label})
	}
	v.event(engine.Event{Kind: engine.JobSettled, Label: "known", Job: &engine.JobReport{Label: "known", Status: engine.JobOK, How: engine.Remembered}})
	v.event(engine.Event{Kind: engine.JobSettled, Label: "\x1b[31mred", Job: &engine.JobReport{Label: "\x1b[31mred", Status: engine.JobOK, How: engine.Ran}})
	for i := range v.running {
		v.running[i].since = time.Now().Add(-3 * time.Second)
	}
	const want = "2 of 4 jobs ended (1 remembered), running: slow 3.0 s, long long long long long long l… 3.0 s"
	if got := v.now(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if strings.Contains(out.String(), "\x1b") {
		t.Errorf("a label moves the cursor: %q", out.String())
	}
}

func TestPrintable(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ in, want string }{
		{"full-name ü 名", "full-name ü 名"},
		{"a\tb\nc", "a b c"},
		{"\x1b[31m\u202e\u0007\x7f\u009b", `\x1b[31m\u202e\a\x7f\u009b`},
		{"\xff", "\uFFFD"},
	} {
		if got := printable(test.in); got != test.want {
			t.Errorf("%q: got %q, want %q", test.in, got, test.want)
		}
	}
	if got, want := printableLines("a\x1b\n b"), "a\\x1b\n b"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJobsRun(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]string{1: "1 job runs", 2: "2 jobs run"} {
		if got := jobsRun(n); got != want {
			t.Errorf("%d: %q, want %q", n, got, want)
		}
	}
}
