package receipt

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
)

// The crowd are keys for tests with more signers than there are names.
var crowd = func() (all []did.PrivateKey) {
	for range 8 {
		k, err := did.Generate(did.Ed25519)
		if err != nil {
			panic(err)
		}
		all = append(all, k)
	}
	return all
}()

func dids(n ...int) (all []did.DID) {
	for _, i := range n {
		all = append(all, crowd[i].DID())
	}
	return all
}

// said is the receipt of a signer of the crowd: one of the first few values.
func said(t testing.TB, signer int, value int64, edit ...func(*Receipt)) *Signed {
	t.Helper()
	r := okReceipt(t, ipld.Int(value))
	for _, f := range edit {
		f(&r)
	}
	s, err := Issue(crowd[signer], r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func question(t testing.TB) Question {
	t.Helper()
	return Question{
		Task: addOne(t), Call: task.Call{Module: ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("module"))), Func: "add_one"},
		Limits: task.Limits{Gas: 1000, Memory: 64 * mib}, Schedule: schedule,
	}
}

func wide(r *Receipt) { r.Limits.Memory = 128 * mib }

func TestJudge(t *testing.T) {
	t.Parallel()
	forged, err := Parse(bytes.ReplaceAll(said(t, 3, 1).Bytes(), []byte(dids(3)[0]), []byte(dids(1)[0])))
	if err != nil {
		t.Fatal(err)
	}
	attestation := Policy{Strategy: Attestation, Agents: dids(0, 1)}
	oracle := Policy{Strategy: Oracle, Agents: dids(0)}
	three := Policy{Strategy: Consensus, Agents: dids(0, 1, 2)}
	all := Policy{Strategy: Consensus, Agents: dids(0, 1, 2), Threshold: 3}
	two := Policy{Strategy: Consensus, Agents: dids(0, 1, 2, 3), Threshold: 2}
	for _, tt := range []struct {
		name   string
		policy Policy
		e      Evidence
		want   string
	}{
		{"attestation, nothing", attestation, nil, "pending 1"},
		{"attestation", attestation, Evidence{said(t, 1, 1)}, "accepted 1"},
		{"attestation twice", attestation, Evidence{said(t, 1, 1), said(t, 0, 1)}, "accepted 1"},
		{"attestation by another", attestation, Evidence{said(t, 2, 1)}, "pending 1"},
		{"attestation and another", attestation, Evidence{said(t, 1, 1), said(t, 2, 2)}, "accepted 1"},
		{"attestation, two values", attestation, Evidence{said(t, 1, 1), said(t, 0, 2)}, "conflicting"},
		{"attestation, two values of one", attestation, Evidence{said(t, 1, 1), said(t, 1, 2)}, "conflicting, 1 equivocates"},
		{"attestation behind two values of one", attestation, Evidence{said(t, 1, 1), said(t, 1, 2), said(t, 0, 1)}, "conflicting, 1 equivocates"},
		{"a limit that is not enough", attestation, Evidence{said(t, 1, 1, func(r *Receipt) { r.Gas = 1000 })}, "pending 1"},
		{"another memory limit", attestation, Evidence{said(t, 1, 1, wide)}, "pending 1"},
		{"another schedule", attestation, Evidence{said(t, 1, 1, func(r *Receipt) { r.Schedule = "other" })}, "pending 1"},
		{"another task", attestation, Evidence{said(t, 1, 1, func(r *Receipt) { r.Task.Link = ipld.LinkOf(ipld.CodecDagCBOR, []byte("x")) })}, "pending 1"},
		{"two values under two limits", attestation, Evidence{said(t, 1, 1), said(t, 1, 2, wide)}, "accepted 1"},
		{"two values under a limit not asked for", attestation, Evidence{said(t, 1, 1), said(t, 1, 2, wide), said(t, 1, 3, wide)}, "pending 1, 1 equivocates"},
		{"a value and its want of gas", attestation, Evidence{said(t, 1, 1), said(t, 1, 1, func(r *Receipt) {
			r.Out, r.Limits.Gas, r.Gas = task.Outcome{Failure: &task.Failure{Kind: task.KindOutOfGas}}, 5000, 5000
		})}, "conflicting, 1 equivocates"},
		{"not remembered", attestation, Evidence{said(t, 1, 1, func(r *Receipt) { r.Out = task.Outcome{Failure: &task.Failure{Kind: task.KindDenied}} })}, "pending 1"},
		{"a forged signature", attestation, Evidence{forged}, "pending 1"},
		{"oracle, nothing", oracle, Evidence{said(t, 1, 1)}, "pending 1 of [0]"},
		{"oracle", oracle, Evidence{said(t, 1, 2), said(t, 0, 1)}, "accepted 1"},
		{"oracle of two minds", oracle, Evidence{said(t, 0, 2), said(t, 0, 1)}, "conflicting, 1 equivocates"},
		{"oracle of two minds elsewhere", oracle, Evidence{said(t, 0, 2, wide), said(t, 0, 1, wide)}, "conflicting, 1 equivocates"},
		{"consensus, nothing", three, nil, "pending 2 of [0 1 2]"},
		{"consensus, one", three, Evidence{said(t, 2, 1), said(t, 2, 1)}, "pending 1 of [0 1]"},
		{"consensus, one and another", three, Evidence{said(t, 2, 1), said(t, 3, 1)}, "pending 1 of [0 1]"},
		{"consensus, two of three", three, Evidence{said(t, 2, 1), said(t, 0, 1)}, "accepted 1"},
		{"consensus, a liar", three, Evidence{said(t, 2, 1), said(t, 0, 2), said(t, 1, 1)}, "accepted 1"},
		{"consensus, one of two minds", three, Evidence{said(t, 2, 1), said(t, 0, 2), said(t, 0, 1), said(t, 1, 1)}, "accepted 1, 1 equivocates"},
		{"consensus out of reach", three, Evidence{said(t, 2, 1), said(t, 0, 2), said(t, 1, 3)}, "conflicting"},
		{"consensus out of reach by one of two minds", three, Evidence{said(t, 2, 1), said(t, 0, 2), said(t, 0, 1), said(t, 1, 3)}, "conflicting, 1 equivocates"},
		{"all of three", all, Evidence{said(t, 0, 1), said(t, 1, 1)}, "pending 1 of [2]"},
		{"all of three, a liar", all, Evidence{said(t, 0, 1), said(t, 1, 2)}, "conflicting"},
		{"two pairs", two, Evidence{said(t, 0, 1), said(t, 1, 1), said(t, 2, 2), said(t, 3, 2)}, "conflicting"},
		{"two pairs of three", two, Evidence{said(t, 0, 1), said(t, 1, 1), said(t, 0, 2), said(t, 3, 2), said(t, 2, 2)}, "conflicting, 1 equivocates"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := Judge(tt.policy, question(t), tt.e)
			if got := inWords(j); got != tt.want {
				t.Errorf("got %q, want %q: %s", got, tt.want, j.Why)
			}
			if j.Why == "" {
				t.Error("it does not say why")
			}
		})
	}
}

