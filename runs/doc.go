// Package runs is responsible for workflows that a node has accepted: keeping
// them until they end, whatever becomes of the process, driving, suspending and
// cancelling them, and telling how they stand.
//
// A [Keeper] acknowledges a workflow when its document and the wish to run it
// are durable. From then on a node of that store drives it to its end; what has
// a receipt is not run again.
package runs
