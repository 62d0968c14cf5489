package ipvm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// TestQuota lets a store grow beyond its quota: first what nobody needs goes, and when
// all that is left is needed no new work is taken until it is not any more.
func TestQuota(t *testing.T) {
	t.Parallel()
	var later atomic.Int64
	now := func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
	s, err := store.OpenMemory(store.Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	collect := s.Collect
	q := &bound{
		max: 1 << 20, now: now, log: slog.New(slog.DiscardHandler), what: "it",
		parts: func() ([]part, error) { return []part{{"store", "", s.Held, collect}}, nil },
	}
	fill := func(from, to byte) (links []ipld.Link) {
		t.Helper()
		for i := from; i < to; i++ {
			data := make([]byte, 100_000)
			data[0] = i
			links = append(links, ipld.LinkOf(ipld.CodecRaw, data))
			if err := s.Put(store.Batch{Blocks: []ipld.Block{{Link: links[len(links)-1], Data: data}}}); err != nil {
				t.Fatal(err)
			}
		}
		later.Add(int64(time.Hour))
		return links
	}
	look := func() {
		t.Helper()
		if err := q.look(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	holds := func() uint64 {
		t.Helper()
		n, err := s.Held(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if size, err := s.Size(t.Context()); err != nil || n < size || n > size+size/10 {
			t.Errorf("reckoned %d, is %d, %v", n, size, err)
		}
		return n
	}
	fill(0, 5)
	look()
	if n := holds(); n < 500_000 || q.admit() != nil {
		t.Errorf("below the quota: %d bytes, %v", n, q.admit())
	}
	fill(5, 15)
	look()
	if n := holds(); n > 1<<20 || n < 700_000 || q.admit() != nil {
		t.Errorf("after a collection: %d bytes, %v", n, q.admit())
	}
	pin := func(links []ipld.Link) {
		collect = func(ctx context.Context, c store.Collection) (store.Collected, error) {
			c.Roots = func(r *store.Roots) error {
				for _, l := range links {
					if err := r.Block(l); err != nil {
						return err
					}
				}
				return nil
			}
			return s.Collect(ctx, c)
		}
	}
	pin(fill(20, 40))
	look()
	if err := q.admit(); !errors.Is(err, store.ErrQuota) || holds() < 2_000_000 {
		t.Errorf("all is pinned: %v", err)
	}
	pin(nil)
	look()
	if q.admit() == nil {
		t.Error("it tried again at once")
	}
	later.Add(int64(quotaAgain))
	look()
	if n := holds(); n > 1<<20 || q.admit() != nil {
		t.Errorf("nothing is pinned: %d bytes, %v", n, q.admit())
	}
}

// What goes wrong again and again is told once, until it has passed.
func TestQuotaTellsOnce(t *testing.T) {
	t.Parallel()
	var log strings.Builder
	q := &quota{log: slog.New(slog.NewTextHandler(&log, nil))}
	full := func(n int) error { return fmt.Errorf("%w: %d MiB free", store.ErrDiskFull, n) }
	for _, err := range []error{nil, full(3), full(2), full(1), errors.New("other"), full(9), nil, full(8)} {
		q.tell(err)
	}
	var got []string
	for _, said := range []string{"3 MiB", "2 MiB", "1 MiB", "other", "9 MiB", "8 MiB"} {
		if strings.Contains(log.String(), said) {
			got = append(got, said)
		}
	}
	if want := "3 MiB,other,9 MiB,8 MiB"; strings.Join(got, ",") != want {
		t.Errorf("told %q, want %s", got, want)
	}
}
