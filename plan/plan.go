package plan

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"slices"
)

// Graph is the steps of a workflow and what each waits for. Steps are numbered
// from 0.
type Graph interface {
	// Len is the number of steps.
	Len() int
	// Deps are the steps that step waits for, ascending and each once, the
	// same whenever asked. The plan does not keep the slice.
	Deps(step int) []int
	// Label is the name of step in error messages.
	Label(step int) string
}

// Options change how a plan goes on after a failure. The zero value stops.
type Options struct {
	// KeepGoing lets steps start after a failure if they do not depend on
	// what failed.
	KeepGoing bool
}

// State is where one step stands.
type State uint8

// The states of a step. From OK on they are final.
const (
	Waiting   State = iota // waits for another step
	Ready                  // may run, not yet handed out by [Plan.Ready]
	Running                // handed out, not yet settled
	OK                     // ran and returned a value
	Failed                 // ran and did not
	Upstream               // never ran: a step that it depends on failed
	Cancelled              // never ran: the plan had stopped
)

var stateNames = [...]string{"waiting", "ready", "running", "ok", "failed", "upstream", "cancelled"}

// String is the state's name in lower case.
func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state(%d)", uint8(s))
}

// Ended tells whether s is final.
func (s State) Ended() bool { return s >= OK }

var (
	// ErrNotRunning reports the end of a step that is not running: one that
	// was never handed out, or that ended before.
	ErrNotRunning = errors.New("step is not running")
	// ErrGraph reports dependencies that are not those of an acyclic graph.
	ErrGraph = errors.New("bad graph")
)

// Plan is the state of all steps of one run. It is not safe for concurrent
// use.
type Plan struct {
	graph   Graph
	options Options
	stopped bool
	ended   int // steps with a final state

	states  []State
	waiting []int32 // per step: dependencies that are not ok yet
	causes  []int32 // per step: the failed step of an Upstream one; nil until the first failure
	first   []int32 // per step: where its successors begin in next; one more at the end
	next    []int32 // successors of all steps, ascending for each

	ready, lentReady     []int // ready since the last call of Ready, and what that returned
	settled, lentSettled []int
	stack                []int32  // reused while a failure spreads
	bits                 []uint64 // reused by sort, one bit per step
}

// New returns a plan in which nothing has run. It takes time and memory linear
// in steps and dependencies. The error wraps [ErrGraph].
func New(g Graph, o Options) (*Plan, error) {
	n := g.Len()
	if n < 0 || n >= math.MaxInt32 {
		return nil, fmt.Errorf("%w: %d steps", ErrGraph, n)
	}
	p := &Plan{
		graph:   g,
		options: o,
		states:  make([]State, n),
		waiting: make([]int32, n),
		first:   make([]int32, n+1),
	}
	if err := p.count(); err != nil {
		return nil, err
	}
	p.link()
	if err := p.checkAcyclic(); err != nil {
		return nil, err
	}
	for i, w := range p.waiting {
		if w == 0 {
			p.makeReady(i)
		}
	}
	return p, nil
}

// count fills waiting, and first with the end of each step's successors.
func (p *Plan) count() error {
	edges := 0
	for i := range p.states {
		last := -1
		for _, d := range p.graph.Deps(i) {
			if d <= last || d >= len(p.states) {
				return fmt.Errorf("%w: %s: dependency %d after %d, of %d steps", ErrGraph, p.name(i), d, last, len(p.states))
			}
			last = d
			p.waiting[i]++
			p.first[d]++
			edges++
		}
	}
	if edges > math.MaxInt32 {
		return fmt.Errorf("%w: %d dependencies", ErrGraph, edges)
	}
	p.next = make([]int32, edges)
	end := int32(0)
	for i, n := range p.first {
		end += n
		p.first[i] = end
	}
	return nil
}

// link fills next backwards, which moves first from the ends to the starts.
func (p *Plan) link() {
	for i := len(p.states) - 1; i >= 0; i-- {
		for _, d := range p.graph.Deps(i) {
			p.first[d]--
			p.next[p.first[d]] = int32(i)
		}
	}
}

// checkAcyclic refuses a graph in which some step could never become ready.
func (p *Plan) checkAcyclic() error {
	waiting := slices.Clone(p.waiting)
	queue := make([]int32, 0, len(waiting))
	for i, w := range waiting {
		if w == 0 {
			queue = append(queue, int32(i))
		}
	}
	for at := 0; at < len(queue); at++ {
		for _, s := range p.successors(int(queue[at])) {
			if waiting[s]--; waiting[s] == 0 {
				queue = append(queue, s)
			}
		}
	}
	if len(queue) == len(waiting) {
		return nil
	}
	stuck := slices.IndexFunc(waiting, func(w int32) bool { return w > 0 })
	return fmt.Errorf("%w: %s waits for itself or for steps in a cycle", ErrGraph, p.name(stuck))
}

// Ready hands out the steps that became ready since the last call, in
// ascending order. Which steps these are does not depend on the order in which
// others were settled. Each step is handed out once and then is running until
// [Plan.Settle] or [Plan.Drop]. The slice is valid until the next call.
func (p *Plan) Ready() []int {
	p.ready, p.lentReady = p.lentReady[:0], p.ready
	p.sort(p.lentReady)
	for _, i := range p.lentReady {
		p.states[i] = Running
	}
	return p.lentReady
}

