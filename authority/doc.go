// Package authority is responsible for what may run on a node on whose behalf.
// A workflow of another principal comes with an invocation of [grant.RunCommand] on
// the node and the delegations that let its signer invoke it. [Guard.Accept]
// holds the two together and gives a [Permit], which is asked again before each
// task: a delegation may have expired or been revoked by then.
//
// What a workflow may use is a [Demand]: the arguments of the invocation, which
// the policies of delegations judge. The node computes the demand itself and
// refuses a workflow that needs more than its invocation says.
package authority
