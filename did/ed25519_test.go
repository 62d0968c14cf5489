package did

import (
	"crypto/ed25519"
	"encoding/hex"
	"math/big"
	"slices"
	"testing"
)

// TestEd25519AsStandard holds verification to crypto/ed25519 where libraries
// are known to differ: points of small and mixed order, points and scalars in
// encodings that are not the shortest. Here verifiers are asked directly;
// [ParsePublicKey] refuses most of these keys before.
func TestEd25519AsStandard(t *testing.T) {
	t.Parallel()
	points := oddPoints(t)
	accepted := 0
	agree := func(pub, msg, sig []byte) {
		t.Helper()
		want := ed25519.Verify(pub, msg, sig)
		if got := ed25519Public(pub).verify(msg, sig); got != want {
			t.Errorf("key %x, message %q, signature %x: %v, expected %v", pub, msg, sig, got, want)
		}
		if want {
			accepted++
		}
	}
	for _, pub := range points {
		for _, r := range points {
			for _, msg := range []string{"", "a", "b", "c", "d", "e", "f", "g"} {
				agree(pub, []byte(msg), append(slices.Clone(r), make([]byte, 32)...)) // S = 0
			}
		}
	}
	if accepted == 0 {
		t.Error("not one of these signatures is accepted: the test has lost its subject")
	}
	priv := ed25519.NewKeyFromSeed(make([]byte, 32))
	pub, msg := []byte(priv.Public().(ed25519.PublicKey)), []byte("message")
	sig := ed25519.Sign(priv, msg)
	agree(pub, msg, sig)
	for _, k := range []int64{1, 2, 7, 15} { // the same S, written longer
		agree(pub, msg, append(slices.Clone(sig[:32]), plusOrder(sig[32:], k)...))
	}
	for bit := range len(sig) * 8 {
		changed := slices.Clone(sig)
		changed[bit/8] ^= 1 << (bit % 8)
		agree(pub, msg, changed)
	}
	for bit := range len(pub) * 8 {
		changed := slices.Clone(pub)
		changed[bit/8] ^= 1 << (bit % 8)
		agree(changed, msg, sig)
	}
	for _, r := range points {
		agree(pub, msg, append(slices.Clone(r), sig[32:]...))
	}
}

func FuzzEd25519AsStandard(f *testing.F) {
	priv := ed25519.NewKeyFromSeed(make([]byte, 32))
	f.Add([]byte(priv.Public().(ed25519.PublicKey)), []byte("message"), ed25519.Sign(priv, []byte("message")))
	f.Fuzz(func(t *testing.T, pub, msg, sig []byte) {
		if len(pub) != ed25519.PublicKeySize || len(sig) != ed25519.SignatureSize {
			return
		}
		if got, want := ed25519Public(pub).verify(msg, sig), ed25519.Verify(pub, msg, sig); got != want {
			t.Errorf("%v, expected %v", got, want)
		}
	})
}

// oddPoints are all encodings of the points of small order, with either sign
// and y above the field's prime too, and points of no order at all.
func oddPoints(t *testing.T) (points [][]byte) {
	t.Helper()
	for _, y := range slices.Concat(smallOrder[:], []string{
		"\xed" + fieldPrime[1:], // p, which is 0
		"\xee" + fieldPrime[1:], // p + 1
	}) {
		low, high := []byte(y), []byte(y)
		high[31] |= 0x80
		points = append(points, low, high)
	}
	for _, text := range []string{
		"0200000000000000000000000000000000000000000000000000000000000000", // on no curve
		"efffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
		"ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
		"cdb267ce40c5cd45306fa5d2f29731459387dbf9eb933b7bd5aed9a765b88d4d", // of mixed order
		"5866666666666666666666666666666666666666666666666666666666666666", // the base point
	} {
		point, err := hex.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		points = append(points, point)
	}
	return points
}

// plusOrder is s, little-endian, plus k times the order of the base point.
func plusOrder(s []byte, k int64) []byte {
	order, _ := new(big.Int).SetString("7237005577332262213973186563042994240857116359379907606001950938285454250989", 10)
	be := slices.Clone(s)
	slices.Reverse(be)
	sum := new(big.Int).SetBytes(be)
	sum.Add(sum, order.Mul(order, big.NewInt(k)))
	out := make([]byte, 32)
	if sum.BitLen() <= 256 {
		sum.FillBytes(out)
	}
	slices.Reverse(out)
	return out
}
