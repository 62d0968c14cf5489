// Package ipvmtest is responsible for engines inside tests: one call gives an
// engine with a store, a key and WebAssembly, closed when the test ends, and
// loads the repository's examples into it. It also has stores whose disk is full. No
// program outside tests imports it.
package ipvmtest
