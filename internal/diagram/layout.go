package diagram

import (
	"cmp"
	"math"
	"slices"
)

// Sizes, in pixels.
const (
	minBoxWidth, maxBoxWidth = 120.0, 250.0
	padding                  = 12.0 // from a box's side to its text
	iconRoom                 = 19.0
	nameHeight, rowHeight    = 20.0, 16.0
	boxMargin                = 8.0 // above the first row and below the last
	nameSize, rowSize        = 13.5, 11.5
	boldFactor               = 1.12 // bold text is wider
	boldSize                 = nameSize * boldFactor
	lineTextSize             = 11.0
	across                   = 18.0 // between what stands in one layer
	along                    = 46.0 // between layers, at least
	alongText                = 28.0 // the same beside a layer of labels
	arrow                    = 9.0
	portStep                 = 11.0
	offMiddle                = 24.0 // how far from the middle of a side a line may be straight
	maxLineText              = 170.0
	screen                   = 1500.0 // a drawing that is narrower needs no other direction
)

type point struct{ x, y float64 }

// rect is a place by its middle.
type rect struct{ x, y, w, h float64 }

// layout is where everything stands.
type layout struct {
	w, h   float64
	down   bool // layers go from top to bottom, not from left to right
	boxes  []rect
	paths  [][]point // per line: corners, see curve
	labels []rect    // per line: where its label stands; none has no width
}

// arrange finds the places for a drawing: the direction that makes it fit a
// screen, or that is the narrower.
func (c *chart) arrange(d *Drawing, boxes []face) layout {
	right := c.lay(d, boxes, false)
	if right.w > screen {
		if down := c.lay(d, boxes, true); down.w < right.w {
			return down
		}
	}
	return right
}

// lay finds all places for one direction.
func (c *chart) lay(d *Drawing, boxes []face, down bool) layout {
	l := laying{chart: c, d: d, boxes: boxes, down: down}
	l.at = c.place(func(n int) float64 { _, across := l.size(n); return across }, across)
	l.fromZero()
	l.alongLayers()
	out := layout{down: down, boxes: make([]rect, len(d.Boxes)), paths: make([][]point, len(d.Lines)), labels: make([]rect, len(d.Lines))}
	for _, layer := range c.layers {
		for _, n := range layer {
			if i := c.nodes[n].box; i >= 0 {
				out.boxes[i] = l.rect(n)
			} else if c.nodes[n].text {
				out.labels[c.nodes[n].line] = l.rect(n)
			}
		}
	}
	from, to := l.ports()
	for i, chain := range c.chains {
		out.paths[i] = l.path(chain, from[i], to[i])
	}
	out.w, out.h = l.end, l.width
	if down {
		out.w, out.h = out.h, out.w
		for _, p := range out.paths {
			for k := range p {
				p[k].x, p[k].y = p[k].y, p[k].x
			}
		}
	}
	out.addAlone(c.alone, boxes)
	return out
}

// laying is the work on one layout, in terms of along the layers and across.
type laying struct {
	*chart
	d          *Drawing
	boxes      []face
	down       bool
	at         []float64 // per node: the middle, across
	start, fin []float64 // per layer: where it starts and ends, along
	end, width float64
}

// size is how much room a node takes along the layers and across.
func (l *laying) size(n int) (along, across float64) {
	var w, h float64
	switch node := &l.nodes[n]; {
	case !node.joint():
		w, h = l.boxes[node.box].w, l.boxes[node.box].h
	case node.text:
		w, h = even(textWidth(l.labels[node.line], lineTextSize)+8), rowHeight
	}
	if l.down {
		return h, w
	}
	return w, h
}

// fromZero moves everything so that it begins at 0 across.
func (l *laying) fromZero() {
	low, high := math.Inf(1), math.Inf(-1)
	for _, layer := range l.layers {
		for _, n := range layer {
			_, size := l.size(n)
			low, high = min(low, l.at[n]-size/2), max(high, l.at[n]+size/2)
		}
	}
	if low > high {
		return
	}
	low = math.Floor(low) // whole numbers stay whole
	for n := range l.at {
		l.at[n] -= low
	}
	l.width = high - low
}

// alongLayers gives each layer its room, and more of it between layers where
// lines go far across.
func (l *laying) alongLayers() {
	l.start, l.fin = make([]float64, len(l.layers)), make([]float64, len(l.layers))
	at := 0.0
	for i, layer := range l.layers {
		thick, far := 0.0, 0.0
		for _, n := range layer {
			size, _ := l.size(n)
			thick = max(thick, size)
			for _, h := range l.nodes[n].down {
				far = max(far, math.Abs(l.at[n]-l.at[h.to]))
			}
		}
		l.start[i], l.fin[i] = at, at+thick
		if len(layer) > 0 {
			l.end = at + thick
		}
		gap := along
		if l.texts[i] || i+1 < len(l.texts) && l.texts[i+1] {
			gap = alongText
		}
		at += thick + math.Round(gap+min(110, far*0.07))
	}
}

