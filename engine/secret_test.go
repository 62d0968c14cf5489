package engine_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// openStore is a store that remembers whatever was put into it.
type openStore struct {
	engine.Store
	mu  sync.Mutex
	put []store.Batch
}

func (s *openStore) Put(b store.Batch) error {
	s.mu.Lock()
	s.put = append(s.put, b)
	s.mu.Unlock()
	return s.Store.Put(b)
}

// holds tells whether anything that was put has the given bytes.
func (s *openStore) holds(secret []byte) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, b := range s.put {
		for _, block := range b.Blocks {
			if bytes.Contains(block.Data, secret) {
				return "block " + block.Link.String()
			}
		}
		for _, r := range b.Receipts {
			if bytes.Contains(r.Bytes(), secret) {
				return "receipt " + r.Link().String()
			}
		}
		for _, n := range b.Notes {
			if bytes.Contains(n.Value, secret) {
				return "note " + n.Kind
			}
		}
	}
	return ""
}

// What a secret job comes to is in nothing that others can get: neither in the
// store, nor in events, nor in the report. It is in what the report hides, and
// remembered.
func TestSecretStaysInTheVault(t *testing.T) {
	t.Parallel()
	var open *openStore
	r := newRig(t, ipvmtest.Options{Wrap: func(s engine.Store) engine.Store {
		open = &openStore{Store: s}
		return open
	}})
	const document = `jobs:
  key: {with: GUEST, func: next, args: [12345677], secret: true}
  more: {with: GUEST, func: numbers, args: [{from: key}]}
  wrong: {with: GUEST, func: count, args: [{from: key}]}
  fails: {with: GUEST, func: fail, args: [{from: key}], on: {error: [told]}}
  told: {with: GUEST, func: next, args: [{"await/error": [fails, value]}]}
  open: {with: GUEST, func: next, args: [1]}
`
	secret, err := ipld.AppendCBOR(nil, ipld.Int(12345678))
	if err != nil {
		t.Fatal(err)
	}
	g := r.document(t, document)
	for round := range 2 {
		var h heard
		report, err := r.Run(t.Context(), g, engine.Options{Listen: h.listen, KeepGoing: true})
		if err != nil {
			t.Fatal(err)
		}
		if where := open.holds(secret); where != "" {
			t.Errorf("the secret is in %s", where)
		}
		for _, ev := range h.events {
			h.on = nil
			if text := fmt.Sprintf("%+v %+v", ev, ev.Job); strings.Contains(text, "12345678") {
				t.Errorf("the secret is in an event: %s", text)
			}
		}
		for i := range report.Jobs {
			j := &report.Jobs[i]
			if text := fmt.Sprintf("%+v %#v", *j, j); strings.Contains(text, "12345678") {
				t.Errorf("the secret is in the report: %s", text)
			}
			step := g.Step(i)
			hidden := j.Hidden.Reveal()
			if !step.Secret {
				if j.Secret || hidden != nil || j.Receipt == (ipld.Link{}) {
					t.Errorf("%s is no secret: %+v", j.Label, j)
				}
				continue
			}
			if !j.Secret || hidden == nil || j.Receipt.Defined() || j.Gas != 0 || j.Task != j.Written {
				t.Fatalf("%s shows too much or hides nothing: %+v", j.Label, j)
			}
			if how := map[int]engine.How{0: engine.Ran, 1: engine.Remembered}[round]; j.Label != "wrong" && hidden.How != how {
				t.Errorf("round %d: %s %s, want %s", round, j.Label, hidden.How, how)
			}
			if j.Label == "key" && !hidden.Outcome.Value.Equal(ipld.Int(12345678)) {
				t.Errorf("the key is %v", hidden.Outcome)
			}
			if j.Label == "wrong" && !strings.Contains(hidden.Outcome.Failure.Message, "12345678") {
				t.Errorf("the hidden failure is %v", hidden.Outcome.Failure)
			}
			if all, err := r.Store.Receipts(hidden.Task); err != nil || len(all) > 0 {
				t.Errorf("%s: %d receipts in the open, %v", j.Label, len(all), err)
			}
			if all, err := r.Vault.Receipts(hidden.Task); err != nil || len(all) != 1 {
				t.Errorf("%s: %d receipts in the vault, %v", j.Label, len(all), err)
			}
		}
		if f, _ := report.Job("fails"); f.Outcome.Failure.Kind != task.KindGuest || !f.Outcome.Failure.Value.IsNull() || !f.Handled {
			t.Errorf("fails: %+v", f)
		}
	}
	forecasts, err := r.Preview(t.Context(), g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%+v %+v %+v", forecasts, forecasts[0].Remembered, forecasts[0].Call); strings.Contains(text, "12345678") {
		t.Errorf("the secret is in the forecast: %s", text)
	}
}

