// Command numbers is a library of number theory: each function with a
// go:wasmexport line is one that ipvm calls. Its parameters and results are
// numbers, so it needs no description of its types.
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared
package main

import "math/bits"

// main is never called in a library.
func main() {}

// gcd is the greatest common divisor; that of 0 and 0 is 0.
//
//go:wasmexport gcd
func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

// power is base to the exponent, modulo m.
//
//go:wasmexport power
func power(base, exponent, m uint64) uint64 {
	if m == 0 {
		panic("power: there are no remainders by 0")
	}
	result := 1 % m
	base %= m
	for ; exponent > 0; exponent >>= 1 {
		if exponent&1 == 1 {
			result = multiply(result, base, m)
		}
		base = multiply(base, base, m)
	}
	return result
}

// multiply is a times b modulo m, both less than m.
func multiply(a, b, m uint64) uint64 {
	high, low := bits.Mul64(a, b)
	_, remainder := bits.Div64(high, low, m)
	return remainder
}

// isPrime is 1 for a prime number and 0 for any other.
//
//go:wasmexport is-prime
func isPrime(n uint64) bool {
	// These bases tell the primes below 2^64 from all other numbers (Miller
	// and Rabin's test; the bases are Jim Sinclair's).
	for _, p := range []uint64{2, 3, 5, 7, 11, 13} {
		if n%p == 0 {
			return n == p
		}
	}
	if n < 17*17 {
		return n > 1
	}
	shift := bits.TrailingZeros64(n - 1)
	odd := (n - 1) >> shift
	for _, base := range []uint64{2, 325, 9375, 28178, 450775, 9780504, 1795265022} {
		if base%n != 0 && !probable(power(base, odd, n), shift, n) {
			return false
		}
	}
	return true
}

// probable tells whether squaring x up to shift times shows n to be no prime.
func probable(x uint64, shift int, n uint64) bool {
	if x == 1 || x == n-1 {
		return true
	}
	for range shift - 1 {
		x = multiply(x, x, n)
		if x == n-1 {
			return true
		}
	}
	return false
}

// nextPrime is the least prime number above n.
//
//go:wasmexport next-prime
func nextPrime(n uint64) uint64 {
	const largest = 18446744073709551557
	if n >= largest {
		panic("next-prime: the next prime number does not fit into 64 bits")
	}
	for n++; !isPrime(n); n++ {
	}
	return n
}

// mean is the arithmetic mean of two numbers.
//
//go:wasmexport mean
func mean(a, b float64) float64 { return a/2 + b/2 }
