package ucan

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// selector is a path into the arguments (UCAN Delegation 1.0, "Selectors"). The
// empty one is the whole.
type selector []segment

type segment struct {
	kind     segmentKind
	optional bool   // what can not be resolved is null
	key      string // field
	from, to int    // index (from), slice
}

type segmentKind uint8

const (
	field segmentKind = iota
	values
	index
	slice
)

// toEnd stands for the end of a slice that names none.
const toEnd = maxIndex + 1

// maxIndex bounds the numbers in a selector; no token has as many elements.
const maxIndex = 1<<31 - 2

// parseSelector reads a selector: "." alone; or a dot, then segments. A segment
// is a name, ["any key" in JSON], [], [number] or [from:to] where one of the
// numbers may be missing. All but the first name have a dot before them.
// Question marks after a segment make it optional.
func parseSelector(s string) (selector, error) {
	if s == "." {
		return nil, nil
	}
	rest := s
	if strings.HasPrefix(s, ".[") {
		rest = s[1:]
	} else if !strings.HasPrefix(s, ".") {
		return nil, fmt.Errorf("selector %.100q does not begin with a dot", s)
	}
	var out selector
	for rest != "" {
		var seg segment
		var n int
		switch rest[0] {
		case '.':
			n = 1 + nameLen(rest[1:])
			seg = segment{kind: field, key: rest[1:n]}
			if n == 1 {
				return nil, fmt.Errorf("selector %.100q has a dot without a name after it (a key of other signs is written [\"like this\"])", s)
			}
		case '[':
			var ok bool
			if seg, n, ok = parseBracket(rest); !ok {
				return nil, fmt.Errorf("selector %.100q: want [\"key\"], [], [1], [-1], [1:2], [1:] or [:2] where it has %.40q", s, rest)
			}
		default:
			return nil, fmt.Errorf("selector %.100q: want a dot or [ where it has %.40q (a key of other signs is written [\"like this\"])", s, rest)
		}
		rest = rest[n:]
		for strings.HasPrefix(rest, "?") {
			seg.optional, rest = true, rest[1:]
		}
		out = append(out, seg)
	}
	return out, nil
}

// nameLen is the length of the name that s begins with.
func nameLen(s string) int {
	for i := range len(s) {
		c := s[i] | 0x20
		if s[i] != '_' && (c < 'a' || c > 'z') && (i == 0 || s[i] < '0' || s[i] > '9') {
			return i
		}
	}
	return len(s)
}

// parseBracket reads the segment in brackets that s begins with, and its length.
func parseBracket(s string) (seg segment, n int, ok bool) {
	if strings.HasPrefix(s, `["`) {
		n = quotedLen(s[1:]) + 1
		if !strings.HasPrefix(s[n:], "]") {
			return seg, 0, false
		}
		v, err := ipld.DecodeJSON([]byte(s[1:n]))
		if err != nil {
			return seg, 0, false
		}
		key, ok := v.AsString()
		return segment{kind: field, key: key}, n + 1, ok
	}
	n = strings.IndexByte(s, ']')
	if n < 0 {
		return seg, 0, false
	}
	inner := s[1:n]
	if inner == "" {
		return segment{kind: values}, n + 1, true
	}
	from, to, isSlice := strings.Cut(inner, ":")
	if !isSlice {
		seg.kind = index
		seg.from, ok = parseIndex(inner)
		return seg, n + 1, ok
	}
	seg = segment{kind: slice, to: toEnd}
	if ok = from != "" || to != ""; ok && from != "" {
		seg.from, ok = parseIndex(from)
	}
	if ok && to != "" {
		seg.to, ok = parseIndex(to)
	}
	return seg, n + 1, ok
}

// quotedLen is the length of the JSON string that s begins with, or of s if it
// does not end.
func quotedLen(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(s)
}

// parseIndex reads a number in its only spelling.
func parseIndex(s string) (int, bool) {
	n, err := strconv.ParseInt(s, 10, 32)
	i := int(n)
	return i, err == nil && strconv.Itoa(i) == s && i <= maxIndex && i >= -maxIndex
}

// resolve returns what s selects in v, and whether there is such a thing. It
// stops at the first segment that is not optional and finds nothing.
func (s selector) resolve(v ipld.Value, w *work) (ipld.Value, bool) {
	w.spend(len(s))
	for i := range s {
		next, ok := s[i].step(v, w)
		if !ok && !s[i].optional {
			return ipld.Null, false
		}
		v = next // null if it was optional
	}
	return v, true
}

// step selects in v. A key that a map does not have is null.
func (s *segment) step(v ipld.Value, w *work) (ipld.Value, bool) {
	switch s.kind {
	case field:
		found, _ := v.Lookup(s.key)
		return found, v.Kind() == ipld.KindMap
	case values:
		return collect(v, w)
	case index:
		i := s.from
		if i < 0 {
			i += v.Len()
		}
		return at(v, i)
	}
	from, to := clamp(s.from, v.Len()), clamp(s.to, v.Len())
	return part(v, from, max(from, to))
}

// collect is a list as it is, or the values of a map.
func collect(v ipld.Value, w *work) (ipld.Value, bool) {
	switch v.Kind() {
	case ipld.KindList:
		return v, true
	case ipld.KindMap:
		if !w.spend(v.Len()) {
			return ipld.Null, false
		}
		out := make([]ipld.Value, v.Len())
		for i, e := range v.Entries() {
			out[i] = e.Value
		}
		return ipld.List(out...), true
	}
	return ipld.Null, false
}

// at is element i of a list, or byte i.
func at(v ipld.Value, i int) (ipld.Value, bool) {
	if i < 0 || i >= v.Len() {
		return ipld.Null, false
	}
	if b, ok := v.AsBytes(); ok {
		return ipld.Int(int64(b[i])), true
	}
	if v.Kind() != ipld.KindList {
		return ipld.Null, false
	}
	return v.Elems()[i], true
}

// part is a range of a list or of bytes, both ends within it.
func part(v ipld.Value, from, to int) (ipld.Value, bool) {
	if b, ok := v.AsBytes(); ok {
		return ipld.BytesString(b[from:to]), true
	}
	if v.Kind() != ipld.KindList {
		return ipld.Null, false
	}
	return ipld.List(v.Elems()[from:to]...), true
}

// clamp is the place that i, from the end if negative, means in n elements.
func clamp(i, n int) int {
	if i < 0 {
		i += n
	}
	return min(max(i, 0), n)
}
