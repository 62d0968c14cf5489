package rpc

import (
	"context"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Room is the room that a node has.
type Room struct {
	// Free is how much its disk has left, in bytes, where that is known.
	Free  uint64
	Known bool
	// Refused is why it takes no new work; empty while it does.
	Refused string
}

func (r *request) room() error {
	room, err := r.server.backend.Room(r.Context())
	if err != nil {
		return err
	}
	var o object
	o.uint("free", room.Free)
	o.bool("known", room.Known)
	o.text("refused", room.Refused)
	return r.answerValue(typeCBOR, o.done())
}

// Room tells what room the other process has.
func (c *Client) Room(ctx context.Context) (Room, error) {
	data, err := c.fetch(ctx, "/v1/room", maxValue)
	if err != nil {
		return Room{}, err
	}
	v, err := ipld.DecodeCBOR(data)
	if err != nil {
		return Room{}, fmt.Errorf("%w: room: %w", errAnswer, err)
	}
	f := fieldsOf(v)
	room := Room{Free: f.uint("free"), Known: f.bool("known"), Refused: f.text("refused")}
	if err := f.end(); err != nil {
		return Room{}, fmt.Errorf("%w: room: %w", errAnswer, err)
	}
	return room, nil
}
