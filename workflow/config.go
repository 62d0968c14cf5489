package workflow

import (
	"fmt"
	"slices"

	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// settings are what a config says.
type settings struct {
	task.Limits
	catch   *Handler
	needs   []string
	secret  Secrecy
	check   *Verification
	retries *int
	retried *node // where retries are said
}

// fill takes from d what s leaves open, and adds what d needs.
func (s *settings) fill(d settings) {
	if s.Gas == 0 {
		s.Gas = d.Gas
	}
	if s.Memory == 0 {
		s.Memory = d.Memory
	}
	if s.Time == 0 {
		s.Time = d.Time
	}
	if s.Disk == 0 {
		s.Disk = d.Disk
	}
	if s.catch == nil {
		s.catch = d.catch
	}
	if s.secret == SecretIfTainted {
		s.secret = d.secret
	}
	if s.check == nil {
		s.check = d.check
	}
	if s.retries == nil {
		s.retries = d.retries
	}
	s.needs = canonicalLabels(slices.Concat(s.needs, d.needs))
}

// ofJobs is what the config of a workflow says of each job: all but the limits,
// which are of the whole run.
func (s settings) ofJobs() settings {
	s.Limits = task.Limits{}
	return s
}

// of gives j what s says.
func (s *settings) of(j *Job) {
	j.Limits, j.Catch, j.Needs = s.Limits, s.catch, s.needs
	j.Secret, j.Check = s.secret, s.check
	if j.Effect != nil {
		j.Retries = s.retries
	}
}

// defaults are what the workflow gives every job.
type defaults struct {
	settings
	lowered bool // the jobs are in the normalised form
}

func (r *reader) config(n *node, what string, s *settings, lowered bool) {
	if n.kind == nullNode {
		return
	}
	r.record(n, what, configFields, func(name string, v *node) { r.setting(s, name, v, lowered) })
}

// setting reads one field of a config. In the normalised form a time is a
// number of nanoseconds.
func (r *reader) setting(s *settings, name string, v *node, lowered bool) {
	if v.kind == nullNode {
		return
	}
	switch name {
	case "time":
		if lowered && v.kind == intNode {
			list := node{kind: listNode, line: v.line, col: v.col, items: []node{*v, {kind: stringNode, value: ipld.String("ns")}}}
			v = &list
		}
		s.Time = r.time(v)
	case "memory":
		s.Memory = r.memory(v)
	case "gas":
		s.Gas = r.gas(v)
	case "disk":
		s.Disk = r.size(v)
	case "check":
		s.check = r.check(v)
	case "secret":
		b, ok := v.value.AsBool()
		switch {
		case !ok:
			r.fault(v, Type, "write secret: true or secret: false, or leave it out; in YAML yes and no are text", "expected true, false or null, got %s", v.show())
		case b:
			s.secret = SecretAlways
		default:
			s.secret = SecretNever
		}
	case "retries":
		i, ok := v.value.AsInt64()
		if !ok || v.kind != intNode || i < 0 || i > maxRetries {
			r.fault(v, Invalid, "write a whole number, or leave it out: only effects are tried again", "expected a number of retries from 0 to %d, got %s", maxRetries, v.show())
			return
		}
		n := int(i)
		s.retries, s.retried = &n, v
	case "catch":
		s.catch = r.handler(v)
	case "needs":
		s.needs = r.needs(v)
	}
}

// Bounds of what a job can ask for.
const (
	maxRetries  = 1000
	maxNeeds    = 32
	maxNeedSize = 64
)

// needs reads {labels: [text…]}: what the node that runs a job must have.
func (r *reader) needs(v *node) (labels []string) {
	r.record(v, "needs", spellings("labels"), func(_ string, v *node) {
		switch {
		case v.kind == nullNode:
			return
		case v.kind != listNode:
			r.fault(v, Type, "write a list, also of one: [gpu]", "expected a list of labels of nodes, got %s", v.show())
			return
		case len(v.items) > maxNeeds:
			r.fault(v, Size, "leave out what every node has", "expected at most %d labels, got %d", maxNeeds, len(v.items))
			return
		}
		for i := range v.items {
			r.enterItem(i)
			if err := CheckNodeLabel(v.items[i].text()); v.items[i].kind != stringNode {
				r.fault(&v.items[i], Type, "a label of a node is text", "expected the label of a node, got %s", v.items[i].show())
			} else if err != nil {
				r.fault(&v.items[i], Invalid, "a label of a node is a word such as gpu or place=eu", "%v", err)
			} else {
				labels = append(labels, v.items[i].text())
			}
			r.leave()
		}
	})
	return canonicalLabels(labels)
}

// CheckNodeLabel says why s can not be a label of a node: a word of 1 to 64
// bytes of printable ASCII without comma.
func CheckNodeLabel(s string) error {
	if s == "" || len(s) > maxNeedSize {
		return fmt.Errorf("a label of a node has 1 to %d bytes, this has %d", maxNeedSize, len(s))
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == ',' {
			return fmt.Errorf("the label %s of a node has a character that is no letter, digit or sign", quote(s))
		}
	}
	return nil
}

// canonicalLabels is all in canonical key order, each once; nil for none.
func canonicalLabels(all []string) []string {
	slices.SortFunc(all, ipld.CompareKeys)
	return slices.Clip(slices.Compact(all))
}

// handler reads {with: module, func: name}, the function that is asked about a
// failure.
func (r *reader) handler(v *node) *Handler {
	if r.dialect == Draft {
		return r.draftHandler(v)
	}
	if v.kind == nullNode {
		return nil
	}
	h := &Handler{Pos: r.posOf(v)}
	fields := spellings("with", "func", "type")
	r.record(v, "a handler", fields, func(name string, v *node) {
		switch name {
		case "with":
			module := r.module(v)
			if p, promised, _ := task.AsPromise(module); promised {
				r.fault(v, Invalid, "name the module by its CID or path", "a handler can not wait for the result of %s", quote(p.Label))
			}
			h.Module, _ = module.AsLink()
		case "func":
			if v.kind != stringNode && v.kind != nullNode {
				r.fault(v, Type, funcHint, "expected the name of a function, got %s", v.show())
			}
			h.Func = v.text()
		case "type":
			if r.jobType(v) {
				r.fault(v, Invalid, "write type: wasm/1.0, or leave it out", "a handler is a function, not an effect")
			}
		}
	})
	if v.kind == mapNode && v.lookup("with") == nil && !r.misspelt("with", v, fields) {
		r.fault(v, Missing, withHint, "the handler does not say which module it runs: there is no field with")
	}
	return h
}
