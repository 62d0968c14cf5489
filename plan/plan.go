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
	// Deps are the edges that lead to step, ascending by the step they come
	// from and by kind, at most one of each kind from each; the same whenever
	// asked. The plan does not keep the slice.
	Deps(step int) []Edge
	// Mutates tells whether step changes the world, so that it starts only after
	// what can be known before has gone well.
	Mutates(step int) bool
	// Label is the name of step in error messages.
	Label(step int) string
}

// Edge is one thing that a step waits for.
type Edge struct {
	From int
	Kind EdgeKind
	// On is how From must return.
	On Branch
}

// EdgeKind says what an edge is for.
type EdgeKind uint8

// The kinds of edges.
const (
	// Await is an edge whose other end must return, on the right branch, or
	// the step does not run.
	Await EdgeKind = iota
	// Trigger is an edge that may set the step off. A step with triggers runs
	// once one of them has fired, and is skipped if none does.
	Trigger
	// Order is an edge whose other end must have come to an end, whichever.
	Order
)

// Branch is a set of ways for a step to return.
type Branch uint8

// The ways to return. The empty set is none that any step can take.
const (
	OnOK Branch = 1 << iota
	OnError
	OnAny = OnOK | OnError
)

// branchOf is the way that a step returned.
func branchOf(ok bool) Branch {
	if ok {
		return OnOK
	}
	return OnError
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
	Mismatch               // never ran: a step that it awaits returned on the other branch
	Upstream               // never ran: a step that it awaits never returned
	Skipped                // never ran: none of its triggers fired, or a step that it awaits was skipped
	Cancelled              // never ran: the plan had stopped
)

var stateNames = [...]string{"waiting", "ready", "running", "ok", "failed", "mismatch", "upstream", "skipped", "cancelled"}

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
	ended   int  // steps with a final state
	halting bool // a failure that nothing handles was found

	states  []State
	waiting []int32 // per step: awaited steps that have not ended
	causes  []int32 // per step: the step for which one did not run; nil until there is one
	first   []int32 // per step: where its successors begin in next; one more at the end
	next    []successor
	// Of steps with triggers; nil where there are none.
	triggers []trigger
	skips    []bool // per step: an awaited step was skipped; nil until one was
	handling []handling

	ready, lentReady     []int // ready since the last call of Ready, and what that returned
	settled, lentSettled []int
	stack                []int32  // reused while the end of a step spreads
	bits                 []uint64 // reused by sort, one bit per step
	gate                 *gate    // nil where no step mutates
}

// successor is an edge from the side of the step that is waited for.
type successor struct {
	step int32
	kind EdgeKind
	on   Branch
}

// trigger counts the triggers of one step.
type trigger struct {
	open  int32 // those that may still fire
	fired bool
	has   bool
}

// handling counts the handlers of a step that failed: the steps that its
// failure sets off, or that await it.
type handling struct {
	open, ok int32
	bad      bool // one came to another end than ok or skipped
	judged   bool
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
	order, err := p.order()
	if err != nil {
		return nil, err
	}
	p.gate = newGate(p, order)
	for i, w := range p.waiting {
		if w == 0 && !p.unfired(i) && !p.gate.hold(i) {
			p.makeReady(i)
		}
	}
	p.openGate()
	return p, nil
}

// count fills waiting and triggers, and first with the end of each step's
// successors.
func (p *Plan) count() error {
	edges := 0
	for i := range p.states {
		last := Edge{From: -1}
		for _, d := range p.graph.Deps(i) {
			if d.From < last.From || d.From == last.From && d.Kind <= last.Kind || d.From >= len(p.states) {
				return fmt.Errorf("%w: %s: dependency %d after %d, of %d steps", ErrGraph, p.name(i), d.From, last.From, len(p.states))
			}
			last = d
			if d.Kind != Trigger {
				p.waiting[i]++
			} else {
				if p.triggers == nil {
					p.triggers = make([]trigger, len(p.states))
				}
				p.triggers[i].open++
				p.triggers[i].has = true
			}
			p.first[d.From]++
			edges++
		}
	}
	if edges > math.MaxInt32 {
		return fmt.Errorf("%w: %d dependencies", ErrGraph, edges)
	}
	p.next = make([]successor, edges)
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
			p.first[d.From]--
			p.next[p.first[d.From]] = successor{int32(i), d.Kind, d.On}
		}
	}
}

