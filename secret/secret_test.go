package secret_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/secret"
)

// A secret is in nothing that is printed, logged or encoded, also from inside
// other values.
func TestNothingShowsASecret(t *testing.T) {
	t.Parallel()
	const word = "hunter2"
	s := secret.New(word)
	type box struct {
		Name  string
		Inner secret.Of[string]
	}
	inside := box{"b", s}
	var text strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T"} {
		fmt.Fprintf(&text, verb, s)
		fmt.Fprintf(&text, verb, &s)
		fmt.Fprintf(&text, verb, inside)
		fmt.Fprintf(&text, verb, []box{inside})
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "s", s, "in", inside)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("m", "s", s, "in", inside)
	for _, v := range []any{s, inside, map[string]any{"a": s}} {
		data, err := json.Marshal(v)
		if err == nil {
			t.Errorf("JSON of %T: %s", v, data)
		}
		text.Write(data)
		var b bytes.Buffer
		if err := gob.NewEncoder(&b).Encode(v); err == nil {
			t.Errorf("gob of %T", v)
		}
		text.Write(b.Bytes())
	}
	hex := fmt.Sprintf("%x", word)
	if strings.Contains(text.String(), word) || strings.Contains(text.String(), hex) {
		t.Errorf("it shows:\n%s", text.String())
	}
	if s.Reveal() != word {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}
