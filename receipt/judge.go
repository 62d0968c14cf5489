package receipt

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// The strategies that [Judge] knows, as documents have them (specification,
// "Verification").
const (
	Attestation = "attestation" // the word of one acceptable signer
	Oracle      = "oracle"      // the word of that one
	Consensus   = "consensus"   // several agents say the same
)

// Policy is whose word makes the outcome of a pure task count.
type Policy struct {
	// Strategy is Attestation, Oracle or Consensus. The others that documents
	// can name are refused.
	Strategy string
	// Agents are, for Attestation, those who are trusted, who may be none where
	// there are Grants; for Oracle the one; for Consensus those who have to agree.
	// Named twice is named once.
	Agents []did.DID
	// Threshold is how many of the agents have to agree, for Consensus; 0 is more
	// than half of them.
	Threshold int
	// Grants make more signers acceptable, for Attestation.
	Grants Grants
}

// Grants are delegations of the right to have one's receipts believed.
type Grants struct {
	// Owner is who believes, and so the root of all chains; empty when there are
	// no grants. The owner's own receipts are acceptable.
	Owner       did.DID
	Delegations []*ucan.SignedDelegation
	// Moment is when they are judged. It needs a time.
	Moment ucan.Moment
	// Depth is how many delegations may lead from the owner to a signer; 0 is 1.
	Depth int
}

// Question is a pure task, and the limits under which an answer is wanted.
type Question struct {
	Task task.ID
	// Call is what the task calls. Grants can be for some modules and functions
	// only.
	Call task.Call
	// Limits, Schedule and DeclaredMax are as for [Receipt.Answers].
	Limits      task.Limits
	Schedule    string
	DeclaredMax uint64
}

// Verdict is what evidence comes to under a policy.
type Verdict uint8

// The verdicts. What is Accepted never becomes Accepted with another outcome,
// whatever is added; Conflicting and Rejected stay.
const (
	Pending     Verdict = iota // too few have said something
	Accepted                   // one outcome counts
	Conflicting                // no outcome can count any more
	Rejected                   // the policy can not be followed
)

// String is the name of v, for people.
func (v Verdict) String() string {
	return [...]string{"pending", "accepted", "conflicting", "rejected"}[v]
}

// Judgement is what [Judge] finds. It does not depend on the order of the
// evidence.
type Judgement struct {
	Verdict Verdict
	// Claims are the outcomes that acceptable signers claim, that of most signers
	// first: the accepted one where the verdict is Accepted.
	Claims []Claim
	// Need is how many more signers have to claim the first outcome, where the
	// verdict is Pending, and From those of the agents who have said nothing;
	// nil when it is not known who else is acceptable.
	Need int
	From []did.DID
	// Why says in words what decided.
	Why string
	// Equivocations are pairs of receipts, one for each acceptable signer who
	// contradicts itself about this task. Such a signer counts for nothing.
	Equivocations []Conflict
}

// Claim is one outcome and who says so.
type Claim struct {
	// By are the signers who count.
	By []did.DID
	// Doubtful are signers who claim it and another one.
	Doubtful []did.DID
	// Receipts are those of all of them.
	Receipts Evidence

	out string // the same for the same outcome
}

// Judge tells what e proves about q under p. It depends on nothing but its
// arguments. A receipt counts if its signature holds, it is of the very task,
// it answers under the limits wanted (see [Receipt.Answers]) and p accepts its
// signer. Outcomes are compared as [Receipt.SameOut] does.
//
// One who signed two outcomes that can not both be true counts for none of
// them. They still stand in the way of others: an outcome is accepted only if
// no other one could have been, had only one of the two been seen. Therefore no
// evidence turns one accepted outcome into another.
func Judge(p Policy, q Question, e Evidence) Judgement {
	p.Agents = slices.Compact(slices.Sorted(slices.Values(p.Agents)))
	if p.Strategy == Consensus && p.Threshold == 0 {
		p.Threshold = len(p.Agents)/2 + 1
	}
	if why := p.fault(); why != "" {
		return Judgement{Verdict: Rejected, Why: why}
	}
	if p.Strategy != Consensus {
		p.Threshold = 1
	}
	var j Judgement
	heard := make(map[did.DID]bool)
	for _, own := range bySigner(p.count(q, e)) {
		answers := own.answers(q)
		pair := own.contradiction(answers)
		if pair != nil {
			j.Equivocations = append(j.Equivocations, *pair)
		}
		heard[own[0].Executor] = heard[own[0].Executor] || pair != nil || len(answers) > 0
		j.enter(answers, pair != nil)
	}
	slices.SortFunc(j.Claims, compareClaims)
	j.decide(p, heard)
	return j
}

