package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Errors of the service itself.
var (
	// ErrRequest reports a request that the service does not understand.
	ErrRequest = errors.New("bad request")
	// ErrDenied reports that whoever asks has not the authority for it.
	ErrDenied = errors.New("not allowed")
	// ErrTooLarge reports a body above its bound.
	ErrTooLarge = errors.New("too large")
	// ErrBusy reports that the node has as many requests as it takes at once.
	ErrBusy = errors.New("the node has too many requests")
	// ErrNoService reports that the owner of the state directory does not stay to
	// run what it accepts.
	ErrNoService = errors.New("no node serves this state directory")
)

// DeniedError is a refusal with the node's signed word for it, a container that
// authority.ParseDenial reads. It wraps [ErrDenied].
type DeniedError struct {
	Err    error
	Denial []byte
}

func (e *DeniedError) Error() string { return e.Err.Error() }

// Unwrap is the refusal.
func (e *DeniedError) Unwrap() error { return e.Err }

// errPanic reports a bug of the node that serves.
var errPanic = errors.New("the node failed")

// Kinds of error that carry more than a message, or none of the below.
const (
	kindFaults   = "faults"
	kindCorrupt  = "corrupt"
	kindInternal = "internal"
)

// kinds is how errors that callers branch on cross the wire: under a name, and
// with an HTTP status. Names are never reused.
var kinds = [...]struct {
	name   string
	status int
	err    error
}{
	{"not-found", http.StatusNotFound, store.ErrNotFound},
	{"bad-request", http.StatusBadRequest, ErrRequest},
	{"denied", http.StatusForbidden, ErrDenied},
	{"too-large", http.StatusRequestEntityTooLarge, ErrTooLarge},
	{"busy", http.StatusServiceUnavailable, ErrBusy},
	{"no-service", http.StatusServiceUnavailable, ErrNoService},
	{"unknown-run", http.StatusNotFound, runs.ErrUnknown},
	{"run-state", http.StatusConflict, runs.ErrState},
	{"not-pinned", http.StatusNotFound, ErrNotPinned},
	{"collecting", http.StatusConflict, store.ErrCollecting},
	{"full", http.StatusServiceUnavailable, runs.ErrFull},
	{"priority", http.StatusForbidden, engine.ErrPriority},
	{"no-priority", http.StatusBadRequest, engine.ErrNoPriority},
	{"share", http.StatusTooManyRequests, runs.ErrShare},
	{"closed", http.StatusServiceUnavailable, ErrGone},
	{"closed", http.StatusServiceUnavailable, runs.ErrClosed},
	{"closed", http.StatusServiceUnavailable, engine.ErrClosed},
	{"closed", http.StatusServiceUnavailable, store.ErrClosed},
	{"disk-full", http.StatusInsufficientStorage, store.ErrDiskFull},
	{"quota", http.StatusInsufficientStorage, store.ErrQuota},
	{"mismatch", http.StatusBadRequest, ipld.ErrMismatch},
	{"untrusted-hash", http.StatusBadRequest, ipld.ErrHash},
	{"cancelled", http.StatusServiceUnavailable, context.Canceled},
	{"deadline", http.StatusServiceUnavailable, context.DeadlineExceeded},
	{"panic", http.StatusInternalServerError, errPanic},
}

// remoteError is an error of the node that serves: its text, and what it is.
type remoteError struct {
	text string
	is   error // nil for an error that callers only show
}

func (e *remoteError) Error() string { return e.text }
func (e *remoteError) Unwrap() error { return e.is }

// kindOf is the name and the status of err.
func kindOf(err error) (string, int) {
	var faults workflow.FaultList
	var corrupt *store.CorruptError
	switch {
	case errors.As(err, &faults):
		return kindFaults, http.StatusUnprocessableEntity
	case errors.As(err, &corrupt):
		return kindCorrupt, http.StatusInternalServerError
	}
	for _, k := range kinds {
		if errors.Is(err, k.err) {
			return k.name, k.status
		}
	}
	return kindInternal, http.StatusInternalServerError
}

