//go:build unix && cgo

package crashtest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// limits are those of the reference; the programs have them from IPVM_TIME.
var limits = task.Limits{Time: 10 * time.Minute}

// site is a state directory that is crashed again and again.
type site struct {
	home    string
	crashes int
	seen    map[task.ID]bool // tasks of earlier documents, all of them finished
}

// crash is one way to run the program and to end it.
type crash struct {
	doc    *document
	faults string        // IPVM_FAULT
	after  time.Duration // from outside; 0 is never
	json   bool          // print an object at the end instead of lines
	out    bool          // write results to files
}

func (c crash) String() string {
	return fmt.Sprintf("fault %q, after %v, json %t, out %t", c.faults, c.after, c.json, c.out)
}

// crash runs the program on a document, kills it, and verifies that whatever
// it acknowledged is true. It tells whether the program was killed: it may
// have come to its end.
func (s *site) crash(t *testing.T, c crash) bool {
	t.Helper()
	_, faulty := programs(t)
	path := c.doc.write(t)
	want := expected(t, path)
	args := []string{"run"}
	if c.json {
		args = append(args, "--json")
	}
	out := filepath.Join(t.TempDir(), "out")
	if c.out {
		args = append(args, "--all", "-o", out)
	}
	p := start(t, faulty, s.home, c.faults, append(args, path)...)
	if c.after > 0 {
		defer time.AfterFunc(c.after, p.kill).Stop()
	}
	code := p.wait(t)
	if code != 0 && code != -1 {
		t.Fatalf("%v: exit status %d\n%s", c, code, &p.stderr)
	}
	acked := acknowledged(t, p, want, code == 0)
	s.files(t, out, want, acked)
	s.crashes++
	s.verify(t, c, c.doc, path, want, acked)
	return code == -1
}

// acknowledged are the labels of the jobs whose outcome the program has told.
func acknowledged(t *testing.T, p *process, want *ipvm.Report, ended bool) map[string]bool {
	t.Helper()
	acked := make(map[string]bool)
	for _, line := range p.out {
		fields := strings.Fields(line)
		if len(fields) < 3 || fields[1] != "ran" && fields[1] != "remembered" {
			continue
		}
		job, ok := want.Job(fields[0])
		if !ok {
			continue
		}
		if text := shown(job); !strings.HasSuffix(line, " "+text) {
			t.Errorf("the program says %q, and it should be %s", line, text)
		}
		acked[job.Label] = true
	}
	var object struct {
		Status string
		Jobs   map[string]struct{ Receipt string }
	}
	whole := json.Unmarshal([]byte(strings.Join(p.out, "\n")), &object) == nil && object.Status == "ok"
	for label, got := range object.Jobs {
		if job, ok := want.Job(label); !ok || job.Receipt.String() != got.Receipt {
			t.Errorf("the program says that %s has receipt %s", label, got.Receipt)
		}
	}
	if whole || ended {
		for i := range want.Jobs {
			acked[want.Jobs[i].Label] = true
		}
	}
	return acked
}

// shown is what a line ends with that tells of j.
func shown(j *engine.JobReport) string {
	if l, ok := j.Outcome.Value.AsLink(); ok {
		return l.String()
	}
	return j.Outcome.Value.String()
}

// files takes each result in the folder out as an acknowledgement of its job.
func (s *site) files(t *testing.T, out string, want *ipvm.Report, acked map[string]bool) {
	t.Helper()
	entries, err := os.ReadDir(out)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue // half written
		}
		label := strings.TrimSuffix(e.Name(), filepath.Ext(e.Name()))
		job, ok := want.Job(label)
		if !ok {
			t.Errorf("a file %s of no job", e.Name())
			continue
		}
		got, err := os.ReadFile(filepath.Join(out, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if expect := content(t, job); !bytes.Equal(got, expect) {
			t.Errorf("the file %s has %d bytes and is not the result of its job, which has %d", e.Name(), len(got), len(expect))
		}
		acked[label] = true
	}
}

