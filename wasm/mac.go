package wasm

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"runtime"
	"sync"
	"sync/atomic"
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
	// macReaders is how many goroutines tag the pieces of one entry.
	macReaders = 4
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
	pieces := int((size + macPiece - 1) / macPiece)
	tags := binary.BigEndian.AppendUint64(nil, uint64(size))
	tags = append(tags, make([]byte, pieces*tagger.Overhead())...)
	var next atomic.Int64
	errs := make([]error, min(pieces, macReaders, runtime.GOMAXPROCS(0)))
	var readers sync.WaitGroup
	for r := range errs {
		readers.Go(func() {
			buf := make([]byte, min(size, macPiece))
			for errs[r] == nil {
				n := next.Add(1) - 1
				if n >= int64(pieces) {
					return
				}
				errs[r] = tagPiece(tags[8+int(n)*tagger.Overhead():], tagger, uint64(n), buf, code, size)
			}
		})
	}
	readers.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	return append(bytes.Clone(salt), keyed(key, "entry", name, salt, tags)...), nil
}

// tagPiece writes the tag of piece n of the first size bytes of code to dst.
func tagPiece(dst []byte, tagger cipher.AEAD, n uint64, buf []byte, code io.ReaderAt, size int64) error {
	at := int64(n) * macPiece
	piece := buf[:min(size-at, macPiece)]
	if _, err := code.ReadAt(piece, at); err != nil {
		return err
	}
	nonce := binary.BigEndian.AppendUint64(make([]byte, 4, 12), n)
	copy(dst, tagger.Seal(nil, nonce, nil, piece))
	return nil
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
