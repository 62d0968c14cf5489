package engine_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
)

// gated keeps no receipt until its gate is open.
type gated struct {
	engine.Store
	gate chan struct{}
	open func()
	held chan struct{} // one for each receipt that has to wait
}

func (g *gated) Put(b store.Batch) error {
	if len(b.Receipts) > 0 {
		select {
		case g.held <- struct{}{}:
		default:
		}
		<-g.gate
	}
	return g.Store.Put(b)
}

// newGated is a rig whose jobs end when the gate is opened.
func newGated(t *testing.T, o ipvmtest.Options) (*rig, *gated) {
	t.Helper()
	g := &gated{gate: make(chan struct{}), held: make(chan struct{}, 1)}
	o.Wrap = func(s engine.Store) engine.Store {
		g.Store = s
		return g
	}
	g.open = sync.OnceFunc(func() { close(g.gate) })
	r := newRig(t, o)
	t.Cleanup(g.open) // before the engine is closed
	return r, g
}

// link is the Task ID, as it is written, of a job of g.
func link(t *testing.T, g *graph.Graph, label string) string {
	t.Helper()
	i, ok := g.Find(label)
	if !ok {
		t.Fatalf("no job %s", label)
	}
	return fmt.Sprintf(`{"/": %q}`, g.Step(i).ID)
}

// parked waits until n steps of e wait for tasks of other workflows.
func parked(t *testing.T, e *engine.Engine, n int) {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); e.Waiting() < n; time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%d steps wait, not %d", e.Waiting(), n)
		}
	}
}

// leaves tells that nothing waits any more.
func leaves(t *testing.T, e *engine.Engine) {
	t.Helper()
	if n := e.Waiting(); n != 0 {
		t.Errorf("%d steps still wait", n)
	}
}

const patient = ", time: 1m\n"

// A job waits for one that runs in another workflow, and gets what comes of it:
// a value, or an error.
func TestAwaitRunning(t *testing.T) {
	t.Parallel()
	r, gate := newGated(t, ipvmtest.Options{Workers: 4})
	first := r.document(t, "good: next(1)\nbad: fail(5)\n")
	second := r.document(t, "good: next({from: "+link(t, first, "good")+"})"+patient+
		"bad: next({from: "+link(t, first, "bad")+", on: error, out: value})"+patient)
	one := start(t.Context(), r.Engine.Engine, first, engine.Options{})
	<-gate.held
	two := start(t.Context(), r.Engine.Engine, second, engine.Options{})
	parked(t, r.Engine.Engine, 2)
	gate.open()
	if _, err := one(); err != nil {
		t.Fatal(err)
	}
	report, err := two()
	if err != nil || report.Status != engine.StatusOK {
		t.Fatalf("%v, %v", report, err)
	}
	for label, want := range map[string]int64{"good": 3, "bad": 6} {
		end(t, report, label, want)
	}
	leaves(t, r.Engine.Engine)
}

// ending ends the task that it is asked for between two looks: it has no other
// name yet when it is asked for, and has ended when the answer is there.
type ending struct {
	engine.Store
	id  atomic.Pointer[task.ID]
	end func()
}

// newEnding is a rig with such a store.
func newEnding(t *testing.T) (*rig, *ending) {
	t.Helper()
	s := new(ending)
	return newRig(t, ipvmtest.Options{Workers: 2, Wrap: func(of engine.Store) engine.Store {
		s.Store = of
		return s
	}}), s
}

// ends has end called when id is next asked for.
func (s *ending) ends(id task.ID, end func()) {
	s.end = end
	s.id.Store(&id)
}

func (s *ending) Resolve(id task.ID) (task.ID, bool, error) {
	to, ok, err := s.Store.Resolve(id)
	if at := s.id.Load(); at != nil && *at == id && s.id.CompareAndSwap(at, nil) {
		s.end()
	}
	return to, ok, err
}

