package engine_test

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/ucan"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// believer is a rig that trusts whom it was told to.
type believer struct {
	*rig
	trusted atomic.Value // of engine.Trust
}

func (b *believer) trust(all ...did.PrivateKey) {
	var dids []did.DID
	for _, key := range all {
		dids = append(dids, key.DID())
	}
	b.trusted.Store(engine.Trust{Agents: dids})
}

func newBeliever(t *testing.T) *believer {
	b := &believer{}
	b.trust()
	b.rig = newRig(t, ipvmtest.Options{Trusts: func() engine.Trust { return b.trusted.Load().(engine.Trust) }})
	return b
}

func newKey(t *testing.T) did.PrivateKey {
	t.Helper()
	key, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// claim puts what key says the first job of g came to.
func (b *believer) claim(t *testing.T, g *graph.Graph, key did.PrivateKey, v ipld.Value, edit ...func(*receipt.Receipt)) {
	t.Helper()
	forecast, err := b.Preview(t.Context(), g, engine.Options{})
	if err != nil || !forecast[0].Known {
		t.Fatal(forecast, err)
	}
	out, box, err := receipt.Box(v)
	if err != nil {
		t.Fatal(err)
	}
	r := receipt.Receipt{
		Task: forecast[0].Task, Out: task.Outcome{Value: out}, Gas: 4,
		Limits: task.Limits{Gas: 1 << 40, Memory: 64 << 20}, Schedule: wasm.Schedule,
	}
	if box != nil {
		r.Boxed = box.Link
	}
	for _, f := range edit {
		f(&r)
	}
	signed, err := receipt.Issue(key, r)
	if err != nil {
		t.Fatal(err)
	}
	batch := store.Batch{Foreign: []*receipt.Signed{signed}}
	if key.DID() == b.Key.DID() {
		batch = store.Batch{Receipts: batch.Foreign}
	}
	if err := b.Store.Put(batch); err != nil {
		t.Fatal(err)
	}
}

// Whose receipts answer, and how that is told. The task is next(1), which is 2.
func TestTrust(t *testing.T) {
	t.Parallel()
	friend, other := newKey(t), newKey(t)
	value := func(n int64) ipld.Value { return ipld.Int(n) }
	for _, tt := range []struct {
		name  string
		claim func(b *believer, g *graph.Graph)
		how   engine.How
		want  int64
	}{
		{"nobody", func(*believer, *graph.Graph) {}, engine.Ran, 2},
		{"a friend", func(b *believer, g *graph.Graph) { b.claim(t, g, friend, value(7)) }, engine.Trusted, 7},
		{"a stranger", func(b *believer, g *graph.Graph) { b.claim(t, g, newKey(t), value(7)) }, engine.Ran, 2},
		{"a friend and a stranger", func(b *believer, g *graph.Graph) {
			b.claim(t, g, newKey(t), value(8))
			b.claim(t, g, friend, value(7))
			b.claim(t, g, newKey(t), value(8))
		}, engine.Trusted, 7},
		{"two who agree", func(b *believer, g *graph.Graph) {
			b.claim(t, g, friend, value(7))
			b.claim(t, g, other, value(7))
		}, engine.Trusted, 7},
		{"two who do not", func(b *believer, g *graph.Graph) {
			b.claim(t, g, friend, value(7))
			b.claim(t, g, other, value(8))
		}, engine.Ran, 2},
		{"one of two minds", func(b *believer, g *graph.Graph) {
			b.claim(t, g, friend, value(7))
			b.claim(t, g, friend, value(8))
		}, engine.Ran, 2},
		{"under another limit", func(b *believer, g *graph.Graph) {
			b.claim(t, g, friend, value(7), func(r *receipt.Receipt) { r.Limits.Memory *= 2 })
		}, engine.Ran, 2},
		{"this node itself, and a friend", func(b *believer, g *graph.Graph) {
			b.claim(t, g, b.Key, value(9))
			b.claim(t, g, friend, value(7))
		}, engine.Remembered, 9},
		{"this node of two minds", func(b *believer, g *graph.Graph) {
			b.claim(t, g, b.Key, value(9))
			b.claim(t, g, b.Key, value(10))
		}, engine.Ran, 2},
		{"this node of two minds, and a friend", func(b *believer, g *graph.Graph) {
			b.claim(t, g, b.Key, value(9))
			b.claim(t, g, b.Key, value(10))
			b.claim(t, g, friend, value(9))
		}, engine.Ran, 2},
		{"a file that is not here", func(b *believer, g *graph.Graph) {
			b.claim(t, g, friend, ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("elsewhere"))))
		}, engine.Ran, 2},
		{"a box that is not here", func(b *believer, g *graph.Graph) {
			b.claim(t, g, friend, ipld.String(strings.Repeat("x", receipt.InlineSize)))
		}, engine.Ran, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBeliever(t)
			b.trust(friend, other)
			g := b.document(t, "job: next(1)\n")
			tt.claim(b, g)
			forecast, err := b.Preview(t.Context(), g, engine.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if r := forecast[0].Remembered; (r != nil) != (tt.how != engine.Ran) || r != nil && r.How != tt.how {
				t.Errorf("the forecast: %v", r)
			}
			settled := tt.how != engine.Ran || tt.name == "under another limit" // which who awaits does not ask for
			if all, err := b.Standing(t.Context(), []task.ID{forecast[0].Task}); err != nil || (all[0] == engine.Settled) != settled {
				t.Errorf("it is %v, %v", all, err)
			}
			j := b.MustRun(t, g, engine.Options{}).Jobs[0]
			if j.How != tt.how || !j.Outcome.Value.Equal(value(tt.want)) {
				t.Errorf("%s %s, want %s %d", j.How, j.Outcome.Value, tt.how, tt.want)
			}
			if _, err := b.Store.Block(j.Task.Link); err != nil && j.How != engine.Remembered {
				t.Error("the task that was answered:", err)
			}
		})
	}
}

