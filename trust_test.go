package ipvm

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

func opened(t *testing.T, dir string) *Node {
	t.Helper()
	n, err := Open(dir, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
	})
	return n
}

// trusts are those whom the engine of an owner trusts.
func trusts(n *Node) []did.DID { return n.current().(*owner).trusts().Agents }

func claim(t *testing.T, key did.PrivateKey, id string, v ipld.Value) *receipt.Signed {
	t.Helper()
	signed, err := receipt.Issue(key, receipt.Receipt{
		Task: task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte(id))}, Out: task.Outcome{Value: v}, Gas: 1,
		Limits: task.Limits{Gas: 10, Memory: 64 << 20}, Schedule: "s",
	})
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// What one process says of trust holds for all that share the state directory,
// and for those that come later.
func TestTrustIsOfTheDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := opened(t, dir)
	guest := opened(t, dir)
	if !first.Owner() || guest.Owner() {
		t.Fatal("two owners")
	}
	key, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	friend := Signer{DID: key.DID(), Name: "friend"}
	if err := guest.Backend().Trust(t.Context(), friend); err != nil {
		t.Fatal(err)
	}
	check := func(n *Node, want ...Signer) {
		t.Helper()
		if all, err := n.Backend().Trusted(t.Context()); err != nil || !reflect.DeepEqual(all, append([]Signer(nil), want...)) {
			t.Errorf("trusted: %v, %v", all, err)
		}
	}
	check(first, friend)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	check(guest, friend) // which owns the directory now
	if !guest.Owner() {
		t.Fatal("no owner")
	}
	if got := trusts(guest); !slices.Equal(got, []did.DID{friend.DID}) {
		t.Errorf("the engine trusts %v", got)
	}
	if err := guest.Backend().Distrust(t.Context(), friend.DID); err != nil {
		t.Fatal(err)
	}
	check(guest)
	if got := trusts(guest); len(got) != 0 {
		t.Errorf("the engine trusts %v", got)
	}
}

// A grant is kept, with what it rests on and nothing else, and judged each time.
func TestTrustByProof(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	now := time.Unix(1_800_000_000, 0)
	options := Options{Now: func() time.Time { return now }, ClockSkew: -1}
	n, err := Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { n.Close() }()
	own, err := did.ReadKeyFile(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	friend, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	end := now.Unix() + 60
	sign := func(by did.PrivateKey, to did.DID, expires *int64) *ucan.SignedDelegation {
		d, err := ucan.SignDelegation(by, ucan.Delegation{Audience: to, Subject: own.DID(), Command: receipt.Command, Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	ago := now.Unix() - 1
	good, late, forged := sign(own, friend.DID(), &end), sign(own, friend.DID(), &ago), sign(friend, friend.DID(), nil)
	signer := Signer{DID: friend.DID(), Name: "friend"}
	for what, proofs := range map[string][]*ucan.SignedDelegation{
		"expired": {late}, "of nobody's authority": {forged}, "for another": {sign(own, "did:key:z6MkgGykN9ARNFjEzowVq4mLP2kL4NsyAaDGXeJFQ5qE1bfg", nil)},
	} {
		signer.Proofs = proofs
		if err := n.Backend().Trust(t.Context(), signer); !errors.Is(err, ErrDenied) {
			t.Errorf("%s: %v", what, err)
		}
	}
	signer.Proofs = []*ucan.SignedDelegation{late, forged, good}
	if err := n.Backend().Trust(t.Context(), signer); err != nil {
		t.Fatal(err)
	}
	if err := n.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err = Open(dir, options); err != nil {
		t.Fatal(err)
	}
	said := claim(t, friend, "a", ipld.Int(1)).Task
	check := func(counts bool, refused string) {
		t.Helper()
		all, err := n.Backend().Trusted(t.Context())
		if err != nil || len(all) != 1 || len(all[0].Proofs) != 1 || all[0].Proofs[0].Link() != good.Link() || all[0].Name != "friend" || !strings.Contains(all[0].Refused, refused) || (refused == "") != (all[0].Refused == "") {
			t.Errorf("trusted: %v, %v", all, err)
		}
		if w, err := n.Backend().Word(t.Context(), friend.DID(), said); err != nil || w.Counts != counts {
			t.Errorf("%v, %v", w, err)
		}
	}
	check(true, "")
	now = now.Add(2 * time.Minute)
	check(false, "Expired")
	now = now.Add(-2 * time.Minute)
	check(true, "")
	revocation, err := authority.SignRevocation(own, good.Link(), now)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Backend().Revoke(t.Context(), revocation); err != nil {
		t.Fatal(err)
	}
	check(false, "Revoked")
	if err := n.Backend().Distrust(t.Context(), friend.DID()); err != nil {
		t.Fatal(err)
	}
	if all, err := n.Backend().Trusted(t.Context()); err != nil || len(all) != 0 || len(n.current().(*owner).trusts().Grants.Delegations) != 0 {
		t.Errorf("trusted: %v, %v", all, err)
	}
}

// The grants that a node keeps are bounded.
func TestGrantsAreBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	n := opened(t, dir)
	own, err := did.ReadKeyFile(filepath.Join(dir, KeyFile))
	if err != nil {
		t.Fatal(err)
	}
	friend, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	for i := range maxGrants + 1 {
		d, err := ucan.SignDelegation(own, ucan.Delegation{Audience: friend.DID(), Subject: own.DID(), Command: receipt.Command, Nonce: fmt.Sprintf("a nonce, %d", i)})
		if err != nil {
			t.Fatal(err)
		}
		err = n.Backend().Trust(t.Context(), Signer{DID: friend.DID(), Proofs: []*ucan.SignedDelegation{d}})
		if (err != nil) != (i == maxGrants) {
			t.Fatalf("%d: %v", i, err)
		}
	}
}

func TestImportReceipt(t *testing.T) {
	t.Parallel()
	n := opened(t, t.TempDir())
	key, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	ok := claim(t, key, "a", ipld.Int(1))
	data := slices.Clone(ok.Bytes())
	data[10] ^= 1
	forged, err := receipt.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	file := []byte("a file")
	link := ipld.LinkOf(ipld.CodecRaw, file)
	with := claim(t, key, "b", ipld.List(ipld.LinkValue(link)))
	if err := n.ImportReceipt(t.Context(), forged); !errors.Is(err, ucan.ErrSignature) {
		t.Errorf("forged: %v", err)
	}
	if err := n.ImportReceipt(t.Context(), with); !errors.Is(err, ErrIncomplete) {
		t.Errorf("without its file: %v", err)
	}
	if err := n.Backend().PutBlocks(t.Context(), []ipld.Block{{Link: link, Data: file}}); err != nil {
		t.Fatal(err)
	}
	for _, r := range []*receipt.Signed{ok, with, claim(t, key, "a", ipld.Int(2)), claim(t, key, "c", ipld.Int(3))} {
		if err := n.ImportReceipt(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	var pairs []receipt.Conflict
	err = n.Conflicts(t.Context(), func(c receipt.Conflict) bool {
		pairs = append(pairs, c)
		return true
	})
	if err != nil || len(pairs) != 1 || !pairs[0].Equivocation() || pairs[0].A.Task != ok.Task {
		t.Errorf("conflicts: %v, %v", pairs, err)
	}
	if _, err := n.Health(t.Context(), func(problem string) { t.Error(problem) }); err != nil {
		t.Error(err)
	}
}
