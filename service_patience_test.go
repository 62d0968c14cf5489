package ipvm

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// A client of Homestar is answered before it gives up, also where a module does not
// come.
func TestSubmitPatience(t *testing.T) {
	t.Parallel()
	done := make(chan struct{})
	gateway := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case <-r.Context().Done():
		case <-done:
		}
	}))
	defer gateway.Close()
	defer close(done)
	node, err := Open(t.TempDir(), Options{Gateways: []string{gateway.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	w, err := workflow.Parse(workflow.Source{Format: workflow.JSON, Data: []byte(`{"tasks":[{"run":{"rsc":"ipfs://bafkreie53mk3duiynh5pzmhuzadaif6hpizod5wr6dt34canmxo7j7jfcu","op":"wasm/run","input":{"func":"f","args":[]},"nnc":""},"meta":{},"prf":[]}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	const givesUp = 5 * time.Second
	if checkPatience > givesUp/2 {
		t.Errorf("the client would have given up after %v", givesUp)
	}
	// Without that patience it would take the gateway's 30 seconds.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	own := node.current().(*owner)
	g, _, err := node.submitOpen(ctx, own, w)
	if err != nil || ctx.Err() != nil {
		t.Fatal(err, ctx.Err())
	}
	run, err := own.runs.Cancel(t.Context(), runs.ID{Workflow: g.Link(), For: engine.Anyone})
	if err != nil || run.State != runs.Cancelled {
		t.Errorf("%+v, %v", run, err)
	}
}

// A node that has no room says so to who asks whether it is well.
func TestHealth(t *testing.T) {
	t.Parallel()
	node, err := Open(t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	s, err := node.Serve(t.Context(), ServeOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, full := range []error{nil, store.ErrQuota, nil} {
		want := http.StatusOK
		if s.owner.quota.own.full.Store(nil); full != nil {
			s.owner.quota.own.full.Store(&full)
			want = http.StatusServiceUnavailable
		}
		resp, err := http.Get("http://" + s.Addr() + "/health")
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("%v: %s", full, resp.Status)
		}
	}
}