// What ran here because the trusted ones disagree is remembered, and whoever is
// no longer trusted answers nothing, nor does what was worked out from it.
func TestTrustEnds(t *testing.T) {
	t.Parallel()
	b := newBeliever(t)
	friend := newKey(t)
	b.trust(friend)
	g := b.document(t, "a: next(1)\nb: next({await/ok: a})\n")
	b.claim(t, g, friend, ipld.Int(7))
	jobs := b.MustRun(t, g, engine.Options{}).Jobs
	if jobs[0].How != engine.Trusted || jobs[1].How != engine.Ran || !jobs[1].Outcome.Value.Equal(ipld.Int(8)) {
		t.Fatalf("%s %s, %s %s", jobs[0].How, jobs[0].Outcome.Value, jobs[1].How, jobs[1].Outcome.Value)
	}
	if to, ok, err := b.Store.Resolve(jobs[1].Written); ok || err != nil {
		t.Errorf("the task as written is kept to be %s, %v", to, err)
	}
	await := b.document(t, "c: next({await/ok: "+link(t, g, "a")+"})\n")
	if j := b.MustRun(t, await, engine.Options{}).Jobs[0]; !j.Outcome.Value.Equal(ipld.Int(8)) || j.How != engine.Remembered {
		t.Errorf("who awaits it: %s %s", j.How, j.Outcome)
	} else if to, ok, err := b.Store.Resolve(j.Written); ok || err != nil {
		t.Errorf("who awaits it is kept to be %s, %v", to, err)
	}
	b.trust()
	if all, err := b.Standing(t.Context(), []task.ID{jobs[0].Written, jobs[1].Written}); err != nil || all[0] != engine.Unknown || all[1] != engine.Unknown {
		t.Errorf("%v, %v", all, err)
	}
	jobs = b.MustRun(t, g, engine.Options{}).Jobs
	if jobs[0].How != engine.Ran || !jobs[1].Outcome.Value.Equal(ipld.Int(3)) {
		t.Errorf("%s %s, %s %s", jobs[0].How, jobs[0].Outcome.Value, jobs[1].How, jobs[1].Outcome.Value)
	}
	b.trust(friend)
	if j := b.MustRun(t, g, engine.Options{}).Jobs[0]; j.How != engine.Remembered || !j.Outcome.Value.Equal(ipld.Int(2)) {
		t.Errorf("%s %s", j.How, j.Outcome.Value)
	}
}

// Who waits while a trusted receipt answers is told, and what comes of that is
// not kept as what its task as written is.
func TestTrustAwaited(t *testing.T) {
	t.Parallel()
	for label, about := range map[string]string{"a": "next(1)", "b": "next(2)"} {
		t.Run(label, func(t *testing.T) {
			t.Parallel()
			b := newBeliever(t)
			friend := newKey(t)
			g := b.document(t, "a: next(1)\nb: next({await/ok: a})\n")
			b.claim(t, b.document(t, "job: "+about+"\n"), friend, ipld.Int(7))
			await := b.document(t, "c: next({await/ok: "+link(t, g, label)+"})\n")
			end := start(t.Context(), b.Engine.Engine, await, engine.Options{})
			parked(t, b.Engine.Engine, 1)
			b.trust(friend)
			b.MustRun(t, g, engine.Options{})
			report, err := end()
			if err != nil || !report.Jobs[0].Outcome.Value.Equal(ipld.Int(8)) {
				t.Fatalf("%v, %v", report, err)
			}
			if to, ok, err := b.Store.Resolve(report.Jobs[0].Written); ok || err != nil {
				t.Errorf("the task as written is kept to be %s, %v", to, err)
			}
		})
	}
}

