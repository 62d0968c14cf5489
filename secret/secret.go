package secret

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
)

// Of is a value that is shown to nobody. It prints as "(secret)" and can not be
// encoded. The zero value holds the zero value of T.
type Of[T any] struct {
	v *T // fmt shows the fields of what stands in a field that is not exported, and follows no pointer there
}

// New returns v as a secret.
func New[T any](v T) Of[T] { return Of[T]{&v} }

// Reveal returns the value. Whoever calls it answers for where the value goes.
func (s Of[T]) Reveal() (v T) {
	if s.v != nil {
		v = *s.v
	}
	return v
}

// Equal tells whether both hold the same, for tests that compare what holds them.
func (s Of[T]) Equal(o Of[T]) bool { return reflect.DeepEqual(s.Reveal(), o.Reveal()) }

// Shown is how a secret prints.
const Shown = "(secret)"

// Format implements [fmt.Formatter], for every verb.
func (Of[T]) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(Shown)) }

// LogValue implements [slog.LogValuer].
func (Of[T]) LogValue() slog.Value { return slog.StringValue(Shown) }

var errEncode = errors.New("a secret is not encoded")

// MarshalText fails: a secret has no text. Encoders of JSON and others ask for
// it.
func (Of[T]) MarshalText() ([]byte, error) { return nil, errEncode }

// MarshalJSON fails.
func (Of[T]) MarshalJSON() ([]byte, error) { return nil, errEncode }

// GobEncode fails.
func (Of[T]) GobEncode() ([]byte, error) { return nil, errEncode }
