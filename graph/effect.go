package graph

import (
	"crypto/sha256"
	"errors"
	"slices"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/plan"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// effect is job, an effect, as a task as written.
func (g *Graph) effect(job *workflow.Job, byID func(task.Promise) (ipld.Value, error)) (task.Task, error) {
	e := *job.Effect
	var err error
	if e.URI, err = task.MapPromises(e.URI, byID); err != nil {
		return task.Task{}, err
	}
	params, err := task.MapPromises(job.Call.Params, byID)
	if err != nil {
		return task.Task{}, err
	}
	nonce, err := g.nonce(job)
	if err != nil {
		return task.Task{}, err
	}
	sub := g.subject(job)
	if sub == "" {
		return task.Task{}, errors.New("an effect needs an owner, and none is known")
	}
	return e.Task(sub, params, nonce), nil
}

// errNoNonce reports that what would be sent twice would act twice.
var errNoNonce = errors.New("a workflow with effects needs a nonce: 16 bytes that whoever submits it makes once")

// subject is who an effect belongs to.
func (g *Graph) subject(job *workflow.Job) did.DID {
	if job.Subject != "" {
		return job.Subject
	}
	return g.owner
}

// nonce is that of an effect: its own where it is a task already, else one that
// comes from the workflow's, so that what is sent twice acts once
// (docs/protocol.md, "Effects").
func (g *Graph) nonce(job *workflow.Job) (string, error) {
	w := g.workflow
	switch {
	case job.Nonce != "" || job.Subject != "" || w.Dialect == workflow.UCAN:
		return job.Nonce, nil
	case w.Nonce == "":
		return "", errNoNonce
	}
	hash := sha256.Sum256([]byte(w.Nonce + "\x00" + job.Label))
	return string(hash[:16]), nil
}

// classify enters what each step does to the world.
func (g *Graph) classify(kinds []task.EffectKind) {
	for i := range g.steps {
		s := &g.steps[i]
		s.Class = task.ClassPure
		e := s.Job.Effect
		if e == nil {
			continue
		}
		s.Class = task.ClassMutation
		k := slices.IndexFunc(kinds, func(k task.EffectKind) bool { return k.Scheme == e.Scheme && k.Ability == e.Do })
		if k >= 0 {
			s.Kind = &kinds[k]
			s.Class = s.Kind.Class
		}
	}
}

// Mutates tells whether step i changes the world.
func (g *Graph) Mutates(i int) bool { return g.steps[i].Class == task.ClassMutation }

// thing is what mutations change: a URI of a subject, or, where one of them
// learns its URI only when it runs, all of a scheme.
type thing struct {
	subject     did.DID
	uri, scheme string
}

// inTurn gives each mutation an edge from the one before it that changes the
// same thing. Steps are in topological order, and so are these.
func (g *Graph) inTurn() {
	promised := make(map[thing]bool)
	each := func(f func(i int, uri string, promised bool)) {
		for i := range g.steps {
			if s := &g.steps[i]; s.Class == task.ClassMutation {
				uri, ok := s.Job.Effect.URI.AsString()
				f(i, uri, !ok)
			}
		}
	}
	each(func(i int, _ string, unknown bool) {
		if unknown {
			promised[g.schemeOf(i)] = true
		}
	})
	last := make(map[thing]int)
	each(func(i int, uri string, _ bool) {
		t := g.schemeOf(i)
		if !promised[t] {
			t = thing{subject: t.subject, uri: uri}
		}
		if before, ok := last[t]; ok {
			s := &g.steps[i]
			s.Deps = append(slices.Clip(s.Deps), plan.Edge{From: before, Kind: plan.Order})
			sortEdges(s.Deps)
		}
		last[t] = i
	})
}

func (g *Graph) schemeOf(i int) thing {
	job := g.steps[i].Job
	return thing{subject: g.subject(job), scheme: job.Effect.Scheme}
}

// taint enters which steps are secret: the sources, and what depends on them by
// any edge but that of an order.
func (g *Graph) taint() {
	for i := range g.steps {
		s := &g.steps[i]
		s.From = -1
		if s.Job.Secret == workflow.SecretAlways || s.Kind != nil && s.Kind.Secret {
			s.From = i
		}
		for _, d := range s.Deps {
			if s.From < 0 && d.Kind != plan.Order && g.steps[d.From].Secret {
				s.From = d.From
			}
		}
		s.Secret = s.From >= 0 && s.Job.Secret != workflow.SecretNever
	}
}

// Way is how a secret comes to step i: the steps from its source on, of which
// step i is the last; empty where it does not.
func (g *Graph) Way(i int) []int {
	var way []int
	for at := i; at >= 0; {
		way = append(way, at)
		from := g.steps[at].From
		if from == at {
			break
		}
		at = from
	}
	if len(way) == 1 && g.steps[i].From < 0 {
		return nil
	}
	slices.Reverse(way)
	return way
}

// Stages are the steps by when each may start at the earliest: after all that it
// waits for, and, if it mutates, after all that can be known before.
func (g *Graph) Stages() [][]int {
	stage := make([]int, len(g.steps))
	knowable := make([]bool, len(g.steps))
	last := -1 // of those that are knowable
	for i := range g.steps {
		knowable[i] = !g.Mutates(i)
		for _, d := range g.steps[i].Deps {
			knowable[i] = knowable[i] && knowable[d.From]
			stage[i] = max(stage[i], stage[d.From]+1)
		}
		if knowable[i] {
			last = max(last, stage[i])
		}
	}
	var out [][]int
	for i := range g.steps { // once more, as what comes before a mutation is known by now
		if g.Mutates(i) {
			stage[i] = max(stage[i], last+1)
		}
		for _, d := range g.steps[i].Deps {
			stage[i] = max(stage[i], stage[d.From]+1)
		}
		for len(out) <= stage[i] {
			out = append(out, nil)
		}
		out[stage[i]] = append(out[stage[i]], i)
	}
	return out
}
