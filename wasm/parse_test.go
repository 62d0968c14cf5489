package wasm

import (
	"errors"
	"testing"

	"github.com/ipvm-wg/go-ipvm/wit"
)

func TestLastCause(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                            "",
		"wasm trap: integer overflow": "wasm trap: integer overflow",
		"error while executing at wasm backtrace:\n    0: 0x1 - evil\n\nCaused by:\n    wasm trap: a\n\nCaused by:\n    wasm trap: b\n": "wasm trap: b",
		"top\n\nCaused by:\n    0: middle\n    1: invalid utf-8 sequence of 1 bytes from index 0":                                       "invalid utf-8 sequence of 1 bytes from index 0",
	} {
		if got := lastCause(text); got != want {
			t.Errorf("lastCause(%q) = %q, want %q", text, got, want)
		}
	}
}

// FuzzLift feeds the result reader with bytes that no engine gives.
func FuzzLift(f *testing.F) {
	str, u8 := &wit.Type{Kind: wit.StringKind}, &wit.Type{Kind: wit.U8}
	pair := &wit.Type{Kind: wit.Tuple, Items: []*wit.Type{u8, str}}
	typ := &wit.Type{Kind: wit.Result, Elem: &wit.Type{Kind: wit.List, Elem: pair}, Err: &wit.Type{Kind: wit.Option, Elem: &wit.Type{Kind: wit.F32}}}
	f.Add([]byte{wireResult, 1, 1, wireList, 1, 0, 0, 0, wireTuple, 2, 0, 0, 0, wireU8, 9, wireString, 1, 0, 0, 0, 'x'})
	f.Add([]byte{wireResult, 0, 1, wireOption, 1, wireF32, 0, 0, 0x80, 0x3f})
	f.Add([]byte{wireResult, 1, 1, wireList, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := liftAll(typ, data)
		if err != nil {
			var fault *wit.Fault
			if !errors.Is(err, errWire) && !errors.As(err, &fault) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if c, err := typ.Canonical(v); err != nil || !c.Equal(v) {
			t.Fatalf("%s is not canonical: %v", v, err)
		}
		var l lowerer
		if err := l.lower(typ, v); err != nil {
			t.Fatalf("%s can be lifted but not lowered: %v", v, err)
		}
		w, err := liftAll(typ, l.buf)
		if err != nil || !w.Equal(v) {
			t.Fatalf("%s came back as %s, %v", v, w, err)
		}
	})
}

// FuzzDescription feeds the reader of what the engine says of a component.
func FuzzDescription(f *testing.F) {
	f.Add([]byte{1, 0, 0, 0, 1, 0, 0, 0, 'f', 3, 0, 0, 0, 0, 0, 1, 12, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		_, _ = parseComponent(data)
	})
}
