package workflow

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Normalise writes w as a document of the native dialect in YAML, whatever it
// was read from. Read again it is the same workflow with the same Task IDs, and
// is written the same.
//
// Jobs are written as people do, unless one of them has a nonce or a subject, or
// arguments with no spelling in that form: then they are all written as the
// tasks that they are. Written returns the task of a job as the document has it
// (graph.Step.Task); it is asked only then, and where it is nil such a workflow
// is an error. So is what has no native form in YAML at all.
func (w *Workflow) Normalise(written func(label string) task.Task) ([]byte, error) {
	text, err := w.normalise(nil)
	if err == nil || written == nil {
		return text, err
	}
	tasks := make(map[string]task.Task, len(w.Jobs))
	for i := range w.Jobs {
		tasks[w.Jobs[i].Label] = written(w.Jobs[i].Label)
	}
	return w.normalise(tasks)
}

// normalise writes w, its jobs as tasks unless there are none, and reads it
// again to be sure.
func (w *Workflow) normalise(tasks map[string]task.Task) ([]byte, error) {
	n := normaliser{w: w, tasks: tasks}
	n.document()
	if n.text.err != nil {
		return nil, fmt.Errorf("no native form: %w", n.text.err)
	}
	again, err := Parse(Source{Data: n.text.Bytes(), Format: YAML})
	if err != nil {
		return nil, fmt.Errorf("no native form in YAML: %w", err)
	}
	if err := n.same(again); err != nil {
		return nil, fmt.Errorf("no native form: %w", err)
	}
	return n.text.Bytes(), nil
}

type normaliser struct {
	w      *Workflow
	tasks  map[string]task.Task // by label; nil where jobs are written as people do
	text   yamlText
	shared settings // what all jobs have, and no job repeats
	label  string   // of the job being written
}

func (n *normaliser) fail(format string, args ...any) {
	if n.text.err == nil {
		n.text.err = fmt.Errorf("job %s: %w", quote(n.label), fmt.Errorf(format, args...))
	}
}

func (n *normaliser) document() {
	w, y := n.w, &n.text
	if n.tasks != nil {
		y.WriteString("# Tasks: their promises await Task IDs, which are in the comments.\n")
	}
	y.field(0, "v", ipld.String(w.Version))
	if !w.Meta.IsNull() {
		y.field(0, "meta", w.Meta)
	}
	if w.Nonce != "" {
		y.field(0, "nonce", ipld.BytesString(w.Nonce))
	}
	if w.Parent.Defined() {
		y.field(0, "parent", ipld.LinkValue(w.Parent))
	}
	if l := limitEntries(w.Config); len(l) > 0 {
		n.ordered(0, "config", l)
	}
	n.share()
	if l := append(limitEntries(n.shared.Limits), n.shared.policyEntries()...); len(l) > 0 {
		n.ordered(0, "defaults", l)
	}
	if h := n.shared.catch; h != nil {
		n.ordered(0, "catch", handlerEntries(h))
	}
	y.WriteString("jobs:\n")
	for i := range w.Jobs {
		n.job(&w.Jobs[i])
	}
}

// share finds the limits and the handler that several jobs have alike.
func (n *normaliser) share() {
	jobs := n.w.Jobs
	if len(jobs) < 2 {
		return
	}
	s := settings{Limits: jobs[0].Limits, catch: jobs[0].Catch, secret: jobs[0].Secret, check: jobs[0].Check}
	for _, j := range jobs[1:] {
		if j.Limits.Disk != s.Disk {
			s.Disk = 0
		}
		if j.Secret != s.secret {
			s.secret = SecretIfTainted
		}
		if !j.Check.Equal(s.check) {
			s.check = nil
		}
		if j.Limits.Gas != s.Gas {
			s.Gas = 0
		}
		if j.Limits.Memory != s.Memory {
			s.Memory = 0
		}
		if j.Limits.Time != s.Time {
			s.Time = 0
		}
		if !sameHandler(j.Catch, s.catch) {
			s.catch = nil
		}
	}
	n.shared = s
}

func sameHandler(a, b *Handler) bool {
	return a == b || a != nil && b != nil && a.Module == b.Module && a.Func == b.Func
}

