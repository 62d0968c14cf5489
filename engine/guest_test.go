package engine_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm/wasmtest"
)

// guest lets everything run on behalf of a principal.
type guest did.DID

func (g guest) Issuer() did.DID                     { return did.DID(g) }
func (guest) Allow(ipld.Link, string) *task.Failure { return nil }

// What one principal had run answers for nobody else: whether a result is
// remembered would tell who asked for it before.
func TestGuestsKnowOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	alice, bob, owner := guest("did:key:alice"), guest("did:key:bob"), guest(r.Key.DID())
	const plain, hidden = "job: next(1)\n", "job: next(1), secret: true\n"
	for i, step := range []struct {
		text   string
		permit engine.Permit
		want   engine.How
	}{
		{plain, nil, engine.Ran},
		{plain, alice, engine.Ran},
		{plain, alice, engine.Remembered},
		{plain, bob, engine.Ran},
		{plain, owner, engine.Remembered},
		{hidden, alice, engine.Remembered},
		{hidden, alice, engine.Remembered},
		{hidden, bob, engine.Remembered},
		{hidden, nil, engine.Remembered},
		{"job: next(2)\n", alice, engine.Ran},
		{"job: next(2)\n", nil, engine.Ran},
	} {
		report, err := r.Run(t.Context(), r.document(t, step.text), engine.Options{Permit: step.permit})
		if err != nil {
			t.Fatal(err)
		}
		j := report.Jobs[0]
		if h := j.Hidden.Reveal(); h != nil {
			j = *h
		}
		if j.How != step.want || !j.Outcome.OK() {
			t.Errorf("step %d: %s for %v: %s, want %s", i, step.text, step.permit, j.How, step.want)
		}
	}
	// The store has what the owner had run, and nothing else.
	n := 0
	if err := r.Store.Scan(func(*receipt.Signed) bool { n++; return true }); err != nil || n != 2 {
		t.Errorf("%d receipts in the open, %v", n, err)
	}
}

// A guest can not learn of others' tasks by awaiting them, nor others of a
// guest's.
func TestGuestsAwaitOnlyTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	alice, bob := guest("did:key:alice"), guest("did:key:bob")
	g := r.document(t, "job: next(1)\n")
	awaits := r.document(t, fmt.Sprintf("job: next({\"await/ok\": {\"/\": %s}}), time: 20ms\n", g.Step(0).ID))
	run := func(text string, p engine.Permit) engine.JobStatus {
		doc := g
		if text == "awaits" {
			doc = awaits
		}
		report, err := r.Run(t.Context(), doc, engine.Options{Permit: p})
		if err != nil {
			t.Fatal(err)
		}
		return report.Jobs[0].Status
	}
	run("", nil)
	for who, want := range map[engine.Permit]engine.JobStatus{nil: engine.JobOK, alice: engine.JobUpstream, bob: engine.JobUpstream} {
		if got := run("awaits", who); got != want {
			t.Errorf("%v awaits the owner's: %s, want %s", who, got, want)
		}
	}
	run("", alice)
	for who, want := range map[engine.Permit]engine.JobStatus{alice: engine.JobOK, bob: engine.JobUpstream} {
		if got := run("awaits", who); got != want {
			t.Errorf("%v awaits alice's: %s, want %s", who, got, want)
		}
	}
}

// held is a guest whose functions wait until it is let go.
type held struct {
	guest
	begun, free chan struct{}
}

func (h held) Allow(ipld.Link, string) *task.Failure {
	select {
	case h.begun <- struct{}{}:
	default:
	}
	<-h.free
	return nil
}

