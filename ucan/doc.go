// Package ucan is responsible for authority: tokens in which one principal
// lets another use its authority (UCAN Delegation 1.0) and tokens in which one
// invokes a command (UCAN Invocation 1.0), their envelopes and signatures, and
// the policies that delegations put on arguments.
//
// [SignInvocation] and [SignDelegation] make tokens, [ParseInvocation] and
// [ParseDelegation] read them and [Token.Verify] checks their signatures,
// always over the bytes as they were received: a token is never encoded again.
// Parsing is strict. There is one encoding of a token, and what is not
// understood is refused rather than passed over; so is a policy that is not
// well formed.
//
// Whether an invocation was within its issuer's authority (proofs, times,
// audience, replay) is not judged here yet.
package ucan
