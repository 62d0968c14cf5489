// Package crashtest is responsible for proof that the program loses nothing it
// has acknowledged, whenever it is killed and however many use one state
// directory at once, and that a node goes on serving whatever its disk, its clock
// and its clients do. It has tests only, which build and run the real program.
//
// IPVM_CRASHES is how many kills each test makes at least, and with IPVM_LONG set
// the other faults are tried at full length; the default is a quick run.
package crashtest
