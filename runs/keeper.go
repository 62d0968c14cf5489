package runs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/crew"
	"github.com/ipvm-wg/go-ipvm/internal/fault"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Bounds of a [Keeper] where its config names none.
const (
	DefaultActive = 128
	DefaultOpen   = 20_000
)

// maxIdle is how many goroutines are kept for the next workflows.
const maxIdle = 32

var (
	// ErrUnknown reports a workflow of which there is no run.
	ErrUnknown = errors.New("no run of this workflow is known")
	// ErrFull reports that the node has accepted as many workflows as it keeps
	// unfinished at once.
	ErrFull = errors.New("the node has too many unfinished workflows")
	// ErrShare reports that on behalf of one principal the node has accepted as
	// many workflows as it keeps unfinished for it, as it leaves room for others.
	ErrShare = errors.New("too many unfinished workflows of one principal")
	// ErrState reports a run to which what is asked can not be done as it stands.
	ErrState = errors.New("not possible as the run stands")
	// ErrPerformed reports a submission that was performed before.
	ErrPerformed = errors.New("performed before")
	// ErrRefused reports a run that may not go on: the authority for it has ended.
	ErrRefused = errors.New("refused")
	// ErrClosed reports a keeper that was closed.
	ErrClosed = errors.New("the node is stopping")
)

// Config assembles a [Keeper]. Store, Judge and Run are needed.
type Config struct {
	Store *store.Store
	// Judge tells on whose behalf a workflow may run that is submitted so, or why
	// it may not. Nothing is done yet. The error wraps [ErrPerformed] where what is
	// asked for was done before, and only what came of it can be told.
	Judge func(g *graph.Graph, o Options) (did.DID, error)
	// Run runs an accepted workflow to its end, as [engine.Engine.Run] does, on
	// behalf of who. It is called again for the same submission after an
	// interruption. The error wraps [ErrRefused] if it may not run any more.
	Run func(ctx context.Context, who did.DID, g *graph.Graph, o engine.Options) (*engine.Report, error)
	// Known tells which jobs of g are remembered to who, as [engine.Engine.Preview] does.
	// It is not called where it is nil.
	Known func(ctx context.Context, who did.DID, g *graph.Graph) ([]engine.Forecast, error)
	// Active is how many workflows are in progress at once, Open how many may be
	// unfinished, those included that are suspended; 0 is [DefaultActive] and
	// [DefaultOpen]. No principal has more than three times what is free.
	Active, Open int
	// MaxPast is how many runs that have ended are kept of each principal but the owner; 0
	// is [DefaultPast]. See [Keeper.TrimPast].
	MaxPast int
	// Retry is how often it is tried whether the disk takes again what it did
	// not take of workflows; 0 is [DefaultRetry].
	Retry time.Duration
	// Now is the clock; nil is time.Now.
	Now func() time.Time
	// Log is where the keeper tells of its own troubles; nil is nowhere.
	Log *slog.Logger
}

// Options say how an accepted workflow is to be run; see [engine.Options].
type Options struct {
	KeepGoing bool
	// Priority counts for who waits for workers, and for the order in which the
	// workflows of one principal begin. That of a run in progress does not change.
	Priority  engine.Priority
	Authority []byte
	// Unsigned tells that whoever submits it has shown no authority at all, and is
	// [engine.Anyone]. Who shows none otherwise is the owner of the node.
	Unsigned bool
	// Offered is the stranger who submits it, known by a key alone: what the node
	// offers such counts. Empty is none.
	Offered did.DID
	// Brings are blocks that came with the workflow beside those within it.
	Brings []ipld.Link
	// Suspended accepts the workflow without beginning it, until [Keeper.Resume].
	Suspended bool
}

// Keeper drives accepted workflows. Its methods may be called by many
// goroutines at once.
type Keeper struct {
	Config
	slots *slots
	stop  context.CancelCauseFunc
	life  context.Context
	work  sync.WaitGroup
	crew  *crew.Crew
	// syncing tells that the store is about to be made durable anyway.
	syncing atomic.Bool

	placing sync.Mutex // of placeAll

	mu     sync.Mutex
	closed bool
	active map[ID]*live
	// starved are the runs that wait for room on the disk; nil where none does.
	starved map[ID]bool
	ledger  ledger
	removed *uint64 // see lastRemoved; nil before it was read
	// weights is about how many bytes are kept of the runs of each other than the owner; nil
	// before that was measured.
	weights map[did.DID]int64
	ended   map[did.DID]int // how many runs of each have ended; nil is not known; see TrimPast
	// trimmed is when those were looked at of whom some have ended, and trimmedAll all.
	trimmed, trimmedAll time.Time
}

