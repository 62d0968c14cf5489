package gateway

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// MaxBlock bounds a block that is fetched, in bytes: the most that peers of IPFS
// send each other.
const MaxBlock = 2 << 20

// MaxSources bounds how many may be asked for one block.
const MaxSources = 16

// ErrClosed reports use of a client after Close.
var ErrClosed = errors.New("the client of gateways is closed")

// Config names whom to ask. The zero value is nobody.
type Config struct {
	// Gateways are the base URLs of trustless gateways, such as
	// "https://example.com".
	Gateways []string
	// Kubo is the base URL of the RPC service of a kubo node, such as
	// "http://127.0.0.1:5001"; empty is none. It is asked before the gateways.
	Kubo string
}

// settings are what tests turn down.
type settings struct {
	request  time.Duration // for one request, from the connection to the last byte
	patience time.Duration // for one source, before the next one is asked as well
	absent   time.Duration // for which it is known that nobody gave a block
	failing  time.Duration // for which a source that failed is asked last
	parallel int           // requests in progress at once
}

func defaults() settings {
	return settings{request: 30 * time.Second, patience: time.Second, absent: 5 * time.Second, failing: 30 * time.Second, parallel: 16}
}

// maxAbsent bounds the blocks that are known to be nowhere.
const maxAbsent = 4096

// Client gets blocks from those whom its configuration names. Its methods may be
// called by many goroutines.
type Client struct {
	settings
	sources []*source
	hosts   map[string]bool // host:port of the sources
	http    *http.Client
	slots   chan struct{} // one for each request in progress
	life    context.Context
	end     context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	flights map[ipld.Link]*flight
	absent  map[ipld.Link]absence
}

// flight is one search for a block, for all who ask for it meanwhile.
type flight struct {
	done    chan struct{} // closed when data and err hold
	data    []byte
	err     error
	waiters int
	cancel  context.CancelFunc
}

// absence is that nobody gave a block, and until when that counts.
type absence struct {
	err   error
	until time.Time
}

// New returns a client of those whom c names. Close it.
func New(c Config) (*Client, error) { return newClient(c, defaults(), nil) }

// newClient is New with other settings, and trust in other certificates than
// those of the system, unless roots is nil.
func newClient(c Config, set settings, roots *http.Transport) (*Client, error) {
	client := &Client{
		settings: set, hosts: make(map[string]bool), slots: make(chan struct{}, set.parallel),
		flights: make(map[ipld.Link]*flight), absent: make(map[ipld.Link]absence),
	}
	if err := client.configure(c); err != nil {
		return nil, err
	}
	client.http = client.newHTTP(roots)
	client.life, client.end = context.WithCancel(context.Background())
	return client, nil
}

func (c *Client) configure(config Config) error {
	if config.Kubo != "" {
		if err := c.add(config.Kubo, true); err != nil {
			return err
		}
	}
	for _, base := range config.Gateways {
		if err := c.add(base, false); err != nil {
			return err
		}
	}
	if len(c.sources) > MaxSources {
		return fmt.Errorf("%d sources of blocks are too many: at most %d", len(c.sources), MaxSources)
	}
	return nil
}

func (c *Client) add(base string, kubo bool) error {
	u, err := ParseURL(base)
	if err != nil {
		return err
	}
	c.sources = append(c.sources, &source{base: u, kubo: kubo})
	c.hosts[hostPort(u)] = true
	return nil
}

// Close breaks off what is in progress and returns when all is stopped.
func (c *Client) Close() error {
	c.mu.Lock()
	c.end()
	c.mu.Unlock()
	c.running.Wait()
	c.http.CloseIdleConnections()
	return nil
}

// Fetch returns the block behind link, which hashes to it. It may be shared
// with others who asked: it must not be changed.
//
// The error wraps [ipld.ErrHash] where link has a hash by which no block can be
// told to be the right one; then nobody is asked. It is a [*NotFoundError] where
// nobody gave the block, and the cause of ctx when that ends first.
func (c *Client) Fetch(ctx context.Context, link ipld.Link) ([]byte, error) {
	if data, ok := link.Inline(); ok {
		return data, nil
	}
	if err := link.Verify(nil); err == nil || !errors.Is(err, ipld.ErrMismatch) {
		return nil, err // the block is empty, or none can be told to be it
	}
	f, err := c.join(link)
	if err != nil {
		return nil, err
	}
	select {
	case <-f.done:
		return f.data, f.err
	case <-ctx.Done():
		c.leave(link, f)
		return nil, context.Cause(ctx)
	}
}

