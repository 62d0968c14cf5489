package plan

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// drawGraph draws an acyclic graph whose steps are numbered in any order.
func drawGraph(t *rapid.T) steps {
	n := rapid.IntRange(1, 12).Draw(t, "steps")
	number := rapid.Permutation(identity(n)).Draw(t, "numbers")
	g := steps{labels: make([]string, n), deps: make([][]int, n)}
	for i := range n {
		g.labels[i] = fmt.Sprint(i)
		for j := range i {
			if rapid.IntRange(0, 3).Draw(t, "edge") == 0 {
				g.deps[number[i]] = append(g.deps[number[i]], number[j])
			}
		}
		slices.Sort(g.deps[number[i]])
	}
	return g
}

func identity(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

func mustPlan(t testing.TB, g Graph, o Options) *Plan {
	t.Helper()
	p, err := New(g, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// However steps end one after another, if all end well each runs exactly once,
// after all that it waits for.
func TestEveryStepRunsOnceInOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		p, err := New(g, Options{KeepGoing: rapid.Bool().Draw(t, "keep going")})
		if err != nil {
			t.Fatal(err)
		}
		ran := make([]bool, g.Len())
		var running []int
		for !p.Done() {
			if len(running) == 0 || rapid.Bool().Draw(t, "ask") {
				ready := slices.Clone(p.Ready())
				if !slices.IsSorted(ready) {
					t.Fatalf("ready: %v", ready)
				}
				for _, s := range ready {
					if ran[s] {
						t.Fatalf("%d is handed out twice", s)
					}
					ran[s] = true
					for _, d := range g.deps[s] {
						if p.State(d) != OK {
							t.Fatalf("%d is ready while %d is %s", s, d, p.State(d))
						}
					}
				}
				running = append(running, ready...)
			}
			if len(running) == 0 {
				t.Fatal("nothing runs, nothing is ready, and the plan is not done")
			}
			i := rapid.IntRange(0, len(running)-1).Draw(t, "end")
			if err := p.Settle(running[i], true); err != nil {
				t.Fatal(err)
			}
			running = slices.Delete(running, i, i+1)
		}
		for s := range ran {
			if !ran[s] || p.State(s) != OK {
				t.Fatalf("%d: ran %t, %s", s, ran[s], p.State(s))
			}
		}
		if len(p.Settled()) != 0 || p.Stopped() {
			t.Fatal("something ended without running")
		}
	})
}

// What is ready depends on which steps ended, not on the order in which they
// did.
func TestReadyDoesNotDependOnOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		p, err := New(g, Options{})
		if err != nil {
			t.Fatal(err)
		}
		q, err := New(g, Options{})
		if err != nil {
			t.Fatal(err)
		}
		var running []int
		for !p.Done() {
			ready := slices.Clone(p.Ready())
			if other := q.Ready(); !slices.Equal(ready, other) {
				t.Fatalf("ready: %v and %v", ready, other)
			}
			running = append(running, ready...)
			mixed := rapid.Permutation(running).Draw(t, "order")
			end := mixed[:rapid.IntRange(1, len(mixed)).Draw(t, "count")]
			for i := range end {
				if err := errors.Join(p.Settle(end[i], true), q.Settle(end[len(end)-1-i], true)); err != nil {
					t.Fatal(err)
				}
			}
			running = slices.DeleteFunc(running, func(s int) bool { return slices.Contains(end, s) })
		}
		if !q.Done() {
			t.Fatal("one plan is done, the other is not")
		}
	})
}

