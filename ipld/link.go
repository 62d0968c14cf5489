package ipld

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ipfs/go-cid"
	"github.com/multiformats/go-multibase"
	mh "github.com/multiformats/go-multihash"
)

// Link is a CID: the address of a block by the hash of its bytes. The zero
// Link addresses nothing. Links are comparable.
type Link struct{ s string } // the binary form

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
	var buf [1 + binary.MaxVarintLen64 + 2 + sha256.Size]byte
	b := append(buf[:0], 1)
	b = binary.AppendUvarint(b, codec)
	b = append(b, mh.SHA2_256, sha256.Size)
	return Link{string(append(b, sum[:]...))}
}

// LinkWithHash returns the CIDv1 of block in the given codec under the named
// multihash code, which must be one this build knows.
func LinkWithHash(codec, hash uint64, block []byte) (Link, error) {
	h, err := mh.Sum(block, hash, -1)
	if err != nil {
		return Link{}, fmt.Errorf("hash 0x%x: %w", hash, err)
	}
	return Link{cid.NewCidV1(codec, h).KeyString()}, nil
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
	return Link{c.KeyString()}, nil
}

// LinkFromBytes reads a binary CID that fills b entirely.
func LinkFromBytes(b []byte) (Link, error) {
	if err := checkLink(b); err != nil {
		return Link{}, err
	}
	return Link{string(b)}, nil
}

// checkLink tells whether b is one binary CID.
func checkLink(b []byte) error {
	if len(b) > maxLinkLen {
		return fmt.Errorf("CID of %d bytes is too long", len(b))
	}
	if len(b) == 36 && b[0] == 1 && b[1] < 0x80 && b[2] == mh.SHA2_256 && b[3] == sha256.Size {
		return nil // what nearly every link is
	}
	n, _, err := cid.CidFromBytes(b)
	if err != nil {
		return fmt.Errorf("not a CID: %w", err)
	}
	if n != len(b) {
		return fmt.Errorf("%d bytes after the CID", len(b)-n)
	}
	return nil
}

// cid is l as the CID library has it. l is defined, so it was checked.
func (l Link) cid() cid.Cid {
	c, err := cid.Cast([]byte(l.s))
	if err != nil {
		panic("ipld: a link that is not a CID: " + err.Error())
	}
	return c
}

// Defined tells whether l is not the zero Link.
func (l Link) Defined() bool { return l.s != "" }

// String is the base32 text form (b…), or base58btc (Qm…) for CIDv0; the zero
// Link is the empty string.
func (l Link) String() string {
	if !l.Defined() {
		return ""
	}
	return l.cid().String()
}

// Base58 is the base58btc text form (z…), in which tokens are shown.
func (l Link) Base58() string {
	if !l.Defined() {
		return ""
	}
	s, err := l.cid().StringOfBase(multibase.Base58BTC)
	if err != nil { // CIDv0 is always base58btc and has no prefix
		return l.String()
	}
	return s
}

// Bytes is a copy of the binary form.
func (l Link) Bytes() []byte { return []byte(l.s) }

// Key is the binary form as a string, for map keys and store keys.
func (l Link) Key() string { return l.s }

// Codec is the multicodec code of the block that l addresses.
func (l Link) Codec() uint64 {
	if !l.Defined() {
		return 0
	}
	return l.cid().Type()
}

// HashCode is the multihash code of l.
func (l Link) HashCode() uint64 {
	if !l.Defined() {
		return 0
	}
	return l.cid().Prefix().MhType
}

// Verify checks that block hashes to l. The error wraps [ErrMismatch].
func (l Link) Verify(block []byte) error {
	if !l.Defined() {
		return fmt.Errorf("the undefined link: %w", ErrMismatch)
	}
	c := l.cid()
	got, err := c.Prefix().Sum(block)
	if err != nil {
		return fmt.Errorf("hash of %s: %w", l, err)
	}
	if !got.Equals(c) {
		return fmt.Errorf("%s: %w (they hash to %s)", l, ErrMismatch, got)
	}
	return nil
}
