package workflow

import (
	"strings"

	"github.com/ipvm-wg/go-ipvm/ipld"
)

// Strategy is a way to make sure of a result before it counts (specification,
// "Verification").
type Strategy string

// The strategies.
const (
	Attestation Strategy = "attestation" // whoever ran it signs it
	Oracle      Strategy = "oracle"      // a third party vouches for it
	Consensus   Strategy = "consensus"   // several agents come to the same
	Optimistic  Strategy = "optimistic"  // some agents do, and a referee settles what they dispute
	ZKP         Strategy = "zkp"         // it comes with a proof
)

// Verification is how the result of a job is to be verified.
type Verification struct {
	Strategy Strategy
	// Agents are DIDs: the oracle, or those who have to agree.
	Agents []string
	// Threshold is how many of the agents have to agree, for Consensus.
	Threshold int
	// Confirmations is how many have to come to the same, for Optimistic.
	Confirmations int
	// Referee is the DID of who settles disputes; empty where proofs do.
	Referee string
	// System is the proof system: that of ZKP, or of an optimistic referee.
	System string
}

// Equal tells whether v and w ask for the same; nil asks for nothing.
func (v *Verification) Equal(w *Verification) bool {
	return v == w || v != nil && w != nil && v.Value().Equal(w.Value())
}

// Value is the one spelling of v in the normalised form.
func (v *Verification) Value() ipld.Value {
	var inner ipld.Value
	switch v.Strategy {
	case Oracle:
		inner = ipld.String(v.Agents[0])
	case Consensus:
		agents := make([]ipld.Value, len(v.Agents))
		for i, a := range v.Agents {
			agents[i] = ipld.String(a)
		}
		inner = ipld.Map(ipld.Entry{Key: "agents", Value: ipld.List(agents...)}, ipld.Entry{Key: "threshold", Value: ipld.Int(int64(v.Threshold))})
	case Optimistic:
		referee := ipld.String(v.Referee)
		if v.Referee == "" {
			referee = ipld.Map(ipld.Entry{Key: "zk", Value: ipld.String(v.System)})
		}
		inner = ipld.Map(ipld.Entry{Key: "referee", Value: referee}, ipld.Entry{Key: "confirmations", Value: ipld.Int(int64(v.Confirmations))})
	case ZKP:
		inner = ipld.String(v.System)
	default:
		return ipld.String(string(Attestation))
	}
	return ipld.Map(ipld.Entry{Key: string(v.Strategy), Value: inner})
}

// Bounds of what a verification can ask for.
const (
	maxAgents        = 64
	maxConfirmations = 1000
)

const checkHint = "write check: attestation, or leave it out: the node that runs the job signs the result"

// checkShapes are how each strategy but attestation is written.
var checkShapes = map[Strategy]string{
	Oracle:     "{oracle: did:key:z6Mk…}",
	Consensus:  "{consensus: {agents: [did:key:z6Mk…, …]}}",
	Optimistic: "{optimistic: {confirmations: 2, referee: did:key:z6Mk…}}",
	ZKP:        "{zkp: groth16}",
}

// unionKey is the name of a strategy or a proof system as documents have it: in
// lower case, or as the specification's schema spells it.
func unionKey(s string) string {
	switch s {
	case "Attestation", "Oracle", "ThirdParty", "Consensus", "Optimistic", "Trusted", "ZKP", "ZK", "Groth16", "Nova", "Nova2":
		return strings.ToLower(s)
	}
	return s
}

// check reads how results are to be verified: a strategy's name or a map with
// one; nil where it can not be read.
func (r *reader) check(v *node) *Verification {
	name, inner := unionKey(v.text()), (*node)(nil)
	if k, n := v.sole(); k != "" {
		name, inner = unionKey(k), n
	}
	var referee *node // beside optimistic, as drafts have it
	if o := v.lookup("optimistic"); o != nil && len(v.items) == 2 {
		if referee = v.lookup("referee"); referee != nil {
			name, inner = string(Optimistic), o
		}
	}
	out := &Verification{Strategy: Strategy(name)}
	before := r.faults.n
	if inner != nil {
		r.enter(v.keyOf(inner))
		defer r.leave()
	}
	switch {
	case out.Strategy == Attestation && inner == nil:
	case inner == nil:
		r.unknownCheck(v)
	case out.Strategy == Oracle && unionKey(inner.text()) == string(Attestation):
		out.Strategy = Attestation
	case out.Strategy == Oracle:
		out.Agents = []string{r.agentIn(inner, "thirdparty")}
	case out.Strategy == Consensus:
		r.consensus(out, inner)
	case out.Strategy == Optimistic:
		r.optimistic(out, inner, referee)
	case out.Strategy == ZKP:
		out.System = r.proofSystem(inner)
	default:
		r.unknownCheck(v)
	}
	if r.faults.n > before {
		return nil
	}
	return out
}

