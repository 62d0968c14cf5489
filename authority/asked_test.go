package authority_test

import (
	"bytes"
	"cmp"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// ask is the container of a request of somebody to the node.
func (r *rig) ask(t *testing.T, s request.Signer, method, target, body string) []byte {
	t.Helper()
	if s.Node == "" {
		s.Node = r.Key.DID()
	}
	header, err := s.Sign(request.Of(method, target, []byte(body)), r.now)
	must(t, err)
	c, err := request.Container(header)
	must(t, err)
	return c
}

// lends is a delegation of a command from one to another.
func (r *rig) lends(t *testing.T, from, to did.PrivateKey, command string) *ucan.SignedDelegation {
	t.Helper()
	d, err := ucan.Delegate(from, ucan.Grant{Audience: to.DID(), Command: command, Expires: r.now.Add(time.Hour)}, r.now)
	must(t, err)
	return d
}

// Whoever signs a request is who asks, or those whose proofs it has.
func TestAsk(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	other, err := did.Generate(did.P256)
	must(t, err)
	proofs := func(d *ucan.SignedDelegation) []*ucan.SignedDelegation { return []*ucan.SignedDelegation{d} }
	for name, test := range map[string]struct {
		s   request.Signer
		who did.DID
	}{
		"a stranger":         {request.Signer{Key: other}, other.DID()},
		"the node's own key": {request.Signer{Key: r.Key}, r.Key.DID()},
		"who may for it":     {request.Signer{Key: other, For: r.Key.DID(), Proofs: proofs(r.lends(t, r.Key, other, request.ChangeCommand))}, r.Key.DID()},
		"who may for others": {request.Signer{Key: other, For: r.friend.DID(), Proofs: proofs(r.lends(t, r.friend, other, "/ipvm"))}, r.friend.DID()},
	} {
		asked, err := r.guard.Ask(r.ask(t, test.s, "POST", "/v1/workflows", "x"), "POST", "/v1/workflows")
		if want := request.Of("", "", []byte("x")).Body; err != nil || asked != (authority.Asked{For: test.who, By: test.s.Key.DID(), Body: want}) {
			t.Errorf("%s: %+v, %v", name, asked, err)
		}
	}
}

// Who may have workflows run here shows it with a request, until it is taken back.
func TestAskGuest(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	lent := r.grant(t, `[]`)
	guest := func(proofs ...*ucan.SignedDelegation) bool {
		asked, err := r.guard.Ask(r.ask(t, request.Signer{Key: r.friend, Proofs: proofs}, "GET", "/v1", ""), "GET", "/v1")
		must(t, err)
		return asked.Guest
	}
	if guest() || !guest(lent) || guest(r.lends(t, r.Key, r.friend, request.ReadCommand)) || guest(r.lends(t, r.Key, r.Key, grant.RunCommand)) {
		t.Error("not those who may are guests")
	}
	back, err := authority.SignRevocation(r.Key, lent.Link(), r.now)
	must(t, err)
	_, err = r.guard.Revoke(back)
	must(t, err)
	if guest(lent) {
		t.Error("a guest by what was taken back")
	}
	data := bytes.Clone(r.grant(t, `[]`).Bytes())
	data[20] ^= 1 // within the signature
	forged, err := ucan.ParseDelegation(data)
	must(t, err)
	if guest(forged) {
		t.Error("a guest by what the node has not signed")
	}
}

// Of everything else nothing is taken.
func TestAskRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	friend := request.Signer{Key: r.friend}
	pack := func(inv ucan.Invocation, proofs ...*ucan.SignedDelegation) []byte {
		q := request.Of("GET", "/v1", nil)
		inv.Command, inv.Args, inv.Audience, inv.Nonce = cmp.Or(inv.Command, q.Command()), q.Args(), r.Key.DID(), "a nonce of it"
		for _, d := range proofs {
			inv.Proofs = append(inv.Proofs, d.Link())
		}
		signed, err := ucan.SignInvocation(r.friend, inv)
		must(t, err)
		box := ucan.Container{Invocations: []*ucan.SignedInvocation{signed}, Delegations: proofs}
		data, err := box.Append(nil, ucan.Plain)
		must(t, err)
		return data
	}
	until := func(d time.Duration) *int64 {
		at := r.now.Add(d).Unix()
		return &at
	}
	soon := until(time.Minute)
	alone := ucan.Container{Delegations: []*ucan.SignedDelegation{r.lends(t, r.Key, r.friend, "/ipvm")}}
	delegation, err := alone.Append(nil, ucan.Plain)
	must(t, err)
	revoked := r.lends(t, r.Key, r.friend, "/ipvm/read")
	back, err := authority.SignRevocation(r.Key, revoked.Link(), r.now)
	must(t, err)
	_, err = r.guard.Revoke(back)
	must(t, err)
	forged := pack(ucan.Invocation{Subject: r.friend.DID(), Expires: soon})
	forged[20] ^= 1
	for name, test := range map[string]struct {
		container []byte
		want      error
		text      string
	}{
		"another method":      {r.ask(t, friend, "HEAD", "/v1", ""), authority.ErrRefused, `it is for "HEAD"`},
		"another path":        {r.ask(t, friend, "GET", "/v1?x", ""), authority.ErrRefused, "it is for"},
		"another node":        {r.ask(t, request.Signer{Key: r.friend, Node: r.friend.DID()}, "GET", "/v1", ""), ucan.InvalidAudience, ""},
		"another command":     {pack(ucan.Invocation{Subject: r.friend.DID(), Command: "/ipvm/run", Expires: soon}), authority.ErrRefused, "its command is"},
		"too late":            {pack(ucan.Invocation{Subject: r.friend.DID(), Expires: until(request.Lifetime + authority.DefaultSkew + time.Second)}), authority.ErrRefused, "within 5m0s"},
		"never":               {pack(ucan.Invocation{Subject: r.friend.DID()}), authority.ErrRefused, "within 5m0s"},
		"expired":             {pack(ucan.Invocation{Subject: r.friend.DID(), Expires: until(-authority.DefaultSkew - time.Second)}), ucan.Expired, ""},
		"only a delegation":   {delegation, authority.ErrRefused, "0 invocations"},
		"for the node":        {pack(ucan.Invocation{Subject: r.Key.DID(), Expires: soon}), ucan.InvalidClaim, ""},
		"too little":          {pack(ucan.Invocation{Subject: r.Key.DID(), Expires: soon}, r.lends(t, r.Key, r.friend, request.ChangeCommand)), ucan.InvalidCommand, ""},
		"lent to another":     {pack(ucan.Invocation{Subject: r.Key.DID(), Expires: soon}, r.lends(t, r.Key, r.Key, request.ReadCommand)), ucan.InvalidAudience, ""},
		"revoked":             {pack(ucan.Invocation{Subject: r.Key.DID(), Expires: soon}, revoked), ucan.Revoked, ""},
		"forged":              {forged, ucan.InvalidSignature, ""},
		"no container at all": {[]byte("x"), ucan.ErrMalformed, ""},
	} {
		if asked, err := r.guard.Ask(test.container, "GET", "/v1"); !errors.Is(err, test.want) || !strings.Contains(err.Error(), test.text) {
			t.Errorf("%s: %+v, %v", name, asked, err)
		}
	}
}

