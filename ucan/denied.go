package ucan

import (
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Reason is why an invocation is refused, as an error for errors.Is. The names
// are those of the specification's own vectors where these have one.
type Reason string

// The reasons. They are looked for in the groups that stand apart here, one
// group in the whole chain, the root first, before the next; of several the
// first is told. Before all others come whether the invocation is for this
// executor and whether its own signature is right.
const (
	// UnavailableProof: a proof is not at hand.
	UnavailableProof Reason = "UnavailableProof"

	// InvalidClaim: there is no proof and the issuer is not the subject, or the
	// first proof is a powerline.
	InvalidClaim Reason = "InvalidClaim"
	// InvalidSubject: a proof is about another subject.
	InvalidSubject Reason = "InvalidSubject"
	// InvalidAudience: the invocation is for another executor , or a
	// proof was given to another than the one who uses it.
	InvalidAudience Reason = "InvalidAudience"
	// InvalidCommand: a proof is for other commands.
	InvalidCommand Reason = "InvalidCommand"

	// TooEarly: a proof is not valid yet.
	TooEarly Reason = "TooEarly"
	// Expired: a proof, or the invocation, is not valid any more.
	Expired Reason = "Expired"

	// Revoked: an issuer in the chain took a proof back.
	Revoked Reason = "Revoked"

	// InvalidSignature: a signature is not its issuer's.
	InvalidSignature Reason = "InvalidSignature"

	// MatchError: the arguments do not fulfil the policy of a proof.
	MatchError Reason = "MatchError"
)

// Error is the name.
func (r Reason) Error() string { return string(r) }

// Denied is the error of [Authorize] and [Authorisation.Recheck]: which token
// of the chain refuses, what was asked of it and what it grants.
type Denied struct {
	Reason Reason
	// Proof counts the proofs from 0, the root; −1 is the invocation itself.
	Proof int
	// Proofs is how many there are.
	Proofs int
	// Link is the token that refuses.
	Link ipld.Link
	// Asked and Granted are text for people.
	Asked, Granted string
	// Cause is what else is known, or nil.
	Cause error
}

// Error says all of it.
func (d *Denied) Error() string {
	where := "the invocation"
	if d.Proof >= 0 {
		where = fmt.Sprintf("proof %d of %d", d.Proof+1, d.Proofs)
	}
	if d.Link.Defined() {
		where += " (" + d.Link.String() + ")"
	}
	text := fmt.Sprintf("%s: %s: asked: %s; granted: %s", d.Reason, where, d.Asked, d.Granted)
	if d.Cause != nil {
		text += ": " + d.Cause.Error()
	}
	return text
}

// Unwrap gives the Reason and the Cause.
func (d *Denied) Unwrap() []error {
	if d.Cause == nil {
		return []error{d.Reason}
	}
	return []error{d.Reason, d.Cause}
}

func clock(t int64) string { return time.Unix(t, 0).UTC().Format(time.RFC3339) }

func subjectText(dlg *Delegation) string {
	if dlg.Powerline {
		return "a powerline, which is about no subject of its own"
	}
	return "authority over " + string(dlg.Subject)
}

func useText(by did.DID) string { return "use by " + string(by) }
