package api

import (
	"mime"
	"net/http"
	"strconv"
	"strings"
)

// Media types that are read and answered.
const (
	typeJSON   = "application/json"
	typeCBOR   = "application/vnd.ipld.dag-cbor"
	typeRaw    = "application/vnd.ipld.raw"
	typeCAR    = "application/vnd.ipld.car"
	typeEvents = "text/event-stream"
)

// maxRanges bounds how many media ranges of an Accept header are looked at.
const maxRanges = 32

// mediaRange is one element of an Accept header (RFC 9110, section 12.5.1).
type mediaRange struct {
	kind   string // "text/html", "text/*" or "*/*"
	params map[string]string
	q      float64
}

// accepted reads the Accept headers of r. What is not a media range is left out,
// as RFC 9110 wants of what is not understood.
func accepted(r *http.Request) []mediaRange {
	var all []mediaRange
	for element := range strings.SplitSeq(strings.Join(r.Header.Values("Accept"), ","), ",") {
		if len(all) == maxRanges {
			break
		}
		kind, params, err := mime.ParseMediaType(element)
		if err != nil || !strings.Contains(kind, "/") {
			continue
		}
		q := 1.0
		if text, ok := params["q"]; ok {
			if q, err = strconv.ParseFloat(text, 64); err != nil || !(0 <= q && q <= 1) {
				continue
			}
			delete(params, "q")
		}
		all = append(all, mediaRange{kind, params, q})
	}
	return all
}

// covers tells how exactly the range names the type: 0 is not at all.
func (m mediaRange) covers(kind string) int {
	major, _, _ := strings.Cut(kind, "/")
	switch m.kind {
	case kind:
		return 3
	case major + "/*":
		return 2
	case "*/*":
		return 1
	}
	return 0
}

// preferred is the one of offers that r likes best, the first of several, and
// the range that names it. It is empty if r takes none of them.
func preferred(r *http.Request, offers ...string) (kind string, by mediaRange) {
	ranges := accepted(r)
	if len(ranges) == 0 && r.Header.Get("Accept") == "" {
		return offers[0], mediaRange{}
	}
	best := 0.0
	for _, offer := range offers {
		var closest mediaRange
		exact := 0
		for _, m := range ranges {
			if n := m.covers(offer); n > exact {
				exact, closest = n, m
			}
		}
		if exact > 0 && closest.q > best {
			kind, by, best = offer, closest, closest.q
		}
	}
	return kind, by
}

// asksFor tells whether r names the type itself.
func asksFor(r *http.Request, kind string) bool {
	for _, m := range accepted(r) {
		if m.kind == kind && m.q > 0 {
			return true
		}
	}
	return false
}

func notAcceptable(offers ...string) *Problem {
	return problemf(NotAcceptable, "the Accept header has none of the forms that there are").hint("they are " + strings.Join(offers, ", "))
}
