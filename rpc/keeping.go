package rpc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// This file is what both sides know of what a node keeps, and for how long.

// Pin keeps something from being collected.
type Pin struct {
	Link  ipld.Link
	What  PinKind
	Added time.Time
}

// PinKind says what a [Pin] covers.
type PinKind string

// The kinds of pin.
const (
	// PinBlocks is a block, and all that it links to: a file, or a value.
	PinBlocks PinKind = "blocks"
	// PinTask is what a task came to, and what it was called with.
	PinTask PinKind = "task"
	// PinWorkflow is a document with all that it names, and what its jobs came to.
	PinWorkflow PinKind = "workflow"
)

// ErrNotPinned reports that there is no such pin.
var ErrNotPinned = errors.New("not pinned")

// Value is p as a map.
func (p Pin) Value() ipld.Value {
	var o object
	o.link("link", p.Link)
	o.text("what", string(p.What))
	o.time("added", p.Added)
	return o.done()
}

// ParsePin reads what [Pin.Value] gave.
func ParsePin(v ipld.Value) (Pin, error) {
	f := fieldsOf(v)
	p := Pin{Link: f.link("link"), What: PinKind(f.text("what")), Added: f.time("added")}
	switch p.What {
	case PinBlocks, PinTask, PinWorkflow:
	default:
		f.fail("what", fmt.Errorf("%q is no kind of pin", p.What))
	}
	if !p.Link.Defined() {
		f.fail("link", errors.New("it is not there"))
	}
	return p, f.end()
}

func (r *request) pins() error {
	return r.each("pin", func(send func(ipld.Value) bool) error {
		return r.server.backend.Pins(r.Context(), func(p Pin) bool { return send(p.Value()) })
	})
}

// Pins calls yield with each pin.
func (c *Client) Pins(ctx context.Context, yield func(Pin) bool) error {
	return listOf(ctx, c, "/v1/pins", "pin", ParsePin, yield)
}

func (r *request) pin() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	p, err := r.server.backend.Pin(r.Context(), link)
	if err != nil {
		return err
	}
	return r.answerValue(typeCBOR, p.Value())
}

