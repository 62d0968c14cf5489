//go:build cgo && !faults

package wasm

// #include "guest.h"
import "C"

// breakCall does nothing.
func breakCall(*C.ipvm_call, string) {}
