package plan

import "slices"

// gate holds the steps that mutate until all has ended that neither mutates nor
// waits for a step that does (specification, "Transactions"): queries and
// functions first, mutations last.
type gate struct {
	mutates []bool
	before  []bool // per step: it must have ended
	open    bool
	shut    bool    // for good
	left    int     // of before, those that have not ended
	held    []int32 // steps that only the gate holds
	dropped bool    // one of before was given up
}

// newGate is the gate of p, whose steps are given each after all that it waits
// for; nil where no step mutates.
func newGate(p *Plan, order []int32) *gate {
	g := &gate{}
	for i := range p.states {
		if p.graph.Mutates(i) {
			if g.mutates == nil {
				g.mutates = make([]bool, len(p.states))
			}
			g.mutates[i] = true
		}
	}
	if g.mutates == nil {
		return nil
	}
	g.before = make([]bool, len(p.states))
	for _, i := range order {
		g.before[i] = !g.mutates[i]
		for _, d := range p.graph.Deps(int(i)) {
			g.before[i] = g.before[i] && g.before[d.From]
		}
		if g.before[i] {
			g.left++
		}
	}
	return g
}

// hold tells whether the gate holds step, which could start otherwise.
func (g *gate) hold(step int) bool {
	if g == nil || g.open || !g.mutates[step] {
		return false
	}
	g.held = append(g.held, int32(step))
	return true
}

// ended counts the end of step.
func (g *gate) ended(step int, s State) {
	if g != nil && g.before[step] {
		g.left--
		g.dropped = g.dropped || s == Cancelled
	}
}

// openGate lets the steps start that mutate, if nothing is left to wait for.
func (p *Plan) openGate() {
	g := p.gate
	if g == nil || g.open || g.shut || p.stopped || g.left > 0 {
		return
	}
	if g.dropped {
		p.shutGate()
		return
	}
	g.open = true
	for _, i := range g.held {
		if p.states[i] == Waiting { // one can be held twice
			p.makeReady(int(i))
		}
	}
	g.held = nil
}

// shutGate ends all steps that mutate and have not started, and what waits for
// them.
func (p *Plan) shutGate() {
	if p.gate == nil || p.gate.shut || p.stopped {
		return
	}
	p.gate.shut = true
	for i, mutates := range p.gate.mutates {
		if s := p.states[i]; mutates && (s == Waiting || s == Ready) {
			p.endUnrun(i, Cancelled)
			p.stack = append(p.stack, int32(i))
		}
	}
	p.ready = slices.DeleteFunc(p.ready, func(i int) bool { return p.states[i] != Ready })
	p.drain()
}
