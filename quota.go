package ipvm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/store"
)

// quotaEvery is how often a node that serves looks at its quota, and quotaAgain how
// long it waits before it tries again in vain.
const (
	quotaEvery = 5 * time.Second
	quotaAgain = time.Minute
)

// quota keeps the store of a node that serves below a size.
type quota struct {
	max     uint64 // 0 is no bound
	store   *store.Store
	collect func(context.Context, store.Collection) (store.Collected, error)
	now     func() time.Time
	log     *slog.Logger

	full atomic.Pointer[error] // why no new work is taken; nil while it is
	last time.Time             // when a collection was not enough
	stop context.CancelFunc
	work sync.WaitGroup
}

// start looks again and again until close.
func (q *quota) start() {
	if q.max == 0 {
		return
	}
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	q.work.Go(func() {
		tick := time.NewTicker(quotaEvery)
		defer tick.Stop()
		for {
			if err := q.look(ctx); err != nil && ctx.Err() == nil {
				q.log.Error("the store could not be kept below its quota", "err", err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

func (q *quota) close() {
	if q.stop != nil {
		q.stop()
	}
	q.work.Wait()
}

// look collects if the store holds more than it may: down to nine tenths of that, so
// that it need not begin again at once.
func (q *quota) look(ctx context.Context) error {
	held, err := q.store.Held(ctx)
	if err != nil {
		return err
	}
	if held <= q.max {
		q.full.Store(nil)
		return nil
	}
	if now := q.now(); q.full.Load() != nil && now.Sub(q.last).Abs() < quotaAgain {
		return nil
	}
	sum, err := q.collect(ctx, store.Collection{Bounded: true, MaxBytes: q.max / 10 * 9})
	if errors.Is(err, store.ErrCollecting) {
		return nil
	}
	if err != nil {
		return err
	}
	if held, err = q.store.Held(ctx); err != nil {
		return err
	}
	q.log.Info("the store was above its quota", "quota", q.max, "removed", sum.Bytes, "holds", held)
	if held <= q.max {
		q.full.Store(nil)
		return nil
	}
	q.last = q.now()
	full := fmt.Errorf("%w: it holds %d bytes, %d are allowed (store-quota), and nothing more can be removed: what stays is pinned or in use\n"+
		"  hint: `ipvm pin ls` and `ipvm ps` show by what; unpin, end what is not needed, or allow more", store.ErrQuota, held, q.max)
	q.full.Store(&full)
	return nil
}

// admit is why no new work is taken.
func (q *quota) admit() error {
	if p := q.full.Load(); p != nil {
		return *p
	}
	return nil
}