func (l *laying) rect(n int) rect {
	layer := l.nodes[n].layer
	w, h := l.size(n)
	r := rect{(l.start[layer] + l.fin[layer]) / 2, l.at[n], w, h}
	if l.down {
		r = rect{r.y, r.x, h, w}
	}
	return r
}

// ports says where each line leaves its first box and enters its last, across.
func (l *laying) ports() (from, to []float64) {
	from, to = make([]float64, len(l.chains)), make([]float64, len(l.chains))
	outs, ins := make([][]int, len(l.boxes)), make([][]int, len(l.boxes))
	for i, line := range l.d.Lines {
		outs[line.From] = append(outs[line.From], i)
		ins[line.To] = append(ins[line.To], i)
	}
	for box := range l.boxes {
		l.spread(box, outs[box], from, func(chain []int) int { return chain[1] })
		l.spread(box, ins[box], to, func(chain []int) int { return chain[len(chain)-2] })
	}
	return from, to
}

// spread sets the ports of lines on one side of a box, in the order of where
// the lines come from or go to: where they are straight, else in the middle.
func (l *laying) spread(box int, lines []int, port []float64, next func([]int) int) {
	slices.SortStableFunc(lines, func(a, b int) int { return cmp.Compare(l.at[next(l.chains[a])], l.at[next(l.chains[b])]) })
	low, high := l.side(box)
	step := portStep
	if n := len(lines); n > 1 {
		step = min(step, (high-low)/float64(n-1))
	}
	wants := make([]want, len(lines))
	for k, i := range lines {
		wants[k] = want{l.straight(box, next(l.chains[i])), 1}
	}
	for k, at := range spaced(wants, func(int) float64 { return step }) {
		after := float64(len(lines) - 1 - k)
		port[lines[k]] = math.Round(min(max(at, low+step*float64(k)), high-step*after))
	}
}

// side is the part of a box's side that lines come to.
func (l *laying) side(n int) (low, high float64) {
	_, size := l.size(n)
	room := max(0, size/2-padding)
	return l.at[n] - room, l.at[n] + room
}

// straight is where a line from box to a node is straight; the middle of the
// box where that is nowhere near it.
func (l *laying) straight(box, to int) float64 {
	low, high := l.side(box)
	if l.nodes[to].joint() {
		low, high = max(low, l.at[to]), min(high, l.at[to])
	} else {
		otherLow, otherHigh := l.side(to)
		low, high = max(low, otherLow), min(high, otherHigh)
	}
	if at := (low + high) / 2; low <= high && math.Abs(at-l.at[box]) <= offMiddle {
		return at
	}
	return l.at[box]
}

// even is the even number of pixels that has room for v; its half is whole too.
func even(v float64) float64 { return 2 * math.Ceil(v/2) }

// path is the corners of a line: where it leaves a layer and where it comes to
// the next, by turns.
func (l *laying) path(chain []int, from, to float64) []point {
	first, last := l.rectAlong(chain[0]), l.rectAlong(chain[len(chain)-1])
	path := []point{{first.x + first.w/2, from}}
	for _, n := range chain[1 : len(chain)-1] {
		layer := l.nodes[n].layer
		path = append(path, point{l.start[layer], l.at[n]}, point{l.fin[layer], l.at[n]})
	}
	return append(path, point{last.x - last.w/2, to})
}

// rectAlong is the place of a node with x along the layers.
func (l *laying) rectAlong(n int) rect {
	r := l.rect(n)
	if l.down {
		r = rect{r.y, r.x, r.h, r.w}
	}
	return r
}

// addAlone puts the boxes without lines below the rest, in rows.
func (out *layout) addAlone(alone []int, boxes []face) {
	if len(alone) == 0 {
		return
	}
	w, h := boxes[alone[0]].w, 0.0
	for _, i := range alone {
		h = max(h, boxes[i].h)
	}
	columns := int(math.Ceil(math.Sqrt(float64(len(alone)) * h / w * 1.6)))
	columns = min(len(alone), max(columns, int((out.w+across)/(w+across))))
	top := out.h
	if top > 0 {
		top += 2 * across
	}
	for k, i := range alone {
		row, column := float64(k/columns), float64(k%columns)
		out.boxes[i] = rect{column*(w+across) + w/2, top + row*(h+across) + h/2, boxes[i].w, boxes[i].h}
	}
	rows := (len(alone) + columns - 1) / columns
	out.w = max(out.w, float64(columns)*(w+across)-across)
	out.h = top + float64(rows)*(h+across) - across
}
