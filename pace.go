package ipvm

import (
	"sync"
	"time"
)

// Denials that are signed: so many in a second at most, and in the first one as many
// as in that many seconds.
const (
	denialsPerSecond = 100
	denialsAtOnce    = 10 * denialsPerSecond
)

// pace bounds how often something is done. The zero pace has all that may be done at
// once before it.
type pace struct {
	mu   sync.Mutex
	used float64 // of denialsAtOnce
	last time.Time
}

// take tells whether it may be done now, which then counts as done.
func (p *pace) take(now time.Time) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if passed := now.Sub(p.last); passed > 0 {
		p.used = max(0, p.used-passed.Seconds()*denialsPerSecond)
		p.last = now
	}
	if p.used+1 > denialsAtOnce {
		return false
	}
	p.used++
	return true
}
