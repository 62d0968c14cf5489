package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"strconv"
	"time"

	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Bounds on what a node sends, in bytes.
const (
	maxHead     = 64 << 10
	maxJSON     = 32 << 20 // a page of jobs with 4 MiB of values
	maxProblem  = 1 << 20
	maxBlock    = 2 << 20
	maxReceipts = 64 << 20
)

// Media types that are sent and read.
const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeCBOR    = "application/vnd.ipld.dag-cbor"
	typeRaw     = "application/vnd.ipld.raw"
	typeEvents  = "text/event-stream"
)

// wish is a request.
type wish struct {
	method, path string // with the query
	kind         string // of the body
	body         []byte
	accept       string
	last         string // Last-Event-ID
	again        bool   // asking twice is as good as asking once
}

// first and most bound how long one waits before asking again where the node does
// not say.
const (
	firstPause = 100 * time.Millisecond
	mostPause  = 5 * time.Second
)

// retrier says how long to wait before asking again, and when that is of no use.
type retrier struct {
	end   time.Time
	pause time.Duration
}

func (c *Client) retrier() *retrier {
	return &retrier{end: time.Now().Add(c.patience), pause: firstPause}
}

// wait waits for as long as the node said, 0 being nothing. It returns false at
// once where that would take longer than there is time.
func (r *retrier) wait(ctx context.Context, said time.Duration) bool {
	pause := said
	if pause <= 0 {
		pause = r.pause/2 + rand.N(r.pause) // so that many do not come back at once
		r.pause = min(2*r.pause, mostPause)
	}
	until := time.Now().Add(pause)
	if end, ok := ctx.Deadline(); until.After(r.end) || ok && until.After(end) {
		return false
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// ask returns the answer to w once it is neither "later" nor, where asking twice
// does no harm, a broken connection. Its body is to be closed.
func (c *Client) ask(ctx context.Context, w wish) (*http.Response, error) {
	for r := c.retrier(); ; {
		resp, err := c.once(ctx, w)
		var p *Problem
		switch {
		case err == nil || ctx.Err() != nil:
			return resp, err
		case errors.As(err, &p):
			if p.Status != http.StatusTooManyRequests && p.Status != http.StatusServiceUnavailable || !r.wait(ctx, p.Retry) {
				return nil, err
			}
		case !w.again, errors.As(err, new(*ucan.Denied)), !r.wait(ctx, 0):
			return nil, err
		}
	}
}

// once asks w. An answer of another status than 2xx is a [*Problem].
func (c *Client) once(ctx context.Context, w wish) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, w.method, c.base.String()+w.path, bytes.NewReader(w.body))
	if err != nil {
		return nil, err
	}
	for name, value := range map[string]string{"Content-Type": w.kind, "Accept": w.accept, "Last-Event-ID": w.last} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if c.of != "" {
		query := req.URL.Query()
		query.Set("for", string(c.of))
		req.URL.RawQuery = query.Encode()
	}
	if err := c.sign(req, w.body); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, readProblem(resp)
	}
	return resp, nil
}

// sign signs a request, if the client is to. Each one is signed anew: it is good for
// one use.
func (c *Client) sign(req *http.Request, body []byte) error {
	if c.signer.Key.IsZero() || c.signer.Node == "" {
		return nil
	}
	header, err := c.signer.Sign(request.Of(req.Method, req.URL.RequestURI(), body), time.Now())
	if err != nil {
		return fmt.Errorf("sign %s %s: %w", req.Method, req.URL.Path, err)
	}
	req.Header.Set("Authorization", header)
	return nil
}

// data is the body of the answer to w, which has to be of the type that w accepts.
func (c *Client) data(ctx context.Context, w wish, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	resp, err := c.ask(ctx, w)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type")); kind != w.accept {
		return nil, fmt.Errorf("%w: it is of type %.100q, not %s", ErrAnswer, resp.Header.Get("Content-Type"), w.accept)
	}
	return readAll(resp.Body, most)
}

// readAll reads what comes within a bound.
func readAll(in io.Reader, most int64) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(in, most+1))
	if err == nil && int64(len(data)) > most {
		err = fmt.Errorf("%w: more than %d bytes", ErrAnswer, most)
	}
	return data, err
}

// tell asks w and reads the JSON of the answer into out.
func (c *Client) tell(ctx context.Context, w wish, out any) error {
	w.accept = typeJSON
	data, err := c.data(ctx, w, maxJSON)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, out); err != nil {
		return fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return nil
}

func (c *Client) get(ctx context.Context, path string, out any) error {
	return c.tell(ctx, wish{method: http.MethodGet, path: path, again: true}, out)
}

// retryAfter is what the header of that name says (RFC 9110, section 10.2.3); 0
// is nothing.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	if at, err := http.ParseTime(text); err == nil {
		return max(time.Until(at), 0)
	}
	return 0
}