func sameRetries(a, b *int) bool { return a == b || a != nil && b != nil && *a == *b }

func (n *normaliser) job(j *Job) {
	n.label = j.Label
	y := &n.text
	y.WriteString("  " + yamlString(j.Label) + ":\n")
	limits := j.Limits
	if n.shared.Gas > 0 {
		limits.Gas = 0
	}
	if n.shared.Memory > 0 {
		limits.Memory = 0
	}
	if n.shared.Time > 0 {
		limits.Time = 0
	}
	if n.shared.Disk > 0 {
		limits.Disk = 0
	}
	own := settings{secret: j.Secret, check: j.Check, retries: j.Retries}
	if n.shared.secret != SecretIfTainted {
		own.secret = SecretIfTainted
	}
	if n.shared.check != nil {
		own.check = nil
	}
	config := append(limitEntries(limits), own.policyEntries()...)
	if n.tasks != nil {
		n.run(j, config)
	} else {
		n.call(j)
		for _, e := range config {
			y.field(4, e.Key, e.Value)
		}
	}
	if await := awaited(j); len(await) > 0 {
		y.field(4, "await", labels(await))
	}
	var on []ipld.Entry
	if len(j.On.Error) > 0 {
		on = append(on, ipld.Entry{Key: "error", Value: labels(j.On.Error)})
	}
	if len(j.On.Success) > 0 {
		on = append(on, ipld.Entry{Key: "success", Value: labels(j.On.Success)})
	}
	if len(on) > 0 {
		n.ordered(4, "on", on)
	}
	if j.Catch != nil && n.shared.catch == nil {
		n.ordered(4, "catch", handlerEntries(j.Catch))
	}
	if len(j.Needs) > 0 {
		n.ordered(4, "needs", []ipld.Entry{{Key: "labels", Value: labels(j.Needs)}})
	}
}

// run writes the job as the task that it is.
func (n *normaliser) run(j *Job, config []ipld.Entry) {
	t := n.tasks[j.Label]
	id, err := t.ID()
	if err != nil {
		n.fail("%w", err)
		return
	}
	fmt.Fprintf(&n.text, "    # %s\n", id)
	n.text.field(4, "run", t.Value())
	if n.promisedURI(j) {
		n.text.field(4, "scheme", ipld.String(j.Effect.Scheme))
	}
	if len(config) > 0 {
		n.ordered(4, "config", config)
	}
}

// call writes what the job calls, as people do.
func (n *normaliser) call(j *Job) {
	if j.Subject != "" || j.Nonce != "" {
		n.fail("a job's own nonce or subject is only in the task that it is")
		return
	}
	y := &n.text
	if j.Effect != nil {
		n.effect(j)
		return
	}
	if p, ok, _ := task.AsPromise(j.Call.Module); ok {
		n.ordered(4, "with", promiseEntries(p))
	} else if link, ok := j.Call.Module.AsLink(); ok {
		y.field(4, "with", ipld.String(link.String()))
	}
	if j.Call.Func != "" {
		y.field(4, "func", ipld.String(j.Call.Func))
	}
	params := j.Call.Params
	switch {
	case params.Kind() == ipld.KindMap:
		y.field(4, "input", ipld.Map(n.entries(params)...))
	case params.Len() > 0:
		y.field(4, "args", n.arg(params))
	}
}

// promisedURI tells whether the URI of j is the result of another job.
func (n *normaliser) promisedURI(j *Job) bool {
	if j.Effect == nil {
		return false
	}
	_, promised, _ := task.AsPromise(j.Effect.URI)
	return promised
}

// effect writes what the job asks of the world, as people do.
func (n *normaliser) effect(j *Job) {
	e, y := j.Effect, &n.text
	y.field(4, "type", ipld.String("effect/1.0"))
	if p, ok, _ := task.AsPromise(e.URI); ok {
		n.ordered(4, "with", promiseEntries(p))
		y.field(4, "scheme", ipld.String(e.Scheme))
	} else {
		y.field(4, "with", e.URI)
	}
	y.field(4, "do", ipld.String(e.Do))
	if j.Call.Params.Len() > 0 {
		y.field(4, "input", ipld.Map(n.entries(j.Call.Params)...))
	}
}

