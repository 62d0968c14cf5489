//go:build unix && cgo

package crashtest

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// manyFiles lets this process have as many files open as the system allows, and
// returns how many that is.
func manyFiles(t *testing.T) int {
	t.Helper()
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	return int(min(limit.Max, 1<<20))
}

// TestNodeIdleConnections opens connections that say nothing, many times as many
// as the node serves at once. Others are served all the while.
func TestNodeIdleConnections(t *testing.T) {
	n := amount(2500, 10_000)
	if limit := manyFiles(t) - 500; n > limit {
		t.Logf("only %d connections: this process may not open more files", limit)
		n = limit
	}
	plain, _ := programs(t)
	s := serveHTTP(t, plain, newHome(t))
	module := s.put(t, addOne)
	s.serves(t, module, 0)
	before := s.vitals(t)
	var most vitals
	var idle []net.Conn
	for i := range n {
		idle = append(idle, s.dial(t))
		if i%500 == 499 {
			s.serves(t, module, i)
			most = larger(most, s.vitals(t))
		}
	}
	t.Logf("%d connections; at most %v", n, most)
	if most.files > 1024+before.files+64 {
		t.Errorf("the node has %d files open", most.files)
	}
	s.serves(t, module, n)
	for _, c := range idle {
		_ = c.Close()
	}
	s.recovers(t, before, 64<<20)
	s.stop(t)
}

func larger(a, b vitals) vitals {
	return vitals{max(a.resident, b.resident), max(a.files, b.files)}
}

// TestNodeSlowClients has clients send the head or the body of a request byte by
// byte. They are cut off in time, and others are served meanwhile.
func TestNodeSlowClients(t *testing.T) {
	t.Parallel()
	n := amount(200, 900)
	manyFiles(t)
	plain, _ := programs(t)
	s := serveHTTP(t, plain, newHome(t))
	module := s.put(t, addOne)
	s.serves(t, module, 0)
	before := s.vitals(t)
	type attack struct {
		name, begin, says string
		patience          time.Duration // that the node has
	}
	attacks := []attack{{"heads", "GET /v1 HTTP/1.1\r\nHost: HOST\r\nX: ", "", 10 * time.Second}}
	if long() {
		attacks = append(
			attacks,
			attack{"bodies", "POST /v1/workflows HTTP/1.1\r\nHost: HOST\r\nContent-Length: 1000000\r\n\r\n", "408", time.Minute},
			attack{"bodies in pieces", "POST /ipfs HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\nffff\r\n", "408", time.Minute},
			attack{"bodies of JSON-RPC", "POST / HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\nContent-Length: 1000000\r\n\r\n", "", time.Minute},
		)
	}
	for _, a := range attacks {
		started := time.Now()
		var slow []net.Conn
		ctx, stop := context.WithCancel(t.Context())
		var dripping sync.WaitGroup
		for range n {
			c := s.dial(t)
			slow = append(slow, c)
			dripping.Go(func() { drip(ctx, c, strings.ReplaceAll(a.begin, "HOST", s.addr)) })
		}
		for i := range 5 {
			s.serves(t, module, 1000+i)
		}
		for _, c := range slow {
			if said := within(t, c, started.Add(a.patience+30*time.Second)); !strings.Contains(said, a.says) {
				t.Errorf("%s: who was too slow is told %q", a.name, said)
				break
			}
		}
		stop()
		dripping.Wait()
		t.Logf("%s: %d clients cut off after %v", a.name, n, time.Since(started).Round(time.Second/10))
	}
	s.recovers(t, before, 64<<20)
	s.stop(t)
}

// drip sends a byte at a time until the connection ends.
func drip(ctx context.Context, c net.Conn, begin string) {
	_, err := c.Write([]byte(begin))
	for err == nil && ctx.Err() == nil {
		time.Sleep(200 * time.Millisecond)
		_, err = c.Write([]byte("x"))
	}
}

// flood is clients that submit workflows, each another one, and keep what was
// acknowledged.
type flood struct {
	module string
	mu     sync.Mutex
	acked  map[int]string // the address of each workflow by its number
	next   atomic.Int64
	full   atomic.Int64 // answers that the node is full
	lost   atomic.Int64 // requests without an answer
}

