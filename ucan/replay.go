package ucan

import (
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrLifetime reports an invocation that is valid for longer than it can be
// remembered.
var ErrLifetime = errors.New("valid for too long")

// Replay remembers invocations, in memory, until they expire, so that none is
// performed twice. The zero value is empty and ready. Its methods may be called by many
// goroutines.
//
// An invocation is known by its SigHash: the same bytes have the same, and so
// have the same fields under another signature, which for P-256 anybody can
// make.
type Replay struct {
	// Longest is how far in the future an invocation may expire; 0 means 24 h.
	Longest time.Duration
	// Skew is that of the [Moment] by which invocations are judged.
	Skew time.Duration
	// Limit is how many are remembered at most; 0 means 65,536.
	Limit int

	mu    sync.Mutex
	until map[[32]byte]int64
	sweep int   // size at which the expired ones are dropped
	swept int64 // when they were; what expired before may have been dropped
}

const (
	defaultLongest = 24 * time.Hour
	defaultReplay  = 1 << 16
)

// First remembers inv, which was authorised at now, and tells whether it was not
// remembered before. The error wraps [ErrLifetime] when inv never expires or
// too late, and [ErrFull] when there is no room; inv must not be performed then.
func (r *Replay) First(inv *SignedInvocation, now time.Time) (bool, error) {
	longest, limit := r.Longest, r.Limit
	if longest <= 0 {
		longest = defaultLongest
	}
	if limit <= 0 {
		limit = defaultReplay
	}
	exp := inv.inv.Expires
	switch {
	case exp == nil:
		return false, fmt.Errorf("an invocation that never expires is %w (at most %v)", ErrLifetime, longest)
	case *exp > now.Add(longest).Unix():
		return false, fmt.Errorf("an invocation that expires at %s is %w (at most %v from now)", clock(*exp), ErrLifetime, longest)
	}
	hash := inv.SigHash()
	r.mu.Lock()
	defer r.mu.Unlock()
	until := *exp + Moment{Skew: r.Skew}.skew()
	if _, ok := r.until[hash]; ok || until < r.swept {
		return false, nil
	}
	if len(r.until) >= min(max(r.sweep, 64), limit) {
		r.forget(now.Unix())
		r.sweep = 2 * len(r.until)
	}
	if len(r.until) >= limit {
		return false, fmt.Errorf("%d invocations are remembered: %w", len(r.until), ErrFull)
	}
	if r.until == nil {
		r.until = make(map[[32]byte]int64)
	}
	r.until[hash] = until
	return true, nil
}

// forget drops what no judgement would let pass any more.
func (r *Replay) forget(now int64) {
	r.swept = max(r.swept, now)
	for hash, until := range r.until {
		if now > until {
			delete(r.until, hash)
		}
	}
}
