package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// shownEdges bounds how many edges of one cycle a message names.
const shownEdges = 8

// reportCycles records one fault for each cycle among the jobs that are still
// waiting when all others are sorted. Each of these waits, directly or not, for
// a cycle; following one dependency that is still waiting must come round.
func (b *builder) reportCycles(waiting []int) {
	const (
		unseen = iota
		onPath
		done
	)
	state := make([]uint8, len(b.jobs))
	for start := range b.jobs {
		var path []int
		for i := start; waiting[i] > 0 && state[i] != done; {
			if state[i] == onPath {
				b.reportCycle(path[slices.Index(path, i):])
				break
			}
			state[i] = onPath
			path = append(path, i)
			i = b.deps[i][slices.IndexFunc(b.deps[i], func(d int) bool { return waiting[d] > 0 })]
		}
		for _, i := range path {
			state[i] = done
		}
	}
}

// reportCycle records the cycle in which each job waits for the next and the
// last for the first, beginning at the job that comes first in the document.
func (b *builder) reportCycle(cycle []int) {
	first := slices.Index(cycle, slices.Min(cycle))
	cycle = append(slices.Clone(cycle[first:]), cycle[:first]...)
	var names, edges []string
	var at workflow.Pos
	for k, i := range cycle {
		e := b.edge(i, cycle[(k+1)%len(cycle)])
		if k == 0 {
			at = e.Pos
		}
		if k < shownEdges {
			names = append(names, b.jobs[i].Label)
			edges = append(edges, fmt.Sprintf("%s waits for %s at %s", b.jobs[i].Label, e.Promise.Label, e.Pos))
		}
	}
	if more := len(cycle) - shownEdges; more > 0 {
		names = append(names, fmt.Sprintf("… %d more …", more))
		edges = append(edges, fmt.Sprintf("and %d more", more))
	}
	names = append(names, b.jobs[cycle[0]].Label)
	msg := "the jobs wait for each other in a circle: " + strings.Join(names, " → ")
	if len(cycle) == 1 {
		msg = fmt.Sprintf("the job waits for itself: %s", strings.Join(names, " → "))
	}
	b.faults = append(b.faults, workflow.Fault{
		Pos: at, Kind: workflow.Cycle, Msg: msg,
		Hint: "remove one of these promises: " + strings.Join(edges, "; "),
	})
}

// edge is the first promise of job i that names job target.
func (b *builder) edge(i, target int) workflow.Edge {
	for _, e := range b.jobs[i].Edges {
		if b.byLabel[e.Promise.Label] == target {
			return e
		}
	}
	return workflow.Edge{Pos: b.jobs[i].Pos}
}
