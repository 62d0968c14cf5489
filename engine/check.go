package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/wit"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Modules is where what is known of modules comes from; an [*Engine] is one.
type Modules interface {
	Module(ctx context.Context, link ipld.Link) (ModuleInfo, *task.Failure, error)
}

// Check holds every call of g against the function that it calls, as far as
// that is possible before any has run: the module can be used, the function
// exists, the arguments are as many as its parameters and those known now fit,
// and no limit is above most, whose zero fields are [MaxLimits]. It runs
// nothing. An error means that this node could not do its part.
func Check(ctx context.Context, m Modules, g *graph.Graph, most task.Limits) (workflow.FaultList, error) {
	var faults workflow.FaultList
	for i := range g.Len() {
		if g.Workflow().Dialect == workflow.Native {
			faults = append(faults, overLimits(g.Step(i), withDefaults(most, MaxLimits))...)
		}
		fault, err := checkStep(ctx, m, g.Step(i))
		if err != nil {
			return nil, err
		}
		if fault != nil {
			faults = append(faults, *fault)
		}
	}
	slices.SortStableFunc(faults, func(a, b workflow.Fault) int { return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col)) })
	return faults, nil
}

func checkStep(ctx context.Context, m Modules, s *graph.Step) (*workflow.Fault, error) {
	written, err := s.Task.Call()
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", s.Label, err)
	}
	module, _ := written.Module.AsLink()
	about, failure, err := m.Module(ctx, module)
	if err != nil {
		return nil, err
	}
	fault := &workflow.Fault{Pos: s.Job.Pos, Kind: workflow.Invalid}
	if failure != nil {
		fault.Pos = place(s, "with")
		fault.Msg = failure.Message
		fault.Hint = moduleHint(failure.Kind)
		return fault, nil
	}
	fun, err := about.Interface.Find(written.Func)
	if err != nil {
		fault.Pos = place(s, "func")
		fault.Kind, fault.Msg = workflow.Missing, err.Error()
		return fault, nil
	}
	if _, err := fun.Canonical(Arguments(holes(written.Params))); err != nil {
		fault.Pos = place(s, "args")
		fault.Kind, fault.Msg = workflow.Type, err.Error()
		fault.Hint = "the function is " + fun.Signature()
		return fault, nil
	}
	return nil, nil
}

func moduleHint(k task.Kind) string {
	switch k {
	case task.KindNotFound:
		return "import the module with `ipvm block put FILE`, or give its path in `with`"
	case task.KindUnsupported:
		return "`ipvm wasm inspect` shows what a module needs"
	case task.KindMalformed:
		return "`with` must name a WebAssembly component"
	}
	return ""
}

// holes is params with each promise replaced by a link, which fits every type
// unopened, and data unescaped.
func holes(params ipld.Value) ipld.Value {
	v, err := task.MapPromises(params, func(p task.Promise) (ipld.Value, error) {
		return ipld.LinkValue(p.Task.Link), nil
	})
	if err != nil { // the graph was built from well-formed promises
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

// overLimits are the limits of a job that this node does not grant. Documents
// of the other dialect ask for more than anyone has as a matter of course;
// theirs are capped, and the receipt tells what was in force.
func overLimits(s *graph.Step, most task.Limits) (faults []workflow.Fault) {
	want := s.Job.Limits
	over := func(name string, want, most any, flag string) {
		faults = append(faults, workflow.Fault{
			Pos: place(s, name), Kind: workflow.Size,
			Msg:  fmt.Sprintf("the job asks for %s %v, this node grants at most %v", name, want, most),
			Hint: "ask for less, or raise " + flag,
		})
	}
	if want.Gas > most.Gas {
		over("gas", want.Gas, most.Gas, "--max-gas")
	}
	if want.Memory > most.Memory {
		over("memory", want.Memory, most.Memory, "--max-memory")
	}
	if want.Time > most.Time {
		over("time", want.Time, most.Time, "--max-time")
	}
	return faults
}

func place(s *graph.Step, field string) workflow.Pos {
	pos := s.Job.Pos
	pos.Path += "/" + field
	return pos
}
