package client

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/request"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// Revision is what this client knows of the API; see [About].
const Revision = 1

// needs is the oldest revision of the API with which this client works.
const needs = 1

var (
	// ErrNoNode reports an address at which something answers that is no ipvm.
	ErrNoNode = errors.New("no ipvm node answers there")
	// ErrVersion reports a node that is too old or too new for this client.
	ErrVersion = errors.New("the node speaks another version of the API")
	// ErrAnswer reports an answer that no node gives, or that does not hold: a
	// block that is not what its CID says, or a receipt that is not signed.
	ErrAnswer = errors.New("the node's answer does not hold")
)

// Bounds where [Options] name none.
const (
	// DefaultPatience is how long a call goes on asking.
	DefaultPatience = 30 * time.Second
	// answerTime bounds one exchange that is no stream: a node may have to compile
	// a module before it answers.
	answerTime = 5 * time.Minute
	// silence is how long a stream of events may say nothing; a node shows every
	// 15 seconds that it is there.
	silence = time.Minute
)

// Options say how a node is used. The zero value works.
type Options struct {
	// Node is whose node has to answer; empty is anyone's.
	Node did.DID
	// Key signs the requests; the zero key leaves them as they are, from nobody in
	// particular.
	Key did.PrivateKey
	// For is on whose behalf they are; empty is the key's own. For another the
	// proofs have to let the key do so: [request.ReadCommand] and
	// [request.ChangeCommand] on it.
	For did.DID
	// Proofs are delegations of which those that are needed go with each request:
	// those for For, and those that let who asks have workflows run at the node.
	Proofs []*ucan.SignedDelegation
	// Patience is how long one call goes on asking a node that is busy, stops or
	// can not be reached any more; 0 is [DefaultPatience], and below 0 is not at
	// all. The end of a call's context comes first.
	Patience time.Duration
	// Transport carries the requests; nil is one of its own.
	Transport http.RoundTripper
}

// Client is a node elsewhere. Its methods may be called by many goroutines.
//
// A call that the node did not answer as it should have returns a [*Problem], or
// an error that wraps [ErrAnswer] or is that of the network. What is asked again
// by itself is what may be: questions, blocks and submissions, all of which are
// known by their content.
type Client struct {
	base     *url.URL
	http     *http.Client
	patience time.Duration
	silence  time.Duration
	about    About
	signer   request.Signer // with the zero key, nothing is signed
	of       did.DID        // whose things the node's owner looks at; empty is its own
}

// Open returns the node at a URL such as http://127.0.0.1:1337 once it has said
// that it is one with which this client works. Close it.
func Open(ctx context.Context, base string, o Options) (*Client, error) {
	u, err := parseURL(base)
	if err != nil {
		return nil, err
	}
	c := &Client{base: u, patience: o.Patience, silence: silence}
	if c.patience == 0 {
		c.patience = DefaultPatience
	}
	if o.Transport == nil {
		t := http.DefaultTransport.(*http.Transport).Clone()
		t.DisableCompression = true // what is sent is bounded as it comes
		t.MaxResponseHeaderBytes = maxHead
		t.ResponseHeaderTimeout = answerTime
		o.Transport = t
	}
	c.http = &http.Client{
		Transport:     o.Transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, // a node redirects nobody
	}
	if c.about, err = c.greet(ctx, o.Node); err != nil {
		c.Close()
		return nil, err
	}
	c.signer = request.Signer{Key: o.Key, Node: c.about.DID, For: o.For, Proofs: o.Proofs}
	return c, nil
}

// CheckURL tells whether a node can be at a URL; empty is nowhere, and well.
func CheckURL(base string) error {
	if base == "" {
		return nil
	}
	_, err := parseURL(base)
	return err
}

func parseURL(base string) (*url.URL, error) {
	u, err := url.Parse(base)
	switch {
	case err != nil:
	case u.Scheme != "http" && u.Scheme != "https", u.Host == "":
		err = errors.New("it does not begin with http:// or https://")
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/":
		err = errors.New("there is more in it than a host and a port")
	}
	if err != nil {
		return nil, fmt.Errorf("%.200q is not where a node is, such as http://127.0.0.1:1337: %w", base, err)
	}
	return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
}

// Close gives back the connections that are not in use.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Of is the same node for what is another's, "anyone" being those who have shown
// nothing: only the node's owner sees it.
func (c *Client) Of(whose did.DID) *Client {
	other := *c
	other.of = whose
	return &other
}

// URL is where the node is.
func (c *Client) URL() string { return c.base.String() }

// Node is what the node said of itself when the client was opened.
func (c *Client) Node() About { return c.about }

// About is what a node says of itself.
type About struct {
	DID did.DID
	// Version is the program's, for people.
	Version string
	// Revision counts what was added to the API, and Serves is the oldest one whose
	// clients the node still answers.
	Revision, Serves int
}

// Health asks whether the node is there: the error says why it is of no use.
func (c *Client) Health(ctx context.Context) (About, error) { return c.greet(ctx, c.about.DID) }

// greet makes sure that a node answers with which this client works.
func (c *Client) greet(ctx context.Context, want did.DID) (About, error) {
	var said aboutJSON
	err := c.tell(ctx, wish{method: http.MethodGet, path: "/v1"}, &said)
	var p *Problem
	switch {
	case errors.As(err, &p) && p.Kind == "", errors.Is(err, ErrAnswer):
		return About{}, fmt.Errorf("%s: %w: %w", c.base, ErrNoNode, err)
	case err != nil:
		return About{}, fmt.Errorf("%s: %w", c.base, err)
	}
	about, err := said.read()
	switch {
	case err != nil:
		return about, fmt.Errorf("%s: %w: %w", c.base, ErrNoNode, err)
	case about.Revision < needs:
		err = fmt.Errorf("%w: it has revision %d, and this client needs %d: the node's program (%.100q) has to be a newer one", ErrVersion, about.Revision, needs, about.Version)
	case about.Serves > Revision:
		err = fmt.Errorf("%w: it answers clients of revision %d and later, and this one is of %d: this program has to be a newer one (the node's is %.100q)", ErrVersion, about.Serves, Revision, about.Version)
	case want != "" && about.DID != want:
		err = fmt.Errorf("the node is %s, not %s", about.DID, want)
	default:
		return about, nil
	}
	return about, fmt.Errorf("%s: %w", c.base, err)
}
