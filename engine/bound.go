package engine

import (
	"fmt"
	"math"
	"math/bits"
	"sync"
	"time"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/receipt"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// Bound is the most that a run of a workflow can use. There is one for every
// workflow: the graph has no cycles, each job and each handler runs at most
// once, and each has limits (specification, section 2). Waiting for a worker
// and the compiling of modules, which has a limit of its own, are not in it.
type Bound struct {
	// Gas is that of all jobs and handlers; the largest number where it is more.
	Gas uint64
	// Time is how long all of them take one after the other, with what they wait
	// for tasks of other workflows.
	Time time.Duration
	// Longest is how long the longest chain of jobs takes that wait for one
	// another: the time when there are workers enough.
	Longest time.Duration
}

// BoundOf is the bound of g under the limits of a node. A handler may send a
// job to wait for any other, so with handlers the longest chain is all of them.
func BoundOf(g *graph.Graph, p Policy) Bound {
	var b Bound
	var gas, over uint64
	handlers := false
	longest := make([]time.Duration, g.Len())
	for i := range g.Len() {
		s := g.Step(i)
		l := p.Limits(s.Job.Limits)
		if s.Job.Effect != nil {
			l.Gas = 0
		}
		calls := uint64(1)
		if s.Job.Catch != nil {
			handlers, calls = true, 2
		}
		if s.Class == task.ClassQuery {
			calls += retries(s.Job)
		}
		if len(s.Job.Outside) > 0 { // it may wait for as long as it may run
			b.Time = add(b.Time, l.Time)
			longest[i] = l.Time
		}
		for range calls {
			var carry uint64
			gas, carry = bits.Add64(gas, l.Gas, 0)
			over += carry
			b.Time = add(b.Time, l.Time)
		}
		before := time.Duration(0)
		for _, d := range s.Deps {
			before = max(before, longest[d.From])
		}
		longest[i] = add(longest[i], before)
		for range calls {
			longest[i] = add(longest[i], l.Time)
		}
		b.Longest = max(b.Longest, longest[i])
	}
	if b.Gas = gas; over > 0 {
		b.Gas = math.MaxUint64
	}
	if handlers {
		b.Longest = b.Time
	}
	if most := g.Workflow().Config.Time; most > 0 {
		b.Time, b.Longest = min(b.Time, most), min(b.Longest, most)
	}
	return b
}

// DefaultRetries is how often a query is tried again that does not say.
const DefaultRetries = 3

func retries(j *workflow.Job) uint64 {
	if j.Retries != nil {
		return uint64(*j.Retries)
	}
	return DefaultRetries
}

// addGas is a and b together, or the largest number there is.
func addGas(a, b uint64) uint64 {
	sum, carry := bits.Add64(a, b, 0)
	if carry > 0 {
		return math.MaxUint64
	}
	return sum
}

// add is a and b together, or the longest time there is.
func add(a, b time.Duration) time.Duration {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// Policy is what a node gives and grants. Its zero fields mean the defaults
// they name.
type Policy struct {
	// Defaults are the limits of a job that names none; see [DefaultLimits].
	Defaults task.Limits
	// Max caps the limits of every job; see [MaxLimits].
	Max task.Limits
	// Memory bounds what all functions that run at once may take together: each
	// counts with its limit. No job can have more. It is at least 64 MiB; 0 is
	// [DefaultMemory].
	Memory uint64
	// MaxGas and MaxTime are the highest bounds that a workflow may have, over
	// all its jobs, one after the other; 0 is no bound.
	MaxGas  uint64
	MaxTime time.Duration
	// Labels are what this node has, for jobs that need it: hardware, a place,
	// an environment that is trusted. Nobody checks them but who sets them.
	Labels []string
}

// DefaultMemory is half of what the machine has, or the control group that the
// process is in, in whole MiB; 2 GiB where neither is known.
var DefaultMemory = sync.OnceValue(func() uint64 {
	has := machineMemory()
	if has == 0 {
		has = 4 << 30
	}
	return has / 2 >> 20 << 20
})

// Limits are the limits in force for a job that asks for want: what it leaves
// open is filled in from the defaults, and nothing is above the highest. The
// memory is rounded as receipts have it.
func (p Policy) Limits(want task.Limits) task.Limits {
	want = withDefaults(withDefaults(want, p.Defaults), DefaultLimits)
	most := p.most()
	return task.Limits{
		Gas:    min(want.Gas, most.Gas),
		Memory: min(receipt.RoundMemory(want.Memory), receipt.RoundMemory(most.Memory)),
		Time:   min(want.Time, most.Time),
		Disk:   min(want.Disk, most.Disk),
	}
}

// most are the highest limits that a job can have.
func (p Policy) most() task.Limits {
	most := withDefaults(p.Max, MaxLimits)
	most.Memory = min(most.Memory, 1<<(bits.Len64(p.memory())-1)) // it is not rounded up beyond the bound
	return most
}

// memory is the bound of all functions that run at once.
func (p Policy) memory() uint64 {
	m := p.Memory
	if m == 0 {
		m = DefaultMemory()
	}
	return max(m, receipt.RoundMemory(0))
}

// refuse says why a workflow of bound b is not granted, and what to do; empty
// when it is.
func (p Policy) refuse(b Bound) (why, hint string) {
	const ask = "ask for less in its jobs or in defaults, or raise --max-workflow-"
	switch {
	case p.MaxGas > 0 && b.Gas > p.MaxGas:
		return fmt.Sprintf("the workflow may use %d gas, this node grants a workflow at most %d", b.Gas, p.MaxGas), ask + "gas"
	case p.MaxTime > 0 && b.Time > p.MaxTime:
		return fmt.Sprintf("the workflow may compute for %v, this node grants a workflow at most %v", b.Time, p.MaxTime), ask + "time"
	}
	return "", ""
}

// bound reports a workflow that may use more than this node grants.
func (c *checker) bound(g *graph.Graph) {
	if why, hint := c.policy.refuse(BoundOf(g, c.policy)); why != "" {
		c.faults = append(c.faults, workflow.Fault{Pos: c.places.Whole(), Kind: workflow.Size, Msg: why, Hint: hint})
	}
}
