package did

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"

	"filippo.io/age/armor"
	"github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// maxPEM bounds a key file, in bytes.
const maxPEM = 16 << 10

const pemType = "PRIVATE KEY"

// ErrPermissions reports a key file that others than its owner may use.
var ErrPermissions = errors.New("others may read this key")

// Object identifiers of elliptic curve keys (RFC 5480, SEC 2).
var (
	oidECPublicKey = asn1.ObjectIdentifier{1, 2, 840, 10045, 2, 1}
	oidSecp256k1   = asn1.ObjectIdentifier{1, 3, 132, 0, 10}
)

// pkcs8 is a PrivateKeyInfo of an elliptic curve key (RFC 5958).
type pkcs8 struct {
	Version   int
	Algorithm struct{ Algorithm, Curve asn1.ObjectIdentifier }
	Key       []byte
}

// sec1 is an ECPrivateKey (RFC 5915).
type sec1 struct {
	Version int
	Key     []byte
	Curve   asn1.ObjectIdentifier `asn1:"optional,explicit,tag:0"`
	Public  asn1.BitString        `asn1:"optional,explicit,tag:1"`
}

// MarshalPEM is the secret of k as PKCS#8 in PEM, as OpenSSL reads and writes
// it.
func (k PrivateKey) MarshalPEM() ([]byte, error) {
	var der []byte
	var err error
	s := k.secret()
	switch {
	case s == nil:
		return nil, errors.New("marshal key: no key")
	case s.ed != nil:
		der, err = x509.MarshalPKCS8PrivateKey(s.ed)
	case s.p256 != nil:
		der, err = x509.MarshalPKCS8PrivateKey(s.p256)
	default:
		der, err = marshalSecp256k1(s.k1)
	}
	if err != nil {
		return nil, fmt.Errorf("marshal key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

// marshalSecp256k1 writes PKCS#8, which crypto/x509 does not for this curve.
func marshalSecp256k1(k *secp256k1.PrivateKey) ([]byte, error) {
	public := k.PubKey().SerializeUncompressed()
	inner, err := asn1.Marshal(sec1{Version: 1, Key: k.Serialize(), Public: asn1.BitString{Bytes: public, BitLength: 8 * len(public)}})
	if err != nil {
		return nil, err
	}
	outer := pkcs8{Key: inner}
	outer.Algorithm.Algorithm, outer.Algorithm.Curve = oidECPublicKey, oidSecp256k1
	return asn1.Marshal(outer)
}

// ParsePEM reads a private key in PKCS#8 and PEM, alone in data but for white
// space. Its error wraps [ErrSecret].
func ParsePEM(data []byte) (PrivateKey, error) {
	if len(data) > maxPEM {
		return PrivateKey{}, fmt.Errorf("%w: PEM of %d bytes", ErrSecret, len(data))
	}
	data = bytes.TrimSpace(data)
	if !bytes.HasPrefix(data, []byte("-----BEGIN "+pemType+"-----")) {
		return PrivateKey{}, fmt.Errorf("%w: want PEM of type %s (PKCS#8, not encrypted)", ErrSecret, pemType)
	}
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemType || len(block.Headers) != 0 || len(rest) != 0 {
		return PrivateKey{}, fmt.Errorf("%w: want exactly one PEM block of type %s", ErrSecret, pemType)
	}
	k, err := parsePKCS8(block.Bytes)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("PEM: %w", err)
	}
	return k, nil
}

func parsePKCS8(der []byte) (PrivateKey, error) {
	var whole asn1.RawValue // crypto/x509 does not mind what comes behind it
	if rest, err := asn1.Unmarshal(der, &whole); err != nil || len(rest) != 0 {
		return PrivateKey{}, ErrSecret
	}
	var outer pkcs8
	_, err := asn1.Unmarshal(der, &outer)
	if err == nil && outer.Algorithm.Algorithm.Equal(oidECPublicKey) && outer.Algorithm.Curve.Equal(oidSecp256k1) {
		if outer.Version != 0 {
			return PrivateKey{}, ErrSecret
		}
		return parseSec1(outer.Key)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return PrivateKey{}, ErrSecret // the cause might quote the secret
	}
	switch key := parsed.(type) {
	case ed25519.PrivateKey:
		return newPrivateKey(Ed25519, key.Seed())
	case *ecdsa.PrivateKey:
		if key.Curve != elliptic.P256() {
			return PrivateKey{}, fmt.Errorf("%w: it is of curve %s", ErrSecret, key.Curve.Params().Name)
		}
		raw, err := key.Bytes()
		if err != nil {
			return PrivateKey{}, ErrSecret
		}
		return newPrivateKey(P256, raw)
	}
	return PrivateKey{}, fmt.Errorf("%w: it is a %T", ErrSecret, parsed)
}

// parseSec1 reads the inner part of a secp256k1 key.
func parseSec1(der []byte) (PrivateKey, error) {
	var inner sec1
	rest, err := asn1.Unmarshal(der, &inner)
	if err != nil || len(rest) != 0 || inner.Version != 1 || (inner.Curve != nil && !inner.Curve.Equal(oidSecp256k1)) {
		return PrivateKey{}, ErrSecret
	}
	k, err := newPrivateKey(Secp256k1, inner.Key)
	if err != nil {
		return PrivateKey{}, err
	}
	if len(inner.Public.Bytes) > 0 {
		public, err := secp256k1.ParsePubKey(inner.Public.Bytes)
		if err != nil || !public.IsEqual(k.secret().k1.PubKey()) {
			return PrivateKey{}, fmt.Errorf("%w: its public key is another one's", ErrSecret)
		}
	}
	return k, nil
}

// WriteKeyFile writes k to a new file at path with mode 0600, at once or not
// at all, and durably. It never overwrites: where path exists the error wraps
// [os.ErrExist]. The directory must exist and its file system must know hard
// links.
func WriteKeyFile(path string, k PrivateKey) error {
	data, err := k.MarshalPEM()
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return writeSecret(path, data)
}

// writeSecret writes data as [WriteKeyFile] does a key.
func writeSecret(path string, data []byte) (err error) {
	dir := filepath.Dir(path)
	tmp, err := os.CreateTemp(dir, ".key-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	defer func() {
		if rmErr := os.Remove(tmp.Name()); err == nil && rmErr != nil {
			err = fmt.Errorf("write key file: %w", rmErr)
		}
	}()
	_, err = tmp.Write(data)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	// A link, unlike a rename, fails where the name is taken.
	if err := os.Link(tmp.Name(), path); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return syncDir(dir)
}

// syncDir makes a new name in dir durable.
func syncDir(dir string) error {
	if runtime.GOOS == "windows" { // directories cannot be synced there
		return nil
	}
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return nil
}

// ReadKeyFile reads a key that [WriteKeyFile] wrote, or any that [ParsePEM]
// reads. The error wraps [os.ErrNotExist] where there is none, [ErrPermissions]
// where others than the owner may read or write the file (not checked on
// Windows), and [ErrPassphrase] where there is need of one.
func ReadKeyFile(path string) (PrivateKey, error) { return OpenKeyFile(path, nil) }

// OpenKeyFile is [ReadKeyFile] for a key that may be under a passphrase, which is
// asked for only then.
func OpenKeyFile(path string, passphrase func() (string, error)) (PrivateKey, error) {
	data, err := readSecret(path)
	if err != nil {
		return PrivateKey{}, err
	}
	if bytes.HasPrefix(data, []byte(armor.Header)) {
		if data, err = decrypt(data, passphrase); err != nil {
			return PrivateKey{}, fmt.Errorf("key file %s: %w", path, err)
		}
	}
	k, err := ParsePEM(data)
	if err != nil {
		return PrivateKey{}, fmt.Errorf("key file %s: %w", path, err)
	}
	return k, nil
}

// readSecret reads a file that nobody else may read.
func readSecret(path string) ([]byte, error) {
	if info, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	} else if !info.Mode().IsRegular() { // opening a pipe would wait for ever
		return nil, fmt.Errorf("read key file: %s is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 && runtime.GOOS != "windows" {
		return nil, fmt.Errorf("key file %s has mode %#o: %w; make it yours alone with: chmod 600 %s", path, mode, ErrPermissions, path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("read key file: %w", err)
	}
	return data, nil
}
