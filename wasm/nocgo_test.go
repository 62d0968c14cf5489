//go:build !cgo

package wasm

import (
	"errors"
	"testing"
)

func TestNoEngine(t *testing.T) {
	t.Parallel()
	if _, err := New(Config{}); !errors.Is(err, ErrNoEngine) {
		t.Errorf("got %v", err)
	}
	var e *Engine
	if e.Doctor().Why != ErrNoEngine.Error() {
		t.Error("Doctor does not say what is missing")
	}
}
