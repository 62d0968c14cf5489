package graph

import (
	"cmp"
	"encoding/binary"
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
	byLabel  map[string]int // label → job in the document
	rank     []int          // job in the document → step
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
	// Class says what the task does to the world. An effect of a kind that is
	// not among [Options.Effects] counts as a mutation.
	Class task.Class
	// Kind is the kind of an effect, from [Options.Effects]; nil for an unknown
	// one, and for a function.
	Kind *task.EffectKind
	// Secret tells that the result is for this node alone: the document says
	// so, the kind of effect does, or it depends on a secret.
	Secret bool
	// From is the step that the secret comes from, the nearest on the way: the
	// step itself where it is the source; −1 where there is no secret. A step
	// that is not Secret all the same would reveal it.
	From int
}

// Options say what a document leaves to whoever submits it.
type Options struct {
	// Owner is the subject of a task that is not pure and whose subject the
	// document leaves open. It is needed only where there is such a task.
	Owner did.DID
	// Effects are the kinds of effects whose class is known; see
	// [task.KnownEffects]. That a node can do them is another matter.
	Effects []task.EffectKind
}

// Build returns the dataflow graph of w, which needs a nonce if it has effects
// (docs/protocol.md, "Effects"). Steps are sorted by depth, then by
// label in canonical key order. What is wrong with the document, a cycle of
// promises or arguments that are too large, is a [workflow.FaultList].
func Build(w *workflow.Workflow, o Options) (*Graph, error) {
	b := newBuilder(w)
	b.connect()
	order := b.sort()
	if len(b.faults) > 0 {
		return nil, b.faults
	}
	g := &Graph{workflow: w, owner: o.Owner, steps: make([]Step, len(order)), byLabel: b.byLabel, rank: make([]int, len(order))}
	if err := g.lower(b, order); err != nil {
		return nil, err
	}
	if faults := g.ambiguous(); len(faults) > 0 {
		return nil, faults
	}
	if faults := g.ownTasks(); len(faults) > 0 {
		return nil, faults
	}
	g.classify(o.Effects)
	g.inTurn()
	g.taint()
	return g, g.seal(b.sorted)
}

// builder holds what is known of the jobs while they are in document order.
type builder struct {
	jobs    []workflow.Job
	byLabel map[string]int
	targets [][]int // the jobs that each job's Edges name
	edges   [][]plan.Edge
	deps    [][]int // the jobs that edges come from, ascending, each once
	depth   []int
	sorted  []int // all jobs by label in canonical key order
	faults  workflow.FaultList
}

func newBuilder(w *workflow.Workflow) *builder {
	b := &builder{jobs: w.Jobs, byLabel: make(map[string]int, len(w.Jobs))}
	for i := range w.Jobs {
		b.byLabel[w.Jobs[i].Label] = i
	}
	return b
}

