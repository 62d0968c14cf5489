package workflow

import "testing"

func TestNormalURI(t *testing.T) {
	for _, c := range []struct{ in, want, fault string }{
		{in: "https://example.com/report", want: "https://example.com/report"},
		{in: "HTTPS://Example.COM:443", want: "https://example.com/"},
		{in: "http://example.com:8080/a/./b/../c", want: "http://example.com:8080/a/c"},
		{in: "http://example.com/a/%2e%2E/%2e/c", want: "http://example.com/c"},
		{in: "http://example.com/../../..", want: "http://example.com/"},
		{in: "http://example.com/a/..", want: "http://example.com/"},
		{in: "http://example.com/a/.", want: "http://example.com/a/"},
		{in: "http://example.com?q=%41%2f%c3%a9", want: "http://example.com/?q=A%2F%C3%A9"},
		{in: "http://[::1]:80/", want: "http://[::1]/"},
		{in: "http://Ex%c3%a9mple/", want: "http://ex%C3%A9mple/"},
		{in: "http://example.com:/x", want: "http://example.com/x"},
		{in: "postgres://db:5432/x", want: "postgres://db/x"},
		{in: "dns://example.com?TYPE=TXT", want: "dns://example.com?TYPE=TXT"},
		{in: "dns:Example.com", want: "dns:Example.com"},
		{in: "mailto:Boris@example.com", want: "mailto:Boris@example.com"},
		{in: "did:key:z6MkA#k", want: "did:key:z6MkA#k"},
		{in: "file:///tmp/../etc", want: "file:///etc"},
		{in: "http://a//b/", want: "http://a//b/"},
		{in: "example.com", fault: "it does not begin with a scheme, such as https"},
		{in: "9p://x", fault: "it does not begin with a scheme, such as https"},
		{in: "https:", fault: "nothing follows the scheme"},
		{in: "https:///x", fault: "it names no host"},
		{in: "https://boris:secret@example.com/", fault: "it names a user or a password"},
		{in: "https://example.com/#top", fault: "the part after # is never sent"},
		{in: "https://example.com/a b", fault: "the character ' ' has to be written as an escape such as %20"},
		{in: "https://example.com/%zz", fault: `"%zz" is no escape: % is followed by two digits of base 16`},
		{in: "https://example.com/%4", fault: "an escape in it is cut off: % is followed by two digits"},
		{in: "https://example.com:http/", fault: `the port "http" is no number`},
	} {
		got, _, err := NormalURI(c.in)
		fault := ""
		if err != nil {
			fault = err.Error()
		}
		if got != c.want || fault != c.fault {
			t.Errorf("NormalURI(%q) = %q, %q, want %q, %q", c.in, got, fault, c.want, c.fault)
		}
	}
}

func FuzzNormalURI(f *testing.F) {
	for _, s := range []string{"https://Example.com:443/a/../%7e", "dns:x", "http://[::1]:80?%2f", "x://a/%2E%2e/.", "http://a/.%2e//../"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		uri, scheme, err := NormalURI(s)
		if err != nil {
			return
		}
		again, same, err := NormalURI(uri)
		if err != nil || again != uri || same != scheme {
			t.Errorf("%q is normally %q, and that %q, %v", s, uri, again, err)
		}
	})
}
