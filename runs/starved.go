package runs

import (
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/ipvm-wg/go-ipvm/store"
)

// DefaultRetry is how often it is tried whether the disk is in order again.
const DefaultRetry = time.Second

// starve gives up l until the disk, full or read-only, is in order again. Its record says that it is to be
// run, and what it has finished is not run again.
func (k *Keeper) starve(l *live, err error) {
	k.drop(l)
	l.end(err)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	if k.starved == nil {
		k.Log.Error("runs: workflows wait until the disk is in order", "err", err)
		k.starved = make(map[ID]bool)
		k.work.Go(k.feed)
	}
	k.starved[l.record.ID] = true
}

// feed takes up what starves as soon as that is possible, until nothing does.
func (k *Keeper) feed() {
	for {
		select {
		case <-time.After(k.Retry):
		case <-k.life.Done():
			return
		}
		if k.fed() {
			return
		}
	}
}

// fed takes up what starves, as long as the disk allows, and tells whether nothing is
// left.
func (k *Keeper) fed() bool {
	k.mu.Lock()
	all := slices.Collect(maps.Keys(k.starved))
	k.mu.Unlock()
	for _, id := range all {
		k.starves(id, false) // before looking: it may be active, and come to starve meanwhile
		l, err := k.again(id, func(s State) bool { return s == Running })
		if store.MayPass(err) {
			k.starves(id, true)
			return false
		}
		if err != nil && !errors.Is(err, ErrClosed) {
			k.Log.Error("runs: a workflow could not be taken up", "workflow", id.Workflow, "err", err)
		}
		if l != nil {
			k.start(l, nil)
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.starved) > 0 {
		return false
	}
	k.starved = nil
	return true
}

// starves notes whether a run waits for the disk, while feed goes on.
func (k *Keeper) starves(id ID, waits bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if waits {
		k.starved[id] = true
		return
	}
	delete(k.starved, id)
}
