package abi

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"

	fastutf8 "github.com/segmentio/asm/utf8"
)

// utf8Seeds are what is almost UTF-8, or just so.
var utf8Seeds = []string{
	"", "plain", "é", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xe0\xa0\x80", "\xed\xa0\x80", "\xed\x9f\xbf", "\xef\xbf\xbf", "\xf0\x80\x80\x80", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf",
	"\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\x80", "\xbf", "\xff", "日本語", "a\x00b", "\U0001F600",
}

// The fast check of UTF-8 says what the standard library says, wherever in a text
// the odd place is.
func TestFastUTF8(t *testing.T) {
	t.Parallel()
	for _, seed := range utf8Seeds {
		for _, filler := range []string{"e", "é", "日", "\U0001F600"} {
			for n := range 70 {
				text := strings.Repeat(filler, n) + seed
				for _, s := range []string{text, text + filler, text + strings.Repeat("e", 64), seed + text} {
					if want := utf8.ValidString(s); validUTF8(s) != want || fastutf8.Valid([]byte(s)) != want {
						t.Fatalf("%q: want %t", s, want)
					}
				}
			}
		}
	}
}

func FuzzFastUTF8(f *testing.F) {
	for _, seed := range utf8Seeds {
		f.Add([]byte(seed), uint8(7))
	}
	f.Fuzz(func(t *testing.T, data []byte, n uint8) {
		for _, b := range [][]byte{data, append(bytes.Repeat([]byte("é"), int(n)), data...), append(bytes.Repeat([]byte("e"), int(n)), data...)} {
			if want := utf8.Valid(b); fastutf8.Valid(b) != want {
				t.Errorf("%q: want %t", b, want)
			}
		}
	})
}
