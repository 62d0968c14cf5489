// Package cputime is responsible for how long the processor works on something, for
// tests that what is hostile costs little: on a machine that is busy with other work,
// that says more than a clock.
//
// What f starts in other goroutines is not counted.
package cputime