// New returns a keeper over c. It drives nothing that it finds in the store
// until [Keeper.ResumeAll]. Close it.
func New(c Config) *Keeper {
	if c.Active == 0 {
		c.Active = DefaultActive
	}
	if c.Open == 0 {
		c.Open = DefaultOpen
	}
	if c.MaxPast == 0 {
		c.MaxPast = DefaultPast
	}
	if c.Retry == 0 {
		c.Retry = DefaultRetry
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	k := &Keeper{Config: c, slots: newSlots(c.Active), crew: crew.New(min(c.Active, maxIdle)), active: make(map[ID]*live), ledger: newLedger()}
	k.life, k.stop = context.WithCancelCause(context.Background())
	return k
}

// Close gives up what is in progress, which stays to be resumed, and returns
// when all of it has stopped.
func (k *Keeper) Close() error {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.stop(ErrClosed)
	k.work.Wait()
	k.crew.Close()
	return nil
}

// Submit accepts g: when it returns, the workflow will be run to its end whatever
// becomes of the process. One that is in progress already goes on, and that
// run is returned; one that was suspended or has ended is taken up anew, and
// what has a receipt is not run again.
//
// Of what was performed before by the same authority the run is returned, and
// nothing is taken up. The error wraps [ErrFull] or [ErrShare] if there is no room,
// and what Judge says.
func (k *Keeper) Submit(ctx context.Context, g *graph.Graph, o Options) (Run, error) {
	run, _, err := k.submit(ctx, g, o)
	return run, err
}

// submit is Submit, and returns what drives the run if that is this attempt.
func (k *Keeper) submit(ctx context.Context, g *graph.Graph, o Options) (Run, *live, error) {
	who, err := k.Judge(g, o)
	id := ID{g.Link(), who}
	if errors.Is(err, ErrPerformed) {
		if run, none := k.Get(id); none == nil {
			return run, nil, nil
		}
	}
	if err != nil {
		return Run{}, nil, err
	}
	if err := engine.CheckPriority(who, o.Priority); err != nil {
		return Run{}, nil, err
	}
	r := newRecord(g, who, o, k.Now())
	if o.Suspended {
		r.State = Suspended
	}
	l, run, err := k.accept(r, append(slices.Clone(g.Blocks()), g.Normal()))
	if err != nil {
		return Run{}, nil, err
	}
	if l == nil {
		return run, nil, k.Store.Sync(context.WithoutCancel(ctx))
	}
	k.start(l, g) // it need not wait for the disk: nothing is shown before that
	if l.promised {
		return run, l, nil
	}
	if err := k.Store.Sync(context.WithoutCancel(ctx)); err != nil {
		return Run{}, nil, err
	}
	fault.Point("runs.accepted")
	return run, l, nil
}

// union is the links of both, each once.
func union(a, b []ipld.Link) []ipld.Link {
	seen := make(map[ipld.Link]bool, len(a)+len(b))
	all := make([]ipld.Link, 0, len(a)+len(b))
	for _, l := range slices.Concat(a, b) {
		if !seen[l] {
			seen[l], all = true, append(all, l)
		}
	}
	return all
}

// acknowledge makes durable that l is to be run. After an error nobody drives it.
func (k *Keeper) acknowledge(ctx context.Context, l *live) error {
	err := k.Store.Sync(context.WithoutCancel(ctx))
	if err != nil {
		k.drop(l)
		k.forget(l.record.ID)
		l.end(err)
		k.work.Done()
	}
	return err
}

// accept puts r and its blocks into the store and makes it active. It returns nil
// and the run in progress if there is one already, or r's if it is not to begin.
func (k *Keeper) accept(r *record, blocks []ipld.Block) (*live, Run, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, Run{}, ErrClosed
	}
	if l := k.active[r.ID]; l != nil {
		return nil, l.snapshot(), nil
	}
	if err := k.ledger.room(r.ID, k.Open); err != nil {
		return nil, Run{}, err
	}
	last, err := k.load(r.ID)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return nil, Run{}, err
	}
	b, err := k.follow(r, last, nil)
	if err != nil {
		return nil, Run{}, err
	}
	b.Blocks, b.Lent = blocks, string(r.For)
	if err := k.Store.Put(b); err != nil {
		return nil, r.Run, err
	}
	k.weigh(r.For, r.weight(), last.weight())
	if r.State == Suspended {
		k.ledger.add(r.ID)
		return nil, r.Run, nil
	}
	l, err := k.activate(r)
	if err != nil {
		return nil, Run{}, err
	}
	// What is promised has been done, and if this is lost, that is still known: runs for
	// anyone are durable before they begin, which is not so of those that Waited keeps.
	if last != nil && last.State == OK && r.For == engine.Anyone {
		l.promised = true
		k.syncSoon()
	}
	return l, l.snapshot(), nil
}

