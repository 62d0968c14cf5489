package authority_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/authority"
	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// rig is a node with a guard, and a friend without authority.
type rig struct {
	*ipvmtest.Engine
	guard  *authority.Guard
	friend did.PrivateKey
	now    time.Time
	skew   time.Duration
	guest  string // the link of a module, in DAG-JSON
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{Engine: ipvmtest.New(t, ipvmtest.Options{}), now: time.Unix(1_800_000_000, 0)}
	wat, err := os.ReadFile("../engine/testdata/guest.wat")
	must(t, err)
	r.guest = fmt.Sprintf(`{"/": %q}`, r.ImportShared(t, wasmtest.Compile(t, string(wat))))
	r.friend, err = did.Generate(did.Ed25519)
	must(t, err)
	r.open(t)
	return r
}

// open gives the node a guard that knows what its store does.
func (r *rig) open(t *testing.T) {
	t.Helper()
	var err error
	r.guard, err = authority.New(authority.Config{Node: r.Key.DID(), Store: r.Store, Skew: r.skew, Now: func() time.Time { return r.now }})
	must(t, err)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) document(t *testing.T, text string) *graph.Graph {
	t.Helper()
	return r.Document(t, strings.ReplaceAll(text, "GUEST", r.guest))
}

// grant lets the friend have workflows run whose demand fulfils policy.
func (r *rig) grant(t *testing.T, policy string) *ucan.SignedDelegation {
	t.Helper()
	v, err := ipld.DecodeJSON([]byte(policy))
	must(t, err)
	p, err := ucan.ParsePolicy(v)
	must(t, err)
	d, err := ucan.Delegate(r.Key, ucan.Grant{Audience: r.friend.DID(), Command: grant.RunCommand, Policy: p, Expires: r.now.Add(10 * time.Minute)}, r.now)
	must(t, err)
	return d
}

func (r *rig) sign(t *testing.T, g *graph.Graph, proofs ...*ucan.SignedDelegation) []byte {
	t.Helper()
	c, err := authority.Request{Node: r.Key.DID(), Proofs: proofs, Expires: r.now.Add(time.Hour)}.Sign(r.friend, g, r.now)
	must(t, err)
	return c
}

// forge is an invocation of the friend's with the given demand, which nobody has
// held against anything.
func (r *rig) forge(t *testing.T, d authority.Demand, proof *ucan.SignedDelegation) []byte {
	t.Helper()
	inv, err := ucan.Invoke(r.friend, ucan.Call{Subject: r.Key.DID(), Command: grant.RunCommand, Args: d.Value(), Proofs: []*ucan.SignedDelegation{proof}, Expires: r.now.Add(time.Hour)}, r.now)
	must(t, err)
	c := ucan.Container{Invocations: []*ucan.SignedInvocation{inv}, Delegations: []*ucan.SignedDelegation{proof}}
	data, err := c.Append(nil, ucan.Plain)
	must(t, err)
	return data
}

// watched is a permit that is told before it is asked.
type watched struct {
	*authority.Permit
	before func()
}

func (w watched) Allow(module ipld.Link, name string) *task.Failure {
	w.before()
	return w.Permit.Allow(module, name)
}

const one = "job: {with: GUEST, func: next, args: [1], gas: 1000, memory: 64MiB, time: 1s}\n"

