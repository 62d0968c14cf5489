//go:build cgo

package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

// badInput is one document, or one line of a shell, that can not be followed.
type badInput struct {
	name string
	// file is the document's name; doc is its text.
	file, doc string
	// args are those of ipvm; none is "run" with the document.
	args []string
	exit int
}

func (b badInput) with(exit int, args ...string) badInput {
	b.exit, b.args = exit, args
	return b
}

func bad(name, doc string) badInput {
	return badInput{name: name, file: "w.yaml", doc: doc, exit: exitMisuse}
}

func badJSON(name, doc string) badInput {
	return badInput{name: name, file: "w.json", doc: doc, exit: exitMisuse}
}

// cycle is a document of n jobs, each waiting for the next, the last for the
// first.
func cycle(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "job-%d: {with: count.wasm, args: [{from: job-%d}]}\n", i, (i+1)%n)
	}
	return b.String()
}

func badInputs() []badInput {
	const job = "a: {with: count.wasm, args: [x]}\n"
	nested := strings.Repeat("[", 100_000) + strings.Repeat("]", 100_000)
	const link = `{"/": "bafkreiajxu5nwqoredmnvmfux5sdax52h5o74jqf5er7eicobcvk7e5nny"}`
	return []badInput{
		badJSON("truncated-json", `{"a": {"with": "count.wasm", "args": ["x`),
		bad("truncated-yaml", "a: {with: count.wasm, args: [x\n"),
		bad("not-utf8", "a: {with: count.wasm, args: [\"\xff\xfe\"]}\n"),
		bad("empty", ""),
		badJSON("a-list", `[1, 2]`),
		bad("duplicate-label", job+job),
		badJSON("duplicate-key", `{"a": {"with": "count.wasm", "args": ["x"], "with": "count.wasm"}}`),
		badJSON("duplicate-key-in-argument", `{"a": {"with": "count.wasm", "args": [{"k": 1, "k": 2}]}}`),
		bad("unknown-field", "a: {with: count.wasm, agrs: [x], maxGass: 7}\n"),
		bad("unknown-header-field", "jobs:\n  "+job+"defualts: {gas: 7}\n"),
		bad("many-faults", "a: {whit: count.wasm}\nb: {with: count.wasm, args: x}\nc: {with: count.wasm, args: [{from: d}]}\n"),
		bad("cycle-of-1", cycle(1)),
		bad("cycle-of-2", cycle(2)),
		bad("cycle-of-50", cycle(50)),
		bad("cycle-and-field", "a: {with: count.wasm, args: [{from: a}], bogus: 1}\n"),
		bad("cycles-and-calls", "a: {with: count.wasm, args: [{from: b}]}\nb: {with: count.wasm, func: cuont, args: [{from: a}]}\nc: {with: count.wasm, args: [{from: c}, 1]}\nd: {with: count.wasm, args: [7]}\ne: {with: count.wasm, args: [{from: a}]}\n"),
		bad("faults-of-all-kinds", "defaults: {gas: 0}\njobs:\n  a: {with: count.wasm, args: [{from: b}, {from: nowhere}], bogus: 1}\n  b: {with: count.wasm, args: [{from: a}]}\n  c: {with: ./nosuch.wasm, args: [1, 2]}\n  d: {with: count.wasm, args: []}\n  e: {with: \"https://example.com\", do: crud/read}\n  f: {with: count.wasm, args: [x], time: 100h, catch: {with: count.wasm}}\n"),
		bad("promise-to-nowhere", job+"b: {with: count.wasm, args: [{from: aa}]}\n"),
		bad("promise-of-a-failure", job+"b: {with: count.wasm, args: [{from: a, on: error}]}\n").with(exitFailed),
		bad("await-either", job+`b: {with: count.wasm, args: [{"await/*": a}]}`).with(exitFailed),
		bad("await-error", job+`b: {with: count.wasm, args: [{"await/error": [a, kind]}]}`).with(exitFailed),
		bad("handlers", job+"b: {with: count.wasm, args: [x], on: {error: [aa], sucess: [a], success: a}}\n"),
		bad("handled-by-itself", "a: {with: count.wasm, args: [x], on: {error: [a]}}\n"),
		bad("handler-before", job+"b: {with: count.wasm, args: [{from: a}], on: {error: [a]}}\n"),
		bad("await-nothing", job+"b: {with: count.wasm, args: [x], await: [a, a, 7]}\nc: {with: count.wasm, args: [x], await: a}\n"),
		bad("await-no-task", "a: {with: count.wasm, args: [{from: "+link+"}]}\n"),
		bad("await-own-job", job+"b: {with: count.wasm, args: [{from: {\"/\": bafyreie44q4jiqbgk2r5cr5r3hlsk2hlyul3dsbf2byyszznv3feeas44m}}]}\n"),
		bad("await-order", "a: {with: count.wasm, args: [x], await: ["+link+"]}\n"),
		bad("await-never", "a: {with: count.wasm, args: [{from: {\"/\": bafyreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi}}], time: 20ms}\n").with(exitFailed),
		badJSON("await-instruction", `{"tasks": [{"run": {"rsc": "ipfs://bafkreiajxu5nwqoredmnvmfux5sdax52h5o74jqf5er7eicobcvk7e5nny", "op": "wasm/run", "nnc": "", "input": {"func": "f", "args": [{"await/ok": {"/": "bafyrmigltroc4nrdaskjselusvfcuooc52k2rl7nmrf72edbauyptmx5bq"}}]}}, "meta": {}, "prf": []}]}`),
		bad("module-of-a-job", job+"b: {with: {from: a}, args: []}\n").with(exitFailed),
		bad("catch", "a: {with: count.wasm, args: [x], catch: {with: count.wasm}}\n"),
		bad("effect", "a: {with: https://example.com, do: crud/update, input: {value: 1}}\n"),
		bad("data-escape", "a: {with: count.wasm, args: [{\"/data\": {from: b}}]}\n"),
		bad("wrong-arity", "a: {with: full-name.wasm, args: [Boris]}\n"),
		bad("wrong-name", "a: {with: full-name.wasm, input: {firstName: Boris, lstName: Mann}}\n"),
		bad("wrong-type", "a:\n  with: full-name.wasm\n  input:\n    - firstName: Boris\n    - lastName: 7\n"),
		bad("wrong-type-deep", "a:\n  with: odd.wasm\n  func: how-many\n  args:\n    - - items:\n          - {name: nail, count: 3}\n          - name: screw\n            count: 300\n"),
		bad("record-without-a-field", "a: {with: odd.wasm, func: how-many, args: [[{note: hi}]]}\n"),
		bad("record-with-another-field", "a: {with: odd.wasm, func: how-many, args: [[{items: [], nte: hi}]]}\n"),
		bad("out-of-range", "a: {with: arithmetic.wasm, func: square, args: [99999999999999999999]}\n"),
		bad("a-float-for-an-integer", "a: {with: arithmetic.wasm, func: square, args: [1.5]}\n"),
		bad("unknown-function", "a: {with: arithmetic.wasm, func: squre, args: [1]}\n"),
		bad("no-function-near", "a: {with: arithmetic.wasm, func: translate, args: [1]}\n"),
		bad("promise-as-text", "a: {with: arithmetic.wasm, func: square, args: [1]}\nb: {with: arithmetic.wasm, func: square, args: [\"${{ a.result }}\"]}\nc: {with: arithmetic.wasm, func: square, args: [{from: a, output: 0}]}\n"),
		bad("which-function", "a: {with: arithmetic.wasm, args: [1]}\n"),
		bad("module-not-here", "a: {with: bafkreiajxu5nwqoredmnvmfux5sdax52h5o74jqf5er7eicobcvk7e5nny, args: [1]}\n").with(exitNode),
		bad("module-no-cid", "a: {with: bafkreiajxu5nwqoredmnvmfux5sdax52h5o74jqf5er7eicobcvk7e5nn, args: [1]}\n"),
		bad("module-no-file", "a: {with: ./nosuch.wasm, args: [1]}\n"),
		bad("argument-no-file", "a: {with: count.wasm, args: [{file: nosuch.txt}]}\n"),
		badJSON("argument-not-here", `{"a": {"with": "count.wasm", "args": [`+link+`]}}`).with(exitNode),
		bad("inline-module", "a: {with: \"data:application/wasm;base64,AGFzbQEAAAA=\", args: []}\n"),
		bad("not-wasm", "a: {with: w.yaml, args: [1]}\n"),
		bad("core-module", "a: {with: core.wasm, args: []}\n"),
		bad("imports", "a: {with: imports.wasm, args: []}\n"),
		bad("gas-0", "a: {with: count.wasm, args: [x], maxGas: 0}\n"),
		bad("gas-negative", "a: {with: count.wasm, args: [x], maxGas: -1}\n"),
		bad("gas-too-low", "a: {with: count.wasm, args: [Boris], maxGas: 50}\n").with(exitFailed),
		bad("gas-above-the-node", "a: {with: count.wasm, args: [x], maxGas: 9223372036854775807}\n"),
		bad("memory-4-gib-asked", "a: {with: count.wasm, args: [x], memory: 4GiB}\n"),
		bad("memory-4-gib-needed", "a: {with: four-gib.wasm}\n").with(exitFailed),
		bad("memory-above-the-limit", "a: {with: large.wasm, memory: 64MiB}\n").with(exitFailed),
		bad("memory-grown", "a: {with: odd.wasm, func: grow, args: [2000]}\n").with(exitFailed),
		bad("time-too-short", "a: {with: odd.wasm, func: loop, time: 50ms, gas: 4000000000000000}\n").with(exitFailed),
		bad("trap", "a: {with: odd.wasm, func: unreachable}\n").with(exitFailed),
		bad("stack", "a: {with: odd.wasm, func: deep}\n").with(exitFailed),
		bad("guest-error", "a: {with: image.wasm, func: grayscale, args: [{\"/\": {bytes: aGk}}]}\n").with(exitFailed),
		bad("result-without-that-part", job+"b: {with: count.wasm, args: [{from: a, out: nosuch}]}\n").with(exitFailed),
		bad("promise-of-another-type", job+"b: {with: count.wasm, args: [{from: a}]}\n").with(exitFailed),
		badJSON("nesting-json", `{"a": {"with": "count.wasm", "args": [`+nested+`]}}`),
		bad("nesting-yaml", "a: {with: count.wasm, args: ["+nested+"]}\n"),
		bad("document-of-100-mib", strings.Repeat("# comment\n", 100<<20/10)),
		badJSON("hostile-label", `{"\u001b[31mred\u202e\u0007": {"with": "count.wasm", "args": [1]}, "b\u001b]0;title\u0007": {"with": "count.wasm", "agrs": []}, "c": {"with": "count.wasm", "args": [{"from": "\u001b[2J"}]}}`),
		badJSON("hostile-function", `{"a": {"with": "count.wasm", "func": "\u001b[31mcuont", "args": ["x"]}}`),
		badJSON("hostile-label-cycle", `{"\u001b[31ma": {"with": "count.wasm", "args": [{"from": "\u001b[31ma"}]}}`),
		badJSON("hostile-label-fails", `{"\u001b[31ma": {"with": "odd.wasm", "func": "unreachable"}, "z": {"with": "count.wasm", "args": [{"from": "\u001b[31ma"}]}}`).with(exitFailed),
		badJSON("hostile-file-name", `{"a": {"with": "./\u001b[31m.wasm", "args": []}}`),
	}
}

