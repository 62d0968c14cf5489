package crashtest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ipvm-wg/go-ipvm/rpc"
)

// nodePoints are where a node that serves is killed; those of runs are passed
// only by it.
var nodePoints = []string{"runs.accepted", "runs.begun", "runs.ended", "runs.halted", "store.applied", "store.synced", "engine.begun", "engine.told", "outside"}

// TestEveryPointOfRuns makes sure that none is forgotten here.
func TestEveryPointOfRuns(t *testing.T) {
	t.Parallel()
	for _, point := range points(t) {
		if strings.HasPrefix(point, "runs.") && !slices.Contains(nodePoints, point) {
			t.Errorf("nobody is killed at %s", point)
		}
	}
}

// TestKillNode kills a node that serves, over and over. What it had acknowledged
// is run to its end by the one that comes after it: a workflow that was submitted
// with exit status 0, and a word to cancel one.
func TestKillNode(t *testing.T) {
	t.Parallel()
	var kills tally
	t.Cleanup(func() { kills.log(t) })
	each := crashes(t, 3)
	for _, point := range nodePoints {
		t.Run(point, func(t *testing.T) {
			t.Parallel()
			rng := random(t)
			plain, faulty := programs(t)
			s := &served{home: newHome(t), docs: map[string]string{}}
			for i := range each {
				n := []int{1, 2, 1 + rng.IntN(20)}[i%3]
				if strings.HasPrefix(point, "runs.") {
					n = 1 + i%2
				}
				node := s.serve(t, faulty, fmt.Sprintf("%s:%d", point, n))
				s.use(t, plain, rng, node)
				node.kill() // if it did not pass the point so often
				if node.wait(t) == -1 {
					kills.add(point)
				}
			}
			s.verify(t, plain)
		})
	}
}

// served is a state directory in which nodes serve, one after the other.
type served struct {
	home      string
	docs      map[string]string // path of each document that was accepted, by workflow
	cancelled []string          // workflows whose end was acknowledged
}

// serve starts a node and returns when it answers.
func (s *served) serve(t *testing.T, program, faults string) *process {
	t.Helper()
	node := start(t, program, s.home, faults, "node", "--no-supervisor", "--listen", "127.0.0.1:0")
	await(t, "the node to serve", func() bool {
		if node.ended() {
			return true
		}
		c, err := rpc.Dial(context.Background(), s.home)
		return err == nil && c.Close() == nil
	})
	return node
}

// ended tells whether p has closed its standard output.
func (p *process) ended() bool {
	select {
	case <-p.read:
		return true
	default:
		return false
	}
}

// use submits documents to a node, and takes one back, until it is gone.
func (s *served) use(t *testing.T, program string, rng *rand.Rand, node *process) {
	t.Helper()
	for i := 0; i < 4 && !node.ended(); i++ {
		path := mixed(rng, i == 2).write(t)
		p := start(t, program, s.home, "", "run", "--detach", path)
		for p.wait(t) != 0 && !node.ended() && strings.Contains(p.stderr.String(), "no node serves") { // not yet
			p = start(t, program, s.home, "", "run", "--detach", path)
		}
		if p.cmd.ProcessState.ExitCode() != 0 {
			continue
		}
		workflow := p.out[0]
		s.docs[workflow] = path
		if i == 1 {
			p := start(t, program, s.home, "", "cancel", workflow)
			if p.wait(t) == 0 && strings.HasPrefix(p.stderr.String(), "cancelled") {
				s.cancelled = append(s.cancelled, workflow)
			}
		}
	}
}

var ranNow = regexp.MustCompile(`^\S+ +ran `)

// verify lets a last node do what is left, and looks at what became of it all.
func (s *served) verify(t *testing.T, program string) {
	t.Helper()
	node := s.serve(t, program, "")
	s.use(t, program, random(t), node) // where each node was killed before it accepted anything
	if len(s.docs) == 0 {
		t.Error("nothing was accepted")
	}
	await(t, "all that was accepted", func() bool {
		p := start(t, program, s.home, "", "ps")
		p.succeed(t)
		return len(p.out) == 0
	})
	for workflow, path := range s.docs {
		show := start(t, program, s.home, "", "show", workflow)
		show.succeed(t)
		last := show.out[len(show.out)-1]
		if slices.Contains(s.cancelled, workflow) {
			if !strings.HasPrefix(last, "cancelled: ") {
				t.Errorf("%s was cancelled, and is %s", workflow, last)
			}
			continue
		}
		if !strings.HasPrefix(last, "ok: ") && !strings.HasPrefix(last, "failed: ") && !strings.HasPrefix(last, "cancelled: ") {
			t.Errorf("%s: %s", workflow, last)
			continue
		}
		want := expected(t, path)
		if jobs := len(show.out) - 1; jobs != len(want.Jobs) {
			t.Errorf("%s: %d of %d jobs are told:\n%s", workflow, jobs, len(want.Jobs), strings.Join(show.out, "\n"))
		}
		if strings.HasPrefix(last, "cancelled: ") { // the word came through, and its acknowledgement did not
			continue
		}
		again := start(t, program, s.home, "", "run", path)
		again.wait(t)
		if i := slices.IndexFunc(again.out, ranNow.MatchString); i >= 0 {
			t.Errorf("%s has ended, and this ran again: %s", workflow, again.out[i])
		}
	}
	node.kill()
	node.wait(t)
}
