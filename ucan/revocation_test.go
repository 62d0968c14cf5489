package ucan

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// revoke is k's revocation of link in its own name.
func revoke(t testing.TB, k did.PrivateKey, link ipld.Link) *SignedInvocation {
	t.Helper()
	return sign(t, k, Invocation{Subject: k.DID(), Command: RevokeCommand, Args: ipld.Map(entry("revoke", ipld.LinkValue(link)))})
}

func factsAt(t int64) Facts { return Facts{Moment: Moment{Now: time.Unix(t, 0)}} }

// Who issued a delegation of the chain may revoke any of it, before or after it
// was seen; others may say so too, without effect.
func TestRevocations(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		by      func(*story) did.PrivateKey
		proof   int
		revoked bool
	}{
		"root by the subject":         {func(s *story) did.PrivateKey { return s.keys[0] }, 0, true},
		"leaf by the subject":         {func(s *story) did.PrivateKey { return s.keys[0] }, 2, true},
		"leaf by its issuer":          {func(s *story) did.PrivateKey { return s.keys[2] }, 2, true},
		"middle by its issuer":        {func(s *story) did.PrivateKey { return s.keys[1] }, 1, true},
		"root by a later issuer":      {func(s *story) did.PrivateKey { return s.keys[2] }, 0, true},
		"leaf by its audience":        {func(s *story) did.PrivateKey { return s.keys[3] }, 2, false},
		"root by a stranger":          {func(*story) did.PrivateKey { return key(t, did.Ed25519, 8) }, 0, false},
		"something else, by an owner": {func(s *story) did.PrivateKey { return s.keys[0] }, -1, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStory(t)
			inv := s.invoke(t)
			link := ipld.LinkOf(ipld.CodecDagCBOR, []byte("something else"))
			if tt.proof >= 0 {
				link = s.tokens[tt.proof].Link()
			}
			rev, err := ReadRevocation(revoke(t, tt.by(s), link), factsAt(now))
			if err != nil {
				t.Fatal(err)
			}
			before, after := new(Revocations), new(Revocations)
			s.facts.Revoked = after.Revoked
			a, err := Authorize(inv, s.facts)
			if err != nil {
				t.Fatal(err)
			}
			for _, set := range []*Revocations{before, after, after} {
				if err := set.Add(rev); err != nil {
					t.Fatal(err)
				}
			}
			s.facts.Revoked = before.Revoked
			_, err = Authorize(inv, s.facts)
			again := a.Recheck(Moment{Now: s.facts.Now, Revoked: after.Revoked}, s.inv.Args)
			for _, err := range []error{err, again} {
				var denied *Denied
				if tt.revoked && (!errors.As(err, &denied) || denied.Reason != Revoked || denied.Proof != tt.proof) || !tt.revoked && err != nil {
					t.Errorf("%v", err)
				}
			}
		})
	}
}

