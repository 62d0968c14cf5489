package main

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// TestHelp: every command says what it is for, has an example that the program
// understands, and describes each of its flags.
func TestHelp(t *testing.T) {
	t.Parallel()
	for _, cmd := range pages(newRoot()) {
		path := cmd.CommandPath()
		if first, _ := utf8.DecodeRuneInString(cmd.Short); !unicode.IsUpper(first) || strings.HasSuffix(cmd.Short, ".") || strings.Contains(cmd.Short, "\n") || len(cmd.Short) > 120 {
			t.Errorf("%s: %q is not one short line in capitals and without a full stop", path, cmd.Short)
		}
		if cmd.Long != "" && (!strings.HasSuffix(strings.TrimRight(cmd.Long, "\n`"), ".") || strings.Count(cmd.Long, "`")%2 != 0) {
			t.Errorf("%s: its description is not whole: …%q", path, cmd.Long[max(0, len(cmd.Long)-40):])
		}
		for line := range strings.Lines(cmd.Long) {
			if utf8.RuneCountInString(line) > 100 {
				t.Errorf("%s: a line of more than 100 characters: %q", path, line)
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if f.Usage == "" || strings.Count(f.Usage, "`")%2 != 0 {
				t.Errorf("%s: --%s is described as %q", path, f.Name, f.Usage)
			}
		})
		if cmd.HasSubCommands() || cmd.Name() == "help" {
			continue
		}
		if cmd.Example == "" {
			t.Errorf("%s has no example: say one in its Example, or in examples.go", path)
		}
		for line := range strings.Lines(cmd.Example) {
			checkExample(t, path, strings.TrimRight(line, "\n"))
		}
	}
}

var ipvmCalls = regexp.MustCompile(`(?:^  |[(|;&] *)(?:[A-Z_]+=\S+ )?ipvm ([^|;&<>)]*)`)

// checkExample holds each call of ipvm in a line against the commands and flags that
// there are.
func checkExample(t *testing.T, path, line string) {
	t.Helper()
	if !strings.HasPrefix(line, "  ") {
		t.Errorf("%s: the example %q is not set in by two spaces", path, line)
	}
	for _, call := range ipvmCalls.FindAllStringSubmatch(line, -1) {
		words := strings.Fields(strings.NewReplacer("'", "", `"`, "").Replace(call[1]))
		root := newRoot()
		cmd, rest, err := root.Find(words)
		if err == nil && cmd == root {
			rest, err = nil, cmd.Args(cmd, words)
		}
		if err == nil {
			err = cmd.ParseFlags(rest)
		}
		if err != nil {
			t.Errorf("%s: in the example %q: %v", path, line, err)
		}
	}
}

// requests are the requests of roff that manual pages use.
var requests = regexp.MustCompile(`^\.(TH|SH|TP|PP|br|nf|fi)( |$)`)

// TestManPages: every command has a page, whose parts are whole and which is ASCII, so
// that every formatter shows it.
func TestManPages(t *testing.T) {
	t.Parallel()
	root := newRoot()
	seen := make(map[string]bool)
	for _, cmd := range pages(root) {
		page := manPage(cmd)
		seen[pageName(cmd)+"(1)"] = true
		sections := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"}
		if cmd.Example != "" {
			sections = append(sections, "EXAMPLES")
		}
		if cmd != root {
			sections = append(sections, "SEE ALSO")
		}
		for _, s := range sections {
			if !bytes.Contains(page, []byte("\n.SH "+s+"\n")) {
				t.Errorf("%s: no section %s", pageName(cmd), s)
			}
		}
		cmd.LocalNonPersistentFlags().VisitAll(func(f *pflag.Flag) {
			if want := `\-\-` + strings.ReplaceAll(f.Name, "-", `\-`); f.Name != "help" && !bytes.Contains(page, []byte(want)) {
				t.Errorf("%s: nothing of --%s", pageName(cmd), f.Name)
			}
		})
		for line := range bytes.Lines(page) {
			line = bytes.TrimRight(line, "\n")
			if bytes.HasPrefix(line, []byte(".")) && !requests.Match(line) || bytes.HasPrefix(line, []byte("'")) || bytes.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
				t.Errorf("%s: the line %q", pageName(cmd), line)
			}
		}
	}
	walk(root, func(cmd *cobra.Command) {
		if cmd.IsAvailableCommand() && !seen[pageName(cmd)+"(1)"] {
			t.Errorf("%s has no page", cmd.CommandPath())
		}
	})
	if got, want := string(manPage(mustFind(t, root, "version"))), string(readFile(t, "testdata/ipvm-version.1")); got != want {
		t.Errorf("the page of ipvm version is\n%s", got)
	}
}

func mustFind(t *testing.T, root *cobra.Command, words ...string) *cobra.Command {
	t.Helper()
	cmd, _, err := root.Find(words)
	if err != nil {
		t.Fatal(err)
	}
	return cmd
}
