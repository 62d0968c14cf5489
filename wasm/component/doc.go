// Package component is responsible for reading the binary formats of
// WebAssembly: core modules, and components as far as they can be run without
// an engine's component model.
//
// What it gives is a [Program]: core modules, the order in which to make
// instances of them and what each is given, and the functions to call. Most
// components are such programs, since wit-component makes them of one core
// module and, where there are imports, of two small ones around it. A
// component that is not is [*Unrecognised], and left to the engine.
//
// The reader checks what it relies on and nothing more: core modules are
// validated by the engine that compiles them.
package component
