package workflow

import (
	"github.com/ipvm-wg/go-ipvm/ipld"
	"github.com/ipvm-wg/go-ipvm/task"
)

// defaults are what the workflow gives every job.
type defaults struct {
	limits  task.Limits
	lowered bool // the jobs are in the normalised form
}

// merge fills what l leaves open.
func (d *defaults) merge(l task.Limits) task.Limits {
	if l.Gas == 0 {
		l.Gas = d.limits.Gas
	}
	if l.Memory == 0 {
		l.Memory = d.limits.Memory
	}
	if l.Time == 0 {
		l.Time = d.limits.Time
	}
	return l
}

func (r *reader) config(n *node, what string, l *task.Limits, lowered bool) {
	if n.kind == nullNode {
		return
	}
	r.record(n, what, configFields, func(name string, v *node) { r.limit(l, name, v, lowered) })
}

// limit reads one field of a config. In the normalised form a time is a
// number of nanoseconds.
func (r *reader) limit(l *task.Limits, name string, v *node, lowered bool) {
	if v.kind == nullNode {
		return
	}
	switch name {
	case "time":
		if lowered && v.kind == intNode {
			list := node{kind: listNode, line: v.line, col: v.col, items: []node{*v, {kind: stringNode, value: ipld.String("ns")}}}
			v = &list
		}
		l.Time = r.time(v)
	case "memory":
		l.Memory = r.memory(v)
	case "gas":
		l.Gas = r.gas(v)
	case "disk":
		r.notYet(v, "a disk limit", "leave it out: a pure job can not write to a disk")
	case "check":
		r.check(v)
	case "secret":
		if b, ok := v.value.AsBool(); !ok {
			r.fault(v, Type, "", "expected true, false or null, got %s", v.show())
		} else if b {
			r.notYet(v, "a secret job", "")
		}
	case "retries":
		if i, ok := v.value.AsUint64(); !ok || v.kind != intNode || i > 1000 {
			r.fault(v, Invalid, "", "expected a number of retries from 0 to 1000, got %s", v.show())
			return
		}
		r.warn(v.line, v.col, "", "retries are for jobs that ask the world; a pure job needs none and has none")
	case "catch":
		r.catch(v)
	}
}

// check reads how results are to be verified (specification, "Verification").
func (r *reader) check(v *node) {
	name := v.text()
	if k, _ := v.sole(); k != "" {
		name = k
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
