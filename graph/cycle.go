package graph

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/ipvm-wg/go-ipvm/workflow"
)

// shownEdges bounds how many edges of one cycle a message names.
const shownEdges = 8

// Cycles are the faults of jobs in w that wait for each other. It is for a
// workflow that has other faults too, of which [Build] makes no graph: edges to
// jobs that there are not count for nothing.
func Cycles(w *workflow.Workflow) workflow.FaultList {
	b := newBuilder(w)
	b.connect()
	b.faults = nil
	b.sort()
	return b.faults
}

// reportCycles records one fault for each knot of jobs that wait for each other
// among those that are still waiting when all others are sorted: a shortest
// cycle through the knot's first job in the document.
func (b *builder) reportCycles(waiting []int) {
	var cycles [][]int
	for _, knot := range b.knots(waiting) {
		if cycle := b.cycle(knot); cycle != nil {
			cycles = append(cycles, cycle)
		}
	}
	slices.SortFunc(cycles, func(x, y []int) int { return cmp.Compare(x[0], y[0]) })
	for _, cycle := range cycles {
		b.reportCycle(cycle)
	}
}

// knots are the strongly connected components of the waiting jobs, by Tarjan's
// algorithm without recursion: a cycle may be as long as the document.
func (b *builder) knots(waiting []int) (knots [][]int) {
	type visit struct{ job, next int } // next is the position in deps to follow
	n := len(b.jobs)
	number, low, inKnot := make([]int, n), make([]int, n), make([]bool, n) // number 0 is unseen
	var open []int
	var path []visit
	seen := 0
	enter := func(i int) {
		seen++
		number[i], low[i] = seen, seen
		open, path = append(open, i), append(path, visit{job: i})
	}
	for start := range b.jobs {
		if waiting[start] == 0 || number[start] != 0 {
			continue
		}
		for enter(start); len(path) > 0; {
			at := &path[len(path)-1]
			i := at.job
			if at.next < len(b.deps[i]) {
				d := b.deps[i][at.next]
				at.next++
				switch {
				case waiting[d] == 0 || inKnot[d]:
				case number[d] == 0:
					enter(d)
				default:
					low[i] = min(low[i], number[d])
				}
				continue
			}
			path = path[:len(path)-1]
			if len(path) > 0 {
				parent := path[len(path)-1].job
				low[parent] = min(low[parent], low[i])
			}
			if low[i] == number[i] {
				var knot []int
				for len(knot) == 0 || knot[len(knot)-1] != i {
					top := open[len(open)-1]
					open, knot = open[:len(open)-1], append(knot, top)
					inKnot[top] = true
				}
				knots = append(knots, knot)
			}
		}
	}
	return knots
}

// cycle is a shortest cycle through the first job of knot, beginning there; nil
// when there is none because the knot is a single job that does not wait for
// itself.
func (b *builder) cycle(knot []int) []int {
	first := slices.Min(knot)
	waiter := make(map[int]int, len(knot)) // job → who waits for it, on the way from first
	for _, i := range knot {
		waiter[i] = -1
	}
	for queue := []int{first}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for _, d := range b.deps[i] {
			if w, in := waiter[d]; !in || w >= 0 {
				continue
			}
			waiter[d] = i
			queue = append(queue, d)
		}
	}
	if waiter[first] < 0 {
		return nil
	}
	cycle := []int{first}
	for i := waiter[first]; i != first; i = waiter[i] {
		cycle = append(cycle, i)
	}
	slices.Reverse(cycle[1:])
	return cycle
}

// reportCycle records the cycle in which each job waits for the next and the
// last for the first.
func (b *builder) reportCycle(cycle []int) {
	var names, edges []string
	var at workflow.Pos
	for k, i := range cycle {
		e := b.edge(i, cycle[(k+1)%len(cycle)])
		if k == 0 {
			at = e.Pos
		}
		if k < shownEdges {
			names = append(names, shown(b.jobs[i].Label))
			edges = append(edges, fmt.Sprintf("%s waits for %s at %s", shown(b.jobs[i].Label), shown(e.Promise.Label), e.Pos))
		}
	}
	if more := len(cycle) - shownEdges; more > 0 {
		names = append(names, fmt.Sprintf("… %d more …", more))
		edges = append(edges, fmt.Sprintf("and %d more", more))
	}
	names = append(names, shown(b.jobs[cycle[0]].Label))
	msg := "the jobs wait for each other in a circle: " + strings.Join(names, " → ")
	hint := "remove one of these: " + strings.Join(edges, "; ")
	if len(cycle) == 1 {
		msg = fmt.Sprintf("the job %s waits for itself", names[0])
		hint = "name another job here, or none"
	}
	b.faults = append(b.faults, workflow.Fault{Pos: at, Kind: workflow.Cycle, Msg: msg, Hint: hint})
}

// shown is label as messages have it: as it is, or quoted where it holds what
// can not be printed.
func shown(label string) string {
	if strings.ContainsFunc(label, func(c rune) bool { return !unicode.IsPrint(c) }) {
		return strconv.Quote(label)
	}
	return label
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
