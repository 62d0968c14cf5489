package ucan

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// key is a fixed key of the type, another one for each seed.
func key(t testing.TB, kind did.KeyType, seed byte) did.PrivateKey {
	t.Helper()
	codec := map[did.KeyType]string{did.Ed25519: "\x80\x26", did.P256: "\x86\x26", did.Secp256k1: "\x81\x26"}[kind]
	k, err := did.ParseMultibase("u" + base64url(codec+strings.Repeat(string(rune(seed)), 32)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// now is the moment at which chains are judged.
const now = 1_800_000_000

// story is a chain of three proofs with keys of all types, from the node to
// dan, and dan's invocation of /crud/read on the node; and what may be wrong
// with it.
type story struct {
	keys    []did.PrivateKey // issuer of each proof, then the invoker
	proofs  []Delegation
	inv     Invocation
	forged  map[int]bool // proofs with another signature; len(proofs) is the invocation
	missing map[int]bool
	revoked map[int]bool
	facts   Facts

	tokens []*SignedDelegation
}

func newStory(t testing.TB) *story {
	t.Helper()
	node, alice, bob, carol := key(t, did.Ed25519, 1), key(t, did.P256, 2), key(t, did.Secp256k1, 3), key(t, did.Ed25519, 4)
	return &story{
		keys: []did.PrivateKey{node, alice, bob, carol},
		proofs: []Delegation{
			{Audience: alice.DID(), Subject: node.DID(), Command: "/", Expires: seconds64(now), Nonce: "1"},
			{Audience: bob.DID(), Subject: node.DID(), Command: "/crud", NotBefore: seconds64(now), Policy: policy(t, `[["like", ".uri", "https://example.com/*"]]`)},
			{Audience: carol.DID(), Subject: node.DID(), Command: "/crud/read", Policy: policy(t, `[["<", ".size", 100]]`), Nonce: "3"},
		},
		inv: Invocation{
			Subject: node.DID(), Command: "/crud/read", Expires: seconds64(now), Nonce: "4",
			Args: ipld.Map(entry("uri", ipld.String("https://example.com/x")), entry("size", ipld.Int(99))),
		},
		forged: map[int]bool{}, missing: map[int]bool{}, revoked: map[int]bool{},
		facts: Facts{Moment: Moment{Now: time.Unix(now, 0)}, Executor: node.DID()},
	}
}

// forge is data with another signature.
func forge(data []byte) []byte {
	data = bytes.Clone(data)
	data[20] ^= 1
	return data
}

// invoke signs everything.
func (s *story) invoke(t testing.TB) *SignedInvocation {
	t.Helper()
	found := map[ipld.Link]*SignedDelegation{}
	var gone []ipld.Link
	s.tokens, s.inv.Proofs = nil, nil
	for i, dlg := range s.proofs {
		token := delegate(t, s.keys[i], dlg)
		if s.forged[i] {
			var err error
			if token, err = ParseDelegation(forge(token.Bytes())); err != nil {
				t.Fatal(err)
			}
		}
		s.tokens = append(s.tokens, token)
		s.inv.Proofs = append(s.inv.Proofs, token.Link())
		if !s.missing[i] {
			found[token.Link()] = token
		}
		if s.revoked[i] {
			gone = append(gone, token.Link())
		}
	}
	s.facts.Proofs = lookup(found)
	s.facts.Revoked = func(d *SignedDelegation, by []did.DID) bool {
		for i := range s.proofs {
			if by[i] != s.keys[i].DID() || len(by) != len(s.proofs) {
				t.Errorf("issuers %v", by)
			}
		}
		for _, link := range gone {
			if link == d.Link() {
				return true
			}
		}
		return false
	}
	inv := sign(t, s.keys[len(s.proofs)], s.inv)
	if !s.forged[len(s.proofs)] {
		return inv
	}
	inv, err := ParseInvocation(forge(inv.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func (s *story) judge(t testing.TB) (*Authorisation, error) {
	t.Helper()
	return Authorize(s.invoke(t), s.facts)
}

// The story as it is told, and what may be different in it.
func TestAuthorize(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*story){
		"as it is":           func(*story) {},
		"aud is not sub":     func(s *story) { s.inv.Audience = s.keys[1].DID(); s.facts.Executor = s.keys[1].DID() },
		"aud is sub":         func(s *story) { s.inv.Audience = s.inv.Subject },
		"powerline":          func(s *story) { s.proofs[1].Subject, s.proofs[1].Powerline = "", true },
		"powerline for all":  func(s *story) { s.proofs[0].Command, s.proofs[1] = "/crud", s.powerline(1); s.proofs[1].Command = "/" },
		"two powerlines":     func(s *story) { s.proofs[1].Subject, s.proofs[1].Powerline = "", true; s.proofs[2] = s.powerline(2) },
		"commands of one":    func(s *story) { s.proofs[0].Command, s.proofs[2].Command = "/crud", "/crud" },
		"command below":      func(s *story) { s.inv.Command = "/crud/read/fast" },
		"empty nonces":       func(s *story) { s.inv.Nonce, s.proofs[0].Nonce, s.proofs[2].Nonce = "", "", "" },
		"one proof":          func(s *story) { s.keep(1) },
		"self-issued":        func(s *story) { s.keep(0) },
		"for ever":           func(s *story) { s.inv.Expires, s.proofs[0].Expires = nil, nil; s.facts.Now = time.Unix(1<<40, 0) },
		"skewed clocks":      func(s *story) { s.facts.Skew = time.Minute; s.facts.Now = time.Unix(now+60, 0) },
		"skewed otherwise":   func(s *story) { s.facts.Skew = time.Minute; s.facts.Now = time.Unix(now-60, 0) },
		"skew below zero":    func(s *story) { s.facts.Skew = -time.Hour },
		"parts of a second":  func(s *story) { s.facts.Now = time.Unix(now, 999_999_999) },
		"nobody revokes":     func(s *story) { s.facts.Revoked = nil },
		"to oneself in turn": func(s *story) { s.proofs[2].Audience = s.keys[2].DID(); s.keys[3] = s.keys[2] },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			edit(s)
			a, err := s.judge(t)
			if err != nil {
				t.Fatal(err)
			}
			if len(a.Chain()) != len(s.proofs) || a.Invocation().Invocation().Nonce != s.inv.Nonce {
				t.Errorf("%d proofs", len(a.Chain()))
			}
		})
	}
}

func (s *story) powerline(i int) Delegation {
	dlg := s.proofs[i]
	dlg.Subject, dlg.Powerline = "", true
	return dlg
}

// swap lets two proofs and those who issued them change places.
func (s *story) swap(i, j int) {
	s.proofs[i], s.proofs[j] = s.proofs[j], s.proofs[i]
	s.keys[i], s.keys[j] = s.keys[j], s.keys[i]
}

// keep leaves n proofs; the audience of the last invokes.
func (s *story) keep(n int) { s.proofs, s.keys = s.proofs[:n], s.keys[:n+1] }

// Facts that were forgotten are no facts.
func TestAuthorizeNeedsFacts(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		denied bool
		edit   func(*Facts)
	}{
		"no executor": {false, func(f *Facts) { f.Executor = "" }},
		"no time":     {false, func(f *Facts) { f.Now = time.Time{} }},
		"no proofs":   {true, func(f *Facts) { f.Proofs = nil }},
		"nil proofs":  {true, func(f *Facts) { f.Proofs = func(ipld.Link) (*SignedDelegation, error) { return nil, nil } }},
	} {
		s := newStory(t)
		s.proofs[1].NotBefore = nil
		inv := s.invoke(t)
		tt.edit(&s.facts)
		a, err := Authorize(inv, s.facts)
		if a != nil || err == nil || errors.Is(err, UnavailableProof) != tt.denied {
			t.Errorf("%s: %v", name, err)
		}
	}
	s := newStory(t)
	a, err := s.judge(t)
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Recheck(Moment{}, s.inv.Args); err == nil {
		t.Error("checked again without a time")
	}
}

// A lookup that returns another delegation than asked for is not believed.
func TestAuthorizeChecksLinks(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	inv := s.invoke(t)
	wide := s.proofs[1]
	wide.Policy = Policy{}
	other := delegate(t, s.keys[1], wide)
	right := s.facts.Proofs
	s.facts.Proofs = func(link ipld.Link) (*SignedDelegation, error) {
		if link == s.tokens[1].Link() {
			return other, nil
		}
		return right(link)
	}
	if _, err := Authorize(inv, s.facts); !errors.Is(err, UnavailableProof) {
		t.Error(err)
	}
}

// fault is something that is wrong with a story. It is found in a group of
// checks (of the whole chain, one group after the other), there at a place of
// the chain (a proof or, 3, the invocation), there as one of several checks.
type fault struct {
	name                string
	group, place, check int
	want                Reason
	proof               int    // that is said to refuse
	touches             string // two faults that touch the same are not combined
	edit                func(*story)
}

// faults is all that may be wrong. Those of the order of proofs come first, so
// that what comes after them is wrong with the proof that then stands there.
func faults(t testing.TB) []fault {
	t.Helper()
	mallory, trudy := key(t, did.Ed25519, 8), key(t, did.Ed25519, 9)
	no := policy(t, `[["==", ".size", -1]]`)
	all := []fault{
		{"other executor", 0, 0, 0, InvalidAudience, -1, "", func(s *story) { s.facts.Executor = mallory.DID() }},
		{"invocation forged", 1, 0, 0, InvalidSignature, -1, "", func(s *story) { s.forged[3] = true }},
		{"powerline root", 3, 0, 0, InvalidClaim, 0, "sub0", func(s *story) { s.proofs[0] = s.powerline(0) }},
		{"invocation by another", 3, 3, 2, InvalidAudience, 2, "iss3", func(s *story) { s.keys[3] = mallory }},
		{"another command invoked", 3, 3, 3, InvalidCommand, 2, "", func(s *story) { s.inv.Command = "/crud/readable" }},
		{"invocation expired", 4, 3, 1, Expired, -1, "", func(s *story) { s.inv.Expires = seconds64(now - 1) }},
	}
	for i := range 3 {
		is := fmt.Sprintf(" of proof %d", i)
		all = append(
			all,
			fault{"absence" + is, 2, i, 0, UnavailableProof, i, "", func(s *story) { s.missing[i] = true }},
			fault{"wrong subject" + is, 3, i, 1, InvalidSubject, i, fmt.Sprint("sub", i), func(s *story) { s.proofs[i].Subject = mallory.DID() }},
			fault{"wrong issuer" + is, 3, i, 2, InvalidAudience, max(i-1, 0), fmt.Sprint("iss", i), func(s *story) { s.keys[i] = mallory }},
			fault{"wrong audience" + is, 3, i + 1, 2, InvalidAudience, i, "", func(s *story) { s.proofs[i].Audience = trudy.DID() }},
			fault{"early" + is, 4, i, 0, TooEarly, i, "", func(s *story) { s.proofs[i].NotBefore = seconds64(now + 1) }},
			fault{"late" + is, 4, i, 1, Expired, i, "", func(s *story) { s.proofs[i].Expires = seconds64(now - 1) }},
			fault{"revocation" + is, 5, i, 0, Revoked, i, "", func(s *story) { s.revoked[i] = true }},
			fault{"forgery" + is, 6, i, 0, InvalidSignature, i, "", func(s *story) { s.forged[i] = true }},
			fault{"policy" + is, 7, i, 0, MatchError, i, "", func(s *story) { s.proofs[i].Policy = no }},
		)
		if i > 0 {
			all = append(all, fault{"wider command" + is, 3, i, 3, InvalidCommand, i - 1, "commands of proofs", func(s *story) { s.proofs[i-1].Command, s.proofs[i].Command = "/crud/read", "/crud" }})
		}
	}
	var orders []fault
	for _, at := range [][2]int{{0, 1}, {0, 2}, {1, 2}} {
		name := fmt.Sprintf("order of proofs %d and %d", at[0], at[1])
		orders = append(orders, fault{name, 3, at[0], 2, InvalidAudience, 0, "", func(s *story) { s.swap(at[0], at[1]) }})
	}
	return append(orders, all...)
}

// Every pair of faults (and each alone) is refused, always with the reason that
// is looked for first.
func TestEveryPairOfFaults(t *testing.T) {
	t.Parallel()
	all := faults(t)
	order := func(a, b fault) int {
		return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.place, b.place), cmp.Compare(a.check, b.check))
	}
	pairs := 0
	for i, a := range all {
		for _, b := range all[:i+1] {
			same := a.name == b.name
			if !same && a.touches != "" && a.touches == b.touches {
				continue
			}
			pairs++
			s := newStory(t)
			if !same {
				b.edit(s)
			}
			a.edit(s)
			first := a
			if order(b, a) < 0 {
				first = b
			}
			inv := s.invoke(t)
			auth, err := Authorize(inv, s.facts)
			var denied *Denied
			if auth != nil || !errors.As(err, &denied) {
				t.Errorf("%s and %s: %v", a.name, b.name, err)
				continue
			}
			if denied.Reason != first.want || denied.Proof != first.proof || !errors.Is(err, first.want) {
				t.Errorf("%s and %s: want %s of proof %d: %v", a.name, b.name, first.want, first.proof, err)
			}
			wantLink := inv.Link()
			if denied.Proof >= 0 {
				wantLink = s.inv.Proofs[denied.Proof]
			}
			if denied.Link != wantLink || denied.Asked == "" || denied.Granted == "" || denied.Proofs != 3 {
				t.Errorf("%s and %s: %+v", a.name, b.name, denied)
			}
		}
	}
	if pairs < 700 {
		t.Errorf("%d pairs", pairs)
	}
}

