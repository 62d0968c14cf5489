package ucan

import (
	"bytes"
	"fmt"
	"math/big"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Tags of the envelopes of delegations. What is made here has DelegationTag;
// both are read.
const (
	DelegationTag    = "ucan/dlg@1.0.0"
	DelegationTagRC1 = "ucan/dlg@1.0.0-rc.1"
)

// Delegation is the payload of a [SignedDelegation]: the issuer lets the
// audience use the issuer's authority over a subject (UCAN Delegation 1.0,
// "Delegation Payload").
type Delegation struct {
	// Issuer signs. SignDelegation fills it in when it is empty.
	Issuer did.DID
	// Audience is who may use this delegation.
	Audience did.DID
	// Subject is the principal whose authority is passed on. It is empty exactly
	// if Powerline is set.
	Subject did.DID
	// Powerline passes on authority over every subject that the issuer has, now
	// and later: sub is null. Such a delegation is never the first of a chain.
	Powerline bool
	// Command is what may be invoked, with all commands below it; "/" is all.
	Command string
	// Policy is what the arguments must fulfil.
	Policy Policy
	// Meta is a map of signed remarks, or null when there is none.
	Meta ipld.Value
	// Nonce holds raw bytes. It may be empty.
	Nonce string
	// NotBefore is the first valid moment in Unix seconds, or nil for always.
	NotBefore *int64
	// Expires is the last valid moment in Unix seconds, or nil for never.
	Expires *int64
}

// SignedDelegation is a delegation with its issuer's signature. It does not
// change.
type SignedDelegation struct {
	Token
	dlg     Delegation
	link    ipld.Link
	twin    ipld.Link // see twinLink
	sigHash [32]byte
}

// SignDelegation makes a token of exactly dlg, with nothing chosen for the
// caller: see [Delegate] for what to use otherwise. Its issuer is key's DID;
// dlg.Issuer may be empty or say the same. A delegation that ParseDelegation
// would refuse is refused here too, with the same error.
func SignDelegation(key did.PrivateKey, dlg Delegation) (*SignedDelegation, error) {
	return signDelegation(key, dlg, DelegationTag)
}

func signDelegation(key did.PrivateKey, dlg Delegation, tag string) (*SignedDelegation, error) {
	if dlg.Issuer == "" {
		dlg.Issuer = key.DID()
	}
	if dlg.Issuer != key.DID() {
		return nil, fmt.Errorf("sign delegation: %w: issuer %s is not the key's %s", ErrMalformed, dlg.Issuer, key.DID())
	}
	if _, err := dlg.check(key.PublicKey()); err != nil {
		return nil, fmt.Errorf("sign delegation: %w: %w", ErrMalformed, err)
	}
	s := &SignedDelegation{dlg: dlg}
	if err := s.seal(key, tag, dlg.value()); err != nil {
		return nil, fmt.Errorf("sign delegation: %w", err)
	}
	s.identify()
	return s, nil
}

// ParseDelegation reads a delegation and keeps a copy of data. Its errors wrap
// [ErrMalformed]. It does not look at the signature: see [Token.Verify].
//
// Accepted is canonical DAG-CBOR of at most [MaxSize] bytes with exactly the
// fields of [Delegation], did:keys as principals, a policy that [ParsePolicy]
// accepts, and one of the two tags.
func ParseDelegation(data []byte) (*SignedDelegation, error) {
	s := new(SignedDelegation)
	if err := s.parse(data); err != nil {
		return nil, fmt.Errorf("delegation: %w: %w", ErrMalformed, err)
	}
	return s, nil
}

func (s *SignedDelegation) parse(data []byte) error {
	payload, err := s.open(data, DelegationTag, DelegationTagRC1)
	if err != nil {
		return err
	}
	// No field but nbf and meta may be missing: a delegation without sub is not
	// one whose sub is null.
	if err := readPayload(payload, s.dlg.set, "aud", "cmd", "exp", "iss", "pol", "sub", "nonce"); err != nil {
		return err
	}
	pol, _ := payload.Lookup("pol")
	if s.dlg.Policy, err = parsePolicy(pol); err != nil {
		return fmt.Errorf("pol: %w", err)
	}
	if s.issuer, err = s.dlg.check(did.PublicKey{}); err != nil {
		return err
	}
	s.identify()
	return nil
}

// identify computes what every use of the token asks for.
func (s *SignedDelegation) identify() {
	s.link, s.sigHash, s.twin = s.Token.Link(), s.Token.SigHash(), s.twinLink()
}

// Delegation is the payload. The caller must not change what it points to.
func (s *SignedDelegation) Delegation() Delegation { return s.dlg }

// Link is the CID of the token (dag-cbor, sha2-256), by which proofs name it.
// It is not the identity of what was signed: see [Token.SigHash].
func (s *SignedDelegation) Link() ipld.Link { return s.link }

// p256Order is the number of points of P-256.
var p256Order, _ = new(big.Int).SetString("ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551", 16)

// twinLink is the CID of the same token with the other valid form of its
// signature, (r, −s), which anybody can make of one of P-256. The other key
// types have one form, and for them it is undefined.
func (s *SignedDelegation) twinLink() ipld.Link {
	if s.alg != did.P256 || len(s.sig) != did.SignatureSize {
		return ipld.Link{}
	}
	data := bytes.Clone(s.data)
	half := data[len(data)-len(s.sigPayload)-32 : len(data)-len(s.sigPayload)]
	n := new(big.Int).SetBytes(half)
	n.Sub(p256Order, n).FillBytes(half) // of its absolute value: what is not below the order is no signature
	return ipld.LinkOf(ipld.CodecDagCBOR, data)
}

// check tells whether dlg is within the profile, apart from the encoding of
// its values, and returns the issuer's key. It may be given that key, to save
// the work of reading it.
func (dlg *Delegation) check(issuer did.PublicKey) (did.PublicKey, error) {
	if issuer.DID() != dlg.Issuer || dlg.Issuer == "" {
		var err error
		if issuer, err = dlg.Issuer.PublicKey(); err != nil {
			return did.PublicKey{}, fmt.Errorf("iss: %w", err)
		}
	}
	if dlg.Audience != dlg.Issuer {
		if _, err := dlg.Audience.PublicKey(); err != nil {
			return did.PublicKey{}, fmt.Errorf("aud: %w", err)
		}
	}
	switch {
	case dlg.Powerline && dlg.Subject != "":
		return did.PublicKey{}, fmt.Errorf("sub: a powerline has no subject, got %.100q", dlg.Subject)
	case !dlg.Powerline && dlg.Subject != dlg.Issuer && dlg.Subject != dlg.Audience:
		if _, err := dlg.Subject.PublicKey(); err != nil {
			return did.PublicKey{}, fmt.Errorf("sub: %w", err)
		}
	}
	if err := checkCommand(dlg.Command); err != nil {
		return did.PublicKey{}, fmt.Errorf("cmd: %w", err)
	}
	if k := dlg.Meta.Kind(); k != ipld.KindMap && k != ipld.KindNull {
		return did.PublicKey{}, fmt.Errorf("meta is %s, not a map", k)
	}
	if err := checkTimes(dlg.NotBefore, dlg.Expires); err != nil {
		return did.PublicKey{}, err
	}
	return issuer, nil
}

// value is the payload as IPLD.
func (dlg *Delegation) value() ipld.Value {
	entries := make([]ipld.Entry, 0, 9) // in canonical order
	add := func(key string, v ipld.Value) { entries = append(entries, ipld.Entry{Key: key, Value: v}) }
	add("aud", ipld.String(string(dlg.Audience)))
	add("cmd", ipld.String(dlg.Command))
	add("exp", timeValue(dlg.Expires))
	add("iss", ipld.String(string(dlg.Issuer)))
	if dlg.NotBefore != nil {
		add("nbf", timeValue(dlg.NotBefore))
	}
	add("pol", dlg.Policy.Value())
	if dlg.Powerline {
		add("sub", ipld.Null)
	} else {
		add("sub", ipld.String(string(dlg.Subject)))
	}
	if !dlg.Meta.IsNull() {
		add("meta", dlg.Meta)
	}
	add("nonce", ipld.BytesString(dlg.Nonce))
	return ipld.Map(entries...)
}

// set puts v into the field of the given name. It tells whether there is such
// a field and whether v is of its kind. The policy is left to parsePolicy.
func (dlg *Delegation) set(key string, v ipld.Value) (known, ok bool) {
	switch key {
	case "iss":
		dlg.Issuer, ok = principal(v)
	case "aud":
		dlg.Audience, ok = principal(v)
	case "sub":
		if dlg.Powerline = v.IsNull(); dlg.Powerline {
			return true, true
		}
		dlg.Subject, ok = principal(v)
	case "cmd":
		dlg.Command, ok = v.AsString()
	case "pol":
		ok = v.Kind() == ipld.KindList
	case "meta":
		dlg.Meta, ok = v, v.Kind() == ipld.KindMap
	case "nonce":
		dlg.Nonce, ok = v.AsBytes()
	case "nbf":
		dlg.NotBefore, ok = seconds(v)
	case "exp":
		if v.IsNull() {
			return true, true
		}
		dlg.Expires, ok = seconds(v)
	default:
		return false, false
	}
	return true, ok
}
