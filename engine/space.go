package engine

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/secret"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Vault keeps what is not for everyone, apart from the store; [*store.Vault] is
// one.
type Vault interface {
	Memory
	// Put is as that of a [Store], for what no Store takes.
	Put(b secret.Of[store.Batch]) error
	Sync(ctx context.Context) error
	Hold(blocks []ipld.Link, tasks []task.ID) (*store.Hold, error)
}

// Room is whose a vault is and what for. The zero value is that of the owner of
// the node, who keeps only secrets in one.
type Room struct {
	// Guest is another principal on whose behalf workflows run: all that they come
	// to is kept apart.
	Guest did.DID
	// Secret tells the guest's secrets from the rest.
	Secret bool
}

// room is an open vault and the runs that share it.
type room struct {
	vault   Vault
	flights flights
	circle  *circle // nil in one of secrets
	users   int     // runs and previews; guarded by rooms.mu
}

// rooms are those that were needed so far.
type rooms struct {
	mu  sync.Mutex
	all map[Room]*room
}

// errNoVault reports an engine that was given none.
var errNoVault = errors.New("this node keeps neither secrets nor what others have run: it has no vault")

// room opens a room when it is first needed, for so many more users.
func (e *Engine) room(r Room, users int) (*room, error) {
	if e.Vault == nil {
		return nil, errNoVault
	}
	e.rooms.mu.Lock()
	defer e.rooms.mu.Unlock()
	if open := e.rooms.all[r]; open != nil {
		open.users += users
		return open, nil
	}
	v, err := e.Vault(r)
	if err != nil {
		return nil, err
	}
	if e.rooms.all == nil {
		e.rooms.all = make(map[Room]*room)
	}
	open := &room{vault: v, flights: flights{pool: e.pool}, users: users}
	if r.Guest != "" && !r.Secret {
		open.circle = newCircle(behind{vault: v, open: e.Store, alone: true}, open.put, &open.flights)
	}
	e.rooms.all[r] = open
	return open, nil
}

func (r *room) put(b store.Batch) error { return r.vault.Put(secret.New(b)) }

// Leave lets go of a room that no run needs, as if it had never been opened. It calls
// left before anybody can open it again; unless that says that the room is left, all
// stays as it is. A [View] that somebody still has finds the vault closed.
func (e *Engine) Leave(which func(Room) bool, left func() (bool, error)) error {
	e.rooms.mu.Lock()
	defer e.rooms.mu.Unlock()
	for r, open := range e.rooms.all {
		if which(r) && open.users > 0 {
			return nil
		}
	}
	gone, err := left()
	if gone {
		maps.DeleteFunc(e.rooms.all, func(r Room, _ *room) bool { return which(r) })
	}
	return err
}

// use counts a user of rooms until the func returned is called. The error is that of
// opening one.
func (e *Engine) use(all ...Room) (done func(), err error) {
	var used []*room
	done = func() {
		e.rooms.mu.Lock()
		defer e.rooms.mu.Unlock()
		for _, open := range used {
			open.users--
		}
	}
	for _, r := range all {
		open, err := e.room(r, 1)
		if err != nil {
			done()
			return nil, err
		}
		used = append(used, open)
	}
	return done, nil
}

// wait returns when nothing runs in any room.
func (r *rooms) wait() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, open := range r.all {
		open.flights.wait()
	}
}

// space is where what comes of a step is kept and looked up, and with which
// runs it shares its own: in the open, or in a room. What belongs into a room is
// never put into the store, nor shared with a run outside.
type space struct {
	Memory
	put     func(store.Batch) error
	hold    func([]ipld.Link, []task.ID) (*store.Hold, error) // of a room
	sync    func(context.Context) error                       // what was put is durable
	flights *flights
	circle  *circle
	// whose it is; empty is the node's owner.
	whose did.DID
	// silent tells that nobody hears of what comes of the step: it is a secret.
	silent bool
	// private tells that it is kept in a room, where the word of others does not
	// count.
	private bool
	// alone tells that the step hears of nothing outside, neither what others
	// have run nor how long that takes to find: it is a guest's.
	alone bool
}

// public is the space of the owner's steps that are no secrets.
func (e *Engine) public() space {
	return space{Memory: e.Store, put: e.Store.Put, sync: e.Store.Sync, flights: &e.flights, circle: e.own}
}

// space is that of a room.
func (e *Engine) space(r Room) (space, error) {
	open, err := e.room(r, 0)
	if err != nil {
		return space{}, err
	}
	sp := space{
		Memory: behind{vault: open.vault, open: e.Store}, put: open.put, hold: open.vault.Hold, sync: open.vault.Sync, flights: &open.flights,
		circle: e.own, whose: r.Guest, silent: true, private: true, alone: r.Guest != "",
	}
	switch {
	case open.circle != nil:
		sp.Memory, sp.circle, sp.silent = open.circle.Memory, open.circle, false
	case r.Guest != "": // a guest's secrets are before what it has in the open
		front, err := e.space(Room{Guest: r.Guest})
		if err != nil {
			return space{}, err
		}
		sp.Memory, sp.circle = behind{vault: open.vault, open: front.Memory}, front.circle
	}
	return sp, nil
}

