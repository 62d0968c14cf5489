// Package abi is responsible for the canonical ABI of the component model:
// values between their IPLD form and the linear memory of a guest.
//
// A [Func] is one function's way across, made once from its type. It knows no
// engine: whoever calls gives a [Guest], which is a memory and an allocator.
// Everything that a guest can have written is checked; what breaks the ABI is
// an [*Error].
//
// The order and sizes of allocations are those of Wasmtime 44, since the code
// that allocates is the guest's and counts in its gas.
package abi
