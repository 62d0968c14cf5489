package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Kind is the class of a [Problem]. The list is closed.
type Kind string

// The classes of problems.
const (
	BadRequest    Kind = "bad-request"
	Faults        Kind = "faults" // a document that can not be run
	Denied        Kind = "denied"
	Foreign       Kind = "foreign" // a request that came through someone else's page or name
	NotFound      Kind = "not-found"
	NotAllowed    Kind = "not-allowed"
	Upgrade       Kind = "upgrade" // what is here is spoken over a WebSocket
	NotAcceptable Kind = "not-acceptable"
	Timeout       Kind = "timeout"
	Conflict      Kind = "conflict"
	TooLarge      Kind = "too-large"
	Unsupported   Kind = "unsupported-type"
	Incomplete    Kind = "incomplete" // a CAR file in which blocks are missing
	Busy          Kind = "busy"
	Full          Kind = "full"
	Internal      Kind = "internal"
	Stopping      Kind = "stopping"
	DiskFull      Kind = "disk-full"
	Quota         Kind = "quota"
)

// kinds are the classes with what they are in HTTP.
var kinds = map[Kind]struct {
	status int
	title  string
}{
	BadRequest:    {http.StatusBadRequest, "The request can not be understood"},
	Faults:        {http.StatusUnprocessableEntity, "The document has faults"},
	Denied:        {http.StatusForbidden, "This needs an authority that was not shown"},
	Foreign:       {http.StatusForbidden, "Requests from there are not taken"},
	NotFound:      {http.StatusNotFound, "There is no such thing"},
	NotAllowed:    {http.StatusMethodNotAllowed, "The method is not possible here"},
	Upgrade:       {http.StatusUpgradeRequired, "This needs a WebSocket"},
	NotAcceptable: {http.StatusNotAcceptable, "There is no such form of it"},
	Timeout:       {http.StatusRequestTimeout, "The request took too long to arrive"},
	Conflict:      {http.StatusConflict, "Not possible as things stand"},
	TooLarge:      {http.StatusRequestEntityTooLarge, "The body is too large"},
	Unsupported:   {http.StatusUnsupportedMediaType, "Bodies of this type are not read"},
	Incomplete:    {http.StatusUnprocessableEntity, "Blocks are missing"},
	Busy:          {http.StatusTooManyRequests, "The node has enough to do"},
	Full:          {http.StatusServiceUnavailable, "The node is full"},
	Internal:      {http.StatusInternalServerError, "The node could not do its part"},
	Stopping:      {http.StatusServiceUnavailable, "The node is stopping"},
	DiskFull:      {http.StatusInsufficientStorage, "The node's disk takes nothing"},
	Quota:         {http.StatusInsufficientStorage, "The node keeps as much as it may"},
}

// typeBase comes before a kind in the type of a problem: where it is described.
const typeBase = "https://github.com/ipvm-wg/go-ipvm/blob/main/docs/http.md#"

// Problem says why a request has no other answer, as RFC 9457 has it.
type Problem struct {
	Kind   Kind
	Detail string
	// Hint says what to do about it, where there is something to say.
	Hint string
	// Faults are those of the document.
	Faults workflow.FaultList
	// Denial is the node's signed word for a refusal, a container; empty where there
	// is none.
	Denial string
	// Retry is when it is worth asking again; 0 is not at all.
	Retry time.Duration
}

