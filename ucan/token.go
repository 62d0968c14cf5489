package ucan

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math"
	"sync/atomic"

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

// Errors of what makes, reads and verifies tokens.
var (
	// ErrMalformed reports bytes or a payload outside the profile that this
	// package accepts.
	ErrMalformed = errors.New("not a UCAN token")
	// ErrSize reports a token above [MaxSize]; it comes with ErrMalformed.
	ErrSize = errors.New("too large")
	// ErrSignature reports a signature that is not the issuer's.
	ErrSignature = errors.New("signature is not the issuer's")
)

var limits = ipld.Limits{Depth: MaxDepth, Bytes: MaxSize}

// Token is the envelope that a [SignedInvocation] and a [SignedDelegation] have
// in common: the DAG-CBOR list [signature, SigPayload] of UCAN 1.0
// ("Envelope"), where SigPayload is {"h": varsig header, tag: payload}. A Token
// does not change.
type Token struct {
	data       []byte
	sig        []byte // within data
	sigPayload []byte // within data
	tag        string
	alg        did.KeyType // of the varsig header
	issuer     did.PublicKey
	verified   atomic.Bool
}

// seal fills t with the signed payload.
func (t *Token) seal(key did.PrivateKey, tag string, payload ipld.Value) error {
	signed := ipld.Map(
		ipld.Entry{Key: "h", Value: ipld.Bytes(did.Varsig(key.Type()))},
		ipld.Entry{Key: tag, Value: payload},
	)
	const head = 3 + did.SignatureSize // list of 2, bytes of 64
	data := make([]byte, head, 512)
	data, err := ipld.AppendCBOR(data, signed)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	copy(data, "\x82\x58\x40")
	if err := checkCBOR(data); err != nil {
		return err
	}
	sig, err := key.Sign(data[head:])
	if err != nil {
		return err
	}
	copy(data[3:head], sig)
	t.data, t.sig, t.sigPayload = data, data[3:head], data[head:]
	t.tag, t.alg, t.issuer = tag, key.Type(), key.PublicKey()
	return nil
}

func checkCBOR(data []byte) error {
	if len(data) > MaxSize {
		return fmt.Errorf("%w: a token of %d bytes is %w (at most %d)", ErrMalformed, len(data), ErrSize, MaxSize)
	}
	if err := ipld.CheckCBOR(data, limits); err != nil {
		return fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return nil
}

// open fills t, but for its issuer, with a copy of data, whose tag must be one
// of tags, and returns the payload.
func (t *Token) open(data []byte, tags ...string) (ipld.Value, error) {
	if len(data) > MaxSize {
		return ipld.Value{}, fmt.Errorf("%d bytes are %w (at most %d)", len(data), ErrSize, MaxSize)
	}
	envelope, err := ipld.DecodeCBORLimits(data, limits)
	if err != nil {
		return ipld.Value{}, err
	}
	if envelope.Kind() != ipld.KindList || envelope.Len() != 2 {
		return ipld.Value{}, fmt.Errorf("the envelope is not a list of a signature and a payload")
	}
	sig, ok := envelope.Elems()[0].AsBytes()
	if !ok {
		return ipld.Value{}, fmt.Errorf("the signature is %s, not bytes", envelope.Elems()[0].Kind())
	}
	t.data = bytes.Clone(data)
	sigAt := 1 + headSize(len(sig))
	t.sig, t.sigPayload = t.data[sigAt:sigAt+len(sig)], t.data[sigAt+len(sig):]
	return t.openSigPayload(envelope.Elems()[1], tags)
}

// headSize is the length of the shortest CBOR head of n bytes.
func headSize(n int) int {
	switch {
	case n < 24:
		return 1
	case n <= math.MaxUint8:
		return 2
	case n <= math.MaxUint16:
		return 3
	}
	return 5
}

// openSigPayload reads {"h": header, tag: payload} and returns the payload.
func (t *Token) openSigPayload(v ipld.Value, tags []string) (ipld.Value, error) {
	h, ok := v.Lookup("h")
	if !ok || v.Len() != 2 {
		return ipld.Value{}, fmt.Errorf("the signed part is not a map of h and a tag")
	}
	header, ok := h.AsBytes()
	if !ok {
		return ipld.Value{}, fmt.Errorf("h is %s, not bytes", h.Kind())
	}
	var err error
	if t.alg, err = did.ParseVarsig([]byte(header)); err != nil {
		return ipld.Value{}, fmt.Errorf("h: %w", err)
	}
	for _, tag := range tags {
		if payload, ok := v.Lookup(tag); ok {
			t.tag = tag
			return payload, nil
		}
	}
	return ipld.Value{}, fmt.Errorf("its tag is not one of %q", tags)
}

// Verify checks that the signature is the issuer's, made over the bytes of the
// SigPayload as received, and that the varsig header names the issuer's type
// of key. Its error wraps [ErrSignature]. What was found right once is not
// computed again.
func (t *Token) Verify() error {
	if t.verified.Load() {
		return nil
	}
	if err := t.verify(); err != nil {
		return err
	}
	t.verified.Store(true)
	return nil
}

func (t *Token) verify() error {
	if t.alg != t.issuer.Type() {
		return fmt.Errorf("%w: the header says %s, the issuer's key is %s", ErrSignature, t.alg, t.issuer.Type())
	}
	if err := t.issuer.Verify(t.sigPayload, t.sig); err != nil {
		return fmt.Errorf("%w: %w", ErrSignature, err)
	}
	return nil
}

// Bytes is the token as signed or received. The caller must not change it.
func (t *Token) Bytes() []byte { return t.data }

// Link is the CID of the token (dag-cbor, sha2-256), computed at each call.
// It is not the identity of what was signed: see [Token.SigHash].
func (t *Token) Link() ipld.Link { return ipld.LinkOf(ipld.CodecDagCBOR, t.data) }

// Tag is the tag of the envelope, which names the kind of token and the
// version of the specification.
func (t *Token) Tag() string { return t.tag }

// SigHash is the SHA-256 of the signed bytes. Two tokens with the same SigHash
// say the same, also where their signatures, and so their links, differ.
func (t *Token) SigHash() [32]byte { return sha256.Sum256(t.sigPayload) }
