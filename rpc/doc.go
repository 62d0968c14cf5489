// Package rpc is responsible for letting one process use the node of another:
// the HTTP service of a node, on a unix socket in its state directory, and the
// client of it.
//
// A [Backend] is a node, here or behind a socket; [Server] serves one and
// [Dial] returns one, so that everything above works the same with either.
package rpc