// spaces are those of one run.
type spaces struct {
	open, secret space
	leave        func() // is called when the run needs them no more
}

func (s *spaces) of(step *graph.Step) space {
	if step.Secret {
		return s.secret
	}
	return s.open
}

// spacesOf are the spaces of a run of g on behalf of who; empty is the owner. Leave
// them.
func (e *Engine) spacesOf(g *graph.Graph, who did.DID) (s spaces, err error) {
	var needed []Room
	if who != "" {
		needed = append(needed, Room{Guest: who})
	}
	secret := false
	for i := range g.Len() {
		secret = secret || g.Step(i).Secret
	}
	if secret {
		needed = append(needed, Room{Guest: who, Secret: true})
	}
	if s.leave, err = e.use(needed...); err != nil {
		return s, err
	}
	s.open = e.public()
	if who != "" {
		s.open, err = e.space(Room{Guest: who})
	}
	if err == nil && secret {
		s.secret, err = e.space(Room{Guest: who, Secret: true})
	}
	if err != nil {
		s.leave()
	}
	return s, err
}

// sync returns when everything is durable that was kept before for the run, in all
// places at once.
func (s *spaces) sync(ctx context.Context) error {
	if s.secret.sync == nil {
		return s.open.sync(ctx)
	}
	secret := make(chan error, 1)
	go func() { secret <- s.secret.sync(ctx) }()
	err := s.open.sync(ctx)
	return errors.Join(err, <-secret)
}

// RevealFile returns the bytes of the file behind a link in a secret result.
func (e *Engine) RevealFile(link ipld.Link) ([]byte, error) {
	sp, err := e.space(Room{Secret: true})
	if err != nil {
		return nil, err
	}
	return ipld.ReadFile(link, maxFile, sp.Block)
}

// Anyone is the guest for whom workflows run whose submitters have shown no
// authority.
const Anyone did.DID = "anyone"

// Unsigned is the permit of [Anyone], which allows all that there is.
var Unsigned Permit = unsigned{}

type unsigned struct{}

func (unsigned) Issuer() did.DID                       { return Anyone }
func (unsigned) Allow(ipld.Link, string) *task.Failure { return nil }

// guest is on whose behalf a run is; empty is the owner of the node.
func (e *Engine) guest(o Options) did.DID {
	if o.Permit == nil || o.Permit.Issuer() == e.Key.DID() {
		return ""
	}
	return o.Permit.Issuer()
}

// behind is what is kept in a room, and behind it what is in the open: what is
// remembered, and blocks, which the inputs of a step name. Of that a guest has
// only what was shared ([Share]) or came with its own workflows: all else
// answers as what is not here does, and is not looked for (RULES 40).
type behind struct {
	vault Vault
	open  Memory
	alone bool
	// brings are blocks that would come with a workflow, were it to run.
	brings map[ipld.Link]bool
}

func (b behind) Block(l ipld.Link) ([]byte, error) {
	data, err := b.vault.Block(l)
	if !errors.Is(err, store.ErrNotFound) {
		return data, err
	}
	switch shown, err := b.shows(l); {
	case err != nil:
		return nil, err
	case !shown:
		return nil, notShown(l)
	}
	return b.open.Block(l)
}

// shows tells whether the room has what the open has under l.
func (b behind) shows(l ipld.Link) (bool, error) {
	if !b.alone || b.brings[l] {
		return true, nil
	}
	_, ok, err := b.vault.Note(SharedKind, l.Key())
	if !ok && err == nil {
		_, ok, err = b.open.Note(SharedKind, l.Key())
	}
	return ok, err
}

// notShown is why a guest can not have a block, whether or not it is here.
func notShown(l ipld.Link) error {
	return fmt.Errorf("block %s: %w, or not shared by `ipvm block share`", l, store.ErrNotFound)
}

func (b behind) Has(l ipld.Link) (bool, error) {
	ok, err := b.vault.Has(l)
	if ok || err != nil {
		return ok, err
	}
	if shown, err := b.shows(l); !shown || err != nil {
		return false, err
	}
	return b.open.Has(l)
}

func (b behind) Receipts(id task.ID) ([]*receipt.Signed, error) {
	all, err := b.vault.Receipts(id)
	if b.alone || err != nil {
		return all, err
	}
	more, err := b.open.Receipts(id)
	return append(all, more...), err
}

func (b behind) Module(l ipld.Link) (ipld.Value, bool, error) {
	v, ok, err := b.vault.Module(l)
	if ok || err != nil {
		return v, ok, err
	}
	if shown, err := b.shows(l); !shown || err != nil {
		return ipld.Null, false, err
	}
	return b.open.Module(l)
}

func (b behind) Resolve(id task.ID) (task.ID, bool, error) {
	to, ok, err := b.vault.Resolve(id)
	if b.alone || ok || err != nil {
		return to, ok, err
	}
	return b.open.Resolve(id)
}

func (b behind) Note(kind, key string) ([]byte, bool, error) {
	value, ok, err := b.vault.Note(kind, key)
	if b.alone || ok || err != nil {
		return value, ok, err
	}
	return b.open.Note(kind, key)
}
