package ucan

import (
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// readPayload gives every field of payload to set, which tells whether there
// is a field of that name and whether the value is of its kind. The required
// ones must be there.
func readPayload(payload ipld.Value, set func(string, ipld.Value) (known, ok bool), required ...string) error {
	if payload.Kind() != ipld.KindMap {
		return fmt.Errorf("the payload is %s, not a map", payload.Kind())
	}
	for _, key := range required {
		if _, ok := payload.Lookup(key); !ok {
			return fmt.Errorf("no field %s", key)
		}
	}
	for _, e := range payload.Entries() {
		known, ok := set(e.Key, e.Value)
		if !known {
			return fmt.Errorf("unknown field %.100q", e.Key)
		}
		if !ok {
			return fmt.Errorf("field %s is %s", e.Key, e.Value.Kind())
		}
	}
	return nil
}

func principal(v ipld.Value) (did.DID, bool) {
	s, ok := v.AsString()
	return did.DID(s), ok && s != ""
}

func seconds(v ipld.Value) (*int64, bool) {
	t, ok := v.AsInt64()
	return &t, ok
}

// timeValue is t, or null if it is nil.
func timeValue(t *int64) ipld.Value {
	if t == nil {
		return ipld.Null
	}
	return ipld.Int(*t)
}

func checkTimes(times ...*int64) error {
	for _, t := range times {
		if t != nil && (*t > MaxTime || *t < -MaxTime) {
			return fmt.Errorf("a time of %d is outside ±(2^53−1) seconds", *t)
		}
	}
	return nil
}

// checkCommand tells whether s is a command: "/", or segments that are not
// empty, each after a slash, without upper-case letters (UCAN Delegation 1.0,
// "Command").
func checkCommand(s string) error {
	switch {
	case !strings.HasPrefix(s, "/"):
		return fmt.Errorf("command %.100q does not begin with a slash", s)
	case s == "/":
		return nil
	case strings.HasSuffix(s, "/"):
		return fmt.Errorf("command %.100q ends with a slash", s)
	case strings.Contains(s, "//"):
		return fmt.Errorf("command %.100q has an empty segment", s)
	case strings.ToLower(s) != s:
		return fmt.Errorf("command %.100q has upper-case letters", s)
	}
	return nil
}

// covers tells whether the right to command wide is also one to narrow: the
// same, or whole segments more.
func covers(wide, narrow string) bool {
	rest, ok := strings.CutPrefix(narrow, wide)
	return ok && (rest == "" || rest[0] == '/' || wide == "/")
}
