package diagram

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
)

const (
	margin              = 24.0  // left free round everything
	minWidth            = 360.0 // of everything, for the title's sake
	titleSize, noteSize = 17.0, 12.5
)

// SVG is d as one SVG document, which needs nothing else: no fonts, no scripts,
// no other files. It is dark where the reader prefers that. The error wraps
// [ErrTooLarge] above [MaxBoxes], [MaxLines] or [MaxSpan], and [ErrLines] for
// lines that lead nowhere or in a circle.
func (d *Drawing) SVG() ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	c, err := newChart(d)
	if err != nil {
		return nil, err
	}
	c.order()
	boxes := faces(d)
	w := writer{d: d, boxes: boxes, layout: c.arrange(d, boxes), texts: c.labels}
	w.document()
	return w.out.Bytes(), nil
}

type writer struct {
	layout
	d     *Drawing
	boxes []face
	texts []string // per line: its label, cut
	out   bytes.Buffer
}

func (w *writer) printf(format string, args ...any) { fmt.Fprintf(&w.out, format, args...) }

// n is a number of pixels, to a tenth.
func n(v float64) string {
	return strconv.FormatFloat(math.Round(v*10)/10, 'f', -1, 64)
}

func (w *writer) document() {
	const keyGap = 26
	width := max(w.w, minWidth)
	head := w.headHeight()
	entries, keyHeight := placeKey(w.key(), width)
	height := head + w.h
	if keyHeight > 0 {
		height += keyGap + keyHeight
	}
	w.printf(`<svg xmlns="http://www.w3.org/2000/svg" width="%s" height="%s" viewBox="%s %s %[1]s %[2]s" class="dg" role="graphics-document" aria-label="%s">`+"\n",
		n(width+2*margin), n(height+2*margin), n(-margin), n(-margin), escape(w.d.Title))
	w.printf("<title>%s</title>\n<desc>%s</desc>\n", escape(w.d.Title), escape(w.describe()))
	w.printf("<style>%s</style>\n", style)
	w.defs()
	w.printf(`<rect class="dg-paper" x="%s" y="%[1]s" width="%s" height="%s"/>`+"\n", n(-margin), n(width+2*margin), n(height+2*margin))
	w.head(width)
	w.printf(`<g transform="translate(%s %s)">`+"\n", n(math.Floor((width-w.w)/2)), n(head))
	w.lines()
	for i := range w.d.Boxes {
		w.box(i)
	}
	w.printf("</g>\n")
	w.printf(`<g class="dg-key" transform="translate(0 %s)">`+"\n", n(head+w.h+keyGap))
	for _, e := range entries {
		w.printf(`<g transform="translate(%s %s)">%s<text x="%s" y="12">%s</text></g>`+"\n", n(e.x), n(e.y), e.sample, n(e.sampleWidth+7), escape(e.text))
	}
	w.printf("</g>\n</svg>\n")
}

// headHeight is the room that title and note take.
func (w *writer) headHeight() float64 {
	height := 0.0
	if w.d.Title != "" {
		height += 30
	}
	if w.d.Note != "" {
		height += 20
	}
	return height
}

func (w *writer) head(width float64) {
	if w.d.Title != "" {
		w.printf(`<text class="dg-title" x="0" y="14">%s</text>`+"\n", escape(cut(clean(w.d.Title), titleSize*boldFactor, width)))
	}
	if w.d.Note != "" {
		w.printf(`<text class="dg-note" x="0" y="%s">%s</text>`+"\n", n(w.headHeight()-14), escape(cut(clean(w.d.Note), noteSize, width)))
	}
}

func counted(n int, word, ending string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %s%s", n, word, ending)
}

// describe says in words what the drawing shows.
func (w *writer) describe() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s.", counted(len(w.d.Boxes), "box", "es"), counted(len(w.d.Lines), "line", "s"))
	if w.d.Note != "" {
		b.WriteString(" " + w.d.Note)
	}
	return b.String()
}

// defs writes the arrowheads and the signs.
func (w *writer) defs() {
	w.printf("<defs>\n")
	for k := range kinds {
		w.printf(`<marker id="dg-%s" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9" markerUnits="userSpaceOnUse" orient="auto">%s</marker>`+"\n", kinds[k].name, kinds[k].head)
	}
	for _, i := range icons {
		w.printf(`<symbol id="dg-i-%s" viewBox="0 0 14 14">%s</symbol>`+"\n", i.name, i.shape)
	}
	w.printf("</defs>\n")
}

