package receipt

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Command is the command of a receipt's token: its executor asserts it.
const Command = "/ucan/assert/receipt"

// ErrMalformed reports bytes or a Receipt outside the format.
var ErrMalformed = errors.New("not a receipt")

// Receipt is what an executor claims that a task came to.
type Receipt struct {
	// Executor ran the task and signs.
	Executor did.DID
	// Task is what ran.
	Task task.ID
	// Out is what the task came to. A receipt holds the Kind, Trap and Value
	// of a failure, never its Message.
	Out task.Outcome
	// Boxed is the link of the block that holds the value, where [Box] gave
	// it a block of its own; else undefined. Out then holds this link in place
	// of the value.
	Boxed ipld.Link
	// Gas is what was used, in units of Schedule.
	Gas uint64
	// Memory is the peak of linear memory in bytes, where HasMemory.
	Memory    uint64
	HasMemory bool
	// Limits are those in force: Gas, and Memory as [RoundMemory] gives it.
	// The time limit is not part of a receipt.
	Limits task.Limits
	// Schedule names the gas schedule and the fixed limits that go with it,
	// such as "wasmtime-44".
	Schedule string
}

// minMemory is the least memory limit, in bytes.
const minMemory = 64 << 20

// RoundMemory returns the memory limit in force where bytes are asked for: the
// next power of two, at least 64 MiB and at most 2^63.
func RoundMemory(bytes uint64) uint64 {
	if bytes <= minMemory {
		return minMemory
	}
	return 1 << min(bits.Len64(bytes-1), 63)
}

// check tells whether r has a place in the format.
func (r *Receipt) check() error {
	if !isBlockLink(r.Task.Link) {
		return fmt.Errorf("ran: %q is not a Task ID (CIDv1, dag-cbor, sha2-256)", r.Task.Link)
	}
	if err := r.checkOut(); err != nil {
		return fmt.Errorf("out: %w", err)
	}
	if !validSchedule(r.Schedule) {
		return fmt.Errorf("schedule %.80q is not a short name of a-z, 0-9, dot and hyphen", r.Schedule)
	}
	if r.Limits.Memory != RoundMemory(r.Limits.Memory) {
		return fmt.Errorf("memoryLimit %d is not a power of two of at least 64 MiB", r.Limits.Memory)
	}
	if r.Memory != 0 && !r.HasMemory {
		return fmt.Errorf("memory %d where none was read", r.Memory)
	}
	return r.checkGas()
}

// isBlockLink tells whether l is a CIDv1 of dag-cbor by sha2-256.
func isBlockLink(l ipld.Link) bool {
	const sha256Code = 0x12
	return l.Defined() && l.Codec() == ipld.CodecDagCBOR && l.HashCode() == sha256Code
}

// checkGas holds outcome and gas to each other: what ended with none left is
// out of gas, whatever else happened.
func (r *Receipt) checkGas() error {
	kind := task.Kind("ok")
	if !r.Out.OK() {
		kind = r.Out.Failure.Kind
	}
	legal := r.Gas <= r.Limits.Gas
	switch kind {
	case "ok", task.KindGuest, task.KindTrap, task.KindOutOfMemory:
		legal = r.Gas < r.Limits.Gas
	case task.KindOutOfGas:
		legal = r.Gas == r.Limits.Gas
	}
	if !legal {
		return fmt.Errorf("gas %d of %d cannot be with %s", r.Gas, r.Limits.Gas, kind)
	}
	return nil
}

func (r *Receipt) checkOut() error {
	if f := r.Out.Failure; f != nil {
		switch {
		case !slices.Contains(task.Kinds[:], f.Kind):
			return fmt.Errorf("unknown kind %.80q", string(f.Kind))
		case f.Kind == task.KindTrap && !slices.Contains(task.Traps[:], f.Trap):
			return fmt.Errorf("unknown trap %.80q", f.Trap)
		case f.Kind != task.KindTrap && f.Trap != "":
			return fmt.Errorf("a trap code with kind %s", f.Kind)
		case f.Kind != task.KindGuest && !f.Value.IsNull():
			return fmt.Errorf("a value with kind %s", f.Kind)
		}
	}
	v := r.value()
	if !r.Boxed.Defined() {
		return checkInline(v)
	}
	if link, ok := v.AsLink(); !ok || link != r.Boxed || !isBlockLink(link) {
		return fmt.Errorf("boxed, but %s where the link of a dag-cbor block should be", v.Kind())
	}
	return nil
}

// value is what the task returned, on either branch; null when it did not.
func (r *Receipt) value() ipld.Value {
	if r.Out.OK() {
		return r.Out.Value
	}
	return r.Out.Failure.Value
}

func validSchedule(s string) bool {
	for _, c := range []byte(s) {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return s != "" && len(s) <= 64
}
