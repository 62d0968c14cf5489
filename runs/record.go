package runs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Kinds of notes in the store.
const (
	openNotes = "run/open" // by ID: it is still to be run
	jobNotes  = "run/jobs" // by ID and page, 4 bytes: what jobs came to
	pastNotes = "run/past" // under lastRemovedKey, 8 bytes: the latest attempt of all runs that were removed
)

// pageJobs is how many jobs one note holds.
const pageJobs = 512

// record is what the store keeps of a run beside its jobs.
type record struct {
	Run
	// authority and instructions are those of the submission: the container of
	// UCAN tokens, and the identifiers that a foreign dialect has for jobs.
	authority    []byte
	instructions map[string]ipld.Link
	// brings are the blocks that came within the document.
	brings []ipld.Link
}

// errRecord reports a record that this program does not understand.
var errRecord = errors.New("the record of a run is not readable")

// batch is what keeps r, and the jobs of a run that has ended.
func (r *record) batch(jobs []Job) store.Batch {
	b := store.Batch{Runs: []store.Run{{Workflow: r.Workflow, For: string(r.For), Record: r.value()}}, Spare: r.State != Running}
	open := store.Note{Kind: openNotes, Key: r.key()}
	if !r.State.Over() {
		open.Value = append([]byte{1}, r.For...)
	}
	b.Notes = append(b.Notes, open)
	for page := 0; page*pageJobs < len(jobs); page++ {
		some := jobs[page*pageJobs : min((page+1)*pageJobs, len(jobs))]
		list := make([]ipld.Value, len(some))
		for i := range some {
			list[i] = some[i].Value()
		}
		data, err := ipld.AppendCBOR(nil, ipld.List(list...))
		if err != nil { // a message that is no text: nothing else here comes from outside
			for i := range some {
				some[i].Message = fmt.Sprintf("%+q", some[i].Message)
				list[i] = some[i].Value()
			}
			data, _ = ipld.AppendCBOR(nil, ipld.List(list...))
		}
		b.Notes = append(b.Notes, store.Note{Kind: jobNotes, Key: r.pageKey(page), Value: data})
	}
	return b
}

// after is batch for an attempt that follows the last one, if there was one.
func (r *record) after(last *record, jobs []Job) store.Batch {
	if last != nil {
		r.Attempt = last.Attempt + 1
	}
	b := r.batch(jobs)
	if last != nil {
		b.Notes = append(b.Notes, last.place(false))
	}
	b.Notes = append(b.Notes, r.place(true))
	return b
}

// follow is what keeps r as an attempt that follows the last one. Where there is none, it
// is one that no run had which was removed: whoever watched that does not take the events of
// this for those it has seen.
func (k *Keeper) follow(r, last *record, jobs []Job) (store.Batch, error) {
	if last == nil {
		removed, err := k.lastRemoved()
		if err != nil {
			return store.Batch{}, err
		}
		r.Attempt = removed + 1
	}
	return r.after(last, jobs), nil
}

const lastRemovedKey = "attempt"

// lastRemoved is the latest attempt of all runs that were removed. The caller holds mu.
func (k *Keeper) lastRemoved() (uint64, error) {
	if k.removed != nil {
		return *k.removed, nil
	}
	data, ok, err := k.Store.Note(pastNotes, lastRemovedKey)
	if err != nil {
		return 0, err
	}
	if ok && len(data) != 8 {
		return 0, fmt.Errorf("%w: the last attempt of those that were removed", errRecord)
	}
	k.removed = new(uint64)
	if ok {
		*k.removed = binary.BigEndian.Uint64(data)
	}
	return *k.removed, nil
}

func lastRemovedNote(attempt uint64) store.Note {
	return store.Note{Kind: pastNotes, Key: lastRemovedKey, Value: binary.BigEndian.AppendUint64(nil, attempt)}
}

// key is that of the notes about a run.
func (id ID) key() string { return id.Workflow.Key() + string(id.For) }

func (id ID) pageKey(page int) string {
	return string(binary.BigEndian.AppendUint32([]byte(id.key()), uint32(page)))
}

