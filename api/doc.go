// Package api is responsible for a node over HTTP: accepting workflows and
// telling how they stand, receipts, and blocks, as docs/http.md describes it; and
// for whose requests are taken at all.
//
// A [Handler] keeps nothing of its own: what it is asked is a question to the
// [Node] and its [Runs]. Who has shown no authority may run pure work and see
// what was submitted so; there is nothing else to ask for.
package api
