package ipvm

import (
	"context"
	"errors"
	"time"

	"github.com/ipvm-wg/go-ipvm/store"
)

// roomAgain is how long a room that could not be opened is not tried again.
const roomAgain = 10 * time.Second

// damage is why a room can not be used, or not all of it.
type damage struct {
	err   error
	tried time.Time
}

func (r *rooms) now() time.Time {
	if r.options.Now == nil {
		return time.Now()
	}
	return r.options.Now()
}

// note puts down that a room is damaged, and logs it once. What passes by itself is no
// damage. The caller holds mu.
func (r *rooms) note(name string, err error) (noted bool) {
	if store.MayPass(err) || errors.Is(err, store.ErrClosed) || errors.Is(err, store.ErrCollecting) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return false
	}
	if _, known := r.damaged[name]; !known && r.options.Logger != nil {
		r.options.Logger.Error("a room is damaged: it is left out, and nothing of it is removed", "room", name, "err", err)
	}
	r.damaged[name] = damage{err, r.now()}
	return true
}

// left tells whether who reads all rooms goes on without one, since it is damaged.
func (r *rooms) left(name string, err error) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.note(name, err)
}

// broken is how many rooms were found damaged.
func (r *rooms) broken() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.damaged)
}