// Everything is held against what was granted, and what is not is refused.
func TestAccept(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, one)
	lent := r.grant(t, `[["<=", ".gas", 1000]]`)
	good := r.sign(t, g, lent)
	other := r.document(t, "job: {with: GUEST, func: next, args: [2], gas: 1000, memory: 64MiB, time: 1s}\n")
	forged := func(change func(*authority.Demand)) []byte {
		d := authority.DemandOf(g, engine.Policy{})
		change(&d)
		return r.forge(t, d, lent)
	}
	two := r.sign(t, r.document(t, one+"other: {with: GUEST, func: next, args: [1], gas: 5}\n"), r.grant(t, `[]`))
	for _, test := range []struct {
		name      string
		container []byte
		graph     *graph.Graph
		after     time.Duration
		want      string // part of the error
	}{
		{"a changed job", good, other, 0, `the workflow is not the one that was signed: the job "job" was changed`},
		{"a job more", good, r.document(t, one+"other: {with: GUEST, func: next, args: [1]}\n"), 0, `signed: the job "other" was added`},
		{"a job less", two, g, 0, `signed: the job "other" was taken out`},
		{"another header", good, r.document(t, "config: {gas: 5}\njobs:\n  "+one), 0, "signed: what stands beside the jobs was changed"},
		{"another workflow, and nothing that tells its parts", forged(func(*authority.Demand) {}), other, 0, "is about the workflow"},
		{"less gas than it may use", forged(func(d *authority.Demand) { d.Gas-- }), g, 0, "gas of 1000, and the invocation asks for 999"},
		{"less memory", forged(func(d *authority.Demand) { d.Memory-- }), g, 0, "memory of"},
		{"less time", forged(func(d *authority.Demand) { d.Time-- }), g, 0, "time of"},
		{"fewer tasks", forged(func(d *authority.Demand) { d.Tasks-- }), g, 0, "has 1 tasks"},
		{"other functions", forged(func(d *authority.Demand) { d.Functions[0].Name = "spin" }), g, 0, `calls the function "next" of`},
		{"more gas than granted", forged(func(d *authority.Demand) { d.Gas++ }), g, 0, "MatchError"},
		{"too late", good, g, 12 * time.Minute, "Expired"},
		{"no tokens", []byte("hello"), g, 0, "not a UCAN token"},
		{"good", good, g, 0, ""},
		{"good, a second time", good, g, 0, "runs already"},
	} {
		r.now = r.now.Add(test.after)
		_, err := r.guard.Accept(test.container, test.graph)
		r.now = r.now.Add(-test.after)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
	}
	if _, err := (authority.Request{Node: r.Key.DID()}).Sign(r.friend, g, r.now); !errors.Is(err, ucan.InvalidClaim) {
		t.Errorf("without proof: %v", err)
	}
	far, err := authority.Request{Node: r.Key.DID(), Proofs: []*ucan.SignedDelegation{lent}, Expires: r.now.Add(25 * time.Hour)}.Sign(r.friend, g, r.now)
	must(t, err)
	if _, err := r.guard.Accept(far, g); !errors.Is(err, authority.ErrRefused) {
		t.Errorf("a request that can be kept for long: %v", err)
	}
}

// What effects a workflow has is part of what is asked: grants bound them, and an
// invocation that leaves one out does not cover it.
func TestAcceptEffects(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, `nonce: {"/": {"bytes": AAECAwQFBgcICQoLDA0ODw}}
jobs:
  read: {with: "https://example.com/a", do: crud/read}
`)
	for _, test := range []struct{ policy, want string }{
		{`[["==", ".effects", []]]`, `does not hold: ["==",".effects",[]], and .effects is [{"do":"crud/read","uri":"https://example.com/a"}]`},
		{`[["all", ".effects", ["==", ".do", "crud/update"]]]`, "MatchError"},
		{`[["all", ".effects", ["like", ".uri", "https://example.org/*"]]]`, "MatchError"},
		{`[["all", ".effects", ["and", [["like", ".uri", "https://example.com/*"], ["==", ".do", "crud/read"]]]]]`, ""},
	} {
		_, err := r.guard.Accept(r.forge(t, authority.DemandOf(g, engine.Policy{}), r.grant(t, test.policy)), g)
		if test.want == "" && err != nil || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %v, expected %q", test.policy, err, test.want)
		}
	}
	less := authority.DemandOf(g, engine.Policy{})
	less.Effects = nil
	if _, err := r.guard.Accept(r.forge(t, less, r.grant(t, `[["==", ".effects", []]]`)), g); !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), "crud/read") {
		t.Errorf("an effect that was not asked for: %v", err)
	}
}

