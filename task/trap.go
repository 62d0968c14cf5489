package task

// Trap codes are how a function of a [KindTrap] failure trapped. The list is
// closed and append-only: codes cross the network inside receipts.
const (
	TrapUnreachable          = "unreachable"
	TrapMemoryOutOfBounds    = "memory-out-of-bounds"
	TrapTableOutOfBounds     = "table-out-of-bounds"
	TrapIndirectCallNull     = "indirect-call-null"
	TrapIndirectCallType     = "indirect-call-type"
	TrapIntegerOverflow      = "integer-overflow"
	TrapIntegerDivideByZero  = "integer-divide-by-zero"
	TrapBadConversion        = "bad-conversion-to-integer"
	TrapStackOverflow        = "stack-overflow" // depends on the machine: never remembered
	TrapHeapMisaligned       = "heap-misaligned"
	TrapCannotEnterComponent = "cannot-enter-component"
	TrapABI                  = "abi"   // the guest broke the canonical ABI
	TrapOther                = "other" // a trap without a code of its own
	TrapExit                 = "exit"  // a function, not a program, ended with an exit status
)

// Traps lists every trap code in the order in which they were added.
var Traps = [...]string{
	TrapUnreachable, TrapMemoryOutOfBounds, TrapTableOutOfBounds, TrapIndirectCallNull, TrapIndirectCallType, TrapIntegerOverflow, TrapIntegerDivideByZero,
	TrapBadConversion, TrapStackOverflow, TrapHeapMisaligned, TrapCannotEnterComponent, TrapABI, TrapOther, TrapExit,
}
