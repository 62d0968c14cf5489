package api_test

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/api"
)

// Whatever name a request came by, and whatever page has sent it, must be this
// machine's own, or one that was configured.
func TestDoor(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{hosts: []string{"Localhost:8080"}, origins: []string{"https://ui.example"}})
	port := r.url[strings.LastIndexByte(r.url, ':')+1:]
	for _, test := range []struct {
		name    string
		headers []string
		taken   bool
	}{
		{"as curl asks", nil, true},
		{"IPv6", []string{"Host: [::1]:" + port}, true},
		{"another loopback address", []string{"Host: 127.9.8.7:" + port}, true},
		{"a configured host", []string{"Host: localhost:8080"}, true},
		{"localhost", []string{"Host: localhost:" + port}, false},
		{"DNS rebinding", []string{"Host: attacker.example:" + port}, false},
		{"DNS rebinding, its own origin", []string{"Host: attacker.example:" + port, "Origin: http://attacker.example:" + port}, false},
		{"a name that begins so", []string{"Host: 127.0.0.1.attacker.example:" + port}, false},
		{"a name that ends so", []string{"Host: attacker.example@127.0.0.1:" + port}, false},
		{"a short form", []string{"Host: 127.1:" + port}, false},
		{"a number", []string{"Host: 2130706433:" + port}, false},
		{"octal", []string{"Host: 0177.0.0.1:" + port}, false},
		{"all interfaces", []string{"Host: 0.0.0.0:" + port}, false},
		{"another port", []string{"Host: 127.0.0.1:1"}, false},
		{"no port", []string{"Host: 127.0.0.1"}, false},
		{"its own origin", []string{"Origin: http://127.0.0.1:" + port}, true},
		{"its own origin, IPv6", []string{"Host: [::1]:" + port, "Origin: http://[::1]:" + port}, true},
		{"a configured origin", []string{"Origin: https://ui.example"}, true},
		{"a foreign page", []string{"Origin: https://attacker.example"}, false},
		{"a page without an origin", []string{"Origin: null"}, false},
		{"an empty origin", []string{"Origin: "}, false},
		{"another port's page", []string{"Origin: http://127.0.0.1:1"}, false},
		{"another address of this machine", []string{"Origin: http://[::1]:" + port}, false},
		{"another scheme", []string{"Origin: https://127.0.0.1:" + port}, false},
		{"an origin that begins so", []string{"Origin: https://ui.example.attacker.example"}, false},
		{"two origins", []string{"Origin: https://ui.example", "Origin: https://attacker.example"}, false},
		{"two in one", []string{"Origin: https://ui.example, https://attacker.example"}, false},
		{"a picture in a foreign page", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: no-cors"}, false},
		{"a picture in a page of another port", []string{"Sec-Fetch-Site: same-site", "Sec-Fetch-Mode: no-cors"}, false},
		{"a link in a foreign page", []string{"Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate"}, true},
		{"its own page", []string{"Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"}, true},
		{"an address that was typed", []string{"Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			for _, method := range []string{"GET", "POST", "DELETE", "OPTIONS"} {
				resp := r.do(t, method, "/v1/openapi.json", "", test.headers...)
				if refused := resp.StatusCode == http.StatusForbidden; refused == test.taken {
					t.Errorf("%s: %d %.300s", method, resp.StatusCode, resp.body)
				} else if refused {
					resp.problem(t, http.StatusForbidden, api.Foreign, "")
				}
			}
		})
	}
}

// A page of another origin reads nothing, unless its origin was configured.
func TestCORS(t *testing.T) {
	t.Parallel()
	closed := newRig(t, options{})
	for name := range closed.do(t, "GET", "/v1", "", "Origin: "+closed.url).Header {
		if strings.HasPrefix(name, "Access-Control-") {
			t.Errorf("%s without need", name)
		}
	}
	r := newRig(t, options{origins: []string{"https://ui.example"}})
	resp := r.do(t, "GET", "/v1", "", "Origin: https://ui.example")
	expect(t, "the origin", resp.Header.Get("Access-Control-Allow-Origin"), "https://ui.example")
	resp = r.do(t, "GET", "/v1", "")
	expect(t, "without an origin", []string{resp.Header.Get("Access-Control-Allow-Origin"), resp.Header.Get("Vary")}, []string{"", "Origin"})
	preflight, err := http.DefaultTransport.RoundTrip(r.request(t, "OPTIONS", "/v1/workflows", "", "Origin: https://ui.example", "Access-Control-Request-Method: DELETE"))
	must(t, err)
	defer http.DefaultTransport.(*http.Transport).CloseIdleConnections()
	defer preflight.Body.Close()
	if preflight.StatusCode != http.StatusNoContent || !strings.Contains(preflight.Header.Get("Access-Control-Allow-Methods"), "DELETE") {
		t.Errorf("preflight: %d %v", preflight.StatusCode, preflight.Header)
	}
}

// Who came by a wrong name is told the right address.
func TestDoorHint(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	resp := r.do(t, "GET", "/v1", "", "Host: attacker.example")
	if address := strings.TrimPrefix(r.url, "http://"); !strings.Contains(string(resp.body), "such as "+address) {
		t.Errorf("%s, expected %s", resp.body, address)
	}
}

func TestDoorConfig(t *testing.T) {
	t.Parallel()
	for _, host := range []string{"", "http://localhost", "local host", "localhost/", "a@b"} {
		if _, err := api.NewDoor([]string{host}, nil); err == nil {
			t.Errorf("host %q is taken", host)
		}
	}
	for _, origin := range []string{"", "*", "null", "localhost:1", "http://localhost/", "file://x", "http://a@b", "http://"} {
		if _, err := api.NewDoor(nil, []string{origin}); err == nil {
			t.Errorf("origin %q is taken", origin)
		}
	}
}

// Only this machine can connect.
func TestLoopbackOnly(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", ":0")
	must(t, err)
	defer l.Close()
	door, err := api.NewDoor(nil, nil)
	must(t, err)
	if _, err := api.Serve(l, door, http.NotFoundHandler(), api.ServerOptions{}); err == nil || !strings.Contains(err.Error(), "loopback") {
		t.Errorf("%v", err)
	}
}
