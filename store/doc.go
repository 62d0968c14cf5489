// Package store is responsible for what a node keeps: blocks, receipts as
// evidence under their Task ID, aliases between Task IDs, the interfaces of
// modules, run records and small notes, on disk or in memory.
//
// A [Batch] is put atomically and is visible at once. It is durable only after
// a [Store.Sync] that began later has returned: callers let computation run
// ahead of the disk and wait only before they show something outside the
// process. What is durable is always a prefix of what was put, in the order of
// the calls of [Store.Put].
//
// Records live in pebble, and this package is the module's only door to it.
// Blocks of more than [InlineBlock] bytes are files of their own. Every block
// is checked against its CID when it is read, so the store may lose bytes that
// a disk lost, but never hands out wrong ones.
//
// [Store.Collect] removes what was used least recently. What somebody works with
// is safe from it by [Store.Hold], and what was put or read in the last minutes
// by itself.
//
// The directory of a store:
//
//	format     the number of the layout, in text
//	LOCK, pid  who has the store open
//	db/        pebble's files
//	blobs/     large blocks, as blobs/<two characters>/<CID>
//	collect/   what a collection under way finds out; may be removed
//	filter     which tasks have receipts and workflows runs, to answer "none" fast; may be removed
package store