// openID reads the ID of an unfinished run from its note.
func openID(note store.Note) (id ID, err error) {
	link, ok := note.Key, len(note.Value) > 0
	if ok {
		id.For = did.DID(note.Value[1:])
		link, ok = strings.CutSuffix(note.Key, string(id.For))
	}
	if !ok {
		return id, errRecord
	}
	id.Workflow, err = ipld.LinkFromBytes([]byte(link))
	return id, err
}

// Value is r as a map, without what is zero.
func (r *Run) Value() ipld.Value {
	var m fields
	m.link("workflow", r.Workflow)
	r.fields(&m)
	return ipld.Map(m...)
}

func (r *Run) fields(m *fields) {
	m.text("state", string(r.State))
	m.uint("attempt", r.Attempt)
	m.text("for", string(r.For))
	m.flag("keepGoing", r.KeepGoing)
	m.text("priority", string(r.Priority))
	m.uint("jobs", uint64(r.Jobs))
	m.uint("settled", uint64(r.Settled))
	m.time("accepted", r.Accepted)
	m.time("ended", r.Ended)
	m.text("first", r.First)
	m.text("reason", r.Reason)
}

// ParseRun reads what [Run.Value] gave.
func ParseRun(v ipld.Value) (Run, error) {
	f := reader{v: v}
	r := f.run()
	if r.Workflow = f.link("workflow"); !r.Workflow.Defined() || f.bad {
		return Run{}, fmt.Errorf("%w: %.200s", errRecord, v)
	}
	return r, nil
}

func (f *reader) run() Run {
	r := Run{
		ID: ID{For: did.DID(f.text("for"))}, State: State(f.text("state")), Attempt: f.uint("attempt"),
		KeepGoing: f.flag("keepGoing"), Priority: engine.Priority(f.text("priority")), Jobs: int(f.uint("jobs")), Settled: int(f.uint("settled")),
		Accepted: f.time("accepted"), Ended: f.time("ended"), First: f.text("first"), Reason: f.text("reason"),
	}
	switch r.State {
	case Running, Suspended, OK, Failed, Cancelled, Broken, HandedOver:
	default:
		f.bad = true
	}
	return r
}

// value is what is kept under r's workflow.
func (r *record) value() ipld.Value {
	var m fields
	r.fields(&m)
	if len(r.authority) > 0 {
		m.add("authority", ipld.Bytes(r.authority))
	}
	if len(r.instructions) > 0 {
		all := make([]ipld.Entry, 0, len(r.instructions))
		for label, link := range r.instructions {
			all = append(all, ipld.Entry{Key: label, Value: ipld.LinkValue(link)})
		}
		m.add("instructions", ipld.Map(all...))
	}
	if len(r.brings) > 0 {
		all := make([]ipld.Value, len(r.brings))
		for i, link := range r.brings {
			all[i] = ipld.LinkValue(link)
		}
		m.add("brings", ipld.List(all...))
	}
	return ipld.Map(m...)
}

func parseRecord(id ID, v ipld.Value) (*record, error) {
	f := reader{v: v}
	r := &record{Run: f.run()}
	r.ID = id
	if s, ok := v.Lookup("authority"); ok {
		data, isBytes := s.AsBytes()
		r.authority, f.bad = []byte(data), f.bad || !isBytes
	}
	if m, ok := v.Lookup("instructions"); ok {
		r.instructions = make(map[string]ipld.Link, m.Len())
		for _, e := range m.Entries() {
			link, isLink := e.Value.AsLink()
			r.instructions[e.Key], f.bad = link, f.bad || !isLink
		}
	}
	all, _ := v.Lookup("brings")
	for _, e := range all.Elems() {
		link, isLink := e.AsLink()
		r.brings, f.bad = append(r.brings, link), f.bad || !isLink
	}
	if f.bad {
		return nil, fmt.Errorf("workflow %s: %w: %.200s", id.Workflow, errRecord, v)
	}
	return r, nil
}

// Value is ev as a map, without what is zero.
func (ev *Event) Value() ipld.Value {
	var m fields
	m.text("kind", string(ev.Kind))
	m.uint("attempt", ev.At.Attempt)
	m.uint("seq", ev.At.Seq)
	m.text("label", ev.Label)
	if ev.Run != nil {
		m.add("run", ev.Run.Value())
	}
	if ev.Job != nil {
		m.add("job", ev.Job.Value())
	}
	return ipld.Map(m...)
}

