package task

import (
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Kind is the class of a failure. The list is closed and append-only: kinds
// cross the network inside receipts.
type Kind string

// The kinds of failure.
const (
	KindGuest          Kind = "guest"           // the function returned its own error
	KindTrap           Kind = "trap"            // the function trapped; Failure.Trap says how
	KindOutOfGas       Kind = "out-of-gas"      // no gas was left at the end
	KindOutOfMemory    Kind = "out-of-memory"   // the memory limit was reached
	KindTimeout        Kind = "timeout"         // the time limit was reached
	KindType           Kind = "type"            // the function, an argument or the result does not fit the types of the module
	KindMalformed      Kind = "malformed"       // the module or a block is not what it should be
	KindNotFound       Kind = "not-found"       // a module or block is not in reach
	KindLost           Kind = "lost"            // it was here and is no longer
	KindDenied         Kind = "denied"          // no authority
	KindBranchMismatch Kind = "branch-mismatch" // an awaited task returned on the other branch
	KindUpstream       Kind = "upstream"        // an awaited task never returned
	KindHandler        Kind = "handler"         // the handler of a failure failed
	KindEffect         Kind = "effect"          // the world refused an effect
	KindUnknownOutcome Kind = "unknown-outcome" // a mutation may or may not have happened
	KindCancelled      Kind = "cancelled"       // somebody gave up
	KindUnsupported    Kind = "unsupported"     // this node can not do it
	KindQuarantined    Kind = "quarantined"     // it ended the process of this node, which does not run it any more
)

// Kinds lists every kind in the order in which they were added.
var Kinds = [...]Kind{
	KindGuest, KindTrap, KindOutOfGas, KindOutOfMemory, KindTimeout, KindType, KindMalformed, KindNotFound, KindLost,
	KindDenied, KindBranchMismatch, KindUpstream, KindHandler, KindEffect, KindUnknownOutcome, KindCancelled, KindUnsupported,
	KindQuarantined,
}

// Failure is how a task failed. A failed task is not a Go error: a Go error
// means that this node could not do its job.
type Failure struct {
	Kind Kind
	// Trap is the closed trap code of a KindTrap failure, such as
	// "unreachable"; empty for other kinds.
	Trap string
	// Value is what the function returned as its error, for KindGuest; null
	// for other kinds.
	Value ipld.Value
	// Message is text for people. It never enters a receipt: it may name an
	// engine version or a guest's own functions.
	Message string
}

// String is f for people, in one line.
func (f *Failure) String() string {
	switch {
	case f.Kind == KindGuest: // what it says itself tells most
		if o, ok := ParseOutput(f.Value); ok {
			return fmt.Sprintf("%s: %s", f.Kind, o.failed())
		}
		return fmt.Sprintf("%s: %s", f.Kind, f.Value)
	case f.Message != "":
		return fmt.Sprintf("%s: %s", f.Kind, f.Message)
	case f.Trap != "":
		return fmt.Sprintf("%s: %s", f.Kind, f.Trap)
	}
	return string(f.Kind)
}

// Failf returns a failure of the given kind with text for people.
func Failf(kind Kind, format string, args ...any) *Failure {
	return &Failure{Kind: kind, Message: fmt.Sprintf(format, args...)}
}

// Outcome is what a task came to: a value, or a failure.
type Outcome struct {
	Value   ipld.Value // meaningful when Failure is nil
	Failure *Failure
}

// OK tells whether the outcome is a value.
func (o Outcome) OK() bool { return o.Failure == nil }

// Limits bound one run of a pure task. A zero field means that nothing was
// asked for; the engine fills in the node's defaults before a task runs.
type Limits struct {
	Gas    uint64        // Wasm fuel units of the engine's named schedule
	Memory uint64        // bytes of linear memory
	Time   time.Duration // wall clock of the call, compilation excluded
	Disk   uint64        // bytes of the result and the files in it
}

// IPLD is the map {"ok": value} or {"error": {kind, …}}, as receipts and
// promises of either branch show it.
func (o Outcome) IPLD() ipld.Value {
	if o.OK() {
		return ipld.Map(ipld.Entry{Key: "ok", Value: o.Value})
	}
	return ipld.Map(ipld.Entry{Key: "error", Value: o.Failure.IPLD()})
}

// IPLD is the map {kind, trap?, value?}: what of a failure is the same for
// everyone.
func (f *Failure) IPLD() ipld.Value {
	entries := []ipld.Entry{{Key: "kind", Value: ipld.String(string(f.Kind))}}
	if f.Trap != "" {
		entries = append(entries, ipld.Entry{Key: "trap", Value: ipld.String(f.Trap)})
	}
	if f.Kind == KindGuest {
		entries = append(entries, ipld.Entry{Key: "value", Value: f.Value})
	}
	return ipld.Map(entries...)
}
