package ipvm

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/rpc"
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
		v := &verifying{VerifyOptions: VerifyOptions{Seed: seed}, backend: drawer{all: all}}
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
		v := &verifying{VerifyOptions: VerifyOptions{Seed: seed}, backend: drawer{all: all}}
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