// arg is v as a document has it: promises in the way that people write them,
// and data that would be read otherwise marked as such.
func (n *normaliser) arg(v ipld.Value) ipld.Value {
	switch v.Kind() {
	case ipld.KindList:
		elems := make([]ipld.Value, v.Len())
		for i, e := range v.Elems() {
			elems[i] = n.arg(e)
		}
		return ipld.List(elems...)
	case ipld.KindMap:
		if p, ok, err := task.AsPromise(v); ok && err == nil {
			return ipld.Map(promiseEntries(p)...)
		}
		if e, ok := v.Sole(); ok && e.Key == dataKey {
			return v
		}
		if misread(v) {
			if promises, err := task.Promises(v); err != nil || len(promises) > 0 {
				n.fail("a promise inside data that looks like a promise or a file")
			}
			return ipld.Map(ipld.Entry{Key: dataKey, Value: task.Unescape(v)})
		}
		return ipld.Map(n.entries(v)...)
	}
	return v
}

func (n *normaliser) entries(v ipld.Value) []ipld.Entry {
	entries := make([]ipld.Entry, v.Len())
	for i, e := range v.Entries() {
		entries[i] = ipld.Entry{Key: e.Key, Value: n.arg(e.Value)}
	}
	return entries
}

// dataKey marks data that would be read as something else.
const dataKey = "/data"

// misread tells whether a document gives map v, which is data, a meaning.
func misread(v ipld.Value) bool {
	if e, ok := v.Sole(); ok && e.Key == "file" {
		return true
	}
	keys := make([]key, 0, 3)
	for _, e := range v.Entries() {
		if len(keys) == 3 {
			return false
		}
		keys = append(keys, key{text: e.Key})
	}
	return isPromise(&node{kind: mapNode, keys: keys})
}

// ordered writes a map whose entries are in an order for people.
func (n *normaliser) ordered(indent int, name string, entries []ipld.Entry) {
	n.text.WriteString(strings.Repeat(" ", indent) + name + ": ")
	n.text.flowMap(entries)
	n.text.WriteByte('\n')
}

// promiseEntries is p as people write it.
func promiseEntries(p task.Promise) []ipld.Entry {
	if p.Branch == task.AwaitAny || len(p.Path) > 1 {
		return p.Value().Entries()
	}
	from := ipld.String(p.Label)
	if p.Label == "" {
		from = ipld.LinkValue(p.Task.Link)
	}
	entries := []ipld.Entry{{Key: "from", Value: from}}
	if p.Branch == task.AwaitError {
		entries = append(entries, ipld.Entry{Key: "on", Value: ipld.String("error")})
	}
	for _, s := range p.Path {
		out := ipld.Int(int64(s.Index))
		if s.IsKey {
			out = ipld.String(s.Key)
		}
		entries = append(entries, ipld.Entry{Key: "out", Value: out})
	}
	return entries
}

func limitEntries(l task.Limits) (entries []ipld.Entry) {
	if l.Gas > 0 {
		entries = append(entries, ipld.Entry{Key: "gas", Value: ipld.Uint(l.Gas)})
	}
	if l.Memory > 0 {
		entries = append(entries, ipld.Entry{Key: "memory", Value: memoryValue(l.Memory)})
	}
	if l.Time > 0 {
		entries = append(entries, ipld.Entry{Key: "time", Value: ipld.String(timeText(l.Time))})
	}
	if l.Disk > 0 {
		entries = append(entries, ipld.Entry{Key: "disk", Value: memoryValue(l.Disk)})
	}
	return entries
}

// policyEntries are the settings that are neither limits nor a handler.
func (s *settings) policyEntries() (entries []ipld.Entry) {
	if s.secret != SecretIfTainted {
		entries = append(entries, ipld.Entry{Key: "secret", Value: ipld.Bool(s.secret == SecretAlways)})
	}
	if s.check != nil {
		entries = append(entries, ipld.Entry{Key: "check", Value: s.check.Value()})
	}
	if s.retries != nil {
		entries = append(entries, ipld.Entry{Key: "retries", Value: ipld.Int(int64(*s.retries))})
	}
	return entries
}

