package wasm

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/wasi"
	"github.com/ipvm-wg/go-ipvm/wit"
)

// TestBoundsDocumented holds the table in docs/reference.md to the bounds in the code.
func TestBoundsDocumented(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\n### What a function may have\n")
	section, _, _ := strings.Cut(rest, "\n## ")
	mib := func(n int) string { return strconv.Itoa(n>>20) + " MiB" }
	kib := func(n int) string { return strconv.Itoa(n>>10) + " KiB" }
	for row, want := range map[string][]string{
		"a module":                           {mib(DefaultModuleBytes)},
		"stack":                              {kib(MaxStack)},
		"tables":                             {thousands(MaxTableElements), strconv.Itoa(MaxTables) + ","},
		"instances of core modules":          {strconv.Itoa(MaxInstances)},
		"memories of a component":            {strconv.Itoa(MaxMemories) + ","},
		"what links in the arguments":        {thousands(wit.MaxContentLinks) + " links", mib(wit.MaxContentBytes), thousands(wit.MaxContentValues) + " values"},
		"a result":                           {mib(MaxValueBytes)},
		"what a function logs":               {mib(MaxLogBytes), thousands(MaxLogLines) + " lines", kib(MaxLogMessage)},
		"what a program writes":              {mib(wasi.DefaultOutput) + " each"},
		"files that a program writes":        {mib(wasi.DefaultBytes)},
		"files, folders and links":           {thousands(wasi.DefaultEntries)},
		"files and folders that it has open": {thousands(wasi.DefaultOpen)},
	} {
		_, line, ok := strings.Cut(section, "\n| "+row)
		line, _, _ = strings.Cut(line, "\n")
		for _, w := range want {
			if !ok || !strings.Contains(line, w) {
				t.Errorf("%q: nothing about %s: %s", row, w, line)
			}
		}
	}
}

// thousands is n with its thousands set apart.
func thousands(n int) string {
	s := strconv.Itoa(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
