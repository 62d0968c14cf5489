// Package wasmtest is responsible for WebAssembly text in tests: components
// that a reader can read. No program outside tests imports it.
package wasmtest
