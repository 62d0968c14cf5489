package engine

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wasm"
	"github.com/ipvm-wg/go-ipvm/wit"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Knowledge is where what is known of modules, and of tasks of other workflows,
// comes from; an [*Engine] is one.
type Knowledge interface {
	Module(ctx context.Context, link ipld.Link) (ModuleInfo, *task.Failure, error)
	Standing(ctx context.Context, ids []task.ID) ([]Standing, error)
}

// Check holds every call of g against the function that it calls, as far as
// that is possible before any has run: the module can be used, the function
// exists, the arguments are as many as its parameters and those known now fit,
// and neither a limit nor the bound of the whole is above what p grants. It
// runs nothing. An error means that this node could not do its part.
//
// A document of Homestar may not await what nothing here has ended or runs.
func Check(ctx context.Context, k Knowledge, g *graph.Graph, p Policy) (workflow.FaultList, error) {
	c := newChecker(k, g.Workflow(), p)
	c.bound(g)
	for i := range g.Len() {
		job := g.Step(i).Job
		c.object(job, p.revelations(g, i))
		if err := c.job(ctx, job); err != nil {
			return nil, err
		}
	}
	if g.Workflow().Dialect == workflow.Homestar {
		if err := c.instructions(ctx, g.Workflow()); err != nil {
			return nil, err
		}
	}
	return workflow.Merge(c.faults), nil
}

// CheckJobs is as much of [Check] as can be said of the jobs of w one by one,
// for a workflow that has faults, so that there is no graph of it. Faulty jobs
// are passed over.
func CheckJobs(ctx context.Context, k Knowledge, w *workflow.Workflow, p Policy) (workflow.FaultList, error) {
	c := newChecker(k, w, p)
	for i := range w.Jobs {
		if w.Jobs[i].Faulty {
			continue
		}
		if err := c.job(ctx, &w.Jobs[i]); err != nil {
			return nil, err
		}
	}
	return workflow.Merge(c.faults), nil
}

// maxFaults bounds the faults that are looked for in one workflow.
const maxFaults = 1000

// checker collects what is wrong with the calls of one workflow.
type checker struct {
	known  Knowledge
	flow   *workflow.Workflow
	labels map[string]bool // of its jobs, once it is asked for them
	policy Policy
	most   task.Limits
	places *workflow.Places
	faults workflow.FaultList
	// handlers are those that were looked at.
	handlers map[workflow.Handler]bool
}

func newChecker(k Knowledge, w *workflow.Workflow, p Policy) *checker {
	return &checker{known: k, flow: w, policy: p, most: p.most(), places: w.Places()}
}

// job looks at job j by itself.
func (c *checker) job(ctx context.Context, j *workflow.Job) error {
	if len(c.faults) >= maxFaults {
		return nil
	}
	if c.flow.Dialect != workflow.Homestar { // theirs are capped
		c.limits(j)
	}
	c.object(j, c.policy.objections(j))
	if err := c.call(ctx, j); err != nil {
		return err
	}
	return c.handler(ctx, j)
}

// object records why j can not be run here.
func (c *checker) object(j *workflow.Job, all []objection) {
	for _, o := range all {
		c.faults = append(c.faults, workflow.Fault{Pos: c.places.Word(j, o.part, o.word), Kind: o.kind, Msg: o.msg, Hint: o.hint})
	}
}

// fault records that a part of job j is wrong; path leads on to where.
func (c *checker) fault(j *workflow.Job, kind workflow.Kind, msg, hint string, part workflow.Part, path ...string) {
	c.faults = append(c.faults, workflow.Fault{Pos: c.places.Of(j, part, path...), Kind: kind, Msg: msg, Hint: hint})
}

// call holds the call of j against its function.
func (c *checker) call(ctx context.Context, j *workflow.Job) error {
	if j.Effect != nil {
		return nil
	}
	module, known := j.Call.Module.AsLink()
	if !known { // the result of another job
		return nil
	}
	about, failure, err := c.known.Module(ctx, module)
	if err != nil {
		return err
	}
	if failure != nil {
		c.fault(j, kindOfFault(failure), failure.Message, moduleHint(failure), workflow.PartModule)
		return nil
	}
	fun, err := about.Interface.Find(j.Call.Func)
	if err != nil {
		c.function(j, err)
		return nil
	}
	params, err := fun.Canonical(Arguments(holes(j.Call.Params)))
	if err == nil && wasm.IsProgram(fun) {
		err = wasm.CheckProgram(params)
	}
	if err != nil {
		c.arguments(j, fun, err)
	}
	return nil
}

