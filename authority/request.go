package authority

import (
	"fmt"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Request says how somebody asks a node to run a workflow.
type Request struct {
	// Node is who is asked.
	Node did.DID
	// Proofs are delegations that let the key invoke [grant.RunCommand] on the node;
	// those that are needed are looked for among them.
	Proofs []*ucan.SignedDelegation
	// Expires is the last moment at which the node may accept the request; zero
	// means [ucan.DefaultCall] after now.
	Expires time.Time
	// Policy has the limits by which the demand is computed: those that the node
	// is thought to have.
	Policy engine.Policy
}

// Sign asks for w to be run: it returns the container that the node accepts.
// The error is a [*ucan.Denied] where the proofs are not enough.
func (r Request) Sign(key did.PrivateKey, w *graph.Graph, now time.Time) ([]byte, error) {
	args := DemandOf(w, r.Policy).Value()
	proofs, err := ucan.Prove(ucan.Wish{Subject: r.Node, Holder: key.DID(), Command: grant.RunCommand, Args: args}, r.Proofs, ucan.Moment{Now: now})
	if err != nil {
		return nil, err
	}
	meta, err := partsMeta(w)
	if err != nil {
		return nil, err
	}
	inv, err := ucan.Invoke(key, ucan.Call{Subject: r.Node, Command: grant.RunCommand, Args: args, Proofs: proofs, Meta: meta, Expires: r.Expires}, now)
	if err != nil {
		return nil, err
	}
	c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}, Delegations: proofs}
	return c.Append(nil, ucan.Plain)
}

// Signer is who asks in a container for a workflow to be run. Whether it may, and
// whether it really is who asks, is for [Guard.Accept] to say. The error wraps
// [ucan.ErrMalformed] or [ErrRefused].
func Signer(container []byte) (did.DID, error) {
	_, inv, err := open(container, nil)
	if err != nil {
		return "", err
	}
	return inv.Invocation().Issuer, nil
}

// open reads a container of one invocation and its proofs.
func open(container []byte, cache *ucan.Cache) (*ucan.Container, *ucan.SignedInvocation, error) {
	c, err := ucan.ReadContainer(container, cache)
	if err != nil {
		return nil, nil, err
	}
	if len(c.Invocations) != 1 {
		return nil, nil, fmt.Errorf("%w: %d invocations, not one", ErrRefused, len(c.Invocations))
	}
	return c, c.Invocations[0], nil
}

// SignRevocation takes back a delegation in the name of the key, which issued
// it or one before it in its chain: it returns the container that a node takes.
func SignRevocation(key did.PrivateKey, delegation ipld.Link, now time.Time) ([]byte, error) {
	args := ipld.Map(ipld.Entry{Key: "revoke", Value: ipld.LinkValue(delegation)})
	inv, err := ucan.Invoke(key, ucan.Call{Command: ucan.RevokeCommand, Args: args, Forever: true}, now)
	if err != nil {
		return nil, err
	}
	c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}}
	return c.Append(nil, ucan.Plain)
}

// Document is w with its signature, a container, as a document in DAG-JSON.
func Document(w *graph.Graph, signature []byte) ([]byte, error) {
	v, err := ipld.DecodeCBOR(w.Normal().Data)
	if err != nil {
		return nil, err
	}
	data, err := ipld.AppendJSON(nil, ipld.Map(append(v.Entries()[:1:1], ipld.Entry{Key: "signature", Value: ipld.Bytes(signature)})...))
	if err != nil {
		return nil, fmt.Errorf("signed document: %w", err)
	}
	data = append(data, '\n')
	_, err = workflow.Parse(workflow.Source{Data: data, Format: workflow.JSON, AllowCredentials: true})
	if err != nil {
		return nil, fmt.Errorf("signed document: %w", err)
	}
	return data, nil
}
