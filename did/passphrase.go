package did

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// ErrPassphrase reports a key that is under a passphrase, where none was given or
// another one.
var ErrPassphrase = errors.New("the key is under a passphrase")

// WriteEncryptedKeyFile is [WriteKeyFile] for a key under a passphrase: its PEM in
// an armored file of age, which the program age opens too. Opening takes about a
// second, so that guessing is slow.
func WriteEncryptedKeyFile(path string, k PrivateKey, passphrase string) error {
	data, err := k.MarshalPEM()
	if err == nil {
		data, err = encrypt(data, passphrase)
	}
	if err != nil {
		return fmt.Errorf("write key file: %w", err)
	}
	return writeSecret(path, data)
}

func encrypt(data []byte, passphrase string) ([]byte, error) {
	recipient, err := age.NewScryptRecipient(passphrase)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	text := armor.NewWriter(&out)
	w, err := age.Encrypt(text, recipient)
	if err != nil {
		return nil, err
	}
	_, err = w.Write(data)
	err = errors.Join(err, w.Close(), text.Close())
	return out.Bytes(), err
}

// maxWork bounds what opening a file can cost, as a power of two: this one some
// seconds and 1 GiB. age itself writes 18.
const maxWork = 20

func decrypt(data []byte, passphrase func() (string, error)) ([]byte, error) {
	if passphrase == nil {
		return nil, ErrPassphrase
	}
	secret, err := passphrase()
	if err != nil {
		return nil, err
	}
	identity, err := age.NewScryptIdentity(secret)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	identity.SetMaxWorkFactor(maxWork)
	r, err := age.Decrypt(armor.NewReader(bytes.NewReader(data)), identity)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxPEM+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrPassphrase, err)
	}
	return out, nil
}