// TestBadInput holds what a person sees of each mistake: where it is, what is
// there, what was expected, and what to do about it.
func TestBadInput(t *testing.T) {
	t.Parallel()
	modules := modules(t)
	for _, test := range badInputs() {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			for name, code := range modules {
				if strings.Contains(test.doc, name) {
					writeFile(t, filepath.Join(dir, name), code)
				}
			}
			document := filepath.Join(dir, test.file)
			writeFile(t, document, []byte(test.doc))
			args := test.args
			if len(args) == 0 {
				args = []string{"run", "--workers", "1", document}
			}
			var out, errOut bytes.Buffer
			exit := run(append(args, "--dir", filepath.Join(dir, "h"), "--config", os.DevNull), strings.NewReader(""), &out, &errOut)
			if exit != test.exit {
				t.Errorf("exit status %d, want %d", exit, test.exit)
			}
			if exit == exitMisuse && out.Len() > 0 {
				t.Errorf("standard output: %s", out.String())
			}
			for _, c := range out.String() + errOut.String() {
				if !unicode.IsPrint(c) && c != '\n' {
					t.Errorf("%U reaches the terminal", c)
				}
			}
			told(t, test.name, strings.ReplaceAll(errOut.String(), dir+"/", ""))
			golden(t, filepath.Join("testdata", "bad", test.name+".txt"), strings.ReplaceAll(errOut.String(), dir+"/", ""))
		})
	}
}

