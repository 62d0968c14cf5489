package ipvm

import (
	"context"
	"errors"
	"fmt"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/gateway"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// gateway is a client of those whom o names; nil where that is nobody.
func (o Options) gateway() (*gateway.Client, error) {
	if len(o.Gateways) == 0 && o.Kubo == "" {
		return nil, nil
	}
	return gateway.New(gateway.Config{Gateways: o.Gateways, Kubo: o.Kubo})
}

// fetcher is c as an interface, and nil is nobody.
func fetcher(c *gateway.Client) engine.Fetcher {
	if c == nil {
		return nil
	}
	return c
}

// client is whom this process asks for what is not in the store: the owner's own
// client, or for a guest one that is made when it is first needed.
func (n *Node) client() (*gateway.Client, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if own, ok := n.backend.(*owner); ok {
		return own.gateway, nil
	}
	if n.close == nil {
		return nil, engine.ErrClosed
	}
	var err error
	if n.gateway == nil {
		n.gateway, err = n.options.gateway()
	}
	return n.gateway, err
}

// finder reads what is in the store, and fetches what is not.
func (n *Node) finder(ctx context.Context) (*engine.Finder, error) {
	client, err := n.client()
	if err != nil {
		return nil, err
	}
	backend := n.Backend()
	block := func(l ipld.Link) ([]byte, error) { return backend.Block(ctx, l) }
	return &engine.Finder{
		Context: ctx, Block: block, Fetcher: fetcher(client),
		Has: func(l ipld.Link) (bool, error) {
			_, err := block(l)
			if errors.Is(err, store.ErrNotFound) {
				return false, nil
			}
			return err == nil, err
		},
		Keep: func(blocks []ipld.Block) error { return backend.PutBlocks(ctx, blocks) },
	}, nil
}

// FetchFile is [Node.File] that fetches what is not in the store from those whom
// [Options] name, and keeps it.
func (n *Node) FetchFile(ctx context.Context, link ipld.Link) ([]byte, error) {
	r, err := n.finder(ctx)
	if err != nil {
		return nil, err
	}
	return r.File(link)
}

// FetchBlock returns the one block behind link, and fetches it likewise.
func (n *Node) FetchBlock(ctx context.Context, link ipld.Link) ([]byte, error) {
	r, err := n.finder(ctx)
	if err != nil {
		return nil, err
	}
	return r.One(link)
}

// PutBlock stores one block, durably.
func (n *Node) PutBlock(ctx context.Context, b ipld.Block) error {
	return n.Backend().PutBlocks(ctx, []ipld.Block{b})
}

// Directory returns the entries of the directory of files behind link, and fetches
// its blocks likewise.
func (n *Node) Directory(ctx context.Context, link ipld.Link) ([]ipld.DirEntry, error) {
	r, err := n.finder(ctx)
	if err != nil {
		return nil, err
	}
	return ipld.ReadDirectory(link, r.One)
}

// Resolve returns the link at path in the directory of files behind root, likewise.
func (n *Node) Resolve(ctx context.Context, root ipld.Link, path string) (ipld.Link, error) {
	r, err := n.finder(ctx)
	if err != nil {
		return ipld.Link{}, err
	}
	return ipld.Resolve(root, path, r.One)
}

// within is [Node.Resolve] for one document.
func (n *Node) within(ctx context.Context) func(ipld.Link, string) (ipld.Link, error) {
	var r *engine.Finder
	return func(root ipld.Link, path string) (ipld.Link, error) {
		if r == nil {
			var err error
			if r, err = n.finder(ctx); err != nil {
				return ipld.Link{}, err
			}
		}
		return ipld.Resolve(root, path, r.One)
	}
}

// MismatchError reports a file that is not what it was expected to be.
type MismatchError struct {
	From      string
	Want, Got ipld.Link
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("what %s gives is not %s: as a file its CID is %s", e.From, e.Want, e.Got)
}

// Download stores what is at an http or https URL if link is its CID: that of the
// file, as [Node.Import] lays it out, or of one block. Else the error is a
// [*MismatchError], and nothing is stored.
func (n *Node) Download(ctx context.Context, url string, link ipld.Link) error {
	data, err := gateway.Download(ctx, url, MaxImport)
	if err != nil {
		return err
	}
	var blocks []ipld.Block
	got, err := ipld.ImportFile(data, func(b ipld.Block) error {
		blocks = append(blocks, b)
		return nil
	})
	switch {
	case err != nil:
		return err
	case link.Verify(data) == nil && len(data) <= gateway.MaxBlock:
		blocks = []ipld.Block{{Link: link, Data: data}}
	case got != link:
		return &MismatchError{From: url, Want: link, Got: got}
	}
	return n.Backend().PutBlocks(ctx, blocks)
}