// kindOfFault is the fault of a document whose module can not be used.
func kindOfFault(f *task.Failure) workflow.Kind {
	switch f.Kind {
	case task.KindNotFound:
		return workflow.NotFound
	case task.KindLost:
		return workflow.Lost
	case task.KindUnsupported:
		return workflow.Unsupported
	}
	return workflow.Invalid
}

// function reports that the function of j is not there, or not clear.
func (c *checker) function(j *workflow.Job, err error) {
	var none *wit.NotFoundError
	hint := ""
	switch {
	case !errors.As(err, &none):
		hint = "write func: with one of these names"
	case none.Total == 0:
		c.fault(j, workflow.Missing, err.Error(), "build the module so that it exports the function, or name another module", workflow.PartModule)
		return
	default:
		hint = "its functions are " + none.Listed()
		if none.Total == 1 {
			hint = "its only function is " + none.Listed()
		}
		if len(none.Near) > 0 {
			hint = "did you mean " + strings.Join(none.Near, " or ") + "?"
		}
		err = fmt.Errorf("the module has no function %q", none.Name)
	}
	c.fault(j, workflow.Missing, err.Error(), hint, workflow.PartFunc)
}

// arguments reports that the arguments of j do not fit fun.
func (c *checker) arguments(j *workflow.Job, fun wit.Func, err error) {
	hint := "the function is " + fun.Signature()
	if wasm.IsProgram(fun) {
		hint = "a program takes args (list<string>), env (a map), stdin (bytes) and files (a map of paths to bytes); each may be left out"
		if j.Call.Params.Kind() == ipld.KindList {
			hint += ", by null where arguments are given by position"
		}
	}
	var fault *wit.Fault
	if !errors.As(err, &fault) {
		c.fault(j, workflow.Type, err.Error(), hint, workflow.PartArgs)
		return
	}
	if fault.Param == "" {
		c.fault(j, workflow.Type, err.Error(), hint, workflow.PartArgs, entry(fault)...)
		return
	}
	step := fault.Param
	if j.Call.Params.Kind() != ipld.KindMap {
		step = strconv.Itoa(slices.IndexFunc(fun.Params, func(p wit.Field) bool { return p.Name == fault.Param }))
	}
	path := []string{step}
	if fault.Path != "" {
		path = append(path, strings.Split(fault.Path[1:], "/")...)
	}
	if promisedAt(j.Call.Params, path) {
		return // what stands there is not known yet
	}
	if label := c.meant(j, step); label != "" && fault.Path == "" {
		hint = fmt.Sprintf("the result of job %s is {from: %q}, with nothing beside from but out and on", label, label)
	}
	c.fault(j, workflow.Type, err.Error(), hint, workflow.PartArgs, append(path, entry(fault)...)...)
}

// promisedAt tells whether what is at path in the arguments of a job is a
// promise.
func promisedAt(v ipld.Value, path []string) bool {
	for _, step := range path {
		at := ipld.Null
		switch v.Kind() {
		case ipld.KindList:
			if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < v.Len() {
				at = v.Elems()[i]
			}
		case ipld.KindMap:
			for _, e := range v.Entries() {
				if wit.SameWords(e.Key, step) {
					at = e.Value
				}
			}
		}
		v = at
	}
	_, promised, _ := task.AsPromise(v)
	return promised
}

// entry is the last step on the way to what f is about, where that is an entry
// that does not belong there.
func entry(f *wit.Fault) []string {
	if f.Key == "" {
		return nil
	}
	return []string{f.Key}
}

// meant is the label of the job whose result an argument of j seems to be meant
// as, though it is no promise; empty where there is none.
func (c *checker) meant(j *workflow.Job, arg string) string {
	v, _ := j.Call.Params.Lookup(arg)
	elems := j.Call.Params.Elems()
	if i, err := strconv.Atoi(arg); err == nil && i >= 0 && i < len(elems) {
		v = elems[i]
	}
	if from, ok := v.Lookup("from"); ok && v.Len() > 1 { // one alone was meant as it is
		v = from
	}
	text, _ := v.AsString()
	label, _, _ := strings.Cut(strings.Trim(text, "${} "), ".")
	if c.labels == nil {
		c.labels = make(map[string]bool, len(c.flow.Jobs))
		for i := range c.flow.Jobs {
			c.labels[c.flow.Jobs[i].Label] = true
		}
	}
	if !c.labels[label] || label == j.Label {
		return ""
	}
	return label
}

