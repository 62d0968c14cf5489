// Package crashtest is responsible for proof that the program loses nothing it
// has acknowledged, whenever it is killed and however many use one state
// directory at once. It has tests only, which build and run the real program.
//
// IPVM_CRASHES is how many kills each test makes at least; the default is a
// quick run.
package crashtest
