package wit

import (
	"flag"
	"fmt"
	"os"
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
