package did

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
)

func allTypes(t testing.TB) []PrivateKey {
	t.Helper()
	return []PrivateKey{publishedKey(t, "alice"), publishedKey(t, "RFC 6979"), publishedKey(t, "did:key method")}
}

func TestPEMRoundTrip(t *testing.T) {
	t.Parallel()
	for _, k := range allTypes(t) {
		data, err := k.MarshalPEM()
		if err != nil {
			t.Fatal(err)
		}
		back, err := ParsePEM(data)
		if err != nil {
			t.Fatal(err)
		}
		if back.DID() != k.DID() || !bytes.Equal(back.raw(), k.raw()) {
			t.Errorf("%s came back as %s", k.DID(), back.DID())
		}
		if back, err := ParsePEM([]byte("\n " + strings.ReplaceAll(string(data), "\n", "\r\n") + "\t\n")); err != nil || back.DID() != k.DID() {
			t.Errorf("with white space around: %v, %v", back, err)
		}
	}
	if _, err := (PrivateKey{}).MarshalPEM(); err == nil {
		t.Error("the zero key has a PEM")
	}
}

// opensslPublic are the public keys of the keys in testdata, by name of file.
var opensslPublic = map[string]string{
	"ed25519":   "80472e2ad50f97cc5672a6999fa9779577093eb2eddb70647d6ab491cf895ea0",
	"p-256":     "029ffd6d62362b4f7dc9fb479160245776f3ed23195536447054b42f202907b92d",
	"secp256k1": "03fd877e26899ba773e9b709d84930d1f3b68ca0eb37b61b727b8a09198e219c66",
}

