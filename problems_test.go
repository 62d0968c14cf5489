package ipvm_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/api"
)

// Whatever is refused, at whatever path, is refused with a problem that
// docs/http.md describes.
func TestProblemsEverywhere(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("docs/http.md")
	if err != nil {
		t.Fatal(err)
	}
	node, err := ipvm.Open(t.TempDir(), ipvm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	service, err := node.Serve(t.Context(), ipvm.ServeOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	refused := func(method, path, body string, status int, header ...string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, "http://"+service.Addr()+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			if req.Header.Set(header[i], header[i+1]); header[i] == "Host" {
				req.Host = header[i+1]
			}
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		data, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprintf("%s %s %v", method, path, header)
		if kind := resp.Header.Get("Content-Type"); resp.StatusCode != status || kind != "application/problem+json" {
			t.Errorf("%s: %d %s %.200s; want %d", what, resp.StatusCode, kind, data, status)
			return
		}
		if status == http.StatusMethodNotAllowed && resp.Header.Get("Allow") == "" {
			t.Errorf("%s: nothing says what is allowed", what)
		}
		if method == "HEAD" {
			return
		}
		var problem struct {
			Type, Title, Detail string
			Status              int
		}
		if err := json.Unmarshal(data, &problem); err != nil || problem.Status != status || problem.Title == "" || problem.Detail == "" {
			t.Errorf("%s: %s (%v)", what, data, err)
		}
		_, kind, _ := strings.Cut(problem.Type, "docs/http.md#")
		if heading := fmt.Sprintf("\n### %s\n%d. ", kind, status); kind == "" || !strings.Contains(string(page), heading) {
			t.Errorf("%s: nothing is known of %s, %d", what, problem.Type, status)
		}
	}

	const link = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku"
	paths := []string{"/", "/health", "/node", "/metrics", "/rpc_discover", "/nosuch", "/v1/nosuch", "/ipfs/", "//", "/health/"}
	var described struct{ Paths map[string]any }
	if err := json.Unmarshal(api.OpenAPI, &described); err != nil || len(described.Paths) < 10 {
		t.Fatal(len(described.Paths), err)
	}
	for path := range described.Paths {
		paths = append(paths, strings.NewReplacer("{cid}", link, "{task}", link).Replace(path))
	}
	none := map[string]bool{"/v1/nosuch": true, "/ipfs/": true} // where no method is possible
	for _, path := range paths {
		for _, method := range []string{"PATCH", "TRACE", "OPTIONS", "NOSUCH"} {
			want := http.StatusMethodNotAllowed
			if none[path] {
				want = http.StatusNotFound
			}
			refused(method, path, "", want)
		}
		for _, method := range []string{"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"} {
			refused(method, path, "", http.StatusForbidden, "Host", "elsewhere.example")
			refused(method, path, "", http.StatusForbidden, "Origin", "http://elsewhere.example")
			refused(method, path, "", http.StatusForbidden, "Sec-Fetch-Site", "cross-site")
		}
	}
	for _, path := range []string{"/nosuch", "/health/", "//v1", "/v1/", "/v1/nosuch", "/v1/workflows/" + link, "/v1/receipts/" + link, "/ipfs/" + link + "?format=raw"} {
		refused("GET", path, "", http.StatusNotFound)
	}
	refused("HEAD", "/nosuch", "", http.StatusNotFound)
	refused("GET", "/", "", http.StatusUpgradeRequired)
	refused("HEAD", "/", "", http.StatusUpgradeRequired)
	refused("GET", "/ipfs/nonsense", "", http.StatusBadRequest)
	refused("GET", "/ipfs/"+link, "", http.StatusNotAcceptable)
	refused("POST", "/", "{}", http.StatusUnsupportedMediaType, "Content-Type", "text/plain")
	refused("POST", "/", strings.Repeat(" ", 17<<20), http.StatusRequestEntityTooLarge, "Content-Type", "application/json")
	refused("POST", "/v1/workflows", strings.Repeat(" ", 17<<20), http.StatusRequestEntityTooLarge)
	socket := []string{"Connection", "Upgrade", "Upgrade", "websocket", "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "short"}
	refused("GET", "/", "", http.StatusBadRequest, socket...)
	refused("GET", "/", "", http.StatusBadRequest, socket[:4]...)
	refused("GET", "/", "", http.StatusForbidden, append(socket, "Origin", "http://elsewhere.example")...)
}
