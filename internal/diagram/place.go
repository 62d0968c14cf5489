package diagram

import "math"

// The weight of a segment by how many of its ends are joints: long lines are
// to be straight before boxes are in the middle.
var pull = [...]float64{1, 2, 8}

// rounds is how often the layers are gone through, down and up.
const rounds = 12

// place gives each node of the layers its place across them: near what it is
// linked to, and no nearer to those beside it than their sizes and gap allow.
func (c *chart) place(size func(int) float64, gap float64) []float64 {
	p := placer{chart: c, size: size, gap: gap, at: make([]float64, len(c.nodes))}
	for _, layer := range c.layers {
		p.pack(layer)
	}
	for i := range 2 * rounds {
		for k := range c.layers {
			if i%2 == 1 {
				k = len(c.layers) - 1 - k
			}
			p.settle(c.layers[k])
		}
	}
	p.straighten()
	for i := range p.at {
		p.at[i] = math.Round(p.at[i])
	}
	return p.at
}

type placer struct {
	*chart
	size func(int) float64
	gap  float64
	at   []float64

	wants []want // reused
}

// room is how far apart the middles of two nodes side by side must be.
func (p *placer) room(a, b int) float64 { return (p.size(a)+p.size(b))/2 + p.gap }

// pack sets the nodes of a layer side by side, their middle at 0.
func (p *placer) pack(layer []int) {
	at := 0.0
	for i, n := range layer {
		if i > 0 {
			at += p.room(layer[i-1], n)
		}
		p.at[n] = at
	}
	for _, n := range layer {
		p.at[n] -= at / 2
	}
}

// settle moves the nodes of one layer to where they are pulled to.
func (p *placer) settle(layer []int) {
	p.wants = p.wants[:0]
	for _, n := range layer {
		p.wants = append(p.wants, p.wanted(n))
	}
	for i, at := range spaced(p.wants, func(i int) float64 { return p.room(layer[i], layer[i+1]) }) {
		p.at[layer[i]] = at
	}
}

// want is where something is pulled to, and how much.
type want struct{ at, weight float64 }

// cluster is neighbours that stand as near as they may. sum over weight is the
// place of the first of them.
type cluster struct {
	end         int     // the one behind its last
	length      float64 // from its first to its last
	weight, sum float64
}

// spaced is the places nearest to wants, by the sum of the squares of the
// distances, at which each is at least room(i) before the next. Clusters that
// are joined where they overlap find it exactly, in linear time.
func spaced(wants []want, room func(int) float64) []float64 {
	var stack []cluster
	for i, w := range wants {
		c := cluster{end: i + 1, weight: w.weight, sum: w.weight * w.at}
		for len(stack) > 0 {
			last := stack[len(stack)-1]
			offset := last.length + room(last.end-1)
			if last.sum/last.weight+offset <= c.sum/c.weight {
				break
			}
			stack = stack[:len(stack)-1]
			c = cluster{c.end, offset + c.length, last.weight + c.weight, last.sum + c.sum - c.weight*offset}
		}
		stack = append(stack, c)
	}
	out := make([]float64, 0, len(wants))
	for _, c := range stack {
		at := c.sum / c.weight
		for first := len(out); len(out) < c.end; {
			if i := len(out); i > first {
				at += room(i - 1)
			}
			out = append(out, at)
		}
	}
	return out
}

// wanted is where the segments of n pull it to.
func (p *placer) wanted(n int) want {
	var at, weight float64
	for _, list := range [][]half{p.nodes[n].up, p.nodes[n].down} {
		for _, h := range list {
			w := pull[0]
			if j := p.nodes[n].joint(); j && p.nodes[h.to].joint() {
				w = pull[2]
			} else if j || p.nodes[h.to].joint() {
				w = pull[1]
			}
			at += w * p.at[h.to]
			weight += w
		}
	}
	if weight == 0 {
		return want{p.at[n], 1}
	}
	return want{at / weight, weight}
}

// straighten takes small bends out of long lines: joints that follow each other
// get one place if there is one that all of them may have.
func (p *placer) straighten() {
	for _, chain := range p.chains {
		joints := chain[1 : len(chain)-1]
		for len(joints) > 0 {
			low, high := p.free(joints[0])
			sum, n := p.at[joints[0]], 1
			for ; n < len(joints); n++ {
				l, h := p.free(joints[n])
				if max(low, l) > min(high, h) {
					break
				}
				low, high = max(low, l), min(high, h)
				sum += p.at[joints[n]]
			}
			at := min(max(sum/float64(n), low), high)
			for _, j := range joints[:n] {
				p.at[j] = at
			}
			joints = joints[n:]
		}
	}
}

// free is the room that a node has between those beside it.
func (p *placer) free(n int) (low, high float64) {
	layer, pos := p.layers[p.nodes[n].layer], p.nodes[n].pos
	low, high = math.Inf(-1), math.Inf(1)
	if pos > 0 {
		low = p.at[layer[pos-1]] + p.room(layer[pos-1], n)
	}
	if pos+1 < len(layer) {
		high = p.at[layer[pos+1]] - p.room(n, layer[pos+1])
	}
	return min(low, p.at[n]), max(high, p.at[n])
}
