package graph

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// ambiguous reports the promises of a task that is several jobs, twins, which
// come to their ends under different conditions. In the normal form a promise
// names the task, which would not tell the job that is meant.
func (g *Graph) ambiguous() (faults workflow.FaultList) {
	first := make(map[task.ID]int, len(g.steps))
	var twins map[task.ID]int // of each such task, the first step that differs from the first
	for i := range g.steps {
		s := &g.steps[i]
		k, seen := first[s.ID]
		if !seen {
			first[s.ID] = i
			continue
		}
		if _, known := twins[s.ID]; !known && !sameConditions(g.steps[k].Job, s.Job) {
			if twins == nil {
				twins = make(map[task.ID]int)
			}
			twins[s.ID] = i
		}
	}
	if twins == nil {
		return nil
	}
	for i := range g.workflow.Jobs {
		for _, e := range g.workflow.Jobs[i].Edges {
			if e.Kind != workflow.EdgePromise {
				continue
			}
			target := &g.steps[g.rank[g.byLabel[e.Promise.Label]]]
			twin, ok := twins[target.ID]
			if !ok {
				continue
			}
			other := g.steps[twin].Label
			if other == target.Label {
				other = g.steps[first[target.ID]].Label
			}
			faults = append(faults, workflow.Fault{
				Pos: e.Pos, Kind: workflow.BadPromise,
				Msg:  fmt.Sprintf("%q makes the same call as %q under other conditions, so that it is not clear whose result is meant", target.Label, other),
				Hint: "merge the two, or let them have the same limits, secret, check, catch, await and on",
			})
		}
	}
	return faults
}

// sameConditions tells whether two jobs of one task come to the same end: under
// the same limits, with the same handler, after the same jobs.
func sameConditions(a, b *workflow.Job) bool {
	if a.Limits != b.Limits || a.Secret != b.Secret || !a.Check.Equal(b.Check) || (a.Catch == nil) != (b.Catch == nil) || !slices.Equal(conditions(a), conditions(b)) {
		return false
	}
	return a.Catch == nil || a.Catch.Module == b.Catch.Module && a.Catch.Func == b.Catch.Func
}

// condition is an edge that is no promise.
type condition struct {
	kind   workflow.EdgeKind
	branch task.Branch
	label  string
}

func conditions(j *workflow.Job) (all []condition) {
	for _, e := range j.Edges {
		if e.Kind != workflow.EdgePromise {
			all = append(all, condition{e.Kind, e.Promise.Branch, e.Promise.Label})
		}
	}
	slices.SortFunc(all, func(a, b condition) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.branch, b.branch), cmp.Compare(a.label, b.label))
	})
	return all
}