// Settle tells that a running step ended, with a value or without one.
//
// After a failure every step that depends on the failed one ends as Upstream,
// and nothing new starts: the other steps that do not run end as Cancelled,
// unless [Options] say to keep going. Steps that run are still to be settled.
// The error wraps [ErrNotRunning] and means that nothing changed.
func (p *Plan) Settle(step int, ok bool) error {
	if err := p.checkRunning(step); err != nil {
		return err
	}
	p.ended++
	if !ok {
		p.states[step] = Failed
		p.spread(step)
		if !p.options.KeepGoing {
			p.Cancel()
		}
		return nil
	}
	p.states[step] = OK
	for _, s := range p.successors(step) {
		p.waiting[s]--
		if p.waiting[s] == 0 && p.states[s] == Waiting {
			p.makeReady(int(s))
		}
	}
	return nil
}

// Drop tells that a running step was never begun and is given up, as the owner
// of a plan does with steps in its queue once the plan [Plan.Stopped]. The
// step ends as Cancelled, and so does everything that depends on it. The error
// wraps [ErrNotRunning].
func (p *Plan) Drop(step int) error {
	if err := p.checkRunning(step); err != nil {
		return err
	}
	p.endUnrun(step, Cancelled)
	p.spread(step)
	return nil
}

// Cancel stops the plan: nothing new starts, and every step that does not run
// ends as Cancelled. Steps that run are still to be settled.
func (p *Plan) Cancel() {
	if p.stopped {
		return
	}
	p.stopped = true
	p.ready = p.ready[:0]
	for i, s := range p.states {
		if s == Waiting || s == Ready {
			p.endUnrun(i, Cancelled)
		}
	}
}

// Stopped tells whether nothing new starts any more: after [Plan.Cancel], and
// after a failure unless the plan keeps going.
func (p *Plan) Stopped() bool { return p.stopped }

// Settled returns the steps that ended without having run since the last call,
// in ascending order. The slice is valid until the next call.
func (p *Plan) Settled() []int {
	p.settled, p.lentSettled = p.lentSettled[:0], p.settled
	p.sort(p.lentSettled)
	return p.lentSettled
}

// Done tells whether every step has ended.
func (p *Plan) Done() bool { return p.ended == len(p.states) }

// Len is the number of steps.
func (p *Plan) Len() int { return len(p.states) }

// State is where step stands.
func (p *Plan) State(step int) State { return p.states[step] }

// Cause is the failed step for which an Upstream step did not run, the first
// one to fail if there are several, and -1 for a step in any other state.
func (p *Plan) Cause(step int) int {
	if p.states[step] != Upstream {
		return -1
	}
	return int(p.causes[step])
}

func (p *Plan) successors(step int) []int32 { return p.next[p.first[step]:p.first[step+1]] }

func (p *Plan) makeReady(step int) {
	p.states[step] = Ready
	p.ready = append(p.ready, step)
}

func (p *Plan) endUnrun(step int, s State) {
	p.states[step] = s
	p.settled = append(p.settled, step)
	p.ended++
}

// spread ends every step that waits for from, directly or not: as Upstream if
// from failed, else as from did.
func (p *Plan) spread(from int) {
	end := p.states[from]
	if end == Failed {
		end = Upstream
		if p.causes == nil {
			p.causes = make([]int32, len(p.states))
		}
	}
	p.stack = append(p.stack[:0], int32(from))
	for len(p.stack) > 0 {
		at := p.stack[len(p.stack)-1]
		p.stack = p.stack[:len(p.stack)-1]
		for _, s := range p.successors(int(at)) {
			if p.states[s] != Waiting {
				continue
			}
			p.endUnrun(int(s), end)
			if end == Upstream {
				p.causes[s] = int32(from)
			}
			p.stack = append(p.stack, s)
		}
	}
}

// sort sorts list, in which each step is at most once, ascending. Long lists
// take time linear in the number of steps.
func (p *Plan) sort(list []int) {
	if len(list) < len(p.states)/64 || len(list) < 64 {
		slices.Sort(list)
		return
	}
	if p.bits == nil {
		p.bits = make([]uint64, len(p.states)/64+1)
	}
	for _, i := range list {
		p.bits[i/64] |= 1 << (i % 64)
	}
	at := 0
	for w, word := range p.bits {
		for ; word != 0; word &= word - 1 {
			list[at] = w*64 + bits.TrailingZeros64(word)
			at++
		}
		p.bits[w] = 0
	}
}

func (p *Plan) checkRunning(step int) error {
	if step < 0 || step >= len(p.states) {
		return fmt.Errorf("step %d of %d: %w", step, len(p.states), ErrNotRunning)
	}
	if s := p.states[step]; s != Running {
		return fmt.Errorf("%s is %s: %w", p.name(step), s, ErrNotRunning)
	}
	return nil
}

func (p *Plan) name(step int) string { return fmt.Sprintf("step %d %q", step, p.graph.Label(step)) }
