package wasm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"io"
)

// A seal stands at the end of each entry of the cache and tells that this node
// wrote it: a salt, and an HMAC over the entry's name, the salt, the size and
// one tag for each piece of the machine code. The tags are AES-GMAC, several
// times as fast as a hash, under a key that the salt and the name make and that
// serves this one entry: no nonce, which is the piece's number, comes twice
// under a key.
const (
	saltLen  = 16
	sealLen  = saltLen + sha256.Size
	macPiece = 128 << 10
)

// seal is the seal of the first size bytes of code under name.
func seal(key []byte, name string, code io.ReaderAt, size int64) ([]byte, error) {
	salt := make([]byte, saltLen)
	if _, err := rand.Read(salt); err != nil {
		return nil, err
	}
	return sealWith(key, salt, name, code, size)
}

// sealed tells whether s is a seal of the first size bytes of code under name.
func sealed(key, s []byte, name string, code io.ReaderAt, size int64) (bool, error) {
	want, err := sealWith(key, s[:saltLen:saltLen], name, code, size)
	return hmac.Equal(s, want), err
}

func sealWith(key, salt []byte, name string, code io.ReaderAt, size int64) ([]byte, error) {
	tagger, err := newTagger(keyed(key, "piece", name, salt))
	if err != nil {
		return nil, err
	}
	tags := binary.BigEndian.AppendUint64(nil, uint64(size))
	buf := make([]byte, min(size, macPiece))
	for at := int64(0); at < size; at += macPiece {
		piece := buf[:min(size-at, macPiece)]
		if _, err := code.ReadAt(piece, at); err != nil {
			return nil, err
		}
		nonce := binary.BigEndian.AppendUint64(make([]byte, 4, 12), uint64(at/macPiece))
		tags = tagger.Seal(tags, nonce, nil, piece)
	}
	return append(bytes.Clone(salt), keyed(key, "entry", name, salt, tags)...), nil
}

func newTagger(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// keyed is an HMAC over what is said for one use. Neither use nor name holds a
// zero byte.
func keyed(key []byte, use, name string, data ...[]byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(use + "\x00" + name + "\x00"))
	for _, d := range data {
		m.Write(d)
	}
	return m.Sum(nil)
}
