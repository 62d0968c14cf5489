package homestar

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/crew"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Bounds of a [Handler] where its config names none.
const (
	DefaultMessage       = 16 << 20
	DefaultConnections   = 512
	DefaultSubscriptions = 1024
	DefaultHeld          = 256 << 20
	DefaultWriteTimeout  = 30 * time.Second
	DefaultPingInterval  = 30 * time.Second
)

// maxIdle is how many goroutines are kept for the next requests.
const maxIdle = 32

// Held is what a subscription counts for until the last of its tasks was told, in
// bytes, by the size of its document. It holds a goroutine and less than 1 KiB for
// each task; in the document the shortest has 170 bytes.
func Held(document int) int { return 16<<10 + 4*document }

// Requests larger than smallMessage are read and worked on maxLarge at a time, over
// all connections: the rest wait.
const (
	smallMessage = 32 << 10
	maxLarge     = 8
)

// Config assembles a [Handler]. Submit, Runs, Store and DID are needed.
type Config struct {
	// Submit checks a document and has it accepted, as [runs.Keeper.SubmitAttempt]
	// does, and returns its graph, which is built of that very document. What is wrong
	// with the document is a [workflow.FaultList]. Clients give up after 5 seconds.
	Submit func(ctx context.Context, w *workflow.Workflow) (*graph.Graph, runs.Attempt, error)
	// Runs is where it was accepted.
	Runs *runs.Keeper
	// Store has what the tasks came to; a *store.Store is one.
	Store Store
	// DID is the node's. Clients know it as its peer_id.
	DID did.DID
	// Version is the program's.
	Version string
	// Listeners are the addresses at which the node can be reached; nil is none.
	Listeners func() []string
	// Refuse answers a request that is no JSON-RPC and has no other answer; nil answers in
	// plain text. Header fields that belong to the status are set before.
	Refuse func(w http.ResponseWriter, r *http.Request, status int, why error)
	// Healthy is why the node takes no new work; nil is that it always does.
	Healthy func() error
	// Quarantined is how many tasks the node refuses to run, since they ended its
	// process; nil is always none.
	Quarantined func() int
	// Guests tells what is kept for others; nil tells nobody.
	Guests func() Guests
	// Gauges are what the node counts beside what the handler does; nil is nothing.
	Gauges func() []Gauge
	// Log is where the handler tells of its own troubles; nil is nowhere.
	Log *slog.Logger

	// MaxMessage bounds a request, in bytes. MaxConnections bounds the WebSockets
	// that are open at once, MaxSubscriptions those of one that are active.
	MaxMessage, MaxConnections, MaxSubscriptions int
	// MaxHeld bounds what all active subscriptions hold, in bytes, as [Held] counts
	// it.
	MaxHeld int
	// WriteTimeout is how long a client may take to take in a message, or to answer
	// a ping, which it gets every PingInterval. It is cut off then.
	WriteTimeout, PingInterval time.Duration
}

// Store is what is asked of the store of a node.
type Store interface {
	Block(ipld.Link) ([]byte, error)
	// Receipts returns all evidence about one task.
	Receipts(task.ID) ([]*receipt.Signed, error)
}

// Gauge is a number that the node tells of itself.
type Gauge struct {
	Name, Help string
	Value      float64
}

// Handler serves clients of Homestar: WebSocket and POST at whatever path, and GET
// at /health, /node, /metrics and /rpc_discover. It looks at neither Host nor Origin: what
// stands before it has to turn away the pages of others.
type Handler struct {
	Config
	life context.Context
	stop context.CancelCauseFunc
	work sync.WaitGroup
	crew *crew.Crew
	// large holds a token for each large request.
	large chan struct{}

	mu   sync.Mutex
	open int // WebSockets

	subscriptions, notifications, requests, held atomic.Int64
}

// ErrStopping is why connections end, and no more are taken, when a handler is closed.
var ErrStopping = errors.New("the node is stopping")

// New returns a handler over c. Close it.
func New(c Config) *Handler {
	orDefault(&c.MaxMessage, DefaultMessage)
	orDefault(&c.MaxConnections, DefaultConnections)
	orDefault(&c.MaxSubscriptions, DefaultSubscriptions)
	orDefault(&c.MaxHeld, DefaultHeld)
	orDefault(&c.WriteTimeout, DefaultWriteTimeout)
	orDefault(&c.PingInterval, DefaultPingInterval)
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{Config: c, large: make(chan struct{}, maxLarge), crew: crew.New(maxIdle)}
	h.life, h.stop = context.WithCancelCause(context.Background())
	return h
}

func orDefault[T int | time.Duration](v *T, to T) {
	if *v == 0 {
		*v = to
	}
}

// Close ends all connections and returns when what they started has stopped. The
// runs go on.
func (h *Handler) Close() error {
	h.mu.Lock()
	h.stop(ErrStopping)
	h.mu.Unlock()
	h.work.Wait()
	h.crew.Close()
	return nil
}

