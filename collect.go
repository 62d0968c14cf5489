package ipvm

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// part is a part of what the node keeps that is collected by itself.
type part struct {
	name    string
	whose   string                                // the folder of whose room it is in or beside; empty is the owner
	held    func(context.Context) (uint64, error) // bytes, about
	collect func(context.Context, store.Collection) (store.Collected, error)
}

// own are the parts that hold what is the owner's: the store, without what others
// brought there, and the vault.
func (o *owner) own() ([]part, error) {
	all := []part{{name: StoreDir, held: o.heldOwn, collect: o.collectStore}}
	names, err := o.rooms.names()
	if slices.Contains(names, VaultDir) {
		all = append(all, o.vaultPart(VaultDir))
	}
	return all, err
}

// others are the parts that hold what is kept for others: what they brought into the
// store, what is known of their runs, and their rooms, where the marks on that are.
func (o *owner) others() (all []part, err error) {
	lent, err := o.store.Lent()
	if err != nil {
		return nil, err
	}
	for who := range lent {
		all = append(all, o.lentPart(who))
	}
	if err := o.runs.Weigh(); err != nil { // which keeps nothing else from being collected
		all = append(all, part{name: recordsName, held: func(context.Context) (uint64, error) { return 0, err }})
	}
	o.runs.EachWeight(func(who did.DID, _ uint64) { all = append(all, o.recordsPart(who)) })
	names, err := o.rooms.names()
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if name != VaultDir {
			all = append(all, o.vaultPart(name))
		}
	}
	return all, nil
}

// heldFor is how much is kept for each other than the owner, by the folder of its room,
// as far as that was measured.
func (o *owner) heldFor() map[string]uint64 {
	all := make(map[string]uint64)
	o.rooms.reckon(all)
	o.runs.EachWeight(func(who did.DID, bytes uint64) { all[guestFolder(who)] += bytes })
	o.store.EachLent(func(who string, bytes uint64) { all[guestFolder(did.DID(who))] += bytes })
	return all
}

// lentPart is what somebody brought into the store.
func (o *owner) lentPart(who string) part {
	held := func(context.Context) (uint64, error) {
		lent, err := o.store.Lent()
		return lent[who], err
	}
	return part{StoreDir, guestFolder(did.DID(who)), held, func(ctx context.Context, c store.Collection) (store.Collected, error) {
		c.Lent = who
		return o.collectStore(ctx, c)
	}}
}

// recordsFor is how long at least what is known of a run of another stays after its end:
// who has it run may be asking for that.
const recordsFor = 10 * time.Minute

// recordsPart is what is known of the runs of somebody.
func (o *owner) recordsPart(who did.DID) part {
	held := func(context.Context) (uint64, error) { return o.recordsOf(who), nil }
	collect := func(_ context.Context, c store.Collection) (sum store.Collected, err error) {
		sum.Before = o.recordsOf(who)
		_, err = o.runs.PastOf(who, func(r runs.Run, bytes uint64) bool {
			above := c.Bounded && sum.Before-min(sum.Bytes, sum.Before) > c.MaxBytes
			if !above && !r.Ended.Before(c.Before) || o.Now().Sub(r.Ended) < recordsFor {
				return false
			}
			sum.Runs++
			sum.Bytes += bytes
			if c.Tell != nil {
				c.Tell(store.Gone{Kind: store.GoneRun, Link: r.Workflow, Bytes: bytes, Used: r.Ended.UTC().Truncate(time.Hour), Where: guestFolder(who)})
			}
			return !c.DryRun
		})
		return sum, err
	}
	return part{recordsName, guestFolder(who), held, collect}
}

// recordsName names what is known of runs of others, which is in the store.
const recordsName = "records"

func (o *owner) recordsOf(who did.DID) (bytes uint64) {
	o.runs.EachWeight(func(of did.DID, n uint64) {
		if of == who {
			bytes = n
		}
	})
	return bytes
}

// notOwn is how much of the store is not the owner's, beside what is lent: what is known of
// runs of others. Why that is not known is told where these are measured.
func (o *owner) notOwn() (bytes uint64) {
	_ = o.runs.Weigh()
	o.runs.EachWeight(func(_ did.DID, n uint64) { bytes += n })
	return bytes
}

func (o *owner) heldOwn(ctx context.Context) (uint64, error) {
	held, err := o.store.Held(ctx)
	if err != nil {
		return 0, err
	}
	lent, err := o.store.Lent()
	if err != nil {
		return 0, err
	}
	for _, n := range lent {
		held -= min(n, held)
	}
	return held - min(o.notOwn(), held), nil
}

