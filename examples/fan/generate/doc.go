// Command generate is responsible for the workflow of the fan example: many
// jobs that square a number each, and one that sums up the squares, written to
// standard output.
//
//	go run ./examples/fan/generate > examples/fan/workflow.json
//
// The first argument, 128 if there is none, is the number of squares.
package main
