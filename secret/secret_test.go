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
	// Of a field that is not exported, fmt calls no method.
	closed := struct {
		name  string
		inner secret.Of[string]
	}{"b", s}
	var text strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d", "%T", "%p", "%w", "%!"} {
		fmt.Fprintf(&text, verb, s)
		fmt.Fprintf(&text, verb, &s)
		fmt.Fprintf(&text, verb, inside)
		fmt.Fprintf(&text, verb, []box{inside})
		fmt.Fprintf(&text, verb, closed)
		fmt.Fprintf(&text, verb, &closed)
	}
	slog.New(slog.NewTextHandler(&text, nil)).Info("m", "s", s, "in", inside, "closed", closed)
	slog.New(slog.NewJSONHandler(&text, nil)).Info("m", "s", s, "in", inside, "closed", closed)
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
	if again := secret.New(word); !s.Equal(again) || s.Equal(secret.New("")) || !(secret.Of[string]{}).Equal(secret.New("")) {
		t.Error("Equal compares something else")
	}
	if s.Reveal() != word || (secret.Of[string]{}).Reveal() != "" {
		t.Errorf("Reveal() = %q", s.Reveal())
	}
}
