package api

import (
	"context"
	"crypto/sha256"
	"errors"
	"hash"
	"io"
	"net/http"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/rpc"
)

// Caller is who makes a signed request.
type Caller struct {
	// For is on whose behalf, as [Node] has it.
	For did.DID
	// Own tells that it is signed by that principal's own key, and not by one that
	// was let act for it.
	Own bool
	// Guest tells that the principal may have workflows of its own run here: only
	// for such are files kept.
	Guest bool
	// Offered tells that it may submit pure workflows that are not signed, as the
	// node offers strangers.
	Offered bool
	// Keep counts bytes that are to be kept for the principal, or says why they can
	// not be; nil counts nothing.
	Keep func(bytes int) error
	// Body is the SHA-256 that the body has to have.
	Body [sha256.Size]byte
}

type callerKey struct{}

// caller is who makes r; nil is somebody who has shown nothing.
func caller(r *http.Request) *Caller {
	c, _ := r.Context().Value(callerKey{}).(*Caller)
	return c
}

// who is on whose behalf r is.
func who(r *http.Request) did.DID {
	if c := caller(r); c != nil {
		return c.For
	}
	return engine.Anyone
}

// identified is r with who makes it, where it is signed.
func (h *Handler) identified(r *http.Request) (*http.Request, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) == 0 {
		return r, nil
	}
	container, err := request.Container(headers[0])
	switch {
	case len(headers) > 1:
		return r, problemf(BadRequest, "there are %d Authorization headers", len(headers))
	case err != nil:
		return r, problemf(BadRequest, "%v", err)
	case h.Judge == nil:
		return r, problemf(Denied, "signed requests are not taken here")
	}
	c, err := h.Judge(container, r.Method, r.RequestURI)
	if err != nil {
		p := problemOf(err)
		if p.Kind == Denied {
			p.Hint = "sign this request, for this node, and show the delegations that it takes"
		}
		return r, p
	}
	if err := c.turn(r.URL.Query()["for"]); err != nil {
		return r, err
	}
	in := &held{ReadCloser: r.Body, hash: sha256.New(), want: c.Body}
	if r.ContentLength == 0 {
		if err := in.check(); err != nil {
			return r, err
		}
	}
	r = r.WithContext(context.WithValue(r.Context(), callerKey{}, &c))
	r.Body = in
	return r, nil
}

// turn lets who acts for the node's owner look at what is another's: that of a DID,
// or of those who have shown nothing.
func (c *Caller) turn(to []string) error {
	switch {
	case len(to) == 0:
		return nil
	case len(to) > 1:
		return problemf(BadRequest, "the parameter for is there %d times", len(to))
	case c.For != "":
		return problemf(Denied, "what is another's is for the node's owner to see")
	case to[0] == string(engine.Anyone):
		c.For = engine.Anyone
		return nil
	}
	id, err := did.Parse(to[0])
	if err != nil {
		return problemf(BadRequest, "for: %s", shorten(err.Error())).hint("it is a DID, or " + string(engine.Anyone))
	}
	c.For = id
	return nil
}

// held is a body that ends well only if it is the one that was signed. Nothing is
// done by a body before its end.
type held struct {
	io.ReadCloser
	hash hash.Hash
	want [sha256.Size]byte
}

// Read reads on.
func (b *held) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.hash.Write(p[:n])
	if err == io.EOF {
		if wrong := b.check(); wrong != nil {
			return 0, wrong
		}
	}
	return n, err
}

func (b *held) check() error {
	if got := b.hash.Sum(nil); string(got) != string(b.want[:]) {
		return problemf(Denied, "the body is not the one that was signed")
	}
	return nil
}

// keeps tells why nothing is kept for who makes r; nil is that it is.
func keeps(r *http.Request) error {
	if c := caller(r); c != nil && !c.Guest {
		return problemf(Denied, "this node keeps nothing for %s", c.For).
			hint("show a delegation of /ipvm/run from the node's owner with the request")
	}
	return nil
}

// tally counts what is sent to be kept for who makes r.
func tally(r *http.Request, bytes int) error {
	c := caller(r)
	if c == nil || c.Keep == nil {
		return nil
	}
	err := c.Keep(bytes)
	if errors.Is(err, rpc.ErrDenied) {
		return problemf(Denied, "%v", err).hint("who has a delegation from the node's owner is no stranger")
	}
	return err
}

// put stores blocks for who makes r. What it can read already is not counted.
func (h *Handler) put(r *http.Request, blocks []ipld.Block) error {
	fresh := 0
	if c := caller(r); c != nil && c.Keep != nil {
		for _, b := range blocks {
			if _, err := h.Node.Block(r.Context(), c.For, b.Link); err != nil {
				fresh += len(b.Data)
			}
		}
	}
	if err := tally(r, fresh); err != nil {
		return err
	}
	return h.Node.PutBlocks(r.Context(), who(r), blocks)
}

// submitter tells why who makes r may not submit a workflow that is not signed; nil
// is that it may.
func submitter(r *http.Request) error {
	switch c := caller(r); {
	case c == nil, c.For == "" && c.Own, c.Offered:
		return nil
	case c.For == "":
		return problemf(Denied, "only the node's own key submits in its name").hint("sign the workflow (`ipvm sign`)")
	default:
		return problemf(Denied, "%s has not signed the workflow", c.For).hint("sign it (`ipvm sign`) by a delegation of /ipvm/run from the node's owner")
	}
}
