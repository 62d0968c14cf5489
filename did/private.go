package did

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"strings"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
)

// ErrSecret reports bytes that are not a private key of a known type. It never
// quotes them.
var ErrSecret = errors.New("not a private key of Ed25519, P-256 or secp256k1")

// PrivateKey signs for a principal. The zero PrivateKey is no key.
//
// However it is printed, logged or marshalled, it shows its DID only.
type PrivateKey struct {
	// In an unexported field of another struct fmt cannot call Format, and it
	// follows one pointer for a verb that does not fit. Of two it shows an
	// address.
	k **secret
}

type secret struct {
	public PublicKey
	ed     ed25519.PrivateKey
	p256   *ecdsa.PrivateKey
	k1     *secp256k1.PrivateKey
}

// Generate returns a new key of type t from the system's randomness.
func Generate(t KeyType) (PrivateKey, error) {
	if !t.known() {
		return PrivateKey{}, fmt.Errorf("generate key: unknown %s", t)
	}
	var seed [32]byte
	for {
		rand.Read(seed[:]) // never fails
		if k, err := newPrivateKey(t, seed[:]); err == nil {
			return k, nil
		}
		// Only for the curves, with a chance of 2^-32 or less: not a scalar.
	}
}

// newPrivateKey makes a key of its 32 secret bytes: an Ed25519 seed, or a
// big-endian scalar.
func newPrivateKey(t KeyType, raw []byte) (PrivateKey, error) {
	if len(raw) != 32 {
		return PrivateKey{}, ErrSecret
	}
	s := &secret{}
	var key verifier
	switch t {
	case Ed25519:
		s.ed = ed25519.NewKeyFromSeed(raw)
		key = ed25519Public(s.ed.Public().(ed25519.PublicKey))
	case P256:
		k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
		if err != nil {
			return PrivateKey{}, ErrSecret
		}
		s.p256 = k
		key = p256Public{&k.PublicKey}
	case Secp256k1:
		var d secp256k1.ModNScalar
		if d.SetByteSlice(raw) || d.IsZero() {
			return PrivateKey{}, ErrSecret
		}
		s.k1 = secp256k1.NewPrivateKey(&d)
		key = k1Public{s.k1.PubKey()}
	default:
		return PrivateKey{}, ErrSecret
	}
	s.public = PublicKey{did: formatKey(t, key.bytes()), key: key}
	return PrivateKey{&s}, nil
}

// secret is what k holds, or nil for the zero key.
func (k PrivateKey) secret() *secret {
	if k.k == nil {
		return nil
	}
	return *k.k
}

// IsZero tells whether k is no key.
func (k PrivateKey) IsZero() bool { return k.k == nil }

// PublicKey is the key that verifies what k signs.
func (k PrivateKey) PublicKey() PublicKey {
	if k.k == nil {
		return PublicKey{}
	}
	return k.secret().public
}

// DID is the principal for whom k signs.
func (k PrivateKey) DID() DID { return k.PublicKey().DID() }

// Type is the type of k.
func (k PrivateKey) Type() KeyType { return k.PublicKey().Type() }

// Sign returns k's signature of msg, of [SignatureSize] bytes. It is
// deterministic: RFC 8032 for Ed25519; RFC 6979 over the SHA-256 of msg, with
// the low one of the two possible s, for the others.
func (k PrivateKey) Sign(msg []byte) ([]byte, error) {
	s := k.secret()
	switch {
	case s == nil:
		return nil, errors.New("sign: no key")
	case s.ed != nil:
		return ed25519.Sign(s.ed, msg), nil
	case s.p256 != nil:
		return signP256(s.p256, msg)
	}
	sum := sha256.Sum256(msg)
	sig := k1ecdsa.Sign(s.k1, sum[:])
	sigR, sigS := sig.R(), sig.S()
	out := make([]byte, SignatureSize)
	sigR.PutBytesUnchecked(out[:32])
	sigS.PutBytesUnchecked(out[32:])
	return out, nil
}

func signP256(k *ecdsa.PrivateKey, msg []byte) ([]byte, error) {
	sum := sha256.Sum256(msg)
	der, err := k.Sign(nil, sum[:], crypto.SHA256) // without randomness: RFC 6979
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	var sig struct{ R, S *big.Int }
	if _, err := asn1.Unmarshal(der, &sig); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	n := k.Curve.Params().N
	if sig.S.Cmp(new(big.Int).Rsh(n, 1)) > 0 {
		sig.S.Sub(n, sig.S)
	}
	out := make([]byte, SignatureSize)
	sig.R.FillBytes(out[:32])
	sig.S.FillBytes(out[32:])
	return out, nil
}

// raw is the 32 secret bytes of k, which is not zero.
func (k PrivateKey) raw() []byte {
	s := k.secret()
	switch {
	case s.ed != nil:
		return s.ed.Seed()
	case s.p256 != nil:
		b, err := s.p256.Bytes()
		if err != nil {
			panic("did: a checked P-256 key has no bytes: " + err.Error())
		}
		return b
	}
	return s.k1.Serialize()
}

// Multibase is the secret of k as text: base58btc (z…) of its multicodec and
// 32 bytes. It is empty for the zero key.
func (k PrivateKey) Multibase() string {
	if k.k == nil {
		return ""
	}
	b := append([]byte(keyTypes[k.Type()].private), k.raw()...)
	return string(appendBase58([]byte{'z'}, b))
}

// ParseMultibase reads a secret as [PrivateKey.Multibase] writes it, or the
// same bytes in base64 (m, M) or base64url (u, U). Its error is [ErrSecret].
func ParseMultibase(s string) (PrivateKey, error) {
	if len(s) < 2 || len(s) > maxBase58 {
		return PrivateKey{}, ErrSecret
	}
	var b []byte
	var err error
	switch text := s[1:]; s[0] {
	case 'z':
		b, err = appendUnbase58(nil, text)
	case 'm':
		b, err = base64.RawStdEncoding.Strict().DecodeString(text)
	case 'M':
		b, err = base64.StdEncoding.Strict().DecodeString(text)
	case 'u':
		b, err = base64.RawURLEncoding.Strict().DecodeString(text)
	case 'U':
		b, err = base64.URLEncoding.Strict().DecodeString(text)
	default:
		err = ErrSecret
	}
	if err != nil || strings.ContainsAny(s, "\r\n") { // base64 skips line ends
		return PrivateKey{}, ErrSecret
	}
	for t := Ed25519; t.known(); t++ {
		if raw, ok := strings.CutPrefix(string(b), keyTypes[t].private); ok {
			return newPrivateKey(t, []byte(raw))
		}
	}
	return PrivateKey{}, ErrSecret
}

// String names the key by its DID.
func (k PrivateKey) String() string {
	if k.k == nil {
		return "no private key"
	}
	return "private key of " + string(k.DID())
}

// Format writes String for every verb, so that none shows the secret.
func (k PrivateKey) Format(f fmt.State, _ rune) { fmt.Fprint(f, k.String()) }

// GoString is String.
func (k PrivateKey) GoString() string { return k.String() }

// LogValue is String.
func (k PrivateKey) LogValue() slog.Value { return slog.StringValue(k.String()) }

// MarshalText is String: JSON and its like show the DID. There is no
// UnmarshalText.
func (k PrivateKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