// Keys made by OpenSSL 3: their public keys are what `openssl pkey -pubout`
// says, and what we write is byte for byte what it writes.
func TestOpenSSLKeys(t *testing.T) {
	t.Parallel()
	for name, want := range opensslPublic {
		data, err := os.ReadFile(filepath.Join("testdata", name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		k, err := ParsePEM(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got := hex.EncodeToString(k.PublicKey().Bytes()); got != want || !strings.EqualFold(k.Type().String(), name) {
			t.Errorf("%s: public key %s of type %s, want %s", name, got, k.Type(), want)
		}
		back, err := k.MarshalPEM()
		if err != nil || !bytes.Equal(back, data) {
			t.Errorf("%s: written as\n%s, %v", name, back, err)
		}
	}
}

func TestParsePEMRefuses(t *testing.T) {
	t.Parallel()
	read := func(name string) []byte {
		data, err := os.ReadFile(filepath.Join("testdata", name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := read("ed25519")
	edit := func(name string, f func(der []byte) []byte) []byte {
		block, _ := pem.Decode(read(name))
		return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: f(block.Bytes)})
	}
	flipLast := func(der []byte) []byte { der[len(der)-1] ^= 1; return der }
	tests := map[string][]byte{
		"empty":               nil,
		"no pem":              []byte("hello"),
		"begin only":          good[:30],
		"P-384":               read("p-384"),
		"X25519":              read("x25519"),
		"SEC 1":               read("sec1"),
		"encrypted":           read("encrypted"),
		"two keys":            append(append([]byte(nil), good...), good...),
		"text before":         append([]byte("key:\n"), good...),
		"text after":          append(append([]byte(nil), good...), "more"...),
		"headers":             []byte(strings.Replace(string(good), "-----\n", "-----\nProc-Type: 4\n\n", 1)),
		"public key":          []byte(strings.ReplaceAll(string(good), "PRIVATE", "PUBLIC")),
		"too long":            append(append([]byte(nil), good...), bytes.Repeat([]byte("\n"), maxPEM)...),
		"trailing DER":        edit("ed25519", func(der []byte) []byte { return append(der, 0) }),
		"trailing DER, k1":    edit("secp256k1", func(der []byte) []byte { return append(der, 0) }),
		"foreign public key":  edit("secp256k1", flipLast),
		"zero scalar":         edit("secp256k1", func(der []byte) []byte { return zeroAfter(der, "\x02\x01\x01\x04\x20", 32) }),
		"scalar above order":  edit("secp256k1", func(der []byte) []byte { return fillAfter(der, "\x02\x01\x01\x04\x20", 32, 0xff) }),
		"P-256 above order":   edit("p-256", func(der []byte) []byte { return fillAfter(der, "\x02\x01\x01\x04\x20", 32, 0xff) }),
		"inner version":       edit("secp256k1", func(der []byte) []byte { return bytes.Replace(der, []byte("\x02\x01\x01"), []byte("\x02\x01\x02"), 1) }),
		"outer version":       edit("secp256k1", func(der []byte) []byte { return bytes.Replace(der, []byte("\x02\x01\x00"), []byte("\x02\x01\x07"), 1) }),
		"DER of nothing":      pem.EncodeToMemory(&pem.Block{Type: pemType}),
		"DER cut, ed25519":    edit("ed25519", func(der []byte) []byte { return der[:len(der)-1] }),
		"DER cut, secp256k1":  edit("secp256k1", func(der []byte) []byte { return der[:len(der)-1] }),
		"base64 out of place": []byte(strings.Replace(string(good), "M", "*", 1)),
	}
	for name, data := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			k, err := ParsePEM(data)
			if !errors.Is(err, ErrSecret) || !k.IsZero() {
				t.Errorf("%v, %v", k, err)
			}
		})
	}
}

func zeroAfter(b []byte, mark string, n int) []byte { return fillAfter(b, mark, n, 0) }

func fillAfter(b []byte, mark string, n int, with byte) []byte {
	i := bytes.Index(b, []byte(mark)) + len(mark)
	copy(b[i:i+n], bytes.Repeat([]byte{with}, n))
	return b
}

func TestMultibase(t *testing.T) {
	t.Parallel()
	for _, k := range allTypes(t) {
		text := k.Multibase()
		if text[0] != 'z' {
			t.Errorf("%s: not base58btc", k)
		}
		raw := append([]byte(keyTypes[k.Type()].private), k.raw()...)
		for _, s := range []string{
			text, "m" + base64.RawStdEncoding.EncodeToString(raw), "M" + base64.StdEncoding.EncodeToString(raw),
			"u" + base64.RawURLEncoding.EncodeToString(raw), "U" + base64.URLEncoding.EncodeToString(raw),
		} {
			back, err := ParseMultibase(s)
			if err != nil || back.DID() != k.DID() {
				t.Errorf("%s: %v, %v", k, back, err)
			}
			for _, bad := range []string{s + "\n", " " + s, s[1:], s[:len(s)-3], "x" + s[1:], strings.ToUpper(s), s + s} {
				if back, err := ParseMultibase(bad); !errors.Is(err, ErrSecret) {
					t.Errorf("a bad form of %s was read as %v, %v", k, back, err)
				}
			}
		}
	}
	if (PrivateKey{}).Multibase() != "" {
		t.Error("the zero key has a text")
	}
	if _, err := ParseMultibase("M" + base64.StdEncoding.EncodeToString([]byte("\xed\x01"+strings.Repeat("x", 32)))); err == nil {
		t.Error("a public key was read as a private one")
	}
}

func TestKeyFile(t *testing.T) {
	t.Parallel()
	for _, k := range allTypes(t) {
		dir := t.TempDir()
		path := filepath.Join(dir, "key.pem")
		if _, err := ReadKeyFile(path); !errors.Is(err, fs.ErrNotExist) {
			t.Fatalf("before it is there: %v", err)
		}
		if err := WriteKeyFile(path, k); err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		if runtime.GOOS != "windows" && info.Mode() != 0o600 {
			t.Errorf("mode %v", info.Mode())
		}
		back, err := ReadKeyFile(path)
		if err != nil || back.DID() != k.DID() {
			t.Fatalf("%v, %v", back, err)
		}
		before, _ := os.ReadFile(path)
		if err := WriteKeyFile(path, publishedKey(t, "bob")); !errors.Is(err, fs.ErrExist) {
			t.Errorf("writing again: %v", err)
		}
		if after, _ := os.ReadFile(path); !bytes.Equal(before, after) {
			t.Error("the file was changed")
		}
		if names, _ := os.ReadDir(dir); len(names) != 1 {
			t.Errorf("left in the directory: %v", names)
		}
	}
}

// Of many that write the same file at once exactly one wins, and nobody reads
// half a file.
func TestKeyFileRace(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "key.pem")
	var won atomic.Int32
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			k, err := Generate(Ed25519)
			if err != nil {
				t.Error(err)
				return
			}
			switch err := WriteKeyFile(path, k); {
			case err == nil:
				won.Add(1)
			case !errors.Is(err, fs.ErrExist):
				t.Error(err)
			}
			if _, err := ReadKeyFile(path); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 {
		t.Errorf("%d writers won", won.Load())
	}
}

func TestReadKeyFileRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if runtime.GOOS != "windows" {
		for _, mode := range []fs.FileMode{0o640, 0o604, 0o620, 0o602, 0o610, 0o644} {
			path := filepath.Join(dir, fmt.Sprintf("mode %o.pem", mode))
			if err := WriteKeyFile(path, publishedKey(t, "alice")); err != nil {
				t.Fatal(err)
			}
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			_, err := ReadKeyFile(path)
			if !errors.Is(err, ErrPermissions) || !strings.Contains(err.Error(), "chmod 600 "+path) {
				t.Errorf("mode %o: %v", mode, err)
			}
		}
	}
	if _, err := ReadKeyFile(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	bad := filepath.Join(dir, "bad.pem")
	if err := os.WriteFile(bad, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadKeyFile(bad); !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), bad) {
		t.Error(err)
	}
	if err := WriteKeyFile(filepath.Join(dir, "none", "key.pem"), publishedKey(t, "alice")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
}

// However a key is shown, its DID is there or nothing is, and its secret is
// not.
func TestSecretIsNotShown(t *testing.T) {
	t.Parallel()
	type inside struct {
		Public  PrivateKey
		private PrivateKey
	}
	for _, k := range allTypes(t) {
		shown := map[string]string{}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%b", "%p", "%T", "%c", "%#x", "%10v"} {
			shown[verb] = fmt.Sprintf(verb, k)
			shown[verb+" of a pointer"] = fmt.Sprintf(verb, &k)
			shown[verb+" inside"] = fmt.Sprintf(verb, inside{k, k})
			shown[verb+" inside a pointer"] = fmt.Sprintf(verb, &inside{k, k})
			shown[verb+" in a slice"] = fmt.Sprintf(verb, []PrivateKey{k})
			shown[verb+" in a map"] = fmt.Sprintf(verb, map[string]any{"k": k})
		}
		js, err := json.Marshal(map[string]any{"k": k, "in": inside{k, k}})
		if err != nil {
			t.Fatal(err)
		}
		shown["json"] = string(js)
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "k", k, "in", inside{k, k}, "p", &k)
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "k", k, "in", inside{k, k}, "p", &k)
		shown["slog"] = log.String()
		shown["error"] = fmt.Errorf("key %v", k).Error()

		raw := k.raw()
		var decimal, hexes []string
		for _, b := range raw[:6] {
			decimal = append(decimal, fmt.Sprint(b))
			hexes = append(hexes, fmt.Sprintf("0x%x", b))
		}
		secrets := []string{
			string(raw[:6]), hex.EncodeToString(raw[:6]), strings.Join(decimal, " "), strings.Join(decimal, ","), strings.Join(decimal, ", "),
			strings.Join(hexes, ", "), strings.Join(hexes, " "), base64.StdEncoding.EncodeToString(raw[:6]), k.Multibase()[8:16],
		}
		for how, s := range shown {
			for _, secret := range secrets {
				if strings.Contains(strings.ToLower(s), strings.ToLower(secret)) {
					t.Errorf("%s of %s shows the secret: %s", how, k.Type(), s)
				}
			}
		}
		for _, how := range []string{"%v", "%+v", "%#v", "%x", "json", "slog", "error", "%v inside"} {
			if !strings.Contains(shown[how], string(k.DID())) {
				t.Errorf("%s does not name the key: %s", how, shown[how])
			}
		}
	}
	if v := slog.AnyValue(allTypes(t)[0]).Resolve(); v.Kind() != slog.KindString || !strings.Contains(v.String(), "did:key:") {
		t.Errorf("a log handler gets %v", v)
	}
	if s := fmt.Sprint(PrivateKey{}); s != "no private key" {
		t.Errorf("zero key: %q", s)
	}
}