// A task that ends while it is looked for, and gets its resolved name thereby, is
// not missed.
func TestAwaitEndingMeanwhile(t *testing.T) {
	t.Parallel()
	r, s := newEnding(t)
	first := r.document(t, "one: next(1)\na: next({from: one})\n")
	i, _ := first.Find("a")
	id := first.Step(i).ID
	s.ends(id, func() { r.MustRun(t, first, engine.Options{}) })
	report := r.MustRun(t, r.document(t, "b: next({from: "+link(t, first, "a")+"})"+patient), engine.Options{})
	end(t, report, "b", 4)
	leaves(t, r.Engine.Engine)
}

// What a task came to is heard also where the run that asked for it was given up as
// it ended.
func TestAwaitGivenUp(t *testing.T) {
	t.Parallel()
	r, gate := newGated(t, ipvmtest.Options{Workers: 4})
	first := r.document(t, "a: {with: GUEST, func: next, input: {x: 1}}\n")
	ctx, cancel := context.WithCancel(t.Context())
	one := start(ctx, r.Engine.Engine, first, engine.Options{})
	<-gate.held
	bound, stop := context.WithTimeout(t.Context(), 20*time.Second)
	defer stop()
	two := start(bound, r.Engine.Engine, r.document(t, "b: next({from: "+link(t, first, "a")+"})"+patient), engine.Options{})
	parked(t, r.Engine.Engine, 1)
	cancel()
	report, err := one()
	checkCancelled(t, report, err)
	gate.open()
	if report, err = two(); err != nil {
		t.Fatal(err)
	}
	end(t, report, "b", 3)
	leaves(t, r.Engine.Engine)
}

// What came into the store by itself is found when the time is up.
func TestAwaitKeptMeanwhile(t *testing.T) {
	t.Parallel()
	r, from := newRig(t, ipvmtest.Options{}), newRig(t, ipvmtest.Options{})
	for i, patience := range []string{"200ms", "30s"} { // the first may be over too soon where the machine is busy
		first := from.document(t, fmt.Sprintf("a: next(%d)\n", i))
		made := from.MustRun(t, first, engine.Options{})
		receipts, err := from.Store.Receipts(made.Jobs[0].Task)
		if err != nil {
			t.Fatal(err)
		}
		wait := start(t.Context(), r.Engine.Engine, r.document(t, fmt.Sprintf("b: next({from: %s}), time: %s\n", link(t, first, "a"), patience)), engine.Options{})
		for limit := time.Now().Add(10 * time.Second); r.Waiting() == 0 && time.Now().Before(limit); {
			time.Sleep(time.Millisecond)
		}
		if err := r.Store.Put(store.Batch{Receipts: receipts}); err != nil {
			t.Fatal(err)
		}
		report, err := wait()
		if err != nil {
			t.Fatal(err)
		}
		if j, _ := report.Job("b"); j.Status == engine.JobOK {
			end(t, report, "b", int64(i)+2)
			leaves(t, r.Engine.Engine)
			return
		}
	}
	t.Error("what is kept was not found")
}

// Nor does it stand as unknown.
func TestStandingEndingMeanwhile(t *testing.T) {
	t.Parallel()
	r, s := newEnding(t)
	first := r.document(t, "one: next(1)\na: next({from: one})\n")
	i, _ := first.Find("a")
	id := first.Step(i).ID
	s.ends(id, func() { r.MustRun(t, first, engine.Options{}) })
	if all, err := r.Standing(t.Context(), []task.ID{id}); err != nil || all[0] != engine.Settled {
		t.Errorf("%v, %v", all, err)
	}
}

