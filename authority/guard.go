package authority

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// How far the clocks of others may be off.
const (
	DefaultSkew = time.Minute
	// MaxSkew is the most that a node may be set to: what it must remember of a
	// token is kept for as long after the token expires.
	MaxSkew = time.Hour
)

// ErrRefused reports a workflow that its signer may not have run here, for a
// reason that is no [*ucan.Denied].
var ErrRefused = errors.New("refused")

// Store keeps what a guard must not forget; [*store.Store] is one.
type Store interface {
	Note(kind, key string) ([]byte, bool, error)
	Notes(kind string, yield func(store.Note) bool) error
	PutNote(kind, key string, value []byte) error
}

// Kinds of notes in the store.
const (
	revocationKind = "revocation" // CID of the invocation → {revoke, by, container}
	performedKind  = "performed"  // SigHash → how it stands ‖ the invocation, until it expires
	accountKind    = "account"    // SigHash of a delegation → {used, until}
	strangerKind   = "stranger"   // DID → [day, used, sent]
	askedKind      = "asked"      // SigHash of a request → the last second in which it could be made
)

// What the note of an invocation begins with.
const (
	running = 'r'
	well    = 'o' // it ended well
	ended   = 'e' // otherwise
)

// Guard judges who may have what run on one node. Its methods may be called by
// many goroutines.
type Guard struct {
	node   did.DID
	store  Store
	policy engine.Policy
	skew   time.Duration
	now    func() time.Time

	cache   ucan.Cache
	revoked ucan.Revocations
	replay  ucan.Replay
	// mu orders what is performed and its note, and guards what follows.
	mu       sync.Mutex
	active   map[[32]byte]chan struct{} // invocations whose workflows run; closed when they end
	accounts map[accountKey]account
	asks     asks
	// offer is what strangers may have run; nil is nothing. The strangers are those
	// of whom something is counted.
	offer     *Offer
	strangers map[did.DID]stranger
}

// Config is what a guard consists of.
type Config struct {
	// Node is who it judges for.
	Node did.DID
	// Store has what it remembers.
	Store Store
	// Policy has the limits by which the demand of a workflow is computed.
	Policy engine.Policy
	// Skew is how far the clocks of others may be off, at most [MaxSkew]: all time
	// bounds are taken wider by it. 0 is [DefaultSkew], and below 0 is exact.
	Skew time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// New returns the guard of a node, which remembers what is in its store.
func New(c Config) (*Guard, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Skew > MaxSkew {
		return nil, fmt.Errorf("clocks that may be off by %v: at most %v", c.Skew, MaxSkew)
	}
	if c.Skew == 0 {
		c.Skew = DefaultSkew
	}
	c.Skew = max(c.Skew, 0)
	g := &Guard{
		node: c.Node, store: c.Store, policy: c.Policy, skew: c.Skew, now: c.Now, replay: ucan.Replay{Skew: c.Skew},
		active: make(map[[32]byte]chan struct{}), accounts: make(map[accountKey]account),
		asks: asks{of: make(map[[32]byte]taken), most: maxAsked}, strangers: make(map[did.DID]stranger),
	}
	for _, kept := range [...]struct {
		kind, what string
		take       func(store.Note) error
	}{
		{revocationKind, "what was revoked", g.recall},
		{performedKind, "what was performed", g.reperform},
		{accountKind, "what was used of delegations", g.reopen},
		{askedKind, "what was asked", g.reask},
		{strangerKind, "what strangers used", g.revisit},
	} {
		var trouble error
		err := g.store.Notes(kept.kind, func(n store.Note) bool {
			trouble = kept.take(n)
			return trouble == nil
		})
		if err = errors.Join(err, trouble); err != nil {
			return nil, fmt.Errorf("%s: %w", kept.what, err)
		}
	}
	return g, nil
}

// recall takes in a revocation that was kept. It was judged when it came, and
// what expired since does not undo it.
func (g *Guard) recall(n store.Note) error {
	r, _, err := parseRevoked(n.Value)
	if err != nil {
		return fmt.Errorf("note %x is no revocation: %w", n.Key, err)
	}
	return g.revoked.Add(r)
}

// keep notes a revocation, with the container that it came in.
func (g *Guard) keep(r ucan.Revocation, inv ipld.Link, container []byte) error {
	data, err := appendRevoked(r, container)
	if err != nil {
		return err
	}
	return g.store.PutNote(revocationKind, inv.Key(), data)
}

func appendRevoked(r ucan.Revocation, container []byte) ([]byte, error) {
	by := make([]ipld.Value, len(r.By))
	for i, d := range r.By {
		by[i] = ipld.String(string(d))
	}
	return ipld.AppendCBOR(nil, ipld.Map(
		ipld.Entry{Key: "by", Value: ipld.List(by...)},
		ipld.Entry{Key: "revoke", Value: ipld.LinkValue(r.Delegation)},
		ipld.Entry{Key: "container", Value: ipld.Bytes(container)},
	))
}

// parseRevoked reads what appendRevoked gives, exactly.
func parseRevoked(data []byte) (r ucan.Revocation, container string, err error) {
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return r, "", err
	}
	revoke, _ := v.Lookup("revoke")
	by, _ := v.Lookup("by")
	held, _ := v.Lookup("container")
	var linked, named, contained bool
	r.Delegation, linked = revoke.AsLink()
	r.By, named = list(by, func(v ipld.Value) (did.DID, bool) {
		text, _ := v.AsString()
		d, err := did.Parse(text)
		return d, err == nil
	})
	container, contained = held.AsBytes()
	if !linked || !named || len(r.By) == 0 || !contained || v.Len() != 3 {
		return r, "", errors.New("not {by, revoke, container}")
	}
	return r, container, nil
}