// A job that is no secret knows nothing of what secret ones came to, though it
// is the same task; the other way round it is remembered.
func TestSecretsAreNotShared(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	how := func(text string) engine.How {
		j := r.MustRun(t, r.document(t, text), engine.Options{}).Jobs[0]
		if hidden := j.Hidden.Reveal(); hidden != nil {
			j = *hidden
		}
		return j.How
	}
	for _, step := range []struct {
		text string
		want engine.How
	}{
		{"job: next(1), secret: true", engine.Ran},
		{"job: next(1)", engine.Ran},
		{"job: next(2)", engine.Ran},
		{"job: next(2), secret: true", engine.Remembered},
	} {
		if got := how(step.text + "\n"); got != step.want {
			t.Errorf("%s: %s, want %s", step.text, got, step.want)
		}
	}
}

// Equal tasks that are asked for at once are one run, but not across secrecy.
func TestSecretsDoNotFlyTogether(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 4})
	started := make(chan string, 4)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var ends []func() (*engine.Report, error)
	for _, text := range []string{"a: loop(7), secret: true\n", "b: loop(7)\n"} {
		listen := func(ev engine.Event) {
			if ev.Kind == engine.JobStarted {
				started <- ev.Label
			}
		}
		ends = append(ends, start(ctx, r.Engine.Engine, r.document(t, text), engine.Options{Listen: listen}))
	}
	if one, two := <-started, <-started; one == two {
		t.Errorf("%s started twice", one)
	}
	cancel()
	for _, end := range ends {
		if _, err := end(); err != nil {
			t.Error(err)
		}
	}
}

// A handler can not make the result of a secret that of a job that is none.
func TestRewireToASecret(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	report := r.MustRun(t, r.document(t, `jobs:
  job: {with: GUEST, func: fail, args: [1], catch: {with: HANDLER, func: spare}}
  spare: {with: GUEST, func: next, args: [1], secret: true}
`), engine.Options{})
	j, _ := report.Job("job")
	if f := j.Outcome.Failure; f == nil || f.Kind != task.KindHandler || !strings.Contains(f.Message, "which is a secret") {
		t.Errorf("got %+v", j.Outcome)
	}
}

// An engine without a vault runs nothing that is secret.
func TestNoVault(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	bare := engine.New(engine.Config{Store: r.Store, Wasm: r.Wasm, Key: r.Key})
	defer bare.Close()
	if _, err := bare.Run(t.Context(), r.document(t, "job: next(1), secret: true\n"), engine.Options{}); err == nil || !strings.Contains(err.Error(), "it has no vault") {
		t.Errorf("got %v", err)
	}
	if _, err := bare.Run(t.Context(), r.document(t, "job: next(1)\n"), engine.Options{}); err != nil {
		t.Error(err)
	}
}

