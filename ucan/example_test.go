package ucan_test

import (
	"errors"
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// A node lets a friend read its files below /pub for an hour, judges what the
// friend asks for, and takes it back.
func Example() {
	node, _ := did.Generate(did.Ed25519)
	friend, _ := did.Generate(did.Ed25519)
	now := time.Now()

	policy, err := ucan.ParsePolicy(ipld.List(
		ipld.List(ipld.String("like"), ipld.String(".path"), ipld.String("/pub/*")),
	))
	if err != nil {
		fmt.Println(err)
		return
	}
	grant, err := ucan.Delegate(node, ucan.Grant{Audience: friend.DID(), Command: "/file/read", Policy: policy, Expires: now.Add(time.Hour)}, now)
	if err != nil {
		fmt.Println(err)
		return
	}

	// The friend asks.
	ask := func(path string) *ucan.SignedInvocation {
		inv, err := ucan.Invoke(friend, ucan.Call{
			Command: "/file/read",
			Args:    ipld.Map(ipld.Entry{Key: "path", Value: ipld.String(path)}),
			Proofs:  []*ucan.SignedDelegation{grant},
		}, now)
		if err != nil {
			panic(err)
		}
		return inv
	}

	// The node judges.
	var revoked ucan.Revocations
	received := ucan.Container{Delegations: []*ucan.SignedDelegation{grant}}
	facts := ucan.Facts{
		Moment:   ucan.Moment{Now: now, Revoked: revoked.Revoked},
		Executor: node.DID(),
		Proofs:   received.Proof,
	}
	judge := func(inv *ucan.SignedInvocation) {
		_, err := ucan.Authorize(inv, facts)
		var denied *ucan.Denied
		if errors.As(err, &denied) {
			fmt.Println("denied:", denied.Reason)
			return
		}
		fmt.Println("authorised:", err == nil)
	}
	judge(ask("/pub/a"))
	judge(ask("/home/a"))

	// The node takes it back.
	token, err := ucan.Invoke(node, ucan.Call{
		Command:    ucan.RevokeCommand,
		Args:       ipld.Map(ipld.Entry{Key: "revoke", Value: ipld.LinkValue(grant.Link())}),
		Idempotent: true,
		Forever:    true,
	}, now)
	if err != nil {
		fmt.Println(err)
		return
	}
	revocation, err := ucan.ReadRevocation(token, facts)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := revoked.Add(revocation); err != nil {
		fmt.Println(err)
		return
	}
	judge(ask("/pub/a"))
	// Output:
	// authorised: true
	// denied: MatchError
	// denied: Revoked
}
