// Package wit is responsible for the types of WebAssembly functions and for
// the one canonical IPLD form of the values of each type.
//
// It loads no code: given the [Interface] of a module it names the function
// that a person meant, brings arguments into canonical form and prints types
// as WIT text. Running a function is package wasm's part.
package wit
