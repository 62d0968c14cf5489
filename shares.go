package ipvm

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/store"
)

// shares keep what is kept for others below a bound together, so that none of them can
// use up what the next one needs.
type shares struct {
	max   uint64
	parts func() ([]part, error)
	// held is how much is kept for each, by the folder of its room, as far as that is
	// known without looking.
	held func() map[string]uint64
	now  func() time.Time
	log  *slog.Logger
	vain map[string]time.Time // when a collection was not enough, by whose it was
}

// evenShare is the size at which those who hold more would have three times what is then
// left of the limit: one alone has three quarters of it.
func evenShare(sizes []uint64, limit uint64) uint64 {
	limit = min(limit, most)
	sorted := slices.Sorted(slices.Values(sizes))
	for i, size := range sorted {
		rest := uint64(len(sorted) - i)
		if share := 3 * limit / (1 + 3*rest); share < size {
			return share
		}
		limit -= size
	}
	return 3 * limit
}

// most is the greatest bound that can be reckoned with.
const most = 1 << 60

// allowed is how much each may hold to have new work taken, where so much is held: three
// times what is free, and in any case a little. It is a twentieth more than what is
// collected down to, and the little of all rooms is another twentieth. Of who has come to
// more than anybody is allowed only that counts, so that it is not the others who bear it.
func (q *shares) allowed(all map[string]uint64) uint64 {
	limit := min(q.max, most)
	free := limit + limit/20
	anybody := free / 4 * 3
	for _, size := range all {
		free -= min(size, anybody, free)
	}
	return max(3*free, limit/20/maxRooms)
}

// admit is why no new work is taken on behalf of who. It waits for nobody.
func (q *shares) admit(who did.DID) error {
	all := q.held()
	held, allowed := all[guestFolder(who)], q.allowed(all)
	if held < allowed {
		return nil
	}
	return fmt.Errorf("%w: what is kept for %s is %d bytes, and its share of what is kept for all others than the owner (guest-quota) is %d now\n"+
		"  hint: what was not used for some minutes makes room; the owner can allow more", store.ErrQuota, who, held, allowed)
}

// look collects what those hold who have more than their share: down to nine tenths of
// that, so that it need not begin again at once.
func (q *shares) look(ctx context.Context) error {
	parts, err := q.parts()
	if err != nil {
		return err
	}
	m, _ := measure(ctx, parts)
	broken := m.unknown
	of := m.byWhose()
	sizes := make([]uint64, 0, len(of))
	for _, its := range of {
		sizes = append(sizes, its.total)
	}
	share := evenShare(sizes, q.max)
	for whose, its := range of {
		if its.total <= share {
			delete(q.vain, whose)
			continue
		}
		if at, tried := q.vain[whose]; tried && q.now().Sub(at).Abs() < quotaAgain {
			continue
		}
		removed, err := its.above(ctx, share/10*9)
		if ctx.Err() != nil || errors.Is(err, store.ErrCollecting) {
			return broken
		}
		left, _ := measure(ctx, its.parts)
		broken = errors.Join(broken, err, left.unknown)
		q.log.Info("there was more than the share of a guest", "room", whose, "share", share, "removed", removed, "holds", left.total)
		if delete(q.vain, whose); left.total > share {
			q.vain[whose] = q.now()
		}
	}
	return broken
}

// byWhose are the parts of each whose they are.
func (m measured) byWhose() map[string]*measured {
	all := make(map[string]*measured)
	for i, p := range m.parts {
		its := all[p.whose]
		if its == nil {
			its = new(measured)
			all[p.whose] = its
		}
		its.parts, its.sizes, its.total = append(its.parts, p), append(its.sizes, m.sizes[i]), its.total+m.sizes[i]
	}
	return all
}
