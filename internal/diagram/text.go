package diagram

import (
	"encoding/xml"
	"strings"
	"unicode"
)

// clean is s without what is not to be seen, or not allowed in XML: control
// characters, those that turn the direction of text, and bytes that are no
// text. The two joiners that scripts are written with stay.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case unicode.IsPrint(r) || r == '\u200c' || r == '\u200d':
			return r
		case unicode.IsSpace(r):
			return ' '
		}
		return unicode.ReplacementChar
	}, s)
}

// escape is s as text and as an attribute of XML.
func escape(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(clean(s))) // a Builder takes everything
	return b.String()
}

// The widths of characters in a sans-serif font, in parts of its size. They are
// those of wide fonts: text in another is narrower than its room.
const (
	narrow = "iljIf.,:;'|!()[]{} /-`rt"
	wide   = "mwMWQ@%&"
)

func width(r rune) float64 {
	switch {
	case unicode.In(r, unicode.Mn, unicode.Me, unicode.Cf):
		return 0
	case strings.ContainsRune(narrow, r):
		return 0.39
	case strings.ContainsRune(wide, r):
		return 0.99
	case r >= 0x1F000:
		return 1.4
	case unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul) || r >= 0xFF00 && r <= 0xFF60:
		return 1.02
	case unicode.IsUpper(r):
		return 0.73
	case r > 0x7f:
		return 0.69
	}
	return 0.63
}

// textWidth is about how wide s is in a font of the given size.
func textWidth(s string, size float64) float64 {
	sum := 0.0
	for _, r := range s {
		sum += width(r)
	}
	return sum * size
}

// cut shortens s to the given room. What follows on a character, such as an
// accent, is not taken from it.
func cut(s string, size, room float64) string {
	if textWidth(s, size) <= room {
		return s
	}
	room -= textWidth("…", size)
	end, sum := 0, 0.0
	joined := false
	for i, r := range s {
		w := width(r)
		if w > 0 && !joined {
			end = i
		}
		if sum += w * size; sum > room {
			break
		}
		joined = r == '\u200d'
	}
	return strings.TrimRight(s[:end], " ") + "…"
}