// submit sends rate workflows each second until ctx ends.
func (f *flood) submit(ctx context.Context, t *testing.T, s *server, rate int) {
	t.Helper()
	const clients = 32
	ticks := make(chan struct{}, 4*rate)
	var work sync.WaitGroup
	for range clients {
		work.Go(func() {
			for range ticks {
				f.one(ctx, t, s)
			}
		})
	}
	every := time.NewTicker(time.Second / 100)
	defer every.Stop()
	for ctx.Err() == nil {
		<-every.C
		for range rate / 100 {
			select {
			case ticks <- struct{}{}:
			default: // the machine is not fast enough
			}
		}
	}
	close(ticks)
	work.Wait()
}

func (f *flood) one(ctx context.Context, t *testing.T, s *server) {
	if ctx.Err() != nil {
		return
	}
	n := int(f.next.Add(1))
	r, err := s.try(context.WithoutCancel(ctx), "POST", "/v1/workflows", small(f.module, n), "Content-Type", "application/json")
	switch {
	case err != nil:
		f.lost.Add(1)
	case r.status == 200 || r.status == 202:
		f.mu.Lock()
		f.acked[n] = r.ran(t).Workflow
		f.mu.Unlock()
	case (r.status == 429 || r.status == 503) && r.header.Get("Retry-After") != "":
		f.full.Add(1)
	default:
		t.Errorf("workflow %d: %v", n, r)
	}
}

// ended waits until all that was acknowledged has come to what it must. Of one that is
// not listed any more, as there are too many, the result is remembered.
func (f *flood) ended(t *testing.T, s *server) {
	t.Helper()
	await(t, "all workflows to end", func() bool {
		r := s.do(t, "GET", "/v1/workflows?state=unfinished&limit=1", "")
		return r.status == 200 && strings.Contains(string(r.body), `"workflows":[]`)
	})
	numbers := make(chan int)
	var work sync.WaitGroup
	for range 32 {
		work.Go(func() {
			for n := range numbers {
				f.endedWell(t, s, n)
			}
		})
	}
	for n := range f.acked {
		if t.Failed() {
			break
		}
		numbers <- n
	}
	close(numbers)
	work.Wait()
}

// endedWell wants workflow n to have come to what it must.
func (f *flood) endedWell(t *testing.T, s *server, n int) {
	t.Helper()
	r, err := s.try(t.Context(), "GET", "/v1/workflows/"+f.acked[n], "")
	gone := r.status == 404
	if gone {
		r, err = s.try(t.Context(), "POST", "/v1/workflows?wait", small(f.module, n), "Content-Type", "application/json")
	}
	var shown ran
	if err != nil || r.status != 200 || json.Unmarshal(r.body, &shown) != nil {
		t.Errorf("workflow %d was acknowledged: %v, %v", n, r, err)
		return
	}
	wantAddOne(t, shown, n)
	if gone && len(shown.Jobs) == 1 && shown.Jobs[0].How != "remembered" {
		t.Errorf("workflow %d was acknowledged, and had come to nothing: %+v", n, shown)
	}
}

// TestNodeFlood submits a thousand workflows a second, and in the middle the node
// is killed and started again. All that was acknowledged ends as it must.
func TestNodeFlood(t *testing.T) {
	plain, _ := programs(t)
	home := newHome(t)
	half := amount(3*time.Second, 30*time.Second)
	f := &flood{acked: make(map[int]string)}
	s := serveHTTP(t, plain, home)
	f.module = s.put(t, addOne)
	ctx, cancel := context.WithTimeout(t.Context(), half+time.Second/10)
	defer cancel()
	time.AfterFunc(half, s.kill)
	f.submit(ctx, t, s, 1000)
	s.wait(t)
	t.Logf("killed; %v", f)
	first := len(f.acked)

	s = serveHTTP(t, plain, home)
	ctx, cancel = context.WithTimeout(t.Context(), half)
	defer cancel()
	f.submit(ctx, t, s, 1000)
	t.Logf("%v; the node has %v", f, s.vitals(t))
	if first == 0 || len(f.acked) == first {
		t.Error("nothing was acknowledged")
	}
	began := time.Now()
	f.ended(t, s)
	t.Logf("all have ended as they must, after another %v", time.Since(began).Round(time.Second/10))
	s.client.CloseIdleConnections()
	s.stop(t)
}

func (f *flood) String() string {
	return fmt.Sprintf("%d sent, %d acknowledged, %d told that the node is full, %d without an answer", f.next.Load(), len(f.acked), f.full.Load(), f.lost.Load())
}