// Long lists are sorted in another way than short ones.
func TestLongListsAreSorted(t *testing.T) {
	t.Parallel()
	for _, n := range []int{64, 65, 127, 128, 129, 1000} {
		g := steps{labels: make([]string, n+1), deps: make([][]int, n+1)}
		for i := 1; i <= n; i++ {
			g.deps[i] = []int{0}
		}
		g.deps[1] = []int{0, n} // found last
		p := mustPlan(t, g, Options{})
		if err := p.Settle(p.Ready()[0], true); err != nil {
			t.Fatal(err)
		}
		if got := p.Ready(); !slices.Equal(got, identity(n + 1)[2:]) {
			t.Errorf("%d ready: %v", n, got)
		}
		q := mustPlan(t, g, Options{})
		if err := q.Settle(q.Ready()[0], false); err != nil {
			t.Fatal(err)
		}
		if got := q.Settled(); !slices.Equal(got, identity(n + 1)[1:]) {
			t.Errorf("%d settled: %v", n, got)
		}
	}
	// Two layers, each found in descending order.
	const n = 100
	g := steps{labels: make([]string, 2*n), deps: make([][]int, 2*n)}
	for i := range n {
		g.deps[n+i] = []int{i}
	}
	p := mustPlan(t, g, Options{})
	running := slices.Clone(p.Ready())
	slices.Reverse(running)
	for _, s := range running {
		if err := p.Settle(s, true); err != nil {
			t.Fatal(err)
		}
	}
	if got := p.Ready(); !slices.Equal(got, identity(2 * n)[n:]) {
		t.Errorf("second layer: %v", got)
	}
}

// model is the rules of Plan without regard to cost.
type model struct {
	g         steps
	keepGoing bool
	stopped   bool
	states    []State
	causes    []int
}

func (m *model) reaches(from, to int) bool {
	return slices.ContainsFunc(m.g.deps[to], func(d int) bool { return d == from || m.reaches(from, d) })
}

// endUnrun ends what neither runs nor ended and matches.
func (m *model) endUnrun(s State, cause int, match func(step int) bool) {
	for i := range m.states {
		if m.states[i] <= Ready && match(i) {
			m.states[i], m.causes[i] = s, cause
		}
	}
}

func (m *model) cancel() {
	m.stopped = true
	m.endUnrun(Cancelled, -1, func(int) bool { return true })
}

func (m *model) settle(step int, end State) {
	m.states[step] = end
	after := func(i int) bool { return m.reaches(step, i) }
	switch end {
	case Failed:
		m.endUnrun(Mismatch, step, func(i int) bool { return slices.Contains(m.g.deps[i], step) })
		m.endUnrun(Upstream, step, after)
		if !m.keepGoing {
			m.cancel()
		}
	case Cancelled:
		m.endUnrun(Cancelled, -1, after)
	}
	for i, deps := range m.g.deps {
		if m.states[i] == Waiting && !slices.ContainsFunc(deps, func(d int) bool { return m.states[d] != OK }) {
			m.states[i] = Ready
		}
	}
}

// Every plan does what the model does, whatever ends how and when.
func TestPlanIsItsModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawGraph(t)
		m := &model{g: g, keepGoing: rapid.Bool().Draw(t, "keep going"), states: make([]State, g.Len()), causes: slices.Repeat([]int{-1}, g.Len())}
		for i, deps := range g.deps {
			if len(deps) == 0 {
				m.states[i] = Ready
			}
		}
		p, err := New(g, Options{KeepGoing: m.keepGoing})
		if err != nil {
			t.Fatal(err)
		}
		told := make([]bool, g.Len())
		for !p.Done() {
			step(t, m, p)
			for _, s := range p.Settled() {
				if told[s] {
					t.Fatalf("%d is told twice", s)
				}
				told[s] = true
			}
			for i := range m.states {
				if p.State(i) != m.states[i] || p.Cause(i) != m.causes[i] {
					t.Fatalf("%d: %s of %d, want %s of %d", i, p.State(i), p.Cause(i), m.states[i], m.causes[i])
				}
			}
			if p.Stopped() != m.stopped {
				t.Fatalf("stopped: %t, want %t", p.Stopped(), m.stopped)
			}
		}
		for i, s := range m.states {
			if !s.Ended() {
				t.Fatalf("done while %d is %s", i, s)
			}
			if told[i] && s < Mismatch || !told[i] && (s == Mismatch || s == Upstream) {
				t.Fatalf("%d is %s, told as not run: %t", i, s, told[i])
			}
		}
	})
}

