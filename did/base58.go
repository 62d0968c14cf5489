package did

import "errors"

// Base58btc as did:key and multibase use it: big-endian, and one leading '1'
// for each leading zero byte. The mapping is one to one, so a text that
// decodes is the only text of its bytes.

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// maxBase58 bounds a text to decode, in characters. The longest that this
// package knows, a compressed point behind two bytes of codec, has 48.
const maxBase58 = 64

var errBase58 = errors.New("not base58btc")

// base58Digits maps a character to its digit, or to 0xff.
var base58Digits = func() (t [256]byte) {
	for i := range t {
		t[i] = 0xff
	}
	for i := range base58Alphabet {
		t[base58Alphabet[i]] = byte(i)
	}
	return t
}()

// appendBase58 appends the text of src, which must be short: the work grows
// with the square of its length.
func appendBase58(dst, src []byte) []byte {
	zeros := 0
	for zeros < len(src) && src[zeros] == 0 {
		zeros++
	}
	digits := make([]byte, 0, len(src)*138/100+1) // little-endian
	for _, b := range src[zeros:] {
		carry := uint(b)
		for i, d := range digits {
			carry += uint(d) << 8
			digits[i] = byte(carry % 58)
			carry /= 58
		}
		for carry > 0 {
			digits = append(digits, byte(carry%58))
			carry /= 58
		}
	}
	for range zeros {
		dst = append(dst, base58Alphabet[0])
	}
	for i := len(digits) - 1; i >= 0; i-- {
		dst = append(dst, base58Alphabet[digits[i]])
	}
	return dst
}

// appendUnbase58 appends the bytes of the text s, of at most maxBase58
// characters.
func appendUnbase58(dst []byte, s string) ([]byte, error) {
	if len(s) > maxBase58 {
		return nil, errBase58
	}
	zeros := 0
	for zeros < len(s) && s[zeros] == base58Alphabet[0] {
		zeros++
	}
	// Five digits at a time are multiplied into little-endian 32-bit limbs.
	var limbs [(maxBase58*5860/8000 + 4) / 4]uint32
	used := 0
	for rest := s[zeros:]; len(rest) > 0; {
		n := min(5, len(rest))
		scale, carry := uint64(1), uint64(0)
		for i := range n {
			d := base58Digits[rest[i]]
			if d == 0xff {
				return nil, errBase58
			}
			scale *= 58
			carry = carry*58 + uint64(d)
		}
		rest = rest[n:]
		for i := range used {
			carry += uint64(limbs[i]) * scale
			limbs[i] = uint32(carry)
			carry >>= 32
		}
		if carry > 0 {
			limbs[used] = uint32(carry)
			used++
		}
	}
	for range zeros {
		dst = append(dst, 0)
	}
	leading := true
	for i := used - 1; i >= 0; i-- {
		for shift := 24; shift >= 0; shift -= 8 {
			b := byte(limbs[i] >> shift)
			if leading = leading && b == 0; !leading {
				dst = append(dst, b)
			}
		}
	}
	return dst, nil
}