// A guest's workflows hear of each other's tasks while these run, and find them by
// every name; others do not.
func TestGuestsHearTheirOwn(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 4})
	first := r.document(t, "a: next(1)\nb: next({from: a})\n")
	text := "j: next({from: " + link(t, first, "a") + "})"
	alice := held{"did:key:alice", make(chan struct{}, 1), make(chan struct{})}
	one := start(t.Context(), r.Engine.Engine, first, engine.Options{Permit: alice})
	<-alice.begun
	view := func(who did.DID) engine.Standing {
		v, err := r.View(who)
		if err != nil {
			t.Fatal(err)
		}
		i, _ := first.Find("a")
		all, err := v.Standing(t.Context(), []task.ID{first.Step(i).ID})
		if err != nil {
			t.Fatal(err)
		}
		return all[0]
	}
	if a, b, owner := view("did:key:alice"), view("did:key:bob"), view(""); a != engine.Running || b != engine.Unknown || owner != engine.Unknown {
		t.Errorf("alice sees %s, bob %s, the owner %s", a, b, owner)
	}
	two := start(t.Context(), r.Engine.Engine, r.document(t, text+patient), engine.Options{Permit: guest("did:key:alice")})
	bob := r.MustRun(t, r.document(t, text+", time: 20ms\n"), engine.Options{Permit: guest("did:key:bob")})
	if bob.Jobs[0].Status != engine.JobUpstream {
		t.Errorf("bob awaits alice's: %s", bob.Jobs[0].Status)
	}
	close(alice.free)
	report, err := two()
	if err != nil {
		t.Fatal(err)
	}
	end(t, report, "j", 3)
	if _, err := one(); err != nil {
		t.Fatal(err)
	}
	// What is awaited by its name as written, which is another than that of the receipt.
	report = r.MustRun(t, r.document(t, "j: next({from: "+link(t, first, "b")+"})\n"), engine.Options{Permit: guest("did:key:alice")})
	end(t, report, "j", 4)
	if a := view("did:key:alice"); a != engine.Settled {
		t.Errorf("alice sees %s", a)
	}
}

// A guest that knows the CID of a task, a workflow, a large value or a file does
// not learn whether the owner has it, unless it was shared.
func TestGuestsReadOnlyWhatIsShared(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	g := r.document(t, "job: numbers(30000)\n")
	ran := r.MustRun(t, g, engine.Options{}).Jobs[0]
	receipts, err := r.Store.Receipts(ran.Task)
	if err != nil || len(receipts) != 1 || !receipts[0].Boxed.Defined() {
		t.Fatalf("%d receipts, %v", len(receipts), err)
	}
	told := func(fun string, link ipld.Link, p engine.Permit) string {
		report, err := r.Run(t.Context(), r.document(t, fmt.Sprintf("job: %s({\"/\": %s})\n", fun, link)), engine.Options{Permit: p})
		if err != nil {
			t.Fatal(err)
		}
		return kindOf(report.Jobs[0].Outcome)
	}
	alice := guest("did:key:alice")
	for what, test := range map[string]struct {
		link  ipld.Link
		owner string
	}{
		"the resolved task": {ran.Task.Link, "type"},
		"the workflow":      {g.Link(), "type"},
		"the result":        {receipts[0].Boxed, "ok"},
	} {
		if got := told("count", test.link, alice); got != "not-found" {
			t.Errorf("a guest sees %s: %s", what, got)
		}
		if got := told("count", test.link, nil); got != test.owner {
			t.Errorf("the owner sees %s as %s, want %s", what, got, test.owner)
		}
	}
	made, _ := r.one(t, "bytes(5000)").Outcome.Value.AsLink()
	file := r.Import(t, []byte(strings.Repeat("large ", 60_000))) // two blocks below one
	for what, link := range map[string]ipld.Link{"a file": file, "a file that the owner had made": made} {
		if got := told("length", link, alice); got != "not-found" {
			t.Errorf("a guest sees %s: %s", what, got)
		}
		if got := told("length", link, nil); got != "ok" {
			t.Errorf("the owner sees %s as %s", what, got)
		}
		if err := engine.Share(r.Store, link); err != nil {
			t.Fatal(err)
		}
		if got := told("length", link, alice); got != "ok" {
			t.Errorf("a guest sees %s, which is shared, as %s", what, got)
		}
	}
}

