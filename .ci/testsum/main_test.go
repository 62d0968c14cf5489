package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	passes = `{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"pass","Package":"m/a","Test":"TestX"}
{"Action":"pass","Package":"m/a","Elapsed":0.1}
`
	skipped = `{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"x_test.go:1: why\n"}
{"Action":"skip","Package":"m/a","Test":"TestX"}
{"Action":"pass","Package":"m/a","Elapsed":0.1}
`
	broken = `{"Action":"build-output","ImportPath":"m/a","Output":"a.go:1: undefined: x\n"}
{"Action":"build-fail","ImportPath":"m/a"}
{"Action":"fail","Package":"m/a","Elapsed":0,"FailedBuild":"m/a"}
`
	died = `{"Action":"run","Package":"m/a","Test":"TestX"}
{"Action":"output","Package":"m/a","Test":"TestX","Output":"signal: killed\n"}
{"Action":"fail","Package":"m/a","Elapsed":0.1}
`
)

func TestReport(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, events, line, fault, shows string }{
		{name: "passes", events: passes, line: "race: 1 passed, 0 failed, 0 skipped", shows: "packages: 1 ok, 0 failed"},
		{name: "skipped", events: skipped, line: "race: 0 passed, 0 failed, 1 skipped", shows: "skipped: m/a TestX"},
		{name: "does not build", events: broken, line: "race: 0 passed, 1 failed, 0 skipped", fault: "1 failed", shows: "undefined: x"},
		{name: "killed", events: died, line: "race: 0 passed, 1 failed, 0 skipped", fault: "1 failed", shows: "signal: killed"},
		{name: "nothing", events: "", fault: "no test ran"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			results, err := read(strings.NewReader(test.events), &out)
			if err != nil {
				t.Fatal(err)
			}
			checkError(t, results.report(&out, "race"), test.fault)
			for _, want := range []string{test.line, test.shows} {
				if !strings.Contains(out.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, &out)
				}
			}
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("fails: %v", err)
	case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
		t.Errorf("error is %v, want one with %q", err, want)
	}
}

func TestCheckSkips(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		tests   map[string]string
		allowed []skip
		fault   string
		shows   string
	}{
		{name: "none", tests: map[string]string{"m/a TestX": "pass"}},
		{name: "not listed", tests: map[string]string{"m/a TestX": "skip"}, fault: "m/a TestX was skipped"},
		{name: "listed", tests: map[string]string{"m/a TestX": "skip"}, allowed: []skip{{"a", "TestX", "needs hands"}}, shows: "needs hands"},
		{name: "listed by its parent", tests: map[string]string{"m/a TestX/on_a": "skip"}, allowed: []skip{{"a", "TestX", "needs hands"}}, shows: "needs hands"},
		{name: "another test listed", tests: map[string]string{"m/a TestX": "skip"}, allowed: []skip{{"a", "TestY", "needs hands"}}, fault: "m/a TestX was skipped"},
		{name: "another package listed", tests: map[string]string{"m/a TestX": "skip"}, allowed: []skip{{"b", "TestX", "needs hands"}}, fault: "m/a TestX was skipped"},
		{name: "listed in vain", tests: map[string]string{"m/a TestX": "pass"}, allowed: []skip{{"a", "TestX", "needs hands"}}, shows: "not skipped here: a TestX"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			r := Results{Tests: test.tests}
			checkError(t, r.checkSkips(&out, test.allowed), test.fault)
			if !strings.Contains(out.String(), test.shows) {
				t.Errorf("output lacks %q:\n%s", test.shows, &out)
			}
		})
	}
}

func TestResultsAdd(t *testing.T) {
	t.Parallel()
	var all Results
	all.add(Results{Tests: map[string]string{"m/a TestX": "pass", "m/a TestY": "skip", "m/a TestZ": "pass"}})
	all.add(Results{Tests: map[string]string{"m/a TestX": "fail", "m/a TestY": "pass", "m/a TestW": "skip"}})
	if got, want := all.line(), "2 passed, 1 failed, 1 skipped"; got != want {
		t.Errorf("two runs make %q, want %q", got, want)
	}
}

func TestReadSkips(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "skips")
	for text, ok := range map[string]bool{
		"# none\n":             true,
		"store TestFull why\n": true,
		"store TestFull\n":     false,
	} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := readSkips(name); (err == nil) != ok {
			t.Errorf("%q: error %v", text, err)
		}
	}
}