// order is all steps, each after all that it waits for. It refuses a graph in
// which some step could never become ready.
func (p *Plan) order() ([]int32, error) {
	waiting := slices.Clone(p.waiting)
	for i := range p.triggers {
		waiting[i] += p.triggers[i].open
	}
	queue := make([]int32, 0, len(waiting))
	for i, w := range waiting {
		if w == 0 {
			queue = append(queue, int32(i))
		}
	}
	for at := 0; at < len(queue); at++ {
		for _, s := range p.successors(int(queue[at])) {
			if waiting[s.step]--; waiting[s.step] == 0 {
				queue = append(queue, s.step)
			}
		}
	}
	if len(queue) == len(waiting) {
		return queue, nil
	}
	stuck := slices.IndexFunc(waiting, func(w int32) bool { return w > 0 })
	return nil, fmt.Errorf("%w: %s waits for itself or for steps in a cycle", ErrGraph, p.name(stuck))
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
// A step that mutates starts only when all steps that do not, and wait for none
// that does, have ended, and no failure among them is without a handler.
//
// What awaits the other branch ends as Mismatch, and what waits for that as
// Upstream. What the end sets off may run; a step whose last trigger did not
// fire is skipped, and so is what waits for it.
//
// A failure is handled by the steps that it sets off or that await it: if each
// of them ends ok or skipped, and one at least ok. When it is certain that a
// failure is not handled nothing new starts: the other steps that do not run
// end as Cancelled, unless [Options] say to keep going. Steps that run are still
// to be settled. The error wraps [ErrNotRunning] and means that nothing changed.
func (p *Plan) Settle(step int, ok bool) error {
	if err := p.checkRunning(step); err != nil {
		return err
	}
	p.states[step] = Failed
	if ok {
		p.states[step] = OK
	}
	p.ended++
	if !ok {
		p.watch(step)
	}
	p.spread(step)
	p.halt()
	return nil
}

// halt stops the plan after a failure that nothing handles; if it is to keep
// going, only what mutates.
func (p *Plan) halt() {
	switch {
	case !p.halting:
		p.openGate()
	case !p.options.KeepGoing:
		p.Cancel()
	default:
		p.shutGate()
	}
}

// Drop tells that a running step was never begun and is given up, as the owner
// of a plan does with steps in its queue once the plan [Plan.Stopped]. The
// step ends as Cancelled, and so does everything that awaits it. The error
// wraps [ErrNotRunning].
func (p *Plan) Drop(step int) error {
	if err := p.checkRunning(step); err != nil {
		return err
	}
	p.endUnrun(step, Cancelled)
	p.spread(step)
	p.halt()
	return nil
}

// Block tells that a running step was never begun, because something outside the
// plan that it awaits never returned, or returned on the other branch. It ends as
// Upstream, and so does what awaits it. This is a failure of its own, and nothing
// handles it. The error wraps [ErrNotRunning].
func (p *Plan) Block(step int) error {
	if err := p.checkRunning(step); err != nil {
		return err
	}
	p.endUnrun(step, Upstream)
	p.blame(step, step)
	p.halting = true
	p.spread(step)
	p.halt()
	return nil
}

// Awaits tells whether step waits for other, by the edges of the graph and
// because mutations come last, whatever has ended: the answer does not depend
// on when it is asked.
func (p *Plan) Awaits(step, other int) bool {
	seen := make(map[int]bool)
	for open := []int{step}; len(open) > 0; {
		at := open[len(open)-1]
		open = open[:len(open)-1]
		if at == other {
			return true
		}
		if seen[at] {
			continue
		}
		seen[at] = true
		if g := p.gate; g != nil && g.mutates[at] && g.before[other] {
			return true
		}
		for _, d := range p.graph.Deps(at) {
			open = append(open, d.From)
		}
	}
	return false
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
// after a failure that nothing handles unless the plan keeps going.
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

// Cause is the step for which a step did not run that ended as Mismatch or
// Upstream: the one that failed, or that returned where a failure was awaited,
// or for an Upstream one that awaited wrongly; the first if there are several. Of one that was blocked it is the step itself. It is -1 for a step in any other state.
func (p *Plan) Cause(step int) int {
	if s := p.states[step]; s != Mismatch && s != Upstream {
		return -1
	}
	return int(p.causes[step])
}

// Handled tells whether step failed and that failure is handled.
func (p *Plan) Handled(step int) bool {
	if p.states[step] != Failed || p.handling == nil {
		return false
	}
	h := p.handling[step]
	return h.open == 0 && h.ok > 0 && !h.bad
}

// Lost tells, once the plan is done, whether there was a failure that nothing
// handled.
func (p *Plan) Lost() bool {
	for i, s := range p.states {
		if s == Failed && !p.Handled(i) || p.Wrong(i) {
			return true
		}
	}
	return false
}

func (p *Plan) successors(step int) []successor { return p.next[p.first[step]:p.first[step+1]] }

// unfired tells whether step has triggers of which none has fired.
func (p *Plan) unfired(step int) bool {
	return p.triggers != nil && p.triggers[step].has && !p.triggers[step].fired
}

func (p *Plan) makeReady(step int) {
	p.states[step] = Ready
	p.ready = append(p.ready, step)
}

func (p *Plan) endUnrun(step int, s State) {
	p.states[step] = s
	p.settled = append(p.settled, step)
	p.ended++
}

// spread takes the end of step, and of all that ends because of it, to the
// steps behind it.
func (p *Plan) spread(step int) {
	p.stack = append(p.stack[:0], int32(step))
	p.drain()
}

func (p *Plan) drain() {
	for len(p.stack) > 0 {
		at := int(p.stack[len(p.stack)-1])
		p.stack = p.stack[:len(p.stack)-1]
		for _, s := range p.successors(at) {
			switch s.kind {
			case Trigger:
				p.triggered(at, s)
			case Order:
				p.waiting[s.step]--
				p.look(int(s.step))
			default:
				p.awaited(at, s)
			}
		}
		p.handle(at)
		p.gate.ended(at, p.states[at])
	}
}

// triggered tells s that its trigger has ended.
func (p *Plan) triggered(from int, s successor) {
	t := &p.triggers[s.step]
	t.open--
	switch p.states[from] {
	case OK:
		t.fired = t.fired || s.on&OnOK != 0
	case Failed:
		t.fired = t.fired || s.on&OnError != 0
	}
	p.look(int(s.step))
}

// awaited tells s that a step that it awaits has ended.
func (p *Plan) awaited(from int, s successor) {
	step := int(s.step)
	p.waiting[step]--
	switch state := p.states[from]; state {
	case OK, Failed:
		if s.on&branchOf(state == OK) == 0 {
			p.blame(step, from)
			p.halting = p.halting || p.Wrong(step) // it may have ended for another reason
		}
	case Mismatch, Upstream:
		cause := p.Cause(from)
		if p.states[cause] == OK { // from is a failure of its own
			cause = from
		}
		p.blame(step, cause)
	case Cancelled:
		if p.states[step] == Waiting {
			p.endUnrun(step, Cancelled)
			p.stack = append(p.stack, s.step)
		}
	case Skipped:
		if p.skips == nil {
			p.skips = make([]bool, len(p.states))
		}
		p.skips[step] = true
	}
	p.look(step)
}

// blame notes the first step for which step will not run.
func (p *Plan) blame(step, cause int) {
	if p.causes == nil {
		p.causes = make([]int32, len(p.states))
		for i := range p.causes {
			p.causes[i] = -1
		}
	}
	if p.causes[step] < 0 {
		p.causes[step] = int32(cause)
	}
}

// look sees whether a waiting step can run by now, or ends without.
func (p *Plan) look(step int) {
	if p.states[step] != Waiting {
		return
	}
	end := Waiting
	switch {
	case p.unfired(step):
		if p.triggers[step].open == 0 {
			end = Skipped
		}
	case p.causes != nil && p.causes[step] >= 0:
		end = p.blocked(step)
	case p.waiting[step] > 0:
	case p.skips != nil && p.skips[step]:
		end = Skipped
	case !p.gate.hold(step):
		p.makeReady(step)
	}
	if end == Waiting {
		return
	}
	p.endUnrun(step, end)
	p.stack = append(p.stack, int32(step))
	p.halting = p.halting || p.Wrong(step)
}

// Wrong tells whether step did not run and awaits the failure of a step that
// went well, or was blocked: a failure of its own.
func (p *Plan) Wrong(step int) bool {
	if s := p.states[step]; s != Mismatch && s != Upstream {
		return false
	}
	if p.Cause(step) == step {
		return true
	}
	for _, d := range p.graph.Deps(step) {
		if d.Kind == Await && d.On&OnOK == 0 && p.states[d.From] == OK {
			return true
		}
	}
	return false
}

// blocked is how a step ends that has a cause not to run: it awaits the cause
// itself, or something else that did not return because of it.
func (p *Plan) blocked(step int) State {
	cause := int(p.causes[step])
	if s := p.states[cause]; s != OK && s != Failed {
		return Upstream
	}
	for _, d := range p.graph.Deps(step) {
		if d.Kind == Await && d.From == cause {
			return Mismatch
		}
	}
	return Upstream
}

// handles tells whether an edge makes its step a handler of failures.
func (s successor) handles() bool { return s.kind != Order && s.on&OnError != 0 }

// watch counts the handlers of a step that failed.
func (p *Plan) watch(step int) {
	if p.handling == nil {
		p.handling = make([]handling, len(p.states))
	}
	h := &p.handling[step]
	last := int32(-1)
	for _, s := range p.successors(step) {
		if !s.handles() || s.step == last {
			continue
		}
		last = s.step
		if state := p.states[s.step]; state.Ended() {
			h.count(state)
		} else {
			h.open++
		}
	}
	p.judge(step)
}

func (h *handling) count(end State) {
	switch end {
	case OK:
		h.ok++
	case Skipped:
	default:
		h.bad = true
	}
}

// handle tells the failed steps whose failure step handles that it has ended.
func (p *Plan) handle(step int) {
	if p.handling == nil {
		return
	}
	last := -1
	for _, d := range p.graph.Deps(step) {
		if d.Kind == Order || d.On&OnError == 0 || d.From == last || p.states[d.From] != Failed {
			continue
		}
		last = d.From
		h := &p.handling[d.From]
		h.open--
		h.count(p.states[step])
		p.judge(d.From)
	}
}

// judge sees whether a failure is certain not to be handled.
func (p *Plan) judge(step int) {
	h := &p.handling[step]
	if h.judged || !h.bad && (h.open > 0 || h.ok > 0) {
		return
	}
	h.judged = true
	p.halting = true
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