// What is not shared answers word for word as what is not there, and is not
// looked for: neither files nor modules, in the open or as secrets.
func TestNotSharedIsNotThere(t *testing.T) {
	t.Parallel()
	var asked []ipld.Link
	var mu sync.Mutex
	spy := func(s engine.Store) engine.Store { return &spyStore{s, &mu, &asked} }
	r := newRig(t, ipvmtest.Options{Wrap: spy})
	module := r.Import(t, wasmtest.Compile(t, `(module (func (export "next") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))`))
	if got := r.MustRun(t, r.document(t, fmt.Sprintf("job: {with: {\"/\": %s}, func: next, args: [1]}\n", module)), engine.Options{}).Jobs[0]; !got.Outcome.OK() {
		t.Fatal(got.Outcome)
	}
	here, gone := r.Import(t, []byte("here")), ipld.LinkOf(ipld.CodecRaw, []byte("gone"))
	for _, secret := range []string{"", ", secret: true"} {
		for _, text := range []string{
			"job: {with: {\"/\": %s}, func: next, args: [1]" + secret + "}\n",
			"job: length({\"/\": %s})" + secret + "\n",
		} {
			told := func(link ipld.Link) string {
				report, err := r.Run(t.Context(), r.document(t, fmt.Sprintf(text, link)), engine.Options{Permit: guest("did:key:alice")})
				if err != nil {
					t.Fatal(err)
				}
				j := report.Jobs[0]
				if h := j.Hidden.Reveal(); h != nil {
					j = *h
				}
				if j.Outcome.OK() {
					return "ok"
				}
				return strings.ReplaceAll(j.Outcome.Failure.String(), link.String(), "CID")
			}
			asked = nil
			want := told(gone)
			for _, link := range []ipld.Link{here, module} {
				if got := told(link); got != want || !strings.Contains(got, "not-found") {
					t.Errorf("%s: %q, but of what is not there %q", text, got, want)
				}
				if slices.Contains(asked, link) {
					t.Errorf("%s: it was looked for", text)
				}
			}
		}
	}
}

// spyStore notes which blocks and modules are looked for.
type spyStore struct {
	engine.Store
	mu    *sync.Mutex
	asked *[]ipld.Link
}

func (s *spyStore) note(l ipld.Link) {
	s.mu.Lock()
	defer s.mu.Unlock()
	*s.asked = append(*s.asked, l)
}

func (s *spyStore) Block(l ipld.Link) ([]byte, error) { s.note(l); return s.Store.Block(l) }
func (s *spyStore) Has(l ipld.Link) (bool, error)     { s.note(l); return s.Store.Has(l) }
func (s *spyStore) Module(l ipld.Link) (ipld.Value, bool, error) {
	s.note(l)
	return s.Store.Module(l)
}

// Files that come with a workflow can be read by it, and by later ones of the
// same guest, secret or not; by no other guest.
func TestGuestsReadWhatTheyBring(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	file := r.Import(t, []byte(strings.Repeat("large ", 60_000)))
	missing := ipld.LinkOf(ipld.CodecRaw, []byte("gone"))
	told := func(p engine.Permit, more string, brings ...ipld.Link) string {
		report, err := r.Run(t.Context(), r.document(t, fmt.Sprintf("job: length({\"/\": %s})%s\n", file, more)), engine.Options{Permit: p, Brings: brings})
		if err != nil {
			t.Fatal(err)
		}
		j := report.Jobs[0]
		if h := j.Hidden.Reveal(); h != nil {
			j = *h
		}
		return kindOf(j.Outcome)
	}
	alice, bob := guest("did:key:alice"), guest("did:key:bob")
	const secret = ", secret: true"
	for i, step := range []struct {
		got, want string
	}{
		{told(alice, ""), "not-found"},
		{told(alice, "", missing, file), "ok"},
		{told(alice, ""), "ok"},
		{told(alice, secret), "ok"},
		{told(alice, secret, file), "ok"},
		{told(bob, "", missing), "not-found"},
	} {
		if step.got != step.want {
			t.Errorf("step %d: %s, want %s", i, step.got, step.want)
		}
	}
}

