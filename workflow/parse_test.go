package workflow

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/ipvm-wg/go-ipvm/internal/cputime"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// folder imports files from one directory.
type folder string

func (f folder) Import(path string) (ipld.Link, error) {
	data, err := os.ReadFile(filepath.Join(string(f), path))
	if err != nil {
		return ipld.Link{}, err
	}
	return ipld.LinkOf(ipld.CodecRaw, data), nil
}

func source(t testing.TB, path string) Source {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return Source{Name: filepath.Base(path), Data: data, Files: folder("testdata/files")}
}

// corpus lists the documents that match pattern below testdata. None is a
// failure: a test of nothing must not pass.
func corpus(t testing.TB, pattern string) []string {
	t.Helper()
	all, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil {
		t.Fatal(err)
	}
	var docs []string
	for _, path := range all {
		if filepath.Ext(path) != ".golden" {
			docs = append(docs, path)
		}
	}
	if len(docs) == 0 {
		t.Fatalf("no documents match testdata/%s", pattern)
	}
	return docs
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	path += ".golden"
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

// summary is all of a workflow as text.
func summary(w *Workflow) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s\n", w.Dialect, w.Version)
	line := func(name string, v any) {
		if s := fmt.Sprint(v); s != "" && s != "null" {
			fmt.Fprintf(&b, "%s %s\n", name, s)
		}
	}
	line("meta", w.Meta)
	line("nonce", fmt.Sprintf("%x", w.Nonce))
	line("signature", fmt.Sprintf("%x", w.Signature))
	line("parent", w.Parent)
	line("requestor", w.Requestor)
	line("config", limits(w.Config))
	line("origin", w.Origin.Workflow)
	line("name", w.Origin.Name)
	for _, j := range w.Jobs {
		fmt.Fprintf(&b, "\njob %q at %s\n", j.Label, j.Pos)
		line("  module", j.Call.Module)
		line("  func", j.Call.Func)
		line("  params", j.Call.Params)
		if e := j.Effect; e != nil {
			fmt.Fprintf(&b, "  effect %s on %s (%s)\n", e.Do, e.URI, e.Scheme)
		}
		line("  subject", j.Subject)
		line("  nonce", fmt.Sprintf("%x", j.Nonce))
		line("  limits", limits(j.Limits))
		line("  secret", map[Secrecy]string{SecretAlways: "always", SecretNever: "never"}[j.Secret])
		if j.Check != nil {
			line("  check", j.Check.Value())
		}
		if j.Retries != nil {
			line("  retries", *j.Retries)
		}
		line("  needs", strings.Join(j.Needs, " "))
		line("  instruction", j.Instruction)
		line("  ran", j.Ran)
		for _, e := range j.Edges {
			fmt.Fprintf(&b, "  awaits %s at %s\n", e.Promise.Value(), e.Pos)
		}
		for _, e := range j.Outside {
			fmt.Fprintf(&b, "  awaits %s of another workflow at %s\n", e.Promise.Value(), e.Pos)
		}
	}
	for _, block := range w.Blocks {
		fmt.Fprintf(&b, "\nblock %s of %d bytes\n", block.Link, len(block.Data))
	}
	for _, f := range w.Warnings {
		fmt.Fprintf(&b, "\nwarning: %v (%s)\n", f, f.Kind)
	}
	return b.String()
}

func limits(l task.Limits) string {
	if l == (task.Limits{}) {
		return ""
	}
	text := fmt.Sprintf("gas %d, memory %d, time %s", l.Gas, l.Memory, l.Time)
	if l.Disk > 0 {
		text += fmt.Sprintf(", disk %d", l.Disk)
	}
	return text
}

func TestValid(t *testing.T) {
	t.Parallel()
	for _, path := range append(corpus(t, "valid/*"), corpus(t, "homestar/*/*")...) {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			w, err := Parse(source(t, path))
			if strings.Contains(path, "homestar/") && err != nil {
				golden(t, path, err.Error()+"\n")
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			golden(t, path, summary(w))
		})
	}
}

func TestInvalid(t *testing.T) {
	t.Parallel()
	for _, path := range corpus(t, "invalid/*") {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			var w *Workflow
			var err error
			took := cputime.Of(func() { w, err = Parse(source(t, path)) })
			var faults FaultList
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("want faults, got %v, %v", w, err)
			}
			if took > 5*time.Second {
				t.Errorf("took %s", took)
			}
			var b strings.Builder
			for _, f := range faults {
				fmt.Fprintf(&b, "[%s] %v\n", f.Kind, f)
				if f.Hint == "" {
					t.Errorf("%v: no hint", f)
				}
			}
			golden(t, path, b.String())
		})
	}
}

// JSON is YAML: the same text must mean the same, down to the places of its
// faults. A comment at the end makes sure that the YAML reader reads it.
func TestJSONIsYAML(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{"valid/*.json", "invalid/*.json", "homestar/*/*.json"} {
		for _, path := range corpus(t, pattern) {
			src := source(t, path)
			asJSON := describe(src)
			src.Format = YAML
			asYAML := describe(src)
			src.Data = append(src.Data, "# YAML\n"...)
			asCommented := describe(src)
			if strings.Contains(asJSON, "[syntax]") {
				continue // YAML allows more
			}
			if diff := cmp.Diff(asJSON, asYAML); diff != "" {
				t.Errorf("%s (-JSON +YAML):\n%s", path, diff)
			}
			if strings.Contains(asCommented, "unknown escape character") {
				continue // the library does not read \/
			}
			if diff := cmp.Diff(asJSON, asCommented); diff != "" {
				t.Errorf("%s (-JSON +YAML with a comment):\n%s", path, diff)
			}
		}
	}
}

// describe is everything that Parse says about src.
func describe(src Source) string {
	w, err := Parse(src)
	if err == nil {
		return summary(w)
	}
	var b strings.Builder
	var faults FaultList
	if !errors.As(err, &faults) {
		return "not a FaultList: " + err.Error()
	}
	for _, f := range faults {
		fmt.Fprintf(&b, "[%s] %v\n", f.Kind, f)
	}
	return b.String()
}
