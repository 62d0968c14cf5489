package wasm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasi"
)

// Parts of the engine's texts.
const (
	textHostcallFuel  = "too much data is being copied between the host and the guest"
	textMemoryMinimum = "exceeds memory limits"
	textTableMinimum  = "exceeds table limits"
	textCount         = "resource limit exceeded: "
	textIncompatible  = "types incompatible"
	textTrap          = "wasm trap: "
)

// trapTexts are the engine's last cause lines, without "wasm trap: ".
var trapTexts = map[string]string{
	"wasm `unreachable` instruction executed":       task.TrapUnreachable,
	"out of bounds memory access":                   task.TrapMemoryOutOfBounds,
	"undefined element: out of bounds table access": task.TrapTableOutOfBounds,
	"uninitialized element":                         task.TrapIndirectCallNull,
	"indirect call type mismatch":                   task.TrapIndirectCallType,
	"integer overflow":                              task.TrapIntegerOverflow,
	"integer divide by zero":                        task.TrapIntegerDivideByZero,
	"invalid conversion to integer":                 task.TrapBadConversion,
	"call stack exhausted":                          task.TrapStackOverflow,
	"unaligned atomic":                              task.TrapHeapMisaligned,
	"cannot enter component instance":               task.TrapCannotEnterComponent,
	"cannot leave component instance":               task.TrapABI,
	"invalid `char` bit pattern":                    task.TrapABI,
	"string content out-of-bounds":                  task.TrapABI,
	"list content out-of-bounds":                    task.TrapABI,
	"invalid variant discriminant":                  task.TrapABI,
	"unaligned pointer":                             task.TrapABI,
}

// abiTexts begin the last cause line when the engine itself, lifting a value,
// finds the canonical ABI broken.
var abiTexts = []string{
	"invalid utf-8", "incomplete utf-8", "invalid utf-16", "unpaired surrogate", "discriminant ", "invalid expected discriminant", "invalid option discriminant",
	"integer ", "converted integer out of range for `char`", "pointer ", "list pointer", "map pointer", "string pointer", "return pointer",
	"realloc return", "pointer out of bounds", "tuple pointer", "unexpected ", "handle index", "unknown handle",
}

// lastCause is the last line of an engine's error text: its root cause. What
// comes before it holds names that the guest chose.
func lastCause(text string) string {
	text = strings.TrimRight(text, "\n ")
	if i := strings.LastIndexByte(text, '\n'); i >= 0 {
		text = text[i+1:]
	}
	text = strings.TrimSpace(text)
	if i := strings.Index(text, ": "); i > 0 && strings.Trim(text[:i], "0123456789") == "" { // "1: wasm trap: …"
		text = text[i+2:]
	}
	return text
}

// trapCode is the closed code of a cause.
func trapCode(cause string) string {
	if code, ok := trapTexts[strings.TrimPrefix(cause, textTrap)]; ok {
		return code
	}
	for _, prefix := range abiTexts {
		if strings.HasPrefix(cause, prefix) {
			return task.TrapABI
		}
	}
	return task.TrapOther
}

// trapped is the failure of a guest whose call ended with cause.
func trapped(cause string) *task.Failure {
	return &task.Failure{Kind: task.KindTrap, Trap: trapCode(cause), Message: "the function trapped: " + strings.TrimPrefix(cause, textTrap)}
}

// trapCodes are the engine's texts by its own numbers of traps.
var trapCodes = map[int]string{
	0: "call stack exhausted", 1: "out of bounds memory access", 2: "unaligned atomic",
	3: "undefined element: out of bounds table access", 4: "uninitialized element", 5: "indirect call type mismatch",
	6: "integer overflow", 7: "integer divide by zero", 8: "invalid conversion to integer",
	9: "wasm `unreachable` instruction executed",
}

// trapOf is the failure of a guest that ended with a trap of the engine.
func trapOf(code int) *task.Failure {
	text, ok := trapCodes[code]
	if !ok {
		text = fmt.Sprintf("trap %d of the engine", code)
	}
	return trapped(text)
}

// broke is the failure of a guest that did what it may not, in its own result
// or towards a host function.
func broke(err error) *task.Failure {
	var exit *wasi.Exit
	if errors.As(err, &exit) {
		return &task.Failure{Kind: task.KindTrap, Trap: task.TrapExit, Message: fmt.Sprintf("the function ended the program, with exit status %d, instead of returning", exit.Code)}
	}
	return &task.Failure{Kind: task.KindTrap, Trap: task.TrapABI, Message: "the function trapped: " + cut(err.Error(), 300)}
}

// isFeatureOff tells causes for which a module would run on an engine with
// more features.
func isFeatureOff(cause string) bool {
	for _, sign := range []string{"not enabled", "must be enabled", "not supported without", "requires the component model", "require the component model", "disallowed", "multiple memories", "multiple tables"} {
		if strings.Contains(cause, sign) {
			return true
		}
	}
	return false
}

// isHostTrouble tells causes that are this machine's, not the guest's.
func isHostTrouble(cause string) bool {
	for _, sign := range []string{"os error", "mmap", "Cannot allocate", "out of memory", "failed to allocate", "mprotect"} {
		if strings.Contains(cause, sign) {
			return true
		}
	}
	return false
}
