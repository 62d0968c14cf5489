package diagram

import "fmt"

// entry is one sample in the key, and what it stands for.
type entry struct {
	sample      string
	sampleWidth float64
	text        string
	x, y        float64
}

const keyRow = 22.0

// key explains what the drawing uses, and nothing else.
func (w *writer) key() []entry {
	var out []entry
	var usedKinds [len(kinds)]bool
	for _, l := range w.d.Lines {
		usedKinds[l.Kind] = true
	}
	for k, used := range usedKinds {
		if used {
			out = append(out, entry{sample: fmt.Sprintf(`<path class="dg-line dg-%s" marker-end="url(#dg-%[1]s)" d="M0 8H34"/>`, kinds[k].name), sampleWidth: 34, text: kinds[k].text})
		}
	}
	var counts [len(states)]int
	var outside, handler, needs, secret, mutation, query bool
	for i := range w.d.Boxes {
		b := &w.d.Boxes[i]
		counts[b.State]++
		outside = outside || b.Outside != ""
		handler, needs, secret = handler || b.Handler != "", needs || b.Needs != "", secret || b.Secret
		mutation, query = mutation || b.Class == "mutation", query || b.Class == "query"
	}
	sample := func(used bool, text, sample string, width float64) {
		if used {
			out = append(out, entry{sample: sample, sampleWidth: width, text: text})
		}
	}
	sample(query, "reads from outside", `<g class="dg-s-unknown">`+shape("query", 26, 15)+`</g>`, 26)
	sample(mutation, "changes something outside", `<g class="dg-s-unknown">`+shape("mutation", 32, 18)+`</g>`, 32)
	sample(secret, "secret", icon("secret", 0, 1), 14)
	sample(outside, "a result from elsewhere", icon("outside", 0, 1), 14)
	sample(handler, "a handler decides when it fails", icon("catch", 0, 1), 14)
	sample(needs, "what a node must have", icon("needs", 0, 1), 14)
	for s, count := range counts {
		if State(s) != Unknown && count > 0 {
			sample(true, fmt.Sprintf("%d %s", count, states[s].text), icon(states[s].name, 0, 1), 14)
		}
	}
	return out
}

// placeKey sets the entries in rows of the given width.
func placeKey(entries []entry, width float64) ([]entry, float64) {
	x, y := 0.0, 0.0
	for i := range entries {
		e := &entries[i]
		w := e.sampleWidth + 7 + textWidth(e.text, rowSize)
		if x > 0 && x+w > width {
			x, y = 0, y+keyRow
		}
		e.x, e.y = x, y
		x += w + 22
	}
	if len(entries) == 0 {
		return nil, 0
	}
	return entries, y + keyRow
}
