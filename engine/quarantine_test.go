//go:build unix

package engine_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/internal/ipvmtest"
	"github.com/ipvm-wg/go-ipvm/quarantine"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// prison is a store with a list of tasks that have ended the process.
type prison struct {
	testing.TB
	store *store.Store
	path  string
}

func newPrison(tb testing.TB) *prison {
	tb.Helper()
	s, err := store.OpenMemory(store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { _ = s.Close() })
	return &prison{tb, s, filepath.Join(tb.TempDir(), "calls")}
}

func (p *prison) open() *quarantine.List {
	p.Helper()
	l, err := quarantine.Open(context.Background(), quarantine.Config{Store: p.store, Path: p.path, Calls: 8})
	if err != nil {
		p.Fatal(err)
	}
	return l
}

// take has the process end in calls of s, as it seems, so many times.
func (p *prison) take(s quarantine.Subject, times int) {
	p.Helper()
	for range times {
		l := p.open()
		var left []byte
		l.Watch(s, func(died *uint32) bool {
			*died = uint32(syscall.SIGABRT)
			left, _ = os.ReadFile(p.path)
			return false
		})
		if err := l.Close(); err != nil {
			p.Fatal(err)
		}
		if err := os.WriteFile(p.path, left, 0o600); err != nil {
			p.Fatal(err)
		}
	}
}

// rig is an engine that has served until it is closed.
func (p *prison) rig(l *quarantine.List) *rig {
	if l != nil {
		p.Cleanup(func() { _ = l.Close() })
	}
	return newRig(p, ipvmtest.Options{Store: p.store, Quarantine: l})
}

const suspects = `
bad: next(1)
after: {with: GUEST, func: next, args: [{from: bad}]}
beside: next(5)
`

func TestQuarantined(t *testing.T) {
	t.Parallel()
	p := newPrison(t)
	g := p.rig(nil).document(t, `job: next(1)`)
	c, err := g.Step(0).Task.Call()
	if err != nil {
		t.Fatal(err)
	}
	module, _ := c.Module.AsLink()
	bad := quarantine.Subject{Task: resolved(t, `job: next(1)`), Module: module, Func: "next"}
	p.take(bad, 2)

	l := p.open()
	r := p.rig(l)
	doc := r.document(t, suspects)
	forecasts, err := r.Preview(t.Context(), doc, engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	faults := engine.Quarantined(doc, forecasts)
	if want := fmt.Sprintf("the task %s is in quarantine: next of module %s ended this node by SIGABRT, 2 times, the last at ", bad.Task, module); len(faults) != 1 || faults[0].Pos.Line != 2 ||
		!strings.HasPrefix(faults[0].Msg, want) || faults[0].Hint != "`ipvm quarantine rm "+bad.Task.String()+"` lets it be tried again" {
		t.Errorf("foreseen is %+v", faults)
	}
	for range 2 { // and is not forgotten
		report, err := r.Run(t.Context(), doc, engine.Options{KeepGoing: true})
		if err != nil {
			t.Fatal(err)
		}
		job, _ := report.Job("bad")
		if report.Status != engine.StatusFailed || job.Status != engine.JobError || job.Outcome.Failure.Kind != task.KindQuarantined || job.Receipt.Defined() || job.How != "" {
			t.Errorf("it came to %v, %+v", report.Status, job)
		}
		if after, _ := report.Job("after"); after.Status != engine.JobUpstream {
			t.Errorf("what waits for it: %+v", after)
		}
		if beside, _ := report.Job("beside"); beside.Status != engine.JobOK {
			t.Errorf("what does not: %+v", beside)
		}
	}
	if job := r.one(t, `next(1), catch: {with: HANDLER, func: ok}`); job.Caught == nil || job.Caught.Failure.Kind != task.KindQuarantined || job.Status != engine.JobOK {
		t.Errorf("its handler makes of it %+v", job)
	}
	if all, err := p.store.Receipts(bad.Task); len(all) > 0 || err != nil {
		t.Errorf("it is remembered: %v, %v", all, err)
	}
	if _, err := l.Release(t.Context(), bad.Task.Link); err != nil {
		t.Fatal(err)
	}
	report := r.MustRun(t, doc, engine.Options{})
	if job, _ := report.Job("bad"); job.How != engine.Ran {
		t.Errorf("released: %+v", job)
	}
}

// TestSuspect has ended the process once, and comes to its end now.
func TestSuspect(t *testing.T) {
	t.Parallel()
	p := newPrison(t)
	bad := quarantine.Subject{Task: resolved(t, `job: next(1)`)}
	p.take(bad, 1)
	l := p.open()
	r := p.rig(l)
	if report := r.MustRun(t, r.document(t, `job: next(1)`), engine.Options{}); report.Status != engine.StatusOK {
		t.Errorf("it came to %+v", report)
	}
	if all := l.All(); len(all) > 0 {
		t.Errorf("held against it: %v", all)
	}
}

// TestQuarantinedButRemembered is not run, and need not be.
func TestQuarantinedButRemembered(t *testing.T) {
	t.Parallel()
	p := newPrison(t)
	first := p.rig(nil)
	first.MustRun(t, first.document(t, `job: next(1)`), engine.Options{})
	p.take(quarantine.Subject{Task: resolved(t, `job: next(1)`)}, 2)
	r := p.rig(p.open())
	report := r.MustRun(t, r.document(t, `job: next(1)`), engine.Options{})
	if job, _ := report.Job("job"); job.How != engine.Remembered {
		t.Errorf("it came to %+v", job)
	}
}

// TestQuarantinedSecret is known by the task as written, which tells nothing.
func TestQuarantinedSecret(t *testing.T) {
	t.Parallel()
	p := newPrison(t)
	const text = `
key: {with: GUEST, func: next, args: [12345677], secret: true}
job: {with: GUEST, func: next, args: [{from: key}]}
`
	written := p.rig(nil).document(t, text)
	i, _ := written.Find("job")
	p.take(quarantine.Subject{Task: written.Step(i).ID}, 2)
	r := p.rig(p.open())
	report, err := r.Run(t.Context(), r.document(t, text), engine.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if job, _ := report.Job("job"); job.Status != engine.JobError || job.Outcome.Failure.Kind != task.KindQuarantined {
		t.Errorf("it came to %+v", job)
	}
}

// resolved is the task that the one job of a document comes to run.
func resolved(t *testing.T, text string) task.ID {
	t.Helper()
	r := newRig(t, ipvmtest.Options{})
	report := r.MustRun(t, r.document(t, text), engine.Options{})
	return report.Jobs[0].Task
}
