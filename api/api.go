package api

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Node is what a handler asks of the node, beside its runs, on behalf of somebody:
// the node's owner is empty, and who has shown no authority [engine.Anyone]. What
// they may not read is not found.
type Node interface {
	// DID is the principal that signs the node's receipts.
	DID(ctx context.Context) (did.DID, error)
	// Check reads a document and holds it against the modules that it calls; one
	// that is signed only if its signer may have it run. What is wrong with it is a
	// [workflow.FaultList]. It makes no nonce. With signed, the error is [ErrUnsigned]
	// if it is not; nothing is kept of it then.
	Check(ctx context.Context, who did.DID, src workflow.Source, signed bool) (*graph.Graph, error)
	// PutBlocks stores blocks durably, each verified against its link, for who to
	// read.
	PutBlocks(ctx context.Context, who did.DID, blocks []ipld.Block) error
	// Block returns a verified block, or an error that wraps store.ErrNotFound.
	// Secrets are never found.
	Block(ctx context.Context, who did.DID, link ipld.Link) ([]byte, error)
	// Receipts returns all evidence about one task.
	Receipts(ctx context.Context, who did.DID, id task.ID) ([]*receipt.Signed, error)
	// Quarantined lists the tasks whose calls have ended the node's process, the
	// oldest first: those that ran on behalf of who, and for the owner all.
	Quarantined(ctx context.Context, who did.DID) ([]quarantine.Record, error)
}

// ErrUnsigned reports a document without the signature that it has to have.
var ErrUnsigned = errors.New("the document is not signed")

// Runs are the workflows that the node has accepted; a [*runs.Keeper] is that.
type Runs interface {
	Submit(ctx context.Context, g *graph.Graph, o runs.Options) (runs.Run, error)
	Get(id runs.ID) (runs.Run, error)
	List(q runs.Query, yield func(runs.Run) bool) error
	Jobs(id runs.ID) ([]runs.Job, error)
	Watch(ctx context.Context, id runs.ID, after runs.Position, yield func(runs.Event) bool) error
	Cancel(ctx context.Context, id runs.ID) (runs.Run, error)
	Suspend(ctx context.Context, id runs.ID) (runs.Run, error)
	Resume(ctx context.Context, id runs.ID) (runs.Run, error)
}

// Config assembles a [Handler]. Node and Runs are needed.
type Config struct {
	Node Node
	Runs Runs
	// Judge tells who makes a request for which an Authorization header has a
	// container, by its method and the target of its request line. The error wraps
	// [rpc.ErrDenied]. Nil takes no signed requests.
	Judge func(container []byte, method, target string) (Caller, error)
	// Version is the program's, for who asks.
	Version string
	// Log is where the handler tells of the node's troubles; nil is nowhere.
	Log *slog.Logger
	Bounds
}

// Bounds are what requests may take of the node. A zero field is its default.
type Bounds struct {
	// Document, Upload and Import bound a document, a file that is to be cut
	// into blocks, and a CAR file, in bytes; 0 is 16, 64 and 256 MiB.
	Document, Upload, Import int64
	// Bodies bounds what all bodies that are being read hold together, in bytes;
	// 0 is 256 MiB.
	Bodies int64
	// Streams is how many requests may wait for workflows at once; 0 is 256.
	Streams int
	// Wait bounds how long one request waits for the end of a workflow; 0 is a
	// minute.
	Wait time.Duration
	// Beat is how often a silent stream of events shows that it is alive; 0 is
	// 15 seconds.
	Beat time.Duration
	// Body and Write bound how long a client takes to send a body, and to take
	// one part of an answer; 0 is a minute, and 20 seconds.
	Body, Write time.Duration
}

func (b Bounds) filled() Bounds {
	orElse(&b.Document, workflow.MaxBytes)
	orElse(&b.Upload, 64<<20)
	orElse(&b.Import, 256<<20)
	orElse(&b.Bodies, 256<<20)
	orElse(&b.Streams, 256)
	orElse(&b.Wait, time.Minute)
	orElse(&b.Beat, 15*time.Second)
	orElse(&b.Body, time.Minute)
	orElse(&b.Write, 20*time.Second)
	return b
}

func orElse[T comparable](field *T, usual T) {
	var zero T
	if *field == zero {
		*field = usual
	}
}

// Handler answers the requests under /v1 and /ipfs. Whether a request is taken that
// nobody has signed, a [Door] says.
type Handler struct {
	Config
	mux     *http.ServeMux
	bodies  *budget
	streams chan struct{} // one for each request that waits
	reading chan struct{} // one for each document that is being read
}

// New returns a handler over c.
func New(c Config) *Handler {
	c.Bounds = c.Bounds.filled()
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	h := &Handler{
		Config: c, mux: http.NewServeMux(), bodies: newBudget(c.Bodies),
		streams: make(chan struct{}, c.Streams), reading: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	for path, methods := range h.routes() {
		h.mux.Handle(path, h.dispatch(methods))
	}
	h.mux.Handle("/", h.dispatch(nil))
	return h
}

// answer writes the answer to a request, or says why there is none. Once
// something is written it returns nil or [http.ErrAbortHandler].
type answer func(w http.ResponseWriter, r *http.Request) error

// routes are what can be asked, by path and method.
func (h *Handler) routes() map[string]map[string]answer {
	type methods = map[string]answer
	return map[string]methods{
		"/v1":                         {"GET": h.about},
		"/v1/openapi.json":            {"GET": h.openAPI},
		"/v1/workflows":               {"GET": h.list, "POST": h.submit},
		"/v1/workflows/{cid}":         {"GET": h.show, "DELETE": h.change(Runs.Cancel)},
		"/v1/workflows/{cid}/events":  {"GET": h.events},
		"/v1/workflows/{cid}/suspend": {"POST": h.change(Runs.Suspend)},
		"/v1/workflows/{cid}/resume":  {"POST": h.change(Runs.Resume)},
		"/v1/receipts/{task}":         {"GET": h.receipts},
		"/v1/quarantine":              {"GET": h.quarantine},
		"/ipfs":                       {"POST": h.addFile},
		"/ipfs/{cid}":                 {"GET": h.block, "HEAD": h.block, "PUT": h.putBlock},
	}
}

// ServeHTTP answers a request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.mux.ServeHTTP(w, r) }

func (h *Handler) dispatch(methods map[string]answer) http.Handler {
	allow := strings.Join(slices.Sorted(maps.Keys(methods)), ", ")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Header().Set("Cache-Control", "no-store")
		h.patience(w)
		do := methods[r.Method]
		switch {
		case methods == nil:
			h.fail(w, r, problemf(NotFound, "there is nothing at %s", shorten(r.URL.Path)).hint("GET /v1/openapi.json tells what there is"))
			return
		case do == nil:
			w.Header().Set("Allow", allow)
			h.fail(w, r, problemf(NotAllowed, "%s is not possible here", shorten(r.Method)).hint("what is: "+allow))
			return
		}
		r, err := h.identified(r)
		if err == nil {
			err = do(w, r)
		}
		if err != nil {
			h.fail(w, r, err)
		}
	})
}

// patience gives the client its time to take what is written next.
func (h *Handler) patience(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(h.Write)) // a test's recorder has none
}

// about tells who answers.
func (h *Handler) about(w http.ResponseWriter, r *http.Request) error {
	if _, err := query(r); err != nil {
		return err
	}
	id, err := h.Node.DID(r.Context())
	if err != nil {
		return err
	}
	return h.writeJSON(w, http.StatusOK, aboutJSON{Schema: schema, DID: id, Version: h.Version, Revision: revision, Serves: serves})
}
