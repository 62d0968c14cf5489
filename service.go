package ipvm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/homestar"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// ServeOptions say how a node that stays can be reached beside its state
// directory. The zero value is not at all.
type ServeOptions struct {
	// Listen is a loopback address and port for HTTP, such as 127.0.0.1:1337;
	// port 0 is any that is free.
	Listen string
	// Listener is used instead, where it is set. It is closed with the service.
	Listener net.Listener
	// Hosts and Origins are taken beside the loopback addresses; see
	// [api.NewDoor].
	Hosts, Origins []string
	// Offer is what strangers may have run; nil is nothing.
	Offer *authority.Offer
	// Version is the program's, for who asks.
	Version string
}

// Service is a node that stays. Close it before the node.
type Service struct {
	// Resumed is how many workflows were taken up that had not ended.
	Resumed int
	owner   *owner
	addr    string
	server  *api.Server
	peers   *homestar.Handler
}

// Serve makes this node one that stays: it takes up what was accepted and has not
// ended, accepts workflows from now on, and answers HTTP if it is to listen. The
// error wraps [ErrGuest] if another process owns the state directory.
func (n *Node) Serve(ctx context.Context, o ServeOptions) (*Service, error) {
	own, ok := n.current().(*owner)
	if !ok {
		return nil, ErrGuest
	}
	s := &Service{owner: own}
	if o.Offer != nil {
		own.guard.Offer(*o.Offer)
	}
	if o.Listen != "" || o.Listener != nil {
		if err := s.listen(ctx, n, own, o); err != nil {
			return nil, err
		}
	}
	own.serving.Store(true)
	own.quota.start()
	var err error
	if s.Resumed, err = own.runs.ResumeAll(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// listen answers HTTP: that of ipvm under /v1 and /ipfs, and that of Homestar's
// clients at every other path.
func (s *Service) listen(ctx context.Context, n *Node, own *owner, o ServeOptions) error {
	door, err := api.NewDoor(o.Hosts, o.Origins)
	if err != nil {
		return err
	}
	l := o.Listener
	if l == nil {
		if l, err = Listen(ctx, o.Listen); err != nil {
			return err
		}
	}
	log := n.options.Log
	s.addr = l.Addr().String()
	s.peers = homestar.New(homestar.Config{
		Submit: func(ctx context.Context, w *workflow.Workflow) (*graph.Graph, runs.Attempt, error) {
			return n.submitOpen(ctx, own, w)
		},
		Runs: own.runs, Store: unsigned{own}, DID: own.key.DID(), Version: o.Version, Log: log,
		Listeners: func() []string { return []string{s.addr} }, Healthy: own.healthy, Quarantined: own.quarantine.Refused,
		Guests: own.guests, Refuse: refuse,
	})
	native := api.New(api.Config{Node: visitor{n, own}, Runs: own.runs, Judge: own.asked, Version: o.Version, Log: log})
	mux := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if p := r.URL.Path; p == "/v1" || p == "/ipfs" || strings.HasPrefix(p, "/v1/") || strings.HasPrefix(p, "/ipfs/") {
			native.ServeHTTP(w, r)
			return
		}
		s.peers.ServeHTTP(w, r)
	})
	if s.server, err = api.Serve(l, door, mux, api.ServerOptions{Log: log}); err != nil {
		return errors.Join(err, l.Close())
	}
	return nil
}

// refusals are the problems with which requests are refused at the paths of Homestar's
// clients.
var refusals = map[int]api.Kind{
	http.StatusBadRequest: api.BadRequest, http.StatusNotFound: api.NotFound, http.StatusMethodNotAllowed: api.NotAllowed,
	http.StatusRequestEntityTooLarge: api.TooLarge, http.StatusUnsupportedMediaType: api.Unsupported,
	http.StatusUpgradeRequired: api.Upgrade, http.StatusServiceUnavailable: api.Full,
}

// refuse answers as everywhere on the node where there is no other answer.
func refuse(w http.ResponseWriter, r *http.Request, status int, why error) {
	kind, known := refusals[status]
	switch {
	case errors.Is(why, homestar.ErrStopping):
		kind = api.Stopping
	case !known:
		kind = api.Internal
	}
	(&api.Problem{Kind: kind, Detail: why.Error()}).ServeHTTP(w, r)
}

// healthy is why the node takes no new work, whoever submits it: nothing is written any
// more, or there is no room. It does not say where the store is.
func (o *owner) healthy() error {
	err := o.store.Room()
	for _, known := range []error{store.ErrDiskFull, store.ErrReadOnly, store.ErrClosed} {
		if errors.Is(err, known) {
			return known
		}
	}
	return cmp.Or(err, o.quota.admit(""))
}

