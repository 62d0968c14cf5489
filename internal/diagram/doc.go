// Package diagram is responsible for drawing boxes and the lines between them in
// layers, as SVG.
//
// It knows nothing of workflows: a [Drawing] is plain text and numbers. Lines
// must not go round in a circle. Each box stands in the layer after the last of
// those that a line leads from, layers go from left to right, or from top to
// bottom where that is narrower, and lines go round boxes. The same drawing is
// the same bytes on every machine: no font is measured, no clock is read.
//
// The layout is that of Sugiyama: layers by the longest path, few crossings by
// barycentres and swaps, then places within the layers by least squares.
// Everything is bounded: see [Drawing.SVG].
package diagram
