package wit

import (
	"strings"
	"unicode"
)

// words is the key under which names match by words: the words of name in
// lower case, joined by "-". Two names with equal, non-empty keys consist of
// the same words.
//
// A word is a run of letters or a run of digits. Words are separated by "-",
// "_" and spaces, by the step from a lower-case to an upper-case letter, by
// the last capital of an acronym that a lower-case letter follows, and between
// letters and digits. So fullName, full-name, full_name, FullName, FULL_NAME
// and "full name" are one name, as are parseURL and parse-url, HTTPServer and
// http-server, rotate90 and rotate-90; fullname is another.
//
// The key of a name with any other character is empty: such a name matches
// only when spelled exactly.
func words(name string) string {
	if len(name) > maxName {
		return ""
	}
	var b strings.Builder
	runes := []rune(name)
	prev := separator
	for i, r := range runes {
		c := classOf(r)
		if c == foreign {
			return ""
		}
		if c == separator {
			prev = c
			continue
		}
		if b.Len() > 0 && startsWord(prev, c, runes[i+1:]) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
		prev = c
	}
	return b.String()
}

// class is what a character is within a name.
type class uint8

const (
	separator class = iota
	lower
	upper
	digit
	foreign
)

func classOf(r rune) class {
	switch {
	case r == '-' || r == '_' || r == ' ':
		return separator
	case unicode.IsUpper(r) || unicode.IsTitle(r):
		return upper
	case unicode.IsLetter(r) || unicode.IsMark(r):
		return lower
	case unicode.IsDigit(r):
		return digit
	}
	return foreign
}

// startsWord tells whether a character of class c after one of class prev
// begins a new word, given what follows it.
func startsWord(prev, c class, rest []rune) bool {
	switch {
	case prev == separator || (prev == digit) != (c == digit):
		return true
	case prev == lower && c == upper:
		return true
	case prev == upper && c == upper:
		return len(rest) > 0 && classOf(rest[0]) == lower
	}
	return false
}

// near returns up to three of names that a person may have meant by name,
// closest first.
func near(name string, names []string) []string {
	const most = 3
	key := nearKey(name)
	var found [most]struct {
		name string
		dist int
	}
	n := 0
	for _, candidate := range names {
		d := distance(key, nearKey(candidate))
		if d > (len(key)+1)/3 {
			continue
		}
		i := n
		for i > 0 && found[i-1].dist > d {
			i--
		}
		if i == most {
			continue
		}
		n = min(n+1, most)
		copy(found[i+1:n], found[i:])
		found[i].name, found[i].dist = candidate, d
	}
	out := make([]string, n)
	for i := range out {
		out[i] = found[i].name
	}
	return out
}

// nearKey is what is compared when suggesting: letters and digits only, so
// that fullname is near full-name.
func nearKey(name string) string {
	_, name = split(name)
	return strings.Map(func(r rune) rune {
		if classOf(r) == separator {
			return -1
		}
		return unicode.ToLower(r)
	}, name)
}

// distance is the number of bytes to insert, delete, replace or swap with
// their neighbour to make b of a (optimal string alignment). Strings of more
// than 64 bytes, and of lengths that differ by more than 16, are too far apart
// to measure.
func distance(a, b string) int {
	const far = 1 << 20
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) > 16 || len(b)-len(a) > 16 {
		return far
	}
	var before, last, row [65]int
	for j := range len(b) + 1 {
		last[j] = j
	}
	for i := range len(a) {
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			row[j+1] = min(last[j+1]+1, row[j]+1, last[j]+cost)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// SameWords tells whether two names of a function, a parameter or a field are
// the same but for how their words are joined: firstName and first-name are.
func SameWords(a, b string) bool {
	w := words(a)
	return a == b || w != "" && w == words(b)
}