func TestZeroKey(t *testing.T) {
	t.Parallel()
	var k PrivateKey
	if _, err := k.Sign(nil); err == nil {
		t.Error("the zero key signs")
	}
	if k.DID() != "" || k.Type() != 0 || !k.IsZero() || k.PublicKey().Bytes() != nil {
		t.Error("the zero key is somebody")
	}
	if err := WriteKeyFile(filepath.Join(t.TempDir(), "k"), k); err == nil {
		t.Error("the zero key was written")
	}
	if _, err := Generate(0); err == nil {
		t.Error("a key of no type")
	}
}

func FuzzParsePEM(f *testing.F) {
	names, err := filepath.Glob(filepath.Join("testdata", "*.pem"))
	if err != nil || len(names) == 0 {
		f.Fatal("no seeds", err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
		if block, _ := pem.Decode(data); block != nil {
			f.Add(block.Bytes)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, in := range [][]byte{data, pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: data})} {
			k, err := ParsePEM(in)
			if err != nil {
				continue
			}
			out, err := k.MarshalPEM()
			if err != nil {
				t.Fatal(err)
			}
			back, err := ParsePEM(out)
			if err != nil || back.DID() != k.DID() {
				t.Fatalf("%s came back as %s, %v", k, back, err)
			}
		}
	})
}

// What is refused says what it is, where that is no secret.
func TestParsePEMSays(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"p-384": "P-384", "x25519": "ecdh.PrivateKey", "encrypted": "not encrypted"} {
		data, err := os.ReadFile(filepath.Join("testdata", name+".pem"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ParsePEM(data); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A secp256k1 key beside the public key of another one.
func TestForeignPublicKey(t *testing.T) {
	t.Parallel()
	k, other := publishedKey(t, "did:key method").secret().k1, publishedKey(t, "generator").secret().k1
	der, err := marshalSecp256k1(k)
	if err != nil {
		t.Fatal(err)
	}
	mixed := bytes.Replace(der, k.PubKey().SerializeUncompressed(), other.PubKey().SerializeUncompressed(), 1)
	if _, err := ParsePEM(pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: mixed})); !errors.Is(err, ErrSecret) || !strings.Contains(err.Error(), "another") {
		t.Error(err)
	}
}

// Scalars are from 1 to the order of the curve minus 1.
func TestSecretRange(t *testing.T) {
	t.Parallel()
	orders := map[KeyType]string{
		P256:      "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
		Secp256k1: "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141",
	}
	for typ, order := range orders {
		n := unhex(t, order)
		for name, raw := range map[string][]byte{
			"zero": make([]byte, 32), "order": n, "largest": bytes.Repeat([]byte{0xff}, 32), "short": n[:31], "none": nil,
		} {
			if k, err := newPrivateKey(typ, raw); !errors.Is(err, ErrSecret) || !k.IsZero() {
				t.Errorf("%s, %s: %v, %v", typ, name, k, err)
			}
		}
		n[31]--
		if _, err := newPrivateKey(typ, n); err != nil {
			t.Errorf("%s, largest: %v", typ, err)
		}
	}
	if _, err := newPrivateKey(Ed25519, make([]byte, 64)); !errors.Is(err, ErrSecret) {
		t.Errorf("Ed25519 seed of 64 bytes: %v", err)
	}
}
