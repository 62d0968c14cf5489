package authority

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Offer is what strangers, of whom nothing is known but a key, may have run of what
// is pure (RULES 41).
type Offer struct {
	// Gas is what one workflow may use, Day what all those of one stranger may
	// within a day.
	Gas, Day uint64
	// Memory is what one job may have, in bytes, Time how long all jobs of a
	// workflow may take, one after the other.
	Memory uint64
	Time   time.Duration
	// Disk is how many bytes are kept for one stranger: what was sent, and what came
	// of it.
	Disk uint64
	// Strangers is how many there may be.
	Strangers int
}

// OfferOf is the offer of so much gas for a workflow, and what is usual otherwise.
func OfferOf(gas uint64) Offer {
	day := gas * 100
	if day/100 != gas {
		day = 1<<64 - 1
	}
	return Offer{Gas: gas, Day: day, Memory: 256 << 20, Time: 5 * time.Minute, Disk: 64 << 20, Strangers: 16}
}

// ParseOffer reads an offer such as "1000000000,day=100000000000,disk=1GiB": the gas
// of a workflow, and perhaps day, memory, time, disk and strangers.
func ParseOffer(text string) (Offer, error) {
	parts := strings.Split(text, ",")
	gas, err := strconv.ParseUint(strings.TrimSpace(parts[0]), 10, 64)
	if err != nil || gas == 0 {
		return Offer{}, fmt.Errorf("%q is not a positive number of gas", parts[0])
	}
	o := OfferOf(gas)
	seen := make(map[string]bool)
	for _, part := range parts[1:] {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch name {
		case "day":
			o.Day, err = strconv.ParseUint(value, 10, 64)
		case "memory":
			o.Memory, err = workflow.ParseSize(value)
		case "time":
			if o.Time, err = time.ParseDuration(value); o.Time <= 0 {
				err = errors.Join(err, errors.New("it is not positive"))
			}
		case "disk":
			o.Disk, err = workflow.ParseSize(value)
		case "strangers":
			if o.Strangers, err = strconv.Atoi(value); o.Strangers < 1 || o.Strangers > MaxStrangers {
				err = errors.Join(err, fmt.Errorf("it is not from 1 to %d", MaxStrangers))
			}
		default:
			return o, fmt.Errorf("%q is none of day, memory, time, disk and strangers", name)
		}
		if err != nil {
			return o, fmt.Errorf("%s is %q: %w", name, value, err)
		}
		if seen[name] {
			return o, fmt.Errorf("%s is there twice", name)
		}
		seen[name] = true
	}
	return o, nil
}

// MaxStrangers bounds how many strangers a node can have: it keeps rooms for those
// whom it knows.
const MaxStrangers = 32

// idle is after how many days a stranger may be forgotten to make room for others.
const idle = 30

// stranger is what is counted of one.
type stranger struct {
	day  int64  // since 1970: when it was last here
	used uint64 // gas on that day; what runs counts in full
	sent uint64 // bytes that it has sent
}

// Offer makes an offer to strangers, from now on.
func (g *Guard) Offer(o Offer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.offer = &o
}

// Offers tells whether there is an offer to strangers.
func (g *Guard) Offers() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.offer != nil
}

// Visit lets a stranger have w run by the offer: what it may use is set aside until
// [Visit.End]. It is a permit.
type Visit struct {
	guard *Guard
	who   did.DID
	gas   uint64
	began atomic.Bool
}

var _ engine.Permit = (*Visit)(nil)

// JudgeVisit tells what [Guard.Welcome] would say now; kept is how many bytes there are of
// what came of the stranger's workflows.
func (g *Guard) JudgeVisit(who did.DID, w *graph.Graph, kept uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _, err := g.visit(who, w, kept)
	return err
}

// Welcome accepts a workflow of a stranger. The error wraps [ErrRefused].
func (g *Guard) Welcome(who did.DID, w *graph.Graph, kept uint64) (*Visit, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, gas, err := g.visit(who, w, kept)
	if err != nil {
		return nil, err
	}
	s.used += gas
	return &Visit{guard: g, who: who, gas: gas}, g.remember(who, s)
}