// An engine refuses what it can not do, whatever was checked elsewhere.
func TestRunRefuses(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	const header = `nonce: {"/": {"bytes": AAECAwQFBgcICQoLDA0ODw}}` + "\njobs:\n"
	for _, test := range []struct{ jobs, want string }{
		{"  a: {with: 'https://example.com/', do: crud/read}\n", "can not do crud/read on https URIs"},
		{"  a: {with: GUEST, func: next, args: [1], check: {zkp: nova}}\n", "can not verify results by zkp"},
		{"  a: {with: GUEST, func: next, args: [1], secret: true}\n  b: {with: GUEST, func: next, args: [{from: a}], secret: false}\n", "depends on that of a, which is a secret: a → b"},
		{"  a: {with: GUEST, func: bytes, args: [1], secret: true}\n  b: {with: {from: a}}\n", "the module is the result of a, which is a secret"},
	} {
		_, err := r.Run(t.Context(), r.document(t, header+test.jobs), engine.Options{})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v", test.jobs, err)
		}
	}
	scanned := 0
	if err := r.Store.Scan(func(*receipt.Signed) bool { scanned++; return true }); err != nil || scanned > 0 {
		t.Errorf("%d receipts, %v", scanned, err)
	}
}

// A result that is larger than its job may leave behind is refused to it, now
// and when it is remembered, and kept for others.
func TestDisk(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	for _, limits := range []string{", disk: 999", "", ", disk: 999", ", disk: 5000"} {
		j := r.one(t, "bytes(1100)"+limits)
		if over := limits == ", disk: 999"; over == j.Outcome.OK() || over && j.Outcome.Failure.Kind != task.KindType {
			t.Errorf("%q: %+v", limits, j.Outcome)
		}
	}
	report := r.MustRun(t, r.document(t, "config: {disk: 2500}\njobs:\n  a: {with: GUEST, func: bytes, args: [1200]}\n  b: {with: GUEST, func: bytes, args: [1300], await: [a]}\n  c: {with: GUEST, func: next, args: [1], await: [b]}\n"), engine.Options{})
	if report.Status != engine.StatusFailed || !strings.Contains(report.Reason, "bytes of disk") || report.Jobs[2].Status != engine.JobCancelled {
		t.Errorf("%s, %s, %+v", report.Status, report.Reason, report.Jobs[2])
	}
}

// A workflow that awaits the task of a secret job by its Task ID hears nothing
// of it, whether that runs or has ended.
func TestSecretsAreNotAwaited(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Workers: 4})
	g := r.document(t, "a: next(1), secret: true\nb: next({from: a})\n")
	r.MustRun(t, g, engine.Options{})
	for i := range g.Len() {
		id := g.Step(i).ID
		if s, err := r.Standing(t.Context(), []task.ID{id}); err != nil || s[0] != engine.Unknown {
			t.Errorf("%s is %v, %v", g.Label(i), s, err)
		}
		if to, ok, err := r.Store.Resolve(id); ok || err != nil {
			t.Errorf("%s is known to be %s, %v", g.Label(i), to, err)
		}
		waits := r.document(t, fmt.Sprintf("job: next({\"await/*\": {\"/\": %s}}), time: 50ms\n", id))
		done := make(chan struct{})
		h := heard{on: func(ev engine.Event) {
			if ev.Kind == engine.WorkflowStarted {
				close(done)
			}
		}}
		end := start(t.Context(), r.Engine.Engine, waits, engine.Options{Listen: h.listen})
		<-done
		r.MustRun(t, g, engine.Options{})
		report, err := end()
		if err != nil || report.Jobs[0].Status != engine.JobUpstream {
			t.Errorf("awaiting %s: %+v, %v", g.Label(i), report.Jobs[0], err)
		}
	}
}