// Only a file that is whole can be shared.
func TestShareRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	if err := engine.Share(r.Store, ipld.LinkOf(ipld.CodecRaw, []byte("gone"))); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("what is not there: %v", err)
	}
	if err := engine.Share(r.Store, r.document(t, "job: next(1)\n").Link()); !errors.Is(err, ipld.ErrNotFile) {
		t.Errorf("a workflow: %v", err)
	}
	var blocks []ipld.Block
	root, err := ipld.ImportFile([]byte(strings.Repeat("large ", 60_000)), func(b ipld.Block) error {
		blocks = append(blocks, b)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	blocks = slices.DeleteFunc(blocks, func(b ipld.Block) bool { return b.Link == blocks[0].Link })
	if err := r.Store.Put(store.Batch{Blocks: blocks}); err != nil {
		t.Fatal(err)
	}
	if err := engine.Share(r.Store, root); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a file with a hole: %v", err)
	}
}

// refused lets nothing run but one function.
type refused struct {
	guest
	but string
}

func (r refused) Allow(_ ipld.Link, name string) *task.Failure {
	if name == r.but {
		return nil
	}
	return task.Failf(task.KindDenied, "not allowed")
}

// What may not be called is not looked at either: neither whether the module is
// here, nor whether it can be compiled.
func TestDeniedBeforeTheModuleIsLookedAt(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	missing := fmt.Sprintf("{\"/\": %s}", ipld.LinkOf(ipld.CodecRaw, []byte("missing")))
	for _, text := range []string{
		"job: {with: MISSING, func: other, args: [1]}\n",
		"job: {with: GUEST, func: fail, args: [1], catch: {with: MISSING, func: other}}\n",
	} {
		report, err := r.Run(t.Context(), r.document(t, strings.ReplaceAll(text, "MISSING", missing)), engine.Options{Permit: refused{"did:key:alice", "fail"}})
		if err != nil {
			t.Fatal(err)
		}
		if got := report.Jobs[0].Outcome.Failure.String(); !strings.Contains(got, "denied: not allowed") {
			t.Errorf("%s: %s", text, got)
		}
	}
}

// A guest runs the modules that its own jobs make, and has no one else's.
func TestGuestsMakeModules(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	alice, bob := guest("did:key:alice"), guest("did:key:bob")
	code := wasmtest.Compile(t, `(module (func (export "next") (param i32) (result i32) (i32.add (local.get 0) (i32.const 1))))`)
	var data strings.Builder
	for _, b := range code {
		fmt.Fprintf(&data, `\%02x`, b)
	}
	maker := r.ImportShared(t, wasmtest.Compile(t, fmt.Sprintf(`(component
		(core module $m (memory (export "memory") 1) (data (i32.const 64) "%s")
			(func (export "make") (result i32) (i32.store (i32.const 0) (i32.const 64)) (i32.store (i32.const 4) (i32.const %d)) (i32.const 0)))
		(core instance $i (instantiate $m)) (alias core export $i "memory" (core memory $mem))
		(func (export "make") (result (list u8)) (canon lift (core func $i "make") (memory $mem))))`, data.String(), len(code))))
	makes := r.document(t, fmt.Sprintf("make: {with: %s, func: make}\nuse: {with: {from: make}, func: next, args: [41]}\n", maker))
	knows := r.document(t, fmt.Sprintf("use: {with: %s, func: next, args: [41]}\n", ipld.LinkOf(ipld.CodecRaw, code)))
	kinds := func(p engine.Permit) (all []string) {
		for _, g := range []*graph.Graph{knows, makes, knows} {
			report, err := r.Run(t.Context(), g, engine.Options{Permit: p})
			if err != nil {
				t.Fatal(err)
			}
			j, _ := report.Job("use")
			all = append(all, kindOf(j.Outcome))
		}
		return all
	}
	want := []string{"not-found", "ok", "ok"}
	for _, p := range []engine.Permit{alice, bob} {
		if got := kinds(p); !slices.Equal(got, want) {
			t.Errorf("%v: %v, want %v", p, got, want)
		}
	}
}
