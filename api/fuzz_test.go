package api

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// FuzzPosition: the id of an event is refused, or it is the one that is written.
func FuzzPosition(f *testing.F) {
	for _, seed := range []string{"1.17", "1", "", "01.1", "1.1.1", "+1.1", "18446744073709551616.1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		at, err := parsePosition(id)
		if err == nil && id != "" && positionText(at) != id {
			t.Errorf("%q is read as %q", id, positionText(at))
		}
	})
}

// FuzzHost: a Host that is taken is one address of this machine and its port, and
// whatever the Origin, only the page of that address is.
func FuzzHost(f *testing.F) {
	for _, seed := range []string{"127.0.0.1:1337", "[::1]:1337", "127.1:1337", "a@127.0.0.1:1337", "127.0.0.1:01337", "[::ffff:127.0.0.1]:1337", "127.0.0.1:1337/"} {
		f.Add(seed, "http://"+seed)
	}
	d := new(Door)
	f.Fuzz(func(t *testing.T, host, origin string) {
		if loopback(host, 1337) {
			u, err := url.Parse("http://" + host)
			if err != nil || u.Port() != "1337" || u.User != nil || u.Path != "" || strings.Trim(u.Hostname(), "0123456789abcdefABCDEF.:") != "" {
				t.Errorf("%q is taken", host)
			}
		}
		if d.takes(origin, host) && origin != "http://"+host {
			t.Errorf("%q is taken from %q", host, origin)
		}
	})
}

// FuzzAccept: whatever is asked for, the answer is one of the offers or none.
func FuzzAccept(f *testing.F) {
	for _, seed := range []string{"", "*/*", "application/vnd.ipld.car; version=1;q=0.5, text/html", "a/b;q=2", ",,;;", `a/b;x="`, "application/*;q=0.001"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, accept string) {
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Accept", accept)
		kind, by := preferred(r, typeJSON, typeCAR)
		if kind != "" && kind != typeJSON && kind != typeCAR {
			t.Errorf("%q gives %q", accept, kind)
		}
		if kind != "" && accept != "" && (by.q <= 0 || by.covers(kind) == 0) {
			t.Errorf("%q gives %q by %+v", accept, kind, by)
		}
	})
}

// FuzzQuery: a query is refused, or each of its parameters is known and there once.
func FuzzQuery(f *testing.F) {
	for _, seed := range []string{"", "a=1", "a=1&a=2", "b", "%zz", "a;b", "a=%00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		params, err := query(&http.Request{URL: &url.URL{RawQuery: text}}, "a", "limit")
		if err != nil {
			return
		}
		for name := range params {
			if name != "a" && name != "limit" {
				t.Errorf("%q has %q", text, name)
			}
		}
		if n, err := number(params, "limit", 7, 1000); err == nil && (n < 1 || n > 1000) {
			t.Errorf("%q has the limit %d", text, n)
		}
	})
}
