package ipvm

import (
	"errors"
	"slices"
	"testing"

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
func trusts(n *Node) []did.DID { return n.current().(*owner).trusts() }

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
		if all, err := n.Backend().Trusted(t.Context()); err != nil || !slices.Equal(all, want) {
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