// inWords is a judgement in short; agents by their place in the crowd.
func inWords(j Judgement) string {
	s := j.Verdict.String()
	switch j.Verdict {
	case Accepted:
		s += " " + j.Claims[0].Receipts[0].Out.Value.String()
	case Pending:
		s += fmt.Sprint(" ", j.Need)
	}
	if j.From != nil {
		var from []int
		for _, d := range j.From {
			from = append(from, slices.IndexFunc(crowd, func(k did.PrivateKey) bool { return k.DID() == d }))
		}
		slices.Sort(from)
		s += fmt.Sprint(" of ", from)
	}
	if n := len(j.Equivocations); n > 0 {
		s += fmt.Sprintf(", %d equivocates", n)
	}
	return s
}

func TestJudgeRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		policy Policy
		want   string
	}{
		{"zero", Policy{}, `"" is not supported`},
		{"optimistic", Policy{Strategy: "optimistic", Agents: dids(0)}, `"optimistic" is not supported`},
		{"zkp", Policy{Strategy: "zkp", Agents: dids(0)}, `"zkp" is not supported`},
		{"attestation by nobody", Policy{Strategy: Attestation}, "by nobody"},
		{"grants without a time", Policy{Strategy: Attestation, Grants: Grants{Owner: dids(0)[0]}}, "no time"},
		{"no oracle", Policy{Strategy: Oracle}, "not 0"},
		{"two oracles", Policy{Strategy: Oracle, Agents: dids(0, 1)}, "not 2"},
		{"consensus of nobody", Policy{Strategy: Consensus}, "1 of 0"},
		{"threshold above", Policy{Strategy: Consensus, Agents: dids(0, 1, 1), Threshold: 3}, "3 of 2"},
		{"threshold below", Policy{Strategy: Consensus, Agents: dids(0, 1), Threshold: -1}, "-1 of 2"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			j := Judge(tt.policy, question(t), Evidence{said(t, 0, 1), said(t, 1, 1)})
			if j.Verdict != Rejected || !strings.Contains(j.Why, tt.want) {
				t.Errorf("%s: %s", j.Verdict, j.Why)
			}
		})
	}
}

