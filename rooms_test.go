package ipvm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
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