func moduleHint(f *task.Failure) string {
	switch {
	case f.Kind == task.KindNotFound:
		return "import the module with `ipvm block put FILE`, or give its path in `with`; --gateways and --kubo say whom to ask for it"
	case f.Kind == task.KindLost:
		return "import the module again with `ipvm block put FILE`; `ipvm doctor` tells what else is damaged"
	case strings.HasPrefix(f.Message, "the module imports "):
		return "a function may only compute: build the module without these imports"
	case f.Kind == task.KindMalformed:
		return "with: has to name a WebAssembly module or component; `ipvm wasm inspect FILE` tells what a file is"
	}
	return ""
}

// anything is a link for what is not known yet.
var anything = ipld.LinkOf(ipld.CodecRaw, nil)

// holes is params with each promise replaced by a link, which fits every type
// unopened, and data unescaped.
func holes(params ipld.Value) ipld.Value {
	v, err := task.MapPromises(params, func(task.Promise) (ipld.Value, error) { return ipld.LinkValue(anything), nil })
	if err != nil { // the document was read from well-formed promises
		panic(err)
	}
	return task.Unescape(v)
}

// Arguments are the arguments that the params of a call stand for.
func Arguments(params ipld.Value) wit.Args {
	if params.Kind() == ipld.KindMap {
		return wit.Args{Named: params, IsNamed: true}
	}
	return wit.Args{Positional: params.Elems()}
}

// limits reports what job j asks for and this node does not grant.
// Documents of Homestar ask for more than anyone has as a matter of
// course; theirs are capped, and the receipt tells what was in force.
func (c *checker) limits(j *workflow.Job) {
	want := j.Limits
	over := func(part workflow.Part, want, most any) {
		setting := "max-" + string(part)
		if part == workflow.PartMemory && c.most.Memory < withDefaults(c.policy.Max, MaxLimits).Memory {
			setting = "node-memory"
		}
		c.fault(j, workflow.Size, fmt.Sprintf("the job asks for %s %v, this node grants at most %v", part, want, most),
			"ask for less, or raise --"+setting, part)
	}
	if want.Gas > c.most.Gas {
		over(workflow.PartGas, want.Gas, c.most.Gas)
	}
	if want.Memory > c.most.Memory {
		over(workflow.PartMemory, sizeText(want.Memory), sizeText(c.most.Memory))
	}
	if want.Time > c.most.Time {
		over(workflow.PartTime, want.Time, c.most.Time)
	}
	if want.Disk > c.most.Disk {
		over(workflow.PartDisk, sizeText(want.Disk), sizeText(c.most.Disk))
	}
}

// sizeText is a number of bytes for people.
func sizeText(n uint64) string {
	switch {
	case n%(1<<30) == 0:
		return fmt.Sprintf("%d GiB", n>>30)
	case n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// instructions reports promises of instructions that no task of document w has
// and that nothing here has ended or runs.
func (c *checker) instructions(ctx context.Context, w *workflow.Workflow) error {
	var edges []workflow.Edge
	var ids []task.ID
	for i := range w.Jobs {
		for _, e := range w.Jobs[i].Outside {
			edges, ids = append(edges, e), append(ids, e.Promise.Task)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	standings, err := c.known.Standing(ctx, ids)
	if err != nil {
		return err
	}
	hint := candidates(w)
	for i, standing := range standings {
		if standing == Unknown && len(c.faults) < maxFaults {
			c.faults = append(c.faults, workflow.Fault{
				Pos: edges[i].Pos, Kind: workflow.BadPromise, Hint: hint,
				Msg: fmt.Sprintf("waits for the instruction %s, which no task of this document has, and none that this node has run or runs: nothing in reach will ever settle it", ids[i]),
			})
		}
	}
	return nil
}

// candidates names instructions that could be awaited instead.
func candidates(w *workflow.Workflow) string {
	const most = 8
	var b strings.Builder
	b.WriteString("an instruction's CID changes with every byte of it; those of this document are")
	for i := range w.Jobs[:min(len(w.Jobs), most)] {
		fmt.Fprintf(&b, " %s: %s", w.Jobs[i].Label, w.Jobs[i].Instruction)
	}
	if len(w.Jobs) > most {
		b.WriteString(" …")
	}
	return b.String()
}
