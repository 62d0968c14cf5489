package engine

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ipvm-wg/go-ipvm/graph"
	"github.com/ipvm-wg/go-ipvm/task"
	"github.com/ipvm-wg/go-ipvm/workflow"
)

// objection is why a job can not be run here, and what of the job is to blame.
type objection struct {
	part      workflow.Part
	word      string // the item of the part, where that is a list
	kind      workflow.Kind
	msg, hint string
}

// objections are why this node can not run j as its document asks, whatever the
// modules are, as far as the job alone shows it.
func (p Policy) objections(j *workflow.Job) (all []objection) {
	object := func(part workflow.Part, kind workflow.Kind, hint, format string, args ...any) {
		all = append(all, objection{part: part, kind: kind, msg: fmt.Sprintf(format, args...), hint: hint})
	}
	for _, label := range j.Needs {
		if !slices.Contains(p.Labels, label) {
			object(workflow.PartNeeds, workflow.Unsupported, "run it on a node that has it, or give this one the label with --labels", "%s", p.lacks(label))
			all[len(all)-1].word = label
		}
	}
	if e := j.Effect; e != nil {
		object(workflow.PartEffect, workflow.Unsupported, "do it by hand: read first and give what was read as {file: …}, or let the workflow end with what is to be sent",
			"this node can not do %s on %s URIs: it has no effects, only functions (%s)", e.Do, e.Scheme, strings.TrimPrefix(task.CommandRun, "/"))
	}
	if c := j.Check; c != nil && c.Strategy != workflow.Attestation {
		object(workflow.PartCheck, workflow.Unsupported, "leave it out, or write check: attestation", "this node can not verify results by %s, only by attestation", c.Strategy)
	}
	return all
}

// revelations are the objections that a secret which comes to step i of g is
// ground for.
func (p Policy) revelations(g *graph.Graph, i int) (all []objection) {
	s := g.Step(i)
	if s.From >= 0 && !s.Secret {
		all = append(all, objection{part: workflow.PartSecret, kind: workflow.Invalid, msg: reveals(g, i), hint: "leave out secret: false"})
	}
	if from := secretModule(g, s); from != "" {
		msg := fmt.Sprintf("the module is the result of %s, which is a secret", from)
		all = append(all, objection{part: workflow.PartModule, kind: workflow.Unsupported, msg: msg, hint: "let a job that is no secret make the module"})
	}
	return all
}

// reveals says which secret step i would give away.
func reveals(g *graph.Graph, i int) string {
	way := Way(g, i)
	if len(way) == 1 {
		return "secret: false can not hold: what the job reads is always a secret"
	}
	return fmt.Sprintf("secret: false can not hold: the result depends on that of %s, which is a secret: %s", way[0], strings.Join(way, " → "))
}

// Way is how a secret comes to step i: the labels from its source on; nil where
// it does not.
func Way(g *graph.Graph, i int) (labels []string) {
	for _, at := range g.Way(i) {
		labels = append(labels, g.Label(at))
	}
	return labels
}

// secretModule is the label of the job whose result, a secret, step s would run
// as a module; empty where there is none.
func secretModule(g *graph.Graph, s *graph.Step) string {
	p, promised, _ := task.AsPromise(s.Job.Call.Module)
	if !promised {
		return ""
	}
	if i, ok := g.Find(p.Label); ok && g.Step(i).Secret {
		return p.Label
	}
	return ""
}

// refuseJobs says which job can not be run here, and why; empty when there is
// none.
func (p Policy) refuseJobs(g *graph.Graph) string {
	for i := range g.Len() {
		if all := append(p.objections(g.Step(i).Job), p.revelations(g, i)...); len(all) > 0 {
			return fmt.Sprintf("job %s: %s", g.Step(i).Label, all[0].msg)
		}
	}
	return ""
}

// lacks says that a node has not what a job must have.
func (p Policy) lacks(label string) string {
	has := "none"
	if len(p.Labels) > 0 {
		has = strings.Join(p.Labels, ", ")
	}
	return fmt.Sprintf("the job needs a node with the label %s; this one has %s", label, has)
}
