// Package ucan is responsible for authority: tokens in which one principal
// lets another use its authority (UCAN Delegation 1.0), tokens in which one
// invokes a command (UCAN Invocation 1.0), and the judgement whether an
// invocation is within its issuer's authority.
//
// [Delegate] and [Invoke] make tokens, with a nonce and an end chosen for the
// caller; [SignDelegation] and [SignInvocation] make exactly what they are
// given. [ParseInvocation] and [ParseDelegation] read them and [Token.Verify]
// checks their signatures, always over the bytes as they were received: a
// token is never encoded again. Parsing is strict. There is one encoding of a
// token, and what is not understood is refused rather than passed over; so is
// a policy that is not well formed.
//
// [Authorize] judges an invocation with its chain of proofs; what it returns
// can be judged again later, at another time and with other arguments, without
// signatures being verified anew. A refusal is a [*Denied]. [Prove] finds the
// chain of proofs in a heap of delegations, and [CheckChain] judges one.
// [ReadRevocation] reads what takes delegations back, into a set of
// [Revocations]; [Replay] remembers what was performed. A [Container] is tokens
// that are sent together. Nothing here looks at a clock.
package ucan
