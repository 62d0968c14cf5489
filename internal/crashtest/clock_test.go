//go:build unix && cgo

package crashtest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm"
)

// leaping is a clock that shows another year, of forty, whenever it is looked at.
func leaping(t *testing.T) func() time.Time {
	t.Helper()
	rng := random(t)
	var mu sync.Mutex
	return func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		const year = 365 * 24 * time.Hour
		return time.Now().Add(time.Duration(rng.Int64N(int64(40*year))) - 20*year)
	}
}

// TestNodeClockLeaps serves with a clock that leaps for decades, back and forth.
// Nothing is lost, no task runs out of time, and events are in order.
func TestNodeClockLeaps(t *testing.T) {
	t.Parallel()
	node, err := ipvm.Open(newHome(t), ipvm.Options{Policy: ipvm.Policy{Defaults: limits}, Now: leaping(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer node.Close()
	service, err := node.Serve(t.Context(), ipvm.ServeOptions{Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	defer service.Close()
	s := &server{process: &process{}, addr: service.Addr(), client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}, Timeout: patience}}
	defer s.client.CloseIdleConnections()
	f := &flood{module: s.put(t, addOne), acked: make(map[int]string)}
	ctx, cancel := context.WithTimeout(t.Context(), amount(2*time.Second, time.Minute))
	defer cancel()
	f.submit(ctx, t, s, 200)
	f.ended(t, s)
	if len(f.acked) == 0 || f.lost.Load() > 0 {
		t.Errorf("%v", f)
	}
	t.Logf("%v", f)

	for round := range amount(3, 30) {
		r := s.do(t, "POST", "/v1/workflows?wait", s.pictures(t, 20, round), "Content-Type", "application/json")
		shown := r.ran(t)
		if shown.State != "ok" {
			t.Errorf("%v", r)
		}
		events := string(s.do(t, "GET", "/v1/workflows/"+shown.Workflow+"/events", "").body)
		last := 0
		for line := range strings.SplitSeq(events, "\n") {
			var attempt, seq int
			if n, _ := fmt.Sscanf(line, "id: %d.%d", &attempt, &seq); n != 2 {
				continue
			}
			if last++; seq != last {
				t.Errorf("event %d.%d comes where %d is due", attempt, seq, last)
			}
		}
		if last != 22 { // the beginning, each job, the end
			t.Errorf("%d events: %.2000s", last, events)
		}
	}
}
