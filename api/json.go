package api

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/runs"
	"github.com/ipvm-wg/go-ipvm/task"
)

// schema is the version of the objects that are answered. Fields may be added
// under one version; none changes its meaning or goes away.
const schema = 1

// revision counts what was added to the API, and serves is the oldest one whose
// clients are still answered as they expect.
const (
	revision = 2
	serves   = 1
)

type aboutJSON struct {
	Schema   int     `json:"schema"`
	DID      did.DID `json:"did"`
	Version  string  `json:"version,omitempty"`
	Revision int     `json:"revision"`
	Serves   int     `json:"serves"`
}

// runJSON is how the latest run of a workflow stands.
type runJSON struct {
	Workflow  string     `json:"workflow"`
	Document  string     `json:"document"` // where its normal form is
	State     runs.State `json:"state"`
	Attempt   uint64     `json:"attempt"`
	For       did.DID    `json:"for,omitempty"`
	KeepGoing bool       `json:"keepGoing,omitempty"`
	Priority  string     `json:"priority,omitempty"`
	Total     int        `json:"total"`
	Settled   int        `json:"settled"`
	Accepted  string     `json:"accepted"`
	Ended     string     `json:"ended,omitempty"`
	First     string     `json:"first,omitempty"`
	Reason    string     `json:"reason,omitempty"`
}

type listJSON struct {
	Schema    int       `json:"schema"`
	Workflows []runJSON `json:"workflows"`
	Next      string    `json:"next,omitempty"`
}

// shownJSON is a run with its jobs.
type shownJSON struct {
	Schema int `json:"schema"`
	runJSON
	Jobs []jobJSON `json:"jobs"`
	Next string    `json:"next,omitempty"`
}

type jobJSON struct {
	Label     string           `json:"label"`
	Status    engine.JobStatus `json:"status"`
	How       engine.How       `json:"how,omitempty"`
	Task      string           `json:"task,omitempty"`
	Receipt   string           `json:"receipt,omitempty"`
	Value     json.RawMessage  `json:"value,omitempty"`
	Omitted   bool             `json:"omitted,omitempty"`   // there is a value, and it is not shown here
	Forgotten bool             `json:"forgotten,omitempty"` // its receipt is not kept any more, nor the value
	Error     *errorJSON       `json:"error,omitempty"`
	Handled   bool             `json:"handled,omitempty"`
	Secret    bool             `json:"secret,omitempty"`
	Gas       uint64           `json:"gas,omitempty"`
	MS        float64          `json:"ms,omitempty"`
	Started   string           `json:"started,omitempty"`
	Ended     string           `json:"ended,omitempty"`
}

type errorJSON struct {
	Kind    task.Kind       `json:"kind"`
	Trap    string          `json:"trap,omitempty"`
	Value   json.RawMessage `json:"value,omitempty"`
	Message string          `json:"message,omitempty"`
	From    string          `json:"from,omitempty"`
}

// eventJSON is the data of an event.
type eventJSON struct {
	Kind  runs.EventKind `json:"kind"`
	Label string         `json:"label,omitempty"`
	Run   *runJSON       `json:"run,omitempty"`
	Job   *jobJSON       `json:"job,omitempty"`
}

type evidenceJSON struct {
	Schema   int           `json:"schema"`
	Task     string        `json:"task"`
	Receipts []receiptJSON `json:"receipts"`
}

type receiptJSON struct {
	Receipt     string          `json:"receipt"`
	Executor    did.DID         `json:"executor"`
	Value       json.RawMessage `json:"value,omitempty"`
	Error       *errorJSON      `json:"error,omitempty"`
	Boxed       string          `json:"boxed,omitempty"` // the block in which the value is
	Omitted     bool            `json:"omitted,omitempty"`
	Gas         uint64          `json:"gas"`
	Memory      *uint64         `json:"memory,omitempty"`
	GasLimit    uint64          `json:"gasLimit"`
	MemoryLimit uint64          `json:"memoryLimit"`
	Schedule    string          `json:"schedule"`
}

func runToJSON(r runs.Run) runJSON {
	if r.For == engine.Anyone {
		r.For = ""
	}
	return runJSON{
		Workflow: r.Workflow.String(), Document: "/ipfs/" + r.Workflow.String() + "?format=raw",
		State: r.State, Attempt: r.Attempt, For: r.For, KeepGoing: r.KeepGoing, Priority: string(r.Priority), Total: r.Jobs, Settled: r.Settled,
		Accepted: timestamp(r.Accepted), Ended: timestamp(r.Ended), First: clean(r.First), Reason: clean(r.Reason),
	}
}