// roomError is why a room can not be opened, which was logged.
type roomError struct{ error }

func (e roomError) Unwrap() error { return e.error }

// vaultPart is a room. One that can not be opened says so when it is measured.
func (o *owner) vaultPart(name string) part {
	whose := strings.TrimSuffix(name, secretRoom)
	if name == VaultDir {
		whose = ""
	}
	v, err := o.rooms.folder(name)
	if err != nil {
		return part{name: name, whose: whose, held: func(context.Context) (uint64, error) { return 0, roomError{err} }}
	}
	collect := func(ctx context.Context, c store.Collection) (store.Collected, error) {
		c.Notes, c.Marks, c.Here = engine.NoteKind, engine.SharedKind, o.store.Recorded
		c.Roots = func(r *store.Roots) error { return o.roomRoots(ctx, r, name) }
		tell := c.Tell
		if tell != nil {
			c.Tell = func(g store.Gone) {
				if g.Where = name; name == VaultDir || strings.HasSuffix(name, secretRoom) {
					g.Link = ipld.Link{} // which would tell a secret
				}
				tell(g)
			}
		}
		sum, err := v.Collect(ctx, c)
		if store.Damaged(err) {
			o.rooms.left(name, err)
		}
		return sum, err
	}
	return part{name, whose, v.Held, collect}
}

func (o *owner) collectStore(ctx context.Context, c store.Collection) (store.Collected, error) {
	c.Notes = engine.NoteKind
	if c.Lent == "" {
		c.NotOwn = o.notOwn()
	}
	c.Roots = func(r *store.Roots) error { return o.roots(ctx, r) }
	c.Aside = func(visit func(ipld.Link, time.Time, uint64) bool) error {
		_, err := o.runs.Past(func(r runs.Run, bytes uint64) bool {
			return visit(r.Workflow, r.Ended, bytes) && !c.DryRun
		})
		return err
	}
	return o.store.Collect(ctx, c)
}

// roomRoots names what stays in a room: what the unfinished workflows rest on of whom
// it is.
func (o *owner) roomRoots(ctx context.Context, r *store.Roots, name string) error {
	var fail error
	err := o.runs.List(runs.Query{Unfinished: true}, func(run runs.Run) bool {
		folder := VaultDir
		if run.For != "" {
			folder = guestFolder(run.For)
		}
		if strings.TrimSuffix(name, secretRoom) == folder {
			fail = o.keepWorkflow(ctx, r, run.ID)
		}
		return fail == nil
	})
	return errors.Join(err, fail)
}

// onBehalf is the permit of who only looks at what is remembered.
type onBehalf did.DID

func (who onBehalf) Issuer() did.DID                   { return did.DID(who) }
func (onBehalf) Allow(ipld.Link, string) *task.Failure { return nil }

// level is the greatest size to which each of the given sizes can be cut down so that
// all together are at most limit: who holds most gives first.
func level(sizes []uint64, limit uint64) uint64 {
	sorted := slices.Sorted(slices.Values(sizes))
	for i, size := range sorted {
		rest := uint64(len(sorted) - i)
		if limit/rest < size {
			return limit / rest
		}
		limit -= size
	}
	return 1<<63 - 1
}

// measured are parts with how much each holds, and all together.
type measured struct {
	parts []part
	sizes []uint64
	total uint64
	// unknown is why others could not be measured that was not logged.
	unknown error
}

// measure tells how much each part holds. One that can not be measured, as it is
// damaged, is left out, so that the others are collected; the error tells of it.
func measure(ctx context.Context, parts []part) (m measured, err error) {
	for _, p := range parts {
		size, broken := p.held(ctx)
		if broken != nil {
			err = errors.Join(err, broken)
			if room := (roomError{}); !errors.As(broken, &room) {
				m.unknown = errors.Join(m.unknown, broken)
			}
			continue
		}
		m.parts, m.sizes, m.total = append(m.parts, p), append(m.sizes, size), m.total+size
	}
	return m, err
}

// within collects until the parts hold together at most limit, or only what has to
// stay, and returns how much is left.
func (m measured) within(ctx context.Context, c store.Collection, limit uint64) (sum store.Collected, left uint64, err error) {
	if c.Bounded {
		c.MaxBytes = level(m.sizes, limit)
	}
	return m.collect(ctx, c)
}