// content is what the file of a job's result holds.
func content(t *testing.T, j *engine.JobReport) []byte {
	t.Helper()
	link, ok := j.Outcome.Value.AsLink()
	if !ok {
		data, err := ipld.AppendJSON(nil, j.Outcome.Value)
		if err != nil {
			t.Fatal(err)
		}
		return append(data, '\n')
	}
	data, err := referenceNode(t).File(context.Background(), link)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// verify looks at what the program has left behind, and has it finished.
func (s *site) verify(t *testing.T, what fmt.Stringer, doc *document, path string, want *ipvm.Report, acked map[string]bool) {
	t.Helper()
	before := s.left(t, want, acked)
	s.prefix(t, doc, want, before)
	if s.crashes%6 == 0 {
		s.finishThere(t, path, want, before)
	} else {
		s.finishHere(t, path, want, before)
	}
	if t.Failed() {
		t.Fatalf("crash %d of %s: %v", s.crashes, s.home, what)
	}
}

// left opens the store and checks all that is in it, and in particular that
// what was acknowledged is there. It returns the labels of all jobs that are
// remembered.
func (s *site) left(t *testing.T, want *ipvm.Report, acked map[string]bool) map[string]bool {
	t.Helper()
	remembered := make(map[string]bool)
	st, err := store.Open(filepath.Join(s.home, "store"), store.Options{})
	if err != nil {
		t.Fatalf("open the store: %v", err)
	}
	defer func() {
		if err := st.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	}()
	if err := st.Check(context.Background(), func(p store.Problem) { t.Errorf("left behind: %s", p) }); err != nil {
		t.Errorf("check the store: %v", err)
	}
	for i := range want.Jobs {
		job := &want.Jobs[i]
		all, err := st.Receipts(job.Task)
		if err != nil {
			t.Errorf("receipts of %s: %v", job.Label, err)
		}
		for _, r := range all {
			if err := r.Verify(); err != nil || r.Link() != job.Receipt {
				t.Errorf("receipt %s of %s, which is %s without a crash: %v", r.Link(), job.Label, job.Receipt, err)
			}
		}
		remembered[job.Label] = len(all) > 0
		if acked[job.Label] && len(all) == 0 {
			t.Errorf("job %s was acknowledged and is lost", job.Label)
		}
	}
	return remembered
}

// prefix wants the ancestors of all that is remembered to be remembered. A task
// that an earlier document or another job has as well may be remembered without
// them: it is known by its arguments, not by where these come from.
func (s *site) prefix(t *testing.T, d *document, want *ipvm.Report, remembered map[string]bool) {
	t.Helper()
	jobs := make(map[task.ID]int)
	for i := range want.Jobs {
		jobs[want.Jobs[i].Task]++
	}
	for i := range want.Jobs {
		label, id := want.Jobs[i].Label, want.Jobs[i].Task
		if !remembered[label] || s.seen[id] || jobs[id] > 1 {
			continue
		}
		for _, need := range d.needs[label] {
			if !remembered[need] {
				t.Errorf("job %s is remembered and %s, which it waits for, is not", label, need)
			}
		}
	}
	if s.seen == nil {
		s.seen = make(map[task.ID]bool)
	}
	for id := range jobs {
		s.seen[id] = true
	}
}

// finishHere runs the document again in this process.
func (s *site) finishHere(t *testing.T, path string, want *ipvm.Report, before map[string]bool) {
	t.Helper()
	n, err := ipvm.Open(s.home, ipvm.Options{Policy: ipvm.Policy{Defaults: limits}})
	if err != nil {
		t.Fatalf("open the node: %v", err)
	}
	defer func() {
		if err := n.Close(); err != nil {
			t.Errorf("close the node: %v", err)
		}
	}()
	report := runHere(t, n, path)
	for i := range want.Jobs {
		a, b := &want.Jobs[i], &report.Jobs[i]
		if a.Receipt != b.Receipt || a.Task != b.Task {
			t.Errorf("job %s comes to receipt %s, without a crash to %s", a.Label, b.Receipt, a.Receipt)
		}
		if before[a.Label] && b.How != engine.Remembered {
			t.Errorf("job %s was remembered, and %s", a.Label, b.How)
		}
	}
}

// finishThere runs the document again with the program.
func (s *site) finishThere(t *testing.T, path string, want *ipvm.Report, before map[string]bool) {
	t.Helper()
	plain, _ := programs(t)
	p := start(t, plain, s.home, "", "run", "--json", path)
	p.succeed(t)
	for label, job := range printed(t, p).Jobs {
		a, ok := want.Job(label)
		if !ok || a.Receipt.String() != job.Receipt {
			t.Errorf("job %s comes to receipt %s", label, job.Receipt)
		}
		if before[label] && job.How != "remembered" {
			t.Errorf("job %s was remembered, and %s", label, job.How)
		}
	}
}

// object is what run --json prints.
type object struct {
	Status string
	Jobs   map[string]struct{ Task, How, Receipt string }
	Totals struct{ Jobs, Ran, Remembered int }
}

func printed(t *testing.T, p *process) (o object) {
	t.Helper()
	if err := json.Unmarshal([]byte(strings.Join(p.out, "\n")), &o); err != nil {
		t.Fatalf("%v: %v\n%s", p.cmd.Args, err, strings.Join(p.out, "\n"))
	}
	return o
}
