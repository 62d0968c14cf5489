package did

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
)

// DID names a principal. Other packages get one from [Parse] or
// [PrivateKey.DID] and may then rely on its form.
type DID string

// Pure is the reserved subject of pure tasks: work that needs nobody's
// authority. It stands in a task only; it signs nothing and is never a party
// to a token (RULES 5).
const Pure DID = "did:ipvm:pure"

const keyPrefix = "did:key:z"

// Errors of [Parse] and [DID.PublicKey].
var (
	// ErrSyntax reports a text that is not a did:key of a known key type in
	// its only spelling.
	ErrSyntax = errors.New("not a did:key of Ed25519, P-256 or secp256k1")
	// ErrPoint reports a did:key whose bytes are not a usable public key.
	ErrPoint = errors.New("not a public key")
	// ErrNoKey reports a DID, such as [Pure], that no key stands behind.
	ErrNoKey = errors.New("no key stands behind it")
)

// KeyType is the kind of a key pair.
type KeyType uint8

// The key types. The zero KeyType is none of them.
const (
	Ed25519 KeyType = iota + 1
	P256
	Secp256k1
)

// keyTypes describes each type, by KeyType.
var keyTypes = [...]struct {
	name    string
	public  string // multicodec of the public key, as a varint
	private string // multicodec of the private key, as a varint
	varsig  string // varsig v1 header for DAG-CBOR payloads
	size    int    // bytes of the public key
}{
	Ed25519:   {"Ed25519", "\xed\x01", "\x80\x26", "\x34\x01\xed\x01\xed\x01\x13\x71", 32},
	P256:      {"P-256", "\x80\x24", "\x86\x26", "\x34\x01\xec\x01\x80\x24\x12\x71", 33},
	Secp256k1: {"secp256k1", "\xe7\x01", "\x81\x26", "\x34\x01\xec\x01\xe7\x01\x12\x71", 33},
}

// known tells whether t is one of the named key types.
func (t KeyType) known() bool { return t >= Ed25519 && t <= Secp256k1 }

// String is the type's usual name.
func (t KeyType) String() string {
	if t.known() {
		return keyTypes[t].name
	}
	return fmt.Sprintf("key type %d", uint8(t))
}

// ParseKeyType reads the name of a key type in any case: ed25519, p-256 (or
// p256), secp256k1.
func ParseKeyType(s string) (KeyType, error) {
	switch strings.ToLower(s) {
	case "ed25519":
		return Ed25519, nil
	case "p-256", "p256":
		return P256, nil
	case "secp256k1":
		return Secp256k1, nil
	}
	return 0, fmt.Errorf("key type %q: want ed25519, p-256 or secp256k1", s)
}

// Parse reads a did:key of one of the key types, in its only spelling, or
// [Pure]. Its errors wrap [ErrSyntax] or [ErrPoint]. Points of P-256 and
// secp256k1 are checked to be on their curve. Of Ed25519 keys, those of small
// order and those not in canonical form are refused; 32 bytes that are
// otherwise not a point are let pass, and no signature of theirs verifies.
func Parse(s string) (DID, error) {
	if s == string(Pure) {
		return Pure, nil
	}
	if _, err := publicKey(s); err != nil {
		return "", err
	}
	return DID(s), nil
}

// String is the text of d.
func (d DID) String() string { return string(d) }

// PublicKey returns the key of a did:key. For other DIDs the error wraps
// [ErrNoKey].
func (d DID) PublicKey() (PublicKey, error) {
	if d == Pure || d == "" {
		return PublicKey{}, fmt.Errorf("DID %q: %w", string(d), ErrNoKey)
	}
	return publicKey(string(d))
}

func publicKey(s string) (PublicKey, error) {
	t, raw, err := splitKey(s)
	if err != nil {
		return PublicKey{}, fmt.Errorf("DID %.100q: %w", s, err)
	}
	k, err := newPublicKey(t, raw)
	if err != nil {
		return PublicKey{}, fmt.Errorf("DID %.100q: %w: %w", s, ErrPoint, err)
	}
	k.did = DID(s)
	return k, nil
}

// splitKey returns the type and the bytes of the key in a did:key.
func splitKey(s string) (KeyType, []byte, error) {
	text, ok := strings.CutPrefix(s, keyPrefix)
	if !ok {
		return 0, nil, ErrSyntax
	}
	b, err := appendUnbase58(make([]byte, 0, maxBase58), text)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %w", ErrSyntax, err)
	}
	for t := Ed25519; t.known(); t++ {
		if raw, ok := bytes.CutPrefix(b, []byte(keyTypes[t].public)); ok {
			if len(raw) != keyTypes[t].size {
				return 0, nil, fmt.Errorf("%w: %s key of %d bytes", ErrSyntax, t, len(raw))
			}
			return t, raw, nil
		}
	}
	return 0, nil, fmt.Errorf("%w: unknown key type", ErrSyntax)
}

// formatKey is the did:key of a public key in its binary form.
func formatKey(t KeyType, raw []byte) DID {
	b := append([]byte(keyTypes[t].public), raw...)
	return DID(appendBase58([]byte(keyPrefix), b))
}

// Varsig returns the varsig v1 header of signatures over DAG-CBOR by keys of
// type t, or nil when t is not a known type.
func Varsig(t KeyType) []byte {
	if !t.known() {
		return nil
	}
	return []byte(keyTypes[t].varsig)
}

// ParseVarsig returns the key type that a varsig v1 header names. Only the
// headers that [Varsig] returns are known.
func ParseVarsig(header []byte) (KeyType, error) {
	for t := Ed25519; t.known(); t++ {
		if string(header) == keyTypes[t].varsig {
			return t, nil
		}
	}
	return 0, fmt.Errorf("unknown varsig header %.32x", header)
}
