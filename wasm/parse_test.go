package wasm

import (
	"errors"
	"math"
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

func TestShortest(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{0, 0.1, 0.2, 5, 1e-45, 3.4028235e38, 16777216} {
		if got := shortest(float32(f)); got != f {
			t.Errorf("shortest(%v) = %v", float32(f), got)
		}
	}
	if got := shortest(math.Float32frombits(0x15ae43fd)); math.Float32bits(float32(got)) != 0x15ae43fd {
		t.Errorf("what a guest gave as %x comes back as %x", 0x15ae43fd, math.Float32bits(float32(got)))
	}
	if got := shortest(float32(math.Copysign(0, -1))); !math.Signbit(got) {
		t.Error("the sign of zero is lost")
	}
	if !math.IsNaN(shortest(float32(math.NaN()))) || !math.IsInf(shortest(float32(math.Inf(1))), 1) {
		t.Error("NaN or infinity is lost")
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

// FuzzScan feeds the section scanner and the description reader.
func FuzzScan(f *testing.F) {
	f.Add([]byte("\x00asm\x0d\x00\x01\x00"))
	f.Add([]byte("\x00asm\x0d\x00\x01\x00\x01\x0e\x00asm\x01\x00\x00\x00\x05\x04\x01\x01\x01\x02\x02\x04\x01\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, data []byte) {
		m := scanMemories(data)
		if m.count < 0 || m.count > MaxMemories || m.hasMax && !m.exact {
			t.Fatalf("%+v", m)
		}
		_, _ = parseComponent(data)
	})
}
