package runs

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// TestPromised shows who need not wait for the disk: anyone whose run went well
// before, after it was accepted durably.
func TestPromised(t *testing.T) {
	t.Parallel()
	s, err := store.Open(filepath.Join(t.TempDir(), "store"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	k := New(Config{Store: s})
	for _, c := range []struct {
		name string
		who  did.DID
		last State
		want bool
	}{
		{"the first time", engine.Anyone, "", false},
		{"after it went well", engine.Anyone, OK, true},
		{"after it failed", engine.Anyone, Failed, false},
		{"after it was suspended", engine.Anyone, Suspended, false},
		{"of the owner", "", OK, false},
		{"of a guest", "did:key:guest", OK, false},
	} {
		id := ID{ipld.LinkOf(ipld.CodecRaw, []byte(c.name)), c.who}
		r := &record{Run: Run{ID: id, State: c.last, Attempt: 1, Accepted: time.Unix(1, 0)}}
		if c.last != "" {
			if err := s.Put(r.after(nil, nil)); err != nil {
				t.Fatal(err)
			}
		}
		r = &record{Run: Run{ID: id, State: Running, Attempt: 1, Accepted: time.Unix(2, 0)}}
		l, _, err := k.accept(r, nil)
		if err != nil || l.promised != c.want {
			t.Errorf("%s: %t, %v, want %t", c.name, l.promised, err, c.want)
		}
		k.drop(l)
		k.work.Done()
	}
	if err := k.Close(); err != nil {
		t.Fatal(err)
	}
}