// fault says why p can not be followed; empty when it can.
func (p *Policy) fault() string {
	switch p.Strategy {
	case Attestation:
		switch {
		case len(p.Agents) == 0 && p.Grants.Owner == "":
			return "attestation by nobody: no signer is acceptable"
		case p.Grants.Owner != "" && p.Grants.Moment.Now.IsZero():
			return "attestation by grants, and no time to judge them by"
		}
	case Oracle:
		if len(p.Agents) != 1 {
			return fmt.Sprintf("an oracle is one agent, not %d", len(p.Agents))
		}
	case Consensus:
		if p.Threshold < 1 || p.Threshold > len(p.Agents) {
			return fmt.Sprintf("%d of %d agents can not agree", p.Threshold, len(p.Agents))
		}
	default:
		return fmt.Sprintf("verification by %.40q is not supported", p.Strategy)
	}
	return ""
}

// accepts tells whether the word of a signer counts.
func (p *Policy) accepts(signer did.DID, q Question) bool {
	if slices.Contains(p.Agents, signer) {
		return true
	}
	if p.Strategy != Attestation || p.Grants.Owner == "" {
		return false
	}
	_, err := p.Grants.Prove(signer, q)
	return err == nil
}

// Name tells whether some delegation is for a signer, whatever it is worth.
func (g *Grants) Name(signer did.DID) bool {
	return slices.ContainsFunc(g.Delegations, func(d *ucan.SignedDelegation) bool { return d.Delegation().Audience == signer })
}

// Prove returns the delegations, the root first, by which the word of a signer
// counts about q, or says why it does not.
func (g *Grants) Prove(signer did.DID, q Question) ([]*ucan.SignedDelegation, error) {
	return g.prove(ucan.Wish{Subject: g.Owner, Holder: signer, Command: Command, Args: q.assertion()})
}

// Chain returns the delegations, the root first, by which the word of a signer
// counts about the tasks that their policies allow, or says why it does not.
func (g *Grants) Chain(signer did.DID) ([]*ucan.SignedDelegation, error) {
	return g.prove(ucan.Wish{Subject: g.Owner, Holder: signer, Command: Command})
}

func (g *Grants) prove(w ucan.Wish) ([]*ucan.SignedDelegation, error) {
	chain, err := ucan.Prove(w, g.Delegations, g.Moment)
	if most := max(g.Depth, 1); err == nil && len(chain) > most {
		err = fmt.Errorf("%d delegations lead from %s to %s, and at most %d count", len(chain), w.Subject, w.Holder, most)
	}
	return chain, err
}

// assertion is what the policies of grants see of a receipt.
func (q *Question) assertion() ipld.Value {
	return ipld.Map(
		ipld.Entry{Key: "cmd", Value: ipld.String(task.CommandRun)},
		ipld.Entry{Key: "fun", Value: ipld.String(q.Call.Func)},
		ipld.Entry{Key: "mod", Value: q.Call.Module},
		ipld.Entry{Key: "ran", Value: ipld.LinkValue(q.Task.Link)},
	)
}

// voice is a receipt that may count.
type voice struct {
	*Signed
	hash [32]byte
	out  string // see outKey
}

// voices are those of one signer, in an order of their own.
type voices []voice

// count is the evidence that is about q and by acceptable signers, each receipt
// once.
func (p *Policy) count(q Question, e Evidence) voices {
	accepted := make(map[did.DID]bool)
	var all voices
	for _, s := range e {
		if s.Task != q.Task || !s.Remembered() {
			continue
		}
		ok, known := accepted[s.Executor]
		if !known {
			ok = p.accepts(s.Executor, q)
			accepted[s.Executor] = ok
		}
		if ok && s.Verify() == nil {
			all = append(all, voice{s, s.SigHash(), s.outKey()})
		}
	}
	slices.SortFunc(all, func(a, b voice) int {
		if c := strings.Compare(string(a.Executor), string(b.Executor)); c != 0 {
			return c
		}
		if c := bytes.Compare(a.hash[:], b.hash[:]); c != 0 {
			return c
		}
		return bytes.Compare(a.Bytes(), b.Bytes())
	})
	return slices.CompactFunc(all, func(a, b voice) bool { return a.Executor == b.Executor && a.hash == b.hash })
}

// bySigner cuts sorted voices where the signer changes.
func bySigner(all voices) (parts []voices) {
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(v voice) bool { return v.Executor != all[0].Executor })
		if n < 0 {
			n = len(all)
		}
		parts = append(parts, all[:n])
		all = all[n:]
	}
	return parts
}

