package did

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	"github.com/decred/dcrd/dcrec/secp256k1/v4"
	k1ecdsa "github.com/decred/dcrd/dcrec/secp256k1/v4/ecdsa"
	voi "github.com/oasisprotocol/curve25519-voi/primitives/ed25519"
)

// SignatureSize is the length of every signature, in bytes: R‖S for Ed25519
// (RFC 8032), r‖s in 32 bytes each for the others.
const SignatureSize = 64

// ErrSignature reports a signature that does not verify.
var ErrSignature = errors.New("signature does not verify")

// PublicKey verifies signatures. The zero PublicKey verifies none.
type PublicKey struct {
	did DID
	key verifier
}

// verifier is one kind of public key. verify gets 64 bytes of signature.
type verifier interface {
	keyType() KeyType
	bytes() []byte
	verify(msg, sig []byte) bool
}

// Type is the type of k.
func (k PublicKey) Type() KeyType {
	if k.key == nil {
		return 0
	}
	return k.key.keyType()
}

// DID is the did:key of k.
func (k PublicKey) DID() DID { return k.did }

// Bytes is the binary form that is inside the did:key: 32 bytes for Ed25519,
// a compressed point of 33 for the others.
func (k PublicKey) Bytes() []byte {
	if k.key == nil {
		return nil
	}
	return k.key.bytes()
}

// Verify checks that sig is k's signature of msg; its error wraps
// [ErrSignature]. P-256 and secp256k1 sign the SHA-256 of msg. A secp256k1
// signature must be low-S; of P-256 both forms verify, so what must not be
// repeated is to be remembered by the signed bytes, not by the signature.
func (k PublicKey) Verify(msg, sig []byte) error {
	switch {
	case k.key == nil:
		return fmt.Errorf("%w: no key", ErrSignature)
	case len(sig) != SignatureSize:
		return fmt.Errorf("%w: %d bytes, not %d", ErrSignature, len(sig), SignatureSize)
	case !k.key.verify(msg, sig):
		return ErrSignature
	}
	return nil
}

func newPublicKey(t KeyType, raw []byte) (PublicKey, error) {
	var key verifier
	switch t {
	case Ed25519:
		if !usableEd25519(raw) {
			return PublicKey{}, errors.New("small order or not canonical")
		}
		key = ed25519Public(raw)
	case P256:
		x, y := elliptic.UnmarshalCompressed(elliptic.P256(), raw)
		if x == nil {
			return PublicKey{}, errors.New("not a point of P-256")
		}
		point := append([]byte{4}, make([]byte, 64)...)
		x.FillBytes(point[1:33])
		y.FillBytes(point[33:])
		pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), point)
		if err != nil {
			return PublicKey{}, err
		}
		key = p256Public{pub}
	case Secp256k1:
		pub, err := secp256k1.ParsePubKey(raw)
		if err != nil {
			return PublicKey{}, err
		}
		key = k1Public{pub}
	default:
		return PublicKey{}, fmt.Errorf("unknown %s", t)
	}
	return PublicKey{key: key}, nil
}

type ed25519Public ed25519.PublicKey

func (k ed25519Public) keyType() KeyType { return Ed25519 }
func (k ed25519Public) bytes() []byte    { return append([]byte(nil), k...) }

func (k ed25519Public) verify(msg, sig []byte) bool {
	return voi.VerifyWithOptions(voi.PublicKey(k), msg, sig, asStandard)
}

// asStandard makes verification say what crypto/ed25519 says, which it is 1.7
// times as fast as. Nothing about it is secret; signing is crypto/ed25519's.
var asStandard = &voi.Options{Verify: voi.VerifyOptionsStdLib}

// smallOrder are the y coordinates below 2^255−19 of the points of small
// order. Anybody can sign for such a key: for the neutral point one signature
// fits every message.
var smallOrder = [...]string{
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
	"\x26\xe8\x95\x8f\xc2\xb2\x27\xb0\x45\xc3\xf4\x89\xf2\xef\x98\xf0\xd5\xdf\xac\x05\xd3\xc6\x33\x39\xb1\x38\x02\x88\x6d\x53\xfc\x05",
	"\xc7\x17\x6a\x70\x3d\x4d\xd8\x4f\xba\x3c\x0b\x76\x0d\x10\x67\x0f\x2a\x20\x53\xfa\x2c\x39\xcc\xc6\x4e\xc7\xfd\x77\x92\xac\x03\x7a",
	"\xec\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f",
}

// fieldPrime is 2^255−19, little-endian.
const fieldPrime = "\xed\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f"

// usableEd25519 tells whether the y coordinate of raw is canonical and not one
// of small order.
func usableEd25519(raw []byte) bool {
	var y [32]byte
	copy(y[:], raw)
	y[31] &= 0x7f // the sign of x
	below := false
	for i := len(y) - 1; i >= 0; i-- {
		if y[i] != fieldPrime[i] {
			below = y[i] < fieldPrime[i]
			break
		}
	}
	if !below {
		return false
	}
	for _, bad := range smallOrder {
		if string(y[:]) == bad {
			return false
		}
	}
	return true
}

type p256Public struct{ *ecdsa.PublicKey }

func (k p256Public) keyType() KeyType { return P256 }
func (k p256Public) bytes() []byte    { return elliptic.MarshalCompressed(k.Curve, k.X, k.Y) }

func (k p256Public) verify(msg, sig []byte) bool {
	sum := sha256.Sum256(msg)
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	return ecdsa.Verify(k.PublicKey, sum[:], r, s)
}

type k1Public struct{ *secp256k1.PublicKey }

func (k k1Public) keyType() KeyType { return Secp256k1 }
func (k k1Public) bytes() []byte    { return k.SerializeCompressed() }

func (k k1Public) verify(msg, sig []byte) bool {
	var r, s secp256k1.ModNScalar
	if r.SetByteSlice(sig[:32]) || s.SetByteSlice(sig[32:]) || s.IsOverHalfOrder() {
		return false
	}
	sum := sha256.Sum256(msg)
	return k1ecdsa.NewSignature(&r, &s).Verify(sum[:], k.PublicKey)
}