// A request is performed once, also by a node that was started anew; one that
// was interrupted can be made again.
func TestPerformedOnce(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, one)
	signed := r.sign(t, g, r.grant(t, `[]`))
	permit, err := r.guard.Accept(signed, g)
	must(t, err)
	must(t, permit.End(nil))
	r.open(t)
	permit, err = r.guard.Accept(signed, g)
	must(t, err)
	must(t, permit.End(&engine.Report{Status: engine.StatusOK}))
	for range 2 {
		if _, err := r.guard.Accept(signed, g); !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), "performed before") {
			t.Errorf("again: %v", err)
		}
		r.open(t)
	}
	r.now = r.now.Add(2 * time.Hour)
	r.open(t)
	if _, err := r.guard.Accept(signed, g); !errors.Is(err, ucan.Expired) {
		t.Errorf("later: %v", err)
	}
}

// A node whose clock was set back starts, and still knows what it performed.
func TestPerformedByAClockThatWasSetBack(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, one)
	signed := r.sign(t, g, r.grant(t, `[]`))
	permit, err := r.guard.Accept(signed, g)
	must(t, err)
	must(t, permit.End(&engine.Report{Status: engine.StatusOK}))
	right := r.now
	r.now = right.Add(-48 * time.Hour)
	r.open(t)
	r.now = right
	if _, err := r.guard.Accept(signed, g); !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), "performed before") {
		t.Errorf("again: %v", err)
	}
}

// What is revoked while a workflow runs counts before the next task, and for
// good.
func TestRevoked(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	grant := r.grant(t, `[]`)
	g := r.document(t, "a: {with: GUEST, func: next, args: [1]}\nb: {with: GUEST, func: next, args: [{from: a}]}\nc: {with: GUEST, func: next, args: [5], await: [b]}\n")
	permit, err := r.guard.Accept(r.sign(t, g, grant), g)
	must(t, err)
	asked := 0
	report, err := r.Run(t.Context(), g, engine.Options{Permit: watched{permit, func() {
		if asked++; asked == 2 {
			container, err := authority.SignRevocation(r.Key, grant.Link(), r.now)
			must(t, err)
			_, err = r.guard.Revoke(container)
			must(t, err)
		}
	}}})
	must(t, err)
	a, _ := report.Job("a")
	b, _ := report.Job("b")
	c, _ := report.Job("c")
	if f := b.Outcome.Failure; !a.Outcome.OK() || f == nil || f.Kind != task.KindDenied || b.Receipt.Defined() || !strings.Contains(f.Message, "Revoked") || c.Status != engine.JobUpstream {
		t.Errorf("a %+v, b %+v, c %+v", a, b, c)
	}
	if report.Status != engine.StatusFailed {
		t.Errorf("the workflow is %s", report.Status)
	}
	r.open(t)
	if _, err := r.guard.Accept(r.sign(t, g, grant), g); !errors.Is(err, ucan.Revoked) {
		t.Errorf("after a restart: %v", err)
	}
	stranger, err := did.Generate(did.Ed25519)
	must(t, err)
	fresh := r.grant(t, `[]`)
	container, err := authority.SignRevocation(stranger, fresh.Link(), r.now)
	must(t, err)
	if _, err := r.guard.Revoke(container); err != nil {
		t.Errorf("a revocation by who has nothing to do with it: %v", err)
	}
	if _, err := r.guard.Accept(r.sign(t, g, fresh), g); err != nil {
		t.Errorf("a stranger revoked a grant: %v", err)
	}
}