// reperform takes in an invocation that was performed, or drops its note.
func (g *Guard) reperform(n store.Note) error {
	if len(n.Value) == 0 {
		return fmt.Errorf("note %x is empty", n.Key)
	}
	inv, err := ucan.ParseInvocation(n.Value[1:])
	if err != nil {
		return fmt.Errorf("note %x: %w", n.Key, err)
	}
	if exp := inv.Invocation().Expires; exp == nil || past(*exp, g.now()) {
		return g.store.PutNote(performedKind, n.Key, nil)
	}
	_, err = g.replay.First(inv, g.now())
	if errors.Is(err, ucan.ErrLifetime) || errors.Is(err, ucan.ErrFull) {
		return nil // a clock that was set back; the note itself is what perform looks at first
	}
	return err
}

func (g *Guard) moment(now time.Time) ucan.Moment {
	return ucan.Moment{Now: now, Skew: g.skew, Revoked: g.revoked.Revoked}
}

// Moment is when, and by what was revoked so far, authority is judged now.
func (g *Guard) Moment() ucan.Moment { return g.moment(g.now()) }

func (g *Guard) facts(c *ucan.Container, now time.Time) ucan.Facts {
	return ucan.Facts{Moment: g.moment(now), Executor: g.node, Proofs: c.Proof, Cache: &g.cache}
}

// Permit lets one workflow run, as long as the authority for it holds.
type Permit struct {
	guard  *Guard
	auth   *ucan.Authorisation
	demand Demand
	booked []accountKey // the accounts in which the demand's gas counts as used
	began  atomic.Bool  // a task may have run
}

// Issuer is on whose behalf the workflow runs.
func (p *Permit) Issuer() did.DID { return p.auth.Invocation().Invocation().Issuer }

// Performed is the error of [Guard.Accept] about an invocation that is not
// performed again. It wraps [ErrRefused].
type Performed struct {
	// Permit is for reading what came of it; it need not end.
	Permit *Permit
	// Running is closed when the workflow that runs now does so no more; nil where
	// it has ended.
	Running <-chan struct{}
	// Well tells that it has ended well.
	Well bool
}

