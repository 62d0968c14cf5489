package ipld

import (
	"crypto/sha256"
	"encoding/base32"
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

// Errors of [Link.Verify].
var (
	ErrMismatch = errors.New("bytes do not match their CID")
	ErrHash     = errors.New("a hash that is not to be trusted")
)

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

// ParseLink reads a CID: version 1 in any multibase, or version 0. The text has to
// be the one that the CID has in its multibase: no letter in the other case, no bits
// beside those of the CID.
func ParseLink(s string) (Link, error) {
	if len(s) > 2*maxLinkLen {
		return Link{}, fmt.Errorf("CID of %d characters is too long", len(s))
	}
	if s != "" && s[0] == 0 { // multibase's prefix for bytes that are not text
		return Link{}, errors.New("not a CID: raw bytes in text")
	}
	if len(s) == 46 && s[:2] == "Qm" {
		c, err := cid.Decode(s)
		if err != nil {
			return Link{}, fmt.Errorf("not a CID: %w", err)
		}
		return Link{c.KeyString()}, nil
	}
	base, b, err := multibase.Decode(s)
	if err != nil {
		return Link{}, fmt.Errorf("not a CID: %w", err)
	}
	l, err := LinkFromBytes(b)
	if err != nil {
		return Link{}, err
	}
	if l.s[0] != 1 {
		return Link{}, fmt.Errorf("not a CID: version 0 has no multibase and is written %s", l)
	}
	if text, err := multibase.Encode(base, b); err != nil || text != s {
		return Link{}, fmt.Errorf("not a CID: what it looks like is written %s", text)
	}
	return l, nil
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
	return string(l.appendString(nil))
}

var base32Lower = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

func (l Link) appendString(dst []byte) []byte {
	if l.s == "" {
		return dst
	}
	if l.s[0] != 1 {
		return append(dst, l.cid().String()...)
	}
	var buf [maxLinkLen]byte
	return base32Lower.AppendEncode(append(dst, 'b'), buf[:copy(buf[:], l.s)])
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

// Inline returns the block that l holds itself, by the hash identity, and whether
// it does.
func (l Link) Inline() ([]byte, bool) {
	if !l.Defined() || l.HashCode() != mh.IDENTITY {
		return nil, false
	}
	hash, err := mh.Decode(l.cid().Hash())
	if err != nil {
		return nil, false
	}
	return hash.Digest, true
}

// Verify checks that block hashes to l. The error wraps [ErrMismatch], or
// [ErrHash] if the hash of l proves nothing about any block: only sha2, sha3,
// blake2b and blake3 of at least 256 bits count, and the identity.
func (l Link) Verify(block []byte) error {
	if !l.Defined() {
		return fmt.Errorf("the undefined link: %w", ErrMismatch)
	}
	if n := len(l.s) - sha256.Size; n >= 2 && l.s[n-2] == mh.SHA2_256 && l.s[n-1] == sha256.Size && l.plain(n-2) {
		if sum := sha256.Sum256(block); l.s[n:] != string(sum[:]) {
			return fmt.Errorf("%s: %w", l, ErrMismatch)
		}
		return nil
	}
	hash, err := mh.Decode(l.cid().Hash())
	if err != nil {
		return fmt.Errorf("hash of %s: %w", l, err)
	}
	if !trusted(hash) {
		return fmt.Errorf("%s: %w: %s of %d bits", l, ErrHash, hash.Name, 8*hash.Length)
	}
	sum, err := mh.Sum(block, hash.Code, hash.Length)
	if err != nil && hash.Code != mh.IDENTITY {
		return fmt.Errorf("hash of %s: %w", l, err)
	}
	if err != nil || string(sum) != string(l.cid().Hash()) {
		return fmt.Errorf("%s: %w", l, ErrMismatch)
	}
	return nil
}

// plain tells whether nothing but the version and a codec of one byte, or a
// CIDv0's nothing, stands before the multihash at n.
func (l Link) plain(n int) bool { return n == 0 || n == 2 && l.s[0] == 1 && l.s[1] < 0x80 }

func trusted(hash *mh.DecodedMultihash) bool {
	switch hash.Code {
	case mh.IDENTITY:
		return true
	case mh.SHA2_256, mh.SHA2_512, mh.SHA3_256, mh.SHA3_384, mh.SHA3_512, mh.BLAKE3:
		return hash.Length >= 32
	}
	return mh.BLAKE2B_MIN <= hash.Code && hash.Code <= mh.BLAKE2B_MAX && hash.Length >= 32
}