// Without a threshold more than half have to agree.
func TestThreshold(t *testing.T) {
	t.Parallel()
	for n, want := range []int{1: 1, 2: 2, 3: 2, 4: 3, 5: 3, 6: 4, 7: 4} {
		if n == 0 {
			continue
		}
		var e Evidence
		p := Policy{Strategy: Consensus}
		for i := range n {
			p.Agents = append(p.Agents, dids(i)...)
		}
		for i := range n {
			verdict := Judge(p, question(t), e).Verdict
			if (verdict == Accepted) != (i >= want) {
				t.Errorf("%d of %d: %s", i, n, verdict)
			}
			e = append(e, said(t, i, 1))
		}
	}
}

// RULES 39.
func TestJudgeGrants(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	owner, friend, other := crowd[0], crowd[1], crowd[2]
	grant := func(from, to did.PrivateKey, edit func(*ucan.Delegation)) *ucan.SignedDelegation {
		d := ucan.Delegation{Audience: to.DID(), Subject: owner.DID(), Command: Command}
		if edit != nil {
			edit(&d)
		}
		s, err := ucan.SignDelegation(from, d)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	policy := func(selector string, v ipld.Value) func(*ucan.Delegation) {
		return func(d *ucan.Delegation) {
			p, err := ucan.ParsePolicy(ipld.List(ipld.List(ipld.String("=="), ipld.String(selector), v)))
			if err != nil {
				t.Fatal(err)
			}
			d.Policy = p
		}
	}
	second := now.Unix()
	revoked := func(*ucan.SignedDelegation, []did.DID) bool { return true }
	q := question(t)
	byFriend, byOther := Evidence{said(t, 1, 1)}, Evidence{said(t, 2, 1)}
	for _, tt := range []struct {
		name    string
		grants  []*ucan.SignedDelegation
		depth   int
		revoked func(*ucan.SignedDelegation, []did.DID) bool
		e       Evidence
		want    Verdict
	}{
		{"the owner", nil, 0, nil, Evidence{said(t, 0, 1)}, Accepted},
		{"no grant", nil, 0, nil, byFriend, Pending},
		{"a grant", []*ucan.SignedDelegation{grant(owner, friend, nil)}, 0, nil, byFriend, Accepted},
		{"a grant of more", []*ucan.SignedDelegation{grant(owner, friend, func(d *ucan.Delegation) { d.Command = "/ucan/assert" })}, 0, nil, byFriend, Accepted},
		{"a grant of something else", []*ucan.SignedDelegation{grant(owner, friend, func(d *ucan.Delegation) { d.Command = "/ipvm/run" })}, 0, nil, byFriend, Pending},
		{"a grant to another", []*ucan.SignedDelegation{grant(owner, friend, nil)}, 0, nil, byOther, Pending},
		{"a grant by another", []*ucan.SignedDelegation{grant(other, friend, nil)}, 0, nil, byFriend, Pending},
		{"expired", []*ucan.SignedDelegation{grant(owner, friend, func(d *ucan.Delegation) { last := second - 1; d.Expires = &last })}, 0, nil, byFriend, Pending},
		{"revoked", []*ucan.SignedDelegation{grant(owner, friend, nil)}, 0, revoked, byFriend, Pending},
		{"two steps", []*ucan.SignedDelegation{grant(friend, other, nil), grant(owner, friend, nil)}, 0, nil, byOther, Pending},
		{"two steps allowed", []*ucan.SignedDelegation{grant(friend, other, nil), grant(owner, friend, nil)}, 2, nil, byOther, Accepted},
		{"this function", []*ucan.SignedDelegation{grant(owner, friend, policy(".fun", ipld.String("add_one")))}, 0, nil, byFriend, Accepted},
		{"another function", []*ucan.SignedDelegation{grant(owner, friend, policy(".fun", ipld.String("add_two")))}, 0, nil, byFriend, Pending},
		{"this module", []*ucan.SignedDelegation{grant(owner, friend, policy(".mod", q.Call.Module))}, 0, nil, byFriend, Accepted},
		{"another module", []*ucan.SignedDelegation{grant(owner, friend, policy(".mod", ipld.LinkValue(q.Task.Link)))}, 0, nil, byFriend, Pending},
		{"this command", []*ucan.SignedDelegation{grant(owner, friend, policy(".cmd", ipld.String("/wasm/run")))}, 0, nil, byFriend, Accepted},
		{"this task", []*ucan.SignedDelegation{grant(owner, friend, policy(".ran", ipld.LinkValue(q.Task.Link)))}, 0, nil, byFriend, Accepted},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			p := Policy{Strategy: Attestation, Grants: Grants{
				Owner: owner.DID(), Delegations: tt.grants, Depth: tt.depth, Moment: ucan.Moment{Now: now, Revoked: tt.revoked},
			}}
			if j := Judge(p, q, tt.e); j.Verdict != tt.want {
				t.Errorf("%s: %s", j.Verdict, j.Why)
			}
			p.Strategy, p.Agents, p.Threshold = Consensus, dids(7), 1
			if j := Judge(p, q, tt.e); j.Verdict != Pending {
				t.Errorf("consensus by a grant: %s", j.Verdict)
			}
		})
	}
}

