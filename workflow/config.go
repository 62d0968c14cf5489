package workflow

import (
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// settings are what a config says.
type settings struct {
	task.Limits
	catch *Handler
}

// fill takes from d what s leaves open.
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
	if s.catch == nil {
		s.catch = d.catch
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
		r.notYet(v, "a disk limit", "leave it out: a pure job can not write to a disk")
	case "check":
		r.check(v)
	case "secret":
		if b, ok := v.value.AsBool(); !ok {
			r.fault(v, Type, "write secret: false, or leave it out", "expected true, false or null, got %s", v.show())
		} else if b {
			r.notYet(v, "a secret job", "keep secrets out of the workflow: arguments and results are stored as they are")
		}
	case "retries":
		if i, ok := v.value.AsUint64(); !ok || v.kind != intNode || i > 1000 {
			r.fault(v, Invalid, "leave it out: a function that failed fails again", "expected a number of retries from 0 to 1000, got %s", v.show())
			return
		}
		r.warn(v.line, v.col, "", "retries are for jobs that ask the world; a pure job needs none and has none")
	case "catch":
		s.catch = r.handler(v)
	}
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
	r.record(v, "a handler", spellings("with", "func", "type"), func(name string, v *node) {
		switch name {
		case "with":
			module := r.module(v)
			if p, promised, _ := task.AsPromise(module); promised {
				r.fault(v, Invalid, "name the module by its CID or path", "a handler can not wait for the result of %s", quote(p.Label))
			}
			h.Module, _ = module.AsLink()
		case "func":
			if v.kind != stringNode && v.kind != nullNode {
				r.fault(v, Type, "leave func out when the module exports exactly one function", "expected the name of a function, got %s", v.show())
			}
			h.Func = v.text()
		case "type":
			r.jobType(v)
		}
	})
	if v.kind == mapNode && v.lookup("with") == nil {
		r.fault(v, Missing, "add with: CID, or with: ./module.wasm on the command line", "the handler does not say which module it runs: there is no field with")
	}
	return h
}

// check reads how results are to be verified (specification, "Verification").
func (r *reader) check(v *node) {
	name := v.text()
	if k, _ := v.sole(); k != "" {
		name = k
	} else if v.lookup("referee") != nil && v.lookup("optimistic") != nil && len(v.items) == 2 { // the drafts' form
		name = "optimistic"
	}
	switch name {
	case "attestation":
		if v.kind == stringNode {
			return
		}
	case "oracle", "consensus", "optimistic", "zkp":
		r.notYet(v, "verification by "+name, `leave it out, or write check: attestation`)
		return
	}
	r.fault(v, Invalid, "leave it out, or write check: attestation", `expected "attestation" or one of the maps {oracle}, {consensus}, {optimistic}, {zkp}, got %s`, v.show())
}
