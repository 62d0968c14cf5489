package ipvm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
)

// drawer is a backend that only has receipts.
type drawer struct {
	rpc.Backend
	all []*receipt.Signed
}

func (d drawer) Scan(_ context.Context, yield func(*receipt.Signed) bool) error {
	for _, r := range d.all {
		if !yield(r) {
			break
		}
	}
	return nil
}

// What is drawn depends on the seed and not on the order of the receipts; what is
// drawn in parts is what is drawn at once, and each receipt is drawn once.
func TestDraw(t *testing.T) {
	t.Parallel()
	key, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	var all []*receipt.Signed
	for i := range 50 {
		all = append(all, claim(t, key, fmt.Sprintf("task %d", i), ipld.Int(int64(i))))
	}
	draw := func(seed uint64, most int, all []*receipt.Signed) (drawn []ipld.Link) {
		v := &verifying{VerifyOptions: VerifyOptions{Seed: seed}, from: drawer{all: all}}
		for {
			some, err := v.draw(t.Context(), most)
			if err != nil || v.of != len(all) || len(some) > most {
				t.Fatal(len(some), v.of, err)
			}
			if len(some) == 0 {
				return drawn
			}
			for _, l := range some {
				drawn = append(drawn, l.receipt)
			}
		}
	}
	once := draw(1, 100, all)
	backwards := slices.Clone(all)
	slices.Reverse(backwards)
	for _, most := range []int{1, 7, 50} {
		if got := draw(1, most, backwards); !slices.Equal(got, once) {
			t.Errorf("%d at once: %v, not %v", most, got, once)
		}
	}
	seen := make(map[ipld.Link]bool)
	for _, l := range once {
		seen[l] = true
	}
	if len(seen) != len(all) || len(once) != len(all) {
		t.Errorf("%d were drawn, %d different ones", len(once), len(seen))
	}
	if slices.Equal(draw(2, 100, all), once) {
		t.Error("another seed draws the same")
	}
	// Each is as likely as any other to be among the first five of fifty.
	first := make(map[ipld.Link]int)
	for seed := range uint64(1000) {
		v := &verifying{VerifyOptions: VerifyOptions{Seed: seed}, from: drawer{all: all}}
		some, err := v.draw(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range some {
			first[l.receipt]++
		}
	}
	for _, r := range all { // 100 are to be expected, and 9.5 is the standard deviation
		if n := first[r.Link()]; n < 55 || n > 145 {
			t.Errorf("%s was drawn %d times in 1,000", r.Task, n)
		}
	}
}

// What ran for another is run again, too; what proves a receipt about that wrong is
// kept where the receipt is, and not shown to others. A CAR file with the receipt and
// its blocks can be looked at elsewhere.
func TestVerifyGuests(t *testing.T) {
	t.Parallel()
	n := opened(t, t.TempDir())
	w, signed := lent(t, n, "a: {with: GUEST, func: next, args: [1]}\n")
	report, err := n.Run(t.Context(), w, RunOptions{Authority: signed})
	if err != nil || report.Status != engine.StatusOK {
		t.Fatal(report, err)
	}
	verify := func(n *Node, o VerifyOptions) (all []Verification) {
		t.Helper()
		if _, err := n.Verify(t.Context(), o, func(v Verification) bool { all = append(all, v); return true }); err != nil {
			t.Fatal(err)
		}
		return all
	}
	if all := verify(n, VerifyOptions{}); len(all) != 1 || all[0].Verdict != engine.Same {
		t.Fatalf("%+v", all)
	}
	own := n.current().(*owner)
	id := report.Jobs[0].Task
	right, err := own.Receipts(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	lie := right[0].Receipt
	lie.Out.Value = ipld.Int(3)
	wrong, err := receipt.Issue(own.key, lie)
	if err != nil {
		t.Fatal(err)
	}
	if err := own.rooms.guests(func(v *store.Vault) (bool, error) {
		return true, v.Put(secret.New(store.Batch{Receipts: []*receipt.Signed{wrong}}))
	}); err != nil {
		t.Fatal(err)
	}
	found := verify(n, VerifyOptions{Workers: 2})
	if len(found) != 2 || found[0].Verdict == found[1].Verdict {
		t.Errorf("%+v", found)
	}
	for _, v := range found {
		if bad := v.Receipt.Link() == wrong.Link(); bad != (v.Verdict == engine.Different) || bad != (v.Kept == right[0].Link()) {
			t.Errorf("%+v", v)
		}
	}
	if all, err := own.store.Receipts(id); len(all) != 0 || err != nil {
		t.Error("the owner has", all, err)
	}

	// The same elsewhere, from a CAR file.
	car := ipld.CARHeader()
	add := func(l ipld.Link, data []byte) {
		car = append(append(car, ipld.CARSection(l, len(data))...), data...)
	}
	for _, r := range []*receipt.Signed{right[0], wrong} {
		add(r.Link(), r.Bytes())
	}
	call, _, err := n.Call(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	module, _ := call.Module.AsLink()
	for _, l := range []ipld.Link{id.Link, module} {
		data, err := own.Block(t.Context(), l)
		if err != nil {
			t.Fatal(err)
		}
		add(l, data)
	}
	elsewhere := opened(t, t.TempDir())
	in, err := ReadReceipts(bytes.NewReader(car), int64(len(car)))
	if err != nil || in.Len() != 2 {
		t.Fatal(in, err)
	}
	for _, v := range verify(elsewhere, VerifyOptions{From: in}) {
		if bad := v.Receipt.Link() == wrong.Link(); bad != (v.Verdict == engine.Different) || bad == (v.Verdict == engine.Same) || v.Kept.Defined() {
			t.Errorf("%+v", v)
		}
	}
	if all := verify(elsewhere, VerifyOptions{}); len(all) != 0 {
		t.Errorf("kept: %+v", all)
	}
	if in, err = ReadReceipts(bytes.NewReader(car[:len(car)/2]), int64(len(car)/2)); !errors.Is(err, ipld.ErrCAR) {
		t.Error("half a file:", in, err)
	}
}
