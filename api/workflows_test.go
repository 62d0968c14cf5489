package api_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/api"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/runs"
)

const yaml = "Content-Type: application/yaml"

func TestSubmit(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	resp := r.do(t, "POST", "/v1/workflows?wait", r.sum(t, 1), yaml)
	shown := resp.json(t, http.StatusOK)
	cid := shown["workflow"].(string)
	expect(t, "Location", resp.Header.Get("Location"), "/v1/workflows/"+cid)
	expect(t, "state", shown["state"], any("ok"))
	var jobs []string
	for _, j := range shown["jobs"].([]any) {
		j := j.(map[string]any)
		jobs = append(jobs, fmt.Sprint(j["label"], " ", j["status"], " ", j["how"], " ", j["value"]))
	}
	expect(t, "jobs", jobs, []string{"a ok ran 2", "b ok ran 3"})

	again := r.do(t, "GET", resp.Header.Get("Location"), "")
	expect(t, "the same", string(again.body), string(resp.body))
	document := r.do(t, "GET", shown["document"].(string), "")
	l, err := ipld.ParseLink(cid)
	must(t, err)
	must(t, l.Verify(document.body))

	// Submitted once more, in another form, it is the same workflow.
	more := r.do(t, "POST", "/v1/workflows?wait", string(document.body), "Content-Type: application/vnd.ipld.dag-cbor").json(t, http.StatusOK)
	expect(t, "the workflow", more["workflow"], any(cid))
	expect(t, "attempt", more["attempt"], any(2.0))
	expect(t, "how", more["jobs"].([]any)[0].(map[string]any)["how"], any("remembered"))
}

// What is accepted is told at once, and joined by who submits it too.
func TestSubmitDoesNotWait(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	first := r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).json(t, http.StatusAccepted)
	expect(t, "state", first["state"], any("running"))
	second := r.do(t, "POST", "/v1/workflows?wait=1", r.sum(t, 1)).json(t, http.StatusAccepted)
	expect(t, "attempt", second["attempt"], any(1.0))
	open := r.do(t, "GET", "/v1/workflows?state=unfinished", "").json(t, http.StatusOK)
	expect(t, "unfinished", len(open["workflows"].([]any)), 1)
	r.pass()
	eventually(t, "the end", func() bool {
		return r.do(t, "GET", "/v1/workflows/"+first["workflow"].(string), "").json(t, http.StatusOK)["state"] == "ok"
	})
	open = r.do(t, "GET", "/v1/workflows?state=unfinished", "").json(t, http.StatusOK)
	expect(t, "unfinished", len(open["workflows"].([]any)), 0)
}

func TestFormats(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	document := fmt.Sprintf(`{"a": {"with": %q, "args": [1]}}`, r.module(t))
	for kind, status := range map[string]int{
		"":                                  http.StatusAccepted,
		"application/octet-stream":          http.StatusAccepted,
		"application/json":                  http.StatusAccepted,
		"application/json; charset=utf-8":   http.StatusAccepted,
		"Application/YAML":                  http.StatusAccepted,
		"application/x-www-form-urlencoded": http.StatusUnsupportedMediaType,
		"text/plain":                        http.StatusUnsupportedMediaType,
		"application/cbor":                  http.StatusUnprocessableEntity,
		"a/b/c":                             http.StatusBadRequest,
	} {
		var headers []string
		if kind != "" {
			headers = []string{"Content-Type: " + kind}
		}
		if resp := r.do(t, "POST", "/v1/workflows", document, headers...); resp.StatusCode != status {
			t.Errorf("%q: %d, expected %d: %s", kind, resp.StatusCode, status, resp.body)
		}
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	document := fmt.Sprintf("a:\n  with: %s\n  args: [1, 2]\nb:\n  wiht: x\n", r.module(t))
	p := r.do(t, "POST", "/v1/workflows", document, yaml).problem(t, http.StatusUnprocessableEntity, api.Faults, "")
	var faults []string
	for _, f := range p["faults"].([]any) {
		f := f.(map[string]any)
		faults = append(faults, fmt.Sprint(f["line"], ":", f["col"], " ", f["path"], " ", f["kind"]))
	}
	expect(t, "faults", faults, []string{"5:3 /b/wiht unknown-field"})
	p = r.do(t, "POST", "/v1/workflows", "a: {with: ./add-one.wasm, args: [1]}\n", yaml).problem(t, http.StatusUnprocessableEntity, api.Faults, "1 fault")
	expect(t, "kind", p["faults"].([]any)[0].(map[string]any)["kind"], any("file"))
	r.do(t, "POST", "/v1/workflows", "", yaml).problem(t, http.StatusBadRequest, api.BadRequest, "no body")
}

// Who has shown no authority may have nothing but pure work done.
func TestOnlyPure(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	secret := fmt.Sprintf("a: {with: %s, args: [1], secret: true}\n", r.module(t))
	r.do(t, "POST", "/v1/workflows", secret, yaml).problem(t, http.StatusForbidden, api.Denied, "secret")
	effect := "a: {with: 'https://example.com/', do: crud/read}\n"
	if resp := r.do(t, "POST", "/v1/workflows", effect, yaml); resp.StatusCode != http.StatusUnprocessableEntity && resp.StatusCode != http.StatusForbidden {
		t.Errorf("an effect: %d %s", resp.StatusCode, resp.body)
	}
	for _, path := range []string{"/v1/trust", "/v1/revoke", "/v1/gc", "/v1/keys", "/", "/v2", "/v1/workflows/"} {
		if resp := r.do(t, "GET", path, ""); resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", path, resp.StatusCode)
		}
	}
	all, err := r.unfinished()
	must(t, err)
	expect(t, "accepted", len(all), 0)
}

