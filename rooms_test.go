package ipvm

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
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
	n := newQuiet(t, Options{GuestQuota: 1 << 20})
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
	collected := func() {
		t.Helper()
		if held, err := v.Held(t.Context()); held > 1<<20 || err != nil {
			t.Errorf("the other room holds %d bytes, %v", held, err)
		}
	}
	fill()
	n.look() // which has logged it
	collected()
	fill()
	_, err = n.own.Collect(t.Context(), store.Collection{Bounded: true})
	if err == nil || strings.Count(err.Error(), "open the vault guests/00damaged") != 1 {
		t.Errorf("what is damaged is told so: %v", err)
	}
	collected()
	if held, err := n.own.heldOwn(t.Context()); err != nil || held > 1<<10 {
		t.Errorf("the owner's holds %d bytes, %v", held, err)
	}
}

// Whatever has become of rooms, the others are read and looked after; each that is
// damaged is told, logged once, and nothing of it is removed.
func TestDamagedRooms(t *testing.T) {
	t.Parallel()
	var log lockedText
	n := newQuiet(t, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	blockOf := func(guest string) ipld.Block {
		data := bytes.Repeat([]byte(guest), store.InlineBlock)
		return ipld.Block{Link: ipld.LinkOf(ipld.CodecRaw, data), Data: data}
	}
	folder := func(guest string) string { return guestFolder(did.DID("did:key:" + guest)) }
	path := func(guest, name string) string { return filepath.Join(n.node.Dir(), folder(guest), name) }
	for _, guest := range []string{"whole", "lost", "garbled", "torn"} {
		for again := range 2 { // what was put is in a table then, and not only in the log
			v, err := store.OpenVault(path(guest, ""), store.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if again == 0 {
				err = v.Put(secret.New(store.Batch{Blocks: []ipld.Block{blockOf(guest)}}))
			}
			if err = errors.Join(err, v.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := os.RemoveAll(path("lost", "db")); err != nil {
		t.Fatal(err)
	}
	garble(t, path("garbled", "db/MANIFEST-*"))
	garble(t, path("torn", "db/*.sst"))
	files := n.filesIn(GuestsDir)
	for range 2 {
		if data, err := n.own.Block(t.Context(), blockOf("whole").Link); err != nil || len(data) != store.InlineBlock*len("whole") {
			t.Errorf("of the room that is whole: %d bytes, %v", len(data), err)
		}
		for _, guest := range []string{"nobody", "lost", "garbled", "torn"} {
			if _, err := n.own.Block(t.Context(), blockOf(guest).Link); !errors.Is(err, store.ErrNotFound) {
				t.Errorf("a block of %s: %v", guest, err)
			}
		}
		if all, err := n.own.Receipts(t.Context(), task.ID{Link: blockOf("torn").Link}); len(all) > 0 || err != nil {
			t.Errorf("receipts: %v, %v", all, err)
		}
		if err := n.own.Scan(t.Context(), func(*receipt.Signed) bool { return true }); err != nil {
			t.Errorf("all receipts: %v", err)
		}
	}
	sizes, err := n.own.Sizes(t.Context())
	if err != nil || sizes.Damaged < 2 || sizes.Guests == 0 {
		t.Errorf("sizes: %+v, %v", sizes, err)
	}
	if g := n.own.guests(); g.Damaged != 3 {
		t.Errorf("%d rooms of guests are told to be damaged", g.Damaged)
	}
	n.later.Add(int64(time.Hour))
	if _, err := n.own.Collect(t.Context(), store.Collection{Bounded: true}); err == nil {
		t.Error("a collection says nothing")
	}
	if _, err := n.own.Block(t.Context(), blockOf("whole").Link); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what was to go from the room that is whole: %v", err)
	}
	n.look()
	left := n.filesIn(GuestsDir)
	for name, size := range files { // the database's notes about itself may change
		mine := strings.Contains(name, "/blobs/") || strings.HasSuffix(name, ".sst")
		if mine && !strings.HasPrefix(name, folder("whole")) && left[name] != size {
			t.Errorf("%s had %d bytes and has %d", name, size, left[name])
		}
	}
	var said strings.Builder
	if err := n.node.Repair(t.Context(), func(string) {}); err != nil {
		t.Error(err)
	}
	if _, err := n.node.Health(t.Context(), func(what string) { said.WriteString(what + "\n") }); err != nil {
		t.Error(err)
	}
	for _, guest := range []string{"lost", "garbled", "torn"} {
		if !strings.Contains(said.String(), folder(guest)+" can not be read") {
			t.Errorf("nothing is said of %s: %s", guest, said.String())
		}
	}
	for _, guest := range []string{"lost", "garbled", "torn"} {
		if n := strings.Count(log.String(), `msg="a room is damaged: it is left out, and nothing of it is removed" room=`+folder(guest)+" "); n != 1 {
			t.Errorf("%s was logged %d times", guest, n)
		}
	}
}

// garble writes over the middle of files.
func garble(t *testing.T, pattern string) {
	t.Helper()
	names, err := filepath.Glob(pattern)
	if err != nil || len(names) == 0 {
		t.Fatal(pattern, err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for i := range len(data) * 2 / 3 {
			data[i] ^= 0x55
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// lockedText is written by many.
type lockedText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lockedText) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}
