package ucan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/internal/cputime"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// web is delegations between principals that are called by letters.
type web struct {
	keys map[string]did.PrivateKey
	all  []*SignedDelegation
	name map[*SignedDelegation]string
}

func newWeb(t testing.TB) *web {
	w := &web{keys: map[string]did.PrivateKey{}, name: map[*SignedDelegation]string{}}
	for i, n := range strings.Split("sabcde", "") {
		w.keys[n] = key(t, did.Ed25519, byte(i+1))
	}
	return w
}

// add adds a delegation that is written "from to /command".
func (w *web) add(t testing.TB, text string, edit func(*Delegation)) *SignedDelegation {
	t.Helper()
	var from, to, command string
	if n, _ := fmt.Sscan(text, &from, &to, &command); n != 3 {
		t.Fatal(text)
	}
	dlg := Delegation{Audience: w.keys[to].DID(), Subject: w.keys["s"].DID(), Command: command, Nonce: text}
	if edit != nil {
		edit(&dlg)
	}
	d := delegate(t, w.keys[from], dlg)
	w.all = append(w.all, d)
	w.name[d] = text
	return d
}

func TestProve(t *testing.T) {
	t.Parallel()
	powerline := func(d *Delegation) { d.Subject, d.Powerline = "", true }
	expired := func(d *Delegation) { d.Expires = seconds64(now - 1) }
	strict := func(d *Delegation) { d.Policy = policy(t, `[["==", ".a", 2]]`) }
	other := func(d *Delegation) { d.Subject = d.Audience }
	type given struct {
		text string
		edit func(*Delegation)
	}
	for name, tt := range map[string]struct {
		given  []given
		holder string
		want   string // the chain, or why there is none
	}{
		"the subject itself":     {nil, "s", ""},
		"nothing":                {nil, "a", "InvalidClaim"},
		"one":                    {[]given{{"s a /x", nil}}, "a", "s a /x"},
		"in any order":           {[]given{{"b c /x/y", nil}, {"s a /", nil}, {"a b /x", nil}}, "c", "s a /, a b /x, b c /x/y"},
		"the shortest":           {[]given{{"s a /", nil}, {"a b /", nil}, {"b c /", nil}, {"a c /x", nil}}, "c", "s a /, a c /x"},
		"commands narrow":        {[]given{{"s a /x", nil}, {"a b /", nil}}, "b", "InvalidClaim"},
		"another command":        {[]given{{"s a /xx", nil}}, "a", "InvalidClaim"},
		"a wider way":            {[]given{{"s a /x", nil}, {"a b /", nil}, {"s c /", nil}, {"c a /", nil}}, "b", "s c /, c a /, a b /"},
		"powerline":              {[]given{{"a b /", powerline}, {"s a /x", nil}}, "b", "s a /x, a b /"},
		"a narrower powerline":   {[]given{{"a b /x/y", powerline}, {"s a /x", nil}}, "b", "s a /x, a b /x/y"},
		"a powerline for less":   {[]given{{"a b /x/z", powerline}, {"s a /x", nil}}, "b", "InvalidClaim"},
		"behind a powerline":     {[]given{{"a b /", powerline}, {"s a /x", nil}, {"b c /x", nil}}, "c", "s a /x, a b /, b c /x"},
		"not behind a powerline": {[]given{{"a b /", powerline}, {"s a /x", nil}, {"b c /", nil}}, "c", "InvalidClaim"},
		"one powerline twice":    {[]given{{"a b /", powerline}, {"s a /x", nil}, {"b c /", nil}, {"s d /", nil}, {"d a /", nil}}, "c", "s d /, d a /, a b /, b c /"},
		"powerline is no root":   {[]given{{"s a /", powerline}}, "a", "InvalidClaim"},
		"another subject":        {[]given{{"s a /", other}}, "a", "InvalidClaim"},
		"a circle":               {[]given{{"a b /", nil}, {"b a /", nil}}, "b", "InvalidClaim"},
		"a circle and a way out": {[]given{{"a b /", nil}, {"b a /", nil}, {"s b /", nil}}, "a", "s b /, b a /"},
		"expired":                {[]given{{"s a /", expired}}, "a", "Expired"},
		"expired, but another":   {[]given{{"s a /", expired}, {"s b /", nil}, {"b a /", nil}}, "a", "s b /, b a /"},
		"policy":                 {[]given{{"s a /", strict}}, "a", "MatchError"},
		"policy, but another":    {[]given{{"s a /", strict}, {"s a /x", nil}}, "a", "s a /x"},
		"the best one's reason":  {[]given{{"s a /", strict}, {"s b /", expired}, {"b a /", nil}}, "a", "MatchError"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWeb(t)
			for _, g := range tt.given {
				w.add(t, g.text, g.edit)
			}
			wish := Wish{Subject: w.keys["s"].DID(), Holder: w.keys[tt.holder].DID(), Command: "/x/y", Args: ipld.Map(entry("a", ipld.Int(1)))}
			chain, err := Prove(wish, w.all, Moment{Now: time.Unix(now, 0)})
			var names []string
			for _, d := range chain {
				names = append(names, w.name[d])
			}
			got := strings.Join(names, ", ")
			var denied *Denied
			if errors.As(err, &denied) {
				got = string(denied.Reason)
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q (%v)", got, tt.want, err)
			}
			if err != nil {
				return
			}
			// What is found is what an invocation needs.
			inv, err := Invoke(w.keys[tt.holder], Call{Subject: wish.Subject, Command: wish.Command, Args: wish.Args, Proofs: chain}, time.Unix(now, 0))
			if err != nil {
				t.Fatal(err)
			}
			c := Container{Delegations: w.all}
			if _, err := Authorize(inv, Facts{Moment: Moment{Now: time.Unix(now, 0)}, Executor: wish.Subject, Proofs: c.Proof}); err != nil {
				t.Error(err)
			}
		})
	}
}

