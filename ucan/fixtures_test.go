package ucan

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// fixture is one case of the specification's own vectors.
type fixture struct {
	Name       string
	Invocation dagBytes
	Proofs     []dagBytes
	Time       int64
	Error      struct{ Name Reason }
}

// dagBytes is {"/": {"bytes": base64}}.
type dagBytes []byte

func (b *dagBytes) UnmarshalJSON(data []byte) error {
	var v struct {
		Slash struct{ Bytes string } `json:"/"`
	}
	if err := json.Unmarshal(data, &v); err != nil {
		return err
	}
	raw, err := base64.RawStdEncoding.DecodeString(v.Slash.Bytes)
	*b = raw
	return err
}

func readFixtures(t testing.TB, version string) (valid, invalid []fixture) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", version, "invocation.json"))
	if err != nil {
		t.Fatal(err)
	}
	var all struct{ Valid, Invalid []fixture }
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Valid) != 7 || len(all.Invalid) != 13 {
		t.Fatalf("%s: %d valid and %d invalid fixtures", version, len(all.Valid), len(all.Invalid))
	}
	return all.Valid, all.Invalid
}

// principals returns the private keys of the vectors, by name.
func principals(t testing.TB, version string) map[string]did.PrivateKey {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", version, "delegation.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Principals map[string]string }
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	keys := map[string]did.PrivateKey{}
	for name, secret := range file.Principals {
		if keys[name], err = did.ParseMultibase("M" + secret); err != nil {
			t.Fatal(err)
		}
	}
	if len(keys) != 3 {
		t.Fatalf("%d principals", len(keys))
	}
	return keys
}

var versions = map[string]string{"1.0.0": Tag, "1.0.0-rc.1": TagRC1}

func TestValidFixtures(t *testing.T) {
	t.Parallel()
	for version, tag := range versions {
		valid, _ := readFixtures(t, version)
		for _, f := range valid {
			t.Run(version+"/"+f.Name, func(t *testing.T) {
				t.Parallel()
				inv := checkFixture(t, f, tag)
				a, err := Authorize(inv, f.facts(t, inv))
				if err != nil {
					t.Fatal(err)
				}
				if a.Invocation() != inv || len(a.Chain()) != len(f.Proofs) {
					t.Errorf("%d proofs", len(a.Chain()))
				}
			})
		}
	}
}

// Each is refused with the name that the specification gives, at its time.
func TestInvalidFixtures(t *testing.T) {
	t.Parallel()
	for version, tag := range versions {
		_, invalid := readFixtures(t, version)
		for _, f := range invalid {
			t.Run(version+"/"+f.Name, func(t *testing.T) {
				t.Parallel()
				inv, err := ParseInvocation(f.Invocation)
				if err != nil {
					t.Fatal(err)
				}
				if f.Name == "invalid invocation signature" {
					if err := inv.Verify(); !errors.Is(err, ErrSignature) {
						t.Errorf("Verify: %v", err)
					}
				} else {
					checkFixture(t, f, tag)
				}
				a, err := Authorize(inv, f.facts(t, inv))
				if a != nil || f.Error.Name == "" || !errors.Is(err, f.Error.Name) {
					t.Errorf("%v, want %s", err, f.Error.Name)
				}
			})
		}
	}
}

// facts has the proofs of f and its time, at the executor whom it names.
func (f *fixture) facts(t testing.TB, inv *SignedInvocation) Facts {
	t.Helper()
	proofs := map[ipld.Link]*SignedDelegation{}
	for _, data := range f.Proofs {
		d, err := ParseDelegation(data)
		if err != nil {
			t.Fatal(err)
		}
		proofs[d.Link()] = d
	}
	executor := inv.Invocation().Audience
	if executor == "" {
		executor = inv.Invocation().Subject
	}
	return Facts{Moment: Moment{Now: time.Unix(f.Time, 0)}, Executor: executor, Proofs: lookup(proofs)}
}

func lookup(proofs map[ipld.Link]*SignedDelegation) func(ipld.Link) (*SignedDelegation, error) {
	return func(link ipld.Link) (*SignedDelegation, error) {
		if d, ok := proofs[link]; ok {
			return d, nil
		}
		return nil, errors.New("not among the proofs")
	}
}

// checkFixture checks that f's token parses and verifies, and that the token
// its author's key makes of the same invocation is the same, byte for byte.
func checkFixture(t *testing.T, f fixture, tag string) *SignedInvocation {
	t.Helper()
	token, err := ParseInvocation(f.Invocation)
	if err != nil {
		t.Fatal(err)
	}
	if err := token.Verify(); err != nil {
		t.Fatal(err)
	}
	if token.Tag() != tag {
		t.Errorf("tag %s", token.Tag())
	}
	if string(token.Bytes()) != string(f.Invocation) || !token.Link().Defined() || token.Link() != ipld.LinkOf(ipld.CodecDagCBOR, f.Invocation) {
		t.Errorf("bytes or link differ")
	}
	inv := token.Invocation()
	alice := principals(t, "1.0.0")["alice"]
	if inv.Issuer != alice.DID() || inv.Command != "/msg/send" || len(inv.Proofs) > len(f.Proofs) && f.Name != "missing proof" {
		t.Errorf("invocation %+v", inv)
	}
	if tag != Tag {
		return token
	}
	again, err := SignInvocation(alice, inv)
	if err != nil {
		t.Fatal(err)
	}
	if string(again.Bytes()) != string(f.Invocation) || again.SigHash() != token.SigHash() {
		t.Errorf("signed again: %x\nfixture: %x", again.Bytes(), []byte(f.Invocation))
	}
	return token
}
