// Package quarantine is responsible for calls of functions that end the process:
// noting which one did, so that it is known when the process is gone, and refusing
// what did it twice.
//
// Each call that is under way has a place in a file that is mapped into memory and
// outlives the process, without any writing to the disk. What ends the process from
// within a call leaves its mark there: the handler of deadly signals for what the
// engine does (see [wasm.Call]), and [List.Watch] itself for a panic. [Open] reads
// the marks of the process before and counts a strike for each. A call without a
// mark was not the cause of anything: the process was killed, or lost its power.
package quarantine
