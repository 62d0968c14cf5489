// Package secret is responsible for values that must not leave the node: a
// type that the calls which store, send, show or log something do not take.
package secret