// guests tells how much is kept for others, and whether more is taken of those who show no
// authority.
func (o *owner) guests() homestar.Guests {
	var held uint64
	for _, bytes := range o.quota.others.held() {
		held += bytes
	}
	g := homestar.Guests{Bytes: held, Quota: o.quota.others.max, Damaged: o.rooms.broken()}
	if o.quota.admit(engine.Anyone) != nil {
		g.Refused = "what is kept for those who show no authority is at its share of the quota of others than the owner"
	}
	return g
}

// Listen listens at an address as [ServeOptions] have it.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	var config net.ListenConfig
	l, err := config.Listen(ctx, "tcp", addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("listen at %s: %w\n  hint: another node may be there; --listen 127.0.0.1:0 takes any port that is free, and --listen= none", addr, err)
	}
	if err != nil {
		return nil, fmt.Errorf("listen at %s: %w", addr, err)
	}
	return l, nil
}

// Broken has the failed write after which the node accepts and finishes nothing any
// more until it is closed and opened again, once there was one. What it had
// acknowledged is kept.
func (s *Service) Broken() <-chan error { return s.owner.broken }

// Writable tells why a node that is opened again could not write to its disk
// either.
func (s *Service) Writable() error { return s.owner.store.Writable() }

// Addr is the address at which HTTP is answered; empty where it is not.
func (s *Service) Addr() string { return s.addr }

// Close answers nobody any more. What was accepted goes on until the node is
// closed.
func (s *Service) Close() error {
	var errs []error
	if s.peers != nil {
		errs = append(errs, s.peers.Close())
	}
	if s.server != nil {
		errs = append(errs, s.server.Close())
	}
	return errors.Join(errs...)
}

// checkPatience bounds how long a workflow of a client of Homestar is held against
// the modules that it calls. The client gives up after five seconds.
const checkPatience = 2 * time.Second

// submitOpen accepts a workflow from somebody who has shown no authority. Where a
// module takes long to be fetched or compiled, the document is only held against
// itself: whether a call can be made then shows when it is made.
func (n *Node) submitOpen(ctx context.Context, own *owner, w *workflow.Workflow) (*graph.Graph, runs.Attempt, error) {
	checking, cancel := context.WithTimeout(ctx, checkPatience)
	defer cancel()
	g, err := n.checkedFor(checking, own, engine.Anyone, w, nil)
	if err != nil && errors.Is(checking.Err(), context.DeadlineExceeded) && ctx.Err() == nil {
		g, err = graph.Build(w, graph.Options{Owner: own.key.DID()})
	}
	if err != nil {
		return nil, runs.Attempt{}, err
	}
	attempt, err := own.runs.SubmitAttempt(ctx, g, runs.Options{Unsigned: true})
	return g, attempt, err
}

// checkedFor is w, of which these faults are known, held against what who knows.
func (n *Node) checkedFor(ctx context.Context, own *owner, who did.DID, w *workflow.Workflow, faults workflow.FaultList) (*graph.Graph, error) {
	view, err := own.View(who)
	if err != nil {
		return nil, err
	}
	return n.checked(ctx, counter{view, own}, w, faults)
}

// counter is the [desk] of who has a view.
type counter struct {
	*engine.View
	own *owner
}

func (c counter) DID(ctx context.Context) (did.DID, error) { return c.own.DID(ctx) }

// PutBlocks stores blocks durably, for whose view it is to read.
func (c counter) PutBlocks(ctx context.Context, blocks []ipld.Block) error {
	who := c.Whose()
	if err := c.own.quota.admit(who); err != nil && who != "" {
		return err
	}
	if err := c.own.putBlocks(ctx, who, blocks); err != nil {
		return err
	}
	links := make([]ipld.Link, len(blocks))
	for i, b := range blocks {
		links[i] = b.Link
	}
	return c.Bring(ctx, links)
}

// mayRunOpen refuses what takes more than pure work: only the owner of a node may
// ask for it, or who shows authority.
func mayRunOpen(g *graph.Graph) error {
	if len(g.Workflow().Signature) > 0 {
		return fmt.Errorf("%w: a signed workflow is taken at /v1/workflows", ErrDenied)
	}
	for i := range g.Len() {
		switch step := g.Step(i); {
		case step.Secret:
			return fmt.Errorf("%w: job %q is a secret, and who submits it has shown no authority", ErrDenied, step.Label)
		case step.Class != task.ClassPure:
			return fmt.Errorf("%w: job %q changes or reads the world, and who submits it has shown no authority", ErrDenied, step.Label)
		}
	}
	return nil
}

