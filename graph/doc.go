// Package graph is responsible for turning a workflow into its dataflow graph:
// edges from promises, the cycle check, the order of steps, and each job as
// the task that it is.
//
// It is pure: a [Graph] is a value computed from a workflow, the same one on
// every machine. Its normal form is what a workflow's address is the hash of
// (docs/protocol.md, section 7).
package graph
