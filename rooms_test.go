package ipvm

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
)

// However many have had something run, what they had can be read, the owner has
// secrets, and who came before can go on; only those who are new are refused.
func TestRoomsOfManyGuests(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	room := func(i int) engine.Room { return engine.Room{Guest: did.DID(fmt.Sprint("did:key:", i))} }
	for range 2 { // once more, as after a start
		r := newRooms(dir, store.Options{})
		for i := range maxRooms {
			if _, err := r.open(room(i)); err != nil {
				t.Fatalf("guest %d: %v", i, err)
			}
		}
		if _, err := r.open(room(maxRooms)); err == nil || !strings.Contains(err.Error(), "takes no more") {
			t.Errorf("one guest too many: %v", err)
		}
		if _, err := r.open(engine.Room{Secret: true}); err != nil {
			t.Errorf("secrets of the owner: %v", err)
		}
		visited := 0
		err := r.guests(func(*store.Vault) (bool, error) { visited++; return true, nil })
		if visited != maxRooms || err != nil {
			t.Errorf("%d rooms, %v", visited, err)
		}
		if err := r.close(); err != nil {
			t.Fatal(err)
		}
	}
}

// Who holds most gives first.
func TestLevel(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		sizes []uint64
		limit uint64
		left  []uint64
	}{
		{[]uint64{1, 2, 100}, 13, []uint64{1, 2, 10}},
		{[]uint64{50, 2, 100}, 22, []uint64{10, 2, 10}},
		{[]uint64{5, 5}, 10, []uint64{5, 5}},
		{[]uint64{5, 5}, 0, []uint64{0, 0}},
		{nil, 7, nil},
	} {
		l := level(tt.sizes, tt.limit)
		var left []uint64
		for _, size := range tt.sizes {
			left = append(left, min(size, l))
		}
		if !slices.Equal(left, tt.left) {
			t.Errorf("%v to %d: %v, want %v", tt.sizes, tt.limit, left, tt.left)
		}
	}
}

// A room in which nothing is left goes when the next guest needs its place; one that
// has something, or that a run needs, does not.
func TestEmptyRoomGoes(t *testing.T) {
	t.Parallel()
	n := newQuiet(t, Options{})
	guest := func(i int) engine.Room { return engine.Room{Guest: did.DID(fmt.Sprint("did:key:", i))} }
	vault := func(i int) *store.Vault {
		t.Helper()
		if _, err := n.own.View(guest(i).Guest); err != nil {
			t.Fatal(err)
		}
		v, err := n.own.rooms.folder(roomFolder(guest(i)))
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	for i := range maxRooms {
		vault(i)
	}
	block := ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, []byte("kept")), Data: []byte("kept")}
	if err := vault(0).Put(secret.New(store.Batch{Blocks: []ipld.Block{block}})); err != nil {
		t.Fatal(err)
	}
	if _, err := vault(1).Hold([]ipld.Link{block.Link}, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := n.own.View(guest(maxRooms).Guest); err == nil {
		t.Fatal("one room too many")
	}
	n.look()
	names, err := n.own.rooms.names()
	if err != nil || len(names) != 2 || !slices.Contains(names, roomFolder(guest(0))) || !slices.Contains(names, roomFolder(guest(1))) {
		t.Errorf("what is left: %v, %v", names, err)
	}
	for i := range maxRooms - 2 {
		vault(maxRooms + i)
	}
	if data, err := vault(0).Block(block.Link); err != nil || string(data) != "kept" {
		t.Errorf("%q, %v", data, err)
	}
	// What nobody has used for long goes too, if it is about to be full.
	n.later.Add(int64(unusedFor + 2*time.Hour))
	n.look()
	if names, err := n.own.rooms.names(); err != nil || len(names) != 1 {
		t.Errorf("after a month: %v, %v", names, err)
	}
}

// Who looks through the rooms while an empty one is removed goes on with the others; a
// node that closes is no such case.
func TestLookThroughRoomsWhileOneGoes(t *testing.T) {
	t.Parallel()
	r := newRooms(t.TempDir(), store.Options{})
	for _, guest := range []did.DID{"did:key:a", "did:key:b"} {
		if _, err := r.open(engine.Room{Guest: guest}); err != nil {
			t.Fatal(err)
		}
	}
	look := func(before func()) (seen int, err error) {
		err = r.guests(func(v *store.Vault) (bool, error) {
			if seen++; seen == 1 {
				before()
			}
			_, err := v.Has(ipld.LinkOf(ipld.CodecRaw, nil))
			return true, err
		})
		return seen, err
	}
	names, err := r.names()
	if err != nil {
		t.Fatal(err)
	}
	seen, err := look(func() {
		if gone, err := r.remove(names[0]); !gone || err != nil {
			t.Error(gone, err)
		}
	})
	if seen != 2 || err != nil {
		t.Errorf("%d rooms were seen, %v", seen, err)
	}
	_, err = look(func() {
		if err := r.close(); err != nil {
			t.Error(err)
		}
	})
	if !errors.Is(err, store.ErrClosed) {
		t.Errorf("of a node that closes: %v", err)
	}
}

// A room that is damaged keeps the others from nothing: they are collected, and what is
// the owner's too.
func TestCollectionBesideADamagedRoom(t *testing.T) {
	t.Parallel()
	n := newOpen(t, Options{GuestQuota: 1 << 20})
	folder := filepath.Join(n.own.rooms.dir, GuestsDir)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, "00damaged"), []byte("no room"), 0o600); err != nil {
		t.Fatal(err)
	}
	v, err := n.own.rooms.folder(guestFolder("did:key:a"))
	if err != nil {
		t.Fatal(err)
	}
	fill := func() {
		t.Helper()
		for i := range byte(4) {
			data := bytes.Repeat([]byte{i}, 500_000)
			if err := v.Put(secret.New(store.Batch{Blocks: []ipld.Block{{Link: ipld.LinkOf(ipld.CodecRaw, data), Data: data}}})); err != nil {
				t.Fatal(err)
			}
		}
		n.later.Add(int64(time.Hour))
	}
	collected := func(err error) {
		t.Helper()
		if err == nil || strings.Count(err.Error(), "open the vault guests/00damaged") != 1 {
			t.Errorf("what is damaged is told so: %v", err)
		}
		if held, err := v.Held(t.Context()); held > 1<<20 || err != nil {
			t.Errorf("the other room holds %d bytes, %v", held, err)
		}
	}
	fill()
	for range 2 { // the node may have been looking at that moment
		err = n.own.quota.look(t.Context())
	}
	collected(err)
	fill()
	_, err = n.own.Collect(t.Context(), store.Collection{Bounded: true})
	collected(err)
	if held, err := n.own.heldOwn(t.Context()); err != nil || held > 1<<10 {
		t.Errorf("the owner's holds %d bytes, %v", held, err)
	}
}
