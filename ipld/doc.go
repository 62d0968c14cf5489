// Package ipld is responsible for values, links and their one canonical
// encoding.
//
// A [Value] is one immutable value of the IPLD data model. [AppendCBOR] writes
// its only encoding, strict DAG-CBOR; [DecodeCBOR] reads that encoding and
// refuses every other spelling of the same value, so equal values have equal
// bytes and therefore equal links. [AppendJSON] and [DecodeJSON] are the same
// for DAG-JSON, the form for people and tools.
//
// The package is the module's only door to the CID libraries.
package ipld
