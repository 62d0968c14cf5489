package ipvm

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestConformancePage holds docs/conformance.md and docs/faults.md to what is here:
// every test and file that they name exists, and every line of their tables names
// one or says why not.
func TestConformancePage(t *testing.T) {
	t.Parallel()
	tests := testNames(t)
	for _, page := range []string{"docs/conformance.md", "docs/faults.md"} {
		data, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, problem := range conformanceProblems(string(data), tests) {
			t.Errorf("%s: %s", page, problem)
		}
	}
}

func TestConformanceFindsProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]bool{"graph.TestOrder": true, "TestLayers": true}
	for _, tt := range []struct{ page, want string }{
		{"| s | x | `graph.TestOrder`, `TestLayers`, `graph/testdata/cycles.txt` |", ""},
		{"| s | x | `graph.TestNowhere` |", "line 1: there is no test graph.TestNowhere"},
		{"| s | x | `TestOrder` |", "line 1: there is no test TestOrder"},
		{"\n| s | x | `graph/testdata/nowhere.txt` |", "line 2: there is no file graph/testdata/nowhere.txt"},
		{"| s | x | all is well |", "line 1: nothing holds it: all is well"},
		{"| s | x | not done: none |", ""},
		{"```\n| `TestNowhere` |\n```", ""},
	} {
		if got := strings.Join(conformanceProblems(tt.page, tests), "\n"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.page, got, tt.want)
		}
	}
}

var (
	codeSpan  = regexp.MustCompile("`([^`]+)`")
	testSpan  = regexp.MustCompile(`^([a-z0-9/]+\.)?(Test|Fuzz)[A-Za-z0-9]+$`)
	testFunc  = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	withoutIt = regexp.MustCompile(`(?i)\b(not done|refused|deviates)\b`)
)

func conformanceProblems(page string, tests map[string]bool) (problems []string) {
	fenced := false
	for i, line := range strings.Split(page, "\n") {
		report := func(text string) { problems = append(problems, fmt.Sprintf("line %d: %s", i+1, text)) }
		if strings.HasPrefix(line, "```") {
			fenced = !fenced
		}
		if fenced {
			continue
		}
		held := false
		for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
			name := m[1]
			switch {
			case testSpan.MatchString(name):
				held = true
				if !tests[name] {
					report("there is no test " + name)
				}
			case strings.Contains(name, "testdata/"), strings.HasPrefix(name, "examples/"):
				held = true
				if _, err := os.Stat(filepath.FromSlash(name)); err != nil {
					report("there is no file " + name)
				}
			}
		}
		cells := strings.Split(strings.Trim(line, "| "), " | ")
		last := cells[len(cells)-1]
		if strings.HasPrefix(line, "| ") && last != "here" && !held && !withoutIt.MatchString(last) {
			report("nothing holds it: " + last)
		}
	}
	return problems
}

// testNames are the tests and fuzz targets of the module, as package.Test, of
// the root package as Test.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	names := make(map[string]bool)
	err := filepath.WalkDir(".", func(file string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(file, "_test.go") {
			return err
		}
		code, err := os.ReadFile(file)
		dir := path.Dir(filepath.ToSlash(file))
		for _, m := range testFunc.FindAllSubmatch(code, -1) {
			name := string(m[1])
			if dir != "." {
				name = dir + "." + name
			}
			names[name] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}