// What is not a change of one link.
func TestAuthorizeRefuses(t *testing.T) {
	t.Parallel()
	mallory := key(t, did.Ed25519, 8)
	for name, tt := range map[string]struct {
		want Reason
		edit func(*story)
	}{
		"no proof": {InvalidClaim, func(s *story) { s.proofs, s.keys = nil, s.keys[3:] }},
		"only a powerline": {InvalidClaim, func(s *story) {
			s.keep(1)
			s.proofs[0] = s.powerline(0)
		}},
		"leaf first":    {InvalidAudience, func(s *story) { s.swap(0, 2) }},
		"root left out": {InvalidAudience, func(s *story) { s.proofs, s.keys = s.proofs[1:], s.keys[1:] }},
		"leaf left out": {InvalidAudience, func(s *story) { s.proofs, s.keys = s.proofs[:2], append(s.keys[:2:2], s.keys[3]) }},
		// What go-ucan lets pass: the audience of the invocation is not who
		// gave the authority.
		"authority of the audience for another's subject": {InvalidSubject, func(s *story) {
			s.inv.Audience, s.facts.Executor = s.keys[0].DID(), s.keys[0].DID()
			s.inv.Subject = mallory.DID()
		}},
		"self-issued for another executor": {InvalidAudience, func(s *story) {
			s.keep(0)
			s.keys[0] = mallory
			s.inv.Subject = mallory.DID()
		}},
		"owner with proofs that do not fit": {InvalidAudience, func(s *story) { s.keys[3] = s.keys[0] }},
		// What iso-ucan lets pass.
		"another command with the same beginning": {InvalidCommand, func(s *story) {
			for i := range s.proofs {
				s.proofs[i].Command = "/crypto"
			}
			s.inv.Command = "/cryptocurrency/pay"
		}},
		"a powerline widens nothing": {InvalidCommand, func(s *story) {
			s.proofs[0].Command, s.proofs[1] = "/crud", s.powerline(1)
			s.proofs[1].Command, s.proofs[2].Command = "/", "/"
		}},
		"nor for the invocation": {InvalidCommand, func(s *story) {
			s.keep(2)
			s.proofs[0].Command, s.proofs[1] = "/crud", s.powerline(1)
			s.proofs[1].Command, s.inv.Command = "/", "/msg"
		}},
		"a powerline for something else": {InvalidCommand, func(s *story) {
			s.proofs[0].Command, s.proofs[1] = "/crud", s.powerline(1)
			s.proofs[1].Command = "/msg"
		}},
		"quoted key": {MatchError, func(s *story) { s.proofs[1].Policy = policy(t, `[["==", ".[\"uri\"]", "other"]]`) }},
		// Policies add up: a later, wider one takes nothing back.
		"policies add up": {MatchError, func(s *story) {
			s.proofs[0].Policy = policy(t, `[["==", ".size", 98]]`)
			s.proofs[2].Policy = policy(t, `[["or", [["==", ".size", 98], ["and", []]]]]`)
		}},
		"one second late":  {Expired, func(s *story) { s.facts.Now = time.Unix(now+1, 0) }},
		"one second early": {TooEarly, func(s *story) { s.facts.Now = time.Unix(now-1, 0) }},
		"beyond the skew":  {Expired, func(s *story) { s.facts.Skew, s.facts.Now = time.Minute, time.Unix(now+61, 0) }},
		"negative skew":    {Expired, func(s *story) { s.facts.Skew, s.facts.Now = -time.Hour, time.Unix(now+1, 0) }},
		"too much work": {MatchError, func(s *story) {
			s.inv.Args = ipld.Map(entry("l", ipld.List(make([]ipld.Value, 60_000)...)))
			for i := range s.proofs {
				s.proofs[i].Policy = policy(t, `[["all", ".l", ["not", ["or", [`+strings.Repeat(`["==", ".", 1], `, 4)+`["==", ".", 1]]]]]]`)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			tt.edit(s)
			if a, err := s.judge(t); a != nil || !errors.Is(err, tt.want) {
				t.Errorf("%v, want %s", err, tt.want)
			}
		})
	}
}

// The longest chain is judged; a longer one is no invocation.
func TestLongestChain(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	step := Delegation{Audience: s.keys[0].DID(), Subject: s.keys[0].DID(), Command: "/"}
	s.proofs, s.keys = nil, s.keys[:1]
	for i := range MaxProofs {
		step.Nonce = fmt.Sprint(i)
		s.proofs, s.keys = append(s.proofs, step), append(s.keys, s.keys[0])
	}
	if _, err := s.judge(t); err != nil {
		t.Error(err)
	}
	s.inv.Proofs = append(s.inv.Proofs, s.inv.Proofs[0])
	if _, err := SignInvocation(s.keys[0], s.inv); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestDeniedText(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.proofs[1].Command = "/crypto"
	inv := s.invoke(t)
	_, err := Authorize(inv, s.facts)
	want := "InvalidCommand: proof 2 of 3 (" + s.tokens[1].Link().String() + "): asked: /crud/read; granted: /crypto"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	s = newStory(t)
	s.facts.Now = time.Unix(now+1, 0)
	s.proofs[0].Expires = nil
	inv = s.invoke(t)
	_, err = Authorize(inv, s.facts)
	want = "Expired: the invocation (" + inv.Link().String() + "): asked: use at 2027-01-15T08:00:01Z; granted: use until 2027-01-15T08:00:00Z"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	s = newStory(t)
	s.inv.Args = ipld.Map(entry("uri", ipld.String("https://example.org/")))
	_, err = s.judge(t)
	if err == nil || !strings.Contains(err.Error(), `asked: {"uri":"https://example.org/"}; granted: [["like",".uri","https://example.com/*"]]: statement 0 does not hold: ["like",".uri","https://example.com/*"], and .uri is "https://example.org/"`) {
		t.Error(err)
	}
}

func TestRecheck(t *testing.T) {
	t.Parallel()
	args := ipld.Map(entry("uri", ipld.String("https://example.com/y")), entry("size", ipld.Int(5)))
	for name, tt := range map[string]struct {
		want Reason
		edit func(s *story, m *Moment, args *ipld.Value)
	}{
		"the same":             {"", func(*story, *Moment, *ipld.Value) {}},
		"other arguments":      {MatchError, func(_ *story, _ *Moment, args *ipld.Value) { *args = ipld.Map(entry("size", ipld.Int(5))) }},
		"arguments not a map":  {MatchError, func(_ *story, _ *Moment, args *ipld.Value) { *args = ipld.Null }},
		"a proof expired":      {Expired, func(_ *story, m *Moment, _ *ipld.Value) { m.Now = time.Unix(now+1, 0) }},
		"time went backwards":  {TooEarly, func(_ *story, m *Moment, _ *ipld.Value) { m.Now = time.Unix(now-1, 0) }},
		"revoked":              {Revoked, func(s *story, _ *Moment, _ *ipld.Value) { s.revoked[1] = true; s.invoke(t) }},
		"the invocation's end": {"", func(s *story, m *Moment, _ *ipld.Value) { s.proofs[0].Expires = nil; m.Now = time.Unix(now+1, 0) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			m, args := Moment{Now: time.Unix(now, 0)}, args
			tt.edit(s, &m, &args)
			revoked := s.revoked
			s.revoked = map[int]bool{}
			a, err := s.judge(t)
			if err != nil {
				t.Fatal(err)
			}
			s.revoked = revoked
			s.invoke(t)
			m.Revoked = s.facts.Revoked
			err = a.Recheck(m, args)
			if tt.want == "" && err != nil || tt.want != "" && !errors.Is(err, tt.want) {
				t.Errorf("%v, want %q", err, tt.want)
			}
		})
	}
}

// No chain of which one bit was changed is good for anything: neither where the
// changed token stands in for the right one, nor where the invoker, who may
// sign what it likes, names the changed one.
func TestChainBitFlips(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	remark := ipld.Map(entry("why", ipld.String("lent")))
	for i := range s.proofs {
		s.proofs[i].Meta = remark
	}
	s.proofs[1] = s.powerline(1)
	s.inv.Audience, s.facts.Executor = s.keys[1].DID(), s.keys[1].DID()
	s.inv.Meta, s.inv.IssuedAt, s.inv.Cause = remark, seconds64(now-1), ipld.LinkOf(ipld.CodecDagCBOR, []byte("cause"))
	good := s.invoke(t)
	if _, err := Authorize(good, s.facts); err != nil {
		t.Fatal(err)
	}
	right := s.facts.Proofs
	for i, token := range s.tokens {
		t.Run(fmt.Sprint("proof ", i), func(t *testing.T) {
			t.Parallel()
			parsed := 0
			eachFlip(token.Bytes(), func(bit int, data []byte) {
				changed, err := ParseDelegation(data)
				if err != nil {
					return
				}
				parsed++
				facts, inv := s.facts, s.inv
				facts.Proofs = func(link ipld.Link) (*SignedDelegation, error) {
					if link == token.Link() || link == changed.Link() {
						return changed, nil
					}
					return right(link)
				}
				if a, err := Authorize(good, facts); a != nil || !errors.Is(err, UnavailableProof) {
					t.Errorf("bit %d: %v", bit, err)
				}
				inv.Proofs = append([]ipld.Link(nil), inv.Proofs...)
				inv.Proofs[i] = changed.Link()
				if a, err := Authorize(sign(t, s.keys[3], inv), facts); a != nil || err == nil {
					t.Errorf("bit %d, named by the invoker: %v", bit, err)
				}
			})
			if parsed < 512 {
				t.Errorf("only %d of the changed tokens parsed", parsed)
			}
		})
	}
	eachFlip(good.Bytes(), func(bit int, data []byte) {
		if changed, err := ParseInvocation(data); err == nil {
			if a, err := Authorize(changed, s.facts); a != nil || err == nil {
				t.Errorf("invocation, bit %d: %v", bit, err)
			}
		}
	})
}

func eachFlip(good []byte, try func(bit int, data []byte)) {
	data := bytes.Clone(good)
	for bit := range 8 * len(data) {
		data[bit/8] ^= 1 << (bit % 8)
		try(bit, data)
		data[bit/8] ^= 1 << (bit % 8)
	}
}

func TestCache(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	inv := s.invoke(t)
	cache := new(Cache)
	s.facts.Cache = cache

	// What is refused is not kept.
	right := s.facts
	s.facts.Now = time.Unix(now+1, 0)
	if _, err := Authorize(inv, s.facts); err == nil {
		t.Fatal("expired")
	}
	s.facts = right
	s.facts.Proofs = nil
	if _, err := Authorize(inv, s.facts); !errors.Is(err, UnavailableProof) {
		t.Fatal(err)
	}

	// What was authorised is found again, and judged again.
	if _, err := Authorize(inv, right); err != nil {
		t.Fatal(err)
	}
	if _, err := Authorize(inv, s.facts); err != nil {
		t.Fatal(err)
	}
	s.facts.Now = time.Unix(now+1, 0)
	if _, err := Authorize(inv, s.facts); !errors.Is(err, Expired) {
		t.Fatal(err)
	}

	// Its signature is not verified again.
	for _, token := range s.tokens {
		token.sig[0] ^= 1
	}
	s.facts.Now = right.Now
	if _, err := Authorize(inv, s.facts); err != nil {
		t.Fatal(err)
	}

	// It is bounded; what is used stays.
	big := leastDelegation(s.keys[0])
	big.Nonce = strings.Repeat("x", 100_000)
	for i := range 100 {
		big.Command = fmt.Sprintf("/%d", i)
		cache.keep([]*SignedDelegation{delegate(t, s.keys[0], big)})
		if _, ok := cache.get(inv.Invocation().Proofs[0]); !ok {
			t.Fatalf("forgotten after %d", i)
		}
		held := 0
		for _, d := range cache.young {
			held += len(d.Bytes())
		}
		if held != cache.bytes || held > cacheBytes || len(cache.old) > 30 {
			t.Fatalf("%d bytes, counted as %d, and %d old ones", held, cache.bytes, len(cache.old))
		}
	}
	if _, ok := cache.get(inv.Invocation().Proofs[1]); ok {
		t.Error("what is not used is never forgotten")
	}
}

// Ed25519 throughout: three delegations and the invocation, from their bytes.
func BenchmarkAuthorize(b *testing.B) {
	var keys []did.PrivateKey
	for i := range byte(4) {
		keys = append(keys, key(b, did.Ed25519, i+1))
	}
	s := newStory(b)
	s.keys = keys
	for i := range s.proofs {
		s.proofs[i].Subject, s.proofs[i].Audience = keys[0].DID(), keys[i+1].DID()
	}
	s.inv.Subject, s.facts.Executor = keys[0].DID(), keys[0].DID()
	inv := s.invoke(b)
	s.facts.Revoked = nil
	bytesOf := map[ipld.Link][]byte{}
	for _, token := range s.tokens {
		bytesOf[token.Link()] = token.Bytes()
	}
	s.facts.Proofs = func(link ipld.Link) (*SignedDelegation, error) { return ParseDelegation(bytesOf[link]) }
	run := func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			inv, err := ParseInvocation(inv.Bytes())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := Authorize(inv, s.facts); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("cold", run)
	s.facts.Cache = new(Cache)
	b.Run("cached", run)
	a, err := Authorize(inv, s.facts)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("recheck", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := a.Recheck(s.facts.Moment, s.inv.Args); err != nil {
				b.Fatal(err)
			}
		}
	})
}