// connect fills in edges and deps from what each job waits for.
func (b *builder) connect() {
	n := 0
	for i := range b.jobs {
		n += len(b.jobs[i].Edges)
	}
	edges, targets := make([]plan.Edge, 0, n), make([]int, 0, 2*n) // room for those of all jobs
	b.targets = make([][]int, len(b.jobs))
	b.edges = make([][]plan.Edge, len(b.jobs))
	b.deps = make([][]int, len(b.jobs))
	for i := range b.jobs {
		first, start := len(edges), len(targets)
		for _, e := range b.jobs[i].Edges {
			target, ok := b.byLabel[e.Promise.Label]
			if !ok {
				b.faults = append(b.faults, workflow.Fault{
					Pos: e.Pos, Kind: workflow.BadPromise,
					Msg: fmt.Sprintf("no job is labelled %q", e.Promise.Label),
				})
				continue
			}
			edges, targets = append(edges, planEdge(target, e)), append(targets, target)
		}
		b.edges[i] = slices.Clip(merge(edges[first:]))
		b.targets[i] = targets[start:len(targets):len(targets)]
		targets = append(targets, b.targets[i]...)
		b.deps[i] = targets[start+len(b.targets[i]):]
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
	sortEdges(edges)
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

func sortEdges(edges []plan.Edge) {
	slices.SortFunc(edges, func(a, b plan.Edge) int { return cmp.Or(cmp.Compare(a.From, b.From), cmp.Compare(a.Kind, b.Kind)) })
}

// sort returns the jobs by depth and label, or records the cycles it found.
func (b *builder) sort() []int {
	n := len(b.jobs)
	waiting := make([]int, n)
	first, dependants := b.dependants()
	b.depth = make([]int, n)
	order := make([]int, 0, n)
	for i, deps := range b.deps {
		if waiting[i] = len(deps); len(deps) == 0 {
			order = append(order, i)
		}
	}
	for k := 0; k < len(order); k++ {
		at := order[k]
		for _, i := range dependants[first[at]:first[at+1]] {
			b.depth[i] = max(b.depth[i], b.depth[at]+1)
			if waiting[i]--; waiting[i] == 0 {
				order = append(order, i)
			}
		}
	}
	if len(order) < n {
		b.reportCycles(waiting)
		return nil
	}
	b.sortLabels()
	return b.byDepth()
}

// byDepth is the jobs by depth, then by label.
func (b *builder) byDepth() []int {
	first := make([]int, len(b.jobs)+1) // per depth: where its jobs begin
	for _, d := range b.depth {
		first[d+1]++
	}
	for d := 1; d < len(first); d++ {
		first[d] += first[d-1]
	}
	order := make([]int, len(b.jobs))
	for _, i := range b.sorted {
		d := b.depth[i]
		order[first[d]] = i
		first[d]++
	}
	return order
}

// dependants are the jobs that wait for each job: those of job i from first[i]
// to first[i+1].
func (b *builder) dependants() (first, dependants []int) {
	first = make([]int, len(b.jobs)+1)
	for _, deps := range b.deps {
		for _, d := range deps {
			first[d]++
		}
	}
	end := 0
	for i, n := range first {
		end += n
		first[i] = end
	}
	dependants = make([]int, end)
	for i := len(b.deps) - 1; i >= 0; i-- { // backwards, which moves first from the ends to the starts
		for _, d := range b.deps[i] {
			first[d]--
			dependants[first[d]] = i
		}
	}
	return first, dependants
}

// sortLabels fills in sorted. What is compared lies side by side: going to each
// label would take most of the time.
func (b *builder) sortLabels() {
	type key struct {
		length int
		start  uint64 // of the label, its first byte highest
		job    int
	}
	keys := make([]key, len(b.jobs))
	for i := range b.jobs {
		var start [8]byte
		copy(start[:], b.jobs[i].Label)
		keys[i] = key{len(b.jobs[i].Label), binary.BigEndian.Uint64(start[:]), i}
	}
	slices.SortFunc(keys, func(x, y key) int {
		switch {
		case x.length != y.length:
			return cmp.Compare(x.length, y.length)
		case x.start != y.start:
			return cmp.Compare(x.start, y.start)
		}
		return ipld.CompareKeys(b.jobs[x.job].Label, b.jobs[y.job].Label)
	})
	b.sorted = make([]int, len(keys))
	for k := range keys {
		b.sorted[k] = keys[k].job
	}
}

// lower makes each job the task that it is, when the tasks that its promises
// name are known. It follows the document, whose jobs lie side by side in
// memory; jobs that were written above what they wait for come last, in order.
func (g *Graph) lower(b *builder, order []int) error {
	for k, i := range order {
		g.rank[i] = k
	}
	l := lowering{Graph: g, places: g.workflow.Places()}
	done := make([]bool, len(order))
	for i, deps := range b.deps {
		if done[i] = !slices.ContainsFunc(deps, func(d int) bool { return !done[d] }); done[i] {
			l.job(b, i)
		}
	}
	for _, i := range order {
		if !done[i] {
			l.job(b, i)
		}
	}
	if len(l.faults) > 0 {
		return l.faults
	}
	return nil
}

// lowering is the state of [Graph.lower].
type lowering struct {
	*Graph
	places     *workflow.Places
	faults     workflow.FaultList
	lacksNonce bool // was reported
}

// job fills in the step of job i.
func (l *lowering) job(b *builder, i int) {
	job, s := &b.jobs[i], &l.steps[l.rank[i]]
	s.Label, s.Job, s.Deps, s.Depth = job.Label, job, b.edges[i], b.depth[i]
	for d := range s.Deps {
		s.Deps[d].From = l.rank[s.Deps[d].From]
	}
	sortEdges(s.Deps)
	var err error
	if s.Task, err = l.task(job, b.targets[i]); err == nil {
		s.ID, err = s.Task.ID()
	}
	if err == nil {
		return
	}
	noNonce := errors.Is(err, errNoNonce)
	if reported := noNonce && l.lacksNonce || l.missesID(b.targets[i]); !reported {
		l.faults = append(l.faults, noTask(job, l.places, err))
	}
	l.lacksNonce = l.lacksNonce || noNonce
}

// noTask says why job can not become a task.
func noTask(job *workflow.Job, places *workflow.Places, err error) workflow.Fault {
	f := workflow.Fault{Pos: job.Pos, Kind: workflow.Type, Msg: err.Error()}
	switch {
	case errors.Is(err, task.ErrSize):
		f.Kind, f.Pos = workflow.Size, places.Of(job, workflow.PartArgs)
		f.Hint = "put large data into a file, {file: ./data.txt}, and gather many results in several jobs"
	case errors.Is(err, errNoNonce):
		f.Kind, f.Hint = workflow.Missing, `add nonce: {"/": {"bytes": …}} to the header, 22 characters of base64`
	}
	return f
}

// missesID tells whether one of jobs, which come earlier in the order, could
// not become a task.
func (g *Graph) missesID(jobs []int) bool {
	return slices.ContainsFunc(jobs, func(i int) bool { return !g.steps[g.rank[i]].ID.Defined() })
}

// task is job, whose edges name the jobs targets, as a task as written.
func (g *Graph) task(job *workflow.Job, targets []int) (task.Task, error) {
	call := job.Call
	next := 0 // promises mostly come in the order of the edges
	byID := func(p task.Promise) (ipld.Value, error) {
		switch {
		case p.Label == "":
			return p.Value(), nil
		case next < len(targets) && job.Edges[next].Promise.Label == p.Label:
			p.Task = g.steps[g.rank[targets[next]]].ID
		default:
			p.Task = g.steps[g.rank[g.byLabel[p.Label]]].ID
		}
		next++
		p.Label = ""
		return p.Value(), nil
	}
	var err error
	if job.Effect != nil {
		return g.effect(job, byID)
	}
	if len(job.Edges) > 0 || len(job.Outside) > 0 { // else there are no promises
		if call.Module, err = task.MapPromises(call.Module, byID); err != nil {
			return task.Task{}, err
		}
		if call.Params, err = task.MapPromises(call.Params, byID); err != nil {
			return task.Task{}, err
		}
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
	job, ok := g.byLabel[label]
	if !ok {
		return 0, false
	}
	return g.rank[job], true
}

// Sinks are the steps whose result no other step takes, ascending: what the
// workflow is for.
func (g *Graph) Sinks() []int {
	awaited := make([]bool, len(g.steps))
	for i := range g.steps {
		for _, e := range g.steps[i].Job.Edges {
			if e.Kind == workflow.EdgePromise {
				awaited[g.rank[g.byLabel[e.Promise.Label]]] = true
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

// Held are the links of all blocks that came within the document: modules and
// large bytes. Who has it only in its normal form finds none.
func (g *Graph) Held() (links []ipld.Link) {
	for _, all := range [][]ipld.Block{g.workflow.Blocks, g.blocks} {
		for _, b := range all {
			links = append(links, b.Link)
		}
	}
	return links
}