func (w *writer) lines() {
	for i := range w.d.Lines {
		l := &w.d.Lines[i]
		class := "dg-line dg-" + kinds[l.Kind].name
		switch w.d.Boxes[l.To].State {
		case Skipped, Cancelled, Upstream:
			class += " dg-idle"
		}
		w.printf(`<path class="%s" marker-end="url(#dg-%s)" d="%s">`, class, kinds[l.Kind].name, w.curve(w.paths[i]))
		if l.Title != "" {
			w.printf("<title>%s</title>", escape(l.Title))
		}
		w.printf("</path>\n")
	}
	for i, r := range w.labels {
		if r.w > 0 {
			w.printf(`<g class="dg-label"><rect x="%s" y="%s" width="%s" height="%s" rx="3"/><text x="%s" y="%s">%s</text></g>`+"\n",
				n(r.x-r.w/2), n(r.y-r.h/2), n(r.w), n(r.h), n(r.x), n(r.y+3.8), escape(w.texts[i]))
		}
	}
}

// curve is the path of a line: bends between layers, straight through them.
func (w *writer) curve(p []point) string {
	var b strings.Builder
	b.WriteString("M" + n(p[0].x) + " " + n(p[0].y))
	straight := func(to point) { b.WriteString("L" + n(to.x) + " " + n(to.y)) }
	at, drawn := p[0], p[0] // how far the line is known, and how far it is written
	for k, to := range p[1:] {
		end := to
		if k == len(p)-2 { // the arrow comes in straight
			if w.down {
				end.y -= arrow
			} else {
				end.x -= arrow
			}
		}
		if w.down && at.x != to.x || !w.down && at.y != to.y {
			if drawn != at {
				straight(at)
			}
			first, second := point{(at.x + end.x) / 2, at.y}, point{(at.x + end.x) / 2, end.y}
			if w.down {
				first, second = point{at.x, (at.y + end.y) / 2}, point{end.x, (at.y + end.y) / 2}
			}
			b.WriteString("C" + n(first.x) + " " + n(first.y) + " " + n(second.x) + " " + n(second.y) + " " + n(end.x) + " " + n(end.y))
			drawn = end
		}
		at = to
	}
	if drawn != at {
		straight(at)
	}
	return b.String()
}

func (w *writer) box(i int) {
	b, f, r := &w.d.Boxes[i], &w.boxes[i], w.layout.boxes[i]
	w.printf(`<g class="dg-box dg-s-%s" transform="translate(%s %s)" role="graphics-symbol">`+"\n", states[b.State].name, n(math.Round(r.x-r.w/2)), n(math.Round(r.y-r.h/2)))
	if b.Title != "" {
		w.printf("<title>%s</title>\n", escape(b.Title))
	}
	w.printf("%s\n", shape(b.Class, f.w, f.h))
	y := boxMargin + 14
	w.printf(`<text class="dg-name" x="%s" y="%s">%s</text>`, n(padding), n(y), escape(f.name))
	if f.secret {
		w.printf(`%s`, icon("secret", f.w-padding-11, y-11.5))
	}
	y += nameHeight - 2
	for _, row := range f.rows {
		if row.icon != "" {
			w.printf("\n%s", icon(row.icon, padding, y-11))
		}
		w.printf("\n"+`<text class="%s" x="%s" y="%s">%s</text>`, row.class, n(padding+row.indent()), n(y), escape(row.text))
		y += rowHeight
	}
	w.printf("\n</g>\n")
}

// shape is the outline of a box: that of a mutation has its corners cut and a
// heavy border, that of a query is doubled at its sides.
func shape(class string, w, h float64) string {
	switch class {
	case "mutation":
		return fmt.Sprintf(`<path class="dg-shape dg-heavy" d="M9 0H%[1]sL%[2]s 9V%[3]sL%[1]s %[4]sH9L0 %[3]sV9Z"/>`, n(w-9), n(w), n(h-9), n(h))
	case "query":
		return fmt.Sprintf(`<rect class="dg-shape" width="%s" height="%s" rx="3"/><path class="dg-shape" d="M4.5 0V%[2]sM%s 0V%[2]s"/>`, n(w), n(h), n(w-4.5))
	}
	return fmt.Sprintf(`<rect class="dg-shape" width="%s" height="%s" rx="7"/>`, n(w), n(h))
}

func icon(name string, x, y float64) string {
	return fmt.Sprintf(`<use href="#dg-i-%s" x="%s" y="%s" width="14" height="14" class="dg-i dg-i-%[1]s"/>`, name, n(x), n(y))
}
