package ucan

import (
	"fmt"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Tags of the envelopes of invocations. What is made here has Tag; both are
// read.
const (
	Tag    = "ucan/inv@1.0.0"
	TagRC1 = "ucan/inv@1.0.0-rc.1"
)

// Invocation is the payload of a [SignedInvocation]: a principal's wish that a
// command be performed (UCAN Invocation 1.0, "Invocation Payload").
type Invocation struct {
	// Issuer signs. SignInvocation fills it in when it is empty.
	Issuer did.DID
	// Subject is the principal whose authority is used.
	Subject did.DID
	// Audience is the executor, where it is not the subject; else empty.
	Audience did.DID
	// Command is a lower-case path, such as "/wasm/run".
	Command string
	// Args is a map.
	Args ipld.Value
	// Proofs are links to delegations, the root first.
	Proofs []ipld.Link
	// Meta is a map of signed remarks, or null when there is none.
	Meta ipld.Value
	// Nonce holds raw bytes. It may be empty.
	Nonce string
	// IssuedAt is a claim in Unix seconds, or nil when none is made.
	IssuedAt *int64
	// Expires is the last valid moment in Unix seconds, or nil for never.
	Expires *int64
	// Cause is the receipt because of which this is invoked, or undefined.
	Cause ipld.Link
}

// SignedInvocation is an invocation with its issuer's signature. It does not
// change.
type SignedInvocation struct {
	Token
	inv Invocation
}

// SignInvocation makes a token of exactly inv, with nothing chosen for the
// caller: see [Invoke] for what to use otherwise. Its issuer is key's DID;
// inv.Issuer may be empty or say the same. An invocation that ParseInvocation
// would refuse is refused here too, with the same error.
func SignInvocation(key did.PrivateKey, inv Invocation) (*SignedInvocation, error) {
	return signInvocation(key, inv, Tag)
}

func signInvocation(key did.PrivateKey, inv Invocation, tag string) (*SignedInvocation, error) {
	if inv.Issuer == "" {
		inv.Issuer = key.DID()
	}
	if inv.Issuer != key.DID() {
		return nil, fmt.Errorf("sign invocation: %w: issuer %s is not the key's %s", ErrMalformed, inv.Issuer, key.DID())
	}
	if _, err := inv.check(key.PublicKey()); err != nil {
		return nil, fmt.Errorf("sign invocation: %w: %w", ErrMalformed, err)
	}
	s := &SignedInvocation{inv: inv}
	if err := s.seal(key, tag, inv.value()); err != nil {
		return nil, fmt.Errorf("sign invocation: %w", err)
	}
	return s, nil
}

// ParseInvocation reads an invocation and keeps a copy of data. Its errors wrap
// [ErrMalformed]. It does not look at the signature: see [Token.Verify], and
// [Authorize] for whether the issuer may ask for this at all.
//
// Accepted is canonical DAG-CBOR of at most [MaxSize] bytes with exactly the
// fields of [Invocation], did:keys as principals, and one of the two tags.
func ParseInvocation(data []byte) (*SignedInvocation, error) {
	s := new(SignedInvocation)
	if err := s.parse(data); err != nil {
		return nil, fmt.Errorf("invocation: %w: %w", ErrMalformed, err)
	}
	return s, nil
}

func (s *SignedInvocation) parse(data []byte) error {
	payload, err := s.open(data, Tag, TagRC1)
	if err != nil {
		return err
	}
	if s.inv, err = parseInvocation(payload); err != nil {
		return err
	}
	s.issuer, err = s.inv.check(did.PublicKey{})
	return err
}

// Invocation is the payload. The caller must not change what it points to.
func (s *SignedInvocation) Invocation() Invocation { return s.inv }

// check tells whether inv is within the profile, apart from the encoding of
// its values, and returns the issuer's key. It may be given that key, to save
// the work of reading it.
func (inv *Invocation) check(issuer did.PublicKey) (did.PublicKey, error) {
	if issuer.DID() != inv.Issuer || inv.Issuer == "" {
		var err error
		if issuer, err = inv.Issuer.PublicKey(); err != nil {
			return did.PublicKey{}, fmt.Errorf("iss: %w", err)
		}
	}
	if inv.Subject != inv.Issuer {
		if _, err := inv.Subject.PublicKey(); err != nil {
			return did.PublicKey{}, fmt.Errorf("sub: %w", err)
		}
	}
	if inv.Audience != "" && inv.Audience != inv.Issuer && inv.Audience != inv.Subject {
		if _, err := inv.Audience.PublicKey(); err != nil {
			return did.PublicKey{}, fmt.Errorf("aud: %w", err)
		}
	}
	if err := checkCommand(inv.Command); err != nil {
		return did.PublicKey{}, fmt.Errorf("cmd: %w", err)
	}
	if k := inv.Args.Kind(); k != ipld.KindMap {
		return did.PublicKey{}, fmt.Errorf("args is %s, not a map", k)
	}
	if k := inv.Meta.Kind(); k != ipld.KindMap && k != ipld.KindNull {
		return did.PublicKey{}, fmt.Errorf("meta is %s, not a map", k)
	}
	if len(inv.Proofs) > MaxProofs {
		return did.PublicKey{}, fmt.Errorf("prf has %d links, more than %d", len(inv.Proofs), MaxProofs)
	}
	if err := checkTimes(inv.IssuedAt, inv.Expires); err != nil {
		return did.PublicKey{}, err
	}
	return issuer, nil
}

// value is the payload as IPLD.
func (inv *Invocation) value() ipld.Value {
	entries := make([]ipld.Entry, 0, 11) // in canonical order
	add := func(key string, v ipld.Value) { entries = append(entries, ipld.Entry{Key: key, Value: v}) }
	if inv.Audience != "" {
		add("aud", ipld.String(string(inv.Audience)))
	}
	add("cmd", ipld.String(inv.Command))
	add("exp", timeValue(inv.Expires))
	if inv.IssuedAt != nil {
		add("iat", ipld.Int(*inv.IssuedAt))
	}
	add("iss", ipld.String(string(inv.Issuer)))
	proofs := make([]ipld.Value, len(inv.Proofs))
	for i, p := range inv.Proofs {
		proofs[i] = ipld.LinkValue(p)
	}
	add("prf", ipld.List(proofs...))
	add("sub", ipld.String(string(inv.Subject)))
	add("args", inv.Args)
	if !inv.Meta.IsNull() {
		add("meta", inv.Meta)
	}
	if inv.Cause.Defined() {
		add("cause", ipld.LinkValue(inv.Cause))
	}
	add("nonce", ipld.BytesString(inv.Nonce))
	return ipld.Map(entries...)
}

// parseInvocation reads a payload. Kinds are checked here, content by check.
func parseInvocation(payload ipld.Value) (Invocation, error) {
	var inv Invocation
	err := readPayload(payload, inv.set, "cmd", "exp", "iss", "prf", "sub", "args", "nonce")
	return inv, err
}

// set puts v into the field of the given name. It tells whether there is such
// a field and whether v is of its kind.
func (inv *Invocation) set(key string, v ipld.Value) (known, ok bool) {
	switch key {
	case "aud":
		inv.Audience, ok = principal(v)
	case "iss":
		inv.Issuer, ok = principal(v)
	case "sub":
		inv.Subject, ok = principal(v)
	case "cmd":
		inv.Command, ok = v.AsString()
	case "args":
		inv.Args, ok = v, v.Kind() == ipld.KindMap
	case "meta":
		inv.Meta, ok = v, v.Kind() == ipld.KindMap
	case "nonce":
		inv.Nonce, ok = v.AsBytes()
	case "cause":
		inv.Cause, ok = v.AsLink()
	case "prf":
		inv.Proofs, ok = links(v)
	case "exp":
		if v.IsNull() {
			return true, true
		}
		inv.Expires, ok = seconds(v)
	case "iat":
		inv.IssuedAt, ok = seconds(v)
	default:
		return false, false
	}
	return true, ok
}

func links(v ipld.Value) ([]ipld.Link, bool) {
	if v.Kind() != ipld.KindList {
		return nil, false
	}
	if v.Len() == 0 {
		return nil, true
	}
	out := make([]ipld.Link, v.Len())
	for i, e := range v.Elems() {
		var ok bool
		if out[i], ok = e.AsLink(); !ok {
			return nil, false
		}
	}
	return out, true
}