// pool is what the property tests draw evidence from: each of the crowd says
// each of three values, under the limits asked for and others.
func pool(t testing.TB) (all Evidence) {
	for signer := range crowd {
		for value := range int64(3) {
			all = append(all, said(t, signer, value), said(t, signer, value, wide), said(t, signer, value, func(r *Receipt) { r.Gas++ }))
		}
	}
	return all
}

// grantedAt is when the grants of the property tests are judged.
var grantedAt = time.Unix(1_800_000_000, 0)

// edge is a delegation between two of the crowd, under the authority of crowd[0].
type edge struct {
	from, to int
	good     bool // it holds for the question
	dlg      *ucan.SignedDelegation
}

// edges are delegations between any two of the first five of the crowd: some
// that hold, and some that do not, each for one reason; and the revoked ones.
func edges(t testing.TB) (all []edge, revoked map[ipld.Link]bool) {
	t.Helper()
	revoked = make(map[ipld.Link]bool)
	past, future := grantedAt.Unix()-1, grantedAt.Unix()+1
	mustPolicy := func(op, selector string, v ipld.Value) ucan.Policy {
		p, err := ucan.ParsePolicy(ipld.List(ipld.List(ipld.String(op), ipld.String(selector), v)))
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	for from := range 5 {
		for to := range 5 {
			for i, edit := range []func(*ucan.Delegation){
				func(*ucan.Delegation) {},
				func(d *ucan.Delegation) { d.Policy = mustPolicy("==", ".mod", question(t).Call.Module) },
				func(d *ucan.Delegation) { d.Policy = mustPolicy("==", ".fun", ipld.String("add_two")) },
				func(d *ucan.Delegation) { d.Policy = mustPolicy("!=", ".cmd", ipld.String(task.CommandRun)) },
				func(d *ucan.Delegation) { d.Expires = &past },
				func(d *ucan.Delegation) { d.NotBefore = &future },
				func(d *ucan.Delegation) { d.Command = "/ipvm/run" },
				func(d *ucan.Delegation) { d.Subject = crowd[7].DID() },
				func(d *ucan.Delegation) { d.Nonce = "revoked nonce" },
			} {
				if from == to {
					continue
				}
				d := ucan.Delegation{Audience: crowd[to].DID(), Subject: crowd[0].DID(), Command: Command, Nonce: fmt.Sprintf("a nonce, %d", i)}
				edit(&d)
				s, err := ucan.SignDelegation(crowd[from], d)
				if err != nil {
					t.Fatal(err)
				}
				revoked[s.Link()] = d.Nonce == "revoked nonce"
				all = append(all, edge{from, to, i < 2, s})
			}
		}
	}
	return all, revoked
}

// policies draws policies that can be followed, over the first five of the crowd,
// and tells with each whose word counts under it.
type policies struct {
	good, bad []edge
	revoked   map[ipld.Link]bool
}

func newPolicies(t testing.TB) (p policies) {
	all, revoked := edges(t)
	p.revoked = revoked
	for _, e := range all {
		if e.good {
			p.good = append(p.good, e)
		} else {
			p.bad = append(p.bad, e)
		}
	}
	return p
}

func (ps *policies) draw(t *rapid.T) (Policy, []did.DID) {
	n := rapid.IntRange(1, 5).Draw(t, "agents")
	p := Policy{Strategy: rapid.SampledFrom([]string{Attestation, Oracle, Consensus}).Draw(t, "strategy")}
	if p.Strategy == Oracle {
		n = 1
	}
	if p.Strategy == Attestation && rapid.Bool().Draw(t, "grants") {
		n = rapid.IntRange(0, 2).Draw(t, "agents beside grants")
		return ps.granted(t, n)
	}
	for i := range n {
		p.Agents = append(p.Agents, dids(i)...)
	}
	if p.Strategy == Consensus {
		p.Threshold = rapid.IntRange(0, n).Draw(t, "threshold")
	}
	return p, p.Agents
}

// granted is attestation by agents, the last of the five, and by grants.
func (ps *policies) granted(t *rapid.T, agents int) (Policy, []did.DID) {
	some := append(rapid.SliceOfN(rapid.SampledFrom(ps.good), 0, 6).Draw(t, "delegations"), rapid.SliceOfN(rapid.SampledFrom(ps.bad), 0, 6).Draw(t, "more delegations")...)
	p := Policy{Strategy: Attestation, Grants: Grants{
		Owner: crowd[0].DID(), Depth: rapid.IntRange(0, 3).Draw(t, "depth"),
		Moment: ucan.Moment{Now: grantedAt, Revoked: func(d *ucan.SignedDelegation, _ []did.DID) bool { return ps.revoked[d.Link()] }},
	}}
	reach := map[int]bool{0: true}
	for range max(p.Grants.Depth, 1) {
		next := maps.Clone(reach)
		for _, e := range some {
			if e.good && reach[e.from] {
				next[e.to] = true
			}
		}
		reach = next
	}
	for _, e := range some {
		p.Grants.Delegations = append(p.Grants.Delegations, e.dlg)
	}
	for i := range agents {
		p.Agents = append(p.Agents, dids(4-i)...)
		reach[4-i] = true
	}
	var counts []did.DID
	for i := range reach {
		counts = append(counts, dids(i)...)
	}
	return p, counts
}

func drawEvidence(t *rapid.T, from Evidence, name string) Evidence {
	return rapid.SliceOfN(rapid.SampledFrom(from), 0, 12).Draw(t, name)
}

// digest is all of a judgement, to compare.
func digest(j Judgement) string {
	s := fmt.Sprint(j.Verdict, j.Need, j.From, j.Why)
	for _, c := range j.Claims {
		s += fmt.Sprint("\n", c.By, c.Doubtful)
		for _, r := range c.Receipts {
			s += " " + r.Link().String()
		}
	}
	for _, c := range j.Equivocations {
		s += fmt.Sprint("\n", c.A.Link(), c.B.Link())
	}
	return s
}

// Whatever is added, what was accepted is accepted or in doubt, and no other
// outcome takes its place; what is in conflict stays so.
func TestJudgeIsMonotone(t *testing.T) {
	t.Parallel()
	all, q, ps := pool(t), question(t), newPolicies(t)
	rapid.Check(t, func(t *rapid.T) {
		p, _ := ps.draw(t)
		e := drawEvidence(t, all, "evidence")
		before := Judge(p, q, e)
		after := Judge(p, q, append(slices.Clip(e), drawEvidence(t, all, "more")...))
		if before.Verdict == Accepted && after.Verdict == Accepted && !before.Claims[0].Receipts[0].SameOut(&after.Claims[0].Receipts[0].Receipt) {
			t.Fatalf("accepted %v, then %v", before.Claims[0].Receipts[0].Out, after.Claims[0].Receipts[0].Out)
		}
		if before.Verdict == Conflicting && after.Verdict != Conflicting {
			t.Fatalf("conflicting, then %s", after.Verdict)
		}
		if len(after.Equivocations) < len(before.Equivocations) {
			t.Fatal("an equivocation is forgotten")
		}
	})
}

// The order of evidence does not matter, and what is there twice is there once.
func TestJudgeIsASet(t *testing.T) {
	t.Parallel()
	all, q, ps := pool(t), question(t), newPolicies(t)
	rapid.Check(t, func(t *rapid.T) {
		p, _ := ps.draw(t)
		e := drawEvidence(t, all, "evidence")
		want := digest(Judge(p, q, e))
		mixed := append(slices.Clone(e), e...)
		rnd := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0))
		rnd.Shuffle(len(mixed), func(i, j int) { mixed[i], mixed[j] = mixed[j], mixed[i] })
		rnd.Shuffle(len(p.Grants.Delegations), func(i, j int) {
			p.Grants.Delegations[i], p.Grants.Delegations[j] = p.Grants.Delegations[j], p.Grants.Delegations[i]
		})
		rnd.Shuffle(len(p.Agents), func(i, j int) { p.Agents[i], p.Agents[j] = p.Agents[j], p.Agents[i] })
		if got := digest(Judge(p, q, mixed)); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// Who is not in the policy changes nothing.
func TestJudgeIgnoresOthers(t *testing.T) {
	t.Parallel()
	all, q, ps := pool(t), question(t), newPolicies(t)
	var others Evidence
	for _, d := range dids(5, 6, 7) {
		others = append(others, all.By(d)...)
	}
	rapid.Check(t, func(t *rapid.T) {
		p, _ := ps.draw(t)
		e := drawEvidence(t, all, "evidence")
		if got, want := digest(Judge(p, q, append(slices.Clip(e), others...))), digest(Judge(p, q, e)); got != want {
			t.Fatalf("got %s\nwant %s", got, want)
		}
	})
}

// An accepted outcome has the signers that it needs, and none of them says
// anything else.
func TestJudgeNeedsItsSigners(t *testing.T) {
	t.Parallel()
	all, q, ps := pool(t), question(t), newPolicies(t)
	rapid.Check(t, func(t *rapid.T) {
		p, counts := ps.draw(t)
		e := drawEvidence(t, all, "evidence")
		needed := 1
		if p.Strategy == Consensus {
			if needed = p.Threshold; needed == 0 {
				needed = len(p.Agents)/2 + 1
			}
		}
		says := make(map[string]int) // how many agents of one mind say each value
		for _, agent := range counts {
			values := make(map[string]bool)
			wides := make(map[string]bool)
			for _, r := range e.By(agent) {
				if r.Limits.Memory == 64*mib {
					values[r.Out.Value.String()] = true
				} else {
					wides[r.Out.Value.String()] = true
				}
			}
			if len(values) == 1 && len(wides) < 2 {
				for v := range values {
					says[v]++
				}
			}
		}
		j := Judge(p, q, e)
		if j.Verdict == Accepted && says[j.Claims[0].Receipts[0].Out.Value.String()] < needed {
			t.Fatalf("%s, and %d are needed: %v", j.Why, needed, says)
		}
		for v, n := range says {
			if n >= needed && j.Verdict == Pending {
				t.Fatalf("%d say %s, %d are needed: %s", n, v, needed, j.Verdict)
			}
		}
	})
}

// RULES 39: the word of one signer is accepted where the signer is an agent, or
// delegations that all hold lead there from the owner, no more than are allowed.
func TestJudgeAcceptsWhomGrantsReach(t *testing.T) {
	t.Parallel()
	q, ps := question(t), newPolicies(t)
	var one []Evidence
	for i := range crowd {
		one = append(one, Evidence{said(t, i, 1)})
	}
	rapid.Check(t, func(t *rapid.T) {
		p, counts := ps.granted(t, rapid.IntRange(0, 2).Draw(t, "agents"))
		for i, e := range one {
			want := slices.Contains(counts, crowd[i].DID())
			if got := Judge(p, q, e); (got.Verdict == Accepted) != want {
				t.Fatalf("%d: %s, though it counts is %v", i, got.Verdict, want)
			}
		}
	})
}