// ServeHTTP answers one request, or serves one WebSocket to its end.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.EqualFold(r.Header.Get("Upgrade"), "websocket"):
		h.upgrade(w, r)
	case r.Method == http.MethodPost:
		h.post(w, r)
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		h.get(w, r)
	default:
		w.Header().Set("Allow", "GET, HEAD, POST")
		h.refuse(w, r, http.StatusMethodNotAllowed, errors.New("JSON-RPC is spoken over a WebSocket or POST"))
	}
}

// upgrade serves a WebSocket.
func (h *Handler) upgrade(w http.ResponseWriter, r *http.Request) {
	if err := h.enter(); err != nil {
		w.Header().Set("Retry-After", "5")
		h.refuse(w, r, http.StatusServiceUnavailable, err)
		return
	}
	defer h.leave()
	// Origins are looked at before requests come here: see Handler.
	shake := &handshake{ResponseWriter: w}
	socket, err := websocket.Accept(shake, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		if shake.status != 0 {
			h.refuse(w, r, shake.status, errors.New(shake.why))
		}
		return
	}
	c := &connection{Handler: h, socket: socket, writing: make(chan struct{}, 1), active: make(map[string]context.CancelFunc), counts: make(map[string]int64)}
	c.serve()
}

// errConnections reports a WebSocket too many.
var errConnections = errors.New("the node has as many WebSockets open as it serves at once")

// enter takes a place for a connection, or says why there is none.
func (h *Handler) enter() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.life.Err() != nil:
		return ErrStopping
	case h.open >= h.MaxConnections:
		return errConnections
	}
	h.open++
	h.work.Add(1)
	return nil
}

func (h *Handler) leave() {
	h.mu.Lock()
	h.open--
	h.mu.Unlock()
	h.work.Done()
}

// post answers one request of JSON-RPC.
func (h *Handler) post(w http.ResponseWriter, r *http.Request) {
	if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
		h.refuse(w, r, http.StatusUnsupportedMediaType, errors.New("expected a request as application/json"))
		return
	}
	data, release, err := h.read(r.Context(), http.MaxBytesReader(w, r.Body, int64(h.MaxMessage)))
	defer release()
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		h.refuse(w, r, http.StatusRequestEntityTooLarge, errors.New("the request is too large"))
		return
	case err != nil:
		return // there is nobody to answer
	}
	req, f := parseRequest(data)
	if f == nil && req.id == nil {
		w.WriteHeader(http.StatusNoContent)
		return
	}
	var result any
	if f == nil {
		switch req.method {
		case subscribeRun, unsubscribeRun, subscribeNetwork, unsubscribeNetwork:
			f = failf(codeNeedSocket, "%s needs a WebSocket, over which the notifications can come; without one, submit workflows to /v1/workflows", req.method)
		default:
			result, f = h.call(req)
		}
	}
	reply(w, http.StatusOK, response(req.id, result, f))
}

// read returns all of a request. Release gives back the place that a large one has.
func (h *Handler) read(ctx context.Context, from io.Reader) (data []byte, release func(), err error) {
	release = func() {}
	data, err = io.ReadAll(io.LimitReader(from, smallMessage))
	if err != nil || len(data) < smallMessage {
		return data, release, err
	}
	select {
	case h.large <- struct{}{}:
		release = func() { <-h.large }
	case <-ctx.Done():
		return nil, release, context.Cause(ctx)
	}
	rest, err := io.ReadAll(from)
	return append(data, rest...), release, err
}

// get answers with the bare result of a method.
func (h *Handler) get(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if name == "" {
		w.Header().Set("Upgrade", "websocket")
		h.refuse(w, r, http.StatusUpgradeRequired, errors.New("JSON-RPC is spoken here, over a WebSocket or POST"))
		return
	}
	result, f := h.call(request{method: name})
	if f != nil {
		h.refuse(w, r, http.StatusNotFound, errors.New("there is no such path; JSON-RPC is spoken over a WebSocket or POST, and the rest is under /v1 and /ipfs"))
		return
	}
	data, err := json.Marshal(result)
	if err != nil {
		h.refuse(w, r, http.StatusInternalServerError, err)
		return
	}
	status := http.StatusOK
	if state, ok := result.(health); ok && !state.Healthy {
		status = http.StatusServiceUnavailable
	}
	reply(w, status, data)
}

// reply sends JSON that is not to be remembered on the way.
func reply(w http.ResponseWriter, status int, data []byte) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(data)
}

// response is the answer to a request.
func response(id json.RawMessage, result any, f *fail) []byte {
	envelope := struct {
		Version string          `json:"jsonrpc"`
		Result  any             `json:"result,omitempty"`
		Error   *fail           `json:"error,omitempty"`
		ID      json.RawMessage `json:"id"`
	}{"2.0", result, f, id}
	if f != nil {
		envelope.Result = nil
	}
	data, err := json.Marshal(envelope)
	if err != nil { // a result of ours that has no JSON
		envelope.Result, envelope.Error = nil, failf(codeInternal, "%v", err)
		data, _ = json.Marshal(envelope)
	}
	return data
}