// What was submitted otherwise is as if it were not there.
func TestOwnSubmissionsOnly(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	g := r.node.Document(t, "a: {with: ./add-one/add-one.wasm, args: [7]}")
	_, err := r.keeper.Submit(t.Context(), g, runs.Options{})
	must(t, err)
	other := ipld.LinkOf(ipld.CodecDagCBOR, []byte("no workflow"))
	for _, ask := range []string{"GET /%s", "DELETE /%s", "GET /%s/events", "POST /%s/suspend", "POST /%s/resume"} {
		method, path, _ := strings.Cut(fmt.Sprintf(ask, g.Link()), " ")
		theirs := r.do(t, method, "/v1/workflows"+path, "")
		theirs.problem(t, http.StatusNotFound, api.NotFound, g.Link().String())
		nobodys := r.do(t, method, "/v1/workflows"+strings.Replace(path, g.Link().String(), other.String(), 1), "")
		expect(t, "the answer", strings.ReplaceAll(string(theirs.body), g.Link().String(), other.String()), string(nobodys.body))
	}
	for _, query := range []string{"", "?state=unfinished"} {
		list := r.do(t, "GET", "/v1/workflows"+query, "").json(t, http.StatusOK)
		expect(t, "listed", len(list["workflows"].([]any)), 0)
	}
	run, err := r.keeper.Get(runs.ID{Workflow: g.Link()})
	must(t, err)
	expect(t, "state", run.State, runs.Running)
}

// A signed document is the node's to judge. Who has it can ask how it stands, by
// sending it again; nobody else can.
func TestSigned(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	signed := func(signature string) string {
		return fmt.Sprintf("ipvm/workflow: {jobs: {a: {with: %s, args: [1]}}}\nsignature: {/: {bytes: %s}}\n",
			r.module(t), base64.RawStdEncoding.EncodeToString([]byte(signature)))
	}
	r.do(t, "POST", "/v1/workflows", signed("BB"), yaml).problem(t, http.StatusForbidden, api.Denied, "the chain of proofs is broken")
	resp := r.do(t, "POST", "/v1/workflows?wait", signed("BA"), yaml)
	shown := resp.json(t, http.StatusOK)
	expect(t, "for", shown["for"], any(string(guest)))
	expect(t, "value", shown["jobs"].([]any)[0].(map[string]any)["value"], any(2.0))
	r.do(t, "GET", resp.Header.Get("Location"), "").problem(t, http.StatusNotFound, api.NotFound, "")
}

