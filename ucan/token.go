package ucan

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Tags of the envelopes of invocations. Sign writes Tag; Parse reads both.
const (
	Tag    = "ucan/inv@1.0.0"
	TagRC1 = "ucan/inv@1.0.0-rc.1"
)

var limits = ipld.Limits{Depth: MaxDepth, Bytes: MaxSize}

// Token is a signed invocation: the DAG-CBOR list [signature, SigPayload] of
// UCAN 1.0 ("Envelope"), where SigPayload is {"h": varsig header, tag: payload}.
// A Token does not change.
type Token struct {
	data       []byte
	sig        []byte // within data
	sigPayload []byte // within data
	tag        string
	alg        did.KeyType // of the varsig header
	issuer     did.PublicKey
	inv        Invocation
}

// Sign makes a token of inv. Its issuer is key's DID; inv.Issuer may be empty
// or say the same. An invocation that Parse would refuse is refused here too,
// with the same error.
func Sign(key did.PrivateKey, inv Invocation) (*Token, error) {
	if inv.Issuer == "" {
		inv.Issuer = key.DID()
	}
	if inv.Issuer != key.DID() {
		return nil, fmt.Errorf("sign invocation: %w: issuer %s is not the key's %s", ErrMalformed, inv.Issuer, key.DID())
	}
	issuer, err := inv.check(key.PublicKey())
	if err != nil {
		return nil, fmt.Errorf("sign invocation: %w: %w", ErrMalformed, err)
	}
	payload := ipld.Map(
		ipld.Entry{Key: "h", Value: ipld.Bytes(did.Varsig(key.Type()))},
		ipld.Entry{Key: Tag, Value: inv.value()},
	)
	const head = 3 + did.SignatureSize // list of 2, bytes of 64
	data := make([]byte, head, 512)
	data, err = ipld.AppendCBOR(data, payload)
	if err != nil {
		return nil, fmt.Errorf("sign invocation: %w: %w", ErrMalformed, err)
	}
	copy(data, "\x82\x58\x40")
	if err := checkCBOR(data); err != nil {
		return nil, fmt.Errorf("sign invocation: %w", err)
	}
	sig, err := key.Sign(data[head:])
	if err != nil {
		return nil, fmt.Errorf("sign invocation: %w", err)
	}
	copy(data[3:head], sig)
	return &Token{data: data, sig: data[3:head], sigPayload: data[head:], tag: Tag, alg: key.Type(), issuer: issuer, inv: inv}, nil
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

// Parse reads a token and keeps a copy of data. Its errors wrap
// [ErrMalformed]. It does not look at the signature: see [Token.Verify].
//
// Accepted is canonical DAG-CBOR of at most [MaxSize] bytes with exactly the
// fields of [Invocation], did:keys as principals, and one of the two tags.
func Parse(data []byte) (*Token, error) {
	t, err := parse(data)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	return t, nil
}

func parse(data []byte) (*Token, error) {
	if len(data) > MaxSize {
		return nil, fmt.Errorf("%d bytes are %w (at most %d)", len(data), ErrSize, MaxSize)
	}
	envelope, err := ipld.DecodeCBORLimits(data, limits)
	if err != nil {
		return nil, err
	}
	if envelope.Kind() != ipld.KindList || envelope.Len() != 2 {
		return nil, fmt.Errorf("the envelope is not a list of a signature and a payload")
	}
	sig, ok := envelope.Elems()[0].AsBytes()
	if !ok {
		return nil, fmt.Errorf("the signature is %s, not bytes", envelope.Elems()[0].Kind())
	}
	t := &Token{data: bytes.Clone(data)}
	sigAt := 1 + headSize(len(sig))
	t.sig, t.sigPayload = t.data[sigAt:sigAt+len(sig)], t.data[sigAt+len(sig):]
	payload, err := t.parseSigPayload(envelope.Elems()[1])
	if err != nil {
		return nil, err
	}
	if t.inv, err = parseInvocation(payload); err != nil {
		return nil, err
	}
	if t.issuer, err = t.inv.check(did.PublicKey{}); err != nil {
		return nil, err
	}
	return t, nil
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

// parseSigPayload reads {"h": header, tag: payload} and returns the payload.
func (t *Token) parseSigPayload(v ipld.Value) (ipld.Value, error) {
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
	for _, tag := range [...]string{Tag, TagRC1} {
		if payload, ok := v.Lookup(tag); ok {
			t.tag = tag
			return payload, nil
		}
	}
	return ipld.Value{}, fmt.Errorf("its tag is not %s or %s", Tag, TagRC1)
}

// Verify checks that the signature is the issuer's, made over the bytes of the
// SigPayload as received, and that the varsig header names the issuer's type
// of key. Its error wraps [ErrSignature].
func (t *Token) Verify() error {
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

// Invocation is the payload. The caller must not change what it points to.
func (t *Token) Invocation() Invocation { return t.inv }

// Tag is the tag of the envelope, [Tag] or [TagRC1].
func (t *Token) Tag() string { return t.tag }

// SigHash is the SHA-256 of the signed bytes. Two tokens with the same SigHash
// say the same, also where their signatures, and so their links, differ.
func (t *Token) SigHash() [32]byte { return sha256.Sum256(t.sigPayload) }
