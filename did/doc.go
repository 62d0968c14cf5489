// Package did is responsible for principals: did:key identifiers, key pairs,
// key files, signatures and the varsig headers that describe them.
//
// The package is the module's only door to the signature libraries.
package did