func TestPages(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	var want []string
	for n := range 7 {
		want = append(want, r.do(t, "POST", "/v1/workflows?wait", r.sum(t, n), yaml).json(t, http.StatusOK)["workflow"].(string))
	}
	seen := map[string]bool{}
	pages := 0
	for path := "/v1/workflows?limit=3"; path != ""; pages++ {
		resp := r.do(t, "GET", path, "")
		list := resp.json(t, http.StatusOK)
		for _, w := range list["workflows"].([]any) {
			cid := w.(map[string]any)["workflow"].(string)
			if seen[cid] {
				t.Errorf("%s twice", cid)
			}
			seen[cid] = true
		}
		path, _, _ = strings.Cut(strings.TrimPrefix(resp.Header.Get("Link"), "<"), ">")
		if (list["next"] == nil) != (path == "") {
			t.Errorf("next is %v and the link %q", list["next"], path)
		}
	}
	expect(t, "pages", pages, 3)
	for _, cid := range want {
		if !seen[cid] {
			t.Errorf("%s is not listed", cid)
		}
	}
	first := r.do(t, "GET", "/v1/workflows/"+want[0]+"?limit=1", "").json(t, http.StatusOK)
	second := r.do(t, "GET", "/v1/workflows/"+want[0]+"?limit=1&after="+first["next"].(string), "").json(t, http.StatusOK)
	label := func(m map[string]any) any { return m["jobs"].([]any)[0].(map[string]any)["label"] }
	expect(t, "labels", []any{label(first), label(second), second["next"]}, []any{"a", "b", nil})
}

func TestQueries(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	for _, ask := range []string{
		"GET /v1/workflows?limit=0", "GET /v1/workflows?limit=1001", "GET /v1/workflows?limit=x", "GET /v1/workflows?limit=1&limit=2",
		"GET /v1/workflows?limti=1", "GET /v1/workflows?after=x", "GET /v1/workflows?state=all", "GET /v1/workflows?%zz",
		"GET /v1?x=1", "GET /v1/workflows/x", "POST /v1/workflows?wait=-1", "POST /v1/workflows?wait=61", "POST /v1/workflows?wait=30s",
		"POST /v1/workflows?keep-going=no",
	} {
		method, path, _ := strings.Cut(ask, " ")
		if resp := r.do(t, method, path, ""); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s: %d %s", ask, resp.StatusCode, resp.body)
		}
	}
	resp := r.do(t, "PATCH", "/v1/workflows", "")
	resp.problem(t, http.StatusMethodNotAllowed, api.NotAllowed, "PATCH")
	expect(t, "Allow", resp.Header.Get("Allow"), "GET, POST")
	about := r.do(t, "GET", "/v1", "").json(t, http.StatusOK)
	expect(t, "about", about, map[string]any{"schema": 1.0, "did": string(r.node.Key.DID()), "version": "test", "revision": 2.0, "serves": 1.0})
}

func TestChange(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true})
	path := r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).Header.Get("Location")
	state := func(resp got) any { return resp.json(t, http.StatusOK)["state"] }
	expect(t, "suspend", state(r.do(t, "POST", path+"/suspend", "")), any("suspended"))
	expect(t, "resume", state(r.do(t, "POST", path+"/resume", "")), any("running"))
	r.do(t, "POST", path+"/resume", "").problem(t, http.StatusConflict, api.Conflict, "running")
	expect(t, "cancel", state(r.do(t, "DELETE", path, "")), any("cancelled"))
	r.do(t, "DELETE", path, "").problem(t, http.StatusConflict, api.Conflict, "ended")
	r.pass()
	expect(t, "resume", state(r.do(t, "POST", path+"/resume", "")), any("running"))
	eventually(t, "the end", func() bool { return state(r.do(t, "GET", path, "")) == "ok" })
}

func TestFull(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true, open: 1})
	r.do(t, "POST", "/v1/workflows", r.sum(t, 1), yaml).json(t, http.StatusAccepted)
	resp := r.do(t, "POST", "/v1/workflows", r.sum(t, 2), yaml)
	resp.problem(t, http.StatusServiceUnavailable, api.Full, "unfinished")
	expect(t, "Retry-After", resp.Header.Get("Retry-After"), "5")
	must(t, r.keeper.Close())
	resp = r.do(t, "POST", "/v1/workflows", r.sum(t, 3), yaml)
	resp.problem(t, http.StatusServiceUnavailable, api.Stopping, "stopping")
	expect(t, "Retry-After", resp.Header.Get("Retry-After"), "2")
}

