package workflow

import (
	"os"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/task"
)

// seed gives f the corpus as it is, so that mutations begin near real
// documents.
func seed(f *testing.F) {
	for _, pattern := range []string{"valid/*", "invalid/*", "homestar/*/*"} {
		for _, path := range corpus(f, pattern) {
			data, err := os.ReadFile(path)
			if err != nil {
				f.Fatal(err)
			}
			if len(data) < 8<<10 {
				f.Add(data)
			}
		}
	}
}

// stable parses twice, and once more as the same text in format also: what is
// accepted in both must be the same workflow, and every fault must have a
// place, a message and a closed kind.
func stable(t *testing.T, data []byte, format, also Format) {
	src := Source{Name: "f", Data: data, Format: format}
	first := describe(src)
	if again := describe(src); again != first {
		t.Fatalf("two readings differ:\n%s\n%s", first, again)
	}
	if strings.HasPrefix(first, "not a FaultList") {
		t.Fatal(first)
	}
	w, err := Parse(src)
	if err == nil {
		if len(w.Jobs) == 0 {
			t.Fatal("a workflow without jobs")
		}
		for _, j := range w.Jobs {
			if j.Effect != nil {
				checkEffect(t, &j)
				continue
			}
			if _, promised, _ := task.AsPromise(j.Call.Module); promised {
				continue
			}
			if k := j.Call.Module.Kind().String(); k != "link" {
				t.Fatalf("job %q has a %s for a module", j.Label, k)
			}
		}
	}
	if also == Auto {
		return
	}
	src.Format = also
	if second := describe(src); err == nil && second != first {
		t.Fatalf("%s and %s differ:\n%s\n%s", format, also, first, second)
	}
	src.Data = append(append([]byte(nil), data...), "\n# not JSON"...)
	if third, err3 := Parse(src); err == nil && err3 == nil && summary(third) != first {
		t.Fatalf("%s and %s with a comment differ:\n%s\n%s", format, also, first, summary(third))
	}
}

func FuzzParseJSON(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, JSON, YAML) })
}

func FuzzParseYAML(f *testing.F) {
	seed(f)
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, YAML, Auto) })
}

func FuzzParseCBOR(f *testing.F) {
	for _, path := range corpus(f, "invalid/*.cbor") {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, pattern := range []string{"valid/*.json", "invalid/*.json"} {
		for _, path := range corpus(f, pattern) {
			f.Add(asCBOR(f, path))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) { stable(t, data, CBOR, Auto) })
}
