package did_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
)

// A key under a passphrase is opened with it and with nothing else, and its
// secret does not stand in the file.
func TestPassphrase(t *testing.T) {
	t.Parallel()
	key, err := did.Generate(did.P256)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "k.pem")
	if err := did.WriteEncryptedKeyFile(path, key, "correct horse"); err != nil {
		t.Fatal(err)
	}
	if err := did.WriteEncryptedKeyFile(path, key, "x"); !errors.Is(err, os.ErrExist) {
		t.Errorf("written over: %v", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	plain, err := key.MarshalPEM()
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, bytes.Split(plain, []byte("\n"))[1]) {
		t.Error("the secret stands in the file")
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	asked := 0
	got, err := did.OpenKeyFile(path, func() (string, error) { asked++; return "correct horse", nil })
	if err != nil || got.DID() != key.DID() || asked != 1 {
		t.Errorf("opened %v, %v, asked %d times", got.DID(), err, asked)
	}
	if _, err := did.ReadKeyFile(path); !errors.Is(err, did.ErrPassphrase) {
		t.Errorf("without a passphrase: %v", err)
	}
	if _, err := did.OpenKeyFile(path, func() (string, error) { return "wrong", nil }); !errors.Is(err, did.ErrPassphrase) {
		t.Errorf("with another: %v", err)
	}
	nobody := errors.New("nobody there")
	if _, err := did.OpenKeyFile(path, func() (string, error) { return "", nobody }); !errors.Is(err, nobody) {
		t.Errorf("with nobody to ask: %v", err)
	}
	for name, wrong := range map[string][]byte{"cut": data[:len(data)/2], "changed": bytes.Replace(data, []byte("\n-----END"), []byte("A\n-----END"), 1)} {
		bad := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(bad, wrong, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := did.OpenKeyFile(bad, func() (string, error) { return "correct horse", nil }); err == nil {
			t.Errorf("%s: opened", name)
		}
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := did.OpenKeyFile(path, func() (string, error) { return "correct horse", nil }); !errors.Is(err, did.ErrPermissions) {
		t.Errorf("others may read it: %v", err)
	}
}
