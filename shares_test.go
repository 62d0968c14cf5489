package ipvm

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// What is collected down to leaves a part free, whoever holds how much.
func TestEvenShare(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sizes []uint64
		limit uint64
		share uint64
	}{
		{nil, 100, 300},
		{[]uint64{50}, 100, 150},
		{[]uint64{80}, 100, 75},
		{[]uint64{1000}, 100, 75},
		{[]uint64{75, 75}, 100, 42},
		{[]uint64{10, 1000}, 100, 67},
		{[]uint64{30, 10, 20}, 100, 120},
		{nil, 1<<64 - 1, 3 * most},
	} {
		if got := evenShare(tt.sizes, tt.limit); got != tt.share {
			t.Errorf("of %d, where %v are held: %d, want %d", tt.limit, tt.sizes, got, tt.share)
		}
	}
}

// However many flood a node one after the other, and however far what they were admitted
// with grows, who is new is admitted, and admission alone does not lead beyond a tenth above
// the quota.
func TestAllowed(t *testing.T) {
	t.Parallel()
	for _, quota := range []uint64{1 << 20, 1 << 32, 1<<64 - 1} {
		all := make(map[string]uint64)
		q := shares{max: quota, held: func() map[string]uint64 { return all }}
		sum := uint64(0)
		for i := range maxRooms {
			who := did.DID(fmt.Sprint("did:key:", i))
			for step := min(quota, most) / 20 / maxRooms / 8; q.admit(who) == nil; sum += step {
				all[guestFolder(who)] += step
			}
			if held := all[guestFolder(who)]; held == 0 || i == 0 && held > min(quota, most)/5*4 {
				t.Errorf("of %d guest %d has %d", quota, i, held)
			}
		}
		if limit := min(quota, most); sum > limit+limit/10+limit/100 || sum < limit {
			t.Errorf("of %d all have %d", quota, sum)
		}
		all = map[string]uint64{guestFolder("did:key:grown"): 10 * min(quota, most)}
		if err := q.admit("did:key:new"); err != nil {
			t.Error(err)
		}
		if allowed := q.allowed(all); allowed < min(quota, most)/2 {
			t.Errorf("beside one that has grown others are allowed %d of %d", allowed, quota)
		}
	}
}

// Who floods a node, with files and with what comes of workflows, is refused as long as
// nothing of that can go, and nobody else is: another has its files taken and its work done
// at once, whichever of the two came first.
func TestFloodLocksOutNobodyElse(t *testing.T) {
	t.Parallel()
	const quota = 4 << 20
	n := newOpen(t, Options{GuestQuota: quota})
	files := 0
	flood := func(who did.DID) {
		t.Helper()
		for range 100 {
			files++
			err := n.own.putBlocks(t.Context(), who, []ipld.Block{putOf(files)})
			if errors.Is(err, store.ErrQuota) {
				return
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		t.Fatal("nothing was refused")
	}
	n.look()
	flood("did:key:flood")
	n.look() // in vain
	for i := range 3 {
		if how, _ := n.run(n.zeros(100_000 + i)); how != "ran" {
			t.Errorf("work of another: %s", how)
		}
		data := bytes.Repeat([]byte{byte(i)}, 1000)
		if status, answer := n.ask("PUT", "/ipfs/"+ipld.LinkOf(ipld.CodecRaw, data).String(), string(data)); status != http.StatusCreated {
			t.Errorf("a file of another: %d %s", status, answer)
		}
	}
	if err := n.own.quota.admit("did:key:flood"); !errors.Is(err, store.ErrQuota) {
		t.Errorf("who floods: %v", err)
	}
	for i := range 100 { // until that one holds its share, too
		if status, _ := n.ask("POST", "/v1/workflows?wait", n.zeros(200_000+i)); status == http.StatusInsufficientStorage {
			break
		}
	}
	if err := n.own.quota.admit(engine.Anyone); !errors.Is(err, store.ErrQuota) {
		t.Errorf("who floods, too: %v", err)
	}
	held := uint64(0)
	for _, bytes := range n.own.heldFor() {
		held += bytes
	}
	if held > quota+quota/10+500_000 {
		t.Errorf("%d bytes are held of %d", held, quota)
	}
	for i := range 10 {
		if err := n.own.quota.admit(did.DID(fmt.Sprint("did:key:", i))); err != nil {
			t.Errorf("who has nothing yet: %v", err)
		}
	}
	for range 2 { // the node may have been looking at that moment
		n.later.Add(int64(time.Hour))
		n.look()
	}
	for _, who := range []did.DID{"did:key:flood", engine.Anyone} {
		if err := n.own.quota.admit(who); err != nil {
			t.Errorf("%s, an hour later: %v", who, err)
		}
	}
}
