// Package ucan is responsible for authority: tokens in which one principal
// invokes a command (UCAN Invocation 1.0), their envelopes and signatures.
//
// [Sign] makes a [Token], [Parse] reads one and [Token.Verify] checks its
// signature, always over the bytes as they were received: a token is never
// encoded again. Parsing is strict. There is one encoding of a token, and what
// is not understood is refused rather than passed over.
//
// Whether an invocation was within its issuer's authority (proofs, policies,
// times, audience, replay) is not judged here yet.
package ucan
