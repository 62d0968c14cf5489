//go:build cgo && faults

package wasm

// #cgo CFLAGS: -DIPVM_FAULTS
// #include "guest.h"
import "C"

import "github.com/ipvm-wg/go-ipvm/internal/fault"

// breakCall makes the engine panic in a call of a function that IPVM_FAULT names.
func breakCall(c *C.ipvm_call, function string) {
	c.broken = C.bool(fault.Named("wasm.panic", function))
}
