package diagram

import (
	"cmp"
	"slices"
)

// The work that is put into few crossings, in segments looked at. Small
// drawings do not need all of it, in large ones few people follow single lines.
const (
	sweepWork = 2_000_000
	maxSweeps = 24
	swapWork  = 20_000_000
	maxSwaps  = 12
)

// order arranges the nodes of each layer so that few segments cross.
func (c *chart) order() {
	c.walk()
	best, fewest := c.orders(), c.crossings()
	for i := range min(maxSweeps, 2+sweepWork/(c.segs+1)) {
		if fewest == 0 {
			break
		}
		c.sweep(i%2 == 0)
		c.swap()
		if n := c.crossings(); n < fewest {
			best, fewest = c.orders(), n
		}
	}
	for i := range c.layers {
		copy(c.layers[i], best[i])
		c.number(i)
	}
}

// walk fills the layers along the lines, so that what belongs together starts
// side by side.
func (c *chart) walk() {
	seen := make([]bool, len(c.nodes))
	var stack []int
	for i := range c.nodes {
		n := &c.nodes[i]
		if n.joint() || len(n.up) > 0 || slices.Contains(c.alone, i) {
			continue
		}
		stack = append(stack, i)
		for len(stack) > 0 {
			at := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			if seen[at] {
				continue
			}
			seen[at] = true
			layer := c.nodes[at].layer
			c.nodes[at].pos = len(c.layers[layer])
			c.layers[layer] = append(c.layers[layer], at)
			for _, h := range slices.Backward(c.nodes[at].down) {
				stack = append(stack, h.to)
			}
		}
	}
}

func (c *chart) orders() [][]int {
	out := make([][]int, len(c.layers))
	for i, l := range c.layers {
		out[i] = slices.Clone(l)
	}
	return out
}

// number writes the order of a layer into its nodes.
func (c *chart) number(layer int) {
	for pos, n := range c.layers[layer] {
		c.nodes[n].pos = pos
	}
}

// sweep goes through the layers, down or up, and orders each by the mean place
// of what its nodes are linked to in the one before.
func (c *chart) sweep(down bool) {
	for k := range c.layers {
		layer := k
		if !down {
			layer = len(c.layers) - 1 - k
		}
		c.orderBy(layer, func(n *node) []half {
			if down {
				return n.up
			}
			return n.down
		})
	}
}

// orderBy orders one layer. A node that is linked to nothing keeps its place.
func (c *chart) orderBy(layer int, linked func(*node) []half) {
	type item struct {
		node int
		mean float64
	}
	items := make([]item, 0, len(c.layers[layer]))
	for _, n := range c.layers[layer] {
		if to := linked(&c.nodes[n]); len(to) > 0 {
			sum := 0
			for _, h := range to {
				sum += c.nodes[h.to].pos
			}
			items = append(items, item{n, float64(sum) / float64(len(to))})
		}
	}
	slices.SortStableFunc(items, func(a, b item) int { return cmp.Compare(a.mean, b.mean) })
	for pos, n := range c.layers[layer] {
		if len(linked(&c.nodes[n])) > 0 {
			c.layers[layer][pos] = items[0].node
			items = items[1:]
		}
	}
	c.number(layer)
}

// crossings counts the pairs of segments that cross.
func (c *chart) crossings() int {
	total := 0
	var ends []int
	for i := range len(c.layers) - 1 {
		ends = ends[:0]
		for _, n := range c.layers[i] {
			first := len(ends)
			for _, h := range c.nodes[n].down {
				ends = append(ends, c.nodes[h.to].pos)
			}
			slices.Sort(ends[first:])
		}
		total += inversions(ends, len(c.layers[i+1]))
	}
	return total
}

// inversions counts the pairs of numbers in [0, n) that stand in falling order,
// with a Fenwick tree of those seen so far.
func inversions(list []int, n int) int {
	tree := make([]int, n+1)
	total := 0
	for seen, v := range list {
		notAbove := 0
		for i := v + 1; i > 0; i -= i & -i {
			notAbove += tree[i]
		}
		total += seen - notAbove
		for i := v + 1; i <= n; i += i & -i {
			tree[i]++
		}
	}
	return total
}

// swap exchanges neighbours as long as that takes crossings away.
func (c *chart) swap() {
	work := 0
	for range maxSwaps {
		better := false
		for _, layer := range c.layers {
			for i := range max(0, len(layer)-1) {
				a, b := &c.nodes[layer[i]], &c.nodes[layer[i+1]]
				if work += len(a.up)*len(b.up) + len(a.down)*len(b.down) + 1; work*maxSweeps > swapWork {
					return
				}
				now := c.cross(a.up, b.up) + c.cross(a.down, b.down)
				if now == 0 || now <= c.cross(b.up, a.up)+c.cross(b.down, a.down) {
					continue
				}
				layer[i], layer[i+1] = layer[i+1], layer[i]
				a.pos, b.pos = i+1, i
				better = true
			}
		}
		if !better {
			return
		}
	}
}

// cross counts the crossings of the segments of two nodes, that of a before
// that of b.
func (c *chart) cross(a, b []half) int {
	total := 0
	for _, x := range a {
		for _, y := range b {
			if c.nodes[x.to].pos > c.nodes[y.to].pos {
				total++
			}
		}
	}
	return total
}
