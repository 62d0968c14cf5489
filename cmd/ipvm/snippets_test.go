//go:build cgo

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// root is the root of the checkout, where people run what the pages show.
const root = "../.."

// snippet is a block of YAML or JSON, with the mark before it if it has one.
var snippet = regexp.MustCompile("(?m)^(?: *<!-- refused: (.*) -->\n)?( *)```(yaml|json)\n((?s).*?)^ *```$")

// TestSnippets runs every workflow that a page of the documentation shows, from
// the root of the checkout, in the order of the pages, on one node. All go well
// but those behind the mark <!-- refused: TEXT -->, whose faults have that text.
func TestSnippets(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	node, err := ipvm.Open(t.TempDir(), ipvm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	for _, pattern := range []string{"*/*.wasm", "languages/*/*"} { // which pages name by their CIDs
		for _, file := range glob(t, filepath.Join(root, "examples", pattern)) {
			if _, err := node.Import(ctx, file); err != nil {
				t.Fatal(err)
			}
		}
	}
	ran, refused, fences := 0, 0, 0
	for _, page := range append(append(glob(t, root+"/docs/*.md"), glob(t, root+"/docs/*/*.md")...), root+"/README.md") {
		text := readFile(t, page)
		fences += bytes.Count(text, []byte("```yaml\n")) + bytes.Count(text, []byte("```json\n"))
		for _, m := range snippet.FindAllSubmatchIndex(text, -1) {
			part := func(i int) string {
				if m[2*i] < 0 {
					return ""
				}
				return string(text[m[2*i]:m[2*i+1]])
			}
			mark, indent, format, body := part(1), part(2), part(3), part(4)
			name := fmt.Sprintf("%s:%d.%s", filepath.ToSlash(page), 1+bytes.Count(text[:m[8]], []byte("\n")), format)
			body = strings.TrimPrefix(strings.ReplaceAll("\n"+body, "\n"+indent, "\n"), "\n")
			if mark == "" {
				ran++
			} else {
				refused++
			}
			if err := runSnippet(ctx, node, name, body, mark); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	if ran+refused != fences || ran < 18 || refused < 3 {
		t.Errorf("of %d blocks %d ran and %d were refused", fences, ran, refused)
	}
}

func glob(t *testing.T, pattern string) []string {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no files match %s: %v", pattern, err)
	}
	return files
}

// runSnippet runs a document, or makes sure that it is refused as the mark says.
func runSnippet(ctx context.Context, node *ipvm.Node, name, body, refused string) error {
	w, err := node.Read(ctx, name, strings.NewReader(body), root)
	if refused != "" {
		var faults workflow.FaultList
		if !errors.As(err, &faults) || !strings.Contains(err.Error(), refused) {
			return fmt.Errorf("want the fault %q, got %v", refused, err)
		}
		return nil
	}
	if err != nil {
		return err
	}
	if warnings := w.Workflow().Warnings; len(warnings) > 0 {
		return warnings[0]
	}
	report, err := node.Run(ctx, w, ipvm.RunOptions{})
	if err != nil {
		return err
	}
	if report.Status != engine.StatusOK {
		var b strings.Builder
		printFirstError(&b, w, report)
		return errors.New(b.String())
	}
	return nil
}

// The module of the example is what its text says.
func TestRecoverExample(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(root, "examples", "recover")
	module := wasmtest.Compile(t, string(readFile(t, filepath.Join(dir, "recover.wat"))))
	if *update {
		writeFile(t, filepath.Join(dir, "recover.wasm"), module)
	}
	if diff := cmp.Diff(module, readFile(t, filepath.Join(dir, "recover.wasm"))); diff != "" {
		t.Errorf("recover.wasm is not made of recover.wat (-want +got):\n%s", diff)
	}
}
