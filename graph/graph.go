package graph

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Graph is a workflow as steps in an order in which they may run: each step
// comes after all that it waits for.
type Graph struct {
	workflow *workflow.Workflow
	owner    did.DID
	steps    []Step
	byLabel  map[string]int
	blocks   []ipld.Block
	normal   ipld.Block
}

// Step is one job of the workflow as the task that it is.
type Step struct {
	Label string
	Job   *workflow.Job
	// Task is the task as written: promises in it name as-written Task IDs.
	Task task.Task
	// ID is the as-written Task ID.
	ID task.ID
	// Deps are the edges from the steps that this one waits for, as a plan has
	// them.
	Deps []plan.Edge
	// Depth is the length of the longest path of promises that leads here.
	Depth int
}

// Options say what a document leaves to whoever submits it.
type Options struct {
	// Owner is the subject of a task that is not pure and whose subject the
	// document leaves open. It is needed only where there is such a task.
	Owner did.DID
}

// Build returns the dataflow graph of w. Steps are sorted by depth, then by
// label in canonical key order. What is wrong with the document, a cycle of
// promises or arguments that are too large, is a [workflow.FaultList].
func Build(w *workflow.Workflow, o Options) (*Graph, error) {
	b := builder{workflow: w, jobs: w.Jobs, byLabel: make(map[string]int, len(w.Jobs))}
	for i := range w.Jobs {
		b.byLabel[w.Jobs[i].Label] = i
	}
	b.connect()
	order := b.sort()
	if len(b.faults) > 0 {
		return nil, b.faults
	}
	g := &Graph{workflow: w, owner: o.Owner, steps: make([]Step, len(order)), byLabel: make(map[string]int, len(order))}
	if err := g.lower(&b, order); err != nil {
		return nil, err
	}
	return g, g.seal()
}

// builder holds what is known of the jobs while they are in document order.
type builder struct {
	workflow *workflow.Workflow
	jobs     []workflow.Job
	byLabel  map[string]int
	edges    [][]plan.Edge
	deps     [][]int // the jobs that edges come from, ascending, each once
	depth    []int
	faults   workflow.FaultList
}

// connect fills in edges and deps from what each job waits for.
func (b *builder) connect() {
	b.edges = make([][]plan.Edge, len(b.jobs))
	b.deps = make([][]int, len(b.jobs))
	for i := range b.jobs {
		for _, e := range b.jobs[i].Edges {
			target, ok := b.byLabel[e.Promise.Label]
			if !ok {
				b.faults = append(b.faults, workflow.Fault{
					Pos: e.Pos, Kind: workflow.BadPromise,
					Msg: fmt.Sprintf("no job is labelled %q", e.Promise.Label),
				})
				continue
			}
			b.edges[i] = append(b.edges[i], planEdge(target, e))
			b.deps[i] = append(b.deps[i], target)
		}
		b.edges[i] = merge(b.edges[i])
		slices.Sort(b.deps[i])
		b.deps[i] = slices.Compact(b.deps[i])
	}
}

// branches are the ways to end that a promise waits for.
var branches = map[task.Branch]plan.Branch{task.AwaitOK: plan.OnOK, task.AwaitError: plan.OnError, task.AwaitAny: plan.OnAny}

func planEdge(from int, e workflow.Edge) plan.Edge {
	out := plan.Edge{From: from, On: branches[e.Promise.Branch]}
	if e.Kind == workflow.EdgeTrigger {
		out.Kind = plan.Trigger
	}
	return out
}

// merge makes one edge of those of one kind from one job: what is awaited twice
// must end as both say, and either of two triggers sets off.
func merge(edges []plan.Edge) []plan.Edge {
	slices.SortStableFunc(edges, func(a, b plan.Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind)) })
	out := edges[:0]
	for _, e := range edges {
		last := len(out) - 1
		switch {
		case last < 0 || out[last].From != e.From || out[last].Kind != e.Kind:
			out = append(out, e)
		case e.Kind == plan.Trigger:
			out[last].On |= e.On
		default:
			out[last].On &= e.On
		}
	}
	return out
}