// What was revoked is told of the delegations in a container, with those
// revokers only who issued one of them.
func TestRevokedIn(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	taken, kept := r.grant(t, `[]`), r.grant(t, `[["==", ".x", 1]]`)
	stranger, err := did.Generate(did.Ed25519)
	must(t, err)
	for _, d := range []*ucan.SignedDelegation{taken, kept} {
		container, err := authority.SignRevocation(stranger, d.Link(), r.now)
		must(t, err)
		_, err = r.guard.Revoke(container)
		must(t, err)
	}
	container, err := authority.SignRevocation(r.Key, taken.Link(), r.now)
	must(t, err)
	_, err = r.guard.Revoke(container)
	must(t, err)
	r.open(t)
	both := ucan.Container{Delegations: []*ucan.SignedDelegation{taken, kept}}
	data, err := both.Append(nil, ucan.Plain)
	must(t, err)
	got, err := r.guard.RevokedIn(data)
	if err != nil || len(got) != 1 || got[0].Delegation != taken.Link() || len(got[0].By) != 1 || got[0].By[0] != r.Key.DID() {
		t.Errorf("revoked: %+v, %v", got, err)
	}
	if _, err := r.guard.RevokedIn([]byte("@")); !errors.Is(err, ucan.ErrMalformed) {
		t.Error(err)
	}
}

// A grant for some functions holds for a module that a job makes as well: it is
// judged when the module is known.
func TestPromisedModule(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	next := r.ImportShared(t, wasmtest.Compile(t, `(module (func (export "next") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))`))
	link := next.String()
	const document = "a: {with: GUEST, func: next, args: [1]}\nb: {with: {from: a}, func: next, args: [1]}\n"
	g := r.document(t, document)
	strict := fmt.Sprintf(`[["all", ".functions", ["or", [["==", ".mod", {"/": %q}], ["==", ".mod", %s]]]]]`, link, r.guest)
	if _, err := (authority.Request{Node: r.Key.DID(), Proofs: []*ucan.SignedDelegation{r.grant(t, strict)}}).Sign(r.friend, g, r.now); !errors.Is(err, ucan.MatchError) {
		t.Errorf("an unknown module passes a policy that names modules: %v", err)
	}
	open := fmt.Sprintf(`[["all", ".functions", ["or", [["==", ".mod", null], ["==", ".mod", {"/": %q}], ["==", ".mod", %s]]]]]`, link, r.guest)
	permit, err := r.guard.Accept(r.sign(t, g, r.grant(t, open)), g)
	must(t, err)
	if f := permit.Allow(next, "next"); f != nil {
		t.Errorf("the module that is granted: %v", f)
	}
	if f := permit.Allow(ipld.LinkOf(ipld.CodecRaw, []byte("evil")), "next"); f == nil || f.Kind != task.KindDenied {
		t.Errorf("another module: %v", f)
	}
	if f := permit.Allow(next, "other"); f == nil || f.Kind != task.KindDenied {
		t.Errorf("another function: %v", f)
	}
}

// Arguments that are not exactly a demand are refused.
func TestParseDemand(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, `nonce: {"/": {"bytes": AAECAwQFBgcICQoLDA0ODw}}
jobs:
  a: {with: GUEST, func: next, args: [1]}
  b: {with: {from: a}}
  c: {with: "https://example.com/", do: crud/read}
  d: {with: {from: a}, scheme: https, do: crud/update}
`)
	d := authority.DemandOf(g, engine.Policy{})
	again, err := authority.ParseDemand(d.Value())
	if err != nil || !again.Value().Equal(d.Value()) || len(d.Functions) != 2 || len(d.Effects) != 2 || d.Tasks != 4 {
		t.Fatalf("%+v, %+v, %v", d, again, err)
	}
	entries := d.Value().Entries()
	for i := range entries {
		less := append(append([]ipld.Entry(nil), entries[:i]...), entries[i+1:]...)
		if _, err := authority.ParseDemand(ipld.Map(less...)); err == nil {
			t.Errorf("without %s it is a demand", entries[i].Key)
		}
		for _, wrong := range []ipld.Value{ipld.Null, ipld.Int(-1), ipld.String("1"), ipld.Float(1), ipld.List(ipld.Null), ipld.List(ipld.Map())} {
			bad := append([]ipld.Entry(nil), entries...)
			bad[i].Value = wrong
			if _, err := authority.ParseDemand(ipld.Map(bad...)); err == nil {
				t.Errorf("with %s %s it is a demand", entries[i].Key, wrong)
			}
		}
	}
	more := append(append([]ipld.Entry(nil), entries...), ipld.Entry{Key: "x", Value: ipld.Null})
	if _, err := authority.ParseDemand(ipld.Map(more...)); err == nil {
		t.Error("with more it is a demand")
	}
}

