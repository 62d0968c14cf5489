package authority

import (
	"fmt"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// DenyCommand is the command of invocations by which a node says that it does not
// perform another one (docs/protocol.md, "Denials").
const DenyCommand = "/ipvm/assert/denied"

// maxReason bounds the text of a denial, in bytes.
const maxReason = 4096

// Denial is a node's signed word that it did not perform an invocation, and why.
// It is no receipt: it is bound to the one invocation, and says nothing of a task.
type Denial struct {
	// Node is who denied it.
	Node did.DID
	// Ran is the SHA-256 of what was signed of the invocation.
	Ran [32]byte
	// At is when, in seconds.
	At time.Time
	// Reason is text for people.
	Reason string
}

// Deny signs that the invocation in a container was not performed because of
// err. Nothing is kept. The error reports a container that does not hold one
// invocation, to which nothing can be bound.
func Deny(key did.PrivateKey, container []byte, err error, now time.Time) ([]byte, error) {
	_, wish, openErr := open(container, nil)
	if openErr != nil {
		return nil, openErr
	}
	hash, reason := wish.SigHash(), err.Error()
	if len(reason) > maxReason {
		reason = reason[:maxReason]
	}
	failure := ipld.Map(
		ipld.Entry{Key: "kind", Value: ipld.String(string(task.KindDenied))},
		ipld.Entry{Key: "reason", Value: ipld.String(strings.ToValidUTF8(reason, ""))},
	)
	args := ipld.Map(
		ipld.Entry{Key: "at", Value: ipld.Int(now.Unix())},
		ipld.Entry{Key: "out", Value: ipld.Map(ipld.Entry{Key: "error", Value: failure})},
		ipld.Entry{Key: "ran", Value: ipld.Bytes(hash[:])},
	)
	inv, err := ucan.Invoke(key, ucan.Call{Command: DenyCommand, Args: args, Forever: true, Idempotent: true}, now)
	if err != nil {
		return nil, err
	}
	c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}}
	return c.Append(nil, ucan.Base64URL)
}

// ParseDenial reads what [Deny] made, and checks its signature. The error wraps
// [ucan.ErrMalformed] or [ErrRefused], or is that of the signature.
func ParseDenial(container []byte) (Denial, error) {
	_, inv, err := open(container, nil)
	if err != nil {
		return Denial{}, err
	}
	d, err := ReadDenial(inv)
	if err != nil {
		return d, err
	}
	return d, inv.Verify()
}

// ReadDenial reads the invocation of a denial, whose signature it does not check.
func ReadDenial(inv *ucan.SignedInvocation) (Denial, error) {
	said := inv.Invocation()
	d := Denial{Node: said.Issuer}
	at, _ := said.Args.Lookup("at")
	out, _ := said.Args.Lookup("out")
	ran, _ := said.Args.Lookup("ran")
	seconds, dated := at.AsInt64()
	hash, bound := ran.AsBytes()
	e, _ := out.Sole()
	kind, _ := e.Value.Lookup("kind")
	reason, _ := e.Value.Lookup("reason")
	word, _ := kind.AsString()
	var told bool
	d.Reason, told = reason.AsString()
	switch {
	case said.Command != DenyCommand || said.Subject != said.Issuer || said.Audience != "" || len(said.Proofs) > 0:
		return d, fmt.Errorf("denial: %w: not %s of its issuer's own", ucan.ErrMalformed, DenyCommand)
	case !dated || !bound || len(hash) != len(d.Ran) || said.Args.Len() != 3,
		e.Key != "error" || word != string(task.KindDenied) || !told || e.Value.Len() != 2:
		return d, fmt.Errorf("denial: %w: args: not {ran, at, out: {error: {kind: denied, reason}}}", ucan.ErrMalformed)
	}
	copy(d.Ran[:], hash)
	d.At = time.Unix(seconds, 0)
	return d, nil
}

// Answers tells whether d is about the invocation in a container.
func (d Denial) Answers(container []byte) bool {
	_, inv, err := open(container, nil)
	return err == nil && inv.SigHash() == d.Ran
}
