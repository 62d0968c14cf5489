package ucan

import (
	"errors"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

func TestDelegateAndInvoke(t *testing.T) {
	t.Parallel()
	when := time.Unix(now, 500_000_000)
	node, alice, bob := key(t, did.Ed25519, 1), key(t, did.P256, 2), key(t, did.Secp256k1, 3)
	root, err := Delegate(node, Grant{Audience: alice.DID(), Command: "/crud", Policy: policy(t, `[["==", ".uri", "x"]]`)}, when)
	if err != nil {
		t.Fatal(err)
	}
	if d := root.Delegation(); d.Subject != node.DID() || d.Powerline || d.NotBefore != nil || *d.Expires != now+24*3600 || len(d.Nonce) != 16 || root.Tag() != DelegationTag {
		t.Errorf("%+v", d)
	}
	leaf, err := Delegate(alice, Grant{
		Audience: bob.DID(), Powerline: true, Command: "/", Forever: true, NotBefore: when.Add(-time.Hour), Version: V1RC1,
		Meta: ipld.Map(entry("why", ipld.String("lent"))),
	}, when)
	if err != nil {
		t.Fatal(err)
	}
	if d := leaf.Delegation(); d.Subject != "" || *d.NotBefore != now-3600 || d.Expires != nil || d.Meta.Len() != 1 || leaf.Tag() != DelegationTagRC1 || d.Nonce == root.Delegation().Nonce {
		t.Errorf("%+v", d)
	}
	if leaf, err = Delegate(alice, Grant{Audience: bob.DID(), Subject: node.DID(), Command: "/crud", Expires: when.Add(time.Hour)}, when); err != nil || *leaf.Delegation().Expires != now+3600 {
		t.Fatal(err)
	}

	inv, err := Invoke(bob, Call{Command: "/crud/read", Proofs: []*SignedDelegation{root, leaf}, Args: ipld.Map(entry("uri", ipld.String("x")))}, when)
	if err != nil {
		t.Fatal(err)
	}
	if i := inv.Invocation(); i.Subject != node.DID() || i.Audience != "" || *i.Expires != now+300 || len(i.Nonce) != 16 || len(i.Proofs) != 2 || inv.Tag() != Tag || i.IssuedAt != nil {
		t.Errorf("%+v", i)
	}
	c := Container{Delegations: []*SignedDelegation{root, leaf}}
	if _, err := Authorize(inv, Facts{Moment: Moment{Now: when}, Executor: node.DID(), Proofs: c.Proof}); err != nil {
		t.Error(err)
	}
	inv, err = Invoke(node, Call{Audience: bob.DID(), Command: "/ping", Idempotent: true, Forever: true, Version: V1RC1}, when)
	if err != nil {
		t.Fatal(err)
	}
	if i := inv.Invocation(); i.Subject != node.DID() || i.Audience != bob.DID() || i.Expires != nil || i.Nonce != "" || i.Args.Kind() != ipld.KindMap || inv.Tag() != TagRC1 {
		t.Errorf("%+v", i)
	}
}

func TestDelegateRefuses(t *testing.T) {
	t.Parallel()
	when := time.Unix(now, 0)
	k, to := key(t, did.Ed25519, 1), key(t, did.Ed25519, 2).DID()
	for name, g := range map[string]Grant{
		"nothing":                   {},
		"no audience":               {Command: "/x"},
		"no command":                {Audience: to},
		"powerline with subject":    {Audience: to, Command: "/x", Powerline: true, Subject: to},
		"expired":                   {Audience: to, Command: "/x", Expires: when.Add(-time.Second)},
		"expires and for ever":      {Audience: to, Command: "/x", Expires: when, Forever: true},
		"ends before it begins":     {Audience: to, Command: "/x", Expires: when.Add(time.Hour), NotBefore: when.Add(2 * time.Hour)},
		"begins after the default":  {Audience: to, Command: "/x", NotBefore: when.Add(25 * time.Hour)},
		"a version of its own":      {Audience: to, Command: "/x", Version: "1.0.1"},
		"a time beyond all measure": {Audience: to, Command: "/x", Expires: time.Unix(MaxTime+1, 0)},
	} {
		if d, err := Delegate(k, g, when); d != nil || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if d, err := Delegate(did.PrivateKey{}, Grant{Audience: to, Command: "/x"}, when); d != nil || err == nil {
		t.Error("without a key")
	}
}

func TestInvokeRefuses(t *testing.T) {
	t.Parallel()
	when := time.Unix(now, 0)
	s := newStory(t)
	s.invoke(t)
	invoker := s.keys[3]
	for name, tt := range map[string]struct {
		call Call
		want error
	}{
		"nothing":          {Call{}, ErrMalformed},
		"args a list":      {Call{Command: "/x", Args: ipld.List()}, ErrMalformed},
		"another's":        {Call{Command: "/x", Subject: s.keys[0].DID()}, InvalidClaim},
		"leaf first":       {Call{Command: "/crud/read", Subject: s.keys[0].DID(), Proofs: []*SignedDelegation{s.tokens[2], s.tokens[1], s.tokens[0]}}, InvalidAudience},
		"too short":        {Call{Command: "/crud/read", Proofs: s.tokens[:2]}, InvalidAudience},
		"another command":  {Call{Command: "/crud/write", Proofs: s.tokens}, InvalidCommand},
		"another subject":  {Call{Command: "/crud/read", Subject: invoker.DID(), Proofs: s.tokens}, InvalidSubject},
		"expired":          {Call{Command: "/x", Expires: when.Add(-time.Second)}, nil},
		"two ends":         {Call{Command: "/x", Expires: when, Forever: true}, nil},
		"another version":  {Call{Command: "/x", Version: "0.10.0"}, nil},
		"too many proofs":  {Call{Command: "/x", Subject: invoker.DID(), Proofs: make33(s.tokens[0])}, ErrMalformed},
		"a powerline root": {Call{Command: "/x", Proofs: []*SignedDelegation{delegate(t, s.keys[2], s.powerline(2))}}, ErrMalformed},
	} {
		inv, err := Invoke(invoker, tt.call, when)
		if inv != nil || err == nil || tt.want != nil && !errors.Is(err, tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
	s.forged[1] = true
	s.invoke(t)
	if _, err := Invoke(invoker, Call{Command: "/crud/read", Proofs: s.tokens}, when); !errors.Is(err, InvalidSignature) {
		t.Error(err)
	}
	s.forged[1], s.proofs[1].Expires, s.proofs[1].NotBefore = false, seconds64(now-1), nil
	s.invoke(t)
	if _, err := Invoke(invoker, Call{Command: "/crud/read", Proofs: s.tokens}, when); !errors.Is(err, Expired) {
		t.Error(err)
	}
}

func make33(d *SignedDelegation) []*SignedDelegation {
	out := make([]*SignedDelegation, MaxProofs+1)
	for i := range out {
		out[i] = d
	}
	return out
}
