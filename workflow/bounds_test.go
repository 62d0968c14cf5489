package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/internal/cputime"
)

// refuse parses a hostile document, which must fail fast with one fault of the
// given kind and text.
func refuse(t *testing.T, src Source, kind Kind, text string) {
	t.Helper()
	var err error
	if took := cputime.Of(func() { _, err = Parse(src) }); took > time.Minute {
		t.Errorf("took %s", took)
	}
	var faults FaultList
	if !errors.As(err, &faults) {
		t.Fatalf("want faults, got %v", err)
	}
	if faults[0].Kind != kind || !strings.Contains(faults[0].Error(), text) {
		t.Errorf("want a fault of kind %s with %q, got [%s] %v", kind, text, faults[0].Kind, faults[0])
	}
	if len(err.Error()) > 100_000 {
		t.Errorf("the message has %d bytes", len(err.Error()))
	}
}

func TestDepth(t *testing.T) {
	t.Parallel()
	const deep = 100_000
	block := func(unit string) string { return "with: x\nargs:\n  " + strings.Repeat(unit, deep) + "x\n" }
	indented := func(levels int) string {
		var b strings.Builder
		for i := range levels {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		return b.String()
	}
	for _, tc := range []struct {
		name, doc, text string
		format          Format
		kind            Kind
	}{
		{"JSON lists", strings.Repeat("[", deep), "nested", JSON, Size},
		{"JSON maps", strings.Repeat(`{"a":`, deep), "nested", JSON, Size},
		{"JSON within the text bound", `{"with": "x", "args": ` + strings.Repeat("[", 201) + strings.Repeat("]", 201) + "}", "nested", JSON, Size},
		{"YAML flow lists", "a: " + strings.Repeat("[", deep), "nested deeper than 200", YAML, Size},
		{"YAML flow lists closed", "a: " + strings.Repeat("[", deep) + strings.Repeat("]", deep), "nested deeper than 200", YAML, Size},
		{"YAML flow maps", strings.Repeat("{a: ", deep), "nested deeper than 200", YAML, Size},
		{"YAML lists in one line", block("- "), "nested deeper than 200", YAML, Size},
		{"YAML keys in one line", block("? "), "nested deeper than 200", YAML, Size},
		{"YAML indentation", indented(2000), "nested deeper than 200", YAML, Size},
		{"YAML indentation of 201", indented(201), "nested deeper than 200", YAML, Size},
		{"CBOR lists", strings.Repeat("\x81", deep), "nested", CBOR, Size},
		{"CBOR maps", strings.Repeat("\xa1\x61a", deep), "nested", CBOR, Size},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			refuse(t, Source{Name: "deep", Data: []byte(tc.doc), Format: tc.format}, tc.kind, tc.text)
		})
	}
}

// Text with brackets in it is not deep.
func TestDepthIsNotBrackets(t *testing.T) {
	t.Parallel()
	cid := "bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu"
	doc := "with: " + cid + "\nargs:\n  - |\n    " + strings.Repeat("[{", 20_000) + "\n  - \"" + strings.Repeat("[", 20_000) + "\"\n# " + strings.Repeat("[", 20_000) + "\n"
	if _, err := Parse(Source{Name: "w.yaml", Data: []byte(doc)}); err != nil {
		t.Error(err)
	}
}

func TestSize(t *testing.T) {
	t.Parallel()
	huge := bytes.Repeat([]byte(" "), 100<<20)
	refuse(t, Source{Name: "w.json", Data: huge}, Size, "the document has 104857600 bytes; at most 16777216 bytes (16 MiB) are read")
	refuse(t, Source{Name: "w.json", Data: huge[:11], MaxBytes: 10}, Size, "at most 10 bytes are read")
	refuse(t, Source{Name: "w.yaml", Data: []byte(strings.Repeat("[],", 5<<20))}, Size, "values; at most")
	refuse(t, Source{Name: "w.json", Data: []byte("[" + strings.Repeat("1,", 3<<20))}, Size, "items")
	refuse(t, Source{Name: "w.cbor", Data: append([]byte{0x9a, 0, 0x90, 0, 0}, bytes.Repeat([]byte{0}, 9<<20)...)}, Size, "items")
}

// Hostile text that makes a YAML parser slow must not.
func TestYAMLTime(t *testing.T) {
	t.Parallel()
	for name, unit := range map[string]string{
		"comments": "#\n", "commented": "a: #\n", "items": "- #x\n", "anchors": "- &a\n", "aliases": "- &a x\n- *a\n", "tags": "- !!str\n",
		"keys": "? a\n", "flow keys": "{a,", "quotes": "- ''\n", "blocks": "- |\n", "directives": "%YAML 1.2\n", "documents": "---\n",
		"colons": ": ", "spaces": " ", "tabs": "\t", "carriage returns": "\r", "plain": "a ", "open": "[a", "dashes": "-\n", "bars": "|\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const size = 256 << 10
			src := Source{Name: "w.yaml", Data: []byte(strings.Repeat(unit, size/len(unit)))}
			if took := cputime.Of(func() { Parse(src) }); took > time.Minute { //nolint:errcheck // only time matters
				t.Errorf("256 KiB of %q took %s", unit, took)
			}
		})
	}
}

// Thousands of faults are reported in bounded time and space.
func TestManyFaults(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("jobs:\n")
	for i := range 50_000 {
		fmt.Fprintf(&b, "  job-%d: {whatever: 5, args: [{from: y}]}\n", i)
	}
	refuse(t, Source{Name: "w.yaml", Data: []byte(b.String())}, Missing, "no field with")
	_, err := Parse(Source{Name: "w.yaml", Data: []byte(b.String())})
	if !strings.Contains(err.Error(), "\n… and 900 more") {
		t.Error("the rest is not counted")
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	data, err := Read("w.json", strings.NewReader("{}"))
	if err != nil || string(data) != "{}" {
		t.Errorf("got %q, %v", data, err)
	}
	want := "w.json: the document has more than 16777216 bytes; at most 16777216 bytes (16 MiB) are read\n  hint: "
	if _, err := Read("w.json", endless{}); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	f, err := os.Create(filepath.Join(t.TempDir(), "sparse"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(100 << 20); err != nil {
		t.Fatal(err)
	}
	want = "w.json: the document has 104857600 bytes; "
	if _, err := Read("w.json", f); err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("got %v, want %s", err, want)
	}
	if at, _ := f.Seek(0, 1); at != 0 {
		t.Errorf("%d bytes were read of a file that is too large", at)
	}
}

type endless struct{}

func (endless) Read(p []byte) (int, error) { return len(p), nil }