// step does one drawn thing to both.
func step(t *rapid.T, m *model, p *Plan) {
	var running []int
	for i, s := range m.states {
		if s == Running {
			running = append(running, i)
		}
	}
	what := rapid.IntRange(0, 40).Draw(t, "what")
	switch {
	case what == 0:
		p.Cancel()
		m.cancel()
	case what == 1:
		s := rapid.IntRange(-1, len(m.states)).Draw(t, "any")
		if slices.Contains(running, s) {
			return
		}
		if err := errors.Join(p.Settle(s, true), p.Drop(s)); !errors.Is(err, ErrNotRunning) {
			t.Fatalf("end of %d, which does not run: %v", s, err)
		}
	case len(running) == 0 || what < 15:
		var want []int
		for i, s := range m.states {
			if s == Ready {
				want = append(want, i)
				m.states[i] = Running
			}
		}
		if got := p.Ready(); !slices.Equal(got, want) {
			t.Fatalf("ready: %v, want %v", got, want)
		}
	default:
		s := rapid.SampledFrom(running).Draw(t, "end")
		end := map[bool]State{true: OK, false: Failed}[what < 36]
		err := error(nil)
		if what == 40 {
			end = Cancelled
			err = p.Drop(s)
		} else {
			err = p.Settle(s, end == OK)
		}
		if err != nil {
			t.Fatal(err)
		}
		m.settle(s, end)
	}
}

// drawBranches draws a graph with edges of all kinds, numbered in order.
func drawBranches(t *rapid.T) steps {
	n := rapid.IntRange(1, 10).Draw(t, "steps")
	g := steps{labels: make([]string, n), deps: make([][]int, n), more: make([][]Edge, n)}
	for i := range n {
		g.labels[i] = fmt.Sprint(i)
		for j := range i {
			on := rapid.SampledFrom([]Branch{OnOK, OnOK, OnError, OnAny}).Draw(t, "branch")
			switch rapid.IntRange(0, 7).Draw(t, "edge") {
			case 0, 1:
				g.more[i] = append(g.more[i], Edge{j, Await, on})
			case 2:
				g.more[i] = append(g.more[i], Edge{j, Trigger, on})
			case 3:
				g.more[i] = append(g.more[i], Edge{j, Await, on}, Edge{j, Trigger, rapid.SampledFrom([]Branch{OnOK, OnError}).Draw(t, "trigger")})
			}
		}
	}
	return g
}

// drawMutations makes some steps of g mutate, and lets some of those wait for
// another's end.
func drawMutations(t *rapid.T, g *steps) {
	g.mutates = make([]bool, g.Len())
	last := -1
	for i := range g.mutates {
		if g.mutates[i] = rapid.IntRange(0, 2).Draw(t, "mutates") == 0; !g.mutates[i] {
			continue
		}
		if last >= 0 && rapid.Bool().Draw(t, "ordered") {
			g.more[i] = append(g.more[i], Edge{From: last, Kind: Order})
		}
		last = i
	}
}

// knowable tells whether step neither mutates nor waits for one that does.
func (g steps) knowable(step int) bool {
	return !g.Mutates(step) && !slices.ContainsFunc(g.Deps(step), func(d Edge) bool { return !g.knowable(d.From) })
}

