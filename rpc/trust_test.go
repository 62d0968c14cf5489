package rpc

import (
	"errors"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Whose receipts count, and receipts from elsewhere, through the socket.
func TestTrust(t *testing.T) {
	t.Parallel()
	n := newNode(t)
	_, c := serve(t, n)
	ctx := bounded(t)
	key, err := did.Generate(did.P256)
	if err != nil {
		t.Fatal(err)
	}
	friend := Signer{DID: key.DID(), Name: "Bob's laptop, grüße"}
	if all, err := c.Trusted(ctx); err != nil || len(all) != 0 {
		t.Fatalf("%v, %v", all, err)
	}
	nameless := Signer{DID: n.key.DID()}
	for _, s := range []Signer{friend, nameless} {
		if err := c.Trust(ctx, s); err != nil {
			t.Fatal(err)
		}
	}
	if all, err := c.Trusted(ctx); err != nil || !reflect.DeepEqual(all, []Signer{friend, nameless}) {
		t.Errorf("%v, %v", all, err)
	}
	if err := c.Distrust(ctx, friend.DID); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(n.trusted, []Signer{nameless}) {
		t.Errorf("%v", n.trusted)
	}
	dlg, err := ucan.SignDelegation(n.key, ucan.Delegation{Audience: friend.DID, Subject: n.key.DID(), Command: receipt.Command})
	if err != nil {
		t.Fatal(err)
	}
	granted := Signer{DID: friend.DID, Name: "for a while", Proofs: []*ucan.SignedDelegation{dlg}, Refused: "it is late"}
	if err := c.Trust(ctx, granted); err != nil {
		t.Fatal(err)
	}
	same := func(s Signer) bool {
		return s.DID == granted.DID && s.Name == granted.Name && s.Refused == granted.Refused && len(s.Proofs) == 1 && s.Proofs[0].Link() == dlg.Link()
	}
	if all, err := c.Trusted(ctx); err != nil || len(all) != 2 || !same(all[1]) || !same(n.trusted[1]) {
		t.Errorf("%v, %v", all, err)
	}
	of := task.ID{Link: dlg.Link()}
	if w, err := c.Word(ctx, friend.DID, of); err != nil || !w.Counts || !same(w.Signer) {
		t.Errorf("%v, %v", w, err)
	}
	if w, err := c.Word(ctx, "did:key:zNobody", of); err != nil || w.Counts || !strings.Contains(w.Why, of.String()) {
		t.Errorf("%v, %v", w, err)
	}
	n.trusted = n.trusted[:1]
	for _, bad := range []Signer{
		{DID: "did:web:example.com"}, {DID: friend.DID, Name: strings.Repeat("x", maxName+1)}, {DID: friend.DID, Name: "two\nlines"}, {DID: friend.DID, Name: "\xff"},
	} {
		if err := c.Trust(ctx, bad); !errors.Is(err, ErrRequest) && !errors.Is(err, ErrTooLarge) || len(n.trusted) != 1 {
			t.Errorf("%v is taken: %v", bad, err)
		}
	}

	id := task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte("a task"))}
	signed, err := receipt.Issue(key, receipt.Receipt{
		Task: id, Out: task.Outcome{Value: ipld.Int(1)}, Gas: 1, Limits: task.Limits{Gas: 2, Memory: 64 << 20}, Schedule: "s",
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutReceipt(ctx, signed); err != nil {
		t.Fatal(err)
	}
	all, err := c.Receipts(ctx, id)
	if err != nil || len(all) != 1 || all[0].Link() != signed.Link() {
		t.Errorf("%v, %v", all, err)
	}
	data := slices.Clone(signed.Bytes())
	data[10] ^= 1 // in the signature
	forged, err := receipt.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutReceipt(ctx, forged); err == nil {
		t.Error("a forged receipt is taken")
	}
	if _, err := c.ask(ctx, http.MethodPost, "/v1/receipts", []byte("nonsense"), 0); !errors.Is(err, ErrRequest) {
		t.Errorf("nonsense: %v", err)
	}
}
