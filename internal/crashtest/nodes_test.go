//go:build unix && cgo

package crashtest

import (
	"context"
	"strings"
	"testing"
	"time"
)

// TestNodesOnOneDirectory starts more than one node on a state directory. One
// serves and each other says why it does not, also where they start at once because
// the one before was killed. Nothing that any of them accepted is lost.
func TestNodesOnOneDirectory(t *testing.T) {
	t.Parallel()
	plain, _ := programs(t)
	home := newHome(t)
	f := &flood{acked: make(map[int]string)}
	s := serveHTTP(t, plain, home)
	f.module = s.put(t, addOne)
	for range amount(2, 50) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			defer close(done)
			f.submit(ctx, t, s, 100)
		}()
		for _, more := range [][]string{{"--no-supervisor"}, {}} {
			second := start(t, plain, home, "", append([]string{"node", "--listen", "127.0.0.1:0"}, more...)...)
			code := second.wait(t)
			if said := second.stderr.String(); code != 3 || !strings.Contains(said, "another node") || !strings.Contains(said, "hint: end it, or use another state directory") {
				t.Errorf("a second node: exit status %d, and it says: %s", code, said)
			}
		}
		guest := start(t, plain, home, "", "run", simple(t)) // by the first, as its guest
		guest.succeed(t)
		s.kill()
		candidates := []*process{
			start(t, plain, home, "", "node", "--no-supervisor", "--listen", "127.0.0.1:0"),
			start(t, plain, home, "", "node", "--no-supervisor", "--listen", "127.0.0.1:0"),
		}
		cancel()
		<-done
		s.wait(t)
		s = onlyOne(t, candidates)
	}
	f.ended(t, s)
	t.Logf("%v", f)
	s.client.CloseIdleConnections()
	s.stop(t)
}

// onlyOne is the candidate that serves, when all others have ended.
func onlyOne(t *testing.T, candidates []*process) *server {
	t.Helper()
	var serving []*process
	await(t, "one node to serve and the others to end", func() bool {
		serving = serving[:0]
		ended := 0
		for _, p := range candidates {
			if p.ended() {
				ended++
			} else if listening.MatchString(p.stderr.String()) {
				serving = append(serving, p)
			}
		}
		return len(serving)+ended == len(candidates)
	})
	time.Sleep(50 * time.Millisecond)
	if len(serving) != 1 || serving[0].ended() {
		t.Fatalf("%d nodes serve one directory:\n%s\n%s", len(serving), &candidates[0].stderr, &candidates[1].stderr)
	}
	for _, p := range candidates {
		if p != serving[0] {
			if code := p.wait(t); code != 3 || !strings.Contains(p.stderr.String(), "another node") {
				t.Errorf("exit status %d, and it says: %s", code, &p.stderr)
			}
		}
	}
	return asServer(t, serving[0])
}