// memoryValue is a size in the largest unit of which it is a whole number.
func memoryValue(size uint64) ipld.Value {
	for _, unit := range []string{"GiB", "MiB", "KiB"} {
		if u := uint64(byteUnits.names[strings.ToLower(unit)] / byteUnits.base); size%u == 0 {
			return ipld.String(fmt.Sprintf("%d%s", size/u, unit))
		}
	}
	return ipld.Uint(size)
}

// timeText is a time such as 1h30m, 2s or 1.5ms.
func timeText(d time.Duration) string {
	s := strings.Replace(d.String(), "µ", "u", 1)
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func handlerEntries(h *Handler) []ipld.Entry {
	entries := []ipld.Entry{{Key: "with", Value: ipld.String(h.Module.String())}}
	if h.Func != "" {
		entries = append(entries, ipld.Entry{Key: "func", Value: ipld.String(h.Func)})
	}
	return entries
}

func awaited(j *Job) (labels []string) {
	for _, e := range j.Edges {
		if e.Kind == EdgeAwait {
			labels = append(labels, e.Promise.Label)
		}
	}
	return labels
}

func labels(all []string) ipld.Value {
	list := make([]ipld.Value, len(all))
	for i, l := range all {
		list[i] = ipld.String(l)
	}
	return ipld.List(list...)
}

// same tells in what way again, which was read from the text, is another
// workflow than the one that was written.
func (n *normaliser) same(again *Workflow) error {
	w := n.w
	if len(again.Jobs) != len(w.Jobs) || !again.Meta.Equal(w.Meta) || again.Nonce != w.Nonce || again.Parent != w.Parent || again.Config != w.Config {
		return errors.New("its header would be read as another")
	}
	for i := range w.Jobs {
		a, b := &w.Jobs[i], &again.Jobs[i]
		if a.Label != b.Label || a.Limits != b.Limits || !sameHandler(a.Catch, b.Catch) ||
			!slices.Equal(a.On.Error, b.On.Error) || !slices.Equal(a.On.Success, b.On.Success) || !slices.Equal(a.Needs, b.Needs) ||
			a.Secret != b.Secret || !a.Check.Equal(b.Check) || !sameRetries(a.Retries, b.Retries) || !slices.Equal(awaited(a), awaited(b)) || !n.sameCall(a, b) {
			return fmt.Errorf("job %s would be read as another", quote(a.Label))
		}
	}
	return nil
}

func (n *normaliser) sameCall(a, b *Job) bool {
	if (a.Effect == nil) != (b.Effect == nil) || a.Effect != nil && (a.Effect.Do != b.Effect.Do || a.Effect.Scheme != b.Effect.Scheme || n.tasks == nil && !a.Effect.URI.Equal(b.Effect.URI)) {
		return false
	}
	if n.tasks == nil {
		return a.Subject == b.Subject && a.Nonce == b.Nonce && a.Call.Func == b.Call.Func && a.Call.Module.Equal(b.Call.Module) && a.Call.Params.Equal(b.Call.Params)
	}
	read := *b
	var err1, err2, err3 error
	if e := b.Effect; e != nil {
		byID := *e
		byID.URI, err3 = task.MapPromises(e.URI, n.byID)
		read.Effect = &byID
	}
	read.Call.Module, err1 = task.MapPromises(b.Call.Module, n.byID)
	read.Call.Params, err2 = task.MapPromises(b.Call.Params, n.byID)
	if err1 != nil || err2 != nil || err3 != nil {
		return false
	}
	want, err1 := n.tasks[a.Label].Block()
	got, err2 := read.task().Block()
	return err1 == nil && err2 == nil && bytes.Equal(want.Data, got.Data)
}

// byID replaces the label that p names, if it names one, by the Task ID.
func (n *normaliser) byID(p task.Promise) (ipld.Value, error) {
	if p.Label == "" {
		return p.Value(), nil
	}
	id, err := n.tasks[p.Label].ID()
	p.Label, p.Task = "", id
	return p.Value(), err
}