// Whatever fails, mutations start when all that can be known before is known,
// everything ends, and whether the run is lost does not depend on the order.
func TestMutationsComeLast(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawBranches(t)
		drawMutations(t, &g)
		well := make([]bool, g.Len())
		for i := range well {
			well[i] = rapid.IntRange(0, 3).Draw(t, "well") > 0
		}
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "next") }
		a := play(t, g, Options{KeepGoing: rapid.Bool().Draw(t, "keep going")}, well, choose)
		b := play(t, g, Options{}, well, func(int) int { return 0 })
		if a.Lost() != b.Lost() {
			t.Fatalf("lost: %t and %t", a.Lost(), b.Lost())
		}
		for i := range g.Len() {
			if !a.Lost() && (a.State(i) != b.State(i) && kept(a.State(i)) != kept(b.State(i))) {
				t.Fatalf("%d ends as %s or %s", i, a.State(i), b.State(i))
			}
		}
	})
}

// play runs g to its end, each step ending as well says, in an order that next
// chooses. It checks that nothing runs that should not.
func play(t *rapid.T, g steps, o Options, well []bool, next func(n int) int) *Plan {
	p, err := New(g, o)
	if err != nil {
		t.Fatal(err)
	}
	ran := make([]bool, g.Len())
	var running []int
	for !p.Done() {
		for _, s := range p.Ready() {
			if ran[s] {
				t.Fatalf("%d is handed out twice", s)
			}
			ran[s] = true
			running = append(running, s)
			allowed(t, g, p, s)
		}
		if len(running) == 0 {
			t.Fatal("nothing runs, nothing is ready, and the plan is not done")
		}
		i := next(len(running))
		s := running[i]
		running = slices.Delete(running, i, i+1)
		if err := p.Settle(s, well[s]); err != nil {
			t.Fatal(err)
		}
	}
	return p
}

// allowed tells whether step may run as things stand.
func allowed(t *rapid.T, g steps, p *Plan, step int) {
	triggers, fired := false, false
	for i := range g.Len() {
		if g.Mutates(step) && g.knowable(i) && !p.State(i).Ended() {
			t.Fatalf("%d mutates while %d is %s", step, i, p.State(i))
		}
	}
	if g.Mutates(step) && p.halting {
		t.Fatalf("%d mutates after a failure that nothing handles", step)
	}
	for _, d := range g.Deps(step) {
		s := p.State(d.From)
		returned := s == OK && d.On&OnOK != 0 || s == Failed && d.On&OnError != 0
		switch {
		case d.Kind == Trigger:
			triggers, fired = true, fired || returned
		case d.Kind == Order:
			if !s.Ended() {
				t.Fatalf("%d runs while %d is %s", step, d.From, s)
			}
		case !returned:
			t.Fatalf("%d runs while %d is %s", step, d.From, s)
		}
	}
	if triggers && !fired {
		t.Fatalf("%d runs though nothing set it off", step)
	}
}

// kept is s, but for which of several failures it was that kept a step from
// running: that is the first.
func kept(s State) State {
	if s == Mismatch {
		return Upstream
	}
	return s
}

// Whatever fails, everything ends, what runs was allowed to, and going on in
// spite of failures gives the same states in whatever order steps end.
func TestBranchesSettle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := drawBranches(t)
		well := make([]bool, g.Len())
		for i := range well {
			well[i] = rapid.Bool().Draw(t, "well")
		}
		choose := func(n int) int { return rapid.IntRange(0, n-1).Draw(t, "next") }
		stopping := play(t, g, Options{}, well, choose)
		a := play(t, g, Options{KeepGoing: true}, well, choose)
		b := play(t, g, Options{KeepGoing: true}, well, func(int) int { return 0 })
		for i := range g.Len() {
			if kept(a.State(i)) != kept(b.State(i)) || a.Handled(i) != b.Handled(i) {
				t.Fatalf("%d ends as %s or %s", i, a.State(i), b.State(i))
			}
			if a.State(i) == Cancelled {
				t.Fatalf("%d is cancelled though the plan goes on", i)
			}
		}
		if a.Lost() != b.Lost() || stopping.Lost() != a.Lost() {
			t.Fatalf("lost: %t, %t; %t when it stops", a.Lost(), b.Lost(), stopping.Lost())
		}
	})
}