// Those of whom nothing is known can sign as many requests as they like: they fill only
// half of what is remembered, and what they fill is theirs again when it is past.
func TestAskedByStrangers(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.guard.RememberAsked(20)
	const path = "/v1/workflows/x/suspend"
	lent := r.grant(t, `[]`)
	asks := func(s request.Signer) error {
		_, err := r.guard.Ask(r.ask(t, s, "POST", path, ""), "POST", path)
		return err
	}
	stranger := func() error {
		key, err := did.Generate(did.Ed25519)
		must(t, err)
		return asks(request.Signer{Key: key})
	}
	for range 2 {
		for range 10 {
			must(t, stranger())
		}
		if err := stranger(); !errors.Is(err, ucan.ErrFull) || !strings.Contains(err.Error(), "10 of them of those who have no delegation") {
			t.Errorf("a stranger too many: %v", err)
		}
		must(t, asks(request.Signer{Key: r.Key}))
		must(t, asks(request.Signer{Key: r.friend, Proofs: []*ucan.SignedDelegation{lent}}))
		r.open(t) // it was started anew
		r.guard.RememberAsked(20)
		if err := stranger(); !errors.Is(err, ucan.ErrFull) {
			t.Errorf("a stranger too many after a start: %v", err)
		}
		r.now = r.now.Add(10 * time.Minute)
	}
}

// What changes something is asked once, whoever signs it again and whatever becomes
// of the node; what does not, as often as one likes.
func TestAskOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	const path = "/v1/workflows/x/suspend"
	read := r.ask(t, request.Signer{Key: r.friend}, "GET", path, "")
	for range 2 {
		_, err := r.guard.Ask(read, "GET", path)
		must(t, err)
	}
	wish := r.ask(t, request.Signer{Key: r.friend}, "POST", path, "")
	_, err := r.guard.Ask(wish, "POST", path)
	must(t, err)
	again := func() {
		t.Helper()
		if _, err := r.guard.Ask(wish, "POST", path); !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), "was made before") {
			t.Error(err)
		}
	}
	again()
	r.open(t) // it was started anew
	again()
	kept := func() (n int) {
		must(t, r.Store.Notes("asked", func(store.Note) bool { n++; return true }))
		return n
	}
	for range 200 { // which is swept now and then
		r.now = r.now.Add(time.Minute)
		_, err := r.guard.Ask(r.ask(t, request.Signer{Key: r.friend}, "POST", path, ""), "POST", path)
		must(t, err)
	}
	if n := kept(); n > 70 {
		t.Errorf("%d requests are kept that can not be made any more", n)
	}
	if _, err := r.guard.Ask(wish, "POST", path); !errors.Is(err, ucan.Expired) {
		t.Error(err)
	}
	r.now = r.now.Add(time.Hour)
	r.open(t)
	if n := kept(); n != 0 {
		t.Errorf("%d requests of the past are kept", n)
	}
	for key, value := range map[string]string{strings.Repeat("k", 32): "\x61x", strings.Repeat("l", 32): "", strings.Repeat("m", 31): "\x01", strings.Repeat("n", 33): "\x01"} {
		must(t, r.Store.PutNote("asked", key, []byte(value)))
		if _, err := authority.New(authority.Config{Node: r.Key.DID(), Store: r.Store}); err == nil && value != "" {
			t.Errorf("%x under %s is a request", value, key)
		}
		must(t, r.Store.PutNote("asked", key, nil))
	}
}
