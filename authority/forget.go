package authority

import (
	"errors"

	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Forget removes what is noted of invocations that were performed and have expired, and
// returns how many: nobody is asked to perform these again. What is in progress, or can
// still be presented, stays. A guard that is made does the same.
func (g *Guard) Forget() (n int, err error) {
	var gone []store.Note
	err = g.store.Notes(performedKind, func(kept store.Note) bool {
		if len(kept.Value) == 0 {
			return true // damage, which New tells
		}
		inv, err := ucan.ParseInvocation(kept.Value[1:])
		if err != nil {
			return true
		}
		if exp := inv.Invocation().Expires; exp != nil && past(*exp, g.now()) {
			gone = append(gone, store.Note{Kind: kept.Kind, Key: kept.Key})
		}
		return true
	})
	for _, note := range gone {
		removed, one := g.forget(note)
		if err = errors.Join(err, one); one != nil {
			break
		}
		if removed {
			n++
		}
	}
	return n, err
}

// forget removes the note of an invocation, unless what it asks for runs.
func (g *Guard) forget(note store.Note) (bool, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	hash := [32]byte{}
	copy(hash[:], note.Key)
	if _, runs := g.active[hash]; runs {
		return false, nil
	}
	return true, g.store.PutNote(note.Kind, note.Key, nil)
}
