package ipvm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/store"
)

// quotaEvery is how often a node that serves looks at its quotas, quotaPause how long it
// waits in any case before it looks again, and quotaAgain before it tries again in vain.
const (
	quotaEvery = 5 * time.Second
	quotaPause = time.Second / 4
	quotaAgain = time.Minute
)

// DefaultGuestQuota is how much is kept for others where no quota is given at all.
const DefaultGuestQuota = 4 << 30

// guestQuota is how many bytes are kept for others.
func (o Options) guestQuota() uint64 {
	switch {
	case o.GuestQuota > 0:
		return o.GuestQuota
	case o.StoreQuota > 0:
		return o.StoreQuota / 4
	}
	return DefaultGuestQuota
}

// quota keeps what a node keeps below its bounds: what is the owner's, and apart from
// it what is kept for others, so that these can not drive out what is the owner's.
type quota struct {
	own    bound
	others shares
	// tidy is done every time, after both.
	tidy func(context.Context) error
	log  *slog.Logger

	looking sync.Mutex
	told    string // the trouble that was told last
	kick    chan struct{}
	stop    context.CancelFunc
	work    sync.WaitGroup
}

// bound keeps some parts below a size together.
type bound struct {
	max   uint64 // 0 is none
	parts func() ([]part, error)
	now   func() time.Time
	log   *slog.Logger
	what  string // they hold
	hint  string // for who is refused

	full atomic.Pointer[error] // why no new work is taken; nil while it is
	last time.Time             // when a collection was not enough
}

func newQuota(o *owner, opts Options) *quota {
	return &quota{
		own: bound{
			max: opts.StoreQuota, parts: o.own, now: o.Now, log: opts.Log, what: "what is the owner's (store-quota)",
			hint: "`ipvm pin ls` and `ipvm ps` show by what; unpin, end what is not needed, or allow more",
		},
		others: shares{
			max: opts.guestQuota(), parts: o.others, now: o.Now, log: opts.Log, vain: make(map[string]time.Time),
			held: o.heldFor,
		},
		tidy: o.tidy, log: opts.Log, kick: make(chan struct{}, 1),
	}
}

// start looks again and again until close.
func (q *quota) start() {
	ctx, stop := context.WithCancel(context.Background())
	q.stop = stop
	q.work.Go(func() {
		tick := time.NewTicker(quotaEvery)
		defer tick.Stop()
		pause := time.NewTimer(quotaPause)
		defer pause.Stop()
		for {
			if err := q.look(ctx); ctx.Err() == nil {
				q.tell(err)
			}
			pause.Reset(quotaPause)
			select {
			case <-pause.C:
			case <-ctx.Done():
				return
			}
			select {
			case <-tick.C:
			case <-q.kick:
			case <-ctx.Done():
				return
			}
		}
	})
}

// tell puts down once what the trouble of looking is, until it has passed.
func (q *quota) tell(err error) {
	why := reason(err)
	if why != q.told && err != nil {
		q.log.Error("what is kept could not be brought below its bounds", "err", err)
	}
	q.told = why
}

// reason is err as text that stays the same while the trouble does; empty where there
// is none. How much a full disk has free changes all the time.
func reason(err error) string {
	switch {
	case err == nil:
		return ""
	case errors.Is(err, store.ErrDiskFull):
		return store.ErrDiskFull.Error()
	}
	return err.Error()
}

func (q *quota) close() {
	if q.stop != nil {
		q.stop()
	}
	q.work.Wait()
}

func (q *quota) look(ctx context.Context) error {
	q.looking.Lock()
	defer q.looking.Unlock()
	return errors.Join(q.others.look(ctx), q.own.look(ctx), q.tidy(ctx))
}

// admit is why no new work is taken on behalf of who; empty is the owner.
func (q *quota) admit(who did.DID) error {
	if who == "" {
		return q.own.admit()
	}
	err := q.others.admit(who)
	if err != nil {
		select {
		case q.kick <- struct{}{}:
		default: // it is about to look
		}
	}
	return err
}

// look collects if the parts hold more than they may: down to nine tenths of that, so
// that it need not begin again at once.
func (b *bound) look(ctx context.Context) error {
	if b.max == 0 {
		return nil
	}
	parts, err := b.parts()
	if err != nil {
		return err
	}
	m, _ := measure(ctx, parts)
	broken := m.unknown
	if m.total <= b.max {
		b.full.Store(nil)
		return broken
	}
	if now := b.now(); b.full.Load() != nil && now.Sub(b.last).Abs() < quotaAgain {
		return broken
	}
	removed, err := m.above(ctx, b.max/10*9)
	if errors.Is(err, store.ErrCollecting) {
		return broken
	}
	broken = errors.Join(broken, err)
	m, _ = measure(ctx, m.parts)
	if broken = errors.Join(broken, m.unknown); ctx.Err() != nil {
		return broken
	}
	held := m.total
	b.log.Info("there was more than the quota", "of", b.what, "quota", b.max, "removed", removed, "holds", held)
	if held <= b.max {
		b.full.Store(nil)
		return broken
	}
	b.last = b.now()
	full := fmt.Errorf("%w: %s is %d bytes, %d are allowed, and nothing more can be removed: what stays is pinned or in use\n"+
		"  hint: %s", store.ErrQuota, b.what, held, b.max, b.hint)
	b.full.Store(&full)
	return broken
}

// above collects those parts that have to give for all to hold at most limit together.
func (m measured) above(ctx context.Context, limit uint64) (removed uint64, err error) {
	c := store.Collection{Bounded: true, MaxBytes: level(m.sizes, limit)}
	var some measured
	for i, p := range m.parts {
		if m.sizes[i] > c.MaxBytes {
			some.parts, some.sizes = append(some.parts, p), append(some.sizes, m.sizes[i])
		}
	}
	sum, _, err := some.collect(ctx, c)
	return sum.Bytes, err
}

// admit is why no new work is taken.
func (b *bound) admit() error {
	if p := b.full.Load(); p != nil {
		return *p
	}
	return nil
}
