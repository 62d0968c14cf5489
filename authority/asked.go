package authority

import (
	"errors"
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Asked is a request over HTTP whose signer may ask for it.
type Asked struct {
	// For is on whose behalf it is asked: the subject of the invocation.
	For did.DID
	// By is who signed.
	By did.DID
	// Guest tells that whoever it is for may have workflows run here, as shown by
	// delegations that came with the request.
	Guest bool
	// Body is the SHA-256 that the body has to have.
	Body [32]byte
}

// maxAsked bounds how many requests are remembered; those who are neither the node's
// owner nor guests have at most half of them.
const maxAsked = 1 << 16

// asks are the requests that were taken and changed something, until they can not
// be taken any more.
type asks struct {
	of     map[[32]byte]taken // by SigHash
	others int                // how many are of others than the owner and guests
	most   int
	sweep  int   // how many there are when those of the past are forgotten
	swept  int64 // when that was
}

// taken is one request that was taken.
type taken struct {
	until int64 // the last second in which it would be again
	other bool  // it is of neither the owner nor a guest
}

// value is t as it is kept: a time, which is negative for others.
func (t taken) value() ipld.Value {
	if t.other {
		return ipld.Int(-t.until)
	}
	return ipld.Int(t.until)
}

// Ask judges whether a request over HTTP, for which a container has the one
// invocation and its proofs, is taken (RULES 35). One that changes something is
// taken once. The error is a [*ucan.Denied], or wraps [ErrRefused] or
// [ucan.ErrMalformed].
func (g *Guard) Ask(container []byte, method, target string) (Asked, error) {
	c, inv, err := open(container, &g.cache)
	if err != nil {
		return Asked{}, err
	}
	now, said := g.now(), inv.Invocation()
	r, err := request.Read(said, method, target)
	if err != nil {
		return Asked{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if latest := now.Add(request.Lifetime + g.skew).Unix(); said.Expires == nil || *said.Expires > latest {
		return Asked{}, fmt.Errorf("%w: a request expires within %v", ErrRefused, request.Lifetime)
	}
	if _, err := ucan.Authorize(inv, g.facts(c, now)); err != nil {
		return Asked{}, err
	}
	guest := len(request.Guest(g.node, said.Subject, c.Delegations, g.moment(now))) > 0
	if !r.Reads() {
		if err := g.once(inv, said.Subject != g.node && !guest, now); err != nil {
			return Asked{}, err
		}
	}
	return Asked{For: said.Subject, By: said.Issuer, Guest: guest, Body: r.Body}, nil
}

// once notes that a request was taken, which it is once.
func (g *Guard) once(inv *ucan.SignedInvocation, other bool, now time.Time) error {
	hash, t := inv.SigHash(), taken{until: *inv.Invocation().Expires + int64(g.skew/time.Second), other: other}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, ok := g.asks.of[hash]; ok || t.until < g.asks.swept {
		return fmt.Errorf("%w: the request was made before; sign another one", ErrRefused)
	}
	if !g.asks.room(t) && g.asks.swept < now.Unix() || len(g.asks.of) >= max(g.asks.sweep, 64) {
		if err := g.forgetAsks(now); err != nil {
			return err
		}
	}
	if !g.asks.room(t) {
		return fmt.Errorf("%w: %d requests are remembered, %d of them of those who have no delegation: %w", ErrRefused, len(g.asks.of), g.asks.others, ucan.ErrFull)
	}
	data, err := ipld.AppendCBOR(nil, t.value())
	if err != nil {
		return err
	}
	if err := g.store.PutNote(askedKind, string(hash[:]), data); err != nil {
		return err
	}
	g.asks.add(hash, t)
	return nil
}

// room tells whether t can be remembered beside the others.
func (a *asks) room(t taken) bool { return len(a.of) < a.most && !(t.other && a.others >= a.most/2) }

func (a *asks) add(hash [32]byte, t taken) {
	a.of[hash] = t
	if t.other {
		a.others++
	}
}

// forgetAsks forgets those that would not be taken any more.
func (g *Guard) forgetAsks(now time.Time) error {
	g.asks.swept = now.Unix()
	for hash, t := range g.asks.of {
		if t.until >= g.asks.swept {
			continue
		}
		if err := g.store.PutNote(askedKind, string(hash[:]), nil); err != nil {
			return err
		}
		delete(g.asks.of, hash)
		if t.other {
			g.asks.others--
		}
	}
	g.asks.sweep = 2 * len(g.asks.of)
	return nil
}

// reask takes in a request that was kept, or drops its note.
func (g *Guard) reask(n store.Note) error {
	v, err := ipld.DecodeCBOR(n.Value)
	until, ok := v.AsInt64()
	t := taken{until: max(until, -until), other: until < 0}
	var hash [32]byte
	if err == nil && (!ok || copy(hash[:], n.Key) != len(n.Key) || len(n.Key) != len(hash)) {
		err = errors.New("not a time under a hash")
	}
	if err != nil {
		return fmt.Errorf("note %x is of no request: %w", n.Key, err)
	}
	if t.until < g.now().Unix() {
		return g.store.PutNote(askedKind, n.Key, nil)
	}
	g.asks.add(hash, t)
	return nil
}