// What comes on the other branch ends the waiting too.
func TestAwaitRunningOnTheOtherBranch(t *testing.T) {
	t.Parallel()
	r, gate := newGated(t, ipvmtest.Options{Workers: 4})
	first := r.document(t, "a: fail(5)\n")
	second := r.document(t, "never: next(8)\na: count([{from: "+link(t, first, "a")+`}, {from: {"/": `+never+"}}])"+patient)
	one := start(t.Context(), r.Engine.Engine, first, engine.Options{})
	<-gate.held
	two := start(t.Context(), r.Engine.Engine, second, engine.Options{})
	parked(t, r.Engine.Engine, 2)
	gate.open()
	if _, err := one(); err != nil {
		t.Fatal(err)
	}
	report, err := two()
	if err != nil {
		t.Fatal(err)
	}
	if j, _ := report.Job("a"); j.Status != engine.JobUpstream || kindOf(j.Outcome) != string(task.KindBranchMismatch) || report.First != "a" || "{\"/\": \""+j.Upstream+"\"}" != link(t, first, "a") {
		t.Errorf("%+v", j)
	}
	leaves(t, r.Engine.Engine)
}

// never is the ID of a task that nobody runs.
const never = `"bafyreigaknpexyvxt76zgkitavbwx6ejgfheup5oybpm77f3pxzrvwpfdi"`

// The receipt of a job that took the result of another workflow's task is the
// one that it has with the value in the document.
func TestAwaitIsTheValue(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	first := r.document(t, "a: next(41)\nbytes: bytes(2000)\n")
	r.MustRun(t, first, engine.Options{})
	got := r.MustRun(t, r.document(t, "a: next({from: "+link(t, first, "a")+"})\nbytes: length({from: "+link(t, first, "bytes")+"})\n"), engine.Options{})

	plain := newRig(t, ipvmtest.Options{})
	want := plain.MustRun(t, plain.document(t, "a: next(42)\nmade: bytes(2000)\nbytes: length({from: made})\n"), engine.Options{})
	for _, label := range []string{"a", "bytes"} {
		here, _ := got.Job(label)
		there, _ := want.Job(label)
		if here.Status != engine.JobOK || here.Task != there.Task {
			t.Errorf("%s: %s %s, want %s", label, here.Status, here.Task, there.Task)
		}
		if diff := cmp.Diff(plain.Receipts(t, want)[there.Task], r.Receipts(t, got)[here.Task]); diff != "" {
			t.Errorf("%s: another receipt", label)
		}
	}
}

// Two thousand jobs wait, with one worker, and the others come to their ends
// meanwhile: who waits holds neither a worker nor a goroutine.
func TestAwaitMany(t *testing.T) {
	t.Parallel()
	const n = 2000
	r := newRig(t, ipvmtest.Options{Workers: 1})
	first := r.document(t, "a: next(1)\n")
	id := link(t, first, "a")
	var doc strings.Builder
	for i := range n {
		fmt.Fprintf(&doc, "w%d: count([%d, {from: %s}])"+patient, i, i, id)
	}
	doc.WriteString("other: next(10)\nlast: next({from: other})\n")
	var h heard
	others := make(chan struct{})
	h.on = func(ev engine.Event) {
		if ev.Kind == engine.JobSettled && ev.Label == "last" {
			close(others)
		}
	}
	before := runtime.NumGoroutine()
	wait := start(t.Context(), r.Engine.Engine, r.document(t, doc.String()), engine.Options{Listen: h.listen})
	<-others
	parked(t, r.Engine.Engine, n)
	if more := runtime.NumGoroutine() - before; more > n/4 { // of other tests too
		t.Errorf("%d goroutines more", more)
	}
	r.MustRun(t, first, engine.Options{})
	report, err := wait()
	if err != nil || report.Status != engine.StatusOK {
		t.Fatalf("%v, %v", report.FirstError(), err)
	}
	leaves(t, r.Engine.Engine)
}