// Pin keeps what is under a link.
func (c *Client) Pin(ctx context.Context, link ipld.Link) (Pin, error) {
	data, err := c.ask(ctx, http.MethodPut, "/v1/pins/"+link.String(), nil, maxValue)
	if err != nil {
		return Pin{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return Pin{}, fmt.Errorf("%w: %w", errAnswer, err)
	}
	p, err := ParsePin(v)
	if err != nil {
		return p, fmt.Errorf("%w: pin: %w", errAnswer, err)
	}
	return p, nil
}

func (r *request) unpin() error {
	link, err := r.link("cid")
	if err != nil {
		return err
	}
	if err := r.server.backend.Unpin(r.Context(), link); err != nil {
		return err
	}
	return r.answer(http.StatusOK, typeCBOR, nil)
}

// Unpin lets it go.
func (c *Client) Unpin(ctx context.Context, link ipld.Link) error {
	_, err := c.ask(ctx, http.MethodDelete, "/v1/pins/"+link.String(), nil, 0)
	return err
}

// encodeCollection is what is asked for; tell is whether to hear of each thing.
func encodeCollection(c store.Collection) ipld.Value {
	var o object
	o.bool("bounded", c.Bounded)
	o.uint("maxBytes", c.MaxBytes)
	o.time("before", c.Before)
	o.bool("dryRun", c.DryRun)
	o.bool("tell", c.Tell != nil)
	return o.done()
}

func decodeCollection(v ipld.Value) (c store.Collection, tell bool, err error) {
	f := fieldsOf(v)
	c = store.Collection{Bounded: f.bool("bounded"), MaxBytes: f.uint("maxBytes"), Before: f.time("before"), DryRun: f.bool("dryRun")}
	tell = f.bool("tell")
	return c, tell, f.end()
}

func encodeGone(g store.Gone) ipld.Value {
	var o object
	o.text("kind", string(g.Kind))
	o.link("link", g.Link)
	o.uint("bytes", g.Bytes)
	o.time("used", g.Used)
	o.text("where", g.Where)
	return o.done()
}

func encodeCollected(s store.Collected) ipld.Value {
	var o object
	o.int("results", int64(s.Results))
	o.int("receipts", int64(s.Receipts))
	o.int("blocks", int64(s.Blocks))
	o.int("leftovers", int64(s.Leftovers))
	o.int("runs", int64(s.Runs))
	o.int("code", int64(s.Code))
	o.uint("bytes", s.Bytes)
	o.uint("before", s.Before)
	o.uint("kept", s.Kept)
	return o.done()
}

// collected is one item of the answer: something that goes, or at last the sum.
type collected struct {
	gone *store.Gone
	sum  *store.Collected
}

func decodeCollected(v ipld.Value) (c collected, err error) {
	e, _ := v.Sole()
	f := fieldsOf(e.Value)
	switch e.Key {
	case "gone":
		c.gone = &store.Gone{Kind: store.GoneKind(f.text("kind")), Link: f.link("link"), Bytes: f.uint("bytes"), Used: f.time("used").UTC(), Where: f.text("where")}
	case "sum":
		c.sum = &store.Collected{
			Results: int(f.int("results")), Receipts: int(f.int("receipts")), Blocks: int(f.int("blocks")), Leftovers: int(f.int("leftovers")),
			Runs: int(f.int("runs")), Code: int(f.int("code")),
			Bytes: f.uint("bytes"), Before: f.uint("before"), Kept: f.uint("kept"),
		}
	default:
		f.fail(e.Key, errors.New("not gone or sum"))
	}
	return c, f.end()
}

func (r *request) collect() error {
	data, err := r.read(maxHeader)
	if err != nil {
		return err
	}
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxHeader})
	if err != nil {
		return badRequest("collection", err)
	}
	c, tell, err := decodeCollection(v)
	if err != nil {
		return badRequest("collection", err)
	}
	return r.each("collected", func(send func(ipld.Value) bool) error {
		item := func(key string, v ipld.Value) bool { return send(ipld.Map(ipld.Entry{Key: key, Value: v})) }
		ctx, cancel := context.WithCancel(r.Context())
		defer cancel()
		if tell {
			c.Tell = func(g store.Gone) {
				if !item("gone", encodeGone(g)) {
					cancel() // nobody listens
				}
			}
		}
		sum, err := r.server.backend.Collect(ctx, c)
		if err != nil {
			return err
		}
		item("sum", encodeCollected(sum))
		return nil
	})
}

// Collect has the other process collect.
func (c *Client) Collect(ctx context.Context, what store.Collection) (sum store.Collected, err error) {
	body, err := ipld.AppendCBOR(nil, encodeCollection(what))
	if err != nil {
		return sum, err
	}
	resp, done, err := c.do(ctx, http.MethodPost, "/v1/collect", body)
	if err != nil {
		return sum, err
	}
	defer done()
	err = c.items(ctx, resp.Body, "collected", func(v ipld.Value) (bool, error) {
		one, err := decodeCollected(v)
		switch {
		case err != nil:
			return false, err
		case one.sum != nil:
			sum = *one.sum
		case what.Tell != nil:
			what.Tell(*one.gone)
		}
		return true, nil
	})
	return sum, err
}

func (r *request) backup() error {
	data, err := r.read(maxHeader)
	if err != nil {
		return err
	}
	v, err := ipld.DecodeCBORLimits(data, ipld.Limits{Bytes: maxHeader})
	if err != nil {
		return badRequest("backup", err)
	}
	f := fieldsOf(v)
	dir, withKey := f.text("dir"), f.bool("withKey")
	if err := f.end(); err != nil {
		return badRequest("backup", err)
	}
	if err := r.server.backend.Backup(r.Context(), dir, withKey); err != nil {
		return err
	}
	return r.answer(http.StatusOK, typeCBOR, nil)
}

// Backup has the other process copy its state directory.
func (c *Client) Backup(ctx context.Context, dir string, withKey bool) error {
	var o object
	o.text("dir", dir)
	o.bool("withKey", withKey)
	body, err := ipld.AppendCBOR(nil, o.done())
	if err != nil {
		return err
	}
	_, err = c.ask(ctx, http.MethodPost, "/v1/backup", body, 0)
	return err
}
