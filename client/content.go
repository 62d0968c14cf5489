package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Bounds on what is sent and put together, in bytes.
const (
	// MaxFile bounds a file.
	MaxFile = 256 << 20
	// atOnce is how large a file is sent as one body.
	atOnce = 64 << 20
)

// Block returns the block behind a link, which it is. The error wraps [NotFound]
// if the node has none for this client.
func (c *Client) Block(ctx context.Context, link ipld.Link) ([]byte, error) {
	data, err := c.data(ctx, wish{method: http.MethodGet, path: "/ipfs/" + link.String() + "?format=raw", accept: typeRaw, again: true}, maxBlock)
	if err != nil {
		return nil, err
	}
	if err := link.Verify(data); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return data, nil
}

// File returns the bytes of the raw block or UnixFS file behind a link.
func (c *Client) File(ctx context.Context, link ipld.Link) ([]byte, error) {
	return ipld.ReadFile(link, MaxFile, func(l ipld.Link) ([]byte, error) { return c.Block(ctx, l) })
}

// PutBlock stores a block at the node, durably.
func (c *Client) PutBlock(ctx context.Context, b ipld.Block) error {
	if err := b.Link.Verify(b.Data); err != nil {
		return err
	}
	return c.stored(ctx, wish{method: http.MethodPut, path: "/ipfs/" + b.Link.String(), kind: typeRaw, body: b.Data}, b.Link)
}

// Upload stores a file at the node, durably, as `ipfs add --cid-version=1` would,
// and returns its CID. One that is there already is not sent again if it is one
// block.
func (c *Client) Upload(ctx context.Context, data []byte) (ipld.Link, error) {
	if len(data) > MaxFile {
		return ipld.Link{}, fmt.Errorf("a file of %d bytes, at most %d can be sent", len(data), MaxFile)
	}
	link := ipld.FileLink(data)
	if link.Codec() == ipld.CodecRaw {
		if has, err := c.Has(ctx, link); has || err != nil {
			return link, err
		}
	}
	if len(data) <= atOnce {
		return link, c.stored(ctx, wish{method: http.MethodPost, path: "/ipfs", kind: "application/octet-stream", body: data}, link)
	}
	return ipld.ImportFile(data, func(b ipld.Block) error { return c.PutBlock(ctx, b) })
}

// Has tells whether the node has a block for this client.
func (c *Client) Has(ctx context.Context, link ipld.Link) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	resp, err := c.ask(ctx, wish{method: http.MethodHead, path: "/ipfs/" + link.String() + "?format=raw", again: true})
	var p *Problem
	if errors.As(err, &p) && p.Status == http.StatusNotFound {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return true, resp.Body.Close()
}

// stored sends content, and makes sure that the node has stored that.
func (c *Client) stored(ctx context.Context, w wish, link ipld.Link) error {
	w.again = true
	var said struct {
		CID string `json:"cid"`
	}
	if err := c.tell(ctx, w, &said); err != nil {
		return err
	}
	if said.CID != link.String() {
		return fmt.Errorf("%w: it has stored %.100q, not %s", ErrAnswer, said.CID, link)
	}
	return nil
}

// Receipts returns all evidence about a task that the node has for this client,
// which may be none. Each receipt is about that task and signed by its executor;
// whose word counts is for the caller to say.
func (c *Client) Receipts(ctx context.Context, id task.ID) ([]*receipt.Signed, error) {
	data, err := c.data(ctx, wish{method: http.MethodGet, path: "/v1/receipts/" + id.String(), accept: typeCBOR, again: true}, maxReceipts)
	if errors.Is(err, NotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil || v.Kind() != ipld.KindList {
		return nil, fmt.Errorf("%w: it is no list of receipts: %w", ErrAnswer, cmpOr(err, errors.New(v.Kind().String())))
	}
	all := make([]*receipt.Signed, 0, v.Len())
	for _, token := range v.Elems() {
		r, err := verified(token, id)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrAnswer, err)
		}
		all = append(all, r)
	}
	return all, nil
}

// verified is the receipt in a token, which has to be about the task.
func verified(token ipld.Value, id task.ID) (*receipt.Signed, error) {
	data, err := ipld.AppendCBOR(nil, token)
	if err != nil {
		return nil, err
	}
	r, err := receipt.Parse(data)
	if err != nil {
		return nil, err
	}
	if r.Task != id {
		return nil, fmt.Errorf("the receipt %s is about task %s, not %s", r.Link(), r.Task, id)
	}
	return r, r.Verify()
}

// Outcome returns what a job came to by its receipt, and who signed that. The
// error wraps [NotFound] if the node has the receipt not for this client, as it has
// not of secrets.
func (c *Client) Outcome(ctx context.Context, j *Job) (task.Outcome, *receipt.Signed, error) {
	if !j.Receipt.Defined() {
		return task.Outcome{}, nil, fmt.Errorf("%w: job %q has no receipt", NotFound, j.Label)
	}
	all, err := c.Receipts(ctx, j.Task)
	if err != nil {
		return task.Outcome{}, nil, err
	}
	for _, r := range all {
		if r.Link() == j.Receipt {
			out, err := r.Unbox(func(l ipld.Link) ([]byte, error) { return c.Block(ctx, l) })
			return out, r, err
		}
	}
	return task.Outcome{}, nil, fmt.Errorf("%w: the receipt %s", NotFound, j.Receipt)
}