// Giving up a run ends its waiting at once, and so does closing the engine.
func TestAwaitCancelled(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	g := r.document(t, `a: next({from: {"/": `+never+"}})"+patient+"b: next({from: a})\n")
	ctx, cancel := context.WithCancel(t.Context())
	wait := start(ctx, r.Engine.Engine, g, engine.Options{})
	parked(t, r.Engine.Engine, 1)
	cancel()
	report, err := wait()
	checkCancelled(t, report, err)
	leaves(t, r.Engine.Engine)

	wait = start(t.Context(), r.Engine.Engine, g, engine.Options{})
	parked(t, r.Engine.Engine, 1)
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	report, err = wait()
	checkCancelled(t, report, err)
	leaves(t, r.Engine.Engine)
}

// Workflows that wait for each other end when their jobs' time is up. The order
// of jobs by await is in no Task ID, so they can.
func TestAwaitEachOther(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	late := func(waits, other string) *graph.Graph {
		return r.document(t, fmt.Sprintf("first: next({from: %s}), time: 100ms\nthen: {with: GUEST, func: next, args: [%s], await: [first]}\n", waits, other))
	}
	one := r.document(t, "then: next(1)\n")
	two := r.document(t, "then: next(2)\n")
	a, b := late(link(t, two, "then"), "1"), late(link(t, one, "then"), "2")
	first := start(t.Context(), r.Engine.Engine, a, engine.Options{})
	second := start(t.Context(), r.Engine.Engine, b, engine.Options{})
	for _, wait := range []func() (*engine.Report, error){first, second} {
		report, err := wait()
		if err != nil {
			t.Fatal(err)
		}
		if j, _ := report.Job("first"); report.Status != engine.StatusFailed || kindOf(j.Outcome) != string(task.KindUpstream) {
			t.Errorf("%s, %s", report.Status, kindOf(j.Outcome))
		}
	}
	leaves(t, r.Engine.Engine)
}

// The instructions of a Homestar document are known by their own identifiers: to
// other documents, and to who asks, before they end and after.
func TestAwaitInstruction(t *testing.T) {
	t.Parallel()
	r, gate := newGated(t, ipvmtest.Options{})
	first := r.instruction(t)
	instruction := task.ID{Link: first.Step(0).Job.Instruction}
	standing := func(want engine.Standing) {
		t.Helper()
		got, err := r.Standing(t.Context(), []task.ID{instruction, first.Step(0).ID, {Link: ipld.LinkOf(ipld.CodecDagCBOR, nil)}})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]engine.Standing{want, want, engine.Unknown}, got); diff != "" {
			t.Error(diff)
		}
	}
	standing(engine.Unknown)
	one := start(t.Context(), r.Engine.Engine, first, engine.Options{})
	<-gate.held
	standing(engine.Running)
	second := r.document(t, fmt.Sprintf(`a: next({from: {"/": %q}})`+patient, instruction))
	two := start(t.Context(), r.Engine.Engine, second, engine.Options{})
	parked(t, r.Engine.Engine, 1)
	gate.open()
	if _, err := one(); err != nil {
		t.Fatal(err)
	}
	report, err := two()
	if err != nil {
		t.Fatal(err)
	}
	end(t, report, "a", 3)
	standing(engine.Settled)
	again := newRig(t, ipvmtest.Options{Store: r.Store})
	end(t, again.MustRun(t, second, engine.Options{}), "a", 3)
}

// instruction is a document of Homestar of one task, next(1.0).
func (r *rig) instruction(t *testing.T) *graph.Graph {
	t.Helper()
	module := strings.Trim(strings.TrimPrefix(r.guest, `{"/": `), `"}`)
	return r.document(t, fmt.Sprintf(`{"tasks": [{"run": {"rsc": "ipfs://%s", "op": "wasm/run", "input": {"func": "next", "args": [1.0]}, "nnc": ""}, "meta": {}, "prf": []}]}`, module))
}

