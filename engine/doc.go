// Package engine is responsible for driving workflows to their end: recalling
// what is remembered, running what is not, signing and keeping what came out,
// and telling who listens, many workflows at once.
//
// It is the shell around the pure packages graph and plan: goroutines, clocks
// and files live here. Nothing is shown to a listener or returned to a caller
// before it is durable, while the plan itself runs ahead of the disk.
package engine