// placeless are the mistakes that stand nowhere in a document, and why.
var placeless = map[string]string{
	"document-of-100-mib": "it is not read",
	"empty":               "there is nothing in it",
}

var (
	messageLine = regexp.MustCompile(`^w\.(yaml|json)(:\d+(:\d+)?)?: .`)
	hintLine    = regexp.MustCompile(`^  hint: .`)
)

// told makes sure that each message has its place and a hint, which several in
// a row may share, and the words in which all of them are.
func told(t *testing.T, name, text string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	for i, line := range lines {
		m := messageLine.FindStringSubmatch(line)
		switch {
		case hintLine.MatchString(line):
			if i == 0 || hintLine.MatchString(lines[i-1]) {
				t.Errorf("a hint for nothing: %s", line)
			}
			continue
		case m == nil:
			t.Errorf("no place in: %s", line)
		case (m[2] == "") != (placeless[name] != ""):
			t.Errorf("placeless %t, but got: %s", placeless[name] != "", line)
		}
		if strings.Contains(line, "want ") {
			t.Errorf("it says want and not expected: %s", line)
		}
		if i == len(lines)-1 {
			t.Errorf("no hint for: %s", line)
		}
	}
}

// TestErrorsPage holds docs/errors.md to the messages that there are: each golden
// file has its line there, with its first message and how many it has, so that
// what changes is judged again.
func TestErrorsPage(t *testing.T) {
	t.Parallel()
	page := string(readFile(t, filepath.Join("..", "..", "docs", "errors.md")))
	rows := 0
	for _, pattern := range []string{filepath.Join("testdata", "bad", "*.txt"), filepath.Join("..", "..", "workflow", "testdata", "invalid", "*.golden")} {
		paths, err := filepath.Glob(pattern)
		if err != nil || len(paths) == 0 {
			t.Fatalf("no messages match %s: %v", pattern, err)
		}
		for _, path := range paths {
			row := errorRow(path, string(readFile(t, path)))
			if !strings.Contains(page, "\n"+row+" | ") {
				t.Errorf("no judgement in docs/errors.md of\n%s", row)
			}
			rows++
		}
	}
	if listed := strings.Count(page, "\n| `"); listed != rows {
		t.Errorf("docs/errors.md has %d judgements of %d messages", listed, rows)
	}
}