// Time bounds are taken wider by the skew that the node is set to, and what was
// performed stays known when it is set to more.
func TestSkew(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.document(t, one)
	for _, test := range []struct{ set, counts time.Duration }{{0, time.Minute}, {-1, 0}, {30 * time.Second, 30 * time.Second}, {authority.MaxSkew, authority.MaxSkew}} {
		r.skew = test.set
		r.open(t)
		signed := r.sign(t, g, r.grant(t, `[]`)) // for ten minutes
		signedLate := r.sign(t, g, r.grant(t, `[]`))
		began := r.now
		r.now = began.Add(10*time.Minute + test.counts)
		if _, err := r.guard.Accept(signed, g); err != nil {
			t.Errorf("set to %v, at the last moment: %v", test.set, err)
		}
		r.now = r.now.Add(time.Second)
		if _, err := r.guard.Accept(signedLate, g); !errors.Is(err, ucan.Expired) {
			t.Errorf("set to %v, too late: %v", test.set, err)
		}
		r.now = began
	}
	if _, err := authority.New(authority.Config{Node: r.Key.DID(), Store: r.Store, Skew: authority.MaxSkew + 1}); err == nil {
		t.Error("more than the most")
	}

	r.skew = -1
	r.open(t)
	signed, err := authority.Request{Node: r.Key.DID(), Expires: r.now.Add(time.Minute)}.Sign(r.Key, g, r.now)
	must(t, err)
	permit, err := r.guard.Accept(signed, g)
	must(t, err)
	must(t, permit.End(&engine.Report{Status: engine.StatusOK}))
	r.now = r.now.Add(time.Minute + time.Second)
	r.open(t) // by an exact clock it can not come again
	r.skew = authority.MaxSkew
	r.open(t)
	if _, err := r.guard.Accept(signed, g); !errors.Is(err, authority.ErrRefused) || !strings.Contains(err.Error(), "performed before") {
		t.Errorf("after the skew was raised: %v", err)
	}
}

// A grant that expires between two tasks ends the workflow there, and a handler,
// which it would have to allow as well, does not change how.
func TestExpiresInBetween(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.skew = -1
	r.open(t)
	g := r.document(t, "a: {with: GUEST, func: next, args: [1]}\nb: {with: GUEST, func: next, args: [{from: a}], catch: {with: GUEST, func: next}}\n")
	permit, err := r.guard.Accept(r.sign(t, g, r.grant(t, `[]`)), g) // for ten minutes
	must(t, err)
	asked := 0
	report, err := r.Run(t.Context(), g, engine.Options{Permit: watched{permit, func() {
		if asked++; asked == 2 {
			r.now = r.now.Add(10*time.Minute + time.Second)
		}
	}}})
	must(t, err)
	a, _ := report.Job("a")
	b, _ := report.Job("b")
	if f := b.Outcome.Failure; !a.Outcome.OK() || f == nil || f.Kind != task.KindDenied || !strings.Contains(f.Message, "Expired") || b.Caught != nil || b.Receipt.Defined() {
		t.Errorf("a %+v, b %+v", a, b)
	}
}