// answers are the voices that answer q.
func (vs voices) answers(q Question) (all voices) {
	for _, v := range vs {
		if v.Answers(q.Limits, q.Schedule, q.DeclaredMax) {
			all = append(all, v)
		}
	}
	return all
}

// contradiction is a pair of the signer's receipts that can not both be true:
// answers to one question, or the ends of runs under equal limits.
func (vs voices) contradiction(answers voices) *Conflict {
	for _, v := range answers {
		if v.out != answers[0].out {
			return &Conflict{answers[0].Signed, v.Signed}
		}
	}
	first := make(map[limits]voice)
	for _, v := range vs {
		if !v.ended() {
			continue
		}
		other, known := first[v.limits()]
		if !known {
			first[v.limits()] = v
		} else if other.out != v.out {
			return &Conflict{other.Signed, v.Signed}
		}
	}
	return nil
}

// outKey is equal for equal outcomes, as [Receipt.SameOut] compares them.
func (r *Receipt) outKey() string {
	kind := "ok"
	if f := r.Out.Failure; f != nil {
		kind = string(f.Kind) + " " + f.Trap
	}
	link := r.Boxed
	if !link.Defined() {
		_, link, _ = ipld.Encode(r.value()) // it came out of an encoding
	}
	return kind + " " + link.Key()
}

// enter counts one signer's answers.
func (j *Judgement) enter(answers voices, doubtful bool) {
	byOut := make(map[string]voices)
	for _, v := range answers {
		byOut[v.out] = append(byOut[v.out], v)
	}
	for _, out := range slices.Sorted(maps.Keys(byOut)) {
		c := j.claim(byOut[out][0])
		signer := byOut[out][0].Executor
		if doubtful {
			c.Doubtful = append(c.Doubtful, signer)
		} else {
			c.By = append(c.By, signer)
		}
		for _, v := range byOut[out] {
			c.Receipts = append(c.Receipts, v.Signed)
		}
	}
}

// claim is the claim of v's outcome, made if need be.
func (j *Judgement) claim(v voice) *Claim {
	for i := range j.Claims {
		if j.Claims[i].out == v.out {
			return &j.Claims[i]
		}
	}
	j.Claims = append(j.Claims, Claim{out: v.out})
	return &j.Claims[len(j.Claims)-1]
}

// compareClaims puts first what has more signers.
func compareClaims(a, b Claim) int {
	if len(a.By) != len(b.By) {
		return len(b.By) - len(a.By)
	}
	if len(a.Doubtful) != len(b.Doubtful) {
		return len(b.Doubtful) - len(a.Doubtful)
	}
	return strings.Compare(a.out, b.out)
}

// decide fills in the verdict from the claims.
func (j *Judgement) decide(p Policy, heard map[did.DID]bool) {
	reaching := 0 // outcomes that could have been accepted
	for _, c := range j.Claims {
		if len(c.By)+len(c.Doubtful) >= p.Threshold {
			reaching++
		}
	}
	most := 0
	if len(j.Claims) > 0 {
		most = len(j.Claims[0].By)
	}
	for _, a := range p.Agents {
		if !heard[a] {
			j.From = append(j.From, a)
		}
	}
	silent := len(j.From)
	if p.Strategy == Attestation {
		j.From, silent = nil, p.Threshold
	}
	j.Need = p.Threshold - most
	switch {
	case reaching > 1:
		j.Verdict, j.Why = Conflicting, fmt.Sprintf("%d outcomes have the signers that one needs (%d)", reaching, p.Threshold)
	case reaching == 1 && most >= p.Threshold:
		j.Verdict, j.Why = Accepted, p.reason(most)
	case most+silent < p.Threshold:
		j.Verdict, j.Why = Conflicting, fmt.Sprintf("no outcome can have %d signers any more", p.Threshold)
	default:
		j.Verdict, j.Why = Pending, fmt.Sprintf("%d more of the acceptable signers have to say the same", j.Need)
		return
	}
	j.Need, j.From = 0, nil
}

// reason says why an outcome that n signers claim is accepted.
func (p *Policy) reason(n int) string {
	switch p.Strategy {
	case Oracle:
		return fmt.Sprintf("the oracle %s says so", p.Agents[0])
	case Consensus:
		return fmt.Sprintf("%d of %d agents say so, %d are needed", n, len(p.Agents), p.Threshold)
	}
	if n == 1 {
		return "an acceptable signer says so"
	}
	return fmt.Sprintf("%d acceptable signers say so", n)
}
