// Package task is responsible for one unit of work: its subject, command,
// arguments, nonce, promises and limits, the outcome it can have, and its
// address, the Task ID.
//
// A [Task] is data. [Task.ID] hashes its canonical form (UCAN Invocation 1.0),
// so the same function on the same arguments has the same ID for everyone.
// docs/protocol.md gives the rules and vectors.
package task