// unsigned reads what came of workflows of those who have shown no authority.
type unsigned struct{ own *owner }

func (u unsigned) Block(link ipld.Link) ([]byte, error) {
	view, err := u.own.View(engine.Anyone)
	if err != nil {
		return nil, err
	}
	return view.Block(link)
}

func (u unsigned) Receipts(id task.ID) ([]*receipt.Signed, error) {
	view, err := u.own.View(engine.Anyone)
	if err != nil {
		return nil, err
	}
	return view.Receipts(id)
}

// visitor is what requests over HTTP may ask of a node.
type visitor struct {
	node *Node
	own  *owner
}

// DID is the principal that signs the node's receipts.
func (d visitor) DID(ctx context.Context) (did.DID, error) { return d.own.DID(ctx) }

// Check reads a document and holds it against what who knows of the modules that it
// calls; a signed one against what its signer knows, once that may have it run.
func (d visitor) Check(ctx context.Context, who did.DID, src workflow.Source, signed bool) (*graph.Graph, error) {
	src.AllowCredentials = src.AllowCredentials || d.node.options.AllowCredentials
	src.Within = func(root ipld.Link, path string) (ipld.Link, error) { return d.within(ctx, who, root, path) }
	w, faults, err := d.node.survey(ctx, src)
	if err != nil {
		return nil, err
	}
	switch {
	case w != nil && len(w.Signature) > 0:
	case signed && len(faults) > 0:
		return nil, faults
	case signed:
		return nil, api.ErrUnsigned
	default:
		return d.node.checkedFor(ctx, d.own, who, w, faults)
	}
	if len(faults) > 0 {
		return nil, workflow.Merge(faults, graph.Cycles(w))
	}
	g, err := graph.Build(w, graph.Options{Owner: d.own.key.DID(), Effects: task.KnownEffects})
	if err != nil {
		return nil, err
	}
	signer, err := d.own.judge(g, runs.Options{Authority: w.Signature})
	if errors.Is(err, runs.ErrPerformed) { // what came of it is to be told
		return g, nil
	}
	if err != nil {
		return nil, err
	}
	return d.node.checkedFor(ctx, d.own, signer, w, nil)
}

// within is [Node.Resolve] in what who may read, or in what is fetched for it.
func (d visitor) within(ctx context.Context, who did.DID, root ipld.Link, path string) (ipld.Link, error) {
	view, err := d.own.View(who)
	if err != nil {
		return ipld.Link{}, err
	}
	r := engine.Finder{
		Context: ctx, Block: view.Block, Has: view.Has, Fetcher: fetcher(d.own.gateway),
		Keep: func(blocks []ipld.Block) error { return counter{view, d.own}.PutBlocks(ctx, blocks) },
	}
	return ipld.Resolve(root, path, r.One)
}

// PutBlocks stores blocks durably, for who to read.
func (d visitor) PutBlocks(ctx context.Context, who did.DID, blocks []ipld.Block) error {
	view, err := d.own.View(who)
	if err != nil {
		return err
	}
	return counter{view, d.own}.PutBlocks(ctx, blocks)
}

// Block returns a block that who may read.
func (d visitor) Block(_ context.Context, who did.DID, link ipld.Link) ([]byte, error) {
	view, err := d.view(who)
	if err != nil {
		return nil, err
	}
	return view.Block(link)
}

// Receipts returns all evidence about one task that who may read.
func (d visitor) Receipts(ctx context.Context, who did.DID, id task.ID) ([]*receipt.Signed, error) {
	view, err := d.view(who)
	if errors.Is(err, store.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return durable(ctx, view.Sync, func() ([]*receipt.Signed, error) { return view.Receipts(id) })
}

// Quarantined lists the tasks that have ended the process, as far as they are who's to
// know of.
func (d visitor) Quarantined(_ context.Context, who did.DID) ([]quarantine.Record, error) {
	all := d.own.quarantine.All()
	if who == "" {
		return all, nil
	}
	return slices.DeleteFunc(all, func(r quarantine.Record) bool { return r.For != who }), nil
}

// view is what who sees, if there is anything: to look makes no room for a guest.
func (d visitor) view(who did.DID) (*engine.View, error) {
	if who != "" && who != engine.Anyone {
		if _, err := d.own.rooms.of(who); err != nil {
			return nil, err
		}
	}
	return d.own.View(who)
}
