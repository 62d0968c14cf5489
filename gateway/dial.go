package gateway

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// Bounds of one request.
const (
	maxRedirects = 3
	maxHeader    = 64 << 10 // bytes
	dialWait     = 10 * time.Second
)

// ParseURL reads the base URL of a gateway or of kubo: http or https, a host,
// perhaps a port and a path.
func ParseURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%q is no URL", s)
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("%q does not begin with http:// or https://", s)
	case u.Hostname() == "":
		return nil, fmt.Errorf("%q names no host", s)
	case u.User != nil: // it would be shown and logged
		return nil, fmt.Errorf("%q has a user name or a password, which are not sent", u.Redacted())
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, fmt.Errorf("%q has more than a host, a port and a path", s)
	}
	return u, nil
}

// hostPort is the address that the transport dials for u.
func hostPort(u *url.URL) string {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return net.JoinHostPort(strings.ToLower(u.Hostname()), port)
}

// newHTTP is the client of all requests. It takes no proxies: these would dial
// for us, where the addresses can not be looked at.
func (c *Client) newHTTP(roots *http.Transport) *http.Client {
	t := &http.Transport{
		DialContext:            c.dial,
		ForceAttemptHTTP2:      true,
		DisableCompression:     true,
		MaxIdleConnsPerHost:    c.parallel,
		IdleConnTimeout:        30 * time.Second,
		TLSHandshakeTimeout:    dialWait,
		MaxResponseHeaderBytes: maxHeader,
	}
	if roots != nil {
		t.TLSClientConfig = roots.TLSClientConfig
	}
	return &http.Client{Transport: t, CheckRedirect: redirect}
}

var errRedirect = errors.New("it redirects")

// redirect decides whether a redirect is followed.
func redirect(req *http.Request, via []*http.Request) error {
	switch {
	case via[0].Method != http.MethodGet:
		return fmt.Errorf("%w, which is not followed", errRedirect)
	case len(via) > maxRedirects:
		return fmt.Errorf("%w more than %d times", errRedirect, maxRedirects)
	case req.URL.Scheme != "https":
		return fmt.Errorf("%w to %s, and only https is followed", errRedirect, text(req.URL.Scheme))
	}
	return nil
}

// dial connects to a host. One that was not configured, to which a gateway
// redirects, must have a public address: a gateway must not reach through this
// node what only this node can reach.
func (c *Client) dial(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: dialWait}
	if !c.hosts[address] {
		d.Control = func(_, to string, _ syscall.RawConn) error { return public(to) }
	}
	return d.DialContext(ctx, network, address)
}

// public refuses an address that only this machine or its own network reaches.
func public(address string) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := to.Addr().Unmap()
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || reserved(ip) {
		return fmt.Errorf("%w to %s, which is no public address", errRedirect, ip)
	}
	return nil
}

// Networks that are not public and that package net/netip does not know.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"), // shared by carriers
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), // benchmarks
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"), // IPv4 within
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("2002::/16"), // IPv4 within
}

func reserved(ip netip.Addr) bool {
	for _, p := range notPublic {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}