// ParseEvent reads what [Event.Value] gave.
func ParseEvent(v ipld.Value) (Event, error) {
	f := reader{v: v}
	ev := Event{
		Kind: EventKind(f.text("kind")), At: Position{Attempt: f.uint("attempt"), Seq: f.uint("seq")}, Label: f.text("label"),
	}
	switch ev.Kind {
	case Started, Ended:
		run, _ := v.Lookup("run")
		r, err := ParseRun(run)
		ev.Run, f.bad = &r, f.bad || err != nil
	case JobSettled:
		job, _ := v.Lookup("job")
		j, err := ParseJob(job)
		ev.Job, f.bad = &j, f.bad || err != nil
	case JobStarted:
	default:
		f.bad = true
	}
	if f.bad {
		return Event{}, fmt.Errorf("%w: event %.200s", errRecord, v)
	}
	return ev, nil
}

// Value is j as a map, without what is zero.
func (j *Job) Value() ipld.Value {
	var m fields
	m.text("label", j.Label)
	m.text("status", string(j.Status))
	m.text("how", string(j.How))
	m.link("task", j.Task.Link)
	m.link("receipt", j.Receipt)
	m.text("kind", string(j.Kind))
	m.text("message", j.Message)
	m.text("upstream", j.Upstream)
	m.flag("handled", j.Handled)
	m.flag("secret", j.Secret)
	m.uint("gas", j.Gas)
	m.time("started", j.Started)
	m.time("ended", j.Ended)
	return ipld.Map(m...)
}

// ParseJob reads what [Job.Value] gave.
func ParseJob(v ipld.Value) (Job, error) {
	f := reader{v: v}
	j := Job{
		Label: f.text("label"), Status: engine.JobStatus(f.text("status")), How: engine.How(f.text("how")),
		Task: task.ID{Link: f.link("task")}, Receipt: f.link("receipt"), Kind: task.Kind(f.text("kind")), Message: f.text("message"),
		Upstream: f.text("upstream"), Handled: f.flag("handled"), Secret: f.flag("secret"), Gas: f.uint("gas"),
		Started: f.time("started"), Ended: f.time("ended"),
	}
	if f.bad || j.Label == "" && v.Kind() != ipld.KindMap {
		return Job{}, fmt.Errorf("%w: job %.200s", errRecord, v)
	}
	return j, nil
}

// fields are the entries of a map of which those that are zero are left out.
type fields []ipld.Entry

func (m *fields) add(key string, v ipld.Value) { *m = append(*m, ipld.Entry{Key: key, Value: v}) }

func (m *fields) text(key, s string) {
	if s != "" {
		m.add(key, ipld.String(s))
	}
}

func (m *fields) uint(key string, n uint64) {
	if n > 0 {
		m.add(key, ipld.Uint(n))
	}
}

func (m *fields) flag(key string, b bool) {
	if b {
		m.add(key, ipld.Bool(true))
	}
}

func (m *fields) link(key string, l ipld.Link) {
	if l.Defined() {
		m.add(key, ipld.LinkValue(l))
	}
}

func (m *fields) time(key string, t time.Time) {
	if !t.IsZero() {
		m.add(key, ipld.Int(t.UnixNano()))
	}
}

// reader reads what fields wrote. bad tells that something was of another kind.
type reader struct {
	v   ipld.Value
	bad bool
}

func read[T any](f *reader, key string, as func(ipld.Value) (T, bool)) (out T) {
	v, ok := f.v.Lookup(key)
	if !ok {
		return out
	}
	out, ok = as(v)
	f.bad = f.bad || !ok
	return out
}

func (f *reader) text(key string) string    { return read(f, key, ipld.Value.AsString) }
func (f *reader) uint(key string) uint64    { return read(f, key, ipld.Value.AsUint64) }
func (f *reader) flag(key string) bool      { return read(f, key, ipld.Value.AsBool) }
func (f *reader) link(key string) ipld.Link { return read(f, key, ipld.Value.AsLink) }

func (f *reader) time(key string) time.Time {
	return read(f, key, func(v ipld.Value) (time.Time, bool) {
		n, ok := v.AsInt64()
		return time.Unix(0, n).UTC(), ok
	})
}
