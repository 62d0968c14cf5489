package authority

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ipvm-wg/go-ipvm/engine"
	"github.com/ipvm-wg/go-ipvm/grant"
	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Demand is what a workflow may use and call at most (docs/protocol.md,
// "Submission").
type Demand struct {
	Workflow ipld.Link
	// Gas and Time are those of all tasks together, one after the other.
	Gas  uint64
	Time time.Duration
	// Memory is the most that one task may have, in bytes.
	Memory uint64
	// Tasks is how many there are, handlers included.
	Tasks int
	// Functions are what is called, handlers included, each once, sorted.
	Functions []Function
	// Effects are what is asked of the world, each once, sorted.
	Effects []Effect
}

// Function is one function of a module.
type Function struct {
	Module ipld.Link // undefined where the module is the result of a task
	// Name is as the workflow has it; empty is the only function of the module.
	Name string
}

// Effect is one ability on one URI.
type Effect struct {
	URI string // empty where it is the result of a task
	Do  string
}

// DemandOf is what g may use under the limits of p.
func DemandOf(g *graph.Graph, p engine.Policy) Demand {
	b := engine.BoundOf(g, p)
	d := Demand{Workflow: g.Link(), Gas: b.Gas, Time: b.Time, Tasks: g.Len()}
	for i := range g.Len() {
		job := g.Step(i).Job
		d.Memory = max(d.Memory, p.Limits(job.Limits).Memory)
		if job.Effect != nil {
			uri, _ := job.Effect.URI.AsString()
			d.Effects = append(d.Effects, Effect{uri, job.Effect.Do})
		} else {
			module, _ := job.Call.Module.AsLink()
			d.Functions = append(d.Functions, Function{module, job.Call.Func})
		}
		if h := job.Catch; h != nil {
			d.Functions = append(d.Functions, Function{h.Module, h.Func})
			d.Tasks++
		}
	}
	d.sort()
	return d
}

func (d *Demand) sort() {
	slices.SortFunc(d.Functions, func(a, b Function) int {
		return cmp.Or(cmp.Compare(a.Module.Key(), b.Module.Key()), cmp.Compare(a.Name, b.Name))
	})
	d.Functions = slices.Compact(d.Functions)
	slices.SortFunc(d.Effects, func(a, b Effect) int { return cmp.Or(cmp.Compare(a.URI, b.URI), cmp.Compare(a.Do, b.Do)) })
	d.Effects = slices.Compact(d.Effects)
}

// Value is d as the arguments of an invocation.
func (d Demand) Value() ipld.Value {
	functions := make([]ipld.Value, len(d.Functions))
	for i, f := range d.Functions {
		functions[i] = f.value()
	}
	effects := make([]ipld.Value, len(d.Effects))
	for i, e := range d.Effects {
		uri := ipld.Null
		if e.URI != "" {
			uri = ipld.String(e.URI)
		}
		effects[i] = ipld.Map(ipld.Entry{Key: "do", Value: ipld.String(e.Do)}, ipld.Entry{Key: "uri", Value: uri})
	}
	return ipld.Map(
		ipld.Entry{Key: "gas", Value: ipld.Uint(d.Gas)},
		ipld.Entry{Key: "time", Value: ipld.Int(int64(d.Time))},
		ipld.Entry{Key: "tasks", Value: ipld.Int(int64(d.Tasks))},
		ipld.Entry{Key: "memory", Value: ipld.Uint(d.Memory)},
		ipld.Entry{Key: "effects", Value: ipld.List(effects...)},
		ipld.Entry{Key: "workflow", Value: ipld.LinkValue(d.Workflow)},
		ipld.Entry{Key: "functions", Value: ipld.List(functions...)},
	)
}

func (f Function) value() ipld.Value {
	module := ipld.Null
	if f.Module.Defined() {
		module = ipld.LinkValue(f.Module)
	}
	return ipld.Map(ipld.Entry{Key: "fun", Value: ipld.String(f.Name)}, ipld.Entry{Key: "mod", Value: module})
}

// ParseDemand reads what [Demand.Value] gives, exactly.
func ParseDemand(v ipld.Value) (Demand, error) {
	var d Demand
	for _, e := range v.Entries() {
		var ok bool
		switch e.Key {
		case "gas":
			d.Gas, ok = e.Value.AsUint64()
		case "memory":
			d.Memory, ok = e.Value.AsUint64()
		case "time":
			var n int64
			n, ok = e.Value.AsInt64()
			d.Time, ok = time.Duration(n), ok && n >= 0
		case "tasks":
			var n int64
			n, ok = e.Value.AsInt64()
			d.Tasks, ok = int(n), ok && n >= 0 && n < 1<<31
		case "workflow":
			d.Workflow, ok = e.Value.AsLink()
		case "functions":
			d.Functions, ok = list(e.Value, parseFunction)
		case "effects":
			d.Effects, ok = list(e.Value, parseEffect)
		}
		if !ok {
			return d, fmt.Errorf("args: %.40q is not what %s has there", e.Key, grant.RunCommand)
		}
	}
	if v.Kind() != ipld.KindMap || v.Len() != 7 {
		return d, errors.New("args: not a map of workflow, gas, memory, time, tasks, functions and effects")
	}
	d.sort()
	return d, nil
}

func list[T any](v ipld.Value, parse func(ipld.Value) (T, bool)) (all []T, ok bool) {
	if v.Kind() != ipld.KindList {
		return nil, false
	}
	for _, e := range v.Elems() {
		one, ok := parse(e)
		if !ok {
			return nil, false
		}
		all = append(all, one)
	}
	return all, true
}

func parseFunction(v ipld.Value) (f Function, ok bool) {
	module, has := v.Lookup("mod")
	name, _ := v.Lookup("fun")
	f.Name, ok = name.AsString()
	if !module.IsNull() {
		var isLink bool
		f.Module, isLink = module.AsLink()
		ok = ok && isLink
	}
	return f, ok && has && v.Len() == 2
}

func parseEffect(v ipld.Value) (e Effect, ok bool) {
	uri, has := v.Lookup("uri")
	do, _ := v.Lookup("do")
	e.Do, ok = do.AsString()
	if !uri.IsNull() {
		var isText bool
		e.URI, isText = uri.AsString()
		ok = ok && isText && e.URI != ""
	}
	return e, ok && has && v.Len() == 2
}

// beyond says in what d is more than allowed; empty when it is not.
func (d Demand) beyond(allowed Demand) string {
	const more = "the workflow may use %s of %v, and the invocation asks for %v"
	switch {
	case d.Workflow != allowed.Workflow:
		return fmt.Sprintf("the invocation is about the workflow %s, and this is %s", allowed.Workflow, d.Workflow)
	case d.Gas > allowed.Gas:
		return fmt.Sprintf(more, "gas", d.Gas, allowed.Gas)
	case d.Memory > allowed.Memory:
		return fmt.Sprintf(more, "memory", d.Memory, allowed.Memory)
	case d.Time > allowed.Time:
		return fmt.Sprintf(more, "time", d.Time, allowed.Time)
	case d.Tasks > allowed.Tasks:
		return fmt.Sprintf("the workflow has %d tasks, and the invocation asks for %d", d.Tasks, allowed.Tasks)
	}
	for _, f := range d.Functions {
		if !slices.Contains(allowed.Functions, f) {
			return fmt.Sprintf("the workflow calls %s, for which the invocation does not ask", f)
		}
	}
	for _, e := range d.Effects {
		if !slices.Contains(allowed.Effects, e) {
			return fmt.Sprintf("the workflow does %s on %s, for which the invocation does not ask", e.Do, cmp.Or(e.URI, "what a job says"))
		}
	}
	return ""
}

// String is the function for people.
func (f Function) String() string {
	name, module := "the only function", "a module that a job makes"
	if f.Name != "" {
		name = fmt.Sprintf("the function %.100q", f.Name)
	}
	if f.Module.Defined() {
		module = f.Module.String()
	}
	return name + " of " + module
}

// called is d with the function that a task calls in the place of the promised
// one that stands for it.
func (d Demand) called(f Function) (Demand, *task.Failure) {
	if slices.Contains(d.Functions, f) {
		return d, nil
	}
	i := slices.Index(d.Functions, Function{Name: f.Name})
	if i < 0 {
		return d, task.Failf(task.KindDenied, "the task calls %s, for which the invocation does not ask", f)
	}
	d.Functions = slices.Clone(d.Functions)
	d.Functions[i] = f
	return d, nil
}