// encodeError is the map {kind, message, faults?, corrupt?}.
func encodeError(err error) ipld.Value {
	kind, _ := kindOf(err)
	var o object
	o.text("kind", kind)
	o.text("message", err.Error())
	var faults workflow.FaultList
	var corrupt *store.CorruptError
	var denied *DeniedError
	switch {
	case errors.As(err, &denied):
		o.value("denial", ipld.Bytes(denied.Denial))
	case errors.As(err, &faults):
		list := make([]ipld.Value, len(faults))
		for i, f := range faults {
			list[i] = encodeFault(f)
		}
		o.value("faults", ipld.List(list...))
	case errors.As(err, &corrupt):
		o.value("corrupt", encodeCorrupt(corrupt))
	}
	return o.done()
}

// decodeError reads what encodeError gave. The first error it returns is the
// other node's; the second says that there is none to be read.
func decodeError(v ipld.Value) (remote, err error) {
	f := fieldsOf(v)
	kind := f.text("kind")
	e := &remoteError{text: f.text("message")}
	switch kind {
	case kindFaults:
		var faults workflow.FaultList
		for _, v := range f.list("faults") {
			fault, err := decodeFault(v)
			f.fail("faults", err)
			faults = append(faults, fault)
		}
		if len(faults) == 0 {
			f.fail("faults", errors.New("there are none"))
		}
		e.is = faults
	case kindCorrupt:
		corrupt, _ := f.value("corrupt")
		c, err := decodeCorrupt(corrupt)
		f.fail("corrupt", err)
		e.is = c
	case "":
		f.fail("kind", errors.New("there is none"))
	default:
		for _, k := range kinds {
			if k.name == kind {
				e.is = k.err
				break
			}
		}
	}
	switch denial, ok := f.value("denial"); {
	case ok && !errors.Is(e.is, ErrDenied):
		f.fail("denial", errors.New("of what is no refusal"))
	case ok:
		signed, _ := denial.AsBytes()
		e.is = &DeniedError{Err: ErrDenied, Denial: []byte(signed)}
	}
	if err := f.end(); err != nil {
		return nil, err
	}
	return e, nil
}

func encodeFault(fault workflow.Fault) ipld.Value {
	var o object
	o.text("file", fault.File)
	o.int("line", int64(fault.Line))
	o.int("col", int64(fault.Col))
	o.text("path", fault.Path)
	o.text("kind", string(fault.Kind))
	o.text("message", fault.Msg)
	o.text("hint", fault.Hint)
	return o.done()
}

func decodeFault(v ipld.Value) (workflow.Fault, error) {
	f := fieldsOf(v)
	fault := workflow.Fault{
		Pos:  workflow.Pos{File: f.text("file"), Line: int(f.int("line")), Col: int(f.int("col")), Path: f.text("path")},
		Kind: workflow.Kind(f.text("kind")),
		Msg:  f.text("message"),
		Hint: f.text("hint"),
	}
	return fault, f.end()
}

func encodeCorrupt(c *store.CorruptError) ipld.Value {
	var o object
	o.link("link", c.Link)
	o.text("path", c.Path)
	if c.Err != nil {
		o.value("cause", encodeError(c.Err))
	}
	o.text("hint", c.Hint)
	return o.done()
}

func decodeCorrupt(v ipld.Value) (*store.CorruptError, error) {
	f := fieldsOf(v)
	c := &store.CorruptError{Link: f.link("link"), Path: f.text("path"), Hint: f.text("hint")}
	if cause, ok := f.value("cause"); ok {
		var err error
		c.Err, err = decodeError(cause)
		f.fail("cause", err)
	}
	return c, f.end()
}

// badRequest is err as a fault of the request.
func badRequest(what string, err error) error { return fmt.Errorf("%w: %s: %w", ErrRequest, what, err) }
