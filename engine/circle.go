package engine

import (
	"fmt"
	"hash/maphash"
	"sync/atomic"

	"github.com/ipvm-wg/go-ipvm/store"
	"github.com/ipvm-wg/go-ipvm/task"
)

// circle is where the workflows of one principal hear of each other's tasks: what
// these are called, what they came to, and that they run. It is told of none that
// is a secret.
type circle struct {
	Memory  // of what is no secret, as is put
	put     func(store.Batch) error
	flights *flights
	waits   waits
	kept    kept
	// modules are those that a guest has had: that is not taken back.
	modules links
	// runs are those that go on, and that tell; under the engine's mu.
	runs map[*run]struct{}
}

func newCircle(m Memory, put func(store.Batch) error, f *flights) *circle {
	return &circle{Memory: m, put: put, flights: f, kept: kept{seed: maphash.MakeSeed()}, runs: make(map[*run]struct{})}
}

// maxNames bounds the IDs of one task: an instruction of Homestar, the task as
// written, and as resolved.
const maxNames = 3

// names are the IDs under which a task is known in m that is asked for as id:
// itself first. Each is given to met before m is asked for the next.
func names(m Memory, id task.ID, met func(name task.ID)) ([]task.ID, error) {
	met(id)
	names := []task.ID{id}
	for len(names) < maxNames {
		to, ok, err := m.Resolve(names[len(names)-1])
		if err != nil {
			return nil, fmt.Errorf("look for task %s: %w", id, err)
		}
		if !ok {
			break
		}
		met(to)
		names = append(names, to)
	}
	return names, nil
}

// also keeps what a task is called, if that is not kept.
func (c *circle) also(aliases []store.Alias) error {
	for _, a := range aliases {
		if c.kept.has(a) {
			continue
		}
		known, ok, err := c.Resolve(a.From)
		if err == nil && (!ok || known != a.To) {
			err = c.put(store.Batch{Aliases: []store.Alias{a}})
		}
		if err != nil {
			return fmt.Errorf("keep that task %s is %s: %w", a.From, a.To, err)
		}
		c.kept.add(a)
	}
	return nil
}

// kept are aliases of which it is known that they are kept, most of the latest: to
// ask the store each time a task is recalled would take a fifth of that.
type kept struct {
	slots atomic.Pointer[[1 << 15]atomic.Pointer[store.Alias]] // nil before the first
	seed  maphash.Seed
}

func (k *kept) has(a store.Alias) bool {
	all := k.slots.Load()
	if all == nil {
		return false
	}
	known := all[k.index(a)].Load()
	return known != nil && *known == a
}

func (k *kept) add(a store.Alias) {
	if k.slots.Load() == nil {
		k.slots.CompareAndSwap(nil, new([1 << 15]atomic.Pointer[store.Alias]))
	}
	k.slots.Load()[k.index(a)].Store(&a)
}

func (k *kept) index(a store.Alias) uint64 { return maphash.String(k.seed, a.From.Key()) % (1 << 15) }

// look is what the task id is known in sp to have come to, of which w hears if it
// is not known yet.
func (e *Engine) look(sp space, w *wait, id task.ID) (came, bool, error) {
	// A task that ends meanwhile gets its next name before it is told by this one: who
	// listens before looking misses nothing.
	names, err := names(sp, id, func(name task.ID) { sp.circle.waits.enter(w, name, id) })
	if err != nil {
		return came{}, false, err
	}
	return e.known(sp, names)
}

// known is what the task with these names is remembered to have come to. Of
// several receipts one that tells how the function returned counts before one
// that tells of a limit, and then that of the highest limits. One that tells of
// a limit does not count while the task runs.
func (e *Engine) known(sp space, names []task.ID) (came, bool, error) {
	for _, name := range names {
		out, ok, err := e.remembered(sp, name)
		if err != nil {
			return came{}, false, fmt.Errorf("look for task %s: %w", name, err)
		}
		if !ok {
			continue
		}
		if limited(out.Outcome) && e.running(sp.circle, names...)[0] {
			return came{}, false, nil
		}
		return out, true, nil
	}
	return came{}, false, nil
}

// standing is [Engine.Standing] for who has sp.
func (e *Engine) standing(sp space, ids []task.ID) ([]Standing, error) {
	all := make([]Standing, len(ids))
	open, err := e.unsettled(sp, ids, all)
	if err != nil {
		return nil, err
	}
	for k, runs := range e.running(sp.circle, open.names...) {
		if runs {
			all[open.of[k]] = Running
		}
	}
	// What ended between the two looks was in neither.
	_, err = e.unsettled(sp, ids, all)
	return all, err
}

// unsettled are names of tasks, and of which of those that were asked for each is.
type unsettled struct {
	names []task.ID
	of    []int
}

// unsettled enters into all which of ids have settled, unless something is known of
// them, and returns the rest.
func (e *Engine) unsettled(sp space, ids []task.ID, all []Standing) (open unsettled, err error) {
	for i, id := range ids {
		if all[i] != Unknown {
			continue
		}
		names, err := names(sp, id, func(task.ID) {})
		if err != nil {
			return open, err
		}
		_, ok, err := e.known(sp, names)
		if err != nil {
			return open, err
		}
		if ok {
			all[i] = Settled
			continue
		}
		for _, name := range names {
			open.names, open.of = append(open.names, name), append(open.of, i)
		}
	}
	return open, nil
}

// running tells for each of ids whether it is a task that runs in c, or a job that
// has not ended of a workflow that does.
func (e *Engine) running(c *circle, ids ...task.ID) []bool {
	out := make([]bool, len(ids))
	for i, id := range ids {
		out[i] = c.flights.has(id)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	for r := range c.runs {
		for i, id := range ids {
			out[i] = out[i] || r.will(id)
		}
	}
	return out
}
