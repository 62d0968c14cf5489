// Package plan is responsible for the order in which the steps of a workflow
// may run: which step is ready, and what a failure or a cancellation means for
// the others.
//
// A [Plan] is a state machine without clock, goroutine or I/O. Its owner asks
// [Plan.Ready] for steps to run, tells their ends with [Plan.Settle], and
// learns from [Plan.Settled] which steps ended without having run. The
// transcripts in testdata show every rule.
package plan
