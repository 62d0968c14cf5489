package api

import (
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// query are the parameters of r, each of which must be known and there once.
func query(r *http.Request, known ...string) (map[string]string, error) {
	values, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return nil, problemf(BadRequest, "the query: %s", shorten(err.Error()))
	}
	out := make(map[string]string, len(values))
	for name, all := range values {
		if name == "for" && caller(r) != nil {
			continue // on whose behalf, which is known by now
		}
		if !slices.Contains(known, name) {
			p := problemf(BadRequest, "the query has a parameter %q that does not exist", shorten(name))
			if len(known) > 0 {
				p.hint("those that do: " + strings.Join(known, ", "))
			}
			return nil, p
		}
		if len(all) > 1 {
			return nil, problemf(BadRequest, "the parameter %s is there %d times", name, len(all))
		}
		out[name] = all[0]
	}
	return out, nil
}

// number reads a parameter that is a whole number from 1 to most.
func number(params map[string]string, name string, usual, most int) (int, error) {
	text, ok := params[name]
	if !ok {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most || text[0] == '+' {
		return 0, problemf(BadRequest, "%s is %q, not a whole number from 1 to %d", name, shorten(text), most)
	}
	return n, nil
}

// flag reads a parameter that is there or not.
func flag(params map[string]string, name string) (bool, error) {
	text, ok := params[name]
	if ok && text != "" && text != "true" {
		return false, problemf(BadRequest, "%s is %q", name, shorten(text)).hint("it is there, without a value, or it is not there")
	}
	return ok, nil
}

// link reads a CID in the path.
func link(r *http.Request, name string) (ipld.Link, error) {
	l, err := ipld.ParseLink(r.PathValue(name))
	if err != nil {
		return l, problemf(BadRequest, "%s in the path: %s", name, shorten(err.Error()))
	}
	return l, nil
}

// errBudget reports that all bodies together have become too large.
var errBudget = errors.New("too much is being sent to the node at once")

// budget is room in memory that bodies share.
type budget struct{ left atomic.Int64 }

func newBudget(bytes int64) *budget {
	b := new(budget)
	b.left.Store(bytes)
	return b
}

// body is the body of a request as it arrives. It takes room as it grows.
type body struct {
	io.Reader
	room  *budget
	taken int64
}

// body bounds how large the body of r is and how long it takes. Close it.
func (h *Handler) body(w http.ResponseWriter, r *http.Request, most int64) *body {
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(h.Body)) // a test's recorder has none
	return &body{Reader: http.MaxBytesReader(w, r.Body, most), room: h.bodies}
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	b.taken += int64(n)
	if b.room.left.Add(-int64(n)) < 0 {
		return 0, errBudget
	}
	return n, err
}

// release gives back the room for what was read so far.
func (b *body) release() {
	b.room.left.Add(b.taken)
	b.taken = 0
}

// read is all of the body of r; done gives back its room.
func (h *Handler) read(w http.ResponseWriter, r *http.Request, most int64) (data []byte, done func(), err error) {
	b := h.body(w, r, most)
	data, err = io.ReadAll(b)
	if err != nil {
		b.release()
		return nil, nil, bodyProblem(err)
	}
	h.arrived(w)
	return data, b.release, nil
}

// arrived ends the time that the body had. What comes later is another request.
func (h *Handler) arrived(w http.ResponseWriter) {
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
}

// bodyProblem is why a body could not be read.
func bodyProblem(err error) error {
	switch {
	case errors.Is(err, errBudget):
		return problemf(Busy, "%v", err).retry(busyRetry)
	case errors.Is(err, io.ErrUnexpectedEOF):
		return problemf(BadRequest, "the body ends too early")
	}
	return err
}

// mediaType is the type of the body of r, in lower case and without parameters;
// empty where the client does not say.
func mediaType(r *http.Request) (string, error) {
	text := r.Header.Get("Content-Type")
	if text == "" {
		return "", nil
	}
	kind, _, err := mime.ParseMediaType(text)
	if err != nil {
		return "", problemf(BadRequest, "Content-Type: %s", shorten(err.Error()))
	}
	return kind, nil
}