// collect collects each part, and goes on after one where that fails.
func (m measured) collect(ctx context.Context, c store.Collection) (sum store.Collected, left uint64, err error) {
	for i, p := range m.parts {
		one, broken := p.collect(ctx, c)
		sum.Add(one)
		if ctx.Err() != nil || errors.Is(broken, store.ErrCollecting) {
			return sum, 0, broken
		}
		if broken != nil {
			err = errors.Join(err, broken)
			one = store.Collected{Before: m.sizes[i]}
		}
		left += one.Before - min(one.Bytes, one.Before)
	}
	return sum, left, err
}

// Collect removes what was used least recently: first of what is kept for others, and
// among them of who holds most, then of what is the owner's. What is pinned stays, and
// what workflows rest on that have not ended.
func (o *owner) Collect(ctx context.Context, c store.Collection) (store.Collected, error) {
	others, err := o.others()
	if err != nil {
		return store.Collected{}, err
	}
	own, err := o.own()
	if err != nil {
		return store.Collected{}, err
	}
	theirs, broken := measure(ctx, others)
	mine, err := measure(ctx, own)
	broken = errors.Join(broken, err)
	all := mine.total + theirs.total
	over := all - min(c.MaxBytes, all)
	sum, left, err := theirs.within(ctx, c, theirs.total-min(over, theirs.total))
	if err == nil && !c.DryRun {
		err = o.leaveRooms()
	}
	if broken = errors.Join(broken, err); ctx.Err() != nil || errors.Is(err, store.ErrCollecting) {
		return sum, broken
	}
	more, _, err := mine.within(ctx, c, c.MaxBytes-min(left, c.MaxBytes))
	sum.Add(more)
	if broken = errors.Join(broken, err); err != nil || c.Before.IsZero() {
		return sum, broken
	}
	more, err = o.collectCode(c)
	sum.Add(more)
	return sum, errors.Join(broken, err)
}

// collectCode removes the compiled code that was not used for long. How much of it is
// kept beyond that has a bound of its own.
func (o *owner) collectCode(c store.Collection) (sum store.Collected, err error) {
	went, left, err := wasm.TrimCode(filepath.Join(o.rooms.dir, CacheDir), wasm.Trim{Before: c.Before, DryRun: c.DryRun, Gone: func(code wasm.Code) {
		sum.Code++
		if c.Tell != nil {
			c.Tell(store.Gone{Kind: store.GoneCode, Bytes: code.Bytes, Used: code.Used.UTC().Truncate(time.Hour), Where: filepath.Join(CacheDir, code.Name)})
		}
	}})
	sum.Bytes, sum.Before = went, went+left
	return sum, err
}

// leaveRooms removes the rooms of guests in which nothing is left. One that can not be
// opened stays; who measures it has told that.
func (o *owner) leaveRooms() error {
	names, err := o.rooms.names()
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if _, err := o.rooms.folder(name); err != nil || name == VaultDir {
			continue
		}
		which := func(r engine.Room) bool { return roomFolder(r) == name }
		if err := o.Engine.Leave(which, func() (bool, error) { return o.rooms.remove(name) }); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// unusedFor is how long what is kept for others has to lie before it goes to make room
// for who is new.
const unusedFor = 30 * 24 * time.Hour

// tidyEvery is how often that is looked for, and what was noted is looked through.
const tidyEvery = time.Hour

// tidy removes what is known of old runs of others, and what nobody can ask for any more.
// It makes room for who is new where there are almost as many rooms as there may be.
func (o *owner) tidy(ctx context.Context) error {
	_, err := o.runs.TrimPast()
	if err == nil {
		err = o.makeRooms(ctx)
	}
	if err != nil || !due(&o.forgot, o.Now()) {
		return err
	}
	_, err = o.guard.Forget()
	return err
}

// makeRooms removes rooms in which nothing is left where there are almost as many as
// there may be, and once an hour first what was not used in them for long.
func (o *owner) makeRooms(ctx context.Context) error {
	names, err := o.rooms.names()
	if err != nil || len(names) <= maxRooms*7/8 {
		return err
	}
	if err := o.leaveRooms(); err != nil || !due(&o.roomed, o.Now()) {
		return err
	}
	others, err := o.others()
	if err != nil {
		return err
	}
	theirs, _ := measure(ctx, others) // why one could not be was told where the bound was looked at
	_, _, err = theirs.within(ctx, store.Collection{Before: o.Now().Add(-unusedFor)}, 0)
	return errors.Join(err, o.leaveRooms())
}

// due tells whether it is an hour since last, and if so that it is done now.
func due(last *time.Time, now time.Time) bool {
	if now.Sub(*last).Abs() < tidyEvery {
		return false
	}
	*last = now
	return true
}
