package abi

import (
	"math"
	"testing"
)

func TestShortest(t *testing.T) {
	t.Parallel()
	for _, f := range []float64{0, 0.1, 0.2, 5, 1e-45, 3.4028235e38, 16777216} {
		if got := Shortest(float32(f)); got != f {
			t.Errorf("Shortest(%v) = %v", float32(f), got)
		}
	}
	if got := Shortest(math.Float32frombits(0x15ae43fd)); math.Float32bits(float32(got)) != 0x15ae43fd {
		t.Errorf("what a guest gave as %x comes back as %x", 0x15ae43fd, math.Float32bits(float32(got)))
	}
	if got := Shortest(float32(math.Copysign(0, -1))); !math.Signbit(got) {
		t.Error("the sign of zero is lost")
	}
	if !math.IsNaN(Shortest(float32(math.NaN()))) || !math.IsInf(Shortest(float32(math.Inf(1))), 1) {
		t.Error("NaN or infinity is lost")
	}
}
