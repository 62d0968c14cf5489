package graph

import (
	"errors"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// seal computes the normal form and with it the workflow's address. The jobs
// are sorted by label.
func (g *Graph) seal(sorted []int) error {
	data, link, err := ipld.Encode(g.normalValue(sorted))
	if err != nil {
		return fmt.Errorf("workflow: %w", err)
	}
	g.normal = ipld.Block{Link: link, Data: data}
	return nil
}

// Link is the workflow CID (docs/protocol.md, section 7).
func (g *Graph) Link() ipld.Link { return g.normal.Link }

// Normal is the block that [Graph.Link] addresses: the normalised workflow,
// which [workflow.Parse] reads as a document.
func (g *Graph) Normal() ipld.Block { return g.normal }

// ErrNotNormal reports a workflow that is not in its normal form.
var ErrNotNormal = errors.New("the workflow is not in normal form")

// maxNormal bounds a workflow in normal form, in bytes.
const maxNormal = 64 << 20

// FromNormal builds the graph of a workflow in normal form, exactly as
// [Graph.Normal] gave it. The instructions are the identifiers that the
// document's own dialect had for its jobs, by label, which that form leaves out.
func FromNormal(normal []byte, instructions map[string]ipld.Link) (*Graph, error) {
	w, err := workflow.Parse(workflow.Source{Data: normal, Format: workflow.CBOR, MaxBytes: maxNormal, AllowCredentials: true}) // who made it has seen to that
	if err != nil {
		return nil, err
	}
	g, err := Build(w, Options{})
	if err != nil {
		return nil, err
	}
	if string(g.normal.Data) != string(normal) {
		return nil, ErrNotNormal
	}
	for label, link := range instructions {
		i, ok := g.Find(label)
		if !ok {
			return nil, fmt.Errorf("%w: an instruction of the job %q, which there is not", ErrNotNormal, label)
		}
		g.steps[i].Job.Instruction = link
	}
	return g, nil
}

// Instructions are the identifiers that the document's own dialect has for its
// jobs, by label; nil where there are none.
func (g *Graph) Instructions() map[string]ipld.Link {
	var all map[string]ipld.Link
	for i := range g.steps {
		if link := g.steps[i].Job.Instruction; link.Defined() {
			if all == nil {
				all = make(map[string]ipld.Link)
			}
			all[g.steps[i].Label] = link
		}
	}
	return all
}

func (g *Graph) normalValue(sorted []int) ipld.Value {
	jobs := make([]ipld.Entry, len(g.steps))
	runs := make([]ipld.Entry, len(g.steps)) // the maps of the jobs that have nothing else
	for i, job := range sorted {
		s := &g.steps[g.rank[job]]
		runs[i] = ipld.Entry{Key: "run", Value: s.Task.Value()}
		job := appendOrder(appendConfig(runs[i:i+1:i+1], s.Job.Limits, s.Job), s.Job)
		jobs[i] = ipld.Entry{Key: s.Label, Value: ipld.Map(job...)}
	}
	w := g.workflow
	doc := []ipld.Entry{
		{Key: "v", Value: ipld.String(workflow.Version)},
		{Key: "jobs", Value: ipld.Map(jobs...)},
	}
	doc = appendConfig(doc, w.Config, nil)
	if w.Meta.Len() > 0 {
		doc = append(doc, ipld.Entry{Key: "meta", Value: w.Meta})
	}
	if w.Nonce != "" {
		doc = append(doc, ipld.Entry{Key: "nonce", Value: ipld.BytesString(w.Nonce)})
	}
	if w.Parent.Defined() {
		doc = append(doc, ipld.Entry{Key: "parent", Value: ipld.LinkValue(w.Parent)})
	}
	return ipld.Map(ipld.Entry{Key: "ipvm/workflow", Value: ipld.Map(doc...)})
}

// appendOrder appends the labels that j waits for without their result, and those
// that it sets off, each list in canonical key order, its handler,
// and what a node must have for it.
func appendOrder(entries []ipld.Entry, j *workflow.Job) []ipld.Entry {
	var await []string
	for _, e := range j.Edges {
		if e.Kind == workflow.EdgeAwait {
			await = append(await, e.Promise.Label)
		}
	}
	slices.SortFunc(await, ipld.CompareKeys)
	entries = appendLabels(entries, "await", await)
	on := appendLabels(appendLabels(nil, "error", j.On.Error), "success", j.On.Success)
	if len(on) > 0 {
		entries = append(entries, ipld.Entry{Key: "on", Value: ipld.Map(on...)})
	}
	if h := j.Catch; h != nil {
		handler := []ipld.Entry{{Key: "with", Value: ipld.LinkValue(h.Module)}}
		if h.Func != "" {
			handler = append(handler, ipld.Entry{Key: "func", Value: ipld.String(h.Func)})
		}
		entries = append(entries, ipld.Entry{Key: "catch", Value: ipld.Map(handler...)})
	}
	if e := j.Effect; e != nil && e.URI.Kind() == ipld.KindMap { // a promise
		entries = append(entries, ipld.Entry{Key: "scheme", Value: ipld.String(e.Scheme)})
	}
	if len(j.Needs) > 0 {
		entries = append(entries, ipld.Entry{Key: "needs", Value: ipld.Map(appendLabels(nil, "labels", j.Needs)...)})
	}
	return entries
}

func appendLabels(entries []ipld.Entry, key string, labels []string) []ipld.Entry {
	if len(labels) == 0 {
		return entries
	}
	list := make([]ipld.Value, len(labels))
	for i, l := range labels {
		list[i] = ipld.String(l)
	}
	return append(entries, ipld.Entry{Key: key, Value: ipld.List(list...)})
}

// appendConfig appends the config of l, and of job j if it is one, to entries
// unless they ask for nothing.
func appendConfig(entries []ipld.Entry, l task.Limits, j *workflow.Job) []ipld.Entry {
	var config []ipld.Entry
	if l.Gas > 0 {
		config = append(config, ipld.Entry{Key: "gas", Value: ipld.Uint(l.Gas)})
	}
	if l.Memory > 0 {
		config = append(config, ipld.Entry{Key: "memory", Value: ipld.Uint(l.Memory)})
	}
	if l.Time > 0 {
		config = append(config, ipld.Entry{Key: "time", Value: ipld.Int(int64(l.Time))})
	}
	if l.Disk > 0 {
		config = append(config, ipld.Entry{Key: "disk", Value: ipld.Uint(l.Disk)})
	}
	if j != nil {
		config = appendPolicy(config, j)
	}
	if len(config) == 0 {
		return entries
	}
	return append(entries, ipld.Entry{Key: "config", Value: ipld.Map(config...)})
}

// appendPolicy appends what j says of its result and of retries.
func appendPolicy(config []ipld.Entry, j *workflow.Job) []ipld.Entry {
	if j.Secret != workflow.SecretIfTainted {
		config = append(config, ipld.Entry{Key: "secret", Value: ipld.Bool(j.Secret == workflow.SecretAlways)})
	}
	if j.Check != nil && j.Check.Strategy != workflow.Attestation {
		config = append(config, ipld.Entry{Key: "check", Value: j.Check.Value()})
	}
	if j.Retries != nil {
		config = append(config, ipld.Entry{Key: "retries", Value: ipld.Int(int64(*j.Retries))})
	}
	return config
}
