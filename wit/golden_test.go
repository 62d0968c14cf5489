package wit

import (
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

var update = flag.Bool("update", false, "rewrite the golden tables in testdata")

// golden checks a table in testdata. A line at the left edge sets the subject
// of the rows below it; a row is indented and has the form
//
//	input → result
//	input ✗ error
//
// and do gives what is right of the input. "#" starts a comment.
func golden(t *testing.T, name string, do func(subject, input string) (string, error)) {
	t.Helper()
	path := "testdata/" + name
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var subject string
	rows := 0
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		switch {
		case line == "" || strings.HasPrefix(strings.TrimSpace(line), "#"):
			continue
		case line[0] != ' ' && line[0] != '\t':
			subject = line
			continue
		}
		rows++
		input := strings.TrimSpace(line)
		for _, mark := range []string{" → ", " ✗ "} {
			if before, _, ok := strings.Cut(input, mark); ok {
				input = strings.TrimSpace(before)
			}
		}
		got := fmt.Sprintf("    %-24s ", input)
		if out, err := do(subject, input); err != nil {
			got += "✗ " + err.Error()
		} else {
			got += "→ " + out
		}
		if got != line && !*update {
			t.Errorf("%s:%d: %s\ngot  %s\nwant %s", path, i+1, subject, got, line)
		}
		lines[i] = got
	}
	if rows == 0 {
		t.Fatalf("%s: no rows", path)
	}
	if *update {
		if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

func TestCanonical(t *testing.T) {
	t.Parallel()
	golden(t, "values.txt", func(subject, input string) (string, error) {
		typ, err := parseType(subject)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		v, err := ipld.DecodeJSON([]byte(input))
		if err != nil {
			t.Fatalf("%s: %v", input, err)
		}
		out, err := typ.Canonical(v)
		if err != nil {
			return "", err
		}
		if again, err := typ.Canonical(out); err != nil || !again.Equal(out) {
			t.Errorf("%s: %s: canonical again: %s, %v", subject, input, again, err)
		}
		return out.String(), nil
	})
}

func TestCallCanonical(t *testing.T) {
	t.Parallel()
	golden(t, "calls.txt", func(subject, input string) (string, error) {
		f, err := parseFunc(subject)
		if err != nil {
			t.Fatalf("%s: %v", subject, err)
		}
		v, err := ipld.DecodeJSON([]byte(input))
		if err != nil {
			t.Fatalf("%s: %v", input, err)
		}
		a := Args{Positional: v.Elems()}
		if v.Kind() != ipld.KindList {
			a = Args{Named: v, IsNamed: true}
		}
		out, err := f.Canonical(a)
		if err != nil {
			return "", err
		}
		return ipld.List(out...).String(), nil
	})
}

func TestFind(t *testing.T) {
	t.Parallel()
	golden(t, "find.txt", func(subject, input string) (string, error) {
		var i Interface
		for _, name := range strings.Split(subject, ", ") {
			if name != "nothing" {
				i.Funcs = append(i.Funcs, Func{Name: name})
			}
		}
		f, err := i.Find(strings.Trim(input, `"`))
		return f.Name, err
	})
}

// Values that no document can hold, but a function can return.
func TestCanonicalRefusesWhatHasNoEncoding(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		typ  string
		v    ipld.Value
		want string
	}{
		{"f64", ipld.Float(math.NaN()), "expected f64, got NaN (IPLD has no such number)"},
		{"list<f32>", ipld.List(ipld.Float(0), ipld.Float(math.Inf(-1))), "/1: expected f32, got -Inf (IPLD has no such number)"},
		{"u8", ipld.Float(math.NaN()), "expected u8, got NaN (not a whole number)"},
		{"s64", ipld.Float(math.Inf(1)), "expected s64, got +Inf (not a whole number)"},
		{"string", ipld.String("a\xff"), `expected string, got "a\xff" (not UTF-8)`},
		{"char", ipld.String("\xff"), `expected char, got "\xff" (not UTF-8)`},
		{"list<tuple<string, u8>>", ipld.Map(ipld.Entry{Key: "\xff", Value: ipld.Int(1)}), "/\uFFFD: expected string, got \"\\xff\" (not UTF-8)"},
		{"record {a: u8}", ipld.Map(ipld.Entry{Key: "\xff", Value: ipld.Int(1)}), `unknown field "\xff", there is a`},
		{"enum {a}", ipld.String("\xff"), `expected enum {a}, got "\xff" (unknown case "\xff", there is a)`},
	} {
		if _, err := mustType(t, test.typ).Canonical(test.v); err == nil || err.Error() != test.want {
			t.Errorf("%s: got  %v\nwant %s", test.typ, err, test.want)
		}
	}
}

func TestFaultTextIsBounded(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 10_000)
	for _, typ := range []string{"u8", "enum {a}", "record {a: u8}", "variant {a}", "flags {a}", "list<tuple<string, u8>>", "list<u8>"} {
		for _, v := range []ipld.Value{
			ipld.String(long),
			ipld.List(ipld.String(long)),
			ipld.Map(ipld.Entry{Key: long, Value: ipld.String(long)}),
		} {
			if _, err := mustType(t, typ).Canonical(v); err == nil || len(err.Error()) > 500 {
				t.Errorf("%s: %v", typ, err)
			}
		}
	}
}

// Exhaustive for one f32 in 65,537: the float64 that stands for an f32 is that
// f32, and is the shortest decimal's.
func TestShortest(t *testing.T) {
	t.Parallel()
	for bits := uint64(0); bits < 1<<32; bits += 65_537 {
		f := math.Float32frombits(uint32(bits))
		if f != f || math.IsInf(float64(f), 0) {
			continue
		}
		d := shortest(f)
		if math.Float32bits(float32(d)) != uint32(bits) {
			t.Fatalf("%x: %g reads back as another f32", bits, d)
		}
		if got, want := strconv.FormatFloat(d, 'e', -1, 64), strconv.FormatFloat(float64(f), 'e', -1, 32); got != want {
			t.Fatalf("%x: got %s, want %s", bits, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		a, b string
		want int
	}{
		{"", "", 0},
		{"abc", "abc", 0},
		{"abc", "", 3},
		{"abc", "abd", 1},
		{"abc", "acb", 1},
		{"abc", "abcd", 1},
		{"kitten", "sitting", 3},
	} {
		for _, pair := range [][2]string{{test.a, test.b}, {test.b, test.a}} {
			if got := distance(pair[0], pair[1]); got != test.want {
				t.Errorf("distance(%q, %q) = %d, want %d", pair[0], pair[1], got, test.want)
			}
		}
	}
	if got := distance(strings.Repeat("a", 65), strings.Repeat("a", 65)); got < 1000 {
		t.Errorf("distance of long names = %d", got)
	}
	names := []string{"crob", "corp", "scale", "crop2", "xrop", "crop-"}
	if got, want := near("crop", names), []string{"crop-", "crob", "corp"}; !slices.Equal(got, want) {
		t.Errorf("near = %q, want %q", got, want)
	}
}
