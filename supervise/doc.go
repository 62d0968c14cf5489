// Package supervise is responsible for a process that is to stay although what it
// works with can end it: a parent that does nothing else starts it, and starts it
// again when it dies.
//
// The parent is [Run]. The child calls [Inherit], and [Child.Done] before it ends
// on purpose: every other end is a death. A child does not outlive its parent.
package supervise