func problemf(kind Kind, format string, args ...any) *Problem {
	return &Problem{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

func (p *Problem) hint(text string) *Problem {
	p.Hint = text
	return p
}

func (p *Problem) retry(after time.Duration) *Problem {
	p.Retry = after
	return p
}

func (p *Problem) Error() string { return p.Detail }

type problemJSON struct {
	Type   string      `json:"type"`
	Title  string      `json:"title"`
	Status int         `json:"status"`
	Detail string      `json:"detail,omitempty"`
	Hint   string      `json:"hint,omitempty"`
	Faults []faultJSON `json:"faults,omitempty"`
	Denial string      `json:"denial,omitempty"`
}

type faultJSON struct {
	Line    int    `json:"line,omitempty"`
	Col     int    `json:"col,omitempty"`
	Path    string `json:"path"`
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// ServeHTTP writes p as the answer.
func (p *Problem) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	kind := kinds[p.Kind]
	out := problemJSON{
		Type: typeBase + string(p.Kind), Title: kind.title, Status: kind.status,
		Detail: clean(p.Detail), Hint: clean(p.Hint), Denial: p.Denial,
	}
	for _, f := range p.Faults {
		out.Faults = append(out.Faults, faultJSON{f.Line, f.Col, clean(f.Path), string(f.Kind), clean(f.Msg), clean(f.Hint)})
	}
	body, _ := json.Marshal(out) // text and numbers
	header := w.Header()
	header.Set("Content-Type", "application/problem+json")
	header.Set("Content-Length", strconv.Itoa(len(body)))
	header.Set("Cache-Control", "no-store")
	if p.Retry > 0 {
		header.Set("Retry-After", strconv.Itoa(int(math.Ceil(p.Retry.Seconds()))))
	}
	w.WriteHeader(kind.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body)
	}
}

// fail answers with what err comes to.
func (h *Handler) fail(w http.ResponseWriter, r *http.Request, err error) {
	if errors.Is(err, http.ErrAbortHandler) {
		panic(http.ErrAbortHandler) // what net/http has for it: the client sees that the answer was cut off
	}
	p := problemOf(err)
	if p.Kind == Internal {
		h.Log.Error("api: a request failed", "method", r.Method, "path", shorten(r.URL.Path), "err", err)
	}
	h.patience(w)
	p.ServeHTTP(w, r)
}

// problemOf is what an error of a node comes to.
func problemOf(err error) *Problem {
	var p *Problem
	var faults workflow.FaultList
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &p):
		return p
	case errors.As(err, &faults):
		p = problemf(Faults, "%d faults", len(faults))
		if len(faults) == 1 {
			p.Detail = "1 fault"
		}
		p.Faults = faults
		return p
	case errors.As(err, &tooLarge):
		return problemf(TooLarge, "more than %d bytes", tooLarge.Limit)
	case errors.Is(err, runs.ErrShare):
		return problemf(Busy, "%v", err).retry(busyRetry).hint("wait until some have ended, or cancel some")
	case errors.Is(err, runs.ErrFull):
		return problemf(Full, "%v", err).retry(busyRetry).hint("what was acknowledged is kept and goes on")
	case errors.Is(err, runs.ErrUnknown), errors.Is(err, store.ErrNotFound):
		return problemf(NotFound, "%v", err)
	case errors.Is(err, runs.ErrState):
		return problemf(Conflict, "%v", err)
	case errors.Is(err, runs.ErrClosed), errors.Is(err, engine.ErrClosed), errors.Is(err, store.ErrClosed):
		return stopping()
	case errors.Is(err, rpc.ErrDenied), errors.Is(err, engine.ErrPriority):
		p = problemf(Denied, "%v", err).hint("run it with `ipvm run` on the machine of the node, or sign it by the authority that it needs")
		var denied *rpc.DeniedError
		if errors.As(err, &denied) {
			p.Denial = string(denied.Denial)
		}
		return p
	case errors.Is(err, store.ErrQuota):
		return problemf(Quota, "%v", store.ErrQuota).retry(roomRetry).hint("what was acknowledged is kept; what was not used for some minutes makes room by itself, and the node's owner can allow more (store-quota, guest-quota)")
	case errors.Is(err, store.ErrDiskFull):
		return problemf(DiskFull, "%v", store.ErrDiskFull).retry(roomRetry).hint("what was acknowledged is kept; make room and try again")
	case errors.Is(err, store.ErrReadOnly):
		return problemf(DiskFull, "%v", store.ErrReadOnly).retry(roomRetry).hint("what was acknowledged is kept; make the node's disk writable and try again")
	case errors.Is(err, ipld.ErrMismatch), errors.Is(err, ipld.ErrHash):
		return problemf(BadRequest, "%v", err)
	case errors.Is(err, os.ErrDeadlineExceeded):
		return problemf(Timeout, "the body did not arrive in time")
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return problemf(Timeout, "given up") // the client is gone
	}
	return problemf(Internal, "what happened is in the node's log")
}

// When it is worth asking again.
const (
	busyRetry     = 5 * time.Second
	stoppingRetry = 2 * time.Second
	suspendRetry  = 10 * time.Second
	roomRetry     = 30 * time.Second // somebody has to do something about it
)

func stopping() *Problem {
	return problemf(Stopping, "%v", runs.ErrClosed).retry(stoppingRetry).hint("what was acknowledged is kept, and goes on when the node is back")
}

// maxShown bounds what is repeated of a request, in bytes.
const maxShown = 200

// shorten is what a message may repeat of what a client sent.
func shorten(s string) string {
	if len(s) > maxShown {
		return clean(s[:maxShown]) + "…"
	}
	return clean(s)
}

// clean is s as text that JSON can hold.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }
