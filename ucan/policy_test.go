package ucan

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/internal/cputime"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// policyCase is args and policies that all hold for it, or all do not.
type policyCase struct {
	Name     string
	Args     json.RawMessage
	Policies []json.RawMessage
}

func readJSON(t testing.TB, path string, v any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", path))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, v); err != nil {
		t.Fatal(err)
	}
}

func dagJSON(t testing.TB, text string) ipld.Value {
	t.Helper()
	v, err := ipld.DecodeJSON([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}

func policy(t testing.TB, text string) Policy {
	t.Helper()
	p, err := ParsePolicy(dagJSON(t, text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// The specification's vectors.
func TestPolicyFixtures(t *testing.T) {
	t.Parallel()
	var file struct{ Valid, Invalid []policyCase }
	readJSON(t, "1.0.0/policy.json", &file)
	valid, invalid := checkPolicies(t, file.Valid, true), checkPolicies(t, file.Invalid, false)
	if valid != 17 || invalid != 8 {
		t.Errorf("%d valid and %d invalid policies", valid, invalid)
	}
}

// Our own, for what those leave open.
func TestPolicies(t *testing.T) {
	t.Parallel()
	var file struct {
		Holds, Fails []policyCase
		Malformed    []struct {
			Name   string
			Policy json.RawMessage
		}
		Selectors []string
	}
	readJSON(t, "policies.json", &file)
	holds, fails := checkPolicies(t, file.Holds, true), checkPolicies(t, file.Fails, false)
	if holds < 100 || fails < 50 || len(file.Malformed) < 20 || len(file.Selectors) < 40 {
		t.Fatalf("%d, %d, %d and %d cases", holds, fails, len(file.Malformed), len(file.Selectors))
	}
	for _, c := range file.Malformed {
		if _, err := ParsePolicy(dagJSON(t, string(c.Policy))); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", c.Name, err)
		}
	}
	for _, s := range file.Selectors {
		if sel, err := parseSelector(s); err == nil {
			t.Errorf("selector %q was read as %+v", s, sel)
		}
	}
}

func checkPolicies(t *testing.T, cases []policyCase, want bool) (n int) {
	t.Helper()
	for _, c := range cases {
		for _, text := range c.Policies {
			n++
			source := dagJSON(t, string(text))
			p, err := ParsePolicy(source)
			if err != nil {
				t.Errorf("%s: %s: %v", c.Name, text, err)
				continue
			}
			if err := p.Match(dagJSON(t, string(c.Args))); (err == nil) != want {
				t.Errorf("%s: %s: %v", c.Name, text, err)
			}
			if !p.Value().Equal(source) {
				t.Errorf("%s: %s became %s", c.Name, text, p.Value())
			}
		}
	}
	return n
}

// What is malformed is told with its place.
func TestPolicyFaults(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`[["==", ".a", 1], ["and", [["like", ".b", 1]]]]`: "[1]: and: [0]: like: want a pattern, got integer",
		`[["all", ".a", ["<", ".", "x"]]]`:                "[0]: all: <: want a number, got string",
		`[["==", ".content-type", 1]]`:                    `["like this"]`,
		`[["equals", ".a", 1]]`:                           `want one of == != < <= > >= like and or not all any, got "equals"`,
	} {
		if _, err := ParsePolicy(dagJSON(t, text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", text, err)
		}
	}
	err := policy(t, `[["==", ".a", 1], ["==", ".b", 1]]`).Match(dagJSON(t, `{"a": 1}`))
	if err == nil || err.Error() != `statement 1 does not hold: ["==",".b",1], and .b is null` {
		t.Error(err)
	}
	err = policy(t, `[["<=", ".gas", 1000000000]]`).Match(dagJSON(t, `{"gas": 1200000000}`))
	if err == nil || err.Error() != `statement 0 does not hold: ["<=",".gas",1000000000], and .gas is 1200000000` {
		t.Error(err)
	}
}

func TestPolicyNodes(t *testing.T) {
	t.Parallel()
	statements := func(n int) ipld.Value {
		all := make([]ipld.Value, n)
		for i := range all {
			all[i] = dagJSON(t, `["not", ["and", []]]`)
		}
		return ipld.List(all...)
	}
	if _, err := ParsePolicy(statements(MaxPolicyNodes / 2)); err != nil {
		t.Error(err)
	}
	if _, err := ParsePolicy(statements(MaxPolicyNodes/2 + 1)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

// Policies and arguments that are made to take long are refused soon, also
// where a statement that is cut short stands under a not.
func TestPolicyBombs(t *testing.T) {
	t.Parallel()
	ones := ipld.List(make([]ipld.Value, 100_000)...)
	nested := ipld.Int(1)
	for range 40 {
		nested = ipld.List(nested)
	}
	long := strings.Repeat("a", 200_000)
	times := func(n int, s string) string { return "[" + strings.Repeat(s+",", n-1) + s + "]" }
	for name, tt := range map[string]struct {
		args   ipld.Value
		policy string
	}{
		"many statements over a long list": {ones, `[["all", ".", ["not", ["or", ` + times(1000, `["==", ".", 1]`) + `]]]]`},
		"under a not":                      {ones, `[["not", ["any", ".", ["or", ` + times(1000, `["==", ".", 1]`) + `]]]]`},
		"under any":                        {ones, `[["any", ".", ["or", ` + times(1000, `["==", ".", 1]`) + `]]]`},
		"a long text again and again":      {ipld.Map(entry("s", ipld.String(long))), `[["or", ` + times(1000, `["like", ".s", "`+strings.Repeat("*a", 100)+`b"]`) + `]]`},
		"equal again and again":            {ipld.List(ones), `[["and", ` + times(20, `["==", ".[0]", `+times(100_000, "null")+`]`) + `]]`},
		"values of a map":                  {bigMap(100_000), `[["and", ` + times(1000, `["!=", ".[]", 1]`) + `]]`},
		"deep":                             {nested, `[["or", ` + times(1000, `["==", ".`+strings.Repeat("[0]", 1100)+`?", 1]`) + `]]`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := policy(t, tt.policy)
			var err error
			if d := cputime.Of(func() { err = p.Match(tt.args) }); d > 5*time.Second {
				t.Errorf("took %v", d)
			}
			if !errors.Is(err, errWork) {
				t.Error(err)
			}
		})
	}
	// Patterns that take a backtracking matcher exponential time are cheap.
	p := policy(t, `[["like", ".s", "`+strings.Repeat("*a", 200)+`*b"]]`)
	var err error
	d := cputime.Of(func() { err = p.Match(ipld.Map(entry("s", ipld.String(long)))) })
	if err == nil || errors.Is(err, errWork) || d > 5*time.Second {
		t.Errorf("%v after %v", err, d)
	}
}

func bigMap(n int) ipld.Value {
	entries := make([]ipld.Entry, n)
	for i := range entries {
		entries[i].Key = string([]byte{'a' + byte(i%26), 'a' + byte(i/26%26), 'a' + byte(i/676%26), 'a' + byte(i/17576%26)})
	}
	return ipld.Map(entries...)
}

// The budget is one for all policies of a chain.
func TestPolicyWorkAddsUp(t *testing.T) {
	t.Parallel()
	w := &work{left: 10}
	p := policy(t, `[["==", ".a", 1]]`)
	args := dagJSON(t, `{"a": 1}`)
	for i := range 5 {
		if err := p.match(args, w); (err == nil) != (i < 3) || err != nil && !errors.Is(err, errWork) {
			t.Errorf("time %d: %v, %d left", i, err, w.left)
		}
	}
}

// Arguments that are not of a token may hold what has no encoding.
func TestNotANumber(t *testing.T) {
	t.Parallel()
	args := ipld.Map(entry("a", ipld.Float(math.NaN())))
	for _, text := range []string{`[["==", ".a", 0]]`, `[["<", ".a", 0]]`, `[[">", ".a", 0.5]]`, `[["<=", ".a", 1]]`, `[[">=", ".a", -1.5]]`} {
		if policy(t, text).Match(args) == nil {
			t.Errorf("%s holds of NaN", text)
		}
	}
}

func TestCommandCovers(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		wide, narrow string
		want         bool
	}{
		{"/", "/", true},
		{"/", "/a", true},
		{"/a", "/a", true},
		{"/a", "/a/b", true},
		{"/a/b", "/a/b/c/d", true},
		{"/crypto", "/cryptocurrency", false},
		{"/crypto", "/cryptocurrency/mine", false},
		{"/a/b", "/a", false},
		{"/a", "/", false},
		{"/a", "/b", false},
		{"/a/b", "/a/c", false},
	} {
		if got := covers(tt.wide, tt.narrow); got != tt.want {
			t.Errorf("%s covers %s: %t", tt.wide, tt.narrow, got)
		}
	}
}

// FuzzPolicy: what is accepted is given back as it was, judging ends, and what
// a policy refuses its negation allows.
func FuzzPolicy(f *testing.F) {
	var file struct{ Holds, Fails []policyCase }
	readJSON(f, "policies.json", &file)
	for _, c := range append(file.Holds, file.Fails...) {
		for _, p := range c.Policies {
			f.Add(string(c.Args), string(p))
		}
	}
	f.Fuzz(func(t *testing.T, args, text string) {
		a, err := ipld.DecodeJSON([]byte(args))
		if err != nil {
			return
		}
		v, err := ipld.DecodeJSON([]byte(text))
		if err != nil {
			return
		}
		p, err := ParsePolicy(v)
		if err != nil {
			return
		}
		if !p.Value().Equal(v) {
			t.Fatalf("%s became %s", v, p.Value())
		}
		not, err := ParsePolicy(ipld.List(ipld.List(ipld.String("not"), ipld.List(ipld.String("and"), v))))
		if err != nil {
			return // one statement too many
		}
		holds, refused := p.Match(a), not.Match(a)
		if errors.Is(holds, errWork) || errors.Is(refused, errWork) {
			return
		}
		if (holds == nil) == (refused == nil) {
			t.Fatalf("%v and negated %v", holds, refused)
		}
	})
}

// FuzzSelector: a selector never panics, whatever it selects from.
func FuzzSelector(f *testing.F) {
	for _, s := range []string{".", ".a", `.["a\"b"]`, ".a[]", ".a[-1]?", ".a[1:]", ".a[:-2]"} {
		f.Add(s, `{"a": [1, {"b": {"/": {"bytes": "AQID"}}}]}`)
	}
	f.Fuzz(func(t *testing.T, s, value string) {
		sel, err := parseSelector(s)
		if err != nil {
			return
		}
		v, err := ipld.DecodeJSON([]byte(value))
		if err != nil {
			return
		}
		w := &work{left: MaxPolicyWork}
		got, ok := sel.resolve(v, w)
		if !ok && !got.IsNull() {
			t.Fatalf("%s of %s: nothing, but %s", s, v, got)
		}
	})
}
