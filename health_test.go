package ipvm

import (
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Whoever is refused for want of room is told of it.
func TestHealthTellsWhoIsRefused(t *testing.T) {
	t.Parallel()
	held := uint64(5)
	o := &owner{store: ipvmtest.Reserving(t, 10), quota: &quota{
		others: shares{max: 100, held: func() map[string]uint64 { return map[string]uint64{guestFolder(engine.Anyone): held} }},
		log:    slog.New(slog.DiscardHandler), kick: make(chan struct{}, 1),
	}, rooms: newRooms(t.TempDir(), store.Options{})}
	if err, g := o.healthy(), o.guests(); err != nil || g.Refused != "" {
		t.Errorf("with room: %v, %+v", err, g)
	}
	held = 200
	if err, g := o.healthy(), o.guests(); err != nil || g.Refused == "" || g.Bytes != 200 || g.Quota != 100 {
		t.Errorf("guests above their quota: %v, %+v", err, g)
	}
	full := fmt.Errorf("%w: all is pinned", store.ErrQuota)
	o.quota.own.full.Store(&full)
	if err := o.healthy(); !errors.Is(err, store.ErrQuota) {
		t.Errorf("the owner above the quota: %v", err)
	}
	o.store = ipvmtest.Reserving(t, 300)
	if err := o.healthy(); err != store.ErrDiskFull {
		t.Errorf("a full disk: %v", err)
	}
}

// Files are refused like work once there is no room; what is here already is not.
func TestFilesBeyondQuota(t *testing.T) {
	t.Parallel()
	o := &owner{store: ipvmtest.Reserving(t, 0), quota: &quota{others: shares{max: 100, held: func() map[string]uint64 { return nil }}, kick: make(chan struct{}, 1)}}
	block := func(text string) ipld.Block {
		return ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, []byte(text)), Data: []byte(text)}
	}
	if err := o.PutBlocks(t.Context(), []ipld.Block{block("a")}); err != nil {
		t.Fatal(err)
	}
	full := fmt.Errorf("%w: all is pinned", store.ErrQuota)
	o.quota.own.full.Store(&full)
	if err := o.PutBlocks(t.Context(), []ipld.Block{block("a")}); err != nil {
		t.Errorf("what is here: %v", err)
	}
	if err := o.PutBlocks(t.Context(), []ipld.Block{block("a"), block("b")}); !errors.Is(err, store.ErrQuota) {
		t.Errorf("what is new: %v", err)
	}
	if err := o.putBlocks(t.Context(), "did:key:guest", []ipld.Block{block("c")}); err != nil {
		t.Errorf("of a guest, who has a quota of its own: %v", err)
	}
}
