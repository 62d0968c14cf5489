package ucan

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// What Delegate and Invoke choose.
const (
	DefaultGrant = 24 * time.Hour  // lifetime of a delegation
	DefaultCall  = 5 * time.Minute // lifetime of an invocation

	nonceSize = 16 // random bytes
)

// Version is a version of the specifications whose tags a token carries. The
// empty one is V1.
type Version string

// The versions. They differ in the tag only.
const (
	V1    Version = "1.0.0"
	V1RC1 Version = "1.0.0-rc.1" // for readers that know no other
)

func (v Version) tag(kind string) (string, error) {
	switch v {
	case "":
		v = V1
	case V1, V1RC1:
	default:
		return "", fmt.Errorf("version %.40q of UCAN: want %s or %s", string(v), V1, V1RC1)
	}
	return "ucan/" + kind + "@" + string(v), nil
}

// Grant is what [Delegate] makes a delegation of. Audience and Command must be
// given.
type Grant struct {
	// Audience is who may use it.
	Audience did.DID
	// Subject is whose authority is passed on; empty means the key's own DID.
	Subject did.DID
	// Powerline passes on authority over every subject; Subject is empty then.
	Powerline bool
	// Command is what may be invoked, with all commands below it; "/" is all.
	Command string
	// Policy is what the arguments must fulfil.
	Policy Policy
	// Meta is a map of signed remarks, or null.
	Meta ipld.Value
	// NotBefore is the first valid moment; zero means at once.
	NotBefore time.Time
	// Expires is the last valid moment; zero means [DefaultGrant] after now.
	Expires time.Time
	// Forever makes a delegation that only a revocation ends.
	Forever bool
	// Version is that of the tag.
	Version Version
}

// Delegate makes a delegation, with a random nonce, that is valid in whole
// seconds. It refuses what would never be valid.
func Delegate(key did.PrivateKey, g Grant, now time.Time) (*SignedDelegation, error) {
	tag, err := g.Version.tag("dlg")
	if err != nil {
		return nil, fmt.Errorf("delegate: %w", err)
	}
	dlg := Delegation{
		Audience: g.Audience, Subject: g.Subject, Powerline: g.Powerline, Command: g.Command, Policy: g.Policy, Meta: g.Meta, Nonce: newNonce(),
	}
	if dlg.Subject == "" && !dlg.Powerline {
		dlg.Subject = key.DID()
	}
	from := now
	if !g.NotBefore.IsZero() {
		from = g.NotBefore
		t := from.Unix()
		dlg.NotBefore = &t
	}
	if dlg.Expires, err = expiry(g.Expires, g.Forever, now.Add(DefaultGrant), from); err != nil {
		return nil, fmt.Errorf("delegate: %w", err)
	}
	s, err := signDelegation(key, dlg, tag)
	if err != nil {
		return nil, fmt.Errorf("delegate: %w", err)
	}
	return s, nil
}

// Call is what [Invoke] makes an invocation of. Command must be given.
type Call struct {
	// Subject is whose authority is used. Empty means that of the first proof,
	// or without proofs the key's own DID.
	Subject did.DID
	// Audience is who is to perform it; empty means the subject.
	Audience did.DID
	// Command is what to do.
	Command string
	// Args is a map; null means an empty one.
	Args ipld.Value
	// Proofs lead from the subject to the key's DID, the root first.
	Proofs []*SignedDelegation
	// Meta is a map of signed remarks, or null.
	Meta ipld.Value
	// Cause is the receipt because of which this is invoked, or undefined.
	Cause ipld.Link
	// Expires is the last valid moment; zero means [DefaultCall] after now.
	Expires time.Time
	// Forever makes an invocation that never expires: for statements, such as
	// revocations. What acts is refused by who remembers it only for a time.
	Forever bool
	// Idempotent leaves the nonce empty, so that the same invocation made twice
	// is one task.
	Idempotent bool
	// Version is that of the tag.
	Version Version
}

// Invoke makes an invocation with a random nonce. It refuses one whose proofs do
// not lead to the key's DID, are not in force at now or not rightly signed,
// with a [*Denied]. Policies are not judged: arguments may still hold promises.
func Invoke(key did.PrivateKey, c Call, now time.Time) (*SignedInvocation, error) {
	tag, err := c.Version.tag("inv")
	if err != nil {
		return nil, fmt.Errorf("invoke: %w", err)
	}
	inv := Invocation{Subject: c.Subject, Audience: c.Audience, Command: c.Command, Args: c.Args, Meta: c.Meta, Cause: c.Cause}
	if inv.Subject == "" {
		inv.Subject = key.DID()
		if len(c.Proofs) > 0 {
			inv.Subject = c.Proofs[0].dlg.Subject
		}
	}
	if inv.Args.IsNull() {
		inv.Args = ipld.Map()
	}
	if !c.Idempotent {
		inv.Nonce = newNonce()
	}
	for _, p := range c.Proofs {
		inv.Proofs = append(inv.Proofs, p.link)
	}
	if inv.Expires, err = expiry(c.Expires, c.Forever, now.Add(DefaultCall), now); err != nil {
		return nil, fmt.Errorf("invoke: %w", err)
	}
	s, err := signInvocation(key, inv, tag)
	if err != nil {
		return nil, fmt.Errorf("invoke: %w", err)
	}
	a := &Authorisation{inv: s, chain: c.Proofs}
	for _, check := range [...]func() error{a.aligned, func() error { return a.inForce(Moment{Now: now}) }, a.signed} {
		if err := check(); err != nil {
			return nil, fmt.Errorf("invoke: %w", err)
		}
	}
	return s, nil
}

// expiry is the last second, if any; it is not before from.
func expiry(t time.Time, forever bool, otherwise, from time.Time) (*int64, error) {
	switch {
	case forever && !t.IsZero():
		return nil, errors.New("it expires, or it is for ever: not both")
	case forever:
		return nil, nil
	case t.IsZero():
		t = otherwise
	}
	last := t.Unix()
	if last < from.Unix() {
		return nil, fmt.Errorf("it would expire at %s, before it begins at %s", clock(last), clock(from.Unix()))
	}
	return &last, nil
}

func newNonce() string {
	var b [nonceSize]byte
	rand.Read(b[:])
	return string(b[:])
}