// Others' receipts answer no secret: that one was found would show what was
// asked.
func TestSecretsTrustNobody(t *testing.T) {
	t.Parallel()
	b := newBeliever(t)
	friend := newKey(t)
	b.trust(friend)
	b.claim(t, b.document(t, "job: next(1)\n"), friend, ipld.Int(7))
	j := b.MustRun(t, b.document(t, "job: {with: GUEST, func: next, args: [1], secret: true}\n"), engine.Options{}).Jobs[0]
	if j.How != engine.Ran {
		t.Error(j.How)
	}
}

// RULES 39: a delegation of the node's makes what a friend says count as far as
// it goes.
func TestTrustByGrants(t *testing.T) {
	t.Parallel()
	friend, laptop := newKey(t), newKey(t)
	now := time.Unix(1_800_000_000, 0)
	past := now.Unix() - 1
	for _, tt := range []struct {
		name     string
		to       did.PrivateKey
		policy   string
		expires  *int64
		between  bool // the friend is between this node and its laptop
		depth    int
		revoked  bool
		how      engine.How
		byTaskID engine.JobStatus // of a job that awaits the task
	}{
		{name: "all", to: friend, policy: `[]`, how: engine.Trusted, byTaskID: engine.JobOK},
		{name: "this function", to: friend, policy: `[["==", ".fun", "next"]]`, how: engine.Trusted, byTaskID: engine.JobUpstream},
		{name: "another function", to: friend, policy: `[["==", ".fun", "spin"]]`, how: engine.Ran, byTaskID: engine.JobUpstream},
		{name: "this module", to: friend, policy: `[["==", ".mod", GUEST]]`, how: engine.Trusted, byTaskID: engine.JobUpstream},
		{name: "another module", to: friend, policy: `[["==", ".mod", HANDLER]]`, how: engine.Ran, byTaskID: engine.JobUpstream},
		{name: "expired", to: friend, policy: `[]`, expires: &past, how: engine.Ran, byTaskID: engine.JobUpstream},
		{name: "revoked", to: friend, policy: `[]`, revoked: true, how: engine.Ran, byTaskID: engine.JobUpstream},
		{name: "to another", to: newKey(t), policy: `[]`, how: engine.Ran, byTaskID: engine.JobUpstream},
		{name: "too deep", to: laptop, policy: `[]`, between: true, how: engine.Ran, byTaskID: engine.JobUpstream},
		{name: "deep", to: laptop, policy: `[]`, between: true, depth: 2, how: engine.Trusted, byTaskID: engine.JobOK},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			b := newBeliever(t)
			says := friend
			dlg := ucan.Delegation{Audience: tt.to.DID(), Subject: b.Key.DID(), Command: receipt.Command, Expires: tt.expires}
			v, err := ipld.DecodeJSON([]byte(b.expand(tt.policy)))
			if err == nil {
				dlg.Policy, err = ucan.ParsePolicy(v)
			}
			if err != nil {
				t.Fatal(err)
			}
			grants := receipt.Grants{Owner: b.Key.DID(), Depth: tt.depth, Moment: ucan.Moment{
				Now: now, Revoked: func(*ucan.SignedDelegation, []did.DID) bool { return tt.revoked },
			}}
			by := b.Key
			if tt.between {
				says, by = laptop, friend
				grants.Delegations = append(grants.Delegations, delegated(t, b.Key, ucan.Delegation{Audience: friend.DID(), Subject: b.Key.DID(), Command: receipt.Command}))
			}
			grants.Delegations = append(grants.Delegations, delegated(t, by, dlg))
			b.trusted.Store(engine.Trust{Grants: grants})
			g := b.document(t, "job: next(1)\n")
			b.claim(t, g, says, ipld.Int(7))
			awaits := b.document(t, fmt.Sprintf("job: next({\"await/ok\": {\"/\": %s}}), time: 20ms\n", g.Step(0).ID))
			if got := b.MustRun(t, awaits, engine.Options{}).Jobs[0].Status; got != tt.byTaskID {
				t.Errorf("awaited it is %s, want %s", got, tt.byTaskID)
			}
			if got := b.MustRun(t, g, engine.Options{}).Jobs[0].How; got != tt.how {
				t.Errorf("got %s, want %s", got, tt.how)
			}
			if got := b.MustRun(t, b.document(t, "job: next(1), secret: true\n"), engine.Options{}).Jobs[0].Hidden.Reveal().How; got == engine.Trusted {
				t.Error("a secret is answered by a grant")
			}
		})
	}
}

func delegated(t *testing.T, by did.PrivateKey, dlg ucan.Delegation) *ucan.SignedDelegation {
	t.Helper()
	s, err := ucan.SignDelegation(by, dlg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
