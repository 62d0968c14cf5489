package runs

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// handler calls a func at each line of a log.
type handler struct {
	slog.Handler
	line func()
}

func (h handler) Enabled(context.Context, slog.Level) bool { return true }

func (h handler) Handle(context.Context, slog.Record) error {
	h.line()
	return nil
}

// A run that comes to starve anew while it is looked whether it still does is not
// forgotten.
func TestStarvedMeanwhile(t *testing.T) {
	t.Parallel()
	s, err := store.OpenMemory(store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	id := ID{ipld.LinkOf(ipld.CodecRaw, []byte("workflow")), ""}
	var k *Keeper
	looked := 0
	k = New(Config{Store: s, Log: slog.New(handler{slog.DiscardHandler, func() { // when it was looked, and not found
		looked++
		l, _, err := k.accept(&record{Run: Run{ID: id, State: Running, Attempt: 1, Accepted: time.Unix(1, 0)}}, nil)
		if err != nil {
			t.Fatal(err)
		}
		k.starve(l, store.ErrDiskFull)
		k.work.Done() // nothing drives it
	}})})
	k.starved = map[ID]bool{id: true}
	if k.fed() || looked != 1 || !k.starved[id] {
		t.Errorf("looked %d times, starved %v", looked, k.starved)
	}
	if err := k.Close(); err != nil {
		t.Error(err)
	}
}