// load reads the record of a run.
func (k *Keeper) load(id ID) (*record, error) {
	kept, ok, err := k.Store.Run(id.Workflow, string(id.For), 0)
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("workflow %s: %w", id.Workflow, ErrUnknown)
	}
	return parseRecord(id, kept.Record)
}

// ResumeAll takes up all workflows that are to be run and that nobody drives,
// and returns how many. One whose record is damaged is logged and left; one whose
// document can not be read ends as [Broken].
func (k *Keeper) ResumeAll(ctx context.Context) (n int, err error) {
	open, err := k.open()
	if err != nil {
		return 0, err
	}
	k.mu.Lock()
	for _, id := range open { // they were accepted, however many there are
		k.ledger.add(id)
	}
	k.mu.Unlock()
	for _, id := range open {
		l, err := k.again(id, func(s State) bool { return s == Running })
		if err != nil {
			k.Log.Error("runs: a workflow could not be taken up", "workflow", id.Workflow, "err", err)
			continue
		}
		if l != nil {
			n++
			k.start(l, nil)
		}
	}
	return n, k.Store.Sync(ctx)
}

// again makes a run active that is in a state that may be taken up. It returns nil
// where it is active already, or is not in such a state.
func (k *Keeper) again(id ID, may func(State) bool) (*live, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return nil, ErrClosed
	}
	if k.active[id] != nil {
		return nil, nil
	}
	r, err := k.load(id)
	if err != nil || !may(r.State) {
		return nil, err
	}
	if err := k.ledger.room(id, k.Open); err != nil {
		return nil, err
	}
	was := r.weight()
	r.State, r.Settled, r.First, r.Reason, r.Ended = Running, 0, "", "", time.Time{}
	r.Attempt++
	if err := k.put(r, nil, was); err != nil {
		return nil, err
	}
	return k.activate(r)
}

// activate makes r a run that this process is to drive. Its document and what this
// names are kept from being collected until it is dropped. The caller holds mu.
func (k *Keeper) activate(r *record) (*live, error) {
	hold, err := k.Store.Hold([]ipld.Link{r.Workflow}, nil)
	if err != nil {
		return nil, err
	}
	l := newLive(r)
	l.hold, l.weight = hold, r.weight()
	k.active[r.ID] = l
	k.ledger.add(r.ID)
	k.work.Add(1)
	return l, nil
}

// start drives l in a goroutine. A graph that is nil is read from the store when
// it is its turn.
func (k *Keeper) start(l *live, g *graph.Graph) {
	ctx, cancel := context.WithCancelCause(k.life)
	l.setCancel(ctx, cancel)
	p := k.slots.ask(l.record.For, l.record.Priority)
	if !p.has() {
		g = nil // thousands may wait, and each document be large
	}
	k.crew.Go(func() {
		defer k.work.Done()
		defer cancel(nil)
		report, err := k.turn(ctx, p, l, g)
		k.finish(ctx, l, report, err)
	})
}

