package ipvm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
)

// asked tells who makes a signed request over HTTP. A refusal has the node's signed
// word.
func (o *owner) asked(container []byte, method, target string) (api.Caller, error) {
	a, err := o.guard.Ask(container, method, target)
	if err != nil {
		return api.Caller{}, o.denied(container, err)
	}
	c := api.Caller{For: a.For, Own: a.For == a.By, Guest: a.Guest, Body: a.Body}
	switch {
	case c.For == o.key.DID():
		c.For, c.Guest = "", true
	case c.Own && o.guard.Offers():
		c.Offered = true
		if !c.Guest {
			c.Guest, c.Keep = true, func(bytes int) error { return o.keep(a.For, bytes) }
		}
	}
	return c, nil
}

// keep counts bytes that a stranger sends to be kept.
func (o *owner) keep(who did.DID, bytes int) error {
	size, err := o.rooms.size(who)
	if err != nil {
		return err
	}
	return offered(o.guard.Keep(who, size, uint64(bytes)))
}

// mayVisit tells why the offer to strangers does not reach as far as g.
func (o *owner) mayVisit(who did.DID, g *graph.Graph) error {
	if err := mayRunOpen(g); err != nil {
		return err
	}
	size, err := o.rooms.size(who)
	if err != nil {
		return err
	}
	return offered(o.guard.JudgeVisit(who, g, size))
}

// visit runs an accepted workflow of a stranger.
func (o *owner) visit(ctx context.Context, who did.DID, g *graph.Graph, opts engine.Options) (*engine.Report, error) {
	size, err := o.rooms.size(who)
	if err != nil {
		return nil, err
	}
	visit, err := o.guard.Welcome(who, g, size)
	if err != nil {
		return nil, offered(err)
	}
	opts.Permit = visit
	report, err := o.Engine.Run(ctx, g, opts)
	return report, errors.Join(err, visit.End(report))
}

// offered is err as a refusal, where it is one.
func offered(err error) error {
	if errors.Is(err, authority.ErrRefused) {
		return fmt.Errorf("%w: %w", ErrDenied, err)
	}
	return err
}

// size is how many bytes there are on disk of what ran for a guest.
func (r *rooms) size(guest did.DID) (size uint64, err error) {
	err = filepath.WalkDir(filepath.Join(r.dir, guestFolder(guest)), func(_ string, e fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) { // what is removed meanwhile, too
			return nil
		}
		if err != nil || e.IsDir() {
			return err
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err == nil {
			size += uint64(info.Size())
		}
		return err
	})
	return size, err
}
