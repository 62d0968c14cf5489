package ipld

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multibase"
	mh "github.com/multiformats/go-multihash"
)

// Link is a CID: the address of a block by the hash of its bytes. The zero
// Link addresses nothing. Links are comparable.
type Link struct{ c cid.Cid }

// Multicodec codes of the block formats that links name.
const (
	CodecRaw     = 0x55
	CodecDagPB   = 0x70
	CodecDagCBOR = 0x71
	CodecDagJSON = 0x0129
)

// maxLinkLen bounds the binary form of a link, in bytes.
const maxLinkLen = 128

// ErrMismatch reports bytes that do not hash to the link they were fetched by.
var ErrMismatch = errors.New("bytes do not match their CID")

// LinkOf returns the CIDv1 (sha2-256) of block in the given codec.
func LinkOf(codec uint64, block []byte) Link {
	sum := sha256.Sum256(block)
	h := make([]byte, 0, 34)
	h = append(h, mh.SHA2_256, 32)
	h = append(h, sum[:]...)
	return Link{cid.NewCidV1(codec, h)}
}

// LinkWithHash returns the CIDv1 of block in the given codec under the named
// multihash code, which must be one this build knows.
func LinkWithHash(codec, hash uint64, block []byte) (Link, error) {
	h, err := mh.Sum(block, hash, -1)
	if err != nil {
		return Link{}, fmt.Errorf("hash 0x%x: %w", hash, err)
	}
	return Link{cid.NewCidV1(codec, h)}, nil
}

// ParseLink reads a CID in any multibase text form, v0 or v1.
func ParseLink(s string) (Link, error) {
	if len(s) > 2*maxLinkLen {
		return Link{}, fmt.Errorf("CID of %d characters is too long", len(s))
	}
	c, err := cid.Decode(s)
	if err != nil {
		return Link{}, fmt.Errorf("not a CID: %w", err)
	}
	if c.ByteLen() > maxLinkLen {
		return Link{}, fmt.Errorf("CID of %d bytes is too long", c.ByteLen())
	}
	return Link{c}, nil
}

// LinkFromBytes reads a binary CID that fills b entirely.
func LinkFromBytes(b []byte) (Link, error) {
	if len(b) > maxLinkLen {
		return Link{}, fmt.Errorf("CID of %d bytes is too long", len(b))
	}
	n, c, err := cid.CidFromBytes(b)
	if err != nil {
		return Link{}, fmt.Errorf("not a CID: %w", err)
	}
	if n != len(b) {
		return Link{}, fmt.Errorf("%d bytes after the CID", len(b)-n)
	}
	return Link{c}, nil
}

// Defined tells whether l is not the zero Link.
func (l Link) Defined() bool { return l.c.Defined() }

// String is the base32 text form (b…), or base58btc (Qm…) for CIDv0; the zero
// Link is the empty string.
func (l Link) String() string {
	if !l.c.Defined() {
		return ""
	}
	return l.c.String()
}

// Base58 is the base58btc text form (z…), in which tokens are shown.
func (l Link) Base58() string {
	s, err := l.c.StringOfBase(multibase.Base58BTC)
	if err != nil { // CIDv0 is always base58btc and has no prefix
		return l.c.String()
	}
	return s
}

// Bytes is the binary form.
func (l Link) Bytes() []byte { return l.c.Bytes() }

// Key is the binary form as a string, for map keys and store keys.
func (l Link) Key() string { return l.c.KeyString() }

// Codec is the multicodec code of the block that l addresses.
func (l Link) Codec() uint64 { return l.c.Type() }

// HashCode is the multihash code of l.
func (l Link) HashCode() uint64 { return l.c.Prefix().MhType }

// Verify checks that block hashes to l. The error wraps [ErrMismatch].
func (l Link) Verify(block []byte) error {
	got, err := l.c.Prefix().Sum(block)
	if err != nil {
		return fmt.Errorf("hash of %s: %w", l, err)
	}
	if !got.Equals(l.c) {
		return fmt.Errorf("%s: %w (they hash to %s)", l, ErrMismatch, got)
	}
	return nil
}