// A task that is awaited as an instruction may end as a job of a document of
// another dialect.
func TestAwaitUnderAnotherName(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	g := r.instruction(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	report, err := r.Run(ctx, g, engine.Options{}) // from now on its instruction is known
	checkCancelled(t, report, err)
	wait := start(t.Context(), r.Engine.Engine, r.document(t, fmt.Sprintf(`a: next({from: {"/": %q}})`+patient, g.Step(0).Job.Instruction)), engine.Options{})
	parked(t, r.Engine.Engine, 1)
	r.MustRun(t, r.document(t, "a: next(1.0)\n"), engine.Options{})
	if report, err = wait(); err != nil {
		t.Fatal(err)
	}
	end(t, report, "a", 3)
}

// What a limit ended does not count while the task runs under another one.
func TestAwaitRunningAgain(t *testing.T) {
	t.Parallel()
	before := newRig(t, ipvmtest.Options{})
	short := before.document(t, "a: next(300), gas: 3\n")
	before.MustRun(t, short, engine.Options{})
	r, gate := newGated(t, ipvmtest.Options{Store: before.Store})
	first := start(t.Context(), r.Engine.Engine, r.document(t, "a: next(300)\n"), engine.Options{})
	<-gate.held
	second := start(t.Context(), r.Engine.Engine, r.document(t, "a: next({from: "+link(t, short, "a")+"})"+patient), engine.Options{})
	parked(t, r.Engine.Engine, 1)
	gate.open()
	if _, err := first(); err != nil {
		t.Fatal(err)
	}
	report, err := second()
	if err != nil {
		t.Fatal(err)
	}
	end(t, report, "a", 302)
}

// Receipts count that this node signed, under the gas schedule that it has, and
// whose values it has.
func TestAwaitReceipts(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	id := task.ID{Link: ipld.LinkOf(ipld.CodecDagCBOR, []byte("a task"))}
	missing := ipld.LinkValue(ipld.LinkOf(ipld.CodecRaw, []byte("missing")))
	other, err := did.Generate(did.Ed25519)
	if err != nil {
		t.Fatal(err)
	}
	put := func(key did.PrivateKey, schedule string, memory uint64, value ipld.Value) {
		t.Helper()
		signed, err := receipt.Issue(key, receipt.Receipt{
			Executor: key.DID(), Task: id, Out: task.Outcome{Value: value}, Gas: 1,
			Limits: task.Limits{Gas: 1000, Memory: memory}, Schedule: schedule,
		})
		b := store.Batch{Receipts: []*receipt.Signed{signed}}
		if key.DID() != r.Key.DID() {
			b = store.Batch{Foreign: b.Receipts}
		}
		if err == nil {
			err = r.Store.Put(b)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	call := fmt.Sprintf(`a: next({from: {"/": %q}})`, id)
	put(other, wasm.Schedule, 64<<20, ipld.Int(1))
	put(r.Key, "another", 64<<20, ipld.Int(2))
	put(r.Key, wasm.Schedule, 128<<20, missing)
	if j := r.one(t, strings.TrimPrefix(call, "a: ")+", time: 10ms"); kindOf(j.Outcome) != string(task.KindUpstream) {
		t.Errorf("it took %v", j.Outcome)
	}
	put(r.Key, wasm.Schedule, 64<<20, ipld.Int(3))
	end(t, r.MustRun(t, r.document(t, call+patient), engine.Options{}), "a", 4)
}

// A document of Homestar may await only what is known here or runs here.
func TestAwaitUnknownInstruction(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	for _, name := range []string{"head/test-workflow-add-one-part-two.json", "v0.3.0/test-workflow-add-one-part-two.json", "head/test-workflow-jco.json", "v0.3.0/test-workflow-jco.json"} {
		g := r.DocumentIn(t, ".", readFile(t, "../workflow/testdata/homestar/"+name))
		faults, err := engine.Check(t.Context(), r.Engine, g, engine.Policy{})
		if err != nil {
			t.Fatal(err)
		}
		var stale []string
		for _, f := range faults {
			if strings.Contains(f.Msg, "nothing in reach will ever settle it") {
				stale = append(stale, f.Error())
			}
		}
		if len(stale) != 1 {
			t.Errorf("%s: %v", name, faults)
		}
	}
}
