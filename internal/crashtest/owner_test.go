//go:build unix && cgo

package crashtest

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm"
)

// toldOnce wants exactly one line for each job.
func toldOnce(t *testing.T, p *process, want *ipvm.Report) {
	t.Helper()
	lines := make(map[string]int)
	for _, line := range p.out {
		if fields := strings.Fields(line); len(fields) > 2 && (fields[1] == "ran" || fields[1] == "remembered") {
			lines[fields[0]]++
		}
	}
	for i := range want.Jobs {
		if n := lines[want.Jobs[i].Label]; n != 1 {
			t.Errorf("%d lines about job %s", n, want.Jobs[i].Label)
		}
	}
}

// Where owners and guests are killed; the points of rpc are passed only by them.
var (
	ownerPoints = []string{"rpc.submitted", "rpc.event", "rpc.report", "engine.told", "store.applied", "store.synced", "outside"}
	guestPoints = []string{"rpc.sent", "rpc.taken", "outside"}
)

// TestEveryPointKills makes sure that no point of rpc is forgotten here.
func TestEveryPointKills(t *testing.T) {
	t.Parallel()
	for _, point := range points(t) {
		if strings.HasPrefix(point, "rpc.") && !slices.Contains(ownerPoints, point) && !slices.Contains(guestPoints, point) {
			t.Errorf("nobody is killed at %s", point)
		}
	}
}

// TestKillOwner kills the process that owns the state directory while it does
// a guest's work. The guest finishes by itself.
func TestKillOwner(t *testing.T) {
	t.Parallel()
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	each := crashes(t, 3)
	for _, point := range ownerPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			rng := random(t)
			plain, faulty := programs(t)
			s := &site{home: newHome(t)}
			for i := range each {
				doc := mixed(rng, i%4 == 3)
				path := doc.write(t)
				want := expected(t, path)
				n := 1
				if point != "rpc.submitted" && point != "rpc.report" {
					n += []int{0, 1, rng.IntN(10)}[i%3]
				}
				owner := idle(t, faulty, s.home, fmt.Sprintf("%s:%d", point, n))
				guest := start(t, plain, s.home, "", "run", path)
				if point == "outside" {
					<-guest.lines
					owner.kill()
				}
				guest.succeed(t)
				owner.kill() // if it did not pass the point so often
				if code := owner.wait(t); code != -1 {
					t.Fatalf("the owner was not killed at %s:%d: exit status %d\n%s", point, n, code, &owner.stderr)
				}
				kills.add(point)
				toldOnce(t, guest, want)
				s.crashes++
				s.verify(t, crash{faults: point}, doc, path, want, acknowledged(t, guest, want, true))
			}
		})
	}
}

// TestKillGuest kills a process whose work the owner of the state directory
// does. The owner lives on and serves others.
func TestKillGuest(t *testing.T) {
	t.Parallel()
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	each := crashes(t, 5)
	for _, point := range guestPoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			rng := random(t)
			plain, faulty := programs(t)
			s := &site{home: newHome(t)}
			owner := idle(t, plain, s.home, "")
			var last string
			acked := make(map[string]map[string]bool)
			for i, killed := 0, 0; killed < each; i++ {
				if i == 10*each {
					t.Fatalf("%d guests were all faster than who kills them, but %d", i, killed)
				}
				last = mixed(rng, i%4 == 3).write(t)
				want := expected(t, last)
				n := 1
				if point == "rpc.taken" {
					n += []int{0, 1, rng.IntN(30)}[i%3]
				}
				guest := start(t, faulty, s.home, fmt.Sprintf("%s:%d", point, n), "run", last)
				if point == "outside" {
					<-guest.lines
					guest.kill()
				}
				switch code := guest.wait(t); {
				case code == -1:
					killed++
					kills.add(point)
				case point != "outside" || code != 0: // it may have ended just before
					t.Fatalf("the guest was not killed at %s:%d: exit status %d\n%s", point, n, code, &guest.stderr)
				}
				acked[last] = acknowledged(t, guest, want, false)
				next := start(t, plain, s.home, "", "run", last)
				next.succeed(t)
				toldOnce(t, next, want)
			}
			give(t, owner, last)
			owner.succeed(t)
			for path, acked := range acked {
				s.left(t, expected(t, path), acked)
			}
		})
	}
}

// give hands the document at path to a process that waits for one.
func give(t *testing.T, p *process, path string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.stdin.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := p.stdin.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestOwnerEnds lets an owner come to its end while guests work, and others
// come.
func TestOwnerEnds(t *testing.T) {
	t.Parallel()
	rng := random(t)
	plain, _ := programs(t)
	home := newHome(t)
	type use struct {
		p    *process
		want *ipvm.Report
	}
	var uses []use
	begin := func(n int) {
		d := newDocument()
		d.chain("chain", rng, 100)
		d.large("large", rng, n)
		path := d.write(t)
		uses = append(uses, use{want: expected(t, path)})
		uses[len(uses)-1].p = start(t, plain, home, "", "run", path)
	}
	small := newDocument()
	small.chain("chain", rng, 3)
	first := small.write(t)
	owner := idle(t, plain, home, "")
	for range 3 {
		begin(8)
	}
	<-uses[0].p.lines
	give(t, owner, first)
	for line := range owner.lines {
		if strings.HasPrefix(line, "ok:") {
			break
		}
	}
	for range 3 {
		begin(2)
	}
	owner.succeed(t)
	for _, u := range uses {
		u.p.succeed(t)
		toldOnce(t, u.p, u.want)
		acknowledged(t, u.p, u.want, true)
	}
}
