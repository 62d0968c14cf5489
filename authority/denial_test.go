package authority_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// A denial says who denied which invocation, when and why, and no bit of that can
// be changed.
func TestDenial(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, one)
	lent := r.grant(t, `[]`)
	wish, other := r.sign(t, g, lent), r.sign(t, g, lent)
	data, err := authority.Deny(r.Key, wish, errors.New("no\xff more"), r.now)
	must(t, err)
	d, err := authority.ParseDenial(data)
	if err != nil || d.Node != r.Key.DID() || !d.At.Equal(r.now) || d.Reason != "no more" || !d.Answers(wish) || d.Answers(other) {
		t.Errorf("%+v, %v", d, err)
	}
	c, err := ucan.ReadContainer(data, nil)
	must(t, err)
	good := c.Invocations[0].Bytes()
	for bit := range 8 * len(good) {
		changed := append([]byte(nil), good...)
		changed[bit/8] ^= 1 << (bit % 8)
		inv, err := ucan.ParseInvocation(changed)
		if err != nil {
			continue
		}
		bad := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}}
		packed, err := bad.Append(nil, ucan.Plain)
		must(t, err)
		if d, err := authority.ParseDenial(packed); err == nil {
			t.Errorf("bit %d: %+v", bit, d)
		}
	}
	if _, err := authority.ParseDenial(wish); !errors.Is(err, ucan.ErrMalformed) {
		t.Errorf("a wish: %v", err)
	}
	if _, err := authority.Deny(r.Key, []byte("hello"), errors.New("no"), r.now); !errors.Is(err, ucan.ErrMalformed) {
		t.Errorf("bound to nothing: %v", err)
	}
	long, err := authority.Deny(r.Key, wish, errors.New(strings.Repeat("é", 1<<20)), r.now)
	if err != nil || len(long) > 8<<10 {
		t.Errorf("%d bytes, %v", len(long), err)
	}
}

// What says anything else, or more, is no denial.
func TestDenialFields(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	good := `{"at": 1, "out": {"error": {"kind": "denied", "reason": "no"}}, "ran": {"/": {"bytes": "` + strings.Repeat("A", 43) + `"}}}`
	for name, change := range map[string][2]string{
		"good":      {"", ""},
		"no time":   {`"at": 1, `, ""},
		"a short":   {"AAAAAAAA", "AAAA"},
		"ok":        {`"error"`, `"ok"`},
		"kind":      {`"denied"`, `"guest"`},
		"no reason": {`, "reason": "no"`, ""},
		"more":      {`"no"`, `"no", "x": 1`},
		"beside":    {`"at": 1`, `"at": 1, "by": 1`},
	} {
		v, err := ipld.DecodeJSON([]byte(strings.Replace(good, change[0], change[1], 1)))
		must(t, err)
		inv, err := ucan.Invoke(r.Key, ucan.Call{Command: authority.DenyCommand, Args: v, Forever: true}, r.now)
		must(t, err)
		c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}}
		data, err := c.Append(nil, ucan.Plain)
		must(t, err)
		if _, err := authority.ParseDenial(data); (err == nil) != (name == "good") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
