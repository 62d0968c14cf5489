package ipvm

import (
	"context"
	"path/filepath"

	"github.com/ipvm-wg/go-ipvm/rpc"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// Sizes measures how much is kept.
func (o *owner) Sizes(ctx context.Context) (s rpc.Sizes, err error) {
	own, err := o.own()
	if err != nil {
		return s, err
	}
	for _, p := range own {
		n, err := p.held(ctx)
		switch {
		case p.name == StoreDir:
			s.Store = n
		case err != nil && o.rooms.left(p.name, err):
			err, s.Damaged = nil, s.Damaged+1
		default:
			s.Secrets = n
		}
		if err != nil {
			return s, err
		}
	}
	others, err := o.others()
	if err != nil {
		return s, err
	}
	for _, p := range others {
		n, err := p.held(ctx)
		switch {
		case p.name == StoreDir:
			s.Sent += n
		case p.name == recordsName:
			s.Guests += n
		case err != nil && o.rooms.left(p.name, err):
			err, s.Damaged = nil, s.Damaged+1
		default:
			s.Guests, s.Rooms = s.Guests+n, s.Rooms+1
		}
		if err != nil {
			return s, err
		}
	}
	if s.Runs, err = o.runs.Bytes(); err != nil {
		return s, err
	}
	_, s.Code, err = wasm.TrimCode(filepath.Join(o.rooms.dir, CacheDir), wasm.Trim{})
	return s, err
}

// Sizes has the owner measure.
func (s steady) Sizes(ctx context.Context) (rpc.Sizes, error) {
	return again(ctx, s.node, func(b rpc.Backend) (rpc.Sizes, error) { return b.Sizes(ctx) })
}

// Room tells what the disk has left, and whether new work is taken.
func (o *owner) Room(context.Context) (room rpc.Room, err error) {
	room.Free, room.Known = o.store.Free()
	if why := o.healthy(); why != nil {
		room.Refused = why.Error()
	}
	return room, nil
}

// Room has the owner look.
func (s steady) Room(ctx context.Context) (rpc.Room, error) {
	return again(ctx, s.node, func(b rpc.Backend) (rpc.Room, error) { return b.Room(ctx) })
}
