package receipt

import (
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// Remembered tells whether an outcome of this kind, of a pure task, may ever
// stand for running the task again: a value, the function's own error, a trap
// with a cause of its own, and the task's own limit on gas or memory reached.
// All else depends on the node or the moment: want of stack does, and a trap
// of unknown cause may.
func (r *Receipt) Remembered() bool {
	if r.Out.OK() {
		return true
	}
	switch f := r.Out.Failure; f.Kind {
	case task.KindGuest, task.KindOutOfGas, task.KindOutOfMemory:
		return true
	case task.KindTrap:
		return f.Trap != task.TrapStackOverflow && f.Trap != task.TrapOther
	}
	return false
}

// ended tells whether the function came to an end of its own, which it then
// has under every limit that lets it get there.
func (r *Receipt) ended() bool {
	return r.Remembered() && (r.Out.OK() || r.Out.Failure.Kind == task.KindGuest || r.Out.Failure.Kind == task.KindTrap)
}

// Answers tells whether r, of a pure task, is what running the task under the
// limits wanted would give (RULES 11–13). The schedule must be the same, and
//
//   - a value or a guest's error counts where the gas used is below the limit
//     wanted and the memory limit is the same;
//   - a trap counts where the gas limit wanted is not below the one it ran
//     under, and the memory limit is the same: the engine counts gas up to the
//     last call before a trap, so that the gas used may be told too low;
//   - out of gas counts for gas limits up to the one tried, and the same memory
//     limit;
//   - out of memory counts for the same memory limit, where the gas used is
//     below the limit wanted. Under a lower limit an earlier request for memory
//     is refused, and the function may do without what it asked for.
//
// Memory limits are compared as [RoundMemory] gives them. In the first three
// cases they may differ where the module's declaredMax, the most memory in
// bytes that it says it can have, fits both: it then never meets either. 0
// means that it declares none; for a module without memory pass 1.
//
// A gas limit of 0 is not one, and nothing answers it.
func (r *Receipt) Answers(want task.Limits, schedule string, declaredMax uint64) bool {
	if !r.Remembered() || r.Schedule != schedule || want.Gas == 0 {
		return false
	}
	memory := RoundMemory(want.Memory)
	sameMemory := memory == r.Limits.Memory || declaredMax != 0 && declaredMax <= min(memory, r.Limits.Memory)
	switch {
	case !r.Out.OK() && r.Out.Failure.Kind == task.KindTrap:
		return want.Gas >= r.Limits.Gas && sameMemory
	case r.ended():
		return r.Gas < want.Gas && sameMemory
	case r.Out.Failure.Kind == task.KindOutOfGas:
		return want.Gas <= r.Limits.Gas && sameMemory
	}
	return r.Gas < want.Gas && memory == r.Limits.Memory
}

// SameOut tells whether r and o hold the same outcome. Gas, limits and the way
// a value is stored play no part.
func (r *Receipt) SameOut(o *Receipt) bool {
	if r.Out.OK() != o.Out.OK() {
		return false
	}
	if f, g := r.Out.Failure, o.Out.Failure; f != nil && (f.Kind != g.Kind || f.Trap != g.Trap) {
		return false
	}
	if r.Boxed.Defined() == o.Boxed.Defined() {
		return r.value().Equal(o.value())
	}
	boxed, inline := r, o
	if o.Boxed.Defined() {
		boxed, inline = o, r
	}
	_, link, err := ipld.Encode(inline.value())
	return err == nil && link == boxed.Boxed
}

// Evidence is a set of receipts of one task: by several executors, and of one
// executor under several limits.
type Evidence []*Signed

// Add returns e with s in it. A receipt that says the same in the name of the
// same executor is there once. It is an error if s is of another task.
func (e Evidence) Add(s *Signed) (Evidence, error) {
	if len(e) > 0 && e[0].Task != s.Task {
		return e, fmt.Errorf("evidence about %s: the receipt is of %s", e[0].Task, s.Task)
	}
	hash := s.SigHash()
	for _, have := range e {
		if have.Executor == s.Executor && have.SigHash() == hash {
			return e, nil
		}
	}
	return append(e[:len(e):len(e)], s), nil
}

// Signers are the executors, each once, in the order of e.
func (e Evidence) Signers() []did.DID {
	var out []did.DID
	for _, s := range e {
		if !slices.Contains(out, s.Executor) {
			out = append(out, s.Executor)
		}
	}
	return out
}

// By are the receipts of one executor.
func (e Evidence) By(executor did.DID) Evidence {
	var out Evidence
	for _, s := range e {
		if s.Executor == executor {
			out = append(out, s)
		}
	}
	return out
}

// Answers are the receipts of one executor that answer: see [Receipt.Answers].
// There is none where the executor contradicts itself about the task.
func (e Evidence) Answers(executor did.DID, want task.Limits, schedule string, declaredMax uint64) Evidence {
	var all Evidence
	own := 0
	for _, s := range e {
		if s.Executor != executor {
			continue
		}
		own++
		if !s.Answers(want, schedule, declaredMax) {
			continue
		}
		if len(all) > 0 && !s.SameOut(&all[0].Receipt) {
			return nil
		}
		all = append(all, s)
	}
	if own > 1 && len(e.By(executor).Conflicts()) > 0 {
		return nil
	}
	return all
}

// Conflict is two receipts that cannot both be true.
type Conflict struct{ A, B *Signed }

// Equivocation tells whether one executor signed both.
func (c Conflict) Equivocation() bool { return c.A.Executor == c.B.Executor }

// limits are what the end of a function depends on, beside its arguments.
type limits struct {
	memory   uint64
	schedule string
}

func (r *Receipt) limits() limits { return limits{r.Limits.Memory, r.Schedule} }

// Conflicts are pairs with different outputs under equal limits: the function
// came to an end of its own in both (a value, its error, or a trap not for
// want of stack), the memory limit and the schedule are the same, and out
// differs. The gas limit plays no part, because a function cannot see it.
//
// Every output that differs from the first under its limits is in a pair, and
// so is every receipt that contradicts another one of its own executor.
func (e Evidence) Conflicts() []Conflict {
	seen := map[limits]Evidence{}
	var out []Conflict
	for _, s := range e {
		if !s.ended() {
			continue
		}
		under := s.limits()
		earlier := seen[under]
		seen[under] = append(earlier, s)
		if other := earlier.contradicting(s); other != nil {
			out = append(out, Conflict{other, s})
		}
	}
	return out
}

// contradicting returns the receipt in e to show beside s: one of the same
// executor with another output, else, if no receipt in e has the output of s,
// the first.
func (e Evidence) contradicting(s *Signed) *Signed {
	known := len(e) == 0
	for _, o := range e {
		switch same := o.SameOut(&s.Receipt); {
		case same:
			known = true
		case o.Executor == s.Executor:
			return o
		}
	}
	if known {
		return nil
	}
	return e[0]
}