func (r *reader) unknownCheck(v *node) {
	s := Strategy(unionKey(v.text()))
	if shape := checkShapes[s]; shape != "" {
		r.fault(v, Type, "write check: "+shape+", or leave it out", "expected a map that says more of %s, got only the name", s)
		return
	}
	hint := checkHint
	name := v.text()
	if k, _ := v.sole(); k != "" {
		name = k
	}
	strategies := []string{string(Attestation), string(Oracle), string(Consensus), string(Optimistic), string(ZKP)}
	if meant := near(name, strategies); len(meant) > 0 && meant[0] != name {
		hint = "did you mean " + meant[0] + "?"
	}
	r.fault(v, Invalid, hint, `expected "attestation" or a map with one of oracle, consensus, optimistic and zkp, got %s`, v.show())
}

// agent reads a DID, of any method.
func (r *reader) agent(v *node) string {
	method, id, ok := strings.Cut(strings.TrimPrefix(v.text(), "did:"), ":")
	if !strings.HasPrefix(v.text(), "did:") || !ok || method == "" || id == "" || len(v.text()) > maxURI || strings.ContainsAny(v.text(), " \t\n") {
		r.fault(v, Invalid, "a DID is a text such as did:key:z6Mk…", "expected a DID, got %s", v.show())
	}
	return v.text()
}

// agentIn reads a DID, alone or in {name: DID}, as the specification's unions
// have it.
func (r *reader) agentIn(v *node, name string) string {
	k, inner := v.sole()
	if unionKey(k) != name {
		return r.agent(v)
	}
	r.enter(k)
	defer r.leave()
	return r.agent(inner)
}

// consensus reads {agents: [DID…], threshold: k}; without a threshold more than
// half of them have to agree.
func (r *reader) consensus(out *Verification, n *node) {
	r.record(n, "consensus", spellings("agents", "threshold"), func(name string, v *node) {
		switch {
		case name == "threshold" && v.kind == nullNode:
		case name == "threshold":
			out.Threshold = r.small(v, maxAgents)
		case v.kind != listNode || len(v.items) == 0 || len(v.items) > maxAgents:
			r.fault(v, Type, "write agents: [did:key:z6Mk…, …]", "expected a list of 1 to %d agents, got %s", maxAgents, v.show())
		default:
			for i := range v.items {
				r.enterItem(i)
				out.Agents = append(out.Agents, r.agent(&v.items[i]))
				r.leave()
			}
		}
	})
	if len(out.Agents) == 0 {
		r.missing(n, Consensus, "agents")
		return
	}
	r.repeatedAgents(n)
	if out.Threshold == 0 {
		out.Threshold = len(out.Agents)/2 + 1
	} else if out.Threshold > len(out.Agents) {
		r.enter("threshold")
		r.fault(n.lookup("threshold"), Invalid, "ask for fewer, or name more agents", "expected at most the number of agents, %d, got %d", len(out.Agents), out.Threshold)
		r.leave()
	}
}

// repeatedAgents reports the agents of a consensus that are named twice.
func (r *reader) repeatedAgents(n *node) {
	agents, seen := n.lookup("agents"), map[string]bool{}
	r.enter("agents")
	defer r.leave()
	for i := range agents.items {
		a := &agents.items[i]
		if seen[a.text()] {
			r.enterItem(i)
			r.fault(a, Duplicate, "name each agent once", "the agent %s is named twice", quote(a.text()))
			r.leave()
		}
		seen[a.text()] = true
	}
}

// optimistic reads {confirmations, referee}, or the confirmations alone with
// the referee beside them.
func (r *reader) optimistic(out *Verification, n, referee *node) {
	if referee != nil {
		out.Confirmations = r.small(n, maxConfirmations)
		r.leave()
		r.enter("referee")
		r.referee(out, referee)
		return
	}
	found := false
	r.record(n, "optimistic", spellings("confirmations", "referee"), func(name string, v *node) {
		if name == "confirmations" {
			out.Confirmations = r.small(v, maxConfirmations)
			return
		}
		found = true
		r.referee(out, v)
	})
	if n.kind != mapNode {
		return
	}
	if n.lookup("confirmations") == nil {
		r.missing(n, Optimistic, "confirmations")
	}
	if !found {
		r.missing(n, Optimistic, "referee")
	}
}

func (r *reader) referee(out *Verification, v *node) {
	if k, system := v.sole(); unionKey(k) == "zk" {
		r.enter(k)
		out.System = r.proofSystem(system)
		r.leave()
		return
	}
	out.Referee = r.agentIn(v, "trusted")
}

// proofSystem reads the name of a system of proofs without knowledge.
func (r *reader) proofSystem(v *node) string {
	switch s := unionKey(v.text()); s {
	case "groth16", "nova", "nova2":
		return s
	}
	r.fault(v, Invalid, "write one of these names", "expected the proof system groth16, nova or nova2, got %s", v.show())
	return ""
}

// small reads a whole number from 1 to most.
func (r *reader) small(v *node, most int) int {
	i, ok := v.value.AsInt64()
	if !ok || v.kind != intNode || i < 1 || i > int64(most) {
		r.fault(v, Invalid, "write a whole number", "expected a number from 1 to %d, got %s", most, v.show())
		return 0
	}
	return int(i)
}

// missing reports that map n, which says more of strategy s, has no field of
// the given name.
func (r *reader) missing(n *node, s Strategy, name string) {
	if n.kind == mapNode && n.lookup(name) == nil {
		r.fault(n, Missing, "write check: "+checkShapes[s], "%s has no field %s", s, quote(name))
	}
}
