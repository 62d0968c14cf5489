package rpc

import (
	"context"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Sizes is how much a node keeps, in bytes, by part.
type Sizes struct {
	Store   uint64 // of the owner, in the store
	Runs    uint64 // about: of what the store knows of the owner's runs
	Secrets uint64 // of the owner
	Guests  uint64 // what others had run, with what is known of that, and their secrets
	Sent    uint64 // what others sent
	Code    uint64 // compiled code
	Rooms   int    // in which there is what others had run
	Damaged int    // more rooms, which can not be read: they are in no number above
}

// Others is how much is kept for others than the owner.
func (s Sizes) Others() uint64 { return s.Guests + s.Sent }

func (r *request) sizes() error {
	s, err := r.server.backend.Sizes(r.Context())
	if err != nil {
		return err
	}
	var o object
	o.uint("store", s.Store)
	o.uint("runs", s.Runs)
	o.uint("secrets", s.Secrets)
	o.uint("guests", s.Guests)
	o.uint("sent", s.Sent)
	o.uint("code", s.Code)
	o.int("rooms", int64(s.Rooms))
	o.int("damaged", int64(s.Damaged))
	return r.answerValue(typeCBOR, o.done())
}

// Sizes tells how much the other process keeps.
func (c *Client) Sizes(ctx context.Context) (s Sizes, err error) {
	data, err := c.fetch(ctx, "/v1/sizes", maxValue)
	if err != nil {
		return s, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return s, fmt.Errorf("%w: sizes: %w", errAnswer, err)
	}
	f := fieldsOf(v)
	s = Sizes{
		Store: f.uint("store"), Runs: f.uint("runs"), Secrets: f.uint("secrets"), Guests: f.uint("guests"), Sent: f.uint("sent"),
		Code: f.uint("code"), Rooms: int(f.int("rooms")), Damaged: int(f.int("damaged")),
	}
	if err := f.end(); err != nil {
		return Sizes{}, fmt.Errorf("%w: sizes: %w", errAnswer, err)
	}
	return s, nil
}
