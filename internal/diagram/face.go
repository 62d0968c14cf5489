package diagram

// face is what a box shows, cut to its size.
type face struct {
	w, h   float64
	name   string
	rows   []row
	secret bool
}

// row is one line of a box, with a sign in front of it or none.
type row struct{ icon, class, text string }

// faces makes the boxes of d: as wide as the widest text, within bounds, and as
// high as their rows.
func faces(d *Drawing) []face {
	out := make([]face, len(d.Boxes))
	w := minBoxWidth
	for i := range d.Boxes {
		b := &d.Boxes[i]
		f := face{name: clean(b.Label), secret: b.Secret}
		f.add("", "dg-detail", b.Detail)
		if b.Class != "pure" {
			f.add("", "dg-class", b.Class)
		}
		f.add("outside", "dg-detail", b.Outside)
		f.add("catch", "dg-detail", b.Handler)
		f.add("needs", "dg-detail", b.Needs)
		if s := states[b.State]; b.State != Unknown {
			text := b.Outcome
			if text == "" {
				text = s.text
			}
			f.add(s.name, "dg-outcome", text)
		}
		w = max(w, f.want())
		f.h = nameHeight + rowHeight*float64(len(f.rows)) + 2*boxMargin
		out[i] = f
	}
	for i := range out {
		out[i].fit(min(w, maxBoxWidth))
	}
	return out
}

func (f *face) add(icon, class, text string) {
	if text != "" {
		f.rows = append(f.rows, row{icon, class, clean(text)})
	}
}

// want is the width that all texts need.
func (f *face) want() float64 {
	w := textWidth(f.name, boldSize) + f.lock()
	for _, r := range f.rows {
		w = max(w, r.indent()+textWidth(r.text, rowSize))
	}
	return even(w + 2*padding)
}

// fit cuts the texts to a box of width w.
func (f *face) fit(w float64) {
	f.w = w
	room := w - 2*padding
	f.name = cut(f.name, boldSize, room-f.lock())
	for i, r := range f.rows {
		f.rows[i].text = cut(r.text, rowSize, room-r.indent())
	}
}

// lock is the room that the sign of a secret takes.
func (f *face) lock() float64 {
	if f.secret {
		return iconRoom
	}
	return 0
}

func (r row) indent() float64 {
	if r.icon != "" {
		return iconRoom
	}
	return 0
}
