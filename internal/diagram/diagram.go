package diagram

import (
	"errors"
	"fmt"
)

// Drawing is what is drawn.
type Drawing struct {
	// Title stands above everything, and Note beside it, such as what came of
	// a run.
	Title, Note string
	Boxes       []Box
	Lines       []Line
}

// Box is one thing in a drawing.
type Box struct {
	// Label is the name, Detail one line about it. Both are cut where they are
	// too long.
	Label, Detail string
	// Class is a word that is written in the box, and that may change its look:
	// "mutation" and "query" have shapes of their own, "pure" and the empty
	// class are the usual case and not written.
	Class string
	// Secret marks a box with a lock.
	Secret bool
	// Outside, Handler and Needs are lines of their own, with a sign each: what it
	// takes from outside the drawing, who decides when it fails, and what there
	// must be for it. Empty for none.
	Outside, Handler, Needs string
	// State is how it went; Outcome says it in a few words.
	State   State
	Outcome string
	// Title is the whole text, of any length, that pointing at the box shows.
	Title string
	// Layer is the first layer that the box may stand in, from 0 and below
	// [MaxBoxes].
	Layer int
}

// Line goes from one box to another, by their places in [Drawing.Boxes].
type Line struct {
	From, To int
	Kind     Kind
	// Label stands on the line; empty for none.
	Label string
	// Title is what pointing at the line shows.
	Title string
}

// Kind is the look of a line.
type Kind int

// The kinds of lines.
const (
	Solid  Kind = iota // something is passed
	Dashed             // one comes after the other
	Dotted             // one sets the other off
)

// State is how a box went.
type State int

// The states. The zero State is that of a box of which nothing is known.
const (
	Unknown State = iota
	OK
	Remembered
	Failed
	Skipped
	Cancelled
	Upstream // did not start for want of another
)

// The bounds of a drawing. Time and memory are linear in what they bound, but
// for a logarithm.
const (
	MaxBoxes = 2000
	MaxLines = 50_000
	// MaxSpan bounds the layers that all lines together go through.
	MaxSpan = 200_000
)

var (
	// ErrTooLarge reports a drawing above a bound.
	ErrTooLarge = errors.New("too large to draw")
	// ErrLines reports lines that lead nowhere or in a circle.
	ErrLines = errors.New("bad lines")
)

// check holds d to the bounds that can be told without a layout.
func (d *Drawing) check() error {
	if n := len(d.Boxes); n > MaxBoxes {
		return fmt.Errorf("%w: %d boxes, at most %d are allowed", ErrTooLarge, n, MaxBoxes)
	}
	if n := len(d.Lines); n > MaxLines {
		return fmt.Errorf("%w: %d lines, at most %d are allowed", ErrTooLarge, n, MaxLines)
	}
	for i := range d.Boxes {
		if n := d.Boxes[i].Layer; n < 0 || n >= MaxBoxes {
			return fmt.Errorf("%w: a box in layer %d, of at most %d", ErrTooLarge, n, MaxBoxes)
		}
	}
	for _, l := range d.Lines {
		if min(l.From, l.To) < 0 || max(l.From, l.To) >= len(d.Boxes) {
			return fmt.Errorf("%w: one from %d to %d, of %d boxes", ErrLines, l.From, l.To, len(d.Boxes))
		}
	}
	return nil
}