// visit tells what is counted of a stranger, and how much gas w may use, if the offer
// goes so far. The caller holds mu.
func (g *Guard) visit(who did.DID, w *graph.Graph, kept uint64) (s stranger, gas uint64, err error) {
	if s, err = g.stranger(who); err != nil {
		return s, 0, err
	}
	const more = "%w: asked: %v %s; offered to strangers: %v"
	d, o := DemandOf(w, g.policy), g.offer
	switch {
	case len(d.Effects) > 0:
		err = fmt.Errorf("%w: strangers are offered pure work only", ErrRefused)
	case d.Gas > o.Gas:
		err = fmt.Errorf(more, ErrRefused, d.Gas, "gas", o.Gas)
	case d.Memory > o.Memory:
		err = fmt.Errorf(more, ErrRefused, d.Memory, "bytes of memory", o.Memory)
	case d.Time > o.Time:
		err = fmt.Errorf(more, ErrRefused, d.Time, "of computing", o.Time)
	case d.Gas > o.Day-min(s.used, o.Day):
		err = fmt.Errorf("%w: asked: %d gas; used or set aside today: %d; offered to a stranger within a day: %d", ErrRefused, d.Gas, s.used, o.Day)
	default:
		err = s.room(o, kept, 0)
	}
	return s, d.Gas, err
}

// room tells whether more bytes can be kept for a stranger.
func (s stranger) room(o *Offer, kept, more uint64) error {
	if have := s.sent + kept; have >= o.Disk || more > o.Disk-have {
		return fmt.Errorf("%w: %d bytes are kept for this stranger, and %d more are asked for; offered: %d", ErrRefused, have, more, o.Disk)
	}
	return nil
}

// Keep counts bytes that a stranger sends to be kept. The error wraps [ErrRefused].
func (g *Guard) Keep(who did.DID, kept, more uint64) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	s, err := g.stranger(who)
	if err == nil {
		err = s.room(g.offer, kept, more)
	}
	if err != nil {
		return err
	}
	s.sent += more
	return g.remember(who, s)
}

// stranger is what is counted of one today. The caller holds mu.
func (g *Guard) stranger(who did.DID) (stranger, error) {
	if g.offer == nil {
		return stranger{}, fmt.Errorf("%w: nothing is offered to strangers", ErrRefused)
	}
	today := g.now().Unix() / (24 * 60 * 60)
	s, known := g.strangers[who]
	if !known && len(g.strangers) >= g.offer.Strangers {
		if err := g.forgetStrangers(today); err != nil {
			return s, err
		}
		if len(g.strangers) >= g.offer.Strangers {
			return s, fmt.Errorf("%w: this node has as many strangers as it takes: %d", ErrRefused, len(g.strangers))
		}
	}
	if s.day != today {
		s.day, s.used = today, 0
	}
	return s, nil
}

// forgetStrangers forgets who was not here for long.
func (g *Guard) forgetStrangers(today int64) error {
	for who, s := range g.strangers {
		if s.day > today-idle {
			continue
		}
		if err := g.store.PutNote(strangerKind, string(who), nil); err != nil {
			return err
		}
		delete(g.strangers, who)
	}
	return nil
}

// remember keeps what is counted of a stranger.
func (g *Guard) remember(who did.DID, s stranger) error {
	data, err := ipld.AppendCBOR(nil, ipld.List(ipld.Int(s.day), ipld.Uint(s.used), ipld.Uint(s.sent)))
	if err != nil {
		return err
	}
	if err := g.store.PutNote(strangerKind, string(who), data); err != nil {
		return err
	}
	g.strangers[who] = s
	return nil
}

// revisit takes in a stranger that was kept.
func (g *Guard) revisit(n store.Note) error {
	v, err := ipld.DecodeCBOR(n.Value)
	if err != nil || v.Len() != 3 || v.Kind() != ipld.KindList {
		return fmt.Errorf("note %.100q is of no stranger: %w", n.Key, errors.Join(err, ucan.ErrMalformed))
	}
	day, dated := v.Elems()[0].AsInt64()
	used, counted := v.Elems()[1].AsUint64()
	sent, measured := v.Elems()[2].AsUint64()
	if !dated || !counted || !measured {
		return fmt.Errorf("note %.100q is of no stranger: not [day, used, sent]", n.Key)
	}
	g.strangers[did.DID(n.Key)] = stranger{day, used, sent}
	return nil
}

// Issuer is the stranger.
func (v *Visit) Issuer() did.DID { return v.who }

// Allow lets every function be called.
func (v *Visit) Allow(ipld.Link, string) *task.Failure {
	v.began.Store(true)
	return nil
}

// End tells what came of the workflow; nil where nobody knows. What it did not use
// is free again.
func (v *Visit) End(r *engine.Report) error {
	used := v.gas
	switch {
	case !v.began.Load():
		used = 0
	case r != nil:
		used = min(r.Gas, used)
	}
	g := v.guard
	g.mu.Lock()
	defer g.mu.Unlock()
	s, ok := g.strangers[v.who]
	if !ok || s.day != g.now().Unix()/(24*60*60) { // what was set aside was of another day
		return nil
	}
	s.used -= min(v.gas-used, s.used)
	return g.remember(v.who, s)
}
