package api

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// FuzzCAR: a CAR file is refused, or written anew it is the same bytes.
func FuzzCAR(f *testing.F) {
	block := []byte("hello")
	l := ipld.LinkOf(ipld.CodecRaw, block)
	good := append(append(carHeader(l), carSection(l, len(block))...), block...)
	f.Add(good)
	f.Add(good[:len(good)-1])
	damaged := bytes.Clone(good)
	damaged[len(good)-1]++
	f.Add(damaged)
	f.Add(carHeader())
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := newCARReader(bytes.NewReader(data))
		if err != nil {
			return
		}
		out := carHeader(c.roots...)
		for {
			b, err := c.next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return
			}
			if err := b.Link.Verify(b.Data); err != nil {
				t.Fatal(err)
			}
			out = append(append(out, carSection(b.Link, len(b.Data))...), b.Data...)
		}
		if !bytes.Equal(out, data) && minimal(data) {
			t.Errorf("%x became %x", data, out)
		}
	})
}

// minimal tells whether the lengths in a CAR file are as short as they can be.
func minimal(data []byte) bool {
	for len(data) > 0 {
		size, n := binary.Uvarint(data)
		if n != len(binary.AppendUvarint(nil, size)) {
			return false
		}
		data = data[n+int(size):]
	}
	return true
}

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
