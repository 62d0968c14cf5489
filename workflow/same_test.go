package workflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// awkward is text that formats like to read as something else.
var awkward = []string{
	" x", "x ", "\ttab", "a\tb", "nl\nx", "cr\rx", "crlf\r\nx", "\u00a0", "\ufeffbom", "e\u0301", "é", "~", "null", "yes", "1e3", "0x10", "1_000",
	"2020-01-01", "- a", "a: b", "# c", " #c", "a #c", "'", `"`, `\`, "/", "<<", "*a", "&a", "!x", "%", "@", "`", "[", "]", "{", "}", ",", "?", ":", "...",
	"---", "\n---\n", "=", "", "\u200b", "\u202e", "\ue000", "😀", "\U0010ffff",
}

var numbers = []string{
	"1e3", "0", "-0", "-0.0", "1.0", "1E+2", "1e-400", "18446744073709551615", "-9223372036854775808", "5e-324", "1.7976931348623157e308", "0.1",
	"123456789012345678901e0", "100000000000000000000.0", "9007199254740993", "null", "true", "{}", "[]", `{"/":{"bytes":"AAEC"}}`, `{"/":{"bytes":""}}`,
}

// randomJSON is JSON text of a value with awkward text in it.
func randomJSON(r *rand.Rand, depth int) string {
	word := func() string {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(awkward[r.IntN(len(awkward))] + awkward[r.IntN(len(awkward))]); err != nil {
			panic(err)
		}
		return strings.TrimSpace(b.String())
	}
	switch n := r.IntN(10); {
	case n < 4:
		return word()
	case n < 6 || depth == 5:
		return numbers[r.IntN(len(numbers))]
	}
	parts := make([]string, r.IntN(4))
	isMap := r.IntN(2) == 0
	for i := range parts {
		parts[i] = randomJSON(r, depth+1)
		if isMap {
			parts[i] = fmt.Sprintf(`"%d%s:%s`, i, word()[1:], parts[i])
		}
	}
	if isMap {
		return "{" + strings.Join(parts, ",") + "}"
	}
	return "[" + strings.Join(parts, ",") + "]"
}

// JSON text means the same when the YAML library reads it (docs/protocol.md,
// section 7). The line before it keeps the reader from taking it as JSON.
func TestYAMLMeansWhatJSONMeans(t *testing.T) {
	t.Parallel()
	read := 0
	for i := range uint64(3000) {
		r := rand.New(rand.NewPCG(i, 1))
		doc := fmt.Sprintf(`{"with":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku","func":"f","args":[%s,%s]}`, randomJSON(r, 0), randomJSON(r, 0))
		want, err := Parse(Source{Data: []byte(doc), Format: JSON})
		if err != nil {
			t.Fatalf("%s: %v", doc, err)
		}
		got, err := Parse(Source{Data: []byte("---\n" + doc), Format: YAML})
		if err != nil {
			continue // a few characters are not allowed in YAML
		}
		read++
		if a, b := want.Jobs[0].Call.Params, got.Jobs[0].Call.Params; !a.Equal(b) {
			t.Errorf("%s\n%s", doc, cmp.Diff(a.String(), b.String()))
		}
	}
	if read < 2000 {
		t.Errorf("only %d documents were read as YAML", read)
	}
}

func TestOldLineBreaks(t *testing.T) {
	t.Parallel()
	for _, char := range []string{"\u0085", "\u2028", "\u2029"} {
		doc := fmt.Sprintf(`{"with":"bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku","func":"f","args":["a%sb"]}`, char)
		w, err := Parse(Source{Data: []byte(doc), Format: YAML}) // which is read as JSON
		if err != nil {
			t.Errorf("%+q: %v", char, err)
		} else if got, _ := w.Jobs[0].Call.Params.Elems()[0].AsString(); got != "a"+char+"b" {
			t.Errorf("%+q: read as %+q", char, got)
		}
		_, err = Parse(Source{Data: []byte("# read by the library\n" + doc), Format: YAML})
		var faults FaultList
		if !errors.As(err, &faults) || faults[0].Kind != Unsupported || faults[0].Line != 2 || faults[0].Col != 1+strings.Index(doc, char) {
			t.Errorf("%+q: %v", char, err)
		}
		escaped := strings.Replace(doc, char, fmt.Sprintf(`\u%04x`, []rune(char)[0]), 1)
		w, err = Parse(Source{Data: []byte("# read by the library\n" + escaped), Format: YAML})
		if err != nil {
			t.Errorf("%+q: %v", char, err)
		} else if got, _ := w.Jobs[0].Call.Params.Elems()[0].AsString(); got != "a"+char+"b" {
			t.Errorf("%+q: escape read as %+q", char, got)
		}
	}
}
