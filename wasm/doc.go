// Package wasm is responsible for running one function of one WebAssembly
// component within limits, and for nothing else: no file, no clock, no network
// is in a guest's reach.
//
// An [Engine] compiles a component once, keeps the machine code on disk, and
// gives a [Module]. [Module.Run] runs one of its functions in a fresh instance:
// same module, function, arguments and limits give the same outcome and the
// same gas on every machine with the same [Schedule], unless the host itself
// ends the call (time, cancellation).
//
// A fault of the module or of the guest is a [task.Failure]. A Go error means
// that this node could not do its job.
//
// The engine is Wasmtime's static library, through its C API; it needs cgo.
// Without cgo the package builds, and [New] says what is missing.
package wasm
