package ucan

import (
	"sync"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Cache holds delegations that were verified, by link, so that a chain that is
// used again costs no signature but the invocation's. It holds no authority:
// time, revocations and policies are judged each time. The zero Cache is
// empty and ready; a nil one keeps nothing. Its methods may be called by many
// goroutines.
type Cache struct {
	mu sync.Mutex
	// What was used since young began is in young; old is what was young before
	// that. So what is in use stays, and no more than two times cacheBytes are
	// held.
	young, old map[ipld.Link]*SignedDelegation
	bytes      int // of the tokens in young
}

// cacheBytes is how many bytes of tokens make a generation. A delegation of 350
// bytes takes about 3 KB in memory.
const cacheBytes = 1 << 20

func (c *Cache) get(link ipld.Link) (*SignedDelegation, bool) {
	if c == nil {
		return nil, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	d, ok := c.young[link]
	if !ok {
		if d, ok = c.old[link]; ok {
			c.add(d)
		}
	}
	return d, ok
}

// keep adds delegations that were verified.
func (c *Cache) keep(chain []*SignedDelegation) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range chain {
		if _, ok := c.young[d.link]; !ok {
			c.add(d)
		}
	}
}

func (c *Cache) add(d *SignedDelegation) {
	if c.young == nil || c.bytes+len(d.data) > cacheBytes {
		c.young, c.old, c.bytes = make(map[ipld.Link]*SignedDelegation), c.young, 0
	}
	c.young[d.link] = d
	c.bytes += len(d.data)
}