// errorRow is how docs/errors.md begins its line about the messages in a file.
func errorRow(path, text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	n := 0
	for _, l := range lines {
		if !strings.HasPrefix(l, "  ") {
			n++
		}
	}
	first := []rune(firstMessage.ReplaceAllString(lines[0], ""))
	if len(first) > 90 {
		first = append(first[:89], '…')
	}
	return fmt.Sprintf("| `%s` | %d | %s", strings.TrimSuffix(strings.TrimSuffix(filepath.Base(path), ".golden"), ".txt"), n, strings.ReplaceAll(string(first), "|", "\\|"))
}

// firstMessage is what stands before a message: its kind and its place.
var firstMessage = regexp.MustCompile(`^(\[[a-z-]+\] )?[^ ]+: (/[^ ]*: )?`)

func writeFile(tb testing.TB, name string, data []byte) {
	tb.Helper()
	if err := os.WriteFile(name, data, 0o600); err != nil {
		tb.Fatal(err)
	}
}

// golden holds got against a file of expected text.
func golden(tb testing.TB, name, got string) {
	tb.Helper()
	if *update {
		writeFile(tb, name, []byte(got))
		return
	}
	if diff := cmp.Diff(string(readFile(tb, name)), got); diff != "" {
		tb.Errorf("%s (-want +got, -update rewrites):\n%s", name, diff)
	}
}
