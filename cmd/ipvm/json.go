package main

import (
	"encoding/json"
	"io"
	"time"

	"github.com/ipvm-wg/go-ipvm"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// jsonSchema is the version of the objects that --json prints. Fields may be
// added under one version; none changes its meaning or goes away.
const jsonSchema = 1

// runJSON is what `ipvm run --json` prints; docs/reference.md describes it.
type runJSON struct {
	Schema   int         `json:"schema"`
	Workflow string      `json:"workflow"`
	Source   *sourceJSON `json:"source,omitempty"`
	Signer   string      `json:"signer,omitempty"` // on whose behalf it ran, if it was signed
	// Performed tells that nothing ran, since the same signature had it done before.
	Performed bool               `json:"performed,omitempty"`
	Status    engine.Status      `json:"status"`
	Reason    string             `json:"reason,omitempty"` // of a failure that is no job's own
	Jobs      map[string]jobJSON `json:"jobs"`
	Totals    totalsJSON         `json:"totals"`
}

// sourceJSON holds the identifiers of the document's own dialect.
type sourceJSON struct {
	Dialect  workflow.Dialect  `json:"dialect"`
	Workflow string            `json:"workflow,omitempty"`
	Jobs     map[string]string `json:"jobs,omitempty"`
}

type jobJSON struct {
	Task    string           `json:"task"`
	Written string           `json:"written"`
	Status  engine.JobStatus `json:"status"`
	How     engine.How       `json:"how,omitempty"`
	Value   json.RawMessage  `json:"value,omitempty"`
	Error   *errorJSON       `json:"error,omitempty"`
	Handled bool             `json:"handled,omitempty"` // it failed, and others took care of it
	Secret  bool             `json:"secret,omitempty"`  // there is no more to tell than how it ended
	Caught  *caughtJSON      `json:"caught,omitempty"`
	Gas     uint64           `json:"gas"`
	Memory  *uint64          `json:"memory,omitempty"`
	Limits  *limitsJSON      `json:"limits,omitempty"` // not of a job that never started
	MS      float64          `json:"ms"`
	Started *string          `json:"started,omitempty"`
	Ended   *string          `json:"ended,omitempty"`
	Receipt string           `json:"receipt,omitempty"`
	// Forgotten tells that the receipt is not kept any more, and with it the value.
	Forgotten bool      `json:"forgotten,omitempty"`
	File      string    `json:"file,omitempty"`
	Log       []logJSON `json:"log,omitempty"`
}

// limitsJSON are the limits that were in force for a job.
type limitsJSON struct {
	Gas    uint64 `json:"gas"`
	Memory uint64 `json:"memory"`
	Time   int64  `json:"time"` // milliseconds, rounded up
	Disk   uint64 `json:"disk"`
}

func newLimitsJSON(l task.Limits) *limitsJSON {
	return &limitsJSON{l.Gas, l.Memory, int64((l.Time + time.Millisecond - 1) / time.Millisecond), l.Disk}
}

// logJSON is one line that a function logged.
type logJSON struct {
	Level   string `json:"level"`
	Context string `json:"context"`
	Message string `json:"message"`
}

type errorJSON struct {
	Kind    string          `json:"kind"`
	Trap    string          `json:"trap,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Message string          `json:"message,omitempty"`
	From    string          `json:"from,omitempty"`
}

// caughtJSON is what a job's handler made of its failure.
type caughtJSON struct {
	Error   *errorJSON    `json:"error"`             // how the job failed at first
	Handler string        `json:"handler,omitempty"` // the task in which the handler was asked
	Answer  engine.Answer `json:"answer,omitempty"`  // not there when the handler failed
	To      string        `json:"to,omitempty"`
}

type totalsJSON struct {
	Jobs       int     `json:"jobs"`
	Ran        int     `json:"ran"`
	Remembered int     `json:"remembered"`
	Trusted    int     `json:"trusted,omitempty"`
	Failed     int     `json:"failed"`
	NotRun     int     `json:"notRun"`
	Gas        uint64  `json:"gas"` // used by what ran now
	MS         float64 `json:"ms"`
}

func reportJSON(w *ipvm.Workflow, r *ipvm.Report, files map[string]string) runJSON {
	out := runJSON{
		Schema: jsonSchema, Workflow: r.Workflow.String(), Source: sourceOf(w),
		Performed: r.Performed, Status: r.Status, Reason: r.Reason, Jobs: make(map[string]jobJSON, len(r.Jobs)),
		Totals: totalsJSON{Jobs: len(r.Jobs), MS: milliseconds(r.Time)},
	}
	for i := range r.Jobs {
		j := &r.Jobs[i]
		job := jobReportJSON(j)
		job.File = files[j.Label]
		out.Jobs[j.Label] = job
		out.Totals.add(j)
	}
	return out
}

func (t *totalsJSON) add(j *engine.JobReport) {
	if j.How == engine.Ran {
		t.Gas += j.Gas
	}
	switch {
	case j.Status == engine.JobError:
		t.Failed++
	case j.Status != engine.JobOK:
		t.NotRun++
	case j.How == engine.Ran:
		t.Ran++
	case j.How == engine.Trusted:
		t.Trusted++
	default:
		t.Remembered++
	}
}

func jobReportJSON(j *engine.JobReport) jobJSON {
	out := jobJSON{
		Task: j.Task.String(), Written: j.Written.String(), Status: j.Status, How: j.How,
		Gas: j.Gas, Receipt: j.Receipt.String(),
	}
	out.Log = linesJSON(j.Log)
	if l := j.Limits; l != (task.Limits{}) {
		out.Limits = newLimitsJSON(l)
	}
	if j.HasMemory {
		out.Memory = &j.Memory
	}
	if !j.Ended.IsZero() {
		const layout = "2006-01-02T15:04:05.000000Z"
		started, ended := j.Started.UTC().Format(layout), j.Ended.UTC().Format(layout)
		out.Started, out.Ended = &started, &ended
		out.MS = milliseconds(j.Ended.Sub(j.Started))
	}
	out.Handled, out.Secret = j.Handled, j.Secret
	if c := j.Caught; c != nil {
		out.Caught = &caughtJSON{Error: failureJSON(c.Failure), Answer: c.Answer, To: c.To}
		if c.Handler.Defined() {
			out.Caught.Handler = c.Handler.String()
		}
	}
	if j.Status == engine.JobSkipped {
		return out
	}
	if out.Forgotten = j.Forgotten; (j.Secret || j.Forgotten) && j.Outcome.OK() {
		return out
	}
	if j.Outcome.OK() {
		out.Value = rawJSON(j.Outcome.Value)
		return out
	}
	out.Error = failureJSON(j.Outcome.Failure)
	out.Error.From = j.Upstream
	return out
}

func linesJSON(lines []engine.LogLine) (all []logJSON) {
	for _, l := range lines {
		all = append(all, logJSON{l.Level, l.Context, l.Message})
	}
	return all
}

func failureJSON(f *task.Failure) *errorJSON {
	out := &errorJSON{Kind: string(f.Kind), Trap: f.Trap, Message: f.Message}
	if !f.Value.IsNull() {
		out.Value = rawJSON(f.Value)
	}
	return out
}

// milliseconds is d as JSON has it, exact to a microsecond.
func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// rawJSON is v as DAG-JSON; a value that has none is told as a string.
func rawJSON(v ipld.Value) json.RawMessage {
	data, err := ipld.AppendJSON(nil, v)
	if err != nil {
		data, _ = json.Marshal("not representable in DAG-JSON: " + err.Error())
	}
	return data
}

func sourceOf(w *ipvm.Workflow) *sourceJSON {
	doc := w.Workflow()
	if doc.Dialect == workflow.Native {
		return nil
	}
	s := &sourceJSON{Dialect: doc.Dialect, Jobs: map[string]string{}}
	if doc.Origin.Workflow.Defined() {
		s.Workflow = doc.Origin.Workflow.String()
	}
	for i := range doc.Jobs {
		if in := doc.Jobs[i].Instruction; in.Defined() {
			s.Jobs[doc.Jobs[i].Label] = in.String()
		}
	}
	return s
}

func printJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
