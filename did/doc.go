// Package did is responsible for principals: did:key identifiers, key pairs,
// key files, signatures and the varsig headers that describe them.
//
// [Parse] reads the identifier of a principal, [DID.PublicKey] gives the key
// it stands for, and [PrivateKey] signs for it. Three key types are known:
// Ed25519, P-256 and secp256k1. Every signature is 64 bytes and deterministic:
// the same key signs the same message with the same bytes.
//
// A [PrivateKey] shows its DID wherever it is printed, logged or marshalled,
// never its secret; only [PrivateKey.MarshalPEM], [PrivateKey.Multibase] and
// [WriteKeyFile] give the secret away.
//
// The package is the module's only door to the signature libraries.
package did