// join is the flight for link, which it begins unless there is one.
func (c *Client) join(link ipld.Link) (*flight, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.life.Err() != nil {
		return nil, ErrClosed
	}
	if a, ok := c.absent[link]; ok && time.Now().Before(a.until) {
		return nil, a.err
	}
	f := c.flights[link]
	if f == nil {
		ctx, cancel := context.WithCancel(c.life)
		f = &flight{done: make(chan struct{}), cancel: cancel}
		c.flights[link] = f
		c.running.Go(func() { c.fly(ctx, link, f) })
	}
	f.waiters++
	return f, nil
}

// leave ends the flight for which nobody waits any more.
func (c *Client) leave(link ipld.Link, f *flight) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if f.waiters--; f.waiters == 0 {
		f.cancel()
		if c.flights[link] == f { // whoever asks from now on wants a flight of its own
			delete(c.flights, link)
		}
	}
}

func (c *Client) fly(ctx context.Context, link ipld.Link, f *flight) {
	defer f.cancel()
	data, err := c.search(ctx, link)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil && ctx.Err() != nil { // whoever still waits had Close called on them
		err = ErrClosed
	} else if err != nil {
		c.forget()
		c.absent[link] = absence{err, time.Now().Add(c.settings.absent)}
	}
	if c.flights[link] == f {
		delete(c.flights, link)
	}
	f.data, f.err = data, err
	close(f.done)
}

// forget makes room for one more absence. The caller holds mu.
func (c *Client) forget() {
	if len(c.absent) < maxAbsent {
		return
	}
	now := time.Now()
	for link, a := range c.absent {
		if now.After(a.until) {
			delete(c.absent, link)
		}
	}
	if len(c.absent) >= maxAbsent {
		clear(c.absent)
	}
}

// answer is what one source said.
type answer struct {
	from int // its place among those asked
	data []byte
	err  error
}

// search asks one source after the other, and does not wait long for one before
// it asks the next as well. The first block that is right counts.
func (c *Client) search(ctx context.Context, link ipld.Link) ([]byte, error) {
	ctx, cancel := context.WithCancel(ctx)
	asked := c.inOrder()
	answers := make(chan answer, len(asked))
	said := make([]Answer, len(asked))
	begun, open := 0, 0
	ask := func() {
		if i := begun; i < len(asked) {
			begun, open = begun+1, open+1
			go func() {
				data, err := c.ask(ctx, asked[i], link)
				answers <- answer{i, data, err}
			}()
		}
	}
	defer func() {
		cancel()
		for ; open > 0; open-- {
			<-answers
		}
	}()
	patience := time.NewTicker(c.patience)
	defer patience.Stop()
	for ask(); open > 0; {
		select {
		case a := <-answers:
			open--
			if a.err == nil {
				overtaken(asked[:a.from], said)
				return a.data, nil
			}
			said[a.from] = Answer{asked[a.from].String(), a.err}
			ask()
			patience.Reset(c.patience)
		case <-patience.C:
			ask()
		}
	}
	return nil, &NotFoundError{Link: link, Answers: said}
}

// overtaken notes that sources that have said nothing yet are slow.
func overtaken(earlier []*source, said []Answer) {
	for i, s := range earlier {
		if said[i].Err == nil {
			s.failed.Store(time.Now().UnixNano())
		}
	}
}

// inOrder are the sources in the order in which they are asked: as they were
// configured, those that failed or were slow lately last.
func (c *Client) inOrder() []*source {
	since := time.Now().Add(-c.failing).UnixNano()
	late := func(s *source) int {
		if s.failed.Load() > since {
			return 1
		}
		return 0
	}
	rank := make(map[*source]int, len(c.sources))
	for _, s := range c.sources {
		rank[s] = late(s)
	}
	all := slices.Clone(c.sources)
	slices.SortStableFunc(all, func(a, b *source) int { return cmp.Compare(rank[a], rank[b]) })
	return all
}

// ask asks one source when its turn comes.
func (c *Client) ask(ctx context.Context, s *source, link ipld.Link) ([]byte, error) {
	select {
	case c.slots <- struct{}{}:
		defer func() { <-c.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	own, cancel := context.WithTimeoutCause(ctx, c.request, errSlow)
	defer cancel()
	data, err := s.get(own, c.http, link)
	if err != nil {
		if errors.Is(context.Cause(own), errSlow) {
			err = fmt.Errorf("%w within %v", errSlow, c.request)
		}
		if ctx.Err() == nil && !errors.Is(err, errNone) {
			s.failed.Store(time.Now().UnixNano())
		}
	}
	return data, err
}

// NotFoundError reports a block that nobody gave who was asked.
type NotFoundError struct {
	Link ipld.Link
	// Answers are what each said.
	Answers []Answer
}

// Answer is why one who was asked gave no block.
type Answer struct {
	Source string
	Err    error
}

func (e *NotFoundError) Error() string {
	var b strings.Builder
	b.WriteString("asked for elsewhere in vain")
	for i, a := range e.Answers {
		sep := "; "
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s: %v", sep, a.Source, a.Err)
	}
	return b.String()
}