// The priority is kept and shown; only the owner of the node may raise it.
func TestPriority(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	run := r.do(t, "POST", "/v1/workflows?priority=low", r.sum(t, 1), yaml).json(t, http.StatusAccepted)
	expect(t, "priority", run["priority"], any("low"))
	run = r.do(t, "POST", "/v1/workflows?priority=normal", r.sum(t, 2), yaml).json(t, http.StatusAccepted)
	expect(t, "priority", run["priority"], nil)
	r.do(t, "POST", "/v1/workflows?priority=high", r.sum(t, 3), yaml).problem(t, http.StatusForbidden, api.Denied, "only the owner")
	r.do(t, "POST", "/v1/workflows?priority=highest", r.sum(t, 3), yaml).problem(t, http.StatusBadRequest, api.BadRequest, "low, normal and high")
}

// Who has more than its share is told so, while there is room for others.
func TestShare(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true, open: 4})
	for n := range 3 {
		r.do(t, "POST", "/v1/workflows", r.sum(t, n), yaml).json(t, http.StatusAccepted)
	}
	resp := r.do(t, "POST", "/v1/workflows", r.sum(t, 3), yaml)
	resp.problem(t, http.StatusTooManyRequests, api.Busy, "of one principal")
	expect(t, "Retry-After", resp.Header.Get("Retry-After"), "5")
}

func TestBodyBounds(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{Bounds: api.Bounds{Document: 1000, Bodies: 1500}})
	r.do(t, "POST", "/v1/workflows", strings.Repeat("#", 1001), yaml).problem(t, http.StatusRequestEntityTooLarge, api.TooLarge, "1000")
	r.do(t, "POST", "/ipfs", strings.Repeat("#", 1501)).problem(t, http.StatusTooManyRequests, api.Busy, "at once")
	// The room is given back.
	for n := range 5 {
		r.do(t, "POST", "/v1/workflows?wait", r.sum(t, n)+strings.Repeat("#", 700), yaml).json(t, http.StatusOK)
	}
}

// How long a workflow is waited for is bounded, and so is how many wait.
func TestWaitBounds(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{closed: true, Bounds: api.Bounds{Streams: 1, Wait: time.Second}})
	waiting := make(chan got)
	document := r.sum(t, 1)
	go func() { waiting <- r.do(t, "POST", "/v1/workflows?wait", document, yaml) }()
	eventually(t, "someone waits", func() bool { all, err := r.unfinished(); return err == nil && len(all) == 1 })
	r.do(t, "POST", "/v1/workflows?wait", document, yaml).problem(t, http.StatusTooManyRequests, api.Busy, "wait")
	expect(t, "state", (<-waiting).json(t, http.StatusAccepted)["state"], any("running"))
	r.pass()
	r.do(t, "POST", "/v1/workflows?wait", document, yaml).json(t, http.StatusOK)
}

// A value that is not kept any more is not said to be there.
func TestForgotten(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	shown := r.do(t, "POST", "/v1/workflows?wait", r.sum(t, 1), yaml).json(t, http.StatusOK)
	r.node.forgetful.Store(true)
	for _, j := range r.do(t, "GET", "/v1/workflows/"+shown["workflow"].(string), "").json(t, http.StatusOK)["jobs"].([]any) {
		j := j.(map[string]any)
		expect(t, "status", j["status"], any("ok"))
		expect(t, "forgotten", j["forgotten"], any(true))
		expect(t, "omitted", j["omitted"], nil)
		expect(t, "value", j["value"], nil)
	}
}

// Of large results only so many are shown in one answer.
func TestLargeValues(t *testing.T) {
	t.Parallel()
	r := newRig(t, options{})
	text := strings.Repeat("x", 30_000)
	names := r.example(t, "names/full-name.wasm")
	var document strings.Builder
	for n := range 160 {
		fmt.Fprintf(&document, "j%d: {with: %s, args: ['%d%s', y]}\n", n, names, n, text)
	}
	shown := r.do(t, "POST", "/v1/workflows?wait", document.String(), yaml).json(t, http.StatusOK)
	all := r.do(t, "GET", "/v1/workflows/"+shown["workflow"].(string)+"?limit=1000", "")
	if len(all.body) > 5<<20 {
		t.Errorf("%d bytes", len(all.body))
	}
	values, omitted := 0, 0
	for _, j := range all.json(t, http.StatusOK)["jobs"].([]any) {
		switch j := j.(map[string]any); {
		case j["value"] != nil:
			values++
		case j["omitted"] == true:
			omitted++
		}
	}
	if values < 130 || omitted == 0 || values+omitted != 160 {
		t.Errorf("%d values, %d omitted", values, omitted)
	}
}
