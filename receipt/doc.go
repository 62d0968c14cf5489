// Package receipt is responsible for the signed result of one task, and for
// sets of such results as evidence.
//
// A [Receipt] says what an executor claims a task came to. [Issue] signs it,
// as a UCAN invocation of [Command], and [Parse] reads it back. The encoding is
// deterministic: the same executor signs the same result of a pure task with
// the same bytes, whenever and wherever it does so. Nothing of the workflow,
// the requester or the clock is in it, and no text for people.
//
// [Receipt.Remembered] and [Receipt.Answers] say when a receipt of a pure task
// stands for running it again. [Judge] says what the receipts of several
// executors come to under a [Policy] that names whose word counts. docs/protocol.md, "Receipts", gives the format
// and vectors.
package receipt
