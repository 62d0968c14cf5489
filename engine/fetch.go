package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
)

// Fetcher gets blocks that this node does not have from elsewhere.
type Fetcher interface {
	// Fetch returns the block behind link, which hashes to it. The error wraps
	// [ipld.ErrHash] where no block could be told to be the right one, and is the
	// cause of ctx when that ends; any other tells why nobody gave the block.
	Fetch(ctx context.Context, link ipld.Link) ([]byte, error)
}

// Bounds of what one [Finder] fetches.
const (
	maxFetchBlocks = 1 << 14
	maxFetchBytes  = maxFile + maxFile/16 // of a file's blocks, those above its chunks included
	maxFetchTime   = 10 * time.Minute
	fetchAtOnce    = 16
)

var errFetchBounds = errors.New("too much to fetch")

// Finder reads blocks and files from a store, and gets what is missing there from
// elsewhere: at most 16,384 blocks, 272 MiB and for ten minutes in all. What came
// is kept in the store. A finder belongs to one goroutine.
type Finder struct {
	// Context ends what is in progress.
	Context context.Context
	// Block and Has are those of a store.
	Block func(ipld.Link) ([]byte, error)
	Has   func(ipld.Link) (bool, error)
	// Keep puts blocks into the store.
	Keep func([]ipld.Block) error
	// Fetcher is where else to ask; nil is nowhere.
	Fetcher Fetcher

	// lease is the worker that is not needed while others are waited for.
	lease  *lease
	blocks int
	bytes  int
	until  time.Time
	ahead  []ipld.Link // of the file that is being read, what comes next
}

// File returns the bytes of the raw block or UnixFS file behind link. See
// [ipld.ReadFile].
func (r *Finder) File(link ipld.Link) ([]byte, error) {
	defer func() { r.ahead = nil }()
	return ipld.ReadFile(link, maxFile, r.part)
}

// part is One for the next block of a file.
func (r *Finder) part(link ipld.Link) ([]byte, error) {
	if len(r.ahead) > 0 && r.ahead[0] == link {
		r.ahead = r.ahead[1:]
	}
	data, err := r.One(link)
	if err != nil || r.Fetcher == nil || link.Codec() != ipld.CodecDagPB {
		return data, err
	}
	if below, err := ipld.FileLinks(data); err == nil { // else it is no file, and who reads it tells
		r.ahead = append(below[:min(len(below), maxFetchBlocks)], r.ahead...)
		r.ahead = r.ahead[:min(len(r.ahead), maxFetchBlocks)]
	}
	return data, nil
}

// One returns one block. What the store had and can not give any more nobody
// else is asked for. An error that wraps [store.ErrNotFound] tells whom was asked
// and what each said.
func (r *Finder) One(link ipld.Link) ([]byte, error) {
	data, err := r.Block(link)
	if r.Fetcher == nil || !errors.Is(err, store.ErrNotFound) {
		return data, err
	}
	got, why, fetchErr := r.fetch(link)
	switch {
	case fetchErr != nil:
		return nil, fetchErr
	case why != nil:
		return nil, fmt.Errorf("%w; %w", err, why)
	}
	return got, nil
}

// fetch gets link and some of what comes next in its file, and keeps what came;
// why tells why nobody gave link.
func (r *Finder) fetch(link ipld.Link) (data []byte, why, err error) {
	wanted, err := r.wanted(link)
	if err != nil {
		return nil, nil, err
	}
	if r.until.IsZero() {
		r.until = time.Now().Add(maxFetchTime)
	}
	ctx, cancel := context.WithDeadlineCause(r.Context, r.until, fmt.Errorf("%w within %v", errFetchBounds, maxFetchTime))
	defer cancel()
	got := make([]ipld.Block, len(wanted))
	var all sync.WaitGroup
	for i, l := range wanted {
		all.Go(func() {
			data, err := r.Fetcher.Fetch(ctx, l)
			if err == nil {
				got[i] = ipld.Block{Link: l, Data: data}
			} else if i == 0 { // the others are not needed yet
				why = err
			}
		})
	}
	if err := r.lease.without(r.Context, all.Wait); err != nil {
		return nil, nil, err
	}
	switch {
	case r.Context.Err() != nil:
		return nil, nil, context.Cause(r.Context)
	case errors.Is(why, errFetchBounds), errors.Is(why, ipld.ErrHash):
		return nil, nil, why
	}
	data = got[0].Data
	return data, why, r.keep(got)
}

// wanted are link and as many of those that come next as are not here.
func (r *Finder) wanted(link ipld.Link) ([]ipld.Link, error) {
	if r.blocks >= maxFetchBlocks {
		return nil, fmt.Errorf("%w: more than %d blocks", errFetchBounds, maxFetchBlocks)
	}
	all := []ipld.Link{link}
	for _, l := range r.ahead {
		if len(all) == min(fetchAtOnce, maxFetchBlocks-r.blocks) {
			break
		}
		if slices.Contains(all, l) {
			continue
		}
		if here, err := r.Has(l); err != nil {
			return nil, err
		} else if !here {
			all = append(all, l)
		}
	}
	return all, nil
}

// keep puts what came into the store.
func (r *Finder) keep(got []ipld.Block) error {
	got = slices.DeleteFunc(got, func(b ipld.Block) bool { return !b.Link.Defined() })
	for _, b := range got {
		r.blocks++
		r.bytes += len(b.Data)
	}
	if r.bytes > maxFetchBytes {
		return fmt.Errorf("%w: more than %d bytes", errFetchBounds, maxFetchBytes)
	}
	if err := r.Keep(got); err != nil {
		return fmt.Errorf("keep what was fetched: %w", err)
	}
	return nil
}
