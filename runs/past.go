package runs

import (
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Bounds of what is kept of the runs that have ended on behalf of each principal but the
// owner, where the config names none. Beyond them those go that ended longest ago, but for
// the latest; and all go that ended longer ago than PastFor.
const (
	DefaultPast = 10_000
	maxPast     = 32 << 20 // bytes, about
	PastFor     = 30 * 24 * time.Hour
)

// trimEvery is how long those are not looked at of whom few runs have ended, and
// trimAllEvery those of whom none has.
const (
	trimEvery    = time.Minute
	trimAllEvery = 24 * time.Hour
)

// HandedOverFor is how long a run that was handed over is kept in any case, so that it
// can be exported again.
const HandedOverFor = 7 * 24 * time.Hour

// weight is about how many bytes are kept of r; none of nil.
func (r *record) weight() uint64 {
	if r == nil {
		return 0
	}
	const run, job, link = 200, 150, 60
	return uint64(run + len(r.authority) + job*r.Settled + link*(len(r.instructions)+len(r.brings)))
}

// goes tells whether r may be removed.
func (r *record) goes(now time.Time) bool {
	return r.State.Over() && (r.State != HandedOver || now.Sub(r.Ended) >= HandedOverFor)
}

// Past calls visit with each run on behalf of the owner that has ended and may be removed,
// and about how many bytes are kept of it, and then removes those for which that said so. It
// returns how many.
func (k *Keeper) Past(visit func(r Run, bytes uint64) (goes bool)) (n int, err error) {
	var some []Run
	var fail error
	flush := func() bool {
		var removed int
		removed, fail = k.remove(some)
		n, some = n+removed, some[:0]
		return fail == nil
	}
	err = k.Store.Runs(ipld.Link{}, func(kept store.Run) bool {
		if kept.For != "" {
			return true
		}
		r, err := parseRecord(ID{kept.Workflow, ""}, kept.Record)
		if err != nil || !r.goes(k.Now()) { // one that is damaged is told when it is listed
			return true
		}
		if visit(r.Run, r.weight()) {
			some = append(some, r.Run)
		}
		return len(some) < removeAtOnce || flush()
	})
	if err == nil && fail == nil {
		flush()
	}
	return n, errors.Join(err, fail)
}

// PastOf is [Keeper.Past] for another principal, beginning with those that ended longest
// ago.
func (k *Keeper) PastOf(who did.DID, visit func(r Run, bytes uint64) (goes bool)) (n int, err error) {
	if err := k.placeAll(); err != nil {
		return 0, err
	}
	all, _, err := k.past(who)
	if err != nil {
		return 0, err
	}
	var some []Run
	for _, r := range all {
		if visit(r.Run, r.weight()) {
			some = append(some, r.Run)
		}
	}
	return k.removeAll(some)
}

// removeAll is remove in steps.
func (k *Keeper) removeAll(all []Run) (n int, err error) {
	for some := range slices.Chunk(all, removeAtOnce) {
		removed, err := k.remove(some)
		if n += removed; err != nil {
			return n, err
		}
	}
	return n, nil
}

// Bytes is about how much is kept of the runs of the owner.
func (k *Keeper) Bytes() (n uint64, err error) {
	err = k.Store.Runs(ipld.Link{}, func(kept store.Run) bool {
		if kept.For != "" {
			return true
		}
		if r, err := parseRecord(ID{Workflow: kept.Workflow}, kept.Record); err == nil {
			n += r.weight()
		}
		return true
	})
	return n, err
}

// Weigh measures about how much is kept of the runs of each other principal, unless that is
// known: from then on it is reckoned.
func (k *Keeper) Weigh() error {
	before, err := k.weighBefore()
	if len(before) == 0 && err == nil {
		return nil
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if err != nil {
		k.weights = nil
		return err
	}
	for who, n := range before {
		k.weights[who] += n
	}
	return nil
}

// weighBefore is what is kept when it is called, of runs of others than the owner. What is
// put from then on is reckoned. It is nil where all that was known before.
func (k *Keeper) weighBefore() (map[did.DID]int64, error) {
	k.mu.Lock()
	unlock := sync.OnceFunc(k.mu.Unlock)
	defer unlock()
	if k.weights != nil {
		return nil, nil
	}
	k.weights = make(map[did.DID]int64)
	before := make(map[did.DID]int64)
	err := k.Store.Runs(ipld.Link{}, func(kept store.Run) bool {
		unlock() // what is put now is not seen here
		if kept.For == "" {
			return true
		}
		if r, err := parseRecord(ID{kept.Workflow, did.DID(kept.For)}, kept.Record); err == nil {
			before[r.For] += int64(r.weight())
		}
		return true
	})
	return before, err
}

// EachWeight calls visit with about how much is kept of the runs of each other principal than
// the owner, of none before [Keeper.Weigh].
func (k *Keeper) EachWeight(visit func(who did.DID, bytes uint64)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for who, n := range k.weights {
		visit(who, uint64(max(n, 0)))
	}
}

// weigh reckons that of a run of who so much is kept now, and how much was. The caller holds
// mu.
func (k *Keeper) weigh(who did.DID, is, was uint64) {
	if who == "" || k.weights == nil {
		return
	}
	if k.weights[who] += int64(is) - int64(was); k.weights[who] == 0 {
		delete(k.weights, who)
	}
}

// HandedOver calls visit with each run that was handed over and is kept for that.
func (k *Keeper) HandedOver(visit func(ID) error) error {
	var fail error
	err := k.Store.Runs(ipld.Link{}, func(kept store.Run) bool {
		id := ID{kept.Workflow, did.DID(kept.For)}
		r, err := parseRecord(id, kept.Record)
		if err == nil && r.State == HandedOver && !r.goes(k.Now()) {
			fail = visit(id)
		}
		return fail == nil
	})
	return errors.Join(err, fail)
}

// removeAtOnce bounds how many runs go in one step, during which none is accepted.
const removeAtOnce = 128

// remove removes runs that have ended as told and were not taken up again.
func (k *Keeper) remove(some []Run) (n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	var b store.Batch
	weights := make(map[did.DID]uint64)
	known, err := k.lastRemoved()
	if err != nil {
		return 0, err
	}
	last := known
	for _, run := range some {
		r, err := k.load(run.ID)
		if errors.Is(err, ErrUnknown) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if k.active[run.ID] != nil || !r.State.Over() || !r.Ended.Equal(run.Ended) {
			continue
		}
		b.Past = append(b.Past, store.Run{Workflow: r.Workflow, For: string(r.For)})
		b.Notes = append(b.Notes, r.place(false))
		for page := 0; page*pageJobs < r.Settled; page++ {
			b.Notes = append(b.Notes, store.Note{Kind: jobNotes, Key: r.pageKey(page)})
		}
		last = max(last, r.Attempt)
		weights[r.For] += r.weight()
		n++
	}
	if n == 0 {
		return 0, nil
	}
	if last > known {
		b.Notes = append(b.Notes, lastRemovedNote(last))
	}
	if err := k.Store.Put(b); err != nil {
		return 0, err
	}
	k.removed = &last
	for who, bytes := range weights {
		k.weigh(who, 0, bytes)
	}
	return n, nil
}

// TrimPast removes runs that have ended on behalf of others than the owner, beyond what
// is kept of each, and returns how many. It looks at those only of whom many have ended
// since it did last, or some and that is a minute ago, and at all once a day. It is called
// by one at a time.
func (k *Keeper) TrimPast() (n int, err error) {
	if err := k.placeAll(); err != nil {
		return 0, err
	}
	due, err := k.due()
	for _, who := range due {
		if err != nil {
			break
		}
		var removed int
		removed, err = k.trimPast(who)
		n += removed
	}
	return n, err
}

// due are the principals that TrimPast has to look at.
func (k *Keeper) due() (all []did.DID, err error) {
	k.mu.Lock()
	now := k.Now()
	every := k.ended == nil || now.Sub(k.trimmedAll).Abs() >= trimAllEvery
	some := now.Sub(k.trimmed).Abs() >= trimEvery
	for who, n := range k.ended {
		if some || n > k.MaxPast/10 {
			all = append(all, who)
		}
	}
	for _, who := range all {
		delete(k.ended, who)
	}
	if every {
		k.ended, k.trimmedAll = make(map[did.DID]int), now
	}
	if some {
		k.trimmed = now
	}
	k.mu.Unlock()
	if every {
		all, err = k.principals()
	}
	return slices.DeleteFunc(all, func(who did.DID) bool { return who == "" }), err
}

// trimPast is TrimPast for one principal: down to nine tenths, so that it need not begin
// again at once.
func (k *Keeper) trimPast(who did.DID) (n int, err error) {
	all, bytes, err := k.past(who)
	if err != nil {
		return 0, err
	}
	var some []Run
	left, over := len(all), len(all) > k.MaxPast || bytes > maxPast
	for _, r := range all {
		more := over && left > 1 && (left > k.MaxPast/10*9 || bytes > maxPast/10*9)
		if !more && k.Now().Sub(r.Ended) < PastFor {
			break
		}
		some, left, bytes = append(some, r.Run), left-1, bytes-r.weight()
	}
	return k.removeAll(some)
}

// past are the runs of a principal that have ended and may be removed, those that ended
// longest ago first.
func (k *Keeper) past(who did.DID) (all []*record, bytes uint64, err error) {
	for after := (Place{}); ; {
		places, err := k.places(who, after)
		if err != nil {
			return nil, 0, err
		}
		for _, p := range places {
			r, err := k.load(p.ID)
			switch {
			case errors.Is(err, ErrUnknown):
			case err != nil:
				k.Log.Error("runs: a record is damaged", "workflow", p.Workflow, "err", err)
			case r.goes(k.Now()):
				all, bytes = append(all, r), bytes+r.weight()
			}
		}
		if len(places) < listPage {
			slices.SortFunc(all, func(a, b *record) int { return a.Ended.Compare(b.Ended) })
			return all, bytes, nil
		}
		after = places[len(places)-1]
	}
}
