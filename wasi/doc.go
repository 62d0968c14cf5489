// Package wasi is responsible for the world that WebAssembly programs written
// for WASI see: arguments, environment, streams, files, clocks and random
// numbers, all of them determined by a [Config].
//
// A program that runs against a [Host] is a pure function of its Config. Its
// files are in memory, its random numbers are a stream of the configured seed,
// and time stands still while it computes: the clocks show [Instant] and move
// only by what the program sleeps, which takes no time. There is no network. Two
// runs of one program with equal Configs make the same calls and get the same
// answers, byte for byte, on every machine.
//
// The package knows no engine. The engine side looks functions up by name and
// returns to the guest what they answer. [Preview1] has those of WASI preview 1,
// which are handed the guest's memory; [Preview2] has those of WASI 0.2, which
// take and give values.
package wasi
