package diagram

import "fmt"

// chart is a drawing in layers. Lines that go through layers have a joint in
// each; so all segments lead from one layer to the next.
type chart struct {
	nodes  []node
	layers [][]int // the nodes of each layer, in their order
	chains [][]int // per line: the nodes that it goes through, boxes included
	segs   int
	labels []string // per line, cut
	texts  []bool   // layers that hold labels of lines, and no boxes
	alone  []int    // boxes without lines that may stand in the first layer; they are in none
}

// node is a box or the joint of a line in one layer.
type node struct {
	box   int // its place in Drawing.Boxes; -1 for a joint
	line  int // of a joint: its line
	text  bool
	layer int
	pos   int // within the layer
	up    []half
	down  []half
}

// half is a segment seen from one of its ends.
type half struct{ to, seg int }

func (n *node) joint() bool { return n.box < 0 }

// newChart puts the boxes of d in layers and the lines through them.
func newChart(d *Drawing) (*chart, error) {
	depth, err := depths(d)
	if err != nil {
		return nil, err
	}
	c := &chart{nodes: make([]node, len(d.Boxes)), chains: make([][]int, len(d.Lines)), labels: make([]string, len(d.Lines))}
	layerOf := c.addLayers(d, depth)
	touched := make([]bool, len(d.Boxes))
	span := 0
	for _, l := range d.Lines {
		touched[l.From], touched[l.To] = true, true
		if span += layerOf[depth[l.To]] - layerOf[depth[l.From]]; span > MaxSpan {
			return nil, fmt.Errorf("%w: its lines go through more than %d layers, added up", ErrTooLarge, MaxSpan)
		}
	}
	for i := range d.Boxes {
		c.nodes[i] = node{box: i, layer: layerOf[depth[i]]}
		if !touched[i] && depth[i] == 0 {
			c.alone = append(c.alone, i)
		}
	}
	for i, l := range d.Lines {
		c.labels[i] = cut(clean(l.Label), lineTextSize, maxLineText)
		c.thread(i, l)
	}
	return c, nil
}

// depths is the length of the longest path of lines that leads to each box, or
// more where the box must stand in a later layer.
func depths(d *Drawing) ([]int, error) {
	next := make([][]int, len(d.Boxes))
	waiting := make([]int, len(d.Boxes))
	for _, l := range d.Lines {
		next[l.From] = append(next[l.From], l.To)
		waiting[l.To]++
	}
	depth, order := make([]int, len(d.Boxes)), make([]int, 0, len(d.Boxes))
	for i, n := range waiting {
		depth[i] = d.Boxes[i].Layer
		if n == 0 {
			order = append(order, i)
		}
	}
	for k := 0; k < len(order); k++ {
		for _, to := range next[order[k]] {
			depth[to] = max(depth[to], depth[order[k]]+1)
			if waiting[to]--; waiting[to] == 0 {
				order = append(order, to)
			}
		}
	}
	if len(order) < len(d.Boxes) {
		return nil, fmt.Errorf("%w: they go in a circle", ErrLines)
	}
	return depth, nil
}

// addLayers makes one layer for each depth and, behind boxes from which lines
// with labels lead, one for the labels. It returns the layer of each depth.
func (c *chart) addLayers(d *Drawing, depth []int) []int {
	most := -1
	for _, n := range depth {
		most = max(most, n)
	}
	labelled := make([]bool, most+1)
	for _, l := range d.Lines {
		labelled[depth[l.From]] = labelled[depth[l.From]] || l.Label != ""
	}
	layerOf := make([]int, most+1)
	for i, text := range labelled {
		layerOf[i] = len(c.texts)
		c.texts = append(c.texts, false)
		if text {
			c.texts = append(c.texts, true)
		}
	}
	c.layers = make([][]int, len(c.texts))
	return layerOf
}

// thread leads line i through the layers between its ends. Its label is in the
// first of them.
func (c *chart) thread(i int, l Line) {
	at := l.From
	chain := []int{at}
	for layer := c.nodes[l.From].layer + 1; layer < c.nodes[l.To].layer; layer++ {
		c.nodes = append(c.nodes, node{box: -1, line: i, layer: layer, text: l.Label != "" && len(chain) == 1})
		at = c.link(at, len(c.nodes)-1)
		chain = append(chain, at)
	}
	c.chains[i] = append(chain, c.link(at, l.To))
}

// link adds a segment and returns its end.
func (c *chart) link(from, to int) int {
	c.nodes[from].down = append(c.nodes[from].down, half{to, c.segs})
	c.nodes[to].up = append(c.nodes[to].up, half{from, c.segs})
	c.segs++
	return to
}