// turn waits for a slot and runs the workflow.
func (k *Keeper) turn(ctx context.Context, p *place, l *live, g *graph.Graph) (*engine.Report, error) {
	if err := k.slots.wait(ctx, p); err != nil {
		return nil, err
	}
	defer k.slots.leave(p)
	r := l.record
	if g == nil {
		var err error
		if g, err = k.document(r); err != nil {
			return nil, err
		}
	}
	fault.Point("runs.begun")
	return k.Run(ctx, r.For, g, engine.Options{Listen: l.listen, KeepGoing: r.KeepGoing, Priority: r.Priority, Authority: r.authority, Brings: r.brings})
}

// document reads the workflow of r.
func (k *Keeper) document(r *record) (*graph.Graph, error) {
	normal, err := k.Store.Block(r.Workflow)
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	g, err := graph.FromNormal(normal, r.instructions)
	if err != nil {
		return nil, fmt.Errorf("the document: %w", err)
	}
	return g, nil
}

// finish keeps how a run ended, and tells who waits for it.
func (k *Keeper) finish(ctx context.Context, l *live, report *engine.Report, err error) {
	cause := context.Cause(ctx)
	stopped := report == nil || report.Status == engine.StatusCancelled
	r := *l.record
	jobs := withHandled(l.settled(), report)
	switch {
	case stopped && errors.Is(cause, errSuspend):
		r.State = Suspended
	case stopped && errors.Is(cause, ErrClosed), errors.Is(err, engine.ErrClosed), errors.Is(err, store.ErrClosed):
		k.leave(l, jobs)
		return
	case stopped && errors.Is(cause, errCancel):
		r.State, r.Ended = Cancelled, k.Now()
		var missing error
		if jobs, missing = k.withRest(&r, jobs); missing != nil {
			k.Log.Error("runs: the jobs of a cancelled workflow are not known", "workflow", r.Workflow, "err", missing)
		}
	case errors.Is(err, ErrRefused):
		r.State, r.Reason, r.Ended = Failed, err.Error(), k.Now()
		var missing error
		if jobs, missing = k.withRest(&r, jobs); missing != nil {
			k.Log.Error("runs: the jobs of a refused workflow are not known", "workflow", r.Workflow, "err", missing)
		}
	case store.MayPass(err):
		k.starve(l, err)
		return
	case err != nil:
		r.State, r.Reason, r.Ended = Broken, err.Error(), k.Now()
	default:
		r.State, r.First, r.Reason, r.Ended = stateOf(report.Status), report.First, report.Reason, k.Now()
	}
	fault.Point("runs.ended")
	r.Settled = len(jobs)
	err = k.keep(l, &r, jobs)
	switch {
	case err != nil:
	case r.State == OK && allWell(jobs): // their receipts are durable: were this lost, it would be found again
		k.syncSoon()
	default:
		err = k.Store.Sync(context.WithoutCancel(ctx))
	}
	if store.MayPass(err) {
		k.starve(l, err)
		return
	}
	if err != nil { // what it came to is not lost: it is found again from the receipts when it is resumed
		k.Log.Error("runs: the end of a workflow could not be kept", "workflow", r.Workflow, "err", err)
	}
	k.drop(l)
	if r.State.Over() {
		k.forget(r.ID)
	}
	l.close(r.Run, jobs, err)
}

// leave gives up l, whose record says that it is to be run, and keeps what has settled
// so far for who asks before it is taken up again.
func (k *Keeper) leave(l *live, jobs []Job) {
	k.mu.Lock()
	r, err := k.load(l.record.ID)
	if err == nil && r.State == Running && r.Attempt == l.record.Attempt { // and not cancelled a moment ago
		r.Settled = len(jobs)
		err = k.put(r, jobs, l.weight)
	}
	k.mu.Unlock()
	if err != nil && !errors.Is(err, store.ErrClosed) {
		k.Log.Warn("runs: how far a workflow has come could not be kept", "workflow", l.record.Workflow, "err", err)
	}
	k.drop(l)
	l.end(ErrClosed)
}

func allWell(jobs []Job) bool {
	return !slices.ContainsFunc(jobs, func(j Job) bool { return j.Status != engine.JobOK })
}

// soon is how long it may take until what can be found again is durable.
const soon = 20 * time.Millisecond

