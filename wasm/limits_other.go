//go:build !unix

package wasm

// processLimits are the process's limits of stack and address space in bytes,
// 0 for none.
func processLimits() (stack, address uint64) { return 0, 0 }
