package workflow

import (
	"fmt"
	"slices"
	"strings"
)

// near returns at most three of names that a person who wrote name may have
// meant, best first.
func near(name string, names []string) []string {
	type hit struct {
		name string
		dist int
	}
	if len(name) > 64 {
		return nil
	}
	var hits []hit
	limit := 1 + len(name)/4
	folded := fold(name)
	for _, n := range names {
		if len(n) > 2*len(name)+limit { // spare the rest
			continue
		}
		other := fold(n)
		d := distance(folded, other, limit)
		if d > limit || 2*d >= len(folded) && !sameStart(folded, other) { // too little in common
			continue
		}
		hits = append(hits, hit{n, d})
	}
	slices.SortStableFunc(hits, func(a, b hit) int { return a.dist - b.dist })
	var out []string
	for _, h := range hits[:min(3, len(hits))] {
		out = append(out, h.name)
	}
	return out
}

// sameStart tells whether a and b begin with the same byte.
func sameStart(a, b string) bool { return a != "" && b != "" && a[0] == b[0] }

var separators = strings.NewReplacer("-", "", "_", "", " ", "")

// fold drops what people vary in names.
func fold(s string) string {
	return strings.ToLower(separators.Replace(s))
}

// distance is the edit distance of a and b where neighbours swapped count as
// one, or more than limit.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, prev, row := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		row[0] = i
		least := i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
			least = min(least, row[j])
		}
		if least > limit {
			return limit + 1
		}
		before, prev, row = prev, row, before
	}
	return prev[len(b)]
}

// didYouMean is a hint that offers names, or empty.
func didYouMean(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "did you mean " + orList(names) + "?"
}

// orList is `"a"`, `"a" or "b"`, `"a", "b" or "c"`.
func orList(names []string) string {
	quoted := make([]string, len(names))
	for i, n := range names {
		quoted[i] = quote(n)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " or " + quoted[last]
}

// quote shows text of the document, cut where it is long.
func quote(s string) string {
	const most = 80
	if len(s) <= most {
		return fmt.Sprintf("%q", s)
	}
	cut := most
	for cut > 0 && s[cut]&0xc0 == 0x80 {
		cut--
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:cut], len(s))
}
