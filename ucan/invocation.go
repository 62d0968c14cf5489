package ucan

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Bounds of a token.
const (
	MaxSize   = 256 << 10 // bytes of a token
	MaxDepth  = 64        // nested lists and maps of a token, the envelope included
	MaxProofs = 32        // links to proofs
	MaxTime   = 1<<53 - 1 // seconds before or after 1970
)

// Errors of [Sign], [Parse] and [Token.Verify].
var (
	// ErrMalformed reports bytes or an invocation outside the profile that
	// this package accepts.
	ErrMalformed = errors.New("not a UCAN invocation")
	// ErrSize reports a token above [MaxSize]; it comes with ErrMalformed.
	ErrSize = errors.New("too large")
	// ErrSignature reports a signature that is not the issuer's.
	ErrSignature = errors.New("signature is not the issuer's")
)

// Invocation is the payload of a token: a principal's wish that a command be
// performed (UCAN Invocation 1.0, "Invocation Payload").
type Invocation struct {
	// Issuer signs. Sign fills it in when it is empty.
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
	for _, t := range [...]*int64{inv.IssuedAt, inv.Expires} {
		if t != nil && (*t > MaxTime || *t < -MaxTime) {
			return did.PublicKey{}, fmt.Errorf("a time of %d is outside ±(2^53−1) seconds", *t)
		}
	}
	return issuer, nil
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

// value is the payload as IPLD.
func (inv *Invocation) value() ipld.Value {
	entries := make([]ipld.Entry, 0, 11) // in canonical order
	add := func(key string, v ipld.Value) { entries = append(entries, ipld.Entry{Key: key, Value: v}) }
	if inv.Audience != "" {
		add("aud", ipld.String(string(inv.Audience)))
	}
	add("cmd", ipld.String(inv.Command))
	add("exp", ipld.Null)
	if inv.Expires != nil {
		entries[len(entries)-1].Value = ipld.Int(*inv.Expires)
	}
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

// required are the fields that every payload has; exp may be null.
var required = [...]string{"cmd", "exp", "iss", "prf", "sub", "args", "nonce"}

// parseInvocation reads a payload. Kinds are checked here, content by check.
func parseInvocation(payload ipld.Value) (Invocation, error) {
	var inv Invocation
	if payload.Kind() != ipld.KindMap {
		return inv, fmt.Errorf("the payload is %s, not a map", payload.Kind())
	}
	for _, key := range required {
		if _, ok := payload.Lookup(key); !ok {
			return inv, fmt.Errorf("no field %s", key)
		}
	}
	for _, e := range payload.Entries() {
		known, ok := inv.set(e.Key, e.Value)
		if !known {
			return inv, fmt.Errorf("unknown field %.100q", e.Key)
		}
		if !ok {
			return inv, fmt.Errorf("field %s is %s", e.Key, e.Value.Kind())
		}
	}
	return inv, nil
}

// set puts v into the field of the given name. It tells whether there is such
// a field and whether v is of its kind.
func (inv *Invocation) set(key string, v ipld.Value) (known, ok bool) {
	principal := func(d *did.DID) bool {
		s, ok := v.AsString()
		*d = did.DID(s)
		return ok && s != ""
	}
	switch key {
	case "aud":
		ok = principal(&inv.Audience)
	case "iss":
		ok = principal(&inv.Issuer)
	case "sub":
		ok = principal(&inv.Subject)
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

func seconds(v ipld.Value) (*int64, bool) {
	t, ok := v.AsInt64()
	return &t, ok
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