// sort returns the jobs by depth and label, or records the cycles it found.
func (b *builder) sort() []int {
	n := len(b.jobs)
	waiting := make([]int, n)
	dependants := make([][]int, n)
	for i, deps := range b.deps {
		waiting[i] = len(deps)
		for _, d := range deps {
			dependants[d] = append(dependants[d], i)
		}
	}
	b.depth = make([]int, n)
	order := make([]int, 0, n)
	for i := range n {
		if waiting[i] == 0 {
			order = append(order, i)
		}
	}
	for k := 0; k < len(order); k++ {
		for _, i := range dependants[order[k]] {
			b.depth[i] = max(b.depth[i], b.depth[order[k]]+1)
			if waiting[i]--; waiting[i] == 0 {
				order = append(order, i)
			}
		}
	}
	if len(order) < n {
		b.reportCycles(waiting)
		return nil
	}
	slices.SortFunc(order, func(i, j int) int {
		return cmp.Or(cmp.Compare(b.depth[i], b.depth[j]), ipld.CompareKeys(b.jobs[i].Label, b.jobs[j].Label))
	})
	return order
}

// lower makes each job the task that it is, in order, so that the ID of what a
// promise names is known when the promise is reached.
func (g *Graph) lower(b *builder, order []int) error {
	var faults workflow.FaultList
	for k, i := range order {
		job := &b.jobs[i]
		s := Step{Label: job.Label, Job: job, Depth: b.depth[i]}
		for _, e := range b.edges[i] {
			e.From = g.byLabel[b.jobs[e.From].Label]
			s.Deps = append(s.Deps, e)
		}
		s.Deps = merge(s.Deps)
		g.byLabel[s.Label] = k
		var err error
		if s.Task, err = g.task(job); err == nil {
			s.ID, err = s.Task.ID()
		}
		if err != nil {
			kind := workflow.Type
			if errors.Is(err, task.ErrSize) {
				kind = workflow.Size
			}
			faults = append(faults, workflow.Fault{Pos: job.Pos, Kind: kind, Msg: err.Error()})
		}
		g.steps[k] = s
	}
	if len(faults) > 0 {
		return faults
	}
	return nil
}

// task is job as a task as written.
func (g *Graph) task(job *workflow.Job) (task.Task, error) {
	call := job.Call
	var err error
	if call.Module, err = task.MapPromises(call.Module, g.byID); err != nil {
		return task.Task{}, err
	}
	if call.Params, err = task.MapPromises(call.Params, g.byID); err != nil {
		return task.Task{}, err
	}
	call.Params, err = task.Compact(call.Params, func(b ipld.Block) error {
		g.blocks = append(g.blocks, b)
		return nil
	})
	if err != nil {
		return task.Task{}, err
	}
	switch {
	case job.Subject != "":
		return call.Task(job.Subject, job.Nonce), nil
	case job.Nonce == "":
		return call.Pure(), nil
	case g.owner == "":
		return task.Task{}, errors.New("a job with a nonce needs an owner, and none is known")
	}
	return call.Task(g.owner, job.Nonce), nil
}

// byID is promise p with its label replaced by the as-written ID of the task.
func (g *Graph) byID(p task.Promise) (ipld.Value, error) {
	if p.Label != "" {
		p.Task, p.Label = g.steps[g.byLabel[p.Label]].ID, ""
	}
	return p.Value(), nil
}

// Len is the number of steps.
func (g *Graph) Len() int { return len(g.steps) }

// Step returns step i of [0, Len).
func (g *Graph) Step(i int) *Step { return &g.steps[i] }

// Deps are the edges from the steps that step i waits for, as a plan has them.
func (g *Graph) Deps(i int) []plan.Edge { return g.steps[i].Deps }

// Label is the label of step i.
func (g *Graph) Label(i int) string { return g.steps[i].Label }

// Find returns the step with the given label.
func (g *Graph) Find(label string) (int, bool) {
	i, ok := g.byLabel[label]
	return i, ok
}

// Sinks are the steps whose result no other step takes, ascending: what the
// workflow is for.
func (g *Graph) Sinks() []int {
	awaited := make([]bool, len(g.steps))
	for i := range g.steps {
		for _, e := range g.steps[i].Job.Edges {
			if e.Kind == workflow.EdgePromise {
				awaited[g.byLabel[e.Promise.Label]] = true
			}
		}
	}
	var sinks []int
	for i, a := range awaited {
		if !a {
			sinks = append(sinks, i)
		}
	}
	return sinks
}

// Workflow is what the graph was built from.
func (g *Graph) Workflow() *workflow.Workflow { return g.workflow }

// Blocks are the blocks behind the large bytes that the document held inline.
func (g *Graph) Blocks() []ipld.Block { return g.blocks }