// Error says so.
func (p *Performed) Error() string {
	link := p.Permit.auth.Invocation().Link()
	if p.Running != nil {
		return fmt.Sprintf("%v: what the invocation %s asks for runs already", ErrRefused, link)
	}
	return fmt.Sprintf("%v: the invocation %s was performed before; sign again to run the workflow again", ErrRefused, link)
}

// Unwrap is [ErrRefused].
func (p *Performed) Unwrap() error { return ErrRefused }

// Accept judges whether the principal who signed may have w run here: container
// holds one invocation of [grant.RunCommand] and its proofs (RULES 31, 33, 34). An
// invocation is performed once: it is accepted again only while what it began
// was interrupted. [Permit.End] must be called. The error is a [*ucan.Denied] or a
// [*Performed], or wraps [ErrRefused] or [ucan.ErrMalformed].
func (g *Guard) Accept(container []byte, w *graph.Graph) (*Permit, error) {
	now := g.now()
	p, err := g.judge(container, w, now)
	if err != nil {
		return nil, err
	}
	if err := p.perform(now); err != nil {
		return nil, err
	}
	return p, nil
}

// Judge tells what [Guard.Accept] would say now, and leaves everything as it is.
// The permit need not end.
func (g *Guard) Judge(container []byte, w *graph.Graph) (*Permit, error) {
	p, err := g.judge(container, w, g.now())
	if err != nil {
		return nil, err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, err := p.standing(); err != nil {
		return nil, err
	}
	all, err := g.totals(p.auth.Chain())
	if err == nil {
		err = within(all, p.demand.Gas)
	}
	return p, err
}

// judge is the part of Accept that does not depend on what was performed.
func (g *Guard) judge(container []byte, w *graph.Graph, now time.Time) (*Permit, error) {
	c, inv, err := open(container, &g.cache)
	if err != nil {
		return nil, err
	}
	if cmd := inv.Invocation().Command; cmd != grant.RunCommand {
		return nil, fmt.Errorf("%w: the invocation is of %.100q, not of %s", ErrRefused, cmd, grant.RunCommand)
	}
	auth, err := ucan.Authorize(inv, g.facts(c, now))
	if err != nil {
		return nil, err
	}
	asked, err := ParseDemand(inv.Invocation().Args)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	if asked.Workflow != w.Link() {
		if what := Changed(inv.Invocation().Meta, w); what != "" {
			return nil, fmt.Errorf("%w: the workflow is not the one that was signed: %s", ErrRefused, what)
		}
	}
	if more := DemandOf(w, g.policy).beyond(asked); more != "" {
		return nil, fmt.Errorf("%w: %s", ErrRefused, more)
	}
	return &Permit{guard: g, auth: auth, demand: asked}, nil
}

// standing tells whether the invocation is known, as one that was interrupted.
// The error is a [*Performed] if it is not to be performed again.
func (p *Permit) standing() (known bool, err error) {
	hash := p.auth.Invocation().SigHash()
	if ends, runs := p.guard.active[hash]; runs {
		return true, &Performed{Permit: p, Running: ends}
	}
	note, known, err := p.guard.store.Note(performedKind, string(hash[:]))
	if err == nil && known && (len(note) == 0 || note[0] != running) {
		err = &Performed{Permit: p, Well: len(note) > 0 && note[0] == well}
	}
	return known, err
}

// perform notes that the invocation is being performed, which it is once, and
// sets aside what it may use.
func (p *Permit) perform(now time.Time) error {
	g, inv := p.guard, p.auth.Invocation()
	g.mu.Lock()
	defer g.mu.Unlock()
	known, err := p.standing()
	if err != nil {
		return err
	}
	if p.booked, err = g.reserve(p.auth.Chain(), p.demand.Gas); err != nil {
		return err
	}
	if !known {
		first, err := g.replay.First(inv, now)
		if err != nil {
			err = fmt.Errorf("%w: %w", ErrRefused, err)
		} else if !first {
			err = &Performed{Permit: p}
		}
		if err != nil {
			return errors.Join(err, g.giveBack(p.booked, p.demand.Gas))
		}
	}
	if err := g.note(inv, running); err != nil {
		return err
	}
	g.active[inv.SigHash()] = make(chan struct{})
	return nil
}

func (g *Guard) note(inv *ucan.SignedInvocation, state byte) error {
	hash := inv.SigHash()
	return g.store.PutNote(performedKind, string(hash[:]), append([]byte{state}, inv.Bytes()...))
}

// End tells what came of the workflow, which does not run any more; nil where
// nobody knows. Of a total that was granted, what it did not use is free again.
// If it did not come to its end the same invocation may ask for the rest.
func (p *Permit) End(r *engine.Report) error {
	g, inv := p.guard, p.auth.Invocation()
	g.mu.Lock()
	defer g.mu.Unlock()
	close(g.active[inv.SigHash()])
	delete(g.active, inv.SigHash())
	used := p.demand.Gas
	switch {
	case !p.began.Load():
		used = 0
	case r != nil:
		used = min(r.Gas, used)
	}
	if err := g.giveBack(p.booked, p.demand.Gas-used); err != nil {
		return err
	}
	if r == nil || r.Status == engine.StatusCancelled {
		return nil
	}
	if r.Status == engine.StatusOK {
		return g.note(inv, well)
	}
	return g.note(inv, ended)
}

// Allow judges again, right before a task that calls a function, whether the
// authority for it holds; a module that was promised is judged here, now that it
// is known. The failure is of kind denied.
func (p *Permit) Allow(module ipld.Link, name string) *task.Failure {
	p.began.Store(true)
	d, failure := p.demand.called(Function{module, name})
	if failure != nil {
		return failure
	}
	if err := p.auth.Recheck(p.guard.moment(p.guard.now()), d.Value()); err != nil {
		return task.Failf(task.KindDenied, "%v", err)
	}
	return nil
}

// Revoke takes in a revocation: container holds the invocation and its proofs.
// It counts at once, and for good. The error is a [*ucan.Denied] or wraps
// [ErrRefused] or [ucan.ErrMalformed].
func (g *Guard) Revoke(container []byte) (ucan.Revocation, error) {
	c, inv, err := open(container, &g.cache)
	if err != nil {
		return ucan.Revocation{}, err
	}
	r, err := ucan.ReadRevocation(inv, g.facts(c, g.now()))
	if err != nil {
		return r, err
	}
	if err := g.revoked.Add(r); err != nil {
		return r, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return r, g.keep(r, inv.Link(), container)
}

// RevokedIn tells which delegations of a container were revoked, and by whom of
// those that issued one there. The error wraps [ucan.ErrMalformed].
func (g *Guard) RevokedIn(container []byte) ([]ucan.Revocation, error) {
	c, err := ucan.ReadContainer(container, &g.cache)
	if err != nil {
		return nil, err
	}
	var issuers []did.DID
	for _, d := range c.Delegations {
		if by := d.Delegation().Issuer; !slices.Contains(issuers, by) {
			issuers = append(issuers, by)
		}
	}
	var all []ucan.Revocation
	for _, d := range c.Delegations {
		r := ucan.Revocation{Delegation: d.Link()}
		for _, by := range issuers {
			if g.revoked.Revoked(d, []did.DID{by}) {
				r.By = append(r.By, by)
			}
		}
		if len(r.By) > 0 {
			all = append(all, r)
		}
	}
	return all, nil
}

// Revoked tells whether a delegation was revoked by one of the issuers of its
// chain.
func (g *Guard) Revoked(d *ucan.SignedDelegation, by []did.DID) bool { return g.revoked.Revoked(d, by) }