// Forged and revoked delegations are passed over, and policies only where there
// are arguments.
func TestProvePassesOver(t *testing.T) {
	t.Parallel()
	w := newWeb(t)
	short := w.add(t, "s a /", nil)
	long := []*SignedDelegation{w.add(t, "s b /", nil), w.add(t, "b a /", nil)}
	wish := Wish{Subject: w.keys["s"].DID(), Holder: w.keys["a"].DID(), Command: "/x"}
	m := Moment{Now: time.Unix(now, 0)}
	prove := func(given ...*SignedDelegation) []*SignedDelegation {
		t.Helper()
		chain, err := Prove(wish, given, m)
		if err != nil {
			t.Error(err)
		}
		return chain
	}
	forged, err := ParseDelegation(forge(short.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if got := prove(append(long, forged)...); !slices.Equal(got, long) {
		t.Error("forged")
	}
	if _, err := Prove(wish, []*SignedDelegation{forged}, m); !errors.Is(err, InvalidSignature) {
		t.Error(err)
	}
	var set Revocations
	if err := set.Add(Revocation{Delegation: short.Link(), By: []did.DID{wish.Subject}}); err != nil {
		t.Fatal(err)
	}
	m.Revoked = set.Revoked
	if got := prove(append(long, short)...); !slices.Equal(got, long) {
		t.Error("revoked")
	}
	m.Revoked = nil
	strict := w.add(t, "s a /x", func(d *Delegation) { d.Policy = policy(t, `[["==", ".a", 2]]`) })
	if got := prove(strict); len(got) != 1 {
		t.Error("policy without arguments")
	}
	if _, err := Prove(wish, w.all, Moment{}); err == nil {
		t.Error("without a time")
	}
}

func TestCheckChain(t *testing.T) {
	t.Parallel()
	powerline := func(d *Delegation) { d.Subject, d.Powerline = "", true }
	type given struct {
		text string
		edit func(*Delegation)
	}
	for name, tt := range map[string]struct {
		given []given
		want  string // reason and proof, or nothing
	}{
		"one":                  {[]given{{"s a /x", nil}}, ""},
		"two":                  {[]given{{"s a /x", nil}, {"a b /x/y", nil}}, ""},
		"leaf first":           {[]given{{"a b /x", nil}, {"s a /x", nil}}, "InvalidAudience 0"},
		"not from the subject": {[]given{{"a b /x", nil}}, "InvalidAudience 0"},
		"a gap":                {[]given{{"s a /x", nil}, {"b c /x", nil}}, "InvalidAudience 0"},
		"wider command":        {[]given{{"s a /x/y", nil}, {"a b /x", nil}}, "InvalidCommand 0"},
		"another subject":      {[]given{{"s a /x", nil}, {"a b /x", func(d *Delegation) { d.Subject = d.Audience }}}, "InvalidSubject 1"},
		"a wide powerline":     {[]given{{"s a /x", nil}, {"a b /", powerline}}, ""},
		"a narrow powerline":   {[]given{{"s a /x", nil}, {"a b /x/y", powerline}, {"b c /x/y/z", nil}}, ""},
		"behind a narrow one":  {[]given{{"s a /x", nil}, {"a b /x/y", powerline}, {"b c /x", nil}}, "InvalidCommand 1"},
		"a powerline as root":  {[]given{{"s a /x", powerline}}, "InvalidClaim 0"},
		"expired":              {[]given{{"s a /x", nil}, {"a b /x", func(d *Delegation) { d.Expires = seconds64(now - 1) }}}, "Expired 1"},
		"too early":            {[]given{{"s a /x", func(d *Delegation) { d.NotBefore = seconds64(now + 1) }}}, "TooEarly 0"},
		"policies do not play": {[]given{{"s a /x", func(d *Delegation) { d.Policy = policy(t, `[["==", ".a", 2]]`) }}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWeb(t)
			for _, g := range tt.given {
				w.add(t, g.text, g.edit)
			}
			got := ""
			err := CheckChain(w.all, Moment{Now: time.Unix(now, 0)})
			var denied *Denied
			if errors.As(err, &denied) {
				got = fmt.Sprint(denied.Reason, " ", denied.Proof)
				if denied.Link != w.all[denied.Proof].Link() || denied.Proofs != len(w.all) {
					t.Errorf("it names %s of %d", denied.Link, denied.Proofs)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	w := newWeb(t)
	d := w.add(t, "s a /x", nil)
	m := Moment{Now: time.Unix(now, 0), Revoked: func(r *SignedDelegation, by []did.DID) bool { return r == d && by[0] == w.keys["s"].DID() }}
	if err := CheckChain(w.all, m); !errors.Is(err, Revoked) {
		t.Error("revoked:", err)
	}
	forged, err := ParseDelegation(forge(d.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := CheckChain([]*SignedDelegation{forged}, Moment{Now: time.Unix(now, 0)}); !errors.Is(err, InvalidSignature) {
		t.Error("forged:", err)
	}
	for name, err := range map[string]error{
		"no time":  CheckChain(w.all, Moment{}),
		"nothing":  CheckChain(nil, Moment{Now: time.Unix(now, 0)}),
		"too long": CheckChain(slices.Repeat(w.all, MaxProofs+1), Moment{Now: time.Unix(now, 0)}),
	} {
		if err == nil {
			t.Error(name)
		}
	}
}

// However many delegations there are, and whatever their policies cost, an end
// is reached soon.
func TestProveIsBounded(t *testing.T) {
	t.Parallel()
	w := newWeb(t)
	costly := policy(t, `[["all", ".l", ["not", ["or", [["==", ".", 1], ["==", ".", 1], ["==", ".", 1]]]]]]`)
	args := ipld.Map(entry("l", ipld.List(make([]ipld.Value, 60_000)...)))
	names := strings.Split("abcde", "")
	for _, from := range names {
		for _, to := range names {
			for i := range 8 {
				w.add(t, from+" "+to+" /", func(d *Delegation) { d.Nonce = fmt.Sprint(i); d.Policy = costly })
			}
		}
	}
	for i := range 8 {
		w.add(t, "s a /", func(d *Delegation) { d.Nonce = fmt.Sprint(i); d.Policy = costly })
	}
	wish := Wish{Subject: w.keys["s"].DID(), Holder: w.keys["e"].DID(), Command: "/x", Args: args}
	d := cputime.Of(func() {
		if chain, err := Prove(wish, w.all, Moment{Now: time.Unix(now, 0)}); err != nil || len(chain) != 2 {
			t.Errorf("%d proofs, %v", len(chain), err)
		}
		for _, d := range w.all {
			d.dlg.Policy = policy(t, `[["any", ".l", ["==", ".", 1]]]`)
		}
		if chain, err := Prove(wish, w.all, Moment{Now: time.Unix(now, 0)}); !errors.Is(err, MatchError) {
			t.Errorf("%d proofs, %v", len(chain), err)
		}
	})
	if d > 10*time.Second {
		t.Errorf("took %v", d)
	}

	// A chain of more than MaxProofs is none.
	line := newWeb(t)
	holder := line.keys["s"]
	for i := range MaxProofs + 1 {
		next := key(t, did.Ed25519, byte(50+i))
		line.all = append(line.all, delegate(t, holder, Delegation{Audience: next.DID(), Subject: line.keys["s"].DID(), Command: "/"}))
		holder = next
		_, err := Prove(Wish{Subject: line.keys["s"].DID(), Holder: next.DID(), Command: "/x"}, line.all, Moment{Now: time.Unix(now, 0)})
		if (err == nil) != (i < MaxProofs) {
			t.Errorf("%d proofs: %v", i+1, err)
		}
	}
}