// timestamp is t as RFC 3339 has it; nothing for no time.
func timestamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format("2006-01-02T15:04:05.000000Z")
}

// maxValues bounds the values in one answer, in bytes of DAG-JSON.
const maxValues = 4 << 20

// shower turns jobs into JSON. It shows values until it has shown maxValues.
type shower struct {
	node  Node
	whose did.DID
	left  int
}

func (h *Handler) shower(r runs.Run) *shower { return &shower{h.Node, r.For, maxValues} }

// job is j with what its receipt says.
func (s *shower) job(ctx context.Context, j *runs.Job) (jobJSON, error) {
	out := jobJSON{
		Label: j.Label, Status: j.Status, How: j.How, Receipt: j.Receipt.String(),
		Handled: j.Handled, Secret: j.Secret, Gas: j.Gas, Started: timestamp(j.Started), Ended: timestamp(j.Ended),
	}
	if j.Task.Defined() {
		out.Task = j.Task.String()
	}
	if !j.Ended.IsZero() {
		out.MS = float64(j.Ended.Sub(j.Started).Microseconds()) / 1000
	}
	if j.Kind != "" {
		out.Error = &errorJSON{Kind: j.Kind, Message: clean(j.Message), From: j.Upstream}
	}
	if !j.Receipt.Defined() {
		return out, nil
	}
	all, err := s.node.Receipts(ctx, s.whose, j.Task)
	if err != nil {
		return out, err
	}
	for _, r := range all {
		if r.Link() == j.Receipt {
			s.show(r, &out)
			return out, nil
		}
	}
	out.Forgotten = true
	return out, nil
}

// show fills in what the outcome in r is.
func (s *shower) show(r *receipt.Signed, out *jobJSON) {
	if f := r.Out.Failure; f != nil {
		if out.Error != nil && out.Error.Kind == f.Kind {
			out.Error.Trap = f.Trap
			if f.Kind == task.KindGuest && !r.Boxed.Defined() {
				out.Error.Value = s.value(f.Value)
			}
		}
		return
	}
	if !r.Boxed.Defined() {
		out.Value = s.value(r.Out.Value)
	}
	out.Omitted = out.Value == nil
}

// value is v as DAG-JSON, if there is room for it and it has such a form.
func (s *shower) value(v ipld.Value) json.RawMessage {
	data, err := ipld.AppendJSON(nil, v)
	if err != nil || len(data) > s.left {
		return nil
	}
	s.left -= len(data)
	return data
}

// receipt is r as JSON.
func (s *shower) receipt(r *receipt.Signed) receiptJSON {
	out := receiptJSON{
		Receipt: r.Link().String(), Executor: r.Executor, Boxed: r.Boxed.String(), Gas: r.Gas,
		GasLimit: r.Limits.Gas, MemoryLimit: r.Limits.Memory, Schedule: clean(r.Schedule),
	}
	if r.HasMemory {
		out.Memory = &r.Memory
	}
	value := r.Out.Value
	if f := r.Out.Failure; f != nil {
		out.Error = &errorJSON{Kind: f.Kind, Trap: f.Trap}
		if value = f.Value; f.Kind != task.KindGuest {
			return out
		}
	}
	if r.Boxed.Defined() {
		return out
	}
	shown := s.value(value)
	if out.Omitted = shown == nil; out.Error != nil {
		out.Error.Value = shown
	} else {
		out.Value = shown
	}
	return out
}

// encode is v as one line of JSON.
func encode(v any) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	err := enc.Encode(v)
	return b.Bytes(), err
}

// writeJSON answers with v.
func (h *Handler) writeJSON(w http.ResponseWriter, status int, v any) error {
	body, err := encode(v)
	if err != nil {
		return err
	}
	return h.write(w, status, "application/json", body)
}

// write answers with a body that is there entirely.
func (h *Handler) write(w http.ResponseWriter, status int, contentType string, body []byte) error {
	w.Header().Set("Content-Type", contentType)
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	h.patience(w)
	w.WriteHeader(status)
	if _, err := w.Write(body); err != nil {
		return http.ErrAbortHandler
	}
	return nil
}