// syncSoon has what was put made durable before long, together with what is put until
// then. The caller is counted in work.
func (k *Keeper) syncSoon() {
	if k.syncing.Swap(true) {
		return
	}
	k.work.Go(func() {
		wait := time.NewTimer(soon)
		defer wait.Stop()
		select {
		case <-wait.C:
		case <-k.life.Done():
		}
		k.syncing.Store(false)
		if err := k.Store.Sync(context.WithoutCancel(k.life)); err != nil {
			k.Log.Error("runs: the ends of workflows could not be kept", "err", err)
		}
	})
}

// put keeps r instead of what was kept of it, so many bytes about. The caller holds mu.
func (k *Keeper) put(r *record, jobs []Job, was uint64) error {
	if err := k.Store.Put(r.batch(jobs)); err != nil {
		return err
	}
	k.weigh(r.For, r.weight(), was)
	if l := k.active[r.ID]; l != nil {
		l.weight = r.weight()
	}
	return nil
}

// keep puts how a run ended into the store. Who changes its record meanwhile does
// so before or after.
func (k *Keeper) keep(l *live, r *record, jobs []Job) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.put(r, jobs, l.weight)
}

// withHandled is jobs with what only the report of a run tells: whose failure was
// taken care of.
func withHandled(jobs []Job, report *engine.Report) []Job {
	if report == nil {
		return jobs
	}
	handled := make(map[string]bool)
	for i := range report.Jobs {
		if report.Jobs[i].Handled {
			handled[report.Jobs[i].Label] = true
		}
	}
	if len(handled) == 0 {
		return jobs
	}
	jobs = slices.Clone(jobs) // events have the others
	for i := range jobs {
		jobs[i].Handled = handled[jobs[i].Label]
	}
	return jobs
}

func stateOf(s engine.Status) State {
	switch s {
	case engine.StatusOK:
		return OK
	case engine.StatusCancelled:
		return Cancelled
	}
	return Failed
}

// drop makes l no longer active.
func (k *Keeper) drop(l *live) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.active, l.record.ID)
	l.hold.Release()
}

// forget takes a run that has ended out of those that have not.
func (k *Keeper) forget(id ID) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hasEnded(id.For)
	if k.active[id] == nil { // it was not taken up again meanwhile
		k.ledger.remove(id)
	}
}

// hasEnded notes that a run of a principal has ended. The caller holds mu.
func (k *Keeper) hasEnded(who did.DID) {
	if k.ended != nil {
		k.ended[who]++
	}
}

// Get returns how a run stands. The error wraps [ErrUnknown].
func (k *Keeper) Get(id ID) (Run, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if l := k.active[id]; l != nil {
		return l.snapshot(), nil
	}
	r, err := k.load(id)
	if err != nil {
		return Run{}, err
	}
	return r.Run, nil
}

// Jobs are what the jobs of a run came to, in the order in which they settled.
// The error wraps [ErrUnknown].
func (k *Keeper) Jobs(id ID) ([]Job, error) {
	k.mu.Lock()
	l := k.active[id]
	k.mu.Unlock()
	if l != nil {
		return l.settled(), nil
	}
	r, err := k.load(id)
	if err != nil {
		return nil, err
	}
	return k.jobs(r)
}

// jobs reads the jobs of a run that has ended.
func (k *Keeper) jobs(r *record) ([]Job, error) {
	jobs := make([]Job, 0, min(r.Settled, pageJobs))
	for page := 0; len(jobs) < r.Settled; page++ {
		data, ok, err := k.Store.Note(jobNotes, r.pageKey(page))
		if err != nil {
			return nil, err
		}
		if _, err := k.load(r.ID); !ok && err != nil { // it was removed meanwhile
			return nil, err
		}
		list, err := ipld.DecodeCBOR(data)
		if !ok || err != nil || list.Len() == 0 {
			return nil, fmt.Errorf("workflow %s: %w: page %d of its jobs", r.Workflow, errRecord, page)
		}
		for _, v := range list.Elems() {
			j, err := ParseJob(v)
			if err != nil {
				return nil, fmt.Errorf("workflow %s: %w", r.Workflow, err)
			}
			jobs = append(jobs, j)
		}
	}
	return jobs, nil
}
