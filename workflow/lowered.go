package workflow

import (
	"fmt"
	"strings"

	"github.com/ipvm-wg/go-ipvm/did"
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// lowered tells whether the jobs are in the normalised form, in which times
// are whole nanoseconds.
func lowered(jobs *node) bool {
	if jobs == nil || len(jobs.items) == 0 {
		return false
	}
	return jobs.items[0].lookup("run") != nil
}

// writtenHint is for who changed a document that only a program writes.
const writtenHint = "run is what `ipvm` writes; people write with, func and args"

// lowered reads a job of the normalised form, {run: {sub, cmd, args, nonce},
// config, on, await, catch, needs, scheme}. Its promises wait for Task IDs, which resolveLowered turns into
// labels once all jobs are known; their place is the job's.
func (r *reader) lowered(j *Job, n *node, g *given) {
	for i := range n.keys {
		switch k := n.keys[i]; k.text {
		case "run", "config", "on", "await", "catch", "needs", "scheme":
		default:
			r.enter(k.text)
			r.report(k.line, k.col, UnknownField, "beside run there are only config, on, await, catch, needs and scheme; "+writtenHint, "a job with run has no field %s", quote(k.text))
			r.leave()
		}
	}
	r.enter("run")
	t, err := task.FromValue(r.data(g.run))
	switch {
	case err != nil:
	case t.Command == task.CommandRun:
		j.Call, err = t.Call()
	default:
		err = j.loweredEffect(t)
	}
	if err == nil && t.Subject != did.Pure {
		_, err = did.Parse(string(t.Subject))
		j.Subject, j.Nonce = t.Subject, t.Nonce
	}
	if err != nil {
		r.fault(g.run, Invalid, "run is {sub, cmd, args, nonce} of the task as `ipvm` writes it", "not a task: %s", strings.TrimPrefix(err.Error(), "task: "))
	} else if _, promised, _ := task.AsPromise(j.Call.Module); j.Effect == nil && j.Call.Module.Kind() != ipld.KindLink && !promised {
		r.fault(g.run, Unsupported, writtenHint, "the module is a %s, not a link", j.Call.Module.Kind())
	} else if _, whole, _ := task.AsPromise(j.Call.Params); whole {
		r.fault(g.run, Unsupported, writtenHint, "a promise can stand for an argument, not for all of them")
	}
	r.leave()
	if j.Effect != nil {
		r.loweredScheme(j, g)
	}
	if g.config != nil {
		r.enter("config")
		r.config(g.config, "config", &g.settings, true)
		r.leave()
	}
}

// loweredEffect takes the effect that t is.
func (j *Job) loweredEffect(t task.Task) error {
	e := &Effect{Do: t.Command[1:], URI: ipld.Null}
	j.Effect = e
	var rest []ipld.Entry
	for _, arg := range t.Args.Entries() {
		if arg.Key == "uri" {
			e.URI = arg.Value
		} else {
			rest = append(rest, arg)
		}
	}
	j.Call.Params = ipld.Map(rest...)
	if _, promised, err := task.AsPromise(e.URI); promised || err != nil {
		return err
	}
	text, ok := e.URI.AsString()
	uri, scheme, err := NormalURI(text)
	switch {
	case !ok:
		return fmt.Errorf("the command %s has no uri in its args", t.Command)
	case err != nil:
		return fmt.Errorf("uri %s can not be used: %w", quote(text), err)
	case uri != text:
		return fmt.Errorf("uri %s is not in normal form, which is %s", quote(text), quote(uri))
	}
	e.Scheme = scheme
	return nil
}

// loweredScheme reads the scheme of an effect whose URI is the result of a job.
func (r *reader) loweredScheme(j *Job, g *given) {
	_, promised, _ := task.AsPromise(j.Effect.URI)
	switch {
	case g.scheme != nil && promised:
		r.enter("scheme")
		r.scheme(j.Effect, g.scheme)
		r.leave()
	case g.scheme != nil:
		r.fault(g.scheme, Invalid, writtenHint, "a scheme is said only where the URI is the result of a job")
	case promised:
		r.fault(g.run, Missing, writtenHint, "the URI is the result of a job, and the scheme that it has to have is not said")
	}
}

// resolveLowered replaces, in jobs of the normalised form, awaited Task IDs by
// the labels of the jobs that have them; those that none has are of other
// workflows. Where two jobs are the same task it is the first label, which
// names the same result.
func (r *reader) resolveLowered(w *Workflow) {
	labels := make(map[ipld.Link]string, len(w.Jobs))
	for i := range w.Jobs {
		j := &w.Jobs[i]
		id, err := j.task().ID()
		if err != nil {
			continue // reported
		}
		if _, ok := labels[id.Link]; !ok {
			labels[id.Link] = j.Label
		}
	}
	for i := range w.Jobs {
		j := &w.Jobs[i]
		at := node{line: int32(j.Pos.Line), col: int32(j.Pos.Col)}
		r.path = append(r.path, step{key: j.Label, isKey: true}, step{key: "run", isKey: true})
		var promises []Edge
		byLabel := func(p task.Promise) (ipld.Value, error) {
			label, ok := labels[p.Task.Link]
			switch {
			case p.Label != "":
				r.fault(&at, BadPromise, writtenHint, "a task awaits a Task ID, not the label %s", quote(p.Label))
			case !ok && !mayBeTask(p.Task.Link):
				r.fault(&at, BadPromise, taskIDHint, "awaits the link %s, which is no Task ID", p.Task)
			case !ok:
				j.Outside = append(j.Outside, Edge{Promise: p, Pos: j.Pos})
				return p.Value(), nil
			}
			p.Label, p.Task = label, task.ID{}
			promises = append(promises, Edge{Promise: p, Pos: j.Pos})
			return p.Value(), nil
		}
		var err error
		if e := j.Effect; e != nil {
			e.URI, err = task.MapPromises(e.URI, byLabel)
		}
		if err == nil {
			j.Call.Module, err = task.MapPromises(j.Call.Module, byLabel)
		}
		if err == nil {
			j.Call.Params, err = task.MapPromises(j.Call.Params, byLabel)
		}
		if err != nil {
			r.fault(&at, BadPromise, writtenHint, "%v", err)
		}
		j.Edges = append(promises, j.Edges...)
		r.path = r.path[:len(r.path)-2]
	}
}

// task is the job's task while its promises still wait for Task IDs.
func (j *Job) task() task.Task {
	switch {
	case j.Effect != nil:
		return j.Effect.Task(j.Subject, j.Call.Params, j.Nonce)
	case j.Subject == "":
		return j.Call.Pure()
	}
	return j.Call.Task(j.Subject, j.Nonce)
}
