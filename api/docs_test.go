package api_test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
)

func readDocs(t *testing.T) string {
	t.Helper()
	data, err := os.ReadFile("../docs/http.md")
	must(t, err)
	return string(data)
}

// TestDocsKinds: each kind of problem has its heading, with its status.
func TestDocsKinds(t *testing.T) {
	t.Parallel()
	text := readDocs(t)
	_, problems, _ := strings.Cut(text, "\n## Problems\n")
	for kind, status := range api.Statuses() {
		if want := fmt.Sprintf("\n### %s\n%d. ", kind, status); !strings.Contains(problems, want) {
			t.Errorf("nothing about %s, %d", kind, status)
		}
	}
	expect(t, "headings", strings.Count(problems, "\n### "), len(api.Statuses()))
}

// TestDocsRoutes: each operation is in the table.
func TestDocsRoutes(t *testing.T) {
	t.Parallel()
	text := readDocs(t)
	for path, methods := range api.New(api.Config{}).Routes() {
		for _, method := range methods {
			if method != "HEAD" && path != "/v1/openapi.json" && !strings.Contains(text, "| `"+method+" "+path+"`") {
				t.Errorf("nothing about %s %s", method, path)
			}
		}
	}
}

// TestDocsExamples runs the commands of the page. An "…" in an answer stands for
// anything, WORKFLOW and TASK for what an answer before has in their place.
func TestDocsExamples(t *testing.T) {
	t.Parallel()
	text := readDocs(t)
	_, document, _ := strings.Cut(text, "```yaml\n# sum.yaml\n")
	document, _, _ = strings.Cut(document, "```")
	r := newRig(t, options{})
	known := map[string]string{}
	n := 0
	for _, block := range regexp.MustCompile("(?s)```console\n(.*?)```").FindAllStringSubmatch(text, -1) {
		for command := range strings.SplitSeq(strings.TrimPrefix(block[1], "$ "), "\n$ ") {
			line, want, _ := strings.Cut(command, "\n")
			for name, value := range known {
				line, want = strings.ReplaceAll(line, name, value), strings.ReplaceAll(want, name, value)
			}
			n++
			resp := r.curl(t, line, document)
			if want = strings.TrimSpace(want); want != "" {
				compare(t, line, strings.TrimSpace(string(resp.body)), want, known)
			}
		}
	}
	if n < 7 {
		t.Errorf("only %d commands", n)
	}
}

// compare holds an answer to what the page says, and learns from it.
func compare(t *testing.T, line, got, want string, known map[string]string) {
	t.Helper()
	pattern := regexp.QuoteMeta(want)
	pattern = strings.ReplaceAll(pattern, "…", "(?s:.*?)")
	for _, name := range []string{"WORKFLOW", "TASK"} {
		pattern = strings.Replace(pattern, name, "(?P<"+name+">[a-z0-9]+)", 1)
		pattern = strings.ReplaceAll(strings.ReplaceAll(pattern, "?P<"+name+">", "\x00"), name, "[a-z0-9]+")
		pattern = strings.ReplaceAll(pattern, "\x00", "?P<"+name+">")
	}
	re := regexp.MustCompile("^" + pattern)
	m := re.FindStringSubmatch(got)
	if m == nil {
		t.Errorf("%s\ngot:\n%s\nexpected:\n%s", line, got, want)
		return
	}
	for i, name := range re.SubexpNames() {
		if name != "" {
			known[name] = m[i]
		}
	}
}

var words = regexp.MustCompile(`'[^']*'|\S+`)

// curl does what the program would.
func (r *rig) curl(t *testing.T, line, document string) got {
	t.Helper()
	method, path, body := "GET", "", ""
	headers := []string{"Accept: */*"}
	args := words.FindAllString(line, -1)
	for i := 1; i < len(args); i++ {
		arg := strings.Trim(args[i], "'")
		if strings.HasPrefix(arg, "-") {
			i++
		}
		switch arg {
		case "-H":
			h := strings.Trim(args[i], "'")
			if strings.HasPrefix(h, "Accept: ") {
				headers = headers[1:]
			}
			headers = append(headers, h)
		case "-X":
			method = args[i]
		case "-o":
		case "--data-binary":
			method, body = "POST", strings.Trim(args[i], "'")
			if name, ok := strings.CutPrefix(body, "@examples/"); ok {
				data, err := os.ReadFile(filepath.Join(ipvmtest.Examples(), name))
				must(t, err)
				body = string(data)
			} else if body == "@sum.yaml" {
				body = document
			}
			if !strings.Contains(line, "Content-Type") {
				headers = append(headers, "Content-Type: application/x-www-form-urlencoded")
			}
		default:
			path = strings.TrimPrefix(arg, "127.0.0.1:1337")
		}
	}
	resp := r.do(t, method, path, body, headers...)
	if resp.StatusCode >= http.StatusInternalServerError {
		t.Errorf("%s: %d", line, resp.StatusCode)
	}
	return resp
}