// A forecast of a secret job that would run does not name its resolved task,
// whose ID tells who can guess the secret that it was right.
func TestForecastOfSecretNamesNoResolvedTask(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	r.MustRun(t, r.document(t, "a: next(6), secret: true\n"), engine.Options{})
	g := r.document(t, "a: next(6), secret: true\nb: next({from: a})\n")
	forecasts, err := r.Preview(t.Context(), g, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, f := range forecasts {
		if f.Label == "b" && f.Remembered != nil || !f.Known {
			t.Errorf("the test tests nothing: %+v", f)
		}
		if f.Task != g.Step(i).ID {
			t.Errorf("%s is told to be %s, and is written as %s", f.Label, f.Task, g.Step(i).ID)
		}
	}
}

// What secret jobs used is not told by the sum of all jobs.
func TestSumTellsNothingOfSecrets(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	for _, secret := range []bool{false, true} {
		for _, config := range []string{"gas: 3", "disk: 1010"} {
			text := fmt.Sprintf("config: {%s}\njobs:\n  a: {with: GUEST, func: bytes, args: [1100], secret: %v}\n  b: {with: GUEST, func: next, args: [1], await: [a]}\n", config, secret)
			report := r.MustRun(t, r.document(t, text), engine.Options{})
			told := report.Reason
			for _, j := range report.Jobs {
				told += fmt.Sprintf("; %s %v", j.Label, j.Outcome.Failure)
			}
			_, limit, _ := strings.Cut(config, " ")
			onlyLimit := !strings.ContainsAny(strings.ReplaceAll(told, limit, ""), "0123456789")
			if onlyLimit != secret || report.Status != engine.StatusFailed {
				t.Errorf("%s, secret %v: %s: %s", config, secret, report.Status, told)
			}
		}
	}
}

// brokenStore can not read receipts, and says of which task.
type brokenStore struct{ engine.Store }

func (brokenStore) Receipts(id task.ID) ([]*receipt.Signed, error) {
	return nil, fmt.Errorf("read the receipts of %s: %w", id, errBroken)
}

// Why a node can not go on with a secret job is not told where that could name
// what the job takes.
func TestTroubleWithASecret(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{Wrap: func(s engine.Store) engine.Store { return brokenStore{s} }})
	for secret, want := range map[bool]string{false: "read the receipts of", true: "it is a secret"} {
		var h heard
		_, err := r.Run(t.Context(), r.document(t, fmt.Sprintf("job: next(1), secret: %v\n", secret)), engine.Options{Listen: h.listen})
		if !errors.Is(err, errBroken) || !strings.Contains(err.Error(), want) {
			t.Errorf("secret %v: %v", secret, err)
		}
		if _, err := r.Preview(t.Context(), r.document(t, fmt.Sprintf("job: next(1), secret: %v\n", secret)), engine.Options{}); !errors.Is(err, errBroken) || !strings.Contains(err.Error(), want) {
			t.Errorf("forecast, secret %v: %v", secret, err)
		}
		for _, ev := range h.events {
			if ev.Job != nil && secret && strings.Contains(fmt.Sprintf("%+v", ev.Job.Outcome.Failure), "read the receipts") {
				t.Errorf("an event tells: %+v", ev.Job.Outcome.Failure)
			}
		}
	}
}

// Who awaits a secret task of their own hears how it failed, and not why.
func TestSecretFailureOfAnotherWorkflow(t *testing.T) {
	t.Parallel()
	r := newRig(t, ipvmtest.Options{})
	alice := guest("did:key:alice")
	g := r.document(t, "job: fail(1), secret: true\n")
	run := func(text string) engine.JobReport {
		report, err := r.Run(t.Context(), r.document(t, text), engine.Options{Permit: alice})
		if err != nil {
			t.Fatal(err)
		}
		return report.Jobs[0]
	}
	first := run("job: fail(1), secret: true\n")
	why := first.Hidden.Reveal().Outcome.Failure.Message
	j := run(fmt.Sprintf("job: next({\"await/ok\": {\"/\": %s}}), secret: true\n", g.Step(0).ID))
	if f := j.Outcome.Failure; f == nil || f.Kind != task.KindBranchMismatch || why == "" || strings.Contains(f.Message, why) || !strings.Contains(f.Message, "(guest)") {
		t.Errorf("%q, and it failed with %q", f, why)
	}
}
