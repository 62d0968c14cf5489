package api

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Door says whose requests are taken: those that name this machine by its loopback
// address, and that no page of elsewhere has sent. It stands before everything
// that listens on a port, WebSockets too.
//
// A page can make a browser send requests here. It can not choose another Host
// than the name it came by, not even when that name is made to resolve to this
// machine, nor leave out the Origin where it could read or change something.
type Door struct {
	hosts, origins []string
}

// NewDoor returns a door that also takes the given Host headers, such as
// "localhost:1337", and requests of pages from the given origins, such as
// "http://localhost:8080".
func NewDoor(hosts, origins []string) (*Door, error) {
	d := &Door{}
	for _, host := range hosts {
		host = strings.ToLower(host)
		if u, err := url.Parse("http://" + host); err != nil || u.Host != host || u.Hostname() == "" {
			return nil, fmt.Errorf("host %q is not a name with a port, such as localhost:1337", host)
		}
		d.hosts = append(d.hosts, host)
	}
	for _, origin := range origins {
		origin = strings.ToLower(origin)
		u, err := url.Parse(origin)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || origin != u.Scheme+"://"+u.Host {
			return nil, fmt.Errorf("origin %q is not that of a page, such as http://localhost:8080", origin)
		}
		d.origins = append(d.origins, origin)
	}
	return d, nil
}

// Guard lets through to next what is taken.
func (d *Door) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cross-Origin-Resource-Policy", "same-origin")
		if len(d.origins) > 0 {
			w.Header().Add("Vary", "Origin")
		}
		if err := d.check(r); err != nil {
			err.ServeHTTP(w, r)
			return
		}
		if origin := r.Header.Get("Origin"); slices.Contains(d.origins, strings.ToLower(origin)) {
			allow(w.Header(), origin)
			if r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != "" {
				w.WriteHeader(http.StatusNoContent)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// check says why r is not taken; nil is that it is.
func (d *Door) check(r *http.Request) *Problem {
	host := strings.ToLower(r.Host)
	if !slices.Contains(d.hosts, host) && !loopback(host, localPort(r)) {
		return problemf(Foreign, "the Host header is %q", shorten(r.Host)).
			hint(fmt.Sprintf("use the address and port that the node listens at, such as 127.0.0.1:%d", cmp.Or(localPort(r), 1337)))
	}
	switch origins := r.Header.Values("Origin"); {
	case len(origins) == 0:
		return fetched(r)
	case len(origins) == 1 && d.takes(strings.ToLower(origins[0]), host):
		return nil
	default:
		return problemf(Foreign, "the Origin header is %q", shorten(strings.Join(origins, ", "))).
			hint("pages of other origins need to be named in the node's configuration")
	}
}

// takes tells whether a page of the given origin may send requests to host.
func (d *Door) takes(origin, host string) bool {
	return origin == "http://"+host || slices.Contains(d.origins, origin)
}

// fetched refuses what a page of elsewhere has had fetched without an Origin, such
// as a picture. What a person goes to by a link is no such thing.
func fetched(r *http.Request) *Problem {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "cross-site", "same-site":
		if r.Header.Get("Sec-Fetch-Mode") != "navigate" {
			return problemf(Foreign, "a page of elsewhere has sent this")
		}
	}
	return nil
}

// loopback tells whether host is a literal loopback address with the given port.
func loopback(host string, port int) bool {
	name, text, err := net.SplitHostPort(host)
	if err != nil {
		if port != 80 { // the one that browsers leave out
			return false
		}
		name, text = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]"), "80"
	}
	addr, err := netip.ParseAddr(name)
	return err == nil && addr.Zone() == "" && addr.IsLoopback() && port > 0 && text == strconv.Itoa(port)
}

// localPort is the port at which r arrived; 0 is not known.
func localPort(r *http.Request) int {
	addr, _ := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if tcp, ok := addr.(*net.TCPAddr); ok {
		return tcp.Port
	}
	return 0
}

// allow lets a page of the given origin read the answer (CORS).
func allow(header http.Header, origin string) {
	header.Set("Access-Control-Allow-Origin", origin)
	header.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, DELETE")
	header.Set("Access-Control-Allow-Headers", "Accept, Authorization, Content-Type, If-None-Match, Last-Event-ID")
	header.Set("Access-Control-Expose-Headers", "ETag, Link, Location, Retry-After")
	header.Set("Access-Control-Allow-Private-Network", "true")
	header.Set("Access-Control-Max-Age", "600")
}
