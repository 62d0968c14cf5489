// Command drawing is responsible for the picture that the thumbnail example
// works on: a mountain lake at sunset, as a PNG file of 640×480 pixels on
// standard output.
//
//	go run ./examples/thumbnail/drawing > examples/thumbnail/picture.png
package main