// A token that says the same with another signature is revoked with it: the
// other form of a P-256 signature even if the revoked one was never seen, any
// other once it was.
func TestRevokedTwins(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.invoke(t)
	node, alice := s.keys[0].DID(), s.keys[1].DID()
	p256 := s.tokens[1]
	twin, err := ParseDelegation(highS(t, p256.Bytes()))
	if err != nil || twin.Verify() != nil || twin.Link() == p256.Link() {
		t.Fatal(err)
	}
	set := new(Revocations)
	if err := set.Add(Revocation{Delegation: p256.Link(), By: []did.DID{alice}}); err != nil {
		t.Fatal(err)
	}
	if !set.Revoked(twin, []did.DID{node, alice}) || set.Revoked(twin, []did.DID{node}) {
		t.Error("the twin passes")
	}
	ed := s.tokens[0]
	other, err := ParseDelegation(forge(ed.Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Add(Revocation{Delegation: ed.Link(), By: []did.DID{node}}); err != nil {
		t.Fatal(err)
	}
	if set.Revoked(other, []did.DID{node}) {
		t.Error("known before the revoked one was seen")
	}
	if !set.Revoked(ed, []did.DID{node}) || !set.Revoked(other, []did.DID{node}) {
		t.Error("not known after the revoked one was seen")
	}
}

// The right to revoke can be given to another, for one delegation only.
func TestDelegatedRevocation(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.invoke(t)
	alice, zelda := s.keys[1], key(t, did.Ed25519, 9)
	link := s.tokens[2].Link()
	right := delegate(t, alice, Delegation{
		Subject: alice.DID(), Audience: zelda.DID(), Command: RevokeCommand,
		Policy: policy(t, `[["==", ".revoke", {"/": "`+link.String()+`"}]]`),
	})
	facts := factsAt(now)
	facts.Proofs = lookup(map[ipld.Link]*SignedDelegation{right.Link(): right})
	inv := Invocation{Subject: alice.DID(), Command: RevokeCommand, Args: ipld.Map(entry("revoke", ipld.LinkValue(link))), Proofs: []ipld.Link{right.Link()}}
	rev, err := ReadRevocation(sign(t, zelda, inv), facts)
	if err != nil || !slices.Equal(rev.By, []did.DID{zelda.DID(), alice.DID()}) || rev.Delegation != link {
		t.Fatalf("%+v, %v", rev, err)
	}
	inv.Args = ipld.Map(entry("revoke", ipld.LinkValue(s.tokens[1].Link())))
	if _, err := ReadRevocation(sign(t, zelda, inv), facts); !errors.Is(err, MatchError) {
		t.Error(err)
	}
	inv.Proofs = nil
	if _, err := ReadRevocation(sign(t, zelda, inv), facts); !errors.Is(err, InvalidClaim) {
		t.Error(err)
	}
}

func TestReadRevocation(t *testing.T) {
	t.Parallel()
	k := keys(t)[0]
	link := ipld.LinkValue(ipld.LinkOf(ipld.CodecDagCBOR, []byte("x")))
	read := func(cmd string, args ...ipld.Entry) error {
		_, err := ReadRevocation(sign(t, k, Invocation{Subject: k.DID(), Command: cmd, Args: ipld.Map(args...), Expires: seconds64(now - 1), Audience: keys(t)[1].DID()}), factsAt(now))
		return err
	}
	if err := read(RevokeCommand, entry("revoke", link)); err != nil {
		t.Errorf("for another, and expired: %v", err)
	}
	if err := read(RevokeCommand, entry("revoke", link), entry("path", ipld.List(link))); err != nil {
		t.Errorf("with a path: %v", err)
	}
	if _, err := ReadRevocation(revoke(t, k, ipld.LinkOf(ipld.CodecDagCBOR, nil)), Facts{}); err == nil {
		t.Error("without a time")
	}
	long := make([]ipld.Value, MaxProofs+1)
	for i := range long {
		long[i] = link
	}
	for name, err := range map[string]error{
		"another command":    read("/ucan/revoked", entry("revoke", link)),
		"a wider command":    read("/ucan", entry("revoke", link)),
		"no link":            read(RevokeCommand),
		"a path only":        read(RevokeCommand, entry("path", ipld.List(link))),
		"a text":             read(RevokeCommand, entry("revoke", ipld.String("x"))),
		"path of texts":      read(RevokeCommand, entry("revoke", link), entry("path", ipld.List(ipld.String("x")))),
		"path too long":      read(RevokeCommand, entry("revoke", link), entry("path", ipld.List(long...))),
		"unknown argument":   read(RevokeCommand, entry("revoke", link), entry("reason", ipld.String("x"))),
		"revoke as a string": read(RevokeCommand, entry("revoke", ipld.Null)),
	} {
		if !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		}
	}
	forged, err := ParseInvocation(forge(revoke(t, k, ipld.LinkOf(ipld.CodecDagCBOR, nil)).Bytes()))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadRevocation(forged, factsAt(now)); !errors.Is(err, InvalidSignature) {
		t.Error(err)
	}
}

func TestWitnessed(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.proofs[1] = s.powerline(1)
	s.invoke(t)
	find := s.facts.Proofs
	path := func(i ...int) (out []ipld.Link) {
		for _, i := range i {
			out = append(out, s.tokens[i].Link())
		}
		return out
	}
	by := func(i int) []did.DID { return []did.DID{s.keys[i].DID()} }
	for name, tt := range map[string]struct {
		rev  Revocation
		want bool
	}{
		"by its issuer":          {Revocation{path(2)[0], by(2), path(2)}, true},
		"by the subject":         {Revocation{path(2)[0], by(0), path(0, 1, 2)}, true},
		"by one of two":          {Revocation{path(1)[0], append(by(3), by(1)...), path(1)}, true},
		"no path":                {Revocation{path(2)[0], by(2), nil}, false},
		"a path without it":      {Revocation{path(2)[0], by(0), path(0, 1)}, false},
		"a gap":                  {Revocation{path(2)[0], by(0), path(0, 2)}, false},
		"backwards":              {Revocation{path(2)[0], by(0), path(2, 1, 0)}, false},
		"by nobody of them":      {Revocation{path(2)[0], by(3), path(0, 1, 2)}, false},
		"by an earlier one":      {Revocation{path(2)[0], by(0), path(1, 2)}, false},
		"something not at hand":  {Revocation{path(2)[0], by(0), append(path(0, 1, 2), ipld.LinkOf(ipld.CodecDagCBOR, nil))}, false},
		"the same, out of order": {Revocation{path(1)[0], by(0), path(1, 0)}, false},
	} {
		if err := tt.rev.Witnessed(find); (err == nil) != tt.want {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.forged[1] = true
	s.invoke(t)
	if err := (Revocation{path(1)[0], by(1), path(1)}).Witnessed(s.facts.Proofs); !errors.Is(err, ErrSignature) {
		t.Error(err)
	}
	s = newStory(t)
	s.proofs[1].Subject = s.keys[1].DID()
	s.invoke(t)
	if err := (Revocation{path(1)[0], by(0), path(0, 1)}).Witnessed(s.facts.Proofs); err == nil {
		t.Error("two subjects")
	}
}

// What is there stays there, also when there is no room.
func TestRevocationsAreBounded(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	s.invoke(t)
	set := &Revocations{Limit: 3}
	node := []did.DID{s.keys[0].DID()}
	add := func(link ipld.Link) error { return set.Add(Revocation{Delegation: link, By: node}) }
	for i := range 3 {
		if err := add(s.tokens[i].Link()); err != nil {
			t.Fatal(err)
		}
	}
	if err := add(ipld.LinkOf(ipld.CodecDagCBOR, nil)); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	for i := range 3 {
		if err := add(s.tokens[i].Link()); err != nil || !set.Revoked(s.tokens[i], node) {
			t.Error("forgotten: ", i, err)
		}
	}
}

func TestReplay(t *testing.T) {
	t.Parallel()
	k := key(t, did.P256, 1)
	inv := func(nonce string, exp *int64) *SignedInvocation {
		i := least(k)
		i.Nonce, i.Expires = nonce, exp
		return sign(t, k, i)
	}
	r := &Replay{Longest: time.Hour, Skew: time.Minute, Limit: 100}
	first := func(i *SignedInvocation, t int64) bool {
		ok, err := r.First(i, time.Unix(t, 0))
		return ok && err == nil
	}
	one := inv("1", seconds64(now+10))
	twin, err := ParseInvocation(highS(t, one.Bytes()))
	if err != nil || twin.Verify() != nil {
		t.Fatal(err)
	}
	if !first(one, now) || first(one, now) || first(twin, now) || first(one, now+70) || !first(inv("2", seconds64(now+10)), now) {
		t.Error("not each once")
	}
	for _, bad := range []*SignedInvocation{inv("3", nil), inv("3", seconds64(now+3601))} {
		if ok, err := r.First(bad, time.Unix(now, 0)); ok || !errors.Is(err, ErrLifetime) {
			t.Error(ok, err)
		}
	}
	if !first(inv("3", seconds64(now+3600)), now) {
		t.Error("one hour")
	}
	for i := 3; i < 100; i++ {
		if !first(inv(fmt.Sprint("more ", i), seconds64(now+10)), now) {
			t.Fatal(i)
		}
	}
	if ok, err := r.First(inv("too many", seconds64(now+10)), time.Unix(now+70, 0)); ok || !errors.Is(err, ErrFull) {
		t.Error(ok, err)
	}
	// When they have expired, with the skew, they are dropped; should the clock
	// go back they still do not pass.
	if !first(inv("later", seconds64(now+100)), now+71) || len(r.until) != 2 {
		t.Errorf("%d are remembered", len(r.until))
	}
	if first(one, now) {
		t.Error("performed again after the clock went back")
	}
}

// Sets are safe for many goroutines.
func TestSetsInParallel(t *testing.T) {
	t.Parallel()
	s := newStory(t)
	inv := s.invoke(t)
	set, replay := new(Revocations), new(Replay)
	s.facts.Revoked, s.facts.Cache = set.Revoked, new(Cache)
	firsts := make(chan bool, 8)
	for i := range 8 {
		go func() {
			for j := range 20 {
				_ = set.Add(Revocation{Delegation: ipld.LinkOf(ipld.CodecRaw, []byte{byte(i), byte(j)}), By: []did.DID{s.keys[0].DID()}})
				if _, err := Authorize(inv, s.facts); err != nil {
					t.Error(err)
				}
			}
			first, err := replay.First(inv, s.facts.Now)
			if err != nil {
				t.Error(err)
			}
			firsts <- first
		}()
	}
	n := 0
	for range 8 {
		if <-firsts {
			n++
		}
	}
	if n != 1 {
		t.Errorf("first %d times", n)
	}
}

// What is accepted as the arguments of a revocation has nothing but what is read.
func FuzzRevocationArgs(f *testing.F) {
	link := ipld.LinkValue(ipld.LinkOf(ipld.CodecDagCBOR, []byte("delegation")))
	for _, args := range []ipld.Value{
		ipld.Map(entry("revoke", link)),
		ipld.Map(entry("revoke", link), entry("path", ipld.List())),
		ipld.Map(entry("revoke", link), entry("path", ipld.List(link, link))),
	} {
		f.Add(encode(f, args))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		args, err := ipld.DecodeCBOR(data)
		if err != nil {
			return
		}
		r, err := parseRevocation(&Invocation{Command: RevokeCommand, Args: args})
		if err != nil {
			return
		}
		said := []ipld.Entry{entry("revoke", ipld.LinkValue(r.Delegation))}
		if _, ok := args.Lookup("path"); ok {
			path := make([]ipld.Value, len(r.Path))
			for i, link := range r.Path {
				path[i] = ipld.LinkValue(link)
			}
			said = append(said, entry("path", ipld.List(path...)))
		}
		if again := encode(t, ipld.Map(said...)); !bytes.Equal(again, data) {
			t.Fatalf("%x was read as %x", data, again)
		}
	})
}
