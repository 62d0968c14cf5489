package ucan

import (
	"cmp"
	"math"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// textUnit is how many bytes of text one unit of work compares.
const textUnit = 32

// equal compares all of a and b. Numbers are equal if they are the same
// number, integer or float.
func equal(a, b ipld.Value, w *work) bool {
	if !w.spend(1) {
		return false
	}
	if numeric(a) && numeric(b) {
		order, ok := compareNumbers(a, b)
		return ok && order == 0
	}
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case ipld.KindList:
		x, y := a.Elems(), b.Elems()
		for i := range x {
			if !equal(x[i], y[i], w) {
				return false
			}
		}
		return true
	case ipld.KindMap:
		x, y := a.Entries(), b.Entries()
		for i := range x {
			if x[i].Key != y[i].Key || !equal(x[i].Value, y[i].Value, w) {
				return false
			}
		}
		return true
	}
	return w.spend(a.Len()/textUnit) && a.Equal(b)
}

func numeric(v ipld.Value) bool { return v.Kind() == ipld.KindInt || v.Kind() == ipld.KindFloat }

// compareNumbers orders a and b as the numbers they are, without rounding, and
// tells whether both are numbers.
func compareNumbers(a, b ipld.Value) (order int, ok bool) {
	if !numeric(a) || !numeric(b) {
		return 0, false
	}
	f, aFloat := a.AsFloat()
	g, bFloat := b.AsFloat()
	switch {
	case aFloat && math.IsNaN(f) || bFloat && math.IsNaN(g):
		return 0, false
	case aFloat && bFloat:
		return cmp.Compare(f, g), true
	case aFloat:
		return -compareIntFloat(b, f), true
	case bFloat:
		return compareIntFloat(a, g), true
	}
	return compareInts(a, b), true
}

func compareInts(a, b ipld.Value) int {
	i, iSmall := a.AsInt64()
	j, jSmall := b.AsInt64()
	switch {
	case iSmall && jSmall:
		return cmp.Compare(i, j)
	case iSmall:
		return -1
	case jSmall:
		return 1
	}
	u, _ := a.AsUint64()
	v, _ := b.AsUint64()
	return cmp.Compare(u, v)
}

func compareIntFloat(i ipld.Value, f float64) int {
	switch {
	case f >= 1<<64:
		return -1
	case f < -1<<63:
		return 1
	}
	whole := math.Trunc(f)
	w := ipld.Int(int64(whole))
	if whole >= 0 {
		w = ipld.Uint(uint64(whole))
	}
	if order := compareInts(i, w); order != 0 {
		return order
	}
	return cmp.Compare(whole, f)
}

// glob is a pattern, taken apart at its wildcards: what it must begin with, what
// must follow in this order, and what it must end with. Without a wildcard
// there is one part.
type glob []string

// parseGlob reads a pattern. Its only special sign is *, any number of
// characters; \* is a literal star, and a backslash elsewhere is itself.
func parseGlob(pattern string) glob {
	var g glob
	var part strings.Builder
	for i := 0; i < len(pattern); i++ {
		switch {
		case strings.HasPrefix(pattern[i:], `\*`):
			part.WriteByte('*')
			i++
		case pattern[i] != '*':
			part.WriteByte(pattern[i])
		case len(g) == 0 || part.Len() > 0: // not two stars in a row
			g = append(g, part.String())
			part.Reset()
		}
	}
	return append(g, part.String())
}

// match takes the first place where a part fits; no other could do better. So
// it looks at each character of s about once.
func (g glob) match(s string, w *work) bool {
	if !w.spend(len(g) + len(s)/textUnit) {
		return false
	}
	if len(g) == 1 {
		return s == g[0]
	}
	first, last := g[0], g[len(g)-1]
	if len(s) < len(first)+len(last) || !strings.HasPrefix(s, first) || !strings.HasSuffix(s, last) {
		return false
	}
	s = s[len(first) : len(s)-len(last)]
	for _, part := range g[1 : len(g)-1] {
		i := strings.Index(s, part)
		if i < 0 {
			return false
		}
		s = s[i+len(part):]
	}
	return true
}
